"""Text from outside: bounded, on one line, and free of what may be a key."""

from __future__ import annotations

import base64
import os
import time
import tracemalloc
from datetime import UTC, datetime
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesig.errors import InvalidArgument
from imagesig.text import (
    HIDDEN,
    PRINTED_CHARACTERS,
    QUOTED_CHARACTERS,
    holds_key,
    may_hold_key,
    printable,
    quote,
    redact_keys,
    sentence,
)

_KEYS = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "RSA": rsa.generate_private_key(65537, 2048),
}
_FORMS = {
    "PKCS 8": PrivateFormat.PKCS8,
    "SEC 1 or PKCS 1": PrivateFormat.TraditionalOpenSSL,
    "OpenSSH": PrivateFormat.OpenSSH,
}
KEYS = [
    pytest.param(key, form, id=f"{name} {form_name}")
    for name, key in _KEYS.items()
    for form_name, form in _FORMS.items()
    if not (name == "Ed25519" and form is PrivateFormat.TraditionalOpenSSL)
]

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=300)
    | st.text(st.characters(), max_size=300)
    | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"]), max_size=60)
    | st.datetimes()
    | st.timedeltas(),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.tuples(inner, inner)
        | st.frozensets(st.integers() | st.text(max_size=5), max_size=8)
        | st.dictionaries(st.text(max_size=30) | st.integers(), inner, max_size=6)
    ),
    max_leaves=30,
)


@given(values)
@settings(max_examples=400, deadline=None)
def test_every_quoted_value_is_short_and_printable(value: Any) -> None:
    shown = quote(value)
    assert len(shown) <= 10 * 2 * QUOTED_CHARACTERS + 40
    assert shown.isprintable()
    shown.encode("utf-8")


@given(st.text(st.characters(), max_size=12_000))
@settings(max_examples=200, deadline=None)
def test_every_printed_text_is_one_bounded_line(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= 10 * PRINTED_CHARACTERS + 40
    assert shown.isprintable()
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_plain_text_is_printed_as_it_is(text: str) -> None:
    assert printable(text) == text or "BEGIN" in text


@pytest.mark.parametrize(
    "text",
    [
        "caf\u00e9",
        "\u65e5\u672c\u8a9e",
        "\u0440\u0435\u043b\u0438\u0437",
        "\u092a\u0941\u0937\u094d\u091f\u093f",
        "\U0001f600",
    ],
)
def test_text_of_other_languages_is_printed_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    "character",
    "\n\r\t\x00\x07\x1b\x7f\x85\x9b\u00a0\u00ad\u034f\u061c\u115f\u180e\u200b\u200d\u200f\u2028\u2029\u202e\u2060\u2066\u2800\u3000"
    "\u3164\ufe0f\ufeff\uffa0\ufff9\uffff\ud800\udcff\U000e0041\U000e0100\U0010ffff",
)
def test_invisible_characters_and_cursor_movements_are_escaped(character: str) -> None:
    assert character not in printable(f"a{character}b")
    assert character not in quote(f"a{character}b")
    assert character not in str(InvalidArgument(f"a{character}b"))
    assert printable(f"a{character}b").startswith("a\\")


class _Name(str):
    __slots__ = ()


