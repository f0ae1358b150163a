"""Conditions in CEL, the Common Expression Language, through the package cel-expr-python (extra `cel`).

An expression ends: the package refuses more than 10,000 iterations, 32 levels and 100,000 characters. `exists` and
`all` take milliseconds for that; `map` and `filter` copy their list at each step and take 1.5 seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from imagesig.encoding.json import texts_in
from imagesig.errors import ImagesigError, InvalidArgument, MissingExtra
from imagesig.external import external_call
from imagesig.text import quote

if TYPE_CHECKING:
    from cel_expr_python import cel

VARIABLES = ("predicate", "subject", "signer")
"""What an expression sees: the predicate, the digest of the image, and who signed the attestation."""


def check_expression(text: str) -> None:
    """Returns if this is an expression that can be evaluated.

    Raises:
        InvalidArgument: not CEL, or of a type that is not boolean; the message has the place.
        MissingExtra: the package is not installed.
    """
    _compiled(text)


def failure(text: str, values: Mapping[str, object]) -> str:
    """Why an expression is not true for these values of `VARIABLES`; empty if it is true. Raises as `check_expression`.

    An expression that cannot be evaluated, for example because a member is missing, is not true.
    """
    expression = _compiled(text)
    try:
        with external_call(f"cel {quote(text)}", _explained):
            if _has_nul(values):
                raise _NotEvaluated("a text of the predicate has a NUL character, which CEL's package cannot read")
            result = expression.eval(data=dict(values))
            value, kind = result.value(), result.type().name()
    except _NotEvaluated as error:
        return f"cel {quote(text)}: {error}"
    if kind == "BOOL" and value is True:
        return ""
    if kind == "BOOL":
        return f"cel {quote(text)} is false"
    if kind == "ERROR":
        return f"cel {quote(text)}: {_reason(str(value))}"
    return f"cel {quote(text)} is of type {kind}, a boolean is needed"


def _has_nul(values: Mapping[str, object]) -> bool:
    """Whether a text or a name has a NUL character: the package ends the text there, and compares only its beginning.

    The escape of that character may also be text itself, so it is only a first sign.
    """
    # speed: encoding everything takes a tenth of the time of looking at everything
    return rb"\u0000" in msgspec.json.encode(values) and any("\0" in text for text in texts_in(dict(values)))


class _NotEvaluated(ImagesigError):
    """The evaluation of an expression failed."""


@cache
def _environment() -> cel.Env:
    with external_call("cel-expr-python", _missing):
        from cel_expr_python import cel

        return cel.NewEnv(variables=dict.fromkeys(VARIABLES, cel.Type.DYN))


@cache
def _compiled(text: str) -> cel.Expression:
    environment = _environment()
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, made of a byte that is not UTF-8
        raise InvalidArgument(f"policy: cel {quote(text)}: not UTF-8 text") from None
    with external_call(f"cel {quote(text)}", _not_compiled):
        expression = environment.compile(text)
        kind = expression.return_type().name()
    if kind not in ("BOOL", "DYN"):
        raise InvalidArgument(f"cel {quote(text)} is of type {kind}, a boolean is needed")
    return expression


def _missing(error: Exception) -> ImagesigError | None:
    return MissingExtra("CEL", "cel") if isinstance(error, ImportError) else None


def _not_compiled(error: Exception) -> ImagesigError | None:
    return InvalidArgument(f"policy: cel: {_reason(str(error))}", hint=f"see {_DOCUMENTATION}")


def _explained(error: Exception) -> ImagesigError | None:
    return _NotEvaluated(_reason(str(error)))


_DOCUMENTATION = "https://github.com/google/cel-spec"


def _reason(text: str) -> str:
    """The package's reason in one bounded line."""
    return quote(" ".join(text.split()))
