"""Descriptors of signatures whose digest, size, type or annotations lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from imagesig.errors import NoSignatures, UnexpectedResponse
from imagesig.testing.hostile.kinds import Hostility, Script
from imagesig.testing.hostile.registries.stage import BUNDLE, INDEX, MANIFEST, OTHER_DIGEST, Stage, signed_with
from imagesig.testing.hostile.registries.wire import UNVERIFIED

DIGESTS = {
    "upper-case": "sha256:" + "A" * 64,
    "short": "sha256:abc",
    "sha512": "sha512:" + "a" * 128,
    "md5": "md5:" + "a" * 32,
    "path": "sha256:../../../../etc/passwd",
    "slash": "sha256:" + "a" * 63 + "/",
    "empty": "",
    "no-colon": "a" * 64,
    "line-break": "sha256:" + "a" * 64 + "\n",
    "long": "sha256:" + "a" * 60_000,
    "query": "sha256:" + "a" * 64 + "?x=y",
    "astral": "sha256:" + "\U0001d7d8" * 64,
}
_SIZES: dict[str, object] = {
    "one-less": -1,
    "one-more": 1,
    "below-zero": "-1",
    "zero": "0",
    "2-to-the-63": "9223372036854775808",
    "tebibyte": "1099511627776",
    "1e3": "1e3",
    "fraction": "1.5",
    "text": '"10"',
    "null": "null",
    "true": "true",
    "5000-digits": "9" * 5000,
}


def _entry(change: Callable[[dict[str, Any]], object]) -> Script:
    """The list of referrers has the signature's own entry, changed."""

    def apply(stage: Stage) -> None:
        (entry,) = stage.listed()
        changed = change(entry)
        stage.lists([changed if isinstance(changed, str) else entry])

    return signed_with(apply)


def _layer(change: Callable[[dict[str, Any]], object], *formats: str) -> Script:
    """The layer of the signature's manifest, changed; the list names the changed manifest."""

    def apply(stage: Stage) -> None:
        if formats:
            document = stage.manifest(stage.signature_tag)
        else:
            document, _ = stage.signature()
        changed = change(document["layers"][0])
        content = json.dumps(document).encode()
        if isinstance(changed, str):
            content = content.replace(json.dumps(document["layers"][0]).encode(), changed.encode())
        if formats:
            stage.store(content, MANIFEST, stage.signature_tag)
        else:
            stored = stage.store(content)
            stage.lists([{"mediaType": MANIFEST, "digest": stored, "size": len(content), "artifactType": BUNDLE}])

    return signed_with(apply, *formats)


def _sized(value: object) -> Callable[[dict[str, Any]], object]:
    """Another size: a number is added, a text replaces it."""

    def change(descriptor: dict[str, Any]) -> object:
        if isinstance(value, int):
            descriptor["size"] += value
            return None
        whole = json.dumps(descriptor)
        return whole.replace(f'"size": {descriptor["size"]}', f'"size": {value}')

    return change


def _member(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda descriptor: descriptor.__setitem__(name, value)


def _twin(text: str) -> Callable[[dict[str, Any]], object]:
    return lambda descriptor: json.dumps(descriptor)[:-1] + ", " + text + "}"


_CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    **{f"size-{name}": (f"a size that is wrong: {name}", _sized(value)) for name, value in _SIZES.items()},
    **{
        f"digest-{name}": (f"a digest that is none: {name}", _member("digest", value))
        for name, value in DIGESTS.items()
    },
    "digest-of-nothing": ("the digest of nothing that is there", _member("digest", OTHER_DIGEST)),
    "digest-number": ("a number for its digest", _member("digest", 1)),
    "type-index": ("the type of an index", _member("mediaType", INDEX)),
    "type-unknown": ("an unknown type", _member("mediaType", "application/x")),
    "type-empty": ("an empty type", _member("mediaType", "")),
    "type-number": ("a number for its type", _member("mediaType", 1)),
    "type-control": ("control characters in its type", _member("mediaType", "a/\x1b[2Jb\nverified")),
    "type-long": ("a type of 60,000 characters", _member("mediaType", "a/" + "b" * 60_000)),
    "twin-digest": ("a second digest in another case", _twin(f'"Digest": "{OTHER_DIGEST}"')),
    "twin-digest-exact": ("a second digest", _twin(f'"digest": "{OTHER_DIGEST}"')),
    "twin-size": ("a second size in another case", _twin('"SIZE": 1')),
    "twin-folded": ("a second size with a long s", _twin('"\u017fize": 1')),
    "urls": ("addresses of its own", _member("urls", ["http://169.254.169.254/"])),
    "data": ("data of its own", _member("data", "e30=")),
    "annotations-number": ("a number for annotations", _member("annotations", 1)),
    "annotations-nested": ("objects for annotations", _member("annotations", {"a": {"b": {}}})),
    "annotations-many": ("2,000 annotations", _member("annotations", {str(n): "x" for n in range(2000)})),
}
DESCRIPTORS = [
    *(
        Hostility(
            f"entry-{name}",
            f"The entry of the signature has {sentence}.",
            _entry(change),
            (*UNVERIFIED, NoSignatures, UnexpectedResponse),
            harmless=name.startswith(("urls", "data", "type-", "annotations")),
        )
        for name, (sentence, change) in _CHANGES.items()
    ),
    *(
        Hostility(
            f"layer-{name}",
            f"The layer of the signature has {sentence}.",
            _layer(change),
            (*UNVERIFIED, NoSignatures),
            harmless=name.startswith(("urls", "data", "annotations", "type-unknown")),
        )
        for name, (sentence, change) in _CHANGES.items()
    ),
    *(
        Hostility(
            f"listed-layer-{name}",
            f"The layer of a signature that a tag lists has {sentence}.",
            _layer(change, "cosign"),
            UNVERIFIED,
            harmless=name.startswith(("urls", "data")),
        )
        for name, (sentence, change) in _CHANGES.items()
    ),
]
