"""`notation-imagesig`: lets notation sign with every key of imagesig. The key's id is its imagesig URI.

Spec: Notary Project plugin-extensibility, contract version 1.0; capability SIGNATURE_GENERATOR.RAW.
Plugin configuration: `cert_chain`, a PEM file with the key's certificates, its own first, for keys without
certificates; `passphrase_file`, a file with the key's passphrase or PIN. Other secrets come from the environment.
"""

from __future__ import annotations

import json
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from imagesig.errors import (
    AccessDenied,
    DeadlineExceeded,
    ImagesigError,
    InvalidArgument,
    KeyMismatch,
    KeyNotFound,
    KeyProviderUnavailable,
    KeyUnusable,
    MalformedError,
    MissingExtra,
    UnsupportedAlgorithm,
)
from imagesig.plugins.streams import STDERR, STDOUT, diverted, read_input, write_all
from imagesig.text import quote
from imagesig.version import __version__

if TYPE_CHECKING:
    from imagesig.crypto.algorithms import KeyType
    from imagesig.keys.provider import SigningKey

CONTRACT_VERSION = "1.0"
_SETTINGS = ("cert_chain", "passphrase_file")
_HASHES = {"2048": "256", "3072": "384", "4096": "512", "256": "256", "384": "384", "521": "512"}
"""Bits of an RSA modulus or of a curve's order, and of the hash for it."""

_CODES: tuple[tuple[str, tuple[type[Exception], ...]], ...] = (
    ("ACCESS_DENIED", (AccessDenied,)),
    ("TIMEOUT", (DeadlineExceeded, KeyProviderUnavailable)),
    ("VALIDATION_ERROR", (InvalidArgument, MalformedError, MissingExtra)),
    ("VALIDATION_ERROR", (KeyNotFound, KeyMismatch, KeyUnusable, UnsupportedAlgorithm)),
)


class UnsupportedContract(ImagesigError):
    """The caller uses another version of the protocol."""


class _Key(Struct, frozen=True):
    """An open key, its type in the protocol (`RSA-3072`, `EC-384`), and the bits of its hash."""

    key: SigningKey
    spec: str
    hash_bits: str


def main() -> None:
    """Answers one command of notation, and ends the process."""
    with (
        open(os.devnull, "wb") as nowhere,  # noqa: PTH123 - a fixed path
        diverted(STDOUT, nowhere.fileno()) as stdout,
        # On failure notation reads stderr as JSON.
        diverted(STDERR, nowhere.fileno()) as stderr,
    ):
        try:
            answer = respond(sys.argv[1:], lambda: read_input("request"), os.environ)
        except Exception as error:  # noqa: BLE001 - the caller reads every error as JSON
            write_all(stderr, json.dumps(refusal(error)))
            sys.exit(1)
        write_all(stdout, json.dumps(answer))


def respond(
    arguments: Sequence[str], read_request: Callable[[], bytes], environ: Mapping[str, str]
) -> dict[str, object]:
    """The answer to one command.

    Raises:
        InvalidArgument, MalformedError: not a command or request of the protocol.
        UnsupportedContract: another contract version.
        KeyProviderError: the key cannot be opened or does not sign.
    """
    if list(arguments) == ["get-plugin-metadata"]:
        return _METADATA
    answers = {"describe-key": _describe_key, "generate-signature": _generate_signature}
    if len(arguments) != 1 or arguments[0] not in answers:
        raise InvalidArgument(
            f"command {quote(' '.join(arguments))}: one of get-plugin-metadata, {', '.join(answers)} is needed",
            hint="notation runs this program: notation plugin install --file notation-imagesig",
        )
    from imagesig.encoding.json import parse_object
    from imagesig.encoding.shape import OURS

    request = parse_object(read_request(), "request", OURS)
    version = request.get("contractVersion")
    if version != CONTRACT_VERSION:
        raise UnsupportedContract(f"contract version {quote(version)}, {CONTRACT_VERSION!r} is needed")
    return answers[arguments[0]](request, environ)


def refusal(error: Exception) -> dict[str, object]:
    """The error in the protocol's form. Other exceptions than imagesig's show only their type."""
    if not isinstance(error, ImagesigError):
        return {"errorCode": "ERROR", "errorMessage": f"internal error: {type(error).__name__}"}
    if isinstance(error, UnsupportedContract):
        code = "UNSUPPORTED_CONTRACT_VERSION"
    else:
        code = next((name for name, kinds in _CODES if isinstance(error, kinds)), "ERROR")
    message = f"{error}; {error.hint}" if error.hint else str(error)
    return {"errorCode": code, "errorMessage": message, "errorMetadata": {"error": type(error).__name__}}


