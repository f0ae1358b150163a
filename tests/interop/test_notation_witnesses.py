"""notation 1.3.2 and imagesig ask the same timestamp service, OCSP responder and CRL, and come to the same verdicts."""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec.structs import replace

from imagesig import sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import NoSignatureAccepted, Revoked
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout, layout
from imagesig.keys.file.provider import FileKey
from imagesig.signature import AUTHENTIC_TIMESTAMP, REVOCATION, TIMESTAMP_REVOCATION
from imagesig.witnesses import Witnesses, offline, online
from tests.authorities import Authority, Issued
from tests.interop.notation import NotationHome
from tests.makers import private_key
from tests.peers.openssl import Publisher, TimestampService, pem
from tests.witnesses.loopback import Asked, Said, Server, serving

pytestmark = pytest.mark.interop

KEY_TYPES = (KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.RSA_2048)
STORES = ("ca:services", "tsa:services")


@dataclass(frozen=True)
class World:
    """notation with its trust stores; an authority for signers and one for a timestamp service, both openssl's."""

    folder: Path
    home: Any
    signers: Publisher
    services: Publisher
    tsa: TimestampService
    server: Server

    def notation(self, **timestamp: Any) -> Any:
        from imagesig.formats.notation import Notation

        return Notation(
            timestamp_url=f"{self.server.url}/tsa",
            timestamp_authorities=(self.services.authority.certificate,),
            **timestamp,
        )

    def signer(self, *kinds: str, key_type: KeyType = KeyType.ECDSA_P256) -> tuple[FileKey, Issued]:
        """A key and its certificate, which says where to ask: `ocsp`, `crl`, both or nobody."""
        key = private_key(key_type)
        urls = {kind: (f"{self.server.url}/{kind}",) for kind in kinds}
        issued = self.signers.authority.leaf(key=load_pem_private_key(key.to_pem(None), None), **urls)
        self.signers.issued([issued])
        chain = (issued.certificate, self.signers.authority.certificate)
        return FileKey(replace(key, chain=chain), "test key"), issued

    def image(self) -> Image:
        made = build_image(Layout.create(self.folder / "image"), {"app": b"hello"}, PLATFORMS[0], "1.0")
        return layout(self.folder / "image", made.digest)

    def notation_verifies(self, image: Image) -> Any:
        return self.home.verify(f"{self.folder / 'image'}@{image.target}")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    now = datetime.now(UTC)
    signers_ca, services_ca = Authority("authority", now=now), Authority("timestamp root", now=now)
    signers = Publisher(tmp_path / "signers", signers_ca, signers_ca.delegate())
    services = Publisher(tmp_path / "services", services_ca, services_ca.delegate())
    one_at_a_time = threading.Lock()

    def answer(asked: Asked) -> Said:
        kind, _, rest = asked.path.removeprefix("/").partition("/")
        with one_at_a_time:
            if kind == "tsa":
                return Said(tsa.answer(asked.body), headers={"content-type": "application/timestamp-reply"})
            if kind == "crl":
                return Said(signers.crl())
            publisher = services if kind == "services-ocsp" else signers
            return Said(publisher.answer(asked.body or base64.b64decode(unquote(rest))))

    with serving(answer) as server:
        signer = services_ca.tsa(ocsp=(f"{server.url}/services-ocsp",))
        services.issued([signer])
        tsa = TimestampService(tmp_path / "tsa", signer, (services_ca.certificate,))
        home = NotationHome.create(tmp_path / "notation")
        home.trust([signers_ca.certificate], "services")
        home.trust([services_ca.certificate], "services", "tsa")
        home.write_policy(stores=STORES)
        yield World(tmp_path, home, signers, services, tsa, server)


@pytest.fixture
def witnesses() -> Iterator[Witnesses]:
    """They have asked nobody yet. More time than usual: openssl is a new process for each answer."""
    made = online(ocsp_seconds=30, crl_seconds=30, timestamp_seconds=30)
    yield made
    made.close()


def refusal(image: Image, world: World, witnesses: Witnesses) -> Exception:
    with pytest.raises(NoSignatureAccepted) as caught:
        verify(image, world.home.policy, witnesses=witnesses)
    (rejection,) = caught.value.rejections
    return rejection.error


