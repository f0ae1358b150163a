"""A key provider for a signing service, as `toysigner://NAME`. The service gets digests and returns signatures.

Its entry point, in pyproject.toml:

    [project.entry-points."imagesig.key_providers"]
    toysigner = "provider:from_uri"
"""

import json
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from imagesig import AccessDenied, InvalidArgument, KeyNotFound, KeyProviderError, KeyProviderUnavailable
from imagesig.keys import ECDSA_SHA256, KeyProvider, KeySettings, PublicKey, SignerInfo, SigningKey, ToSign


class ToyKey(SigningKey):
    def __init__(self, provider: "ToyProvider", name: str) -> None:
        self._provider, self._name = provider, name
        public_key = PublicKey.from_pem(provider.ask(name)["public_key"])
        self._info = SignerInfo(public_key, f"toysigner://{name}", algorithms=(ECDSA_SHA256,))

    @property
    def info(self) -> SignerInfo:
        return self._info

    def _sign(self, request: ToSign) -> bytes:
        return bytes.fromhex(self._provider.ask(self._name, {"digest": request.digest.hex()})["signature"])


class ToyProvider(KeyProvider):
    def __init__(self, address: str, token: str, timeout: float = 10.0) -> None:
        self._address, self._token, self._timeout = address, token, timeout

    def open(self, name: str) -> SigningKey:
        return ToyKey(self, name)

    def ask(self, name: str, document: dict[str, str] | None = None) -> dict[str, str]:
        """The service's answer about a key, or its signature of the digest in `document`."""
        body = json.dumps(document).encode() if document else None
        request = Request(f"{self._address}/keys/{quote(name, safe='')}", body, {"x-token": self._token})  # noqa: S310
        try:
            with urlopen(request, timeout=self._timeout) as response:  # noqa: S310
                answer: dict[str, str] = json.load(response)
                return answer
        except HTTPError as error:
            error.close()
            kind = {401: AccessDenied, 403: AccessDenied, 404: KeyNotFound}.get(error.code, KeyProviderError)
            raise kind(f"toysigner://{name}: the service answers {error.code}") from error
        except OSError as error:
            raise KeyProviderUnavailable(f"toysigner://{name}: the service does not answer") from error


def from_uri(uri: str, settings: KeySettings) -> tuple[KeyProvider, str]:
    """The factory of the entry point: the provider, and the name of the key for its `open`."""
    name = uri.removeprefix("toysigner://")
    if not name or "/" in name or "?" in name:
        raise InvalidArgument(f"{uri}: toysigner://NAME is needed")
    address = settings.environ.get("TOYSIGNER_ADDR", "http://127.0.0.1:8400")
    return ToyProvider(address, settings.environ.get("TOYSIGNER_TOKEN", ""), settings.timeout), name
