"""One change of a JSON document: a member or an element, or how it is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

from tests.mutations.encodings import change_base64, change_bytes, is_base64
from tests.mutations.trees import Members, Raw, Site, dump, load, sites

_FOLDED = {"s": "\u017f", "k": "\u212a", "S": "\u017f", "K": "\u212a"}
"""Letters that Go takes for these where it matches names of members."""
_OTHER_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/vnd.oci.empty.v1+json",
    "application/json",
    "text/plain",
)

Operator = Callable[[Random, Site, object], str | None]
"""Changes the tree at the site and gives a word more about how, or None where it has nothing to change."""


def change_json(random: Random, data: bytes, other: bytes | None) -> tuple[bytes, str, str]:
    """The changed document, the kind of the change and the field; `other` is the same document of another image.

    Documents that are no JSON, and one in twenty, get a changed byte.
    """
    try:
        before = load(data)
        twin = load(other) if other is not None else None
    except ValueError:
        before = None
    if before is None or random.random() < 0.05:
        made, kind = change_bytes(random, data)
        return made, kind, ""
    for _ in range(200):
        tree = load(data)
        places = list(sites(tree))
        if not places:
            break
        name = random.choice(_WEIGHTED)
        site = random.choice(places)
        path = site.path
        detail = OPERATORS[name](random, site, twin)
        made = dump(tree)
        if detail is not None and made != data:
            return made, f"json:{name}{':' if detail else ''}{detail}", path
    made, kind = change_bytes(random, data)
    return made, kind, ""


def _delete(random: Random, site: Site, _: object) -> str:
    del site.parent[site.place]
    return ""


def _twice(random: Random, site: Site, _: object) -> str:
    """The same once more."""
    copy = [site.holder[0], site.value] if site.is_member else site.value
    site.parent.insert(random.choice((site.place, len(site.parent))), copy)
    return ""


def _twice_differently(random: Random, site: Site, twin: object) -> str | None:
    """Once more with another value, before or after it, under the very name or one that Go takes for it."""
    value = _another(random, site, twin)
    if not site.is_member:
        site.parent.insert(random.choice((site.place, len(site.parent))), value)
        return "element"
    name = random.choice([str(site.holder[0]), *_other_cases(str(site.holder[0]))])
    first = random.random() < 0.5
    site.parent.insert(site.place if first else len(site.parent), [name, value])
    same = "same-name" if name == site.holder[0] else "folded" if name.isascii() is False else "other-case"
    return f"{same}:{'before' if first else 'after'}"


def _rename(random: Random, site: Site, _: object) -> str | None:
    if not site.is_member:
        return None
    name = str(site.holder[0])
    choice = random.choice([*_other_cases(name), name + " ", name + "\0", name + "x"])
    site.holder[0] = choice
    return "other-case" if choice.lower() == name.lower() else "folded" if not choice.isascii() else "other-name"


def _retype(random: Random, site: Site, _: object) -> str:
    value = site.value
    if isinstance(value, bool) or value is None:
        site.holder[site.at], kind = str(value).lower(), "text"
    elif isinstance(value, int):
        choices = {"text": str(value), "fraction": Raw(f"{value}.0"), "exponent": Raw(f"{value}e0"), "array": [value]}
        kind = random.choice(sorted(choices))
        site.holder[site.at] = choices[kind]
    elif isinstance(value, str):
        choices = {
            "array": [value],
            "number": 7,
            "object": Members([["a", value]]),
            "bytes": [ord(c) % 256 for c in value[:9]],
        }
        kind = random.choice(sorted(choices))
        site.holder[site.at] = choices[kind]
    elif isinstance(value, Members):
        choices = {"array": [value], "text": json.dumps(dict(_plain(value))), "no-object": []}
        kind = random.choice(sorted(choices))
        site.holder[site.at] = choices[kind]
    else:
        choices = {
            "object": Members([[str(i), item] for i, item in enumerate(value)]),
            "text": "x",
            "first": value[0] if value else 1,
        }
        kind = random.choice(sorted(choices))
        site.holder[site.at] = choices[kind]
    return kind


def _null(random: Random, site: Site, _: object) -> str:
    site.holder[site.at] = None
    return ""


def _empty(random: Random, site: Site, _: object) -> str:
    empty: dict[type, object] = {Members: Members(), list: [], str: ""}
    site.holder[site.at] = empty.get(type(site.value), 0)
    return ""


def _value(random: Random, site: Site, _: object) -> str | None:
    """Another value of the same type."""
    value = site.value
    if isinstance(value, bool):
        site.holder[site.at] = not value
        return "bool"
    if isinstance(value, int):
        site.holder[site.at] = random.choice([value + 1, value - 1, -value, value + 2**64, 2**63, 0, 1])
        return "number"
    if not isinstance(value, str):
        return None
    at = int(random.random() * len(value))
    choices = {
        "letter": value[:at] + ("b" if value[at : at + 1] == "a" else "a") + value[at + 1 :],
        "cut": value[:-1],
        "line-break": value + "\n",
        "space": value + " ",
        "space-first": " " + value,
        "upper": value.upper(),
        "nul": value + "\0",
        "surrogate": Raw(json.dumps(value)[:-1] + '\\ud800"'),
        "other-algorithm": value.replace("sha256", "sha512"),
        "parameter": value + "; charset=utf-8",
        "invalid-utf-8": Raw(json.dumps(value)[:-1] + '\udc80"'),
        "other-type": random.choice(_OTHER_TYPES),
    }
    kind = random.choice([name for name, made in choices.items() if made != value])
    site.holder[site.at] = choices[kind]
    return kind


def _swap(random: Random, site: Site, twin: object) -> str | None:
    """The value that stands there in another image's document."""
    found = next((item.value for item in sites(twin) if item.path == site.path and item.value != site.value), None)
    if found is None:
        return None
    site.holder[site.at] = found
    return ""


