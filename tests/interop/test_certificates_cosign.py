"""Signatures that carry certificates ("bring your own PKI"), judged by the real cosign; and those that do not."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from imagesig import NoSignatureAccepted, attest, sign, verify_attestation
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.keys.certified import CertifiedKey, read_chain
from imagesig.keys.certify import certificate_request
from imagesig.policy import Attested, Policy, Rule
from imagesig.trust import CertificateAuthority, TimestampAuthorities
from tests.authorities import Authority as ServiceAuthority
from tests.authority import Authority, authority
from tests.interop.homes import HOMES, Homes, SharedKey
from tests.interop.tools import Run, Tools
from tests.peers.openssl import TimestampService
from tests.peers.servers import RegistryServer
from tests.witnesses.loopback import Said, serving

pytestmark = pytest.mark.interop

IDENTITY = "release@acme.example"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


def push(host: str) -> str:
    reference = f"{host}/certified/{uuid.uuid4().hex[:12]}:1.0"
    build_image(registry(reference).home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    return reference


def certified(shared: SharedKey, issuer: Authority) -> CertifiedKey:
    request = certificate_request(shared.key, "O=Acme,CN=release", [f"email:{IDENTITY}"])
    return CertifiedKey(shared.key, *read_chain(issuer.issue(request).encode()))


def cosign_verify(
    tools: Tools, form: str, chain: Path, image: str, identity: str = IDENTITY, verify: tuple[str, ...] = ("verify",)
) -> Run:
    """Classic signatures are judged by the chain; bundles by a trusted root made of it, as cosign wants it."""
    who = ["--certificate-identity", identity, "--certificate-oidc-issuer-regexp", ".*"]
    trust = ["--certificate-chain", str(chain)]
    if form.startswith("bundle"):
        root = chain.with_suffix(".json")
        made = ["--fulcio", f"url=https://ca.example,certificate-chain={chain}", "--out", str(root)]
        tools.run("cosign3", "trusted-root", "create", *made).must_succeed()
        trust = ["--trusted-root", str(root)]
    loose = ["--insecure-ignore-sct", "--insecure-ignore-tlog", "--allow-http-registry", "--allow-insecure-registry"]
    return tools.run("cosign3", *verify, *trust, *who, *loose, image)


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("form", ["cosign-x509", "bundle-x509"])
def test_cosign_verifies_what_a_certified_key_signs(
    form: str, home: str, homes: Homes, tools: Tools, issuer: Authority, registry_referrers: RegistryServer
) -> None:
    image = push(registry_referrers.host)
    sign(image, certified(homes.make(home, KeyType.ECDSA_P256), issuer), formats=[form])
    chain = issuer.folder / "issuers.pem"
    chain.write_text(issuer.issuers)
    cosign_verify(tools, form, chain, image).must_succeed()
    assert not cosign_verify(tools, form, chain, image, "somebody@else.example").ok


def test_cosign_finds_the_intermediate_of_a_classic_signature_in_the_signature_itself(
    homes: Homes, tools: Tools, issuer: Authority, registry_referrers: RegistryServer
) -> None:
    image = push(registry_referrers.host)
    sign(image, certified(homes.make("file", KeyType.ECDSA_P256), issuer), formats=["cosign-x509"])
    cosign_verify(tools, "cosign-x509", issuer.root, image).must_succeed()


def test_another_authority_does_not_vouch_for_it(
    homes: Homes, tools: Tools, issuer: Authority, registry_referrers: RegistryServer, tmp_path: Path
) -> None:
    other = authority(tmp_path, "other")
    (tmp_path / "issuers.pem").write_text(other.issuers)
    for form in ("cosign-x509", "bundle-x509"):
        image = push(registry_referrers.host)
        sign(image, certified(homes.make("file", KeyType.ECDSA_P256), issuer), formats=[form])
        assert not cosign_verify(tools, form, tmp_path / "issuers.pem", image).ok


@pytest.mark.parametrize("form", ["cosign", "bundle"])
def test_nobody_who_did_not_ask_gets_certificates(
    form: str, homes: Homes, tools: Tools, issuer: Authority, registry_referrers: RegistryServer
) -> None:
    shared, image = homes.make("file", KeyType.ECDSA_P256), push(registry_referrers.host)
    sign(image, certified(shared, issuer), formats=[form])
    tools.cosign_verify("cosign3", str(shared.pem), image).must_succeed()


@pytest.mark.parametrize("form", ["cosign-x509", "bundle-x509"])
def test_cosign_verifies_what_a_certified_key_attests(
    form: str, homes: Homes, tools: Tools, issuer: Authority, registry_referrers: RegistryServer
) -> None:
    image = push(registry_referrers.host)
    key = certified(homes.make("file", KeyType.ECDSA_P256), issuer)
    attest(image, key, predicate_type="custom", predicate={"a": 1}, formats=[form])
    chain = issuer.folder / "issuers.pem"
    chain.write_text(issuer.issuers)
    verify = ("verify-attestation", "--type", "https://cosign.sigstore.dev/attestation/v1")
    cosign_verify(tools, form, chain, image, verify=verify).must_succeed()
    assert not cosign_verify(tools, form, chain, image, "somebody@else.example", verify=verify).ok


@pytest.mark.parametrize("cosign", ["cosign2", "cosign3"])
def test_we_verify_what_cosign_attests_with_certificates(
    cosign: str, homes: Homes, tools: Tools, issuer: Authority, registry_referrers: RegistryServer
) -> None:
    image, shared = push(registry_referrers.host), homes.make("file", KeyType.ECDSA_P256)
    leaf, *others = certified(shared, issuer).info.chain
    files = {"leaf.pem": leaf.pem, "chain.pem": "".join(item.pem for item in others), "p.json": "{}"}
    for name, text in files.items():
        (tools.home / name).write_text(text)
    certificates = ["--certificate", str(tools.home / "leaf.pem"), "--certificate-chain", str(tools.home / "chain.pem")]
    about = ["--type", "https://example.org/a", "--predicate", str(tools.home / "p.json")]
    old = ["--use-signing-config=false", "--new-bundle-format=false"] if cosign == "cosign3" else []
    loose = ["--tlog-upload=false", "--yes", "--allow-http-registry", "--allow-insecure-registry"]
    tools.run(cosign, "attest", "--key", shared.peer_uri, *certificates, *about, *old, *loose, image).must_succeed()
    trusted = CertificateAuthority.from_pem("acme", issuer.root.read_bytes(), [IDENTITY])
    (statement,) = verify_attestation(image, trusted, predicate_type="https://example.org/a").statements
    assert statement.signature.chain[0] == leaf
    stranger = CertificateAuthority.from_pem("acme", issuer.root.read_bytes(), ["somebody@else.example"])
    with pytest.raises(NoSignatureAccepted):
        verify_attestation(image, stranger, predicate_type="https://example.org/a")


@pytest.mark.parametrize("form", ["cosign", "bundle"])
def test_we_read_the_timestamps_that_cosign_writes(
    form: str,
    homes: Homes,
    tools: Tools,
    issuer: Authority,
    registry_referrers: RegistryServer,
    tmp_path: Path,
) -> None:
    image, shared = push(registry_referrers.host), homes.make("file", KeyType.ECDSA_P256)
    leaf, *others = certified(shared, issuer).info.chain
    (tools.home / "leaf.pem").write_text(leaf.pem)
    (tools.home / "chain.pem").write_text("".join(item.pem for item in others))
    (tools.home / "p.json").write_text("{}")
    now = datetime.now(UTC)
    services = ServiceAuthority("timestamp root", now=now)
    service = services.tsa()
    # Without an accuracy: the certificate of the signer is valid since this second.
    tsa = TimestampService(tmp_path / "tsa", service, (), ("ess_cert_id_alg = sha256",))
    reply = {"content-type": "application/timestamp-reply"}
    with serving(lambda asked: Said(tsa.answer(asked.body), status=201, headers=reply)) as server:
        certificates = ["--certificate", str(tools.home / "leaf.pem")]
        certificates += ["--certificate-chain", str(tools.home / "chain.pem")]
        about = ["--type", "https://example.org/a", "--predicate", str(tools.home / "p.json")]
        flags = ["--use-signing-config=false", f"--new-bundle-format={str(form == 'bundle').lower()}"]
        loose = ["--tlog-upload=false", "--yes", "--allow-http-registry", "--allow-insecure-registry"]
        stamps = ["--timestamp-server-url", server.url]
        options = [*certificates, *about, *flags, *loose, *stamps]
        tools.run("cosign3", "attest", "--key", shared.peer_uri, *options, image).must_succeed()
    later = now + timedelta(days=20)
    authority = CertificateAuthority.from_pem("acme", issuer.issuers.encode(), [IDENTITY])
    asked = partial(verify_attestation, image, predicate_type="https://example.org/a", now=later)
    with pytest.raises(NoSignatureAccepted, match="is valid from"):
        asked(authority)
    stamped = TimestampAuthorities((services.certificate, service.certificate), after_expiry_only=True)
    policy = Policy(Rule((Attested((authority,), timestamps=stamped, predicate_type="https://example.org/a"),)))
    assert asked(policy).statements
