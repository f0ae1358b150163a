"""Workload files that two readers may read differently, made at random of whole pieces of YAML, a few damaged."""

from __future__ import annotations

import json
from random import Random
from typing import Any

_KEYS = ["kind", "spec", "containers", "image", "a", "b", "services", "volumes", "reference", "metadata"]
_ODD_KEYS = [
    *(
        '"image"',
        "'image'",
        "!!binary aW1hZ2U=",
        "!!str image",
        "! image",
        "&k image",
        "*x ",
        "? image\n",
        "y",
        "No",
        "1",
    ),
    *("1.5", "~", "null", "0o7", "1e3", "=", "2001-01-01", "!!merge image", "!<tag:yaml.org,2002:str> image", "Image"),
    *(
        "'<<'",
        '"\\x69mage"',
        '"imag\\\n  e"',
        "imag\te",
        "!foo image",
        "[image]",
        "{image: 1}",
        "image ",
        "\ufeffimage",
    ),
    *("'a''b'", "IMAGE", "\u212aind", "!!null image", '"<<"', "!!str <<", "!!merge '<<'", "-", "image#"),
]
_VALUES = ["r.example/a:1", "'r.example/b:2'", '"r.example/c:3"', "r.example/d@sha256:" + "0" * 64, "app", "1", "true"]
_ODD_VALUES = [
    *(
        "~",
        "",
        "1e3",
        "y",
        "0x1f",
        "1:30",
        ".5",
        "=",
        "<<",
        "2001-01-01",
        "!!binary YQ==",
        "!!str 12",
        "! 12",
        "!foo a",
    ),
    *(
        "|\n  block",
        ">\n  folded\n  more",
        "'two\n  lines'",
        "plain\n  lines",
        '"a\\\n  b"',
        '"\\u0061"',
        '"\\/"',
        "a # b",
    ),
    *(
        "a#b",
        "a: b",
        "- a",
        "'a\n\n  b'",
        "\ta",
        "a\t",
        "a\tb",
        "%a",
        "@a",
        "`a",
        '"\\x85"',
        "é",
        "🐢",
        '"\\ud83d\\ude00"',
    ),
    *(
        "*x",
        "*y",
        "*z",
        "[*x]",
        "[]",
        "{}",
        "[a, b]",
        "{image: r.example/f:1}",
        "1_000",
        "0o17",
        "0b1",
        "+1",
        "1.",
        "a\u2028b",
    ),
    *(
        "{containers: [{image: r.example/g}]}",
        '{"image":"r.example/h"}',
        "[a, {image: r.example/i}, [image]]",
        "{a, b}",
    ),
]
_BETWEEN = [
    "---\n",
    "---\n",
    "--- # c\n",
    "---#c\n",
    "---c\n",
    "--- c\n",
    "...\n",
    "... # c\n",
    "---\n---\n",
    "--- |\n",
    " ---\n",
]
_STARTS = ["%YAML 1.1\n---\n", "%TAG ! tag:x,2000:\n---\n", "\ufeff", "# c\n", "--- {kind: a}\n", "\n\n", "--- !!map\n"]


def make_yaml(random: Random) -> bytes:
    """One to three documents."""
    if random.random() < 0.15:
        text = _json(random)
    else:
        text = "".join(_document(random, first=number == 0) for number in range(random.choice([1, 1, 2, 3])))
    for _ in range(random.choice([0, 0, 0, 0, 0, 1])):
        text = _damaged(random, text)
    return text.encode("utf-8", "surrogatepass")


def _document(random: Random, *, first: bool) -> str:
    start = (random.choice(_STARTS) if random.random() < 0.1 else "") if first else random.choice(_BETWEEN)
    if first or not start.startswith("..."):
        anchors = "x-a: &x {image: r.example/x, a: 1}\nx-b: &y\n  image: r.example/y\n" if random.random() < 0.5 else ""
        start += anchors + (_pod(random) if random.random() < 0.5 else _mapping(random, 0))
    return start


def _pod(random: Random) -> str:
    """Often a workload in which one value or key is odd."""
    image = _value(random, 4)
    key = _key(random) if random.random() < 0.3 else "image"
    merge = "    <<: *x\n" if random.random() < 0.2 else ""
    body = f"  - name: a\n{merge}    {key}: {image}\n"
    if random.random() < 0.3:
        body += f"  - {{name: b, image: {random.choice(_VALUES)}}}\n"
    return f"kind: Pod\nspec:\n  containers:\n{body}"