@pytest.mark.parametrize("envelope", ["jws", "cose"])
@pytest.mark.parametrize(
    "key_type", [KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.RSA_2048], ids=lambda key: key.value
)
def test_notation_accepts_the_timestamp_that_imagesig_fetched(
    key_type: KeyType, envelope: str, world: World, witnesses: Witnesses
) -> None:
    image = world.image()
    key, _ = world.signer("ocsp", key_type=key_type)

    sign(image, key, formats=[world.notation(envelope=envelope)], witnesses=witnesses)

    world.notation_verifies(image).must_succeed()
    (signature,) = verify(image, world.home.policy, witnesses=witnesses).signatures
    passed = {check.name for check in signature.checks if check.passed}
    assert passed >= {AUTHENTIC_TIMESTAMP, REVOCATION, TIMESTAMP_REVOCATION}


@pytest.mark.parametrize("envelope", ["jws", "cose"])
def test_imagesig_accepts_the_timestamp_that_notation_fetched(
    envelope: str, world: World, witnesses: Witnesses
) -> None:
    image = world.image()
    key, _ = world.signer("crl")
    world.home.add_key("signer", private_key(KeyType.ECDSA_P256), key.info.chain)
    root = world.folder / "root.pem"
    root.write_bytes(pem(world.services.authority.certificate))
    asked = ("--timestamp-url", f"{world.server.url}/tsa", "--timestamp-root-cert", str(root))
    world.home.sign("signer", envelope, f"{world.folder / 'image'}@{image.target}", *asked).must_succeed()

    assert verify(image, world.home.policy, witnesses=witnesses).verified


@pytest.mark.parametrize("kind", ["ocsp", "crl"])
def test_both_refuse_a_revoked_signer(kind: str, world: World, witnesses: Witnesses) -> None:
    image = world.image()
    key, issued = world.signer(kind)
    world.home.write_policy(stores=STORES[:1])
    sign(image, key, formats=["notation"])
    world.notation_verifies(image).must_succeed()
    world.signers.revoke(issued)
    shutil.rmtree(world.home.folder / "cache")  # else notation believes the list that it has

    assert not world.notation_verifies(image).ok
    failure = refusal(image, world, witnesses)
    assert isinstance(failure, Revoked)
    assert "keyCompromise" in str(failure)


@pytest.mark.parametrize(
    ("verification", "accepted"),
    [("strict", False), ({"level": "strict", "override": {"revocation": "skip"}}, False), ("permissive", True)],
    ids=["strict", "revocation skipped", "permissive"],
)
def test_both_judge_a_revoked_timestamp_service_as_part_of_the_timestamp(
    verification: object, accepted: bool, world: World
) -> None:
    image = world.image()
    key, _ = world.signer()
    before, after = online(ocsp_seconds=30), online(ocsp_seconds=30)
    sign(image, key, formats=[world.notation()], witnesses=before)
    world.services.revoke(world.tsa.signer)
    world.home.write_policy(level=verification, stores=STORES)

    assert world.notation_verifies(image).ok is accepted
    if accepted:
        assert any("CN=tsa" in text for text in verify(image, world.home.policy, witnesses=after).warnings)
    else:
        assert "CN=tsa" in str(refusal(image, world, after))
    before.close()
    after.close()


def test_imagesig_uses_the_list_that_notation_keeps(world: World) -> None:
    image = world.image()
    key, _ = world.signer("crl")
    world.home.write_policy(stores=STORES[:1])
    sign(image, key, formats=["notation"])
    assert isinstance(refusal(image, world, offline()), Revoked)

    world.notation_verifies(image).must_succeed()

    kept = offline(crl_folder=world.home.folder / "cache" / "crl")
    assert verify(image, world.home.policy, witnesses=kept).verified


def test_notation_uses_the_list_that_imagesig_keeps(world: World) -> None:
    image = world.image()
    key, issued = world.signer("crl")
    world.home.write_policy(stores=STORES[:1])
    sign(image, key, formats=["notation"])
    world.signers.revoke(issued)
    made = online(crl_folder=world.home.folder / "cache" / "crl", crl_seconds=30)
    assert isinstance(refusal(image, world, made), Revoked)
    made.close()
    asked = len(world.server.asked)

    run = world.notation_verifies(image)

    assert not run.ok
    assert "revoked" in str(run)
    assert len(world.server.asked) == asked
