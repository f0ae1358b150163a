"""The root of the exceptions, what the command makes of each kind, and their pickling."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from imagesig.errors.reasons import plain
from imagesig.text import sentence

ExitStatus = Literal[1, 2, 12, 10, 11, 13]
"""What the command exits with; of several images the status that comes first here."""
Label = Literal["unverified", "refused", "unsigned", "not found", "unreachable", "failed"]
"""The word for an error in the summary of many images, in the order of that summary."""


class ImagesigError(Exception):
    """Root of every exception imagesig raises.

    `str()` is one sentence: what failed, what was seen, what is needed. `hint`, if not empty, says what to do. Both are
    safe to print. `retry_after` are seconds to wait before trying again, 0 if unknown. `authority` is the trusted one
    that signed what could not be read, if one did. The command reads `exit_status`, the `label` for summaries and the
    `summary` for reports; `document` has the attributes in `lists` too.
    """

    retryable = False
    retry_after = 0.0
    authority = ""
    exit_status: ClassVar[ExitStatus] = 1
    label: ClassVar[Label] = "failed"
    summary: ClassVar[str] = "The image could not be verified."
    lists: ClassVar[tuple[str, ...]] = ()

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(sentence(message))
        self.hint = sentence(hint)

    def document(self) -> dict[str, object]:
        """What `--output json` prints for this error. It has JSON types only."""
        said = {"error": type(self).__name__, "message": str(self), "hint": self.hint, "retryable": self.retryable}
        lists = {name: [plain(item) for item in getattr(self, name)] for name in self.lists}
        return {**said, "rejections": [], "findings": [], "reasons": [], **lists}

    def without_frames(self) -> Self:
        """This error without its tracebacks and those of its causes: their frames would keep all that was read."""
        unseen: list[BaseException] = [self]
        while unseen:
            error = unseen.pop()
            if error.__traceback__ is not None or error is self:
                error.__traceback__ = None
                unseen += [item for item in (error.__cause__, error.__context__) if item is not None]
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(kind: type[ImagesigError], arguments: tuple[object, ...], state: dict[str, object]) -> ImagesigError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments  # an OSError sets them only in `__init__`
    error.__dict__.update(state)
    return error
