"""`TrustKeys`: which private key signs for which role, and the keys of new repositories."""

from __future__ import annotations

import pytest

from imagesig.content_trust.key import TrustKey, canonical_id
from imagesig.content_trust.keyring import TrustKeys
from imagesig.content_trust.role import Role
from imagesig.content_trust.signing_key import ProviderKey, signing_key
from imagesig.crypto.algorithms import KeyType, ToSign
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import KeyNotFound
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileKey
from imagesig.keys.provider import SigningKey
from imagesig.signature import SignerInfo
from tests.content_trust.repository import NOW

GUN = "registry.example/app"


def made(kind: KeyType = KeyType.ECDSA_P256) -> SigningKey:
    return FileKey(PrivateKey.generate(kind), "key")


def role(*keys: SigningKey, threshold: int = 1) -> Role:
    return Role("targets/alice", tuple(TrustKey.of(key.info.public_key) for key in keys), threshold)


class Folder:
    """Keys by role. `opened` has the ids of those that were opened."""

    def __init__(self, **keys: SigningKey) -> None:
        self.keys = {canonical_id(key.info.public_key): (name, key) for name, key in keys.items()}
        self.opened: list[str] = []

    def roles(self) -> dict[str, str]:
        return {key_id: name for key_id, (name, _) in self.keys.items()}

    def repositories(self) -> dict[str, str]:
        return {}

    def find(self, key_id: str) -> ProviderKey | None:
        self.opened.append(key_id)
        return signing_key(self.keys[key_id][1]) if key_id in self.keys else None

    def generate(self, role: str, repository: str = "") -> ProviderKey:
        key = made()
        self.keys[canonical_id(key.info.public_key)] = (f"{role} {repository}".strip(), key)
        return signing_key(key)


class Versions(SigningKey):
    """A key with versions, newest first, as Vault has them."""

    def __init__(self, *versions: SigningKey) -> None:
        self._versions = versions

    @property
    def info(self) -> SignerInfo:
        return self._versions[0].info

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        return tuple(key.info.public_key for key in self._versions)

    def pinned_to(self, public_key: PublicKey) -> SigningKey:
        return next(key for key in self._versions if key.info.public_key == public_key)

    def _sign(self, request: ToSign) -> bytes:
        return self._versions[0].sign(request.message, request.algorithm)

    def _release(self) -> None:
        return None


def test_each_key_signs_for_the_roles_that_list_it() -> None:
    alice, bob = made(), made(KeyType.RSA_2048)
    keys = TrustKeys(alice, folder=Folder(bob=bob))
    assert keys.able(role(alice))
    assert keys.able(role(bob, made()))
    assert not keys.able(role(made()))
    assert keys.able(role(alice, bob, threshold=2))
    assert not keys.able(role(alice, made(), threshold=2))
    assert [item.method for item in keys.sign(role(alice, bob), b"message")] == ["ecdsa", "rsapss"]


def test_one_key_under_two_ids_does_not_make_a_threshold_of_two() -> None:
    alice = made()
    twice = TrustKey("0" * 64, alice.info.public_key)
    assert not TrustKeys(alice).able(Role("root", (*role(alice).keys, twice), 2))
    with pytest.raises(KeyNotFound):
        TrustKeys(alice).sign(Role("root", (*role(alice).keys, twice), 2), b"")


def test_no_key_is_opened_to_find_out_what_is_here() -> None:
    bob = made()
    folder = Folder(bob=bob)
    keys = TrustKeys(folder=folder)
    assert keys.able(role(bob))
    assert not folder.opened
    with pytest.raises(KeyNotFound, match=canonical_id(bob.info.public_key)):
        TrustKeys().sign(role(bob), b"")


def test_the_version_that_the_role_lists_signs() -> None:
    older, newer = made(), made()
    (signature,) = TrustKeys(Versions(newer, older)).sign(role(older), b"message")
    (key,) = role(older).keys
    key.verify(signature.method, signature.value, b"message")


def test_the_keys_of_a_new_repository_are_given_in_the_folder_or_made_there() -> None:
    root, targets, folder = made(), made(), Folder(root=made(), alice=made())
    given = TrustKeys(root=root, targets=targets, folder=folder)
    assert given.for_new("root", GUN, NOW).canonical_id == canonical_id(root.info.public_key)
    assert given.for_new("targets", GUN, NOW).canonical_id == canonical_id(targets.info.public_key)
    found = TrustKeys(folder=folder)
    chosen = [found.for_new(name, GUN, NOW).canonical_id for name in ("root", "targets")]
    assert [folder.roles()[key_id] for key_id in chosen] == ["root", f"targets {GUN}"]
    empty = Folder()
    assert TrustKeys(folder=empty).for_new("root", GUN, NOW).certificates
    assert set(empty.roles().values()) == {"root"}
    with pytest.raises(KeyNotFound, match="no root key is given"):
        TrustKeys().for_new("root", GUN, NOW)


@pytest.mark.parametrize("name", [GUN, f"registry.example/{'long/' * 20}name"], ids=["short", "long"])
@pytest.mark.parametrize("kind", [KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.RSA_2048])
def test_a_root_key_gets_a_certificate_for_the_repository(name: str, kind: KeyType) -> None:
    root = made(kind)
    key = TrustKeys(root=root).for_new("root", name, NOW)
    (certificate,) = key.certificates
    assert certificate.public_key == root.info.public_key
    assert (certificate.not_after - certificate.not_before).days == 3650
    common = certificate.subject.rpartition("CN=")[2]
    assert common == name or (len(common) == 64 and common[-1] == "*" and name.startswith(common[:-1]))
