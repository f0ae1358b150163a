"""Sources of PINs, passphrases and passwords. Secrets never come from the command line or a URI.

A provider asks with a `SecretRequest`; a `SecretSource` returns the secret, or None if it has none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path

from msgspec import Struct

from imagesig import limits
from imagesig.errors import ImagesigError, InvalidArgument, KeyProviderError
from imagesig.external import external_call
from imagesig.reading import text_bounded
from imagesig.text import printable


class SecretKind(Enum):
    PASSPHRASE = "passphrase"  # noqa: S105 - a kind of secret, not one
    PIN = "PIN"


class SecretRequest(Struct, frozen=True):
    """A request for a secret: its kind and, for people, what it opens. `new` asks the user to choose one.

    `role` is what the headers of a key file of docker or notary say of the key, such as `root`; empty for other files.
    """

    kind: SecretKind
    subject: str
    new: bool = False
    role: str = ""


SecretSource = Callable[[SecretRequest], str | None]


def no_secrets(_request: SecretRequest) -> str | None:
    """A source without secrets."""
    return None


def fixed(secret: str) -> SecretSource:
    """A source that answers every request with this secret."""
    return lambda _request: secret


def from_file(path: Path, what: str = "secret file") -> SecretSource:
    """A source that answers with the contents of a file, without one newline at the end. It reads the file when asked.

    The file is regular, or connected by the shell as in `<(command)`. `what` names the option or variable in errors.

    Raises (when asked):
        InvalidArgument: the file cannot be read or is not UTF-8 text.
        LimitExceeded: the file has more than `limits.SECRET_FILE_BYTES`.
    """

    def read(_request: SecretRequest) -> str:
        text = text_bounded(path, limits.SECRET_FILE_BYTES, what, streams=True)
        return text.removesuffix("\n").removesuffix("\r")

    return read


def ask(secrets: SecretSource, request: SecretRequest) -> str | None:
    """The answer of a source. Call sources only through this function: they may be third-party code.

    Raises:
        InvalidArgument: the answer is not text, cannot be encoded, or is a PIN that is not UTF-8.
        KeyProviderError: the source failed.
    """
    subject = f"{request.kind.value} for {request.subject}"
    with external_call(subject, lambda error: _source_failed(error, subject)):
        answer = secrets(request)
    if answer is None:
        return None
    if not isinstance(answer, str):
        raise InvalidArgument(f"{subject}: the source gave a {type(answer).__name__}, a str is needed")
    # The environment gives bytes that are not UTF-8 as surrogates. A passphrase may be any bytes, a PIN is text.
    errors = "surrogateescape" if request.kind is SecretKind.PASSPHRASE else "strict"
    if not has_encoding(answer, errors):
        raise InvalidArgument(f"{subject}: {_NOT_TEXT}", hint=_NOT_TEXT_HINT)
    return answer


_NOT_TEXT = "it is not UTF-8 text"
_NOT_TEXT_HINT = "write it as UTF-8, or put it into a file: --passphrase-file"


def has_encoding(text: str, errors: str = "strict") -> bool:
    """Whether the text can be written as UTF-8."""
    try:
        text.encode("utf-8", errors)
    except UnicodeEncodeError:
        return False
    return True


def _source_failed(error: Exception, subject: str) -> ImagesigError:
    return KeyProviderError(f"{subject}: its source failed ({type(error).__name__})")


_VARIABLES = {
    SecretKind.PASSPHRASE: ("IMAGESIG_PASSPHRASE", "COSIGN_PASSWORD"),
    SecretKind.PIN: ("IMAGESIG_PKCS11_PIN", "COSIGN_PKCS11_PIN"),
}


def docker_variable(role: str) -> str:
    """The name of docker's variable with the passphrase of the keys of a role of content trust."""
    return f"DOCKER_CONTENT_TRUST_{'ROOT' if role == 'root' else 'REPOSITORY'}_PASSPHRASE"


def from_environ(environ: Mapping[str, str]) -> SecretSource:
    """A source that reads the variables of imagesig and cosign, and those of docker for its key files.

    Passphrases: `IMAGESIG_PASSPHRASE` or `COSIGN_PASSWORD`; first `docker_variable` for a key file of docker or notary.
    PINs: `IMAGESIG_PKCS11_PIN` or `COSIGN_PKCS11_PIN`. An empty value is a secret too, but not of docker's variables.
    """

    def look_up(request: SecretRequest) -> str | None:
        names = [name for name in _VARIABLES[request.kind] if name in environ]
        if request.role and environ.get(docker_variable(request.role)):
            names.insert(0, docker_variable(request.role))
        name = next(iter(names), None)
        if name is None:
            return None
        errors = "surrogateescape" if request.kind is SecretKind.PASSPHRASE else "strict"
        if not has_encoding(environ[name], errors):
            raise InvalidArgument(f"{name}: {_NOT_TEXT}", hint=_NOT_TEXT_HINT)
        return environ[name]

    return look_up


def prompt(request: SecretRequest) -> str | None:
    """Asks on the terminal, twice for a new secret; None without a terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    import getpass

    asked = printable(f"{request.kind.value} for {request.subject}")  # the label of a token is untrusted
    with external_call("the terminal", lambda _: KeyProviderError("the terminal: cannot ask for the secret")):
        answer = getpass.getpass(f"{asked}: ")
        again = getpass.getpass(f"{asked}, again: ") if request.new else answer
    if again != answer:
        raise InvalidArgument(f"{request.kind.value} for {request.subject}: the two entries differ")
    return answer


def first_of(*sources: SecretSource) -> SecretSource:
    """A source that asks these sources in order until one answers."""

    def ask(request: SecretRequest) -> str | None:
        return next((secret for source in sources if (secret := source(request)) is not None), None)

    return ask
