"""`checks_arguments`: a public function that refuses arguments of a wrong type, by the annotations of its parameters.

A wrong type would otherwise surface as an `AttributeError` far below, or pass unnoticed: `allow_unverified="no"` is
true. Only arguments that are given are checked. Values are not shown, because they may be secrets.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import UnionType
from typing import Any, ParamSpec, TypeGuard, TypeVar

from imagesig.errors import InvalidArgument

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_Fits = Callable[[object], bool]
_NUMBER_BITS = 64
"""Bits of a whole number: Python cannot add larger ones to a time, and the system takes none."""


def checks_arguments(function: Callable[_Parameters, _Result], public_name: str = "") -> Callable[_Parameters, _Result]:
    """The function, which raises `InvalidArgument` with the parameter's name for an argument of a wrong type.

    Annotations that are not known here are not checked; the function does that itself.
    """
    called = public_name or _name_of(function)
    code, kinds = function.__code__, dict[str, "_Kind | None"]()
    names = code.co_varnames[: code.co_argcount]

    @functools.wraps(function)
    def wrapped(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        for name, value in (*zip(names, args), *kwargs.items()):  # noqa: B905 - there may be `*args`, or defaults
            if name not in kinds:
                kinds[name] = _kind_of(function.__annotations__.get(name, ""), function.__globals__)
            kind = kinds[name]
            if kind is not None and not kind.fits(value):
                raise InvalidArgument(f"{called}: {name} {kind.misfit(value)}")
        return function(*args, **kwargs)

    return wrapped


def checks_options_of(
    public_name: str,
) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """`checks_arguments` for a function whose parameters are options of the public function with this name."""

    def decorate(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        return checks_arguments(function, public_name)

    return decorate


def check_fields(value: object) -> None:
    """Returns if the fields of a struct have the types of their annotations. Raises as a checked function."""
    kind: type[Any] = type(value)
    for name, expected in _field_kinds(kind):  # type: ignore[arg-type]
        found = getattr(value, name)
        if not expected.fits(found):
            raise InvalidArgument(f"{kind.__name__}: {name} {expected.misfit(found)}")


class _Kind:
    """What an annotation accepts, and how an error names it. `item` is the kind of the items of a list."""

    def __init__(self, parts: Mapping[str, _Fits], item: _Kind | None) -> None:
        self._fits, self._item = tuple(parts.values()), item
        self.needed = " or ".join(_WORDS.get(part, part) for part in parts if part != "None")

    def fits(self, value: object) -> bool:
        for fits in self._fits:  # noqa: SIM110 - speed: no generator, for every argument (benchmarks/test_library.py)
            if fits(value):
                return True
        return False

    def misfit(self, value: object) -> str:
        """Why a value does not fit: `is of type int, text is needed`, or the same of an item of a list."""
        if self._item is not None and isinstance(value, list | tuple):
            for item in value:
                if not self._item.fits(item):
                    return f"has an item that {self._item.misfit(item)}"
        if isinstance(value, int) and not _is_usual(value) and "number" in self.needed:
            return f"is too large, {self.needed} of at most {_NUMBER_BITS} bits is needed"
        return f"is of type {type(value).__name__}, {self.needed} is needed"


@functools.cache
def _field_kinds(struct: type[Any]) -> tuple[tuple[str, _Kind], ...]:
    """The fields of a struct whose kind is known."""
    found: dict[str, _Kind] = {}
    for parent in struct.__mro__:
        names = vars(sys.modules[parent.__module__])
        for name, annotation in vars(parent).get("__annotations__", {}).items():
            if name in struct.__struct_fields__ and (kind := _kind_of(annotation, names)):
                found.setdefault(name, kind)
    return tuple(found.items())


def _name_of(function: Callable[..., object]) -> str:
    return function.__qualname__.removesuffix(".__init__")


@functools.cache
def _parts(annotation: str) -> tuple[tuple[str, str], ...]:
    """The alternatives of an annotation, each with what is in its brackets: `Sequence` and `str` of `Sequence[str]`."""
    parts, depth = [["", ""]], 0
    for character in annotation.replace(" ", ""):
        depth -= character == "]"
        if depth:
            parts[-1][1] += character
        elif character == "|":
            parts.append(["", ""])
        elif character not in "[]":
            parts[-1][0] += character
        depth += character == "["
    return tuple((name, inner) for name, inner in parts)


def _kind_of(annotation: object, names: Mapping[str, Any]) -> _Kind | None:
    """The kind of an annotation; None if a part of it is not known. `names` are those of its module."""
    found: dict[str, _Fits] = {}
    item: _Kind | None = None
    for part, inner in _parts(annotation) if isinstance(annotation, str) else ():
        known = names.get(part)
        if part in _LISTS:
            # Not unions of ours, such as images: one of many that is wrong is an outcome, not the end of the run.
            item = _kind_of(inner, {inner: names[inner]} if isinstance(names.get(inner), type) else {})
            fits: _Fits | None = functools.partial(_is_list, item, _LISTS[part])
        elif part == "tuple" and inner.endswith(",..."):
            item = _kind_of(inner.removesuffix(",..."), names)
            part, fits = "series", functools.partial(_is_series, item)
        elif part in _KNOWN:
            fits = _KNOWN[part]
        else:
            fits = functools.partial(_is_instance, known) if _is_class(known) else None
        if fits is None:
            return None
        found[part] = fits
    return _Kind(found, item) if found else None


def _is_class(known: object) -> bool:
    """Whether `isinstance` takes it: a class, or a union of classes; a protocol only if it can be asked at runtime."""
    parts = known.__args__ if isinstance(known, UnionType) else (known,)
    return all(isinstance(part, type) and _can_be_asked(part) for part in parts)


def _can_be_asked(kind: type) -> bool:
    is_protocol = getattr(kind, "_is_protocol", False)
    return kind is not Any and (not is_protocol or getattr(kind, "_is_runtime_protocol", False))


def _is_instance(kind: Any, value: object) -> bool:
    return isinstance(value, kind)


def _is_list(item: _Kind | None, kind: type, value: object) -> bool:
    """Whether it is a list; its items are checked too, if it can be read twice.

    One text is taken where a list of texts is meant, by the functions themselves.
    """
    if not isinstance(value, kind) or isinstance(value, bytes | Mapping):
        return False
    items = (value,) if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    return item is None or all(map(item.fits, items))


def _is_series(item: _Kind | None, value: object) -> bool:
    """Whether it is a tuple, or a list in its place, of such items."""
    return isinstance(value, tuple | list) and (item is None or all(map(item.fits, value)))


def _is_usual(value: float) -> bool:
    return not isinstance(value, int) or value.bit_length() <= _NUMBER_BITS


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number of the usual size: a time, or a count."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value and _is_usual(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and _is_usual(value)


def _is_time(value: object) -> bool:
    return isinstance(value, datetime) and value.utcoffset() is not None


def _is_path(value: object) -> bool:
    return isinstance(value, str) or hasattr(type(value), "__fspath__")


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(item, str) for item in value)


def _has(*names: str) -> _Fits:
    return lambda value: not isinstance(value, type) and any(hasattr(value, name) for name in names)


_FUNCTIONS = ("Callable", "OpenPublicKeys", "Progress", "Admit", "SecretSource", "CredentialSource", "Passphrases")
_LISTS: dict[str, type] = {"Sequence": Sequence, "Iterable": Iterable}
_KNOWN: dict[str, _Fits] = {
    "None": lambda value: value is None,
    "str": lambda value: isinstance(value, str),
    "bytes": lambda value: isinstance(value, bytes),
    "bool": lambda value: isinstance(value, bool),
    "int": _is_whole,
    "float": is_number,
    "datetime": _is_time,
    "frozenset": lambda value: isinstance(value, frozenset | set),
    "timedelta": lambda value: isinstance(value, timedelta),
    "Path": _is_path,
    "PathLike": _is_path,
    "os.PathLike": _is_path,
    **dict.fromkeys(("Mapping", "Files"), lambda value: isinstance(value, Mapping)),
    "tuple": _is_pair,
    **dict.fromkeys(_FUNCTIONS, callable),
    # By what they have: an import of their modules would load sockets and processes.
    "Witnesses": _has("timestamp"),
    "TrustServers": _has("view", "without_memory"),
    "ContentTrust": _has("pins", "first_use"),
    "Executor": _has("submit"),
    "Certificate": _has("der"),
    "Format": _has("storage"),
    "Fetcher": _has("fetch"),
    "CrlCache": _has("get"),
    "TrustMemory": _has("load"),
    "hvac.Client": _has("adapter"),
    "boto3.Session": _has("client"),
    "TransportLike": _has("plain_http", "repository", "open_source"),
}
_WORDS = {
    "str": "text",
    "bool": "True or False",
    "int": "a whole number",
    "float": "a number",
    "datetime": "a time with an offset from UTC",
    "timedelta": "a timedelta",
    "frozenset": "a set",
    **dict.fromkeys(("Mapping", "Files"), "a mapping"),
    "tuple": "a pair of texts",
    "series": "a tuple",
    "Sequence": "a list",
    "Iterable": "a list",
    "ImageLike": "a reference, a local image such as oci:PATH, or an Image",
    "BlobLike": "bytes, a path or a binary stream",
    "TransportLike": "a Transport or a registry client",
    **dict.fromkeys(("Path", "PathLike", "os.PathLike"), "a path"),
    **dict.fromkeys(_FUNCTIONS, "a function"),
}
