"""notation signs through `notation-imagesig` with keys in every home, and verifies what it signed."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.keys.certify import certificate_request, self_signed_certificate
from tests.authority import Authority, authority
from tests.interop.homes import HOMES, Homes
from tests.interop.notation_rig import Notation, notation_rig
from tests.interop.tools import PASSPHRASE
from tests.peers.servers import RegistryServer
from tests.plugins.programs import program

pytestmark = pytest.mark.interop

SUBJECT = "C=US,ST=WA,O=Acme,CN=release"
TRUSTED = "C=US, ST=WA, O=Acme"
NOTATION_KEYS = [key_type for key_type in KeyType if key_type is not KeyType.ED25519]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def notation(tmp_path_factory: pytest.TempPathFactory, homes: Homes, issuer: Authority) -> Notation:
    rig = notation_rig(tmp_path_factory.mktemp("notation"), homes.environ | {"IMAGESIG_PASSPHRASE": PASSPHRASE})
    made = program(rig.folder, "notation-imagesig")
    rig.run("plugin", "install", "--file", str(made)).must_succeed()
    rig.trust(issuer.root, TRUSTED)
    return rig


@pytest.fixture
def image(registry_referrers: RegistryServer) -> str:
    opened = registry(f"{registry_referrers.host}/plugins/{uuid.uuid4().hex[:12]}:1.0")
    digest = build_image(opened.home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    return f"{str(opened).removesuffix(':1.0')}@{digest.digest}"


def test_notation_lists_the_plugin_with_its_capability(notation: Notation) -> None:
    (line,) = [line for line in notation.run("plugin", "list").must_succeed().stdout.splitlines() if "imagesig" in line]
    assert "SIGNATURE_GENERATOR.RAW" in line
    assert "<nil>" in line  # no error


@pytest.mark.parametrize("form", ["jws", "cose"])
@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("key_type", NOTATION_KEYS, ids=lambda key_type: key_type.value)
def test_what_notation_signs_with_our_key_it_verifies(
    key_type: KeyType, home: str, form: str, homes: Homes, notation: Notation, issuer: Authority, image: str
) -> None:
    shared = homes.make(home, key_type)
    chain = issuer.folder / f"{uuid.uuid4().hex}.pem"
    chain.write_text(issuer.issue(certificate_request(shared.key, SUBJECT)))
    notation.sign(shared.peer_uri, image, form, {"cert_chain": str(chain)}).must_succeed()
    notation.verify(image).must_succeed()


def test_a_key_that_brings_its_chain_needs_no_configuration(
    homes: Homes, notation: Notation, issuer: Authority, image: str
) -> None:
    shared = homes.make("file", KeyType.ECDSA_P256)
    Path(shared.peer_uri).with_suffix(".crt").write_text(issuer.issue(certificate_request(shared.key, SUBJECT)))
    notation.sign(shared.peer_uri, image).must_succeed()
    notation.verify(image).must_succeed()


def test_a_key_added_with_its_configuration_signs_by_name(
    homes: Homes, notation: Notation, issuer: Authority, image: str
) -> None:
    shared, name = homes.make("KMS", KeyType.RSA_2048), f"key-{uuid.uuid4().hex[:8]}"
    chain = issuer.folder / f"{name}.pem"
    chain.write_text(issuer.issue(certificate_request(shared.key, SUBJECT)))
    added = ["--plugin", "imagesig", "--id", shared.peer_uri, "--plugin-config", f"cert_chain={chain}", name]
    notation.run("key", "add", *added).must_succeed()
    notation.run("sign", "--insecure-registry", "--key", name, image).must_succeed()
    notation.verify(image).must_succeed()


@pytest.mark.parametrize("key_type", NOTATION_KEYS, ids=lambda key_type: key_type.value)
def test_a_certificate_that_we_self_signed_is_one_that_notation_accepts(
    key_type: KeyType, homes: Homes, image: str, tmp_path: Path
) -> None:
    rig = notation_rig(tmp_path / "own", homes.environ)
    program(rig.plugins / "imagesig", "notation-imagesig")
    shared = homes.make("Vault", key_type)
    own = tmp_path / "own.crt"
    own.write_text(self_signed_certificate(shared.key, SUBJECT))
    rig.trust(own, TRUSTED)
    rig.sign(shared.peer_uri, image, "cose", {"cert_chain": str(own)}).must_succeed()
    rig.verify(image).must_succeed()


def test_a_holder_whom_the_policy_does_not_name_is_refused(
    homes: Homes, notation: Notation, issuer: Authority, image: str
) -> None:
    shared = homes.make("file", KeyType.ECDSA_P256)
    chain = Path(shared.peer_uri).with_suffix(".crt")
    chain.write_text(issuer.issue(certificate_request(shared.key, "C=US,ST=WA,O=Mallory,CN=release")))
    notation.sign(shared.peer_uri, image).must_succeed()
    assert not notation.verify(image).ok


@pytest.mark.parametrize(
    ("key_uri", "config", "said"),
    [
        ("/nonexistent/release.key", {}, "no such file"),
        ("hashivault://no-such-key", {}, "no-such-key"),
        ("nowhere://x", {}, "unknown scheme"),
        ("ed25519", {}, "no signatures by Ed25519"),
        ("bare", {}, "cert_chain=/PATH/chain.pem"),
        ("bare", {"cert_chian": "x.pem"}, "unknown setting"),
        ("bare", {"cert_chain": "/nonexistent.pem"}, "there is no such file"),
        ("bare", {"cert_chain": "other"}, "the first certificate of"),
    ],
)
def test_notation_shows_the_user_what_was_wrong(
    key_uri: str, config: dict[str, str], said: str, homes: Homes, notation: Notation, image: str, tmp_path: Path
) -> None:
    if key_uri in ("bare", "ed25519"):
        key_type = KeyType.ED25519 if key_uri == "ed25519" else KeyType.ECDSA_P256
        key_uri = homes.make("file", key_type).peer_uri
    if config.get("cert_chain") == "other":
        other = homes.make("file", KeyType.ECDSA_P256).key
        (tmp_path / "other.pem").write_text(self_signed_certificate(other, SUBJECT))
        config = {"cert_chain": str(tmp_path / "other.pem")}
    run = notation.sign(key_uri, image, config=config)
    assert not run.ok
    assert said in run.stderr
