"""Attestations that cosign 3 and 2 write, verified by us: homes and types of keys, registries, forms and types."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from imagesig import verify, verify_attestation
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import NoSignatureAccepted, NoSignatures
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.registry.connect import registry
from tests.interop.homes import HOMES, Homes, SharedKey
from tests.interop.tools import Run, Tools

pytestmark = pytest.mark.interop

REGISTRIES = ("referrers", "tag", "ggcr")
WRITERS = (("cosign3", "bundle"), ("cosign3", "cosign"), ("cosign2", "cosign"))
"""The tool, and the format that it writes."""
PREDICATES: dict[str, dict[str, Any]] = {
    "custom": {"n": 1},
    "slsaprovenance": {"builder": {"id": "https://b"}, "buildType": "t"},
    "slsaprovenance1": {"buildDefinition": {"buildType": "t"}, "runDetails": {"builder": {"id": "https://b"}}},
    "spdx": {"spdxVersion": "SPDX-2.3"},
    "spdxjson": {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "packages": []},
    "cyclonedx": {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []},
    "vuln": {
        "invocation": {"uri": "u"},
        "scanner": {"uri": "u"},
        "metadata": {"scanStartedOn": "2026-11-01T00:00:00Z"},
    },
    "openvex": {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://x.example/v",
        "author": "a",
        "timestamp": "2026-11-01T00:00:00Z",
        "version": 1,
        "statements": [],
    },
    "https://example.org/type": {"a": [1, None]},
}
_HTTP = ("--allow-http-registry", "--allow-insecure-registry")


REFUSED = {
    *(("Vault", item) for item in (KeyType.ECDSA_P384, KeyType.ECDSA_P521, KeyType.ED25519)),
    ("KMS", KeyType.ED25519),
    ("PKCS#11", KeyType.ED25519),
}
"""cosign hands Vault a SHA-256 digest for these keys, which it refuses, and knows no Ed25519 of tokens and KMS."""


def attest_with(tools: Tools, writer: tuple[str, str], key: str, kind: str, image: str) -> Run:
    name, form = writer
    predicate = tools.home / f"{uuid.uuid4().hex}.json"
    predicate.write_text(json.dumps(PREDICATES[kind]))
    flags = ["--use-signing-config=false", f"--new-bundle-format={str(form == 'bundle').lower()}"]
    more = flags if name == "cosign3" else []
    offline = ["--tlog-upload=false", "--yes", *_HTTP]
    return tools.run(
        name, "attest", "--key", key, "--type", kind, "--predicate", str(predicate), *more, *offline, image
    )


def cells() -> Iterator[tuple[str, KeyType, str, tuple[str, str], str]]:
    """Home, key type, registry, writer and type: one for each key of each home."""
    kinds = list(PREDICATES)
    for number, (home, key_type) in enumerate((home, item) for item in KeyType for home in HOMES):
        place = number + number // 4
        writer = WRITERS[(place + number // 12) % 3]
        if writer[0] == "cosign2" and home in ("PKCS#11", "Vault"):
            writer = WRITERS[number % 2]  # Debian builds it without these clients
        yield home, key_type, REGISTRIES[place % 3], writer, kinds[place % len(kinds)]


_KEYS: dict[tuple[str, KeyType], SharedKey] = {}


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Any:
    def make(kind: str) -> tuple[str, Image]:
        host = request.getfixturevalue(f"registry_{kind}").host
        name = f"{host}/attested/{uuid.uuid4().hex}"
        image = registry(f"{name}:1.0", credentials=("", ""))
        digest = build_image(image.home, {"a": uuid.uuid4().bytes}, PLATFORMS[0], "1.0").digest
        return f"{name}@{digest}", image

    return make


@pytest.mark.parametrize(
    ("home", "key_type", "kind", "writer", "type_"),
    list(cells()),
    ids=lambda item: getattr(item, "value", "-".join(item) if isinstance(item, tuple) else item),
)
def test_we_verify_what_cosign_attests(
    home: str, key_type: KeyType, kind: str, writer: tuple[str, str], type_: str, homes: Homes, tools: Tools, place: Any
) -> None:
    if (home, key_type) not in _KEYS:
        _KEYS[home, key_type] = homes.make(home, key_type)
    key = _KEYS[home, key_type]
    name, image = place(kind)
    done = attest_with(tools, writer, key.peer_uri, type_, name)
    if (home, key_type) in REFUSED:
        assert not done.ok, "cosign attests with such keys now: take the line out of REFUSED"
        return
    done.must_succeed()
    (made,) = verify_attestation(image, key.pem, predicate_type=type_).statements
    assert made.signature.format == writer[1]
    for member in PREDICATES[type_] if type_ not in ("custom", "spdx") else ():
        assert isinstance(made.parsed, dict)
        assert member in made.parsed
    with pytest.raises(NoSignatures):
        verify_attestation(image, key.pem, predicate_type="link")
    with pytest.raises(NoSignatureAccepted):
        verify_attestation(image, homes.make("file", KeyType.ECDSA_P256).pem, predicate_type=type_)


def test_a_signature_bundle_hides_a_classic_attestation_from_cosign_and_not_from_us(
    homes: Homes, tools: Tools, place: Any
) -> None:
    key = homes.make("file", KeyType.ECDSA_P256)
    name, image = place("referrers")
    attest_with(tools, ("cosign3", "cosign"), key.peer_uri, "vuln", name).must_succeed()
    verify = ("verify-attestation", "--key", str(key.pem), "--type", "vuln", "--insecure-ignore-tlog=true", *_HTTP)
    tools.run("cosign3", *verify, name).must_succeed()
    tools.cosign3_sign(key.peer_uri, name, bundle=True).must_succeed()
    assert not tools.run("cosign3", *verify, name).ok
    assert verify_attestation(image, key.pem, predicate_type="vuln").statements


def test_cosign_accepts_an_attestation_as_a_signature_and_we_do_not(homes: Homes, tools: Tools, place: Any) -> None:
    key = homes.make("file", KeyType.ECDSA_P256)
    name, image = place("referrers")
    attest_with(tools, ("cosign3", "bundle"), key.peer_uri, "vuln", name).must_succeed()
    assert tools.cosign_verify("cosign3", str(key.pem), name).ok
    with pytest.raises(NoSignatures):
        verify(image, key.pem)
