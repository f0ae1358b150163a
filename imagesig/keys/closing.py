"""Base class of keys and providers: closing them."""

from __future__ import annotations

from types import TracebackType
from typing import Self, final


class Closing:
    """Base class of objects that `close` or the end of a `with` block closes, once. Closing twice is harmless."""

    _closed = False

    @property
    def is_closed(self) -> bool:
        return self._closed

    @final
    def close(self) -> None:
        """Releases sessions and connections. Later use raises `KeyUnusable`."""
        if not self._closed:
            self._closed = True
            self._release()

    def _release(self) -> None:
        """Releases sessions and connections. Override this; `close` calls it once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
