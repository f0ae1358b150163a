"""What lies beside a good signature never hides it, and what was not read is never "unsigned" (adversary 4c, B6)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from imagesig import PublicKey, limits, remove, sign, verify
from imagesig.errors import LimitExceeded, NoSignatureAccepted, NoSignatures, RemovalIncomplete
from imagesig.images.build import build_index
from imagesig.images.registry.connect import registry
from imagesig.oci.digest import sha256
from imagesig.testing import Answer, InMemoryRegistry, MemoryProvider, Request
from imagesig.testing.hostile.registries.stage import EMPTY, INDEX, MANIFEST, NAME, foreign
from tests.attacks.hostile_listings import a_registry, image_at, listing, lists, pushed, signed, store, stored
from tests.makers import signing_key
from tests.peers.servers import RegistryServer

ODD: dict[str, Any] = {
    "null": None,
    "text": '"x"',
    "a list": [],
    "empty": {},
    "no type": {"digest": EMPTY["digest"], "size": 2},
    "empty type": {**EMPTY, "mediaType": ""},
    "null type": {**EMPTY, "mediaType": None},
    "odd type": {**EMPTY, "mediaType": "x"},
    "a type that is a number": {**EMPTY, "mediaType": 7},
    "no size": {"mediaType": MANIFEST, "digest": EMPTY["digest"]},
    "size -1": {**EMPTY, "size": -1},
    "size 1.0": {**EMPTY, "size": 1.0},
    "size true": {**EMPTY, "size": True},
    "huge size": {**EMPTY, "size": 2**63},
    "null annotation": {**EMPTY, "annotations": {"a": None}},
    "annotations as a list": {**EMPTY, "annotations": []},
    "no digest": {"mediaType": MANIFEST, "size": 2},
    "sha512": {**EMPTY, "digest": "sha512:" + "ab" * 64},
    "upper case": {**EMPTY, "digest": "sha256:" + "AB" * 32},
    "a path": {**EMPTY, "digest": "sha256:../../../etc/passwd"},
    "odd urls": {**EMPTY, "urls": "x"},
    "odd data": {**EMPTY, "data": 7},
    "odd platform": {**EMPTY, "platform": "linux"},
    "a twin": {**EMPTY, "Digest": "sha256:" + "ab" * 32},
    "a twin by folding": {**EMPTY, "\u017fize": 3},
    "a twin in the platform": {**EMPTY, "platform": {"os": "linux", "OS": "windows", "architecture": "amd64"}},
}
odd = pytest.mark.parametrize("entry", ODD.values(), ids=ODD)


def _lists_first(server: InMemoryRegistry, digest: str, entry: Any, *, api: bool) -> None:
    """Lists the entry before the good one, in the answer of the API or in the fallback index."""
    if api:
        server.faults.append(lists([entry, *listing(server, digest)]))
        return
    tag = digest.replace(":", "-")
    index = stored(server, tag)
    store(server, index | {"manifests": [entry, *index["manifests"]]}, INDEX, tag)


@odd
@pytest.mark.parametrize("api", [True, False])
def test_an_odd_entry_of_a_listing_is_one_rejection_and_the_others_count(entry: Any, api: bool) -> None:
    with a_registry(api=api) as server:
        digest = signed(server)
        _lists_first(server, digest, entry, api=api)
        result = verify(image_at(server), signing_key())
        assert result.verified
        (rejection,) = result.rejections
        assert "0" in rejection.origin
        with pytest.raises(NoSignatureAccepted):
            verify(image_at(server), signing_key(9))


@odd
def test_an_odd_layer_of_a_signature_manifest_is_one_rejection_and_the_others_count(entry: Any) -> None:
    with a_registry() as server:
        digest = signed(server, "cosign")
        tag = digest.replace(":", "-") + ".sig"
        manifest = stored(server, tag)
        store(server, manifest | {"layers": [entry, *manifest["layers"]]}, MANIFEST, tag)
        result = verify(image_at(server), signing_key())
        assert result.verified
        (rejection,) = result.rejections
        assert "layer 0" in rejection.origin


@pytest.mark.parametrize("api", [True, False])
def test_an_odd_entry_alone_adds_no_trust_and_is_not_unsigned(api: bool) -> None:
    with a_registry(api=api) as server:
        digest = pushed(server)
        if api:
            server.faults.append(lists([None]))
        else:
            store(
                server, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [None]}, INDEX, digest.replace(":", "-")
            )
        with pytest.raises(NoSignatureAccepted):
            verify(image_at(server), signing_key())


@pytest.mark.parametrize(
    "members",
    [{"mediaType": ""}, {"mediaType": None}, {"artifactType": ""}, {"config": None}, {"schemaVersion": None}],
    ids=json.dumps,
)
@pytest.mark.parametrize("api", [True, False])
def test_an_empty_member_of_a_listing_is_as_good_as_a_missing_one(members: dict[str, Any], api: bool) -> None:
    with a_registry(api=api) as server:
        digest = signed(server)
        if api:
            server.faults.append(lists(listing(server, digest), **members))
        else:
            tag = digest.replace(":", "-")
            store(server, stored(server, tag) | members, INDEX, tag)
        assert verify(image_at(server), signing_key()).verified


@pytest.mark.parametrize(
    "members",
    [{"mediaType": ""}, {"artifactType": ""}, {"config": None}, {"schemaVersion": None}, {"annotations": None}],
    ids=json.dumps,
)
@pytest.mark.parametrize("form", ["cosign", "bundle"])
def test_an_empty_member_of_a_signatures_manifest_is_as_good_as_a_missing_one(
    members: dict[str, Any], form: str
) -> None:
    with a_registry() as server:
        digest = signed(server, form)
        is_classic = form == "cosign"
        at = digest.replace(":", "-") + ".sig" if is_classic else listing(server, digest)[0]["digest"]
        changed = stored(server, at) | members
        if not is_classic:
            del server._manifests[NAME, at]
            server.faults.append(
                lists([{"mediaType": MANIFEST, "digest": store(server, changed), "size": len(json.dumps(changed))}])
            )
        else:
            store(server, changed, MANIFEST, at)
        assert verify(image_at(server), signing_key()).verified
        with pytest.raises(NoSignatureAccepted):
            verify(image_at(server), signing_key(9))
        (made,) = sign(image_at(server), signing_key(), formats=[form]).signatures
        assert made.state == "present"


@pytest.mark.parametrize("api", [True, False])
@pytest.mark.parametrize("types", [True, False])
def test_a_thousand_and_one_foreign_referrers_hide_no_good_one(api: bool, types: bool) -> None:
    with a_registry(api=api) as server:
        digest = signed(server)
        for number in range(1001):
            store(server, foreign(digest, number))
        entries = listing(server, digest, types=types)
        if api:
            server.faults.append(lists(entries))
        else:
            index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
            store(server, index, INDEX, digest.replace(":", "-"))
        server.requests.clear()
        if types:
            result = verify(image_at(server), signing_key())
            assert result.verified
            assert any(isinstance(item.error, LimitExceeded) for item in result.rejections)
        with pytest.raises(LimitExceeded):
            verify(image_at(server), signing_key(9))
        fetched = server.asked("GET", "/manifests/sha256:")
        assert fetched <= (2 if types else 1) * limits.REFERRERS


def test_a_good_signature_that_the_listing_calls_something_else_counts() -> None:
    with a_registry() as server:
        digest = signed(server)
        for number in range(300):
            store(server, foreign(digest, number))
        entries = [entry | {"artifactType": "application/vnd.example"} for entry in listing(server, digest)]
        server.faults.append(lists(entries))
        assert verify(image_at(server), signing_key()).verified


def test_a_listing_without_an_end_is_a_limit_and_never_unsigned() -> None:
    with a_registry() as server:
        digest = pushed(server)
        pages = iter(range(10**9))

        def endless(request: Request) -> Answer | None:
            if "/referrers/" not in request.path:
                return None
            body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
            path = f"/v2/{NAME}/referrers/{digest}?page={next(pages)}"
            return Answer(200, body, {"content-type": INDEX, "link": f'<{path}>; rel="next"'})

        server.faults.append(endless)
        with pytest.raises(LimitExceeded):
            verify(image_at(server), signing_key())


def test_a_listing_that_is_filtered_gives_the_good_one_behind_any_number_of_foreign_ones() -> None:
    with a_registry() as server:
        digest = signed(server)
        good = listing(server, digest)
        flood = [{"mediaType": MANIFEST, "digest": f"sha256:{number:064x}", "size": 500} for number in range(9000)]
        others = lists(flood)

        def filtering(request: Request) -> Answer | None:
            if "/referrers/" not in request.path:
                return None
            wanted = request.query.get("artifactType")
            if not wanted:
                return others(request)
            entries = [entry for entry in good if entry["artifactType"] in wanted]
            answer = lists(entries)(request)
            assert answer is not None
            return Answer(200, answer.body, {**answer.headers, "oci-filters-applied": "artifactType"})

        server.faults.append(filtering)
        assert verify(image_at(server), signing_key()).verified


@pytest.mark.parametrize("types", [True, False])
@pytest.mark.parametrize("good_first", [True, False])
def test_foreign_manifests_of_4_mib_do_not_use_up_what_signatures_need(types: bool, good_first: bool) -> None:
    with a_registry() as server:
        digest = signed(server)
        (good,) = listing(server, digest, types=types)
        for number in range(17):
            store(server, foreign(digest, number, 4 * 1024 * 1024))
        others = [entry for entry in listing(server, digest, types=types) if entry["digest"] != good["digest"]]
        server.faults.append(lists([good, *others] if good_first else [*others, good]))
        assert verify(image_at(server), signing_key()).verified
        with pytest.raises((LimitExceeded, NoSignatureAccepted)):
            verify(image_at(server), signing_key(9))


def test_large_bundles_that_nobody_trusts_do_not_use_up_what_a_good_one_needs() -> None:
    with a_registry() as server:
        digest = signed(server)
        (good,) = listing(server, digest)
        kind = good["artifactType"]
        for number in range(80):
            junk = b'{"a":[' + b",".join([b"0"] * 120_000) + b"]," + f'"n":{number}}}'.encode()
            junk = junk[:1] + b" " * (250 * 1024 - len(junk)) + junk[1:]
            blob = "sha256:" + hashlib.sha256(junk).hexdigest()
            server._blobs[NAME, blob] = junk
            manifest = foreign(digest, number, kind=kind)
            manifest["layers"] = [{"mediaType": kind, "digest": blob, "size": len(junk)}]
            del manifest["annotations"]
            store(server, manifest)
        server.faults.append(lists([*(e for e in listing(server, digest) if e["digest"] != good["digest"]), good]))
        assert verify(image_at(server), signing_key()).verified


def test_large_payloads_that_nobody_trusts_do_not_use_up_what_a_good_one_needs() -> None:
    with a_registry() as server:
        digest = signed(server, "cosign")
        tag = digest.replace(":", "-") + ".sig"
        manifest = stored(server, tag)
        (good,) = manifest["layers"]
        junk = []
        for number in range(150):
            content = str(number).encode().rjust(60 * 1024)
            blob = "sha256:" + hashlib.sha256(content).hexdigest()
            server._blobs[NAME, blob] = content
            junk.append(good | {"digest": blob, "size": len(content)})
        store(server, manifest | {"layers": [*junk, good]}, MANIFEST, tag)
        assert verify(image_at(server), signing_key()).verified


def test_signing_again_finds_what_was_signed_among_a_thousand_foreign_referrers() -> None:
    with a_registry() as server:
        digest = signed(server)
        for number in range(1001):
            store(server, foreign(digest, number))
        server.faults.append(lists(listing(server, digest)))
        before = len(server._manifests)
        (made,) = sign(image_at(server), signing_key(), formats=["bundle"]).signatures
        assert made.state == "present"
        assert len(server._manifests) == before


REMOVALS: dict[str, Callable[[str, PublicKey], object]] = {
    "key": lambda image, old: remove(image, key=old),
    "all": lambda image, _old: remove(image, all=True),
    "replace": lambda image, old: sign(image, MemoryProvider().open(), formats=["bundle"], replace=old),
}


@pytest.mark.parametrize("removal", REMOVALS.values(), ids=REMOVALS)
def test_what_was_not_read_is_not_called_removed(removal: Callable[[str, PublicKey], object]) -> None:
    """It may be the signature of a key that was stolen."""
    with a_registry() as server:
        digest = signed(server)
        for number in range(1001):
            store(server, foreign(digest, number))
        server.faults.append(lists(listing(server, digest)))
        old = signing_key().info.public_key
        planned = sign(image_at(server), MemoryProvider().open(), formats=["bundle"], replace=old, dry_run=True)
        assert "may be among those that are not read" in planned.warnings[0]
        with pytest.raises(RemovalIncomplete, match=r"may be among those that are not: .*2 of 1002 are not") as seen:
            removal(image_at(server), old)
        assert len(seen.value.removed) == 1


@pytest.mark.interop
def test_a_manifest_of_an_odd_type_at_go_containerregistrys_registry_hides_no_good_one(
    registry_ggcr: RegistryServer,
) -> None:
    from imagesig.images.build import PLATFORMS, build_image

    name = f"{registry_ggcr.host}/hidden/app:1.0"
    image = registry(name, credentials=("", ""))
    digest = build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0").digest
    sign(image, signing_key(), formats=["bundle"])
    content = json.dumps(foreign(digest)).encode()
    image.home._put_manifest(content, "x", "")  # type: ignore[attr-defined]
    result = verify(registry(name, credentials=("", "")), signing_key())
    assert result.verified
    assert len(result.rejections) == 1


def test_an_image_with_foreign_referrers_alone_is_unsigned() -> None:
    with a_registry() as server:
        digest = pushed(server)
        for number in range(20):
            store(server, foreign(digest, number))
        with pytest.raises(NoSignatures):
            verify(image_at(server), signing_key())


def test_a_flood_at_a_platform_hides_no_signature_of_its_index() -> None:
    with a_registry() as server:
        build_index(image_at(server).home, {"a": b"b"}, "1.0")
        child = stored(server, "1.0")["manifests"][0]["digest"]
        sign(image_at(server), signing_key(), formats=["bundle"], recursive=False)
        for number in range(40):
            junk = str(number).encode().rjust(250 * 1024)
            server._blobs[NAME, sha256(junk)] = junk
            kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
            manifest = foreign(child, number, kind=kind)
            manifest["layers"] = [{"mediaType": kind, "digest": sha256(junk), "size": len(junk)}]
            store(server, manifest)
        result = verify(image_at(server), signing_key(), platform="linux/amd64")
        assert result.through_index
        with pytest.raises(LimitExceeded):
            verify(image_at(server), signing_key(9), platform="linux/amd64")
