"""Certificate objects in a real SoftHSM token, put there with pkcs11-tool."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.certificate import Certificate
from imagesig.keys.pkcs11.provider import Pkcs11Provider
from imagesig.keys.secrets import fixed
from tests.issuers import Issuer
from tests.keys.pkcs11.test_provider import pkcs11_tool
from tests.makers import private_key
from tests.peers.servers import SoftHsmToken

pytestmark = pytest.mark.interop


class Token:
    """The token, and one key in it that no other test has. Other tests' certificates lie there too."""

    def __init__(self, softhsm: SoftHsmToken, folder: Path) -> None:
        self.token, self.folder = softhsm, folder
        self.label, self.id = f"key-{uuid.uuid4().hex[:10]}", uuid.uuid4().hex
        name = f"pkcs11:object={self.label};id=" + "".join(f"%{self.id[at : at + 2]}" for at in range(0, 32, 2))
        with self.opened() as provider, provider.generate(name, KeyType.ECDSA_P256) as key:
            self.public_key = key.info.public_key

    def opened(self) -> Pkcs11Provider:
        return Pkcs11Provider(self.token.module, token=self.token.label, secrets=fixed(self.token.pin))

    def put(self, certificate: Certificate, identity: str) -> None:
        (self.folder / "certificate.der").write_bytes(certificate.der)
        command = ["--write-object", str(self.folder / "certificate.der"), "--type", "cert", "--id", identity]
        pkcs11_tool(self.token, *command, "--label", uuid.uuid4().hex[:8])

    @property
    def chain(self) -> tuple[Certificate, ...]:
        with self.opened() as provider, provider.open(self.label) as key:
            assert key.sign(b"message")
            return key.info.chain


@pytest.fixture
def token(softhsm: SoftHsmToken, tmp_path: Path) -> Token:
    return Token(softhsm, tmp_path)


def test_a_key_without_certificates_has_no_chain(token: Token) -> None:
    assert token.chain == ()


def test_the_chain_is_the_certificate_of_the_keys_id_and_the_issuers_on_the_token(token: Token) -> None:
    root = Issuer("root")
    chain = Issuer("middle", [root]).chain_for(token.public_key)
    for number, certificate in enumerate(reversed(chain)):
        token.put(certificate, token.id if certificate == chain[0] else f"0{number + 1}")
    assert token.chain == chain


def test_a_certificate_with_another_id_is_used_if_it_has_the_same_public_key(token: Token) -> None:
    chain = Issuer("root").chain_for(token.public_key)
    token.put(chain[0], "55")
    assert token.chain == chain[:1]


def test_a_certificate_for_another_key_with_the_same_id_is_ignored(token: Token) -> None:
    token.put(Issuer("root").chain_for(private_key().public_key)[0], token.id)
    assert token.chain == ()