def _from_another_field(random: Random, site: Site, twin: object) -> str | None:
    """The value of another field of the same document."""
    choices = [
        item.value for item in sites(twin) if item.path != site.path and isinstance(item.value, type(site.value))
    ]
    if not choices:
        return None
    site.holder[site.at] = random.choice(choices)
    return ""


def _reorder(random: Random, site: Site, _: object) -> str | None:
    if len(site.parent) < 2:
        return None
    site.parent.reverse()
    return "members" if site.is_member else "elements"


def _escape(random: Random, site: Site, _: object) -> str | None:
    """The same text with one letter escaped."""
    in_key = site.is_member and random.random() < 0.5
    holder, at = (site.holder, 0) if in_key else (site.holder, site.at)
    text = holder[at]
    if not isinstance(text, str) or not text:
        return None
    where = int(random.random() * len(text))
    escaped = json.dumps(text[:where])[:-1] + f"\\u{ord(text[where]):04x}" + json.dumps(text[where + 1 :])[1:]
    holder[at] = Raw(escaped)
    return "key" if in_key else "value"


def _whitespace(random: Random, site: Site, _: object) -> str:
    space = random.choice([" ", "\n", "\t", "\r", "\u00a0", "\v", "/**/"])
    site.holder[site.at] = Raw(space + dump(site.value).decode("utf-8", "surrogatepass"))
    return "json" if space in " \n\t\r" else "other"


def _extra(random: Random, site: Site, _: object) -> str:
    """A member or element that nobody knows."""
    if site.is_member:
        name = random.choice(
            ["x", "", "urls", "data", "artifactType", "subject", "platform", "manifests", "layers", "mediaType"]
        )
        value = random.choice([None, "x", 1, [], Members(), "e30="])
        if any(str(key).lower() == name.lower() for key, _value in site.parent):
            name = "x"
        site.parent.insert(random.choice((0, len(site.parent))), [name, value])
        return name or "no-name"
    site.parent.insert(random.choice((0, len(site.parent))), random.choice([None, "x", 1, [], Members()]))
    return "element"


def _base64(random: Random, site: Site, _: object) -> str | None:
    if not is_base64(site.value):
        return None
    site.holder[site.at], kind = change_base64(random, str(site.value))
    return kind.partition(":")[2]


def _deep(random: Random, site: Site, _: object) -> str:
    depth = random.choice([2, 50, 400, 20000])
    site.holder[site.at] = Raw("[" * depth + "]" * depth)
    return str(depth)


OPERATORS: dict[str, Operator] = {
    "delete": _delete,
    "twice": _twice,
    "twice-differently": _twice_differently,
    "rename": _rename,
    "retype": _retype,
    "null": _null,
    "empty": _empty,
    "value": _value,
    "swap": _swap,
    "from-another-field": _from_another_field,
    "reorder": _reorder,
    "escape": _escape,
    "whitespace": _whitespace,
    "extra": _extra,
    "base64": _base64,
    "deep": _deep,
}
_WEIGHTED = [*OPERATORS, *["twice-differently", "rename", "value", "swap", "value", "base64", "retype", "delete"]]


def _other_cases(name: str) -> list[str]:
    found = [name[:1].swapcase() + name[1:], name.upper(), name.lower(), name.capitalize()]
    found += [name[:at] + _FOLDED[letter] + name[at + 1 :] for at, letter in enumerate(name) if letter in _FOLDED][:2]
    return [item for item in dict.fromkeys(found) if item != name] or [name + "x"]


def _another(random: Random, site: Site, twin: object) -> object:
    """What the other image has there, or something else of the same type."""
    found = next((item.value for item in sites(twin) if item.path == site.path and item.value != site.value), None)
    if found is not None and random.random() < 0.7:
        return found
    value = site.value
    if isinstance(value, str):
        return value[:-1] + ("b" if value[-1:] == "a" else "a")
    return value + 1 if isinstance(value, int) else None


def _plain(tree: Members) -> list[tuple[str, str]]:
    return [(str(key), "x") for key, _ in tree]