_METADATA: dict[str, object] = {
    "name": "imagesig",
    "description": "Sign with keys in files, PKCS#11 tokens, Vault and AWS KMS through imagesig",
    "version": __version__,
    "url": "https://pypi.org/project/imagesig/",
    "supportedContractVersions": [CONTRACT_VERSION],
    "capabilities": ["SIGNATURE_GENERATOR.RAW"],
}


def _describe_key(request: Mapping[str, object], environ: Mapping[str, str]) -> dict[str, object]:
    opened = _open(request, environ)
    with opened.key:
        return {"keyId": _key_id(request), "keySpec": opened.spec}


def _generate_signature(request: Mapping[str, object], environ: Mapping[str, str]) -> dict[str, object]:
    from imagesig.crypto.algorithms import Algorithm, Hash, Scheme
    from imagesig.crypto.ecdsa import rs_from_der
    from imagesig.encoding.shape import as_bytes

    payload = as_bytes(request.get("payload"), "request: payload", InvalidArgument)
    opened = _open(request, environ)
    with opened.key as key:
        _expect(request, "keySpec", opened.spec)
        _expect(request, "hashAlgorithm", f"SHA-{opened.hash_bits}")
        info, hash_ = key.info, Hash(f"sha{opened.hash_bits}")
        if not info.chain:
            raise InvalidArgument(
                f"{info.key_id}: no certificates of this key",
                hint="give a PEM file, the key's certificate first: --plugin-config cert_chain=/PATH/chain.pem",
            )
        if opened.spec.startswith("EC"):
            signature = key.sign(payload, Algorithm(Scheme.ECDSA, hash_))
            signature, name = rs_from_der(signature, info.public_key.key_type), f"ECDSA-SHA-{opened.hash_bits}"
        else:
            signature = key.sign(payload, Algorithm(Scheme.RSA_PSS, hash_, hash_.size))
            name = f"RSASSA-PSS-SHA-{opened.hash_bits}"
        return {
            "keyId": _key_id(request),
            "signature": b64encode(signature).decode("ascii"),
            "signingAlgorithm": name,
            "certificateChain": [b64encode(item.der).decode("ascii") for item in key.info.chain],
        }


def _open(request: Mapping[str, object], environ: Mapping[str, str]) -> _Key:
    from pathlib import Path

    from imagesig.keys.secrets import first_of, from_environ, from_file
    from imagesig.keys.uri import KeySettings, open_key

    key_id = _key_id(request)
    config = request.get("pluginConfig") or {}
    if not isinstance(config, dict) or not all(isinstance(value, str) for value in config.values()):
        raise InvalidArgument(f"pluginConfig: {quote(config)}, an object of texts is needed")
    if unknown := sorted(config.keys() - set(_SETTINGS)):
        raise InvalidArgument(
            f"pluginConfig: unknown setting {quote(unknown[0])}, one of {', '.join(_SETTINGS)} is needed",
            hint="put secrets into the environment or a file, never into the configuration",
        )
    settings = KeySettings(environ, from_environ(environ))
    if "passphrase_file" in config:
        settings = replace(settings, secrets=first_of(from_file(Path(config["passphrase_file"])), settings.secrets))
    key = open_key(key_id, chain=config.get("cert_chain"), settings=settings)
    try:
        spec = _spec(key.info.public_key.key_type)
    except BaseException:
        key.close()
        raise
    return _Key(key, spec, _HASHES[spec.partition("-")[2]])


def _spec(key_type: KeyType) -> str:
    if key_type.is_ecdsa:
        return "EC-" + key_type.value.removeprefix("ecdsa-p")
    if key_type.is_rsa:
        return "RSA-" + key_type.value.removeprefix("rsa-")
    raise UnsupportedAlgorithm("the Notary Project has no signatures by Ed25519 keys", hint="use an ECDSA or RSA key")


def _expect(request: Mapping[str, object], name: str, needed: str) -> None:
    if request.get(name) != needed:
        raise InvalidArgument(f"{name} is {quote(request.get(name))}, {needed} is needed for this key")


def _key_id(request: Mapping[str, object]) -> str:
    from imagesig.encoding.shape import as_text

    return as_text(request.get("keyId"), "request: keyId", InvalidArgument)
