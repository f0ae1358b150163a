"""Conditions on the predicate of an attestation: one value, named by a JSON pointer, and one test of it.

A test holds or gives a reason; it never raises, and never converts a value to another type.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from imagesig import limits
from imagesig.errors import InvalidArgument
from imagesig.patterns import regex
from imagesig.text import quote

Scalar = str | bool | int | float

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NUMBER_BITS = 1024
"""Bits of a whole number in a condition: as many as those of the largest floating-point number."""
_NO_TEXT = regex(r"[\ud800-\udfff]")
"""Half of a surrogate pair, made of a byte that is not UTF-8."""
_SKEW = timedelta(seconds=limits.CLOCK_SKEW_SECONDS)


LIMITS = ("at_least", "at_most")
"""The tests that compare numbers or times."""


class _Missing:
    """The value under a pointer that leads to nothing."""


MISSING = _Missing()


class Condition(Struct, frozen=True):
    """One test of the value at `pointer` (RFC 6901) in a predicate.

    `test` is one of `TESTS`: `equals` a text, number or boolean; `one_of` several of them; `present` (true) or absent
    (false); `like` a text in which `*` is any text; `at_least` and `at_most` a number, or a time in RFC 3339;
    `younger_than` a duration such as `30d` before the time of the verification (units: s, m, h, d, w).

    Raises:
        InvalidArgument: not a pointer, an unknown test, or a value that the test cannot have.
    """

    pointer: str
    test: str
    value: Scalar | tuple[Scalar, ...]

    def __post_init__(self) -> None:
        if type(self.pointer) is not str or not _POINTER.fullmatch(self.pointer):
            raise InvalidArgument(
                f"condition: {quote(self.pointer)} is not a JSON pointer (RFC 6901), such as /builder/id",
                hint="begin it with /; write ~1 for / and ~0 for ~ in a name",
            )
        if type(self.test) is not str or self.test not in TESTS:
            raise InvalidArgument(f"condition: test {quote(self.test)}, one of {', '.join(TESTS)} is needed")
        given: object = self.value
        if isinstance(given, list):
            force_setattr(self, "value", tuple(given))
        allowed, needed = _VALUES[self.test]
        if not allowed(self.value):
            raise InvalidArgument(f"condition: {self.test} {quote(self.value)}, {needed} is needed")
        for text in (self.pointer, *self._values):
            # JSON has no such text: a name with it would be missing in every predicate.
            if isinstance(text, str) and _NO_TEXT.search(text):
                raise InvalidArgument(f"condition: {quote(text)} is not text", hint="write it in UTF-8")
        for number in self._values:
            # Python neither writes nor reads a number of more than 4300 digits.
            if isinstance(number, int) and number.bit_length() > _NUMBER_BITS:
                raise InvalidArgument(f"condition: {self.test} {quote(number)}, at most {_NUMBER_BITS} bits are needed")

    def failure(self, document: object, now: datetime) -> str:
        """Why the condition does not hold for a parsed predicate at this time; empty if it holds."""
        found = value_at(document, self.pointer)
        if self.test == "present":
            is_there = found is not MISSING
            return "" if is_there is self.value else f"{self._where} is {'there' if is_there else 'missing'}"
        if found is MISSING:
            return f"{self._where} is missing, {self._needed} is needed"
        if TESTS[self.test](found, self.value, now):
            return ""
        return f"{self._where} is {_shown(found)}, {self._needed} is needed"

    def __str__(self) -> str:
        return f"{self.pointer or 'predicate'} {self._needed}"

    @property
    def _where(self) -> str:
        return f"predicate {quote(self.pointer)}" if self.pointer else "predicate"

    @property
    def _needed(self) -> str:
        return f"{self.test} {', '.join(map(_shown, self._values))}"

    @property
    def _values(self) -> tuple[Scalar, ...]:
        return self.value if isinstance(self.value, tuple) else (self.value,)


def condition_of(table: object) -> Condition:
    """The condition of a table `{"pointer": …, "equals": …}`: its pointer and one test.

    Raises:
        InvalidArgument: another table, or as `Condition` does.
    """
    if not isinstance(table, Mapping) or len(table) != 2 or "pointer" not in table:
        raise InvalidArgument(
            f"condition: {quote(table)}, a table with pointer and one test is needed", hint=f"tests: {', '.join(TESTS)}"
        )
    (test,) = set(table) - {"pointer"}
    return Condition(table["pointer"], test, table[test])


def condition_in(text: str) -> Condition:
    """The condition in a text of three words, pointer, test and value, as the command takes it.

    The value is JSON (a number, true, false, a text in quotes, a list) or else text as it is. `""` is the whole
    predicate as a pointer.

    Raises:
        InvalidArgument: another text, or as `Condition` does.
    """
    words = text.split(None, 2)
    if len(words) != 3:
        raise InvalidArgument(
            f"condition: {quote(text)}, a pointer, a test and a value are needed",
            hint="for example: '/builder/id equals https://builder.example/v1'",
        )
    pointer, test, value = words
    return Condition("" if pointer == '""' else pointer, test, _json_or_text(value))


def _json_or_text(text: str) -> Scalar | tuple[Scalar, ...]:
    try:
        value = msgspec.json.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text
    return tuple(value) if isinstance(value, list) else value  # `Condition` checks it


def value_at(document: object, pointer: str) -> object:
    """The value that a JSON pointer names; `MISSING` if there is none. Spec: RFC 6901."""
    found = document
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(name, MISSING)
        elif isinstance(found, list) and _INDEX.fullmatch(name) and int(name) < len(found):
            found = found[int(name)]
        else:
            return MISSING
    return found


def parse_time(text: object) -> datetime | None:
    """The time in an RFC 3339 text with its offset from UTC; None for everything else."""
    if type(text) is not str or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(_in_microseconds(text.upper())).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _in_microseconds(text: str) -> str:
    """The time with at most six digits of a second: tools written in Go have nine, and Python reads six."""
    return re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text)


def parse_duration(text: object) -> timedelta | None:
    """The duration in a text such as `30d`; None for everything else."""
    found = _DURATION.fullmatch(text) if type(text) is str else None
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None


def same(seen: object, wanted: object) -> bool:
    """Whether two JSON values are equal and of one type. 1 and 1.0 are the same number; 1 and true are not the same."""
    if isinstance(seen, bool) or isinstance(wanted, bool):
        return seen is wanted
    numbers = isinstance(seen, int | float) and isinstance(wanted, int | float)
    return seen == wanted if numbers or (type(seen) is type(wanted) is str) else False


def is_like(text: object, pattern: str) -> bool:
    """Whether the whole text fits a pattern in which `*` is any text. Takes linear time for each part."""
    if not isinstance(text, str):
        return False
    first, *parts = pattern.split("*")
    if not parts:
        return text == pattern
    *middle, last = parts
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _compared(seen: object, wanted: object, *, least: bool) -> bool:
    if _is_number(wanted) and _is_number(seen):
        return seen >= wanted if least else seen <= wanted  # type: ignore[operator,no-any-return]
    seen_time, wanted_time = parse_time(seen), parse_time(wanted)
    if seen_time is None or wanted_time is None:
        return False
    return seen_time >= wanted_time if least else seen_time <= wanted_time


def _is_younger(seen: object, wanted: object, now: datetime) -> bool:
    time, duration = parse_time(seen), parse_duration(wanted)
    # A time in the future proves no age; a small difference of clocks is allowed.
    # Compared as durations: a long one leads to a time before the year 1, which has no date.
    return time is not None and duration is not None and -_SKEW <= now - time <= duration


TESTS: Mapping[str, Callable[[object, object, datetime], bool]] = {
    "equals": lambda seen, wanted, _now: same(seen, wanted),
    "one_of": lambda seen, wanted, _now: isinstance(wanted, tuple) and any(same(seen, item) for item in wanted),
    "present": lambda seen, wanted, _now: (seen is not MISSING) is wanted,
    "like": lambda seen, wanted, _now: isinstance(wanted, str) and is_like(seen, wanted),
    "at_least": lambda seen, wanted, _now: _compared(seen, wanted, least=True),
    "at_most": lambda seen, wanted, _now: _compared(seen, wanted, least=False),
    "younger_than": lambda seen, wanted, now: _is_younger(seen, wanted, now),
}
"""The tests by name. Arguments: the value in the predicate, the value of the condition, the time of verification."""


def _is_number(value: object) -> bool:
    """Whether this is a number that JSON has: neither NaN nor infinite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | bool) or _is_number(value)


def _is_list(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(map(_is_scalar, value))


def _is_limit(value: object) -> bool:
    return _is_number(value) or parse_time(value) is not None


_VALUES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "equals": (_is_scalar, "a text, number or boolean"),
    "one_of": (_is_list, "a list of texts, numbers or booleans"),
    "present": (lambda value: isinstance(value, bool), "true or false"),
    "like": (lambda value: isinstance(value, str) and bool(value), "a text, in which * is any text,"),
    "at_least": (_is_limit, "a number, or a time in RFC 3339 with its offset,"),
    "at_most": (_is_limit, "a number, or a time in RFC 3339 with its offset,"),
    "younger_than": (lambda value: parse_duration(value) is not None, "a duration such as 30d or 12h"),
}
"""The values that a condition may have, for each test: a check, and the words of an error."""


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return quote(value) if isinstance(value, str) else quote(str(value)).strip("'\"")
