"""Who a certificate was issued to, as a policy names them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class HolderKind(Enum):
    """How a certificate names its holder; the value is for people."""

    SUBJECT = "x509.subject"
    EMAIL = "e-mail address"
    DNS = "DNS name"
    URI = "URI"


@dataclass(frozen=True, slots=True)
class Holder:
    """One holder whose certificates count.

    `value` is, for `SUBJECT`, a distinguished name (RFC 4514) whose attributes must all be in the certificate's
    subject; for the others it must equal a subject alternative name of that type.
    Spec: Notary Project trust-store-trust-policy, "Trusted Identities Constraints".
    """

    kind: HolderKind
    value: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.value}"
