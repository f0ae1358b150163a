"""JSON documents of OCI and Docker with what two readers may read differently: cases, duplicates, escapes, numbers."""

from __future__ import annotations

import json
from random import Random
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
KINDS = "mixlde"
"""The letters of the Go reader `json`; x is `index.json` of a layout, which Go reads as an index."""

_FOLDS = {"s": "\u017f", "k": "\u212a"}
_TEXTS = [
    "",
    "x",
    MANIFEST,
    INDEX,
    "sha256:" + "ab" * 32,
    "sha256:" + "CD" * 32,
    "a\u0000b",
    "\u017f",
    "\U0001f600",
    "1.0.0",
]
_RAW = [
    *("null", "true", "false", "0", "-0", "1", "2", "-1", "1.0", "2.0", "1e0", "2e0", "1E2", "0.5", "01", "+1", "1."),
    *("9223372036854775807", "9223372036854775808", "1" * 40, "1e400", "NaN", "Infinity", "-", ".5", "0x1", "1_0"),
    *(
        '"\\ud800"',
        '"\\udc00x"',
        '"\\ud83d\\ude00"',
        '"\\u0000"',
        '"\\x41"',
        '"\t"',
        '"\\/"',
        "'x'",
        '"YQ=="',
        '"YQ"',
        '"\u00df"',
    ),
    *(
        "[]",
        "{}",
        "[null]",
        "[1]",
        '["a"]',
        '{"a":"b"}',
        '{"a":null}',
        '{"a":1}',
        '{"A":"b","a":"c"}',
        "[[]]",
        '"',
        "{",
        "]",
    ),
]


class Raw(str):
    """JSON that is written as it stands."""


Members = list[tuple[str, Any]]
"""An object whose members may stand twice."""


def make_document(random: Random, kind: str) -> bytes:
    """One document of this kind: a good one, changed in up to three places or in none."""
    value = _good(random, kind)
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        _change(random, value)
    text = _written(random, value)
    if random.random() < 0.06:
        text = random.choice(
            ("\ufeff{}", "{} ", "{}x", "{}{}", " {}\n", "[{}]", "{},", "\x00{}", "{}\x00", "{}//")
        ).replace("{}", text)
    data = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.03 and data:
        at = random.randrange(len(data))
        data = data[:at] + random.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"", b"\\")) + data[at + 1 :]
    return data


def _good(random: Random, kind: str) -> Any:
    if kind == "l":
        return [("imageLayoutVersion", "1.0.0")]
    if kind == "d":
        return [
            [("Config", "a.json"), ("RepoTags", ["app:1.0"]), ("Layers", ["a/layer.tar", "b/layer.tar"])]
            for _ in range(random.choice((1, 1, 2)))
        ]
    common: Members = [("schemaVersion", 2), ("mediaType", MANIFEST if kind == "m" else INDEX)]
    if kind == "m":
        common += [
            ("config", _descriptor(random)),
            ("layers", [_descriptor(random) for _ in range(random.randrange(3))]),
        ]
    else:
        common += [("manifests", [_descriptor(random) for _ in range(random.randrange(4))])]
    if random.random() < 0.4:
        common += [("subject", _descriptor(random))]
    if random.random() < 0.4:
        common += [("annotations", [("a", "b"), ("A", "c")])]
    if random.random() < 0.3:
        common += [("artifactType", "application/x")]
    return common


def _descriptor(random: Random) -> Members:
    digest = "sha256:" + random.choice("0123456789abcdef") * 64
    found: Members = [("mediaType", MANIFEST), ("digest", digest), ("size", random.choice((0, 7, 2**40)))]
    if random.random() < 0.3:
        found += [("annotations", [("org.opencontainers.image.ref.name", "1.0"), ("size", "x")])]
    if random.random() < 0.3:
        found += [("platform", [("architecture", "arm64"), ("os", "linux"), ("variant", "v8"), ("os.features", ["a"])])]
    if random.random() < 0.2:
        found += [("urls", ["https://example.com"]), ("data", "YQ==")]
    if random.random() < 0.2:
        found += [("artifactType", "application/y")]
    return found


def _objects(value: Any) -> list[Members]:
    """Every object in the value that has members."""
    found: list[Members] = []
    unseen = [value]
    while unseen:
        item = unseen.pop()
        if isinstance(item, list) and item and isinstance(item[0], tuple):
            found.append(item)
            unseen += [inner for _, inner in item]
        elif isinstance(item, list):
            unseen += item
    return found


_NAMES = [
    *(
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "manifests",
        "subject",
        "annotations",
        "digest",
    ),
    *("size", "urls", "data", "platform", "architecture", "os", "os.version", "os.features", "variant", "fsLayers"),
    *(
        "history",
        "signatures",
        "tag",
        "name",
        "imageLayoutVersion",
        "Config",
        "RepoTags",
        "Layers",
        "Parent",
        "unknown",
    ),
]


def _change(random: Random, value: Any) -> None:
    objects = _objects(value)
    if not objects:
        return
    members = random.choice(objects)
    at = random.randrange(len(members))
    name, inner = members[at]
    way = random.randrange(8)
    if way == 0:
        members[at] = (_twin(random, name), inner)
    elif way == 1:
        members.insert(random.randrange(len(members) + 1), (_twin(random, name), _odd(random, inner)))
    elif way == 2:
        members.insert(random.randrange(len(members) + 1), (name, _odd(random, inner)))
    elif way == 3:
        members[at] = (name, _odd(random, inner))
    elif way == 4:
        del members[at]
    elif way == 5:
        added = random.choice(_NAMES)
        members.append((added if random.random() < 0.6 else _twin(random, added), _odd(random, inner)))
    elif way == 6 and isinstance(inner, list) and inner and not isinstance(inner[0], tuple):
        inner.insert(random.randrange(len(inner) + 1), Raw(random.choice(_RAW)))
    else:
        random.shuffle(members)


def _twin(random: Random, name: str) -> str:
    changed = [
        name.upper(),
        name.lower(),
        name.swapcase(),
        name.capitalize(),
        "".join(_FOLDS.get(character, character) for character in name),
        "".join(_FOLDS.get(character.lower(), character) for character in name),
        name + "\u0000",
        f" {name}",
        name.replace("i", "\u0131").replace("I", "\u0130"),
    ]
    return random.choice(changed)


def _odd(random: Random, value: Any) -> Any:
    way = random.random()
    if way < 0.5:
        return Raw(random.choice(_RAW))
    if way < 0.8:
        return random.choice(_TEXTS)
    return value


def _written(random: Random, value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return "{" + ",".join(f"{_text(random, name)}:{_written(random, inner)}" for name, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(random, inner) for inner in value) + "]"
    if isinstance(value, str):
        return _text(random, value)
    return json.dumps(value)


def _text(random: Random, text: str) -> str:
    written = json.dumps(text, ensure_ascii=random.random() < 0.3)
    if text and random.random() < 0.05:
        written = (
            '"'
            + "".join(f"\\u{ord(character):04x}" if ord(character) < 65536 else character for character in text)
            + '"'
        )
    return written
