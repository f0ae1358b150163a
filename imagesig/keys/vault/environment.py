"""Vault's environment variables: `VAULT_*`, and `BAO_*` for OpenBao.

Spec: OpenBao's `api.ReadBaoVariable`: a `BAO_*` variable hides the `VAULT_*` one, even if it is empty.
"""

from __future__ import annotations

from collections.abc import Mapping

from imagesig.errors import InvalidArgument
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

_VAULT, _BAO = "VAULT_", "BAO_"
ADDRESSES = ("AGENT_ADDR", "ADDR")
_YES, _NO = ("1", "t", "true"), ("", "0", "f", "false")
_QUOTES = ('"', "'")
_COPY = "set it again, without quotation marks and line breaks"


class Variables(RedactedStruct, frozen=True):
    """The variables for one server. `prefixes` are those of their names; the first that is set decides."""

    hidden = ("environ",)

    environ: Mapping[str, str]
    prefixes: tuple[str, ...]

    @classmethod
    def of_scheme(cls, scheme: str, environ: Mapping[str, str]) -> Variables:
        """Those for `openbao://`, or for `hashivault://`, which reads `BAO_*` too where only that names a server."""
        vault = cls(environ, (_VAULT,))
        bao = cls(environ, (_BAO, _VAULT))
        if scheme.lower() == "openbao":
            return bao
        return vault if any(vault.value(name) for name in ADDRESSES) else bao

    def find(self, name: str, *, lines: bool = False) -> tuple[str, str]:
        """The value of a variable, without blanks around it, and the variable's name. The value is empty if not set.

        Raises:
            InvalidArgument: a line break inside, unless it may have `lines`, or quotation marks around it.
        """
        for prefix in self.prefixes:
            if prefix + name in self.environ:
                return cleaned(self.environ[prefix + name], prefix + name, lines=lines), prefix + name
        return "", self.prefixes[0] + name

    def value(self, name: str) -> str:
        """`find` without the name."""
        return self.find(name)[0]

    def switch(self, name: str) -> bool:
        """Whether a variable is true, as Go reads it. Raises `InvalidArgument` for other words."""
        value, variable = self.find(name)
        return is_true(value, variable)


def cleaned(value: str, variable: str, *, lines: bool = False) -> str:
    """The value without blanks around it. Raises as `Variables.find` does."""
    text = value.strip()
    if not lines and any(character < " " for character in text):
        raise InvalidArgument(f"{variable}: it has a line break or another control character", hint=_COPY)
    if text.startswith(_QUOTES):
        raise InvalidArgument(f"{variable}: it starts with a quotation mark", hint=_COPY)
    return text


def is_true(value: str, variable: str) -> bool:
    """Whether a setting is true, as Go's `strconv.ParseBool` reads it. Raises `InvalidArgument` for other words."""
    word = value.strip().lower()
    if word not in _YES + _NO:
        raise InvalidArgument(f"{variable} is {quote(value)}, true or false is needed")
    return word in _YES
