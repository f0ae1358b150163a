"""Policy documents as TOML text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping


def toml_text(document: Mapping[str, object]) -> str:
    """The document in TOML: plain values first, then its tables and arrays of tables."""
    lines = [f"{_key(name)} = {_value(value)}" for name, value in document.items() if not _is_tabular(value)]
    for name, value in document.items():
        if isinstance(value, list) and _is_tabular(value):
            for item in value:
                lines += ["", f"[[{_key(name)}]]", *_members(item)]
        elif not isinstance(value, dict):
            continue
        elif value and all(isinstance(item, dict) for item in value.values()):
            for key, item in value.items():
                lines += ["", f"[{_key(name)}.{_key(key)}]", *_members(item)]
        else:
            lines += ["", f"[{_key(name)}]", *_members(value)]
    return "\n".join(lines) + "\n"


def _is_tabular(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )


def _members(table: Mapping[str, object]) -> list[str]:
    return [f"{_key(name)} = {_value(value, apart=True)}" for name, value in table.items()]


def _value(value: object, *, apart: bool = False) -> str:
    """`apart` puts each of several tables in a line of its own."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        items = [_value(item) for item in value]
        if apart and _is_tabular(value):
            return "[\n" + "".join(f"  {item},\n" for item in items) + "]"
        return f"[{', '.join(items)}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_value(item)}" for name, item in value.items()) + " }"
    if isinstance(value, str):
        if apart and value.startswith("-----BEGIN ") and "\\" not in value and '"' not in value:
            return f'"""\n{value}"""'
        return _quoted(value)
    return str(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's too; the one control character that JSON writes raw is DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
