"""Certificate objects in a token: the chain of one key. Call these functions under the module's lock."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from imagesig import limits
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError
from imagesig.keys.chain import is_certificate_of
from imagesig.keys.pkcs11.attributes import read_attribute
from imagesig.keys.pkcs11.objects import find_optional
from imagesig.keys.pkcs11.uri import Pkcs11Uri
from imagesig.trust.path import climb


def find_chain(session: Any, key: Pkcs11Uri, public_key: PublicKey) -> tuple[Certificate, ...]:
    """The chain of the key in the token, leaf first; it may be incomplete or empty.

    The leaf is a certificate for the key, preferably with the key's CKA_ID. Its issuers are found
    among the token's other certificates by name and signature.
    """
    found = list(islice(_certificates(session), limits.CERTIFICATES))
    leaves = [(identity, item) for identity, item in found if is_certificate_of(item, public_key)]
    if not leaves:
        return ()
    # Of several certificates with the key's id, the one that is valid longest.
    _, leaf = max(leaves, key=lambda pair: (pair[0] == key.id, pair[1].not_after))
    return climb(leaf, [item for _, item in found])


def _certificates(session: Any) -> Iterator[tuple[bytes, Certificate]]:
    for item in find_optional(session, "CERTIFICATE", Pkcs11Uri()):
        value = read_attribute(item.handle, "VALUE")
        try:
            yield item.id, Certificate.from_der(bytes(value or b""))
        except ImagesigError:
            continue  # another type of certificate, or only its URL
