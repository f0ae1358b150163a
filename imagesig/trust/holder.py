"""Who a certificate was issued to, as a policy names them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from itertools import permutations
from typing import Self, assert_never

from msgspec import Struct

from imagesig.crypto.certificate import Certificate
from imagesig.encoding import asn1
from imagesig.errors import InvalidArgument, MalformedError, NotTrusted
from imagesig.external import external_call
from imagesig.text import quote
from imagesig.trust.distinguished_name import is_part_of, parse_distinguished_name, subject_of


class HolderKind(Enum):
    """How a certificate names its holder; the value is for people."""

    SUBJECT = "x509.subject"
    EMAIL = "e-mail address"
    DNS = "DNS name"
    URI = "URI"


_SUBJECT = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+) *=.*", re.DOTALL)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_DNS = re.compile(
    r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)


class Holder(Struct, frozen=True):
    """One holder whose certificates count.

    `value` is, for `SUBJECT`, a distinguished name (RFC 4514) whose attributes must all be in the certificate's
    subject; for the others it must equal a subject alternative name of that type.
    Spec: Notary Project trust-store-trust-policy, "Trusted Identities Constraints".

    Raises:
        InvalidArgument: no distinguished name, or an empty value.
    """

    kind: HolderKind
    value: str

    def __post_init__(self) -> None:
        if not self.value:
            raise InvalidArgument(f"holder: no {self.kind.value} was given")
        if self.kind is HolderKind.SUBJECT:
            _attributes(self.value)

    @classmethod
    def of(cls, text: str) -> Self:
        """What the text looks like: `C=US, O=Example` is a subject, and there are URIs, e-mail addresses and DNS names.

        Raises:
            InvalidArgument: it looks like none of them.
        """
        text = text.strip()
        prefix, colon, rest = text.partition(":")
        if colon and prefix.strip() == HolderKind.SUBJECT.value:
            return cls(HolderKind.SUBJECT, rest.strip())
        for kind, pattern in (
            (HolderKind.URI, _URI),
            (HolderKind.SUBJECT, _SUBJECT),
            (HolderKind.EMAIL, _EMAIL),
            (HolderKind.DNS, _DNS),
        ):
            if pattern.fullmatch(text):
                return cls(kind, text)
        raise InvalidArgument(
            f"certificate holder {quote(text)}: no subject, e-mail address, DNS name or URI",
            hint="for example: 'C=US, ST=WA, O=Example', ci@example.com, build.example.com, spiffe://example.com/ci",
        )

    def matches(self, certificate: Certificate) -> bool:
        """Whether the certificate was issued to this holder; it is the first of a chain.

        Raises:
            NotTrusted: its names cannot be read.
        """
        if self.kind is HolderKind.SUBJECT:
            return is_part_of(_attributes(self.value), subject_of(certificate))
        return any(self._equals(name) for name in alternative_names(certificate, self.kind))

    def _equals(self, name: str) -> bool:
        match self.kind:
            case HolderKind.DNS:
                return name.lower() == self.value.lower()
            case HolderKind.EMAIL:
                ours, theirs = self.value.rpartition("@"), name.rpartition("@")
                return ours[0] == theirs[0] and ours[2].lower() == theirs[2].lower()
            case HolderKind.URI:
                return name == self.value
            case HolderKind.SUBJECT:
                return False  # a subject is compared by its attributes
            case _:
                assert_never(self.kind)

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.value}"


@lru_cache(maxsize=1024)
def _attributes(subject: str) -> Mapping[str, str]:
    """Read once: every signature is compared with every holder."""
    return parse_distinguished_name(subject, HolderKind.SUBJECT.value)


def alternative_names(certificate: Certificate, kind: HolderKind) -> tuple[str, ...]:
    """The certificate's subject alternative names of one type. Raises `NotTrusted` if they cannot be read."""
    from cryptography import x509

    types: dict[HolderKind, type[x509.RFC822Name | x509.DNSName | x509.UniformResourceIdentifier]] = {
        HolderKind.EMAIL: x509.RFC822Name,
        HolderKind.DNS: x509.DNSName,
        HolderKind.URI: x509.UniformResourceIdentifier,
    }
    try:
        found = certificate.extension(x509.SubjectAlternativeName)
        if found is None:
            return ()
        with external_call("certificate", asn1.unreadable("the certificate's alternative names")):
            return tuple(str(name) for name in found.value.get_values_for_type(types[kind]))
    except MalformedError:
        raise NotTrusted("the certificate's alternative names cannot be read") from None


def describe_holder(certificate: Certificate) -> str:
    """How the certificate itself names its holder, for people."""
    return certificate.label


def overlapping(holders: Sequence[Holder]) -> tuple[Holder, Holder] | None:
    """Two subjects of which one says no more than the other, so that they mean one identity: a mistake, if any."""
    subjects = [holder for holder in holders if holder.kind is HolderKind.SUBJECT]
    for some, whole in permutations(subjects, 2):
        if is_part_of(_attributes(some.value), _attributes(whole.value)):
            return some, whole
    return None
