"""Calls into other packages and the system: what they raise becomes an `ImagesigError`, whatever it is.

Each place that calls one (a key home, the HTTP client, certificates, YAML, files) names the failures that it knows and
leaves the others to `InternalError`. Nothing else may stop at a call to somebody else's code.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from imagesig.errors import ImagesigError, InternalError

Explain = Callable[[Exception], ImagesigError | None]
"""The error that stands for an exception of another package; None for one that nobody foresaw."""


class external_call:  # noqa: N801 - it reads as a statement: `with external_call("…"):`
    """A block that calls another package. `what` names the work for people; `explain` knows that package's failures.

    Our own errors and what is no `Exception` (`KeyboardInterrupt`) pass unchanged, but for panics of Rust code, which
    are failures like any other. Reusable, and safe between threads.
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


def is_panic(error: BaseException) -> bool:
    """Whether this is a bug in a package's Rust code that PyO3 reports: no `Exception`, and no wish to stop either."""
    return not isinstance(error, Exception) and type(error).__module__ == "pyo3_runtime"


def explained(error: Exception, what: object, explain: Explain | None = None) -> ImagesigError:
    """The error of ours that stands for this exception: itself, the explained one, or an `InternalError`."""
    if isinstance(error, ImagesigError):
        return error
    try:
        known = explain(error) if explain is not None else None
    except ImagesigError as refused:
        return refused
    except Exception:  # noqa: BLE001 - an exception that not even its own package reads
        known = None
    return known if known is not None else InternalError.of(error, what)
