"""Regular expressions of modules, compiled on first use: a command uses few of those that it loads."""

from __future__ import annotations

import re

TYPE_CHECKING = False  # as in `imagesig.lazy`

if TYPE_CHECKING:
    from typing import AnyStr


def regex(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """The same as `re.compile`, but a mistake in the pattern raises `re.error` on first use."""
    return _Regex(pattern, flags)  # type: ignore[return-value]


class _Regex:
    # speed: compiling all patterns takes a twentieth of the command that verifies one image (benchmarks/test_cli.py)
    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self._source = (pattern, flags)

    def __getattr__(self, name: str) -> object:
        """An attribute of `re.Pattern`. The second use of the same name finds it in the instance."""
        value = getattr(re.compile(*self._source), name)  # type: ignore[type-var]
        setattr(self, name, value)
        return value