def _mapping(random: Random, depth: int) -> str:
    count = random.choice([1, 2, 2, 3])
    lines = [" " * depth + _key(random) + ":" + _child(random, depth) for _ in range(count)]
    if random.random() < 0.3:
        merge = random.choice(["*x", "*y", "[*x, *y]", "[*y, *x]", "{image: r.example/z}", "a", "[a]", "*x\n", "null"])
        lines.insert(random.randint(0, len(lines)), " " * depth + f"<<: {merge}".rstrip() + "\n")
    return "".join(lines)


def _child(random: Random, depth: int) -> str:
    choice = random.random()
    if depth < 6 and choice < 0.25:
        return "\n" + _mapping(random, depth + 2)
    if depth < 6 and choice < 0.4:
        item = _mapping(random, depth + 2)
        return "\n" + " " * depth + "- " + item[depth + 2 :]
    return " " + _anchor(random) + _value(random, depth) + random.choice(["\n", "\n", "\n", " # c\n", "\r\n"])


def _anchor(random: Random) -> str:
    return random.choice(["&x ", "&y ", "&z "]) if random.random() < 0.1 else ""


def _key(random: Random) -> str:
    return random.choice(_ODD_KEYS if random.random() < 0.12 else _KEYS)


def _value(random: Random, depth: int) -> str:
    value = random.choice(_ODD_VALUES if random.random() < 0.3 else _VALUES)
    return value.replace("\n", "\n" + " " * depth)


def _json(random: Random) -> str:
    document: Any = {"kind": "Pod", "spec": {"containers": [{"image": "r.example/j:1"}]}}
    text = json.dumps(document, indent=random.choice([None, 1, "\t"]))
    extra = random.choice(
        ['"image": "r.example/k"', '"\\u0069mage": "r.example/k"', '"a": "\\/"', '"b": 1e3', '"c": "\\ud800"']
    )
    if random.random() < 0.5:
        text = text.replace("{", "{" + extra + ", ", random.choice([1, 3]))
    return text + random.choice(["", "", "\n", text, "\n---\n" + text, " # c", "\n---\nkind: a\n", "\n..."])


def _damaged(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    piece = random.choice(
        [*"\t\n\r\x85\u2028\ufeff \\\"':-#&*!|>%@,[]{}?", "\r\n", "---", "...", "<<: *x\n", "\x00", "\x7f"]
    )
    return text[:at] + piece + text[at + random.choice([0, 1]) :]


_SERVICE_LINES = [
    *(
        "image: r.example/s:2",
        "<<: *x",
        "<<: [*x, *y]",
        "<<: [*y, *x]",
        "'<<': *x",
        "!!merge <<: *x",
        "build: .",
        "x-a: 1",
    ),
    *("extends: web", "extends: {service: web}", "extends: {service: web, file: other.yaml}", "extends: {<<: *file}"),
    *(
        "!!binary aW1hZ2U=: r.example/evil",
        "Image: r.example/evil",
        "image: ${TAG:-evil}",
        "image: !reset null",
        "environment: {A: b}",
    ),
    *(
        "volumes: [{type: image, source: r.example/v:1, target: /v}]",
        "volumes: [{type: '${T:-image}', source: evil, target: /v}]",
    ),
    *(
        "volumes: [a:/b]",
        "image: null",
        "image: 1e3",
        "profiles: [p]",
        "image: |-\n      r.example/block",
        "? image\n    : r.example/q",
    ),
]


def make_compose(random: Random) -> bytes:
    """A compose file of up to three services, and sometimes a second document that changes the first."""
    text = "x-x: &x {image: r.example/x}\nx-y: &y\n  image: r.example/y\nx-f: &file {file: other.yaml, service: web}\n"
    for number in range(random.choice([1, 1, 1, 2])):
        text += random.choice(["---\n", "---\n", "...\n---\n", "--- # c\n"]) if number else ""
        text += "services:\n  web:\n    image: " + random.choice(_VALUES) + "\n"
        for name in ("a", "b")[: random.randint(0, 2)]:
            lines = [random.choice(_SERVICE_LINES) for _ in range(random.choice([1, 1, 2, 3]))]
            text += f"  {name}:\n" + "".join(f"    {line}\n" for line in lines)
        text += random.choice(["", "", "", "include: [other.yaml]\n", "name: n\n", "kind: Pod\n", "x-z: {a: *x}\n"])
    if random.random() < 0.2:
        text = _damaged(random, text)
    return text.encode()