class _Failing:
    """An object all of whose methods fail."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __len__ = __iter__ = __bool__ = __hash__ = __fspath__ = __repr__  # type: ignore[assignment]


class _Endless(list[int]):
    def __len__(self) -> int:
        raise OverflowError

    def __repr__(self) -> str:
        return "x" * 10_000_000


class _Colour(Enum):
    RED = "\x1b[31m"


_ODD: dict[str, Any] = {
    "failing": _Failing,
    "endless": lambda: _Endless([1]),
    "enum": lambda: _Colour.RED,
    "text": lambda: _Name("a"),
    "class name": type("\x1b" * 1000, (), {}),
    "class": type("T", (), {"__class__": property(lambda _: 1 / 0)}),
    "cast view": lambda: memoryview(b"abcd").cast("I"),
    "square view": lambda: memoryview(b"abcd").cast("B", (2, 2)),
    "path": lambda: PurePosixPath("a\nb"),
    "object": object,
    "iterator": lambda: iter([]),
    "time": lambda: datetime(2026, 1, 1, tzinfo=UTC),
    "complex": lambda: 1j,
}


@pytest.mark.parametrize("make", _ODD.values(), ids=_ODD)
def test_odd_objects_are_quoted_without_their_own_repr(make: Any) -> None:
    shown = quote(make())
    assert shown.isprintable()
    assert len(shown) < 1000


def _nested(levels: int) -> object:
    value: object = "x"
    for _ in range(levels):
        value = [value]
    return value


_LARGE: dict[str, Any] = {
    "10 MB of text": lambda: "a\x1b" * 5_000_000,
    "10 MB of base64": lambda: "A1b/" * 2_500_000,
    "10 MB of hyphens": lambda: "-----BEGIN " * 1_000_000,
    "10 MB of percents": lambda: "%41" * 3_000_000,
    "10 MB of bytes": lambda: bytes(10_000_000),
    "a million items": lambda: ["x" * 10] * 1_000_000,
    "a million members": lambda: dict.fromkeys(range(1_000_000), "x" * 1000),
    "a set": lambda: set(range(1_000_000)),
    "a million bits": lambda: 1 << 1_000_000,
    "a deep list": lambda: _nested(100_000),
    "wide and deep": lambda: [[["x" * 1_000_000] * 1000] * 1000] * 1000,
}


@pytest.mark.parametrize("make", _LARGE.values(), ids=_LARGE)
def test_large_values_cost_little(make: Any) -> None:
    value = make()
    quote("warm")
    tracemalloc.start()
    started = time.process_time()
    shown = quote(value)
    if isinstance(value, str):
        printable(value)
    spent = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert shown.isprintable()
    assert peak < 2_000_000
    assert spent < 0.5


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "form"), KEYS)
def test_a_private_key_is_noticed_however_it_is_written(key: Any, form: PrivateFormat) -> None:
    pem = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    body = "".join(pem.splitlines()[1:-1])
    for text in (
        pem,
        pem.replace("\n", "\r\n"),
        pem.replace("\n", "\\n"),
        pem.replace("\n", " "),
        pem.replace("\n", "%0A").replace(" ", "%20").replace("-", "%2D"),
        body,
        "\\n".join(body[start : start + 64] for start in range(0, len(body), 64)),
        body.replace("+", "-").replace("/", "_").rstrip("="),
        body.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
        f"env://{body}",
        f"file://{pem}",
        f"pkcs11:object={body};type=private",
        f'"{body}"',
        f"key={body}",
    ):
        assert may_hold_key(text)
        assert holds_key(text)
        assert quote(text) == HIDDEN
        assert quote([text]) == HIDDEN
        assert body[20:60] not in quote({"a": [text], "b": text.encode()})
    assert quote(pem.encode()) == HIDDEN
    assert quote(pem.splitlines()) == HIDDEN
    assert body[:60] not in printable(f"error: {pem}: no such file")


@pytest.mark.parametrize(
    ("key", "form"), [(key, form) for key, form in (item.values for item in KEYS) if form is not PrivateFormat.OpenSSH]
)
def test_a_private_key_in_bytes_is_not_quoted(key: Any, form: PrivateFormat) -> None:
    assert quote(key.private_bytes(Encoding.DER, form, NoEncryption())) == HIDDEN


@pytest.mark.parametrize("size", [32, 33, 48, 66, 128, 1200])
def test_random_base64_is_nearly_always_noticed(size: int) -> None:
    missed = sum(not holds_key(base64.b64encode(os.urandom(size)).decode()) for _ in range(500))
    assert missed <= 15


@pytest.mark.parametrize(
    "text",
    [
        "",
        "release.key",
        "ghcr.io/acme/app:1.0",
        "ghcr.io/acme/app@sha256:" + "9f86d081884c7d65" * 4,
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "awskms:///alias/ReleaseSigningKeyOfTheWholeCompany2026",
        "/Volumes/Alice/projects/2026/secrets/release-signing-key",
        "/private/var/folders/0y/Xk3JH1sd0_92l/T/pytest-of-Joe/pytest-1/release/signing/key",
        "pkcs11:token=Release;object=signing?module-path=/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "application/vnd.oci.image.manifest.v1+json",
        "https://registry.example/v2/team/app/blobs/uploads/3f2c1d9e-aaaa-4bbb-8ccc-0123456789ab",
        "A" * 100,
        "%zz%",
        "a\\nb",
    ],
)
def test_names_digests_and_paths_are_not_keys(text: str) -> None:
    assert not may_hold_key(text)
    assert not holds_key(text)
    assert quote(text) != HIDDEN


@pytest.mark.parametrize("length", range(40, 49))
def test_a_key_in_base32_of_any_length_is_noticed(length: int) -> None:
    der = bytes.fromhex("302e020100300506032b657004220420") + bytes(range(32))
    text = base64.b32encode(der).decode()[:length]
    assert quote(text) == HIDDEN
    assert quote(text.lower()) == HIDDEN


@pytest.mark.parametrize(
    ("key", "form"), [(key, form) for key, form in (item.values for item in KEYS) if form is not PrivateFormat.OpenSSH]
)
def test_the_first_line_of_a_key_is_noticed_although_it_does_not_look_random(key: Any, form: PrivateFormat) -> None:
    start = base64.b64encode(key.private_bytes(Encoding.DER, form, NoEncryption())[:15]).decode()
    line = start + "d" * (64 - len(start))
    for text in (line, f"list/{line}", line.replace("+", "-").replace("/", "_"), line[:40]):
        assert holds_key(text)
        assert quote(text) == HIDDEN
    assert start not in sentence(f"image {line}: not a name")


@pytest.mark.parametrize("rest", [bytes(150), b"\0\0\0\x04none" * 20], ids=["zeros", "words"])
def test_a_key_of_openssh_is_noticed_although_it_does_not_look_random(rest: bytes) -> None:
    text = base64.b64encode(b"openssh-key-v1\0" + rest).decode()
    for written in (text, f"key={text}", "\\n".join(text[start : start + 64] for start in range(0, len(text), 64))):
        assert holds_key(written)
        assert quote(written) == HIDDEN


@pytest.mark.parametrize("joint", [" ", ",", ", "])
@pytest.mark.parametrize("length", [16, 20, 32, 48])
def test_a_short_key_in_pieces_is_hidden_in_a_sentence(length: int, joint: str) -> None:
    der = b"0.\x02\x01\0" + bytes(range(37, 80))  # as long as PKCS #8 of Ed25519: two pieces of 32 characters
    text = base64.b64encode(der).decode()
    pieces = [text[start : start + length] for start in range(0, len(text), length)]
    said = sentence(f"image {joint.join(pieces)}: not a name")
    assert not any(piece in said for piece in pieces)


def test_a_name_with_a_line_break_may_be_a_key_but_not_a_sentence() -> None:
    assert may_hold_key("a\nb")
    assert may_hold_key("a\rb")
    assert not holds_key("a\nb")
    assert quote("a\nb") == "'a\\nb'"


def test_a_certificate_may_be_shown_in_a_sentence_and_is_not_quoted() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    assert quote(pem) == HIDDEN
    assert "AAAA" in printable(pem)


def test_a_plain_word_is_not_removed_as_a_secret() -> None:
    redact_keys("password")
    redact_keys("correct horse")
    assert sentence("the password is 'correct horse'") == "the password is '(secret)'"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([], "[]"),
        ((), "()"),
        ({}, "{}"),
        ([1, "a"], "[1, 'a']"),
        ((1, None), "(1, None)"),
        ({"a": [1]}, "{'a': [1]}"),
        ([[1], ({},)], "[[1], ({})]"),
        ([[[1]]], "[[[...]]]"),
        ({"a": {"b": {"c": 1}}}, "{'a': {'b': {...}}}"),
        ({(1,): 2}, "{(...): 2}"),
    ],
)
def test_values_are_shown_as_they_are_written(value: Any, shown: str) -> None:
    assert quote(value) == shown


def test_text_as_long_as_is_shown_is_not_cut_and_a_letter_more_says_how_long_it_is() -> None:
    assert "long" not in quote("a" * QUOTED_CHARACTERS)
    assert quote("a" * (QUOTED_CHARACTERS + 1)).endswith(f"... ({QUOTED_CHARACTERS + 1} long)")
    whole = quote(["a" * QUOTED_CHARACTERS] * 9)
    assert len(whole) == 2 * QUOTED_CHARACTERS + 3
    assert whole.endswith("...")
