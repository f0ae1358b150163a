"""Attestations that we write, verified by cosign 3 and 2: homes and types of keys, registries, formats and types.

Each pair of values occurs in some cell. What cosign refuses is listed with the reason; any other refusal fails.
"""

from __future__ import annotations

import base64
import itertools
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from imagesig import attest
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.in_toto.predicates import predicate_type
from tests.interop.homes import HOMES, Homes, SharedKey
from tests.interop.tools import Run, Tools
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop

REGISTRIES = ("referrers", "tag", "ggcr")
FORMATS = ("bundle", "cosign")
COSIGNS = ("cosign3", "cosign2")
PREDICATES: dict[str, dict[str, Any]] = {
    "custom": {"n": 12345678901234567890, "no": False, "empty": ""},
    "slsaprovenance": {"builder": {"id": "https://b"}, "buildType": "t", "unknown": 1.5},
    "slsaprovenance1": {"buildDefinition": {"buildType": "t"}, "runDetails": {"builder": {"id": "https://b"}}},
    "spdxjson": {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "packages": []},
    "cyclonedx": {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []},
    "vuln": {"invocation": {}, "scanner": {"uri": "u"}, "metadata": {}},
    "openvex": {"@context": "https://openvex.dev/ns/v0.2.0", "statements": []},
    "link": {"name": "n", "materials": {}, "products": {}, "command": [], "byproducts": {}, "environment": {}},
    "https://example.org/type": {"a": [1, None]},
}


OTHER_HASH = {("KMS", KeyType.ECDSA_P384), ("KMS", KeyType.ECDSA_P521)}
"""KMS signs P-384 with SHA-384 and P-521 with SHA-512 and nothing else; for a PEM key cosign expects SHA-256."""


def cells() -> Iterator[tuple[str, KeyType, str, str, str, str]]:
    """Home, key type, registry, format, predicate type and cosign; two types for each key of each home."""
    kinds = list(PREDICATES)
    for number, (home, key_type) in enumerate((home, item) for item in KeyType for home in HOMES):
        for half in range(2):
            form = FORMATS[(number + half) % 2]
            name = kinds[(2 * (number // 4) + half + 3 * (number % 4)) % 9]
            cosign = COSIGNS[number // 3 % 2]
            yield home, key_type, REGISTRIES[(number + half) % 3], form, name, cosign


VALUES = (HOMES, tuple(KeyType), REGISTRIES, FORMATS, tuple(PREDICATES), COSIGNS)


def test_each_pair_of_values_but_of_two_types_occurs_in_some_cell() -> None:
    made = list(cells())
    assert len(made) <= 60
    for one, two in itertools.combinations(range(len(VALUES)), 2):
        if (one, two) != (1, 4):  # the type of the key does not see that of the predicate
            seen = {(cell[one], cell[two]) for cell in made}
            assert seen == set(itertools.product(VALUES[one], VALUES[two])), (one, two)


_KEYS: dict[tuple[str, KeyType], SharedKey] = {}


NAMES = ("home", "key_type", "kind", "form", "name", "cosign")


@pytest.mark.parametrize(NAMES, list(cells()), ids=lambda item: getattr(item, "value", item))
def test_cosign_verifies_what_we_attest(
    home: str,
    key_type: KeyType,
    kind: str,
    form: str,
    name: str,
    cosign: str,
    homes: Homes,
    tools: Tools,
    request: pytest.FixtureRequest,
) -> None:
    shared = _KEYS.get((home, key_type)) or _KEYS.setdefault((home, key_type), homes.make(home, key_type))
    reference = push(request.getfixturevalue(f"registry_{kind}").host)
    predicate = json.dumps(PREDICATES[name]).encode()
    attest(reference, shared.key, predicate_type=name, predicate=predicate, formats=[form])
    run = verify_attestation(tools, cosign, shared, reference, name, form)
    if (home, key_type) in OTHER_HASH:
        assert not run.ok
        assert "signature" in run.reason
    else:
        check(run, predicate, name)


def push(host: str) -> str:
    reference = f"{host}/attest/{uuid.uuid4().hex[:12]}:1.0"
    build_image(registry(reference).home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    return reference


def verify_attestation(tools: Tools, cosign: str, shared: SharedKey, image: str, name: str, form: str) -> Run:
    more = [f"--new-bundle-format={str(form == 'bundle').lower()}"]
    if form == "bundle" and cosign == "cosign2":
        root = tools.home / "trusted_root.json"  # it wants one, although a key needs none
        root.write_text('{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}')
        more += ["--trusted-root", str(root)]
    ignored = ["--insecure-ignore-tlog=true", "--allow-http-registry", "--allow-insecure-registry"]
    return tools.run(cosign, "verify-attestation", "--key", str(shared.pem), "--type", name, *ignored, *more, image)


def check(run: Run, predicate: bytes, name: str) -> None:
    payload = base64.b64decode(json.loads(run.must_succeed().stdout.splitlines()[-1])["payload"])
    assert predicate in payload
    assert json.loads(payload)["predicateType"] == predicate_type(name)


def test_replace_leaves_what_cosign_attested_with_another_key_or_type_exactly_as_it_is(
    homes: Homes, tools: Tools, registry_referrers: RegistryServer
) -> None:
    """cosign's own --replace removes those of everybody, and writes the others several times."""
    ours, theirs = homes.make("file", KeyType.ECDSA_P256), homes.make("file", KeyType.ECDSA_P256)
    image = push(registry_referrers.host)
    (tools.home / "p.json").write_text('{"a":1}')
    offline = ["--use-signing-config=false", "--tlog-upload=false", "--yes", "--allow-http-registry"]
    for key, name in ((theirs, "custom"), (theirs, "custom"), (ours, "vuln")):
        file = tools.home / "p.json"
        file.write_text(json.dumps(PREDICATES[name]))
        what = ["--key", key.peer_uri, "--type", name, "--predicate", str(file), "--new-bundle-format=false"]
        tools.run("cosign3", "attest", *what, *offline, image).must_succeed()
    attest(image, ours.key, predicate_type="custom", predicate={"v": 1}, formats=["cosign"])
    before = layers(image)
    assert len(before) == 4
    attest(image, ours.key, predicate_type="custom", predicate={"v": 2}, formats=["cosign"], replace=True)
    after = layers(image)
    assert after[:3] == before[:3]
    assert len(after) == 4
    check(verify_attestation(tools, "cosign3", ours, image, "custom", "cosign"), b'{"v":2}', "custom")


def layers(image: str) -> list[object]:
    opened = registry(image)
    tag = opened.home.resolve("1.0").digest.replace(":", "-") + ".att"
    found: list[object] = json.loads(opened.home.read(opened.home.resolve(tag), limit=1 << 20))["layers"]
    return found
