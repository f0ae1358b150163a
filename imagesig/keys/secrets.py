"""Where PINs, passphrases and passwords come from: a callback that is asked by name. Never argv, never a URI.

A provider asks with a `SecretRequest`; a `SecretSource` answers with the secret or with None for "I have none".
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path

from msgspec import Struct

from imagesig import limits
from imagesig.errors import InvalidArgument, LimitExceeded
from imagesig.text import printable


class SecretKind(Enum):
    PASSPHRASE = "passphrase"  # noqa: S105 - a kind of secret, not one
    PIN = "PIN"


class SecretRequest(Struct, frozen=True):
    """What is asked for: the kind of secret and, for people, what it opens. `new` asks for one to be chosen."""

    kind: SecretKind
    subject: str
    new: bool = False


SecretSource = Callable[[SecretRequest], str | None]


def no_secrets(_request: SecretRequest) -> str | None:
    """Has none."""
    return None


def fixed(secret: str) -> SecretSource:
    """Answers every request with one secret that the program already holds."""
    return lambda _request: secret


def from_file(path: Path) -> SecretSource:
    """Answers with the contents of a file, without the one newline at its end. The file is read when asked.

    Raises (when asked):
        InvalidArgument: the file cannot be read or is not UTF-8 text.
        LimitExceeded: the file is larger than any secret.
    """

    def read(_request: SecretRequest) -> str:
        try:
            with path.open("rb") as file:
                data = file.read(limits.SECRET_FILE_BYTES + 1)
            if len(data) > limits.SECRET_FILE_BYTES:
                raise LimitExceeded(f"secret file {path}: more than {limits.SECRET_FILE_BYTES} bytes")
            text = data.decode("utf-8")
        except OSError as error:
            raise InvalidArgument(f"secret file {path}: {error.strerror or error}") from error
        except UnicodeDecodeError:
            raise InvalidArgument(f"secret file {path}: not UTF-8 text") from None
        return text.removesuffix("\n").removesuffix("\r")

    return read


_VARIABLES = {
    SecretKind.PASSPHRASE: ("IMAGESIG_PASSPHRASE", "COSIGN_PASSWORD"),
    SecretKind.PIN: ("IMAGESIG_PKCS11_PIN", "COSIGN_PKCS11_PIN"),
}


def from_environ(environ: Mapping[str, str]) -> SecretSource:
    """Answers from the variables that imagesig and cosign use: passphrases from `IMAGESIG_PASSPHRASE` or
    `COSIGN_PASSWORD`, PINs from `IMAGESIG_PKCS11_PIN` or `COSIGN_PKCS11_PIN`. An empty value is a secret too."""

    def look_up(request: SecretRequest) -> str | None:
        return next((environ[name] for name in _VARIABLES[request.kind] if name in environ), None)

    return look_up


def prompt(request: SecretRequest) -> str | None:
    """Asks on the terminal, twice for a new secret; has none when there is no terminal."""
    if not sys.stdin.isatty():
        return None
    import getpass

    asked = printable(f"{request.kind.value} for {request.subject}")  # a token chooses its label
    answer = getpass.getpass(f"{asked}: ")
    if request.new and getpass.getpass(f"{asked}, again: ") != answer:
        raise InvalidArgument(f"{request.kind.value} for {request.subject}: the two entries differ")
    return answer


def first_of(*sources: SecretSource) -> SecretSource:
    """Asks one source after the other until one has an answer."""

    def ask(request: SecretRequest) -> str | None:
        return next((secret for source in sources if (secret := source(request)) is not None), None)

    return ask
