"""`attest` and `attest_many`, in images of every home; inspect, remove and copy treat what they wrote correctly."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imagesig import attest, attest_many, copy, inspect, remove, sign, verify
from imagesig.api.stored_signatures import stored_signatures
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import (
    AttachIncomplete,
    ImagesigError,
    InvalidArgument,
    NoSignatures,
    SignaturesUnsupported,
)
from imagesig.format_names import ATTESTATION_READERS, Purpose
from imagesig.formats import BundleAttestation, select_formats
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout
from imagesig.images.open import open_image
from imagesig.images.registry.connect import registry
from imagesig.in_toto.statement import SIGN_PREDICATE, STATEMENT_V01
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.signature import StatementClaim
from imagesig.testing import Answer, InMemoryRegistry, Request
from imagesig.trust import TrustAnchors, TrustedKey

HOMES = ("registry with referrers", "registry without", "layout", "archive")
PREDICATE = b'{"n":12345678901234567890, "x":1.50,"no":false,"\xc3\xa9":""}'
TYPE = "https://example.org/type"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[SigningKey]:
    folder = tmp_path_factory.mktemp("keys")
    return [FileProvider(folder).generate(f"{number}.key", KeyType.ECDSA_P256) for number in range(2)]


@pytest.fixture(params=HOMES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Image]]:
    """Opens one and the same index anew, in a home of each kind."""
    if request.param == "layout":
        build_index(Layout.create(tmp_path / "layout"), {"a": b"b"}, "1.0")
        yield lambda: open_image(f"oci:{tmp_path / 'layout'}:1.0")
    elif request.param == "archive":
        build_index(Layout.create(tmp_path / "layout"), {"a": b"b"}, "1.0")
        copy(f"oci:{tmp_path / 'layout'}:1.0", f"oci-archive:{tmp_path / 'a.tar'}", all_platforms=True)
        yield lambda: open_image(f"oci-archive:{tmp_path / 'a.tar'}:1.0")
    else:
        with InMemoryRegistry(referrers_api=request.param == HOMES[0]) as server:
            build_index(registry(f"{server.host}/team/app:1.0").home, {"a": b"b"}, "1.0")
            yield lambda: registry(f"{server.host}/team/app:1.0")


@pytest.fixture
def image(tmp_path: Path) -> Image:
    build_image(Layout.create(tmp_path / "one"), {"a": b"b"}, PLATFORMS[0], tag="1.0")
    return open_image(f"oci:{tmp_path / 'one'}:1.0")


def statements(image: Image, key: SigningKey, digest: str = "") -> list[tuple[str, StatementClaim]]:
    """What the key said of the image, with the format of each."""
    anchors = TrustAnchors((TrustedKey("key", (key.info.public_key,)),))
    formats = select_formats([item.name for item in ATTESTATION_READERS], Purpose.ATTESTATION)
    stored = stored_signatures(image, digest or image.home.resolve(image.target).digest, formats)
    assert stored.failed is None
    found = []
    for item, reader in stored.found:
        try:
            claim = reader.authenticate(reader.parse(item), anchors, datetime.now(UTC)).claim
        except ImagesigError:
            continue
        assert isinstance(claim, StatementClaim)
        found.append((reader.name, claim))
    return sorted(found, key=lambda item: (item[0], item[1].predicate))


def attested(image: Image, key: SigningKey, predicate: bytes | dict[str, Any] = PREDICATE, **options: Any) -> list[str]:
    """Attests, and returns the state of each attestation."""
    result = attest(image, key, **{"predicate_type": TYPE, "predicate": predicate} | options)
    return [item.state for item in result.attestations]


def test_the_predicate_is_stored_byte_for_byte_in_both_formats(opened: Callable[[], Image], keys: Any) -> None:
    assert attested(opened(), keys[0]) == ["attached", "attached"]
    found = statements(opened(), keys[0])
    assert [name for name, _ in found] == ["bundle", "cosign"]
    for _, claim in found:
        assert (claim.predicate_type, claim.predicate) == (TYPE, PREDICATE)
        assert [subject.digest for subject in claim.subjects] == [opened().home.resolve("1.0").digest]
    assert statements(opened(), keys[1]) == []


def test_attesting_again_adds_nothing_but_another_key_type_or_predicate_does(
    opened: Callable[[], Image], keys: Any
) -> None:
    attested(opened(), keys[0])
    assert attested(opened(), keys[0]) == ["present", "present"]
    assert attested(opened(), keys[0], json.loads(b'{"a":1}')) == ["attached", "attached"]
    assert attested(opened(), keys[0], predicate_type=TYPE + "2") == ["attached", "attached"]
    assert attested(opened(), keys[1]) == ["attached", "attached"]
    assert len(statements(opened(), keys[0])) == 6


def test_replace_removes_what_the_same_key_said_with_the_same_type_and_nothing_else(
    opened: Callable[[], Image], keys: Any
) -> None:
    attested(opened(), keys[0], b'{"v":1}')
    attested(opened(), keys[0], b'{"v":2}')
    attested(opened(), keys[0], b'{"v":1}', predicate_type=TYPE + "2")
    attested(opened(), keys[1], b'{"v":1}')
    sign(opened(), keys[0], recursive=False, identity="registry.example/team/app:1.0")
    result = attest(opened(), keys[0], predicate_type=TYPE, predicate=b'{"v":3}', replace=True)
    assert [item.state for item in result.removed] == ["removed"] * 4
    assert {item.format for item in result.removed} == {"cosign", "bundle"}
    left = [(name, claim.predicate_type, claim.predicate) for name, claim in statements(opened(), keys[0])]
    assert left == [
        (name, kind, value)
        for name in ("bundle", "cosign")
        for kind, value in ((TYPE + "2", b'{"v":1}'), (TYPE, b'{"v":3}'))
    ]
    assert len(statements(opened(), keys[1])) == 2
    assert len(inspect(opened(), recursive=False).signatures) == 2
    again = attest(opened(), keys[0], predicate_type=TYPE, predicate=b'{"v":3}', replace=True)
    assert (again.removed, [item.state for item in again.attestations]) == ((), ["present", "present"])


def test_an_index_is_attested_alone_unless_its_images_are_asked_for(opened: Callable[[], Image], keys: Any) -> None:
    result = attest(opened(), keys[0], predicate_type=TYPE, predicate=PREDICATE)
    assert {item.digest for item in result.attestations} == {result.digest}
    result = attest(opened(), keys[0], predicate_type=TYPE, predicate=PREDICATE, recursive=True)
    children = {item.digest for item in result.attestations} - {result.digest}
    assert len(children) == 2
    for digest in children:
        ((_, claim), _) = statements(opened(), keys[0], digest)
        assert [subject.digest for subject in claim.subjects] == [digest]


def test_an_attestation_is_no_signature_for_verify_inspect_and_remove(opened: Callable[[], Image], keys: Any) -> None:
    attested(opened(), keys[0])
    with pytest.raises(NoSignatures):
        verify(opened(), keys[0])
    sign(opened(), keys[0], recursive=False, identity="registry.example/team/app:1.0")
    assert statements(opened(), keys[0])
    removed = remove(opened(), key=keys[0])
    assert len(removed.removed) == 2
    removed = remove(opened(), all=True)
    assert removed.removed == ()
    assert len(statements(opened(), keys[0])) == 2
    seen = inspect(opened(), recursive=False)
    assert seen.signatures == ()
    assert sorted(item.format for item in seen.attestations) == ["bundle", "cosign"]
    assert {(item.predicate_type, item.problem) for item in seen.attestations} == {(TYPE, "")}
    assert {item.subjects for item in seen.attestations} == {(seen.digest,)}


@pytest.mark.parametrize("name", [item.name for item in ATTESTATION_READERS])
def test_inspect_lists_attestations_of_every_format(opened: Callable[[], Image], keys: Any, name: str) -> None:
    attest(opened(), keys[0], predicate_type=TYPE, predicate=PREDICATE, formats=[name])

    seen = inspect(opened(), recursive=False)
    assert [item.format for item in seen.attestations] == [name]
    assert seen.signatures == ()


def test_copy_carries_attestations(opened: Callable[[], Image], keys: Any, tmp_path: Path) -> None:
    attested(opened(), keys[0])
    copy(opened(), f"oci:{tmp_path / 'copied'}:1.0", all_platforms=True)
    there = open_image(f"oci:{tmp_path / 'copied'}:1.0")
    assert statements(there, keys[0]) == statements(opened(), keys[0])


def test_a_whole_statement_is_signed_as_it_is(image: Image, keys: Any) -> None:
    digest = image.home.resolve("1.0").digest.removeprefix("sha256:")
    whole = (
        f'{{ "predicate":{{"a": 1.0}}, "subject":[{{"name":"x","digest":{{"sha512":"y"}}}},'
        f'{{"digest":{{"sha256":"{digest}"}}}}], "_type":"{STATEMENT_V01}", "predicateType":"{TYPE}"}}\n'
    ).encode()
    attest(image, keys[0], statement=whole)
    formats = select_formats(["cosign", "bundle"], Purpose.ATTESTATION)
    for item, reader in stored_signatures(image, f"sha256:{digest}", formats).found:
        assert reader.parse(item).message.endswith(whole)
    assert [made.state for made in attest(image, keys[0], statement=whole).attestations] == ["present"] * 2
    with pytest.raises(InvalidArgument, match="its subjects are"):
        attest(image, keys[0], statement=whole.replace(digest.encode(), b"0" * 64))
    with pytest.raises(InvalidArgument, match="every image"):
        attest(image, keys[0], statement=whole, recursive=True)


def test_a_whole_statement_that_names_something_else_too_is_another_one(image: Image, keys: Any) -> None:
    digest = image.home.resolve("1.0").digest.removeprefix("sha256:")
    subjects = [{"digest": {"sha256": digest}}, {"digest": {"gitCommit": "a"}}]
    whole = {"_type": STATEMENT_V01, "subject": subjects, "predicateType": TYPE, "predicate": {}}
    first = json.dumps(whole).encode()
    attest(image, keys[0], statement=first)
    made = attest(image, keys[0], statement=first.replace(b'"a"', b'"b"')).attestations
    assert [item.state for item in made] == ["attached"] * 2
    assert [item.state for item in attest(image, keys[0], statement=first).attestations] == ["present"] * 2


def test_a_whole_statement_with_a_short_name_for_its_type_is_refused(image: Image, keys: Any) -> None:
    subject = {"digest": {"sha256": image.home.resolve("1.0").digest.removeprefix("sha256:")}}
    whole = {"_type": STATEMENT_V01, "subject": [subject], "predicateType": "custom", "predicate": {}}
    with pytest.raises(InvalidArgument, match="attestation/v1 is needed"):
        attest(image, keys[0], statement=json.dumps(whole).encode())


def test_replace_keeps_a_statement_about_other_images_too(image: Image, keys: Any) -> None:
    digest = image.home.resolve("1.0").digest.removeprefix("sha256:")
    subjects = [{"digest": {"sha256": digest}}, {"digest": {"sha256": "0" * 64}}]
    whole = {"_type": STATEMENT_V01, "subject": subjects, "predicateType": TYPE, "predicate": {}}
    attest(image, keys[0], statement=json.dumps(whole).encode())
    result = attest(image, keys[0], predicate_type=TYPE, predicate=PREDICATE, replace=True)
    assert result.removed == ()
    assert "name other images too" in result.warnings[-1]
    assert len(statements(image, keys[0])) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"predicate_type": "", "predicate": b"{}"}, "no predicate type"),
        ({"predicate_type": TYPE}, "no predicate or"),
        ({"predicate_type": TYPE, "predicate": b"{}", "statement": b"{}"}, "one of them is needed"),
        ({"predicate_type": "spdy", "predicate": b"{}"}, "predicate type"),
        ({"predicate_type": SIGN_PREDICATE, "predicate": b"{}"}, "signature of an image"),
        ({"predicate_type": TYPE, "predicate": b"[]"}, "JSON object"),
        ({"predicate_type": TYPE, "predicate": b'{"a":1,"a":2}'}, "occurs twice"),
        ({"predicate_type": TYPE, "predicate": b'{"a":"\xff"}'}, "UTF-8"),
        ({"predicate_type": TYPE, "predicate": {"a": {1, 2}}}, "JSON values are needed"),
        ({"predicate_type": TYPE, "predicate": {"a": float("nan")}}, "JSON values are needed"),
        ({"predicate_type": TYPE, "predicate": {1: "a"}}, "named 1, names are text"),
        ({"predicate_type": TYPE, "predicate": {"a": [{None: "a"}]}}, "named None, names are text"),
        ({"predicate_type": "vuln", "predicate": {"invocation": {}, "scanner": {}}}, "'metadata'"),
        ({"predicate_type": "spdx", "predicate": b"SPDXVersion: SPDX-2.3"}, "JSON object"),
        ({"predicate_type": TYPE, "predicate": b"{}", "formats": ["notation"]}, "unknown"),
        ({"predicate_type": TYPE, "predicate": b"{}", "statement_version": "v2"}, "v1 or v0.1"),
        ({"statement": b"[]"}, "statement"),
    ],
)
def test_what_cannot_be_attested_is_refused_before_anything_is_written(
    image: Image, keys: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidArgument, match=said):
        attest(image, keys[0], **options)
    with pytest.raises(InvalidArgument, match=said):
        attest_many([image], keys[0], **options)
    assert statements(image, keys[0]) == []


def test_a_statement_larger_than_verifiers_read_is_refused(image: Image, keys: Any) -> None:
    with pytest.raises(InvalidArgument, match="verifiers read at most"):
        attested(image, keys[0], b'{"x":"' + b"y" * (32 << 20) + b'"}')


def test_values_that_other_tools_change_and_deep_ones_are_kept(image: Image, keys: Any) -> None:
    deep = b'{"a":' + b"[" * 100 + b"]" * 100 + b"}"
    attested(image, keys[0], deep, formats=["bundle"])
    ((_, claim),) = statements(image, keys[0])
    assert claim.predicate == deep


def test_a_dry_run_writes_nothing(image: Image, keys: Any) -> None:
    assert attested(image, keys[0], dry_run=True) == ["planned", "planned"]
    assert statements(image, keys[0]) == []


def test_a_registry_that_stores_one_format_gets_that_one(keys: Any) -> None:
    with InMemoryRegistry() as server:
        image = registry(f"{server.host}/team/app:1.0")
        build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")

        def refuse(request: Request) -> Answer | None:
            refused = request.method == "PUT" and request.path.endswith(".att")
            return Answer(405, body=b'{"errors":[{"code":"UNSUPPORTED"}]}') if refused else None

        server.faults.append(refuse)
        with pytest.raises(AttachIncomplete) as caught:
            attested(image, keys[0])
        assert len(caught.value.attached) == 1
        assert "attestation" in str(caught.value)
        assert [name for name, _ in statements(image, keys[0])] == ["bundle"]


def test_many_images_are_attested_and_a_failure_stops_no_other(keys: Any) -> None:
    with InMemoryRegistry() as server:
        names = [f"{server.host}/team/app{number}:1.0" for number in range(5)]
        for name in names:
            build_image(registry(name).home, {"a": name.encode()}, PLATFORMS[0], "1.0")
        given = [*names, f"{server.host}/team/missing:1.0"]
        outcomes = list(attest_many(given, keys[0], predicate_type="custom", predicate={"a": 1}))
        assert [item.ok for item in sorted(outcomes, key=lambda item: item.index)] == [True] * 5 + [False]
        (failed,) = [item for item in outcomes if not item.ok]
        assert failed.document()["attested"] is False
        again = list(attest_many(names, keys[0], predicate_type="custom", predicate={"a": 1}, replace=True))
        assert {made.state for item in again if item.result for made in item.result.attestations} == {"present"}


def test_an_attestation_with_certificates_needs_a_chain(image: Image, keys: Any) -> None:
    with pytest.raises(InvalidArgument, match="certificates"):
        attested(image, keys[0], formats=[BundleAttestation.certified()])


def test_a_place_that_stores_no_attestations_says_so(tmp_path: Path, keys: Any) -> None:
    build_image(Layout.create(tmp_path / "one"), {"a": b"b"}, PLATFORMS[0], tag="1.0")
    copy(f"oci:{tmp_path / 'one'}:1.0", f"dir:{tmp_path / 'folder'}")
    with pytest.raises(SignaturesUnsupported):
        attested(open_image(f"dir:{tmp_path / 'folder'}"), keys[0])


def test_the_payload_is_what_cosign_stores(image: Image, keys: Any) -> None:
    attested(image, keys[0], formats=["cosign"])
    tag = image.home.resolve("1.0").digest.replace(":", "-") + ".att"
    descriptor = image.home.resolve(tag)
    manifest = json.loads(image.home.read(descriptor, limit=1 << 20))
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.dsse.envelope.v1+json"
    assert layer["annotations"] == {"dev.cosignproject.cosign/signature": "", "predicateType": TYPE}
    (stored,) = stored_signatures(
        image, image.home.resolve("1.0").digest, select_formats(["cosign"], Purpose.ATTESTATION)
    ).found
    envelope = json.loads(stored[0].parts[0].content)
    assert list(envelope) == ["payloadType", "payload", "signatures"]
    assert PREDICATE in base64.b64decode(envelope["payload"])


def test_two_names_of_one_type_say_the_same(image: Image, keys: Any) -> None:
    sbom = {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT"}
    attested(image, keys[0], sbom, predicate_type="spdx")
    assert attested(image, keys[0], sbom, predicate_type="spdxjson") == ["present", "present"]
