"""Calls of other packages, the system, and what the program gave: all their exceptions become an `ImagesigError`.

Each caller (key providers, the HTTP client, certificates, YAML, files) explains the exceptions that it knows. The
others become `InternalError`. Handle exceptions of third-party code only in this way.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from imagesig.errors import ImagesigError, InternalError

Explain = Callable[[Exception], ImagesigError | None]
"""Makes the error for an exception of another package; None for an unknown exception."""


class external_call:  # noqa: N801 - it reads as a statement: `with external_call("…"):`
    """A block that calls another package. `what` names the work in errors; `explain` knows that package's exceptions.

    Our own errors pass unchanged, and so does everything that is not an `Exception` (`KeyboardInterrupt`), except
    panics of Rust code. Reusable and thread-safe.
    """

    __slots__ = ("_explain", "_what")

    def __init__(self, what: object, explain: Explain | None = None) -> None:
        self._what, self._explain = what, explain

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, ImagesigError):
            return
        if is_panic(error):
            error = RuntimeError("a panic in native code").with_traceback(error.__traceback__)
        if isinstance(error, Exception):
            raise explained(error, self._what, self._explain) from error


def given(what: str, kind: type[ImagesigError]) -> external_call:
    """A block that calls a function or an object that the program gave.

    What it raises becomes an error of this kind. The error does not show the text of the exception, which may contain a
    secret.
    """
    return external_call(
        what,
        lambda error: kind(
            f"{what}: failed with {type(error).__name__}",
            hint="the program gave this function; the __cause__ of this error is what it raised",
        ),
    )


def is_panic(error: BaseException) -> bool:
    """Whether this is PyO3's exception for a panic in Rust code, which is not an `Exception`."""
    return not isinstance(error, Exception) and type(error).__module__ == "pyo3_runtime"


def explained(error: Exception, what: object, explain: Explain | None = None) -> ImagesigError:
    """The `ImagesigError` for this exception: itself, the explained one, or an `InternalError`."""
    if isinstance(error, ImagesigError):
        return error
    try:
        known = explain(error) if explain is not None else None
    except ImagesigError as refused:
        return refused
    except Exception:  # noqa: BLE001 - the attributes of an exception may fail too
        known = None
    return known if known is not None else InternalError.of(error, what)
