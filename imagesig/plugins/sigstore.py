"""`sigstore-kms-imagesig`: lets cosign sign with every key of imagesig, with `--key imagesig://KEY`.

KEY is an imagesig key URI or an absolute path: `imagesig://hashivault://release`. A KEY without `:` and `/` is
percent-decoded, for callers that must encode it: `imagesig://hashivault%3A%2F%2Frelease`.
Secrets come from the environment. Spec: sigstore/sigstore pkg/signature/kms/cliplugin, protocol v1.
"""

from __future__ import annotations

import json
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from imagesig.errors import ImagesigError, InvalidArgument, SignatureInvalid, UnsupportedAlgorithm
from imagesig.plugins.streams import STDERR, STDOUT, diverted, read_input, write_all
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.crypto.algorithms import Algorithm
    from imagesig.keys.uri import KeySettings

PROTOCOL = "v1"
DEFAULT_ALGORITHM = "ecdsa-p256"


def main() -> None:
    """Answers one call of cosign, and ends the process. Errors go to standard output too."""
    with diverted(STDOUT, STDERR) as stdout:
        try:
            answer = respond(sys.argv[1:], lambda: read_input("message"), os.environ)
        except Exception as error:  # noqa: BLE001 - the caller reads every error as JSON
            write_all(stdout, json.dumps({"errorMessage": _describe_error(error)}))
            sys.exit(1)
        write_all(stdout, json.dumps(answer))


def _describe_error(error: Exception) -> str:
    if not isinstance(error, ImagesigError):
        return f"imagesig: internal error: {type(error).__name__}"
    return f"imagesig: {error}; {error.hint}" if error.hint else f"imagesig: {error}"


def respond(
    arguments: Sequence[str], read_message: Callable[[], bytes], environ: Mapping[str, str]
) -> dict[str, object]:
    """The answer to one call.

    Raises:
        InvalidArgument, MalformedError: not a call of the protocol.
        SignatureInvalid: the signature to verify is not the key's.
        KeyProviderError: the key cannot be opened or does not sign.
    """
    if len(arguments) != 2 or arguments[0] != PROTOCOL:
        raise InvalidArgument(
            f"protocol {quote(' '.join(arguments[:1]))} with {len(arguments)} arguments, {PROTOCOL} with 2 is needed",
            hint="cosign runs this program: cosign sign --key imagesig://KEY",
        )
    from imagesig.encoding.json import parse_object
    from imagesig.encoding.shape import OURS

    call = parse_object(arguments[1].encode("utf-8", "surrogateescape"), "call", OURS)
    name = call.get("methodName")
    method = _METHODS.get(name) if isinstance(name, str) else None
    if method is None or not isinstance(name, str):
        raise InvalidArgument(f"method {quote(name)}: one of {', '.join(_METHODS)} is needed")
    return {name: method(_Call(call, name, read_message, environ))}


def key_uri(resource: str) -> str:
    """The imagesig key URI after `imagesig://`."""
    if ":" in resource or "/" in resource:
        return resource
    return os.fsdecode(unquote_to_bytes(resource))


class _Call:
    """One call: its key and its arguments."""

    def __init__(
        self,
        call: Mapping[str, object],
        name: str,
        read_message: Callable[[], bytes],
        environ: Mapping[str, str],
    ) -> None:
        init = _object(call.get("initOptions"), "initOptions")
        resource = init.get("keyResourceID")
        if not isinstance(resource, str) or not resource:
            raise InvalidArgument(f"keyResourceID is {quote(resource)}, a key is needed: imagesig://hashivault://NAME")
        self.uri = key_uri(resource)
        self.arguments = _object(call.get(name) or {}, name)
        self.read_message = read_message
        self._environ = environ
        self._hash_number = init.get("hashFunc")
        self._refuse_version(init)

    @property
    def settings(self) -> KeySettings:
        from imagesig.keys.secrets import from_environ
        from imagesig.keys.uri import KeySettings

        return KeySettings(self._environ, from_environ(self._environ))

    def algorithms(self, possible: Sequence[Algorithm], message: bytes, options: str) -> list[Algorithm]:
        """The algorithms that cosign can mean, the likeliest first: those with its hash, then others of the key.

        Raises:
            InvalidArgument: the digest in the call is not the message's. Only whole messages are signed.
        """
        from imagesig.crypto.algorithms import Hash, Scheme

        hashes = {5: Hash.SHA256, 6: Hash.SHA384, 7: Hash.SHA512}  # Go's numbers
        wanted = hashes.get(self._hash_number) if isinstance(self._hash_number, int) else None
        given = _object(self.arguments.get(options) or {}, options)
        self._refuse_version(given)
        if digest := _bytes(_object(given.get("messageOptions") or {}, "messageOptions").get("digest"), "digest"):
            # cosign opens every key for SHA-256, but sends digests of the curve's own size.
            wanted = next((item for item in Hash if digest == item.digest(message)), None)
            if wanted is None:
                raise InvalidArgument("the digest is not that of the message, a whole message is needed")
        if wanted is None:
            raise UnsupportedAlgorithm(f"hashFunc {quote(self._hash_number)}: 5, 6 or 7 (SHA-256, 384, 512) is needed")
        return sorted((item for item in possible if item.scheme is not Scheme.RSA_PSS), key=lambda a: a.hash != wanted)

    def _refuse_version(self, options: Mapping[str, object]) -> None:
        if version := _object(options.get("rpcOptions") or {}, "rpcOptions").get("keyVersion"):
            raise InvalidArgument(f"keyVersion {quote(version)}: write the version into the key URI")


