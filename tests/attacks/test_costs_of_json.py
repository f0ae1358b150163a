"""What is cheap to send is not dear to read: the time of every reader of JSON and TOML grows with the bytes (4a)."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest

from imagesig import Policy, verify
from imagesig.errors import ImagesigError, LimitExceeded
from imagesig.images.layout.layout import Layout
from imagesig.images.merge import Tagged
from imagesig.images.registry.fallback_index import with_entry
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import sha256
from imagesig.oci.manifest import OCI_CONFIG
from imagesig.stores.tag import merged
from imagesig.testing import InMemoryRegistry
from imagesig.testing.hostile.registries.stage import INDEX, MANIFEST, NAME
from tests.attacks.hostile_listings import a_registry, answers, image_at, lists, pushed, signed, store
from tests.makers import signing_key

SECONDS = 2.0
KIB = 1024


def _members(count: int, last: str) -> bytes:
    """An object of so many members whose last one stands twice."""
    return b"{" + b",".join(b'"m%d":1' % number for number in range(count)) + f',"{last}":1}}'.encode()


DOCUMENTS = {
    "members, the first twice": _members(20_000, "m0"),
    "members, the last twice": _members(20_000, "m19999"),
    "members that are twins": b"{" + b",".join(b'"Size%d":1' % n for n in range(20_000)) + b',"\xc5\xbfize":1}',
    "long names": b"{" + b",".join(b'"%s%d":1' % (b"a" * 200, n) for n in range(1000)) + b',"x":1,"x":1}',
    "quotes": b'{"a":' + b'"' * 240 * KIB,
    "backslashes": b'{"a":"' + b"\\" * 240 * KIB,
    "half surrogates": b'{"a":"' + b"\\ud800" * 40 * KIB + b'"}',
    "surrogates": b'{"a":"' + b"\\ud83d\\ude00" * 20 * KIB + b'"}',
    "brackets": b"[" * 240 * KIB,
    "a number": b'{"a":' + b"1" * 240 * KIB + b"}",
    "blanks": b'{"a":' + b" " * 240 * KIB + b"x",
    "commas": b'{"manifests":[' + b"," * 240 * KIB + b"]}",
    "colons": b'{"manifests":[' + b":" * 240 * KIB + b"]}",
    "names of lists": b"{" + b'"manifests":' * 20 * KIB + b"1}",
    "empty lists": b"{" + b",".join([b'"manifests":[]'] * 16 * KIB) + b"}",
}


def _blob(server: InMemoryRegistry, content: bytes) -> dict[str, object]:
    server._blobs[NAME, sha256(content)] = content
    return {"digest": sha256(content), "size": len(content)}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
@pytest.mark.parametrize(
    "place", ["listing", "fallback", "image", "signature manifest", "referrer", "bundle", "payload"]
)
def test_a_document_that_is_quick_to_send_is_quick_to_read(place: str, document: bytes) -> None:
    with a_registry(api=place != "fallback") as server:
        digest = pushed(server) if place == "image" else signed(server, "cosign" if "ature" in place else "bundle")
        tag = digest.replace(":", "-")
        if place == "listing":
            server.faults.append(answers(document))
        elif place == "fallback":
            store(server, document, INDEX, tag)
        elif place == "image":
            store(server, document, MANIFEST, "1.0")
        elif place == "signature manifest":
            store(server, document, MANIFEST, f"{tag}.sig")
        elif place == "referrer":
            entry = {"mediaType": MANIFEST, "digest": store(server, document), "size": len(document)}
            server.faults.append(lists([entry]))
        else:
            kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
            content = document
            if place == "payload":
                envelope = {"payload": base64.b64encode(document[: 180 * KIB]).decode(), "payloadType": "x"}
                content = json.dumps({"dsseEnvelope": envelope}).encode()
            layer = {"mediaType": kind, **_blob(server, content[: 256 * KIB])}
            config = {"mediaType": MANIFEST, **_blob(server, b"{}")}
            body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
            manifest = store(server, body)
            entry = {"mediaType": MANIFEST, "digest": manifest, "size": len(json.dumps(body))}
            server.faults.append(lists([entry]))
        started = time.process_time()
        with pytest.raises(ImagesigError):
            verify(image_at(server), signing_key(7))
        assert time.process_time() - started < SECONDS


TOML = {
    "a key of many parts": ".".join(["a"] * 30_000) + " = 1",
    "a quoted key of many parts": ".".join(['"a"'] * 30_000) + " = 1",
    "a table's name of many parts": "[" + ".".join(["a"] * 30_000) + "]",
    "an inline key of many parts": "x = {" + ".".join(["a"] * 30_000) + " = 1}",
    "keys, one twice": "\n".join(f"a{number} = 1" for number in range(20_000)) + "\na0 = 1",
    "tables, one twice": "\n".join(f"[a{number}]" for number in range(20_000)) + "\n[a0]",
    "lines": "\n" * 200_000 + "x",
    "a word": "a" * 200_000,
    "dots": "." * 200_000,
}


@pytest.mark.parametrize("document", TOML.values(), ids=TOML)
def test_a_policy_that_is_short_is_quickly_refused(document: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(document)
    started = time.process_time()
    with pytest.raises(ImagesigError):
        Policy.load(file)
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_policy_in_json_that_is_short_is_quickly_refused(document: bytes, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_bytes(document)
    started = time.process_time()
    with pytest.raises(ImagesigError):
        Policy.load(file)
    assert time.process_time() - started < SECONDS


def test_a_listing_that_holds_a_great_many_tokens_is_quickly_refused() -> None:
    with a_registry() as server:
        pushed(server)
        server.faults.append(answers(b'{"manifests":[' + b"[]," * 1_300_000 + b"[]]}"))
        started = time.process_time()
        with pytest.raises(ImagesigError):
            verify(image_at(server), signing_key())
        assert time.process_time() - started < 2 * SECONDS


def _layers(count: int, first: int = 0) -> Tagged:
    """A signature manifest whose layers differ in their annotations only."""
    layers = [
        {"mediaType": "a/b", "digest": sha256(b""), "size": 1, "annotations": {"n": str(first + number)}}
        for number in range(count)
    ]
    config = Descriptor.of(b"{}", OCI_CONFIG).to_json()
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
    return Tagged(json.dumps(document).encode(), MANIFEST)


def test_two_long_lists_of_signatures_are_merged_quickly(tmp_path: Path) -> None:
    merge = merged(Layout.create(tmp_path / "layout"), "t", _layers(4000))
    began = time.process_time()
    with pytest.raises(LimitExceeded, match="8000 layers"):
        merge(_layers(4000, 4000))
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize(
    "odd",
    [{"annotations": 5}, {"platform": 5}, {"artifactType": 5}, {"artifactType": "x/y"}, {"Digest": "x"}, {"size": 5.0}],
    ids=str,
)
def test_an_entry_that_readers_refuse_does_not_keep_a_good_one_away(odd: dict[str, object]) -> None:
    entry = Descriptor(MANIFEST, sha256(b"entry"), 5)
    planted = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry.to_json() | odd]}
    added = with_entry(Tagged(json.dumps(planted).encode(), INDEX), entry, sha256(b"subject"))
    assert added is not None
    assert json.loads(added.content)["manifests"] == [entry.to_json()]


def test_an_entry_that_a_fallback_index_has_very_often_is_corrected_quickly() -> None:
    entry = Descriptor(MANIFEST, sha256(b"entry"), 5)
    wrong = [{"digest": entry.digest, "size": number} for number in range(15_000)]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": wrong}
    began = time.process_time()
    corrected = with_entry(Tagged(json.dumps(index).encode(), INDEX), entry, sha256(b"subject"))
    assert time.process_time() - began < SECONDS
    assert corrected is not None
    assert {(item["mediaType"], item["size"]) for item in json.loads(corrected.content)["manifests"]} == {(MANIFEST, 5)}
