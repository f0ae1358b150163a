"""Certificate requests and self-signed certificates for keys in any provider."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import Algorithm, Scheme, ToSign
from imagesig.crypto.certification import (
    certificate_pem,
    certificate_to_sign,
    parse_names,
    request_pem,
    request_to_sign,
)
from imagesig.errors import InvalidArgument, UnsupportedAlgorithm
from imagesig.keys.provider import SigningKey
from imagesig.keys.rotation import sign_draft
from imagesig.signature import SignerInfo

SERIAL_BYTES = 16
DAYS = 36_500


@checks_arguments
def certificate_request(key: SigningKey, subject: str, alternative_names: Sequence[str] = ()) -> str:
    """A PKCS #10 request in PEM, signed by the key, for any certificate authority.

    `subject` is a distinguished name (RFC 4514): `C=US,O=Acme,CN=release`; `alternative_names` are `email:…`, `dns:…`
    or `uri:…`. The request asks for the extensions of a code-signing certificate; the authority decides.

    Raises:
        InvalidArgument: an invalid name.
        KeyProviderError: the key did not sign.
    """
    names = parse_names(subject, alternative_names)
    return request_pem(*_signed(key, lambda signer, _: request_to_sign(names, signer.public_key)))


@checks_arguments
def self_signed_certificate(
    key: SigningKey,
    subject: str,
    alternative_names: Sequence[str] = (),
    *,
    days: int = 1,
    now: datetime | None = None,
) -> str:
    """A self-signed code-signing certificate in PEM, valid for `days` from `now`: for testing.

    To trust it is to trust this one key. Notation accepts it as a chain of one.

    Raises:
        InvalidArgument: an invalid name or number of days.
        KeyProviderError: the key did not sign.
    """
    if not 1 <= days <= DAYS:
        raise InvalidArgument(f"days: {days}, 1 to {DAYS} is needed")
    names = parse_names(subject, alternative_names)
    start = (now or datetime.now(UTC)).astimezone(UTC)

    def draft(signer: SignerInfo, algorithm: Algorithm) -> bytes:
        return certificate_to_sign(
            names,
            signer.public_key,
            algorithm,
            serial_number=int.from_bytes(b"\x01" + secrets.token_bytes(SERIAL_BYTES)),
            not_before=start,
            not_after=start + timedelta(days=days),
        )

    return certificate_pem(*_signed(key, draft))


def _algorithm(signer: SignerInfo) -> Algorithm:
    """The key's first algorithm that every certificate authority accepts, so not RSASSA-PSS."""
    found = next((item for item in signer.algorithms if item.scheme is not Scheme.RSA_PSS), None)
    if found is None:
        raise UnsupportedAlgorithm(f"{signer.key_id}: signs RSASSA-PSS only, PKCS #1 v1.5 is needed")
    return found


def _signed(key: SigningKey, draft: Callable[[SignerInfo, Algorithm], bytes]) -> tuple[bytes, Algorithm, bytes]:
    """The draft, the algorithm, and the signature by the version of the key that the draft names."""

    def request(signer: SignerInfo) -> ToSign:
        algorithm = _algorithm(signer)
        return ToSign(draft(signer, algorithm), algorithm)

    signed, _, (signature,) = sign_draft(key, request, lambda one: [one])
    return signed.message, signed.algorithm, signature