def _default_algorithm(_call: _Call) -> dict[str, object]:
    return {"defaultAlgorithm": DEFAULT_ALGORITHM}


def _supported_algorithms(_call: _Call) -> dict[str, object]:
    from imagesig.crypto.algorithms import KeyType

    return {"supportedAlgorithms": [key_type.value for key_type in KeyType]}


def _public_key(call: _Call) -> dict[str, object]:
    from imagesig.keys.uri import open_public_keys

    return {"publicKeyPEM": _encoded(open_public_keys(call.uri, settings=call.settings)[0].pem.encode())}


def _create_key(call: _Call) -> dict[str, object]:
    from imagesig.crypto.algorithms import KeyType
    from imagesig.keys.provider import ManagesKeys
    from imagesig.keys.uri import resolve_key

    wanted = call.arguments.get("algorithm")
    if wanted not in {key_type.value for key_type in KeyType}:
        raise UnsupportedAlgorithm(f"algorithm {quote(wanted)}: one of {', '.join(t.value for t in KeyType)} is needed")
    provider, name = resolve_key(call.uri, call.settings)
    with provider:
        if not isinstance(provider, ManagesKeys):
            raise InvalidArgument(f"key {call.uri}: keys cannot be generated there")
        with provider.generate(name, KeyType(wanted)) as key:
            return {"publicKeyPEM": _encoded(key.info.public_key.pem.encode())}


def _sign_message(call: _Call) -> dict[str, object]:
    from imagesig.keys.uri import open_key

    message = call.read_message()
    with open_key(call.uri, settings=call.settings) as key:
        algorithms = call.algorithms(key.info.algorithms, message, "signOptions")
        if not algorithms:
            raise UnsupportedAlgorithm(f"{key.info.key_id}: signs RSASSA-PSS only, which cosign does not verify")
        return {"signature": _encoded(key.sign(message, algorithms[0]))}


def _verify_signature(call: _Call) -> dict[str, object]:
    from imagesig.crypto.algorithms import signing_algorithms
    from imagesig.keys.uri import open_public_keys

    message = call.read_message()
    signature = _bytes(call.arguments.get("signature"), "signature")
    for public_key in open_public_keys(call.uri, settings=call.settings):
        for algorithm in call.algorithms(signing_algorithms(public_key.key_type), message, "verifyOptions"):
            try:
                public_key.verify(signature, message, algorithm)
            except SignatureInvalid:
                continue
            return {}
    raise SignatureInvalid(f"no version of {call.uri} made this signature")


_METHODS: dict[str, Callable[[_Call], dict[str, object]]] = {
    "defaultAlgorithm": _default_algorithm,
    "supportedAlgorithms": _supported_algorithms,
    "createKey": _create_key,
    "publicKey": _public_key,
    "signMessage": _sign_message,
    "verifySignature": _verify_signature,
}


def _object(value: object, what: str) -> Mapping[str, object]:
    from imagesig.encoding.shape import as_object

    return as_object(value, what, InvalidArgument)


def _bytes(value: object, what: str) -> bytes:
    """The bytes in base64; none if the member is missing."""
    from imagesig.encoding.shape import as_bytes

    return as_bytes(value or "", what, InvalidArgument)


def _encoded(data: bytes) -> str:
    return b64encode(data).decode("ascii")
