"""The credential for a registry, and the functions that give one."""

from __future__ import annotations

import base64
from collections.abc import Callable

from imagesig.errors import InvalidArgument, Unauthorized
from imagesig.external import given
from imagesig.redacted import RedactedStruct
from imagesig.text import redact_keys


class Credential(RedactedStruct, frozen=True):
    """The credential for one registry. `source` says where it came from, for errors. Its repr shows no secret."""

    hidden = ("password", "identity_token", "registry_token")

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""
    source: str = "the program"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to log in with."""
        return not (self.has_password or self.identity_token or self.registry_token)

    @property
    def has_password(self) -> bool:
        """Whether there is a user name or a password to send with HTTP Basic. Either may be empty (RFC 7617)."""
        return bool(self.username or self.password)

    def __post_init__(self) -> None:
        if self.password:
            redact_keys(base64.b64encode(f"{self.username}:{self.password}".encode("utf-8", "replace")).decode("ascii"))
        for secret in (self.password, self.identity_token, self.registry_token):
            redact_keys(secret)


ANONYMOUS = Credential(source="nobody")

CredentialSource = Callable[[str], Credential]
"""From a registry host (`host[:port]`) to its credential; `ANONYMOUS` if there is none."""


def anonymous(_host: str) -> Credential:
    """A `CredentialSource` without credentials."""
    return ANONYMOUS


def ask(source: CredentialSource, host: str) -> Credential:
    """The answer of a source. Call sources only through this function: they may be the program's.

    Raises:
        InvalidArgument: the answer is not a `Credential`.
        Unauthorized: the source failed.
    """
    what = f"{host}: the function for credentials"
    with given(what, Unauthorized):
        answer = source(host)
    if not isinstance(answer, Credential):
        raise InvalidArgument(f"{what} returned {type(answer).__name__}, a Credential is needed")
    return answer
