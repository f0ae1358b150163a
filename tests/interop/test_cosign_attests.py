"""Where we judge or replace attestations of cosign in another way than cosign: what it hides, takes, and removes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from imagesig import attest, verify, verify_attestation
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import NoSignatures
from imagesig.images.registry.connect import registry
from tests.attestations import FORMS, TYPE, content, envelope, put, statement
from tests.interop.attesting import Subject, cosign_signs, cosign_verifies, push
from tests.interop.cells import Cell
from tests.interop.homes import Homes, SharedKey
from tests.interop.tools import Tools
from tests.makers import private_key
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop

OPTIONS = ("--insecure-ignore-tlog=true", "--allow-http-registry", "--allow-insecure-registry")


def attestation(image: str, key: SharedKey, carrier: str, kind: str = "vuln") -> Subject:
    cell = Cell("theirs", "file", KeyType.ECDSA_P256, carrier, kind, "referrers", "cosign3")
    return Subject(cell, key, image=image)


def test_a_signature_bundle_hides_a_classic_attestation_from_cosign_and_not_from_us(
    homes: Homes, tools: Tools, registry_referrers: RegistryServer
) -> None:
    key, image = homes.shared("file", KeyType.ECDSA_P256), push(registry_referrers.host)
    by_default = ("verify-attestation", "--key", str(key.pem), "--type", "vuln", *OPTIONS, image)
    cosign_signs(attestation(image, key, "classic"), tools).must_succeed()
    tools.run("cosign3", *by_default).must_succeed()
    tools.cosign3_sign(key.peer_uri, image, bundle=True).must_succeed()
    assert not tools.run("cosign3", *by_default).ok
    assert verify_attestation(image, key.pem, predicate_type="vuln").statements


def test_cosign_accepts_an_attestation_as_a_signature_and_we_do_not(
    homes: Homes, tools: Tools, registry_referrers: RegistryServer
) -> None:
    key, image = homes.shared("file", KeyType.ECDSA_P256), push(registry_referrers.host)
    cosign_signs(attestation(image, key, "bundle"), tools).must_succeed()
    assert tools.cosign_verify("cosign3", str(key.pem), image).ok
    with pytest.raises(NoSignatures):
        verify(image, key.pem)


def test_replace_leaves_what_cosign_attested_with_another_key_or_type_exactly_as_it_is(
    homes: Homes, tools: Tools, registry_referrers: RegistryServer
) -> None:
    """cosign's own --replace removes those of everybody, and writes the others several times."""
    ours, theirs = homes.make("file", KeyType.ECDSA_P256), homes.make("file", KeyType.ECDSA_P256)
    image = push(registry_referrers.host)
    for key, kind in ((theirs, "custom"), (theirs, "custom"), (ours, "vuln")):
        cosign_signs(attestation(image, key, "classic", kind), tools).must_succeed()
    attest(image, ours.key, predicate_type="custom", predicate={"v": 1}, formats=["cosign"])
    before = layers(image)
    assert len(before) == 4
    attest(image, ours.key, predicate_type="custom", predicate={"v": 2}, formats=["cosign"], replace=True)
    after = layers(image)
    assert after[:3] == before[:3]
    assert len(after) == 4
    run = cosign_verifies(attestation(image, ours, "classic", "custom"), tools).must_succeed()
    assert b'{"v":2}' in base64.b64decode(json.loads(run.stdout.splitlines()[-1])["payload"])


@pytest.mark.parametrize("form", FORMS)
def test_an_attestation_in_lines_of_openssl_base64_verifies_here_and_there(
    form: str, tools: Tools, registry_referrers: RegistryServer, tmp_path: Path
) -> None:
    image = push(registry_referrers.host)
    made = envelope(statement(image.partition("@")[2], {"a": 1}))
    made["payload"] = base64.encodebytes(base64.b64decode(made["payload"])).decode().replace("\n", "\r\n")
    put(registry(image), form, content(form, made))
    public = tmp_path / "public.pem"
    public.write_text(private_key().public_key.pem)
    bundle = f"--new-bundle-format={str(form == 'bundle').lower()}"
    tools.run(
        "cosign3", "verify-attestation", "--key", str(public), "--type", TYPE, bundle, *OPTIONS, image
    ).must_succeed()
    assert verify_attestation(image, public, predicate_type=TYPE).statements


def layers(image: str) -> list[object]:
    opened = registry(image)
    tag = image.partition("@")[2].replace(":", "-") + ".att"
    found: list[object] = json.loads(opened.home.read(opened.home.resolve(tag), limit=1 << 20))["layers"]
    return found
