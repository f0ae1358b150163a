"""Certificates of one's own authority: cosign's signatures judged by it, and one `sign` for every tool at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from imagesig import verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import Expired, FormatViolation, ImagesigError, NoSignatureAccepted, NotTrusted
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.policy import Policy
from imagesig.trust import CertificateAuthority, Holder
from tests.chains import SUBJECT, Issuer, intermediate, leaf, pem, root
from tests.interop.notation import NotationHome, now
from tests.interop.tools import PASSPHRASE, Run, Tools
from tests.makers import private_key
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop

IDENTITY = "release@acme.example"
FORMS = ("classic", "bundle")


@pytest.fixture
def cosign(tmp_path: Path) -> Tools:
    return Tools(tmp_path)


def push(host: str) -> str:
    reference = f"{host}/pki/{uuid.uuid4().hex[:12]}:1.0"
    build_image(registry(reference).home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    return reference


@dataclass(frozen=True)
class Pki:
    """A root, an intermediate and a signer of now."""

    top: Issuer
    middle: Issuer
    signer: Issuer


def pki(*, name: str = IDENTITY, key_type: KeyType = KeyType.ECDSA_P256, middle_ends: datetime | None = None) -> Pki:
    start, end = now() - timedelta(hours=1), now() + timedelta(days=1)
    top = root(start=start, end=end)
    middle = intermediate(top, start=start, end=middle_ends or end)
    names = x509.SubjectAlternativeName([x509.RFC822Name(name)])
    key = private_key(key_type)
    return Pki(top, middle, leaf(middle, f"{SUBJECT},CN=leaf", (names, False), key=key, start=start, end=end))


def cosign_sign(tools: Tools, made: Pki, image: str, form: str) -> Run:
    key, certificate, chain = (tools.home / name for name in ("cosign.key", "leaf.pem", "chain.pem"))
    key.write_bytes(made.signer.private_key.to_pem(PASSPHRASE))
    certificate.write_text(pem(made.signer.chain[:1]))
    chain.write_text(pem(made.signer.chain[1:]))
    attach = ["--certificate", str(certificate), "--certificate-chain", str(chain)]
    return tools.cosign3_sign(str(key), image, bundle=form == "bundle", more=attach)


def trusting(*issuers: Issuer, holder: str = "") -> Policy:
    holders = (Holder.of(holder),) if holder else ()
    return Policy.any_of(CertificateAuthority("acme", tuple(item.certificate for item in issuers), holders))


@contextmanager
def refused(kind: type[ImagesigError]) -> Iterator[None]:
    with pytest.raises(NoSignatureAccepted) as error:
        yield
    assert [type(item.error) for item in error.value.rejections] == [kind], error.value.rejections


@pytest.mark.parametrize("key_type", [KeyType.ECDSA_P256, KeyType.RSA_2048], ids=lambda item: item.value)
@pytest.mark.parametrize("form", FORMS)
def test_what_cosign_signs_with_a_certificate_counts_by_its_authority(
    form: str, key_type: KeyType, cosign: Tools, registry_tag: RegistryServer
) -> None:
    made, image = pki(key_type=key_type), push(registry_tag.host)
    cosign_sign(cosign, made, image, form).must_succeed()
    result = verify(image, trusting(made.top, made.middle, holder=IDENTITY))
    (signature,) = result.signatures
    assert signature.authority == "acme"
    assert signature.chain[0] == made.signer.certificate


def test_a_classic_signature_brings_its_intermediate_with_it(cosign: Tools, registry_tag: RegistryServer) -> None:
    made, image = pki(), push(registry_tag.host)
    cosign_sign(cosign, made, image, "classic").must_succeed()
    assert verify(image, trusting(made.top)).signatures[0].chain == made.signer.chain


@pytest.mark.parametrize("form", FORMS)
def test_another_holder_does_not_count(form: str, cosign: Tools, registry_tag: RegistryServer) -> None:
    made, image = pki(), push(registry_tag.host)
    cosign_sign(cosign, made, image, form).must_succeed()
    with refused(NotTrusted):
        verify(image, trusting(made.top, made.middle, holder="somebody@acme.example"))


@pytest.mark.parametrize("form", FORMS)
def test_another_authority_with_the_same_names_does_not_count(
    form: str, cosign: Tools, registry_tag: RegistryServer
) -> None:
    made, image = pki(), push(registry_tag.host)
    cosign_sign(cosign, made, image, form).must_succeed()
    other = root(number=955)
    with refused(NotTrusted):
        verify(image, trusting(other, intermediate(other, number=956)))


@pytest.mark.parametrize("form", FORMS)
def test_cve_2026_24122_an_expired_intermediate_is_refused_while_the_signer_is_valid(
    form: str, cosign: Tools, registry_tag: RegistryServer
) -> None:
    made, image = pki(middle_ends=now() + timedelta(hours=2)), push(registry_tag.host)
    cosign_sign(cosign, made, image, form).must_succeed()
    policy = trusting(made.top, made.middle)
    assert verify(image, policy).verified
    with refused(Expired):
        verify(image, policy, now=now() + timedelta(hours=3))


@pytest.mark.parametrize("form", FORMS)
def test_with_keys_alone_a_certificate_changes_nothing(form: str, cosign: Tools, registry_tag: RegistryServer) -> None:
    made, image = pki(), push(registry_tag.host)
    cosign_sign(cosign, made, image, form).must_succeed()
    key = made.signer.private_key.public_key
    if form == "classic":
        assert verify(image, key).verified
    else:
        with refused(FormatViolation):
            verify(image, key)


def test_one_sign_for_cosign_3_cosign_2_skopeo_and_notation(tmp_path: Path, registry_referrers: RegistryServer) -> None:
    """One key file with its certificates (PKCS#12), one command; four tools, and imagesig by key and by authority."""
    home = NotationHome.create(tmp_path / "notation")
    key = private_key()
    chain = home.certify(key)
    file = tmp_path / "release.p12"
    certificates = [item.x509 for item in chain]
    protection = BestAvailableEncryption(PASSPHRASE.encode())
    file.write_bytes(
        pkcs12.serialize_key_and_certificates(None, key.loaded, certificates[0], certificates[1:], protection)  # type: ignore[arg-type]
    )
    file.chmod(0o600)
    public = tmp_path / "release.pub"
    public.write_text(key.public_key.pem)
    image = push(registry_referrers.host)

    formats = [word for name in ("cosign", "bundle", "notation-jws") for word in ("--format", name)]
    done = subprocess.run(
        [sys.executable, "-m", "imagesig", "sign", "--key", str(file), *formats, "--output", "json", image],
        env={**os.environ, "IMAGESIG_PASSPHRASE": PASSPHRASE, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pinned = json.loads(done.stdout)["images"][0]["pinned"]

    tools = Tools(tmp_path)
    tools.cosign_verify("cosign3", str(public), image).must_succeed()
    tools.cosign_verify("cosign2", str(public), image).must_succeed()
    tools.skopeo_verify(public, image).must_succeed()
    home.verify(pinned).must_succeed()
    assert {item.format for item in verify(image, key.public_key).signatures} == {"cosign", "bundle"}
    authority = CertificateAuthority("acme", (home.authority.chain[-1],), (Holder.of("C=US,ST=WA,O=imagesig"),))
    assert {item.format for item in verify(image, Policy.any_of(authority)).signatures} == {"notation"}
