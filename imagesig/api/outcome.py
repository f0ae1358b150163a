"""What became of one image of many: a result, or the error that it met."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from msgspec import Struct, to_builtins

from imagesig.api.stored_signatures import ImageLike
from imagesig.deadlines import deadline
from imagesig.errors import DeadlineExceeded, ImagesigError, InternalError
from imagesig.images.open import is_local, is_private_key
from imagesig.oci.reference import without_login
from imagesig.text import HIDDEN, quote

_Result = TypeVar("_Result")

Asked = Literal["verified", "signed", "attested", "migrated", ""]
"""What a run was to make of its images. It is false in the document of an image that failed, unless it is empty."""


def document_of(result: Struct) -> dict[str, object]:
    """All fields of a result, with JSON types only."""
    return {name: _lists(value) for name, value in to_builtins(result).items()}


def _lists(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_lists(item) for item in value]
    return {name: _lists(item) for name, item in value.items()} if isinstance(value, dict) else value


@runtime_checkable
class HasDocument(Protocol):
    """A result for one image."""

    def document(self) -> dict[str, object]: ...


class Outcome(Struct, Generic[_Result], frozen=True):
    """What became of one image of many: a result or an error, never both.

    `image` is the image as it was given, and `index` its position among the given images, from 0. `asked` is what the
    run was to make of it.
    """

    image: ImageLike
    index: int
    result: _Result | None = None
    error: ImagesigError | None = None
    asked: Asked = ""

    def __repr__(self) -> str:
        made = f"result={self.result!r}" if self.error is None else f"error={self.error!r}"
        return f"Outcome(image={quote(shown_name(self.image))}, index={self.index}, {made})"

    @property
    def ok(self) -> bool:
        return self.error is None

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the image: that of the result, or the image's name with that of the error.

        An error of `verify_many` has `"verified": false` too, one of `sign_many` has
        `"signed": false`, and one of `attest_many` has `"attested": false`.
        """
        if self.error is not None:
            failed: dict[str, object] = {self.asked: False} if self.asked else {}
            return {**failed, "image": shown_name(self.image), **self.error.document()}
        assert isinstance(self.result, HasDocument)
        return self.result.document()


def attempt(
    index: int, given: ImageLike, seconds: float | None, action: Callable[[], _Result], asked: Asked = ""
) -> Outcome[_Result]:
    """The outcome of `action` for one image, within so many seconds if they are limited."""
    made = result_or_error(given, seconds, action)
    if isinstance(made, ImagesigError):
        return Outcome(given, index, error=made, asked=asked)
    return Outcome(given, index, made, asked=asked)


def result_or_error(given: ImageLike, seconds: float | None, action: Callable[[], _Result]) -> _Result | ImagesigError:
    """What `action` returns, or the error that it raises: an `InternalError` for an exception of another package."""
    try:
        if seconds is None:
            return action()
        if seconds <= 0:
            raise overdue(given)
        with deadline(seconds):
            return action()
    except ImagesigError as error:
        return without_frames(error)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # Not Exceptions alone: a panic in Rust code, below `cryptography`, is raised as a BaseException.
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise
        return internal_error(error, given)


def internal_error(error: BaseException, given: ImageLike) -> InternalError:
    """The error of an image whose work raised something that no code expects."""
    unforeseen = InternalError.of(error, shown_name(given))
    unforeseen.__cause__ = error
    without_frames(unforeseen)
    return unforeseen


def shown_name(given: ImageLike) -> str:
    """The name of an image for people. A private key that was given instead, or a password, is not shown."""
    text = str(given)
    return HIDDEN if is_private_key(text) else text if is_local(text) else without_login(text)


def overdue(given: ImageLike) -> DeadlineExceeded:
    """The error of an image that was not done when the deadline of the run passed."""
    return DeadlineExceeded(f"{shown_name(given)}: the deadline of the whole run passed", hint="give the run more time")


def without_frames(error: ImagesigError) -> ImagesigError:
    """The error and its causes without tracebacks, which would keep alive everything that was read for the image."""
    chained: BaseException | None = error
    while chained is not None:
        chained.__traceback__ = None
        chained = chained.__cause__ or chained.__context__
    return error
