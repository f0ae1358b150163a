"""The holders of certificates, as a policy names them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from itertools import permutations
from typing import Self, assert_never

from msgspec import Struct

from imagesig.arguments import check_fields, checks_arguments
from imagesig.crypto.certificate import Certificate
from imagesig.encoding import asn1
from imagesig.errors import InvalidArgument, MalformedError, NotTrusted
from imagesig.external import external_call
from imagesig.patterns import regex
from imagesig.text import quote
from imagesig.trust.distinguished_name import is_part_of, parse_distinguished_name, subject_of


class HolderKind(Enum):
    """The part of a certificate that names its holder. The value is for people."""

    SUBJECT = "x509.subject"
    EMAIL = "e-mail address"
    DNS = "DNS name"
    URI = "URI"


_SUBJECT = regex(r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+) *=.*", re.DOTALL)
_URI = regex(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_EMAIL = regex(r"[^@\s]+@[^@\s]+")
_DNS = regex(r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*")


class Holder(Struct, frozen=True):
    """One holder whose certificates are accepted.

    For `SUBJECT`, `value` is a distinguished name (RFC 4514) whose attributes must all be in the certificate's subject.
    For the others it must equal a subject alternative name of that type.
    Spec: Notary Project trust-store-trust-policy, "Trusted Identities Constraints".

    Raises:
        InvalidArgument: not a distinguished name, or an empty value.
    """

    kind: HolderKind
    value: str

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.value:
            raise InvalidArgument(f"holder: its {self.kind.value} is empty")
        if self.kind is HolderKind.SUBJECT:
            _attributes(self.value)

    @classmethod
    @checks_arguments
    def of(cls, text: str) -> Self:
        """The holder that the text looks like: a subject such as `C=US, O=Example`, URI, e-mail address or DNS name.

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
            f"certificate holder {quote(text)}: a subject, e-mail address, DNS name or URI is needed",
            hint="write for example 'C=US, ST=WA, O=Example', ci@example.com, build.example.com, spiffe://example.com/ci",
        )

    def matches(self, certificate: Certificate) -> bool:
        """Whether the certificate, a signer's, was issued to this holder.

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
                return False  # `matches` compares subjects by their attributes
            case _:
                assert_never(self.kind)

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.value}"


@lru_cache(maxsize=1024)
def _attributes(subject: str) -> Mapping[str, str]:
    """The parsed subject: each signature is compared with each holder, so it is parsed once."""
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
    """The certificate's own name of its holder, for people."""
    return certificate.label


def overlapping(holders: Sequence[Holder]) -> tuple[Holder, Holder] | None:
    """Two subjects of which one contains the other, so that they mean one identity; None if there are none."""
    subjects = [holder for holder in holders if holder.kind is HolderKind.SUBJECT]
    for some, whole in permutations(subjects, 2):
        if is_part_of(_attributes(some.value), _attributes(whole.value)):
            return some, whole
    return None
