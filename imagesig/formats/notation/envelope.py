"""The signed attributes and their rules, the same in both envelopes.

Spec: Notary Project signature-specification, "Signed Attributes"; signature-envelope-jws and -cose, protected headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from imagesig.arguments import check_fields
from imagesig.errors import FormatViolation
from imagesig.formats.notation.algorithms import Named
from imagesig.formats.notation.payload import PAYLOAD_TYPE
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

X509 = "notary.x509"
SIGNING_AUTHORITY = "notary.x509.signingAuthority"

SIGNING_SCHEME = "io.cncf.notary.signingScheme"
SIGNING_TIME = "io.cncf.notary.signingTime"
AUTHENTIC_SIGNING_TIME = "io.cncf.notary.authenticSigningTime"
EXPIRY_ATTRIBUTE = "io.cncf.notary.expiry"
PLUGIN = "io.cncf.notary.verificationPlugin"
PLUGIN_VERSION = "io.cncf.notary.verificationPluginMinVersion"
TIMESTAMP = "io.cncf.notary.timestampSignature"
SIGNING_AGENT = "io.cncf.notary.signingAgent"

TIMES = (SIGNING_TIME, AUTHENTIC_SIGNING_TIME, EXPIRY_ATTRIBUTE)
_CRITICAL = (SIGNING_SCHEME, AUTHENTIC_SIGNING_TIME, EXPIRY_ATTRIBUTE, PLUGIN, PLUGIN_VERSION)
"""Attributes that must be critical if they are there."""
STANDARD = frozenset({*_CRITICAL, SIGNING_TIME})


class Attribute(Struct, frozen=True):
    """One further signed attribute. A verifier that does not understand a critical one must refuse the signature."""

    name: str
    value: str
    critical: bool = False

    def __post_init__(self) -> None:
        check_fields(self)


class Header(Struct, frozen=True):
    """A protected header, decoded: `attributes` has all but the first three, with `TIMES` as times.

    `algorithm` is the envelope's own name or number. `listed` are the members that may be called critical although they
    are not attributes.
    """

    algorithm: object
    content_type: object
    critical: tuple[object, ...]
    attributes: Mapping[object, object]
    listed: frozenset[object] = frozenset()


class Unprotected(RedactedStruct, frozen=True):
    """The unsigned members: the certificates, a timestamp's token, and the name of the signing tool."""

    hidden = ("timestamp",)

    chain: tuple[bytes, ...]
    timestamp: bytes = b""
    signing_agent: str = ""


class Opened(RedactedStruct, frozen=True):
    """One envelope, split. `protected` is decoded only after the signature over `message` is verified."""

    hidden = ("protected", "payload", "message", "signature")

    protected: bytes
    payload: bytes
    message: bytes
    signature: bytes
    unprotected: Unprotected


class EnvelopeForm(Protocol):
    """One of the two envelopes: from bytes to parts and back. The parts mean the same in both."""

    @property
    def media_type(self) -> str: ...

    def algorithm(self, named: Named) -> object:
        """The envelope's name or number for an algorithm."""
        ...

    def protect(self, algorithm: object, attributes: SignedAttributes) -> bytes:
        """The protected header, encoded."""
        ...

    def message(self, protected: bytes, payload: bytes) -> bytes:
        """The bytes to sign."""
        ...

    def write(self, opened: Opened) -> bytes: ...

    def split(self, content: bytes) -> Opened:
        """The parts. Raises `FormatViolation` or `MalformedError` unless the bytes are one envelope of this form."""
        ...

    def header(self, protected: bytes) -> Header:
        """The protected header, decoded. Raises as `split` does."""
        ...


class SignedAttributes(Struct, frozen=True):
    """The signed attributes of a signature. `time` is claimed, or authentic if a signing authority signed."""

    scheme: str
    time: datetime
    expiry: datetime | None = None
    extended: tuple[Attribute, ...] = ()

    @property
    def time_name(self) -> str:
        return SIGNING_TIME if self.scheme == X509 else AUTHENTIC_SIGNING_TIME

    @property
    def critical(self) -> tuple[str, ...]:
        """The names that must be critical, in the same order in both envelopes."""
        names = [SIGNING_SCHEME]
        if self.scheme == SIGNING_AUTHORITY:
            names.append(AUTHENTIC_SIGNING_TIME)
        if self.expiry:
            names.append(EXPIRY_ATTRIBUTE)
        return (*names, *(item.name for item in self.extended if item.critical))

    def items(self) -> Iterator[tuple[str, str | datetime]]:
        yield SIGNING_SCHEME, self.scheme
        yield self.time_name, self.time
        if self.expiry:
            yield EXPIRY_ATTRIBUTE, self.expiry
        yield from ((item.name, item.value) for item in self.extended)


def read_attributes(header: Header, algorithm: object, understood: frozenset[str]) -> SignedAttributes:
    """The attributes of a header whose signature is verified.

    `algorithm` is the envelope's name for the algorithm of the signer's key. `understood` are further names that may be
    critical.

    Raises:
        FormatViolation: a rule is broken, or a critical attribute is not understood.
    """
    if header.algorithm != algorithm or isinstance(header.algorithm, bool):
        raise FormatViolation(f"alg is {quote(header.algorithm)}, but the signer's key needs {quote(algorithm)}")
    if header.content_type != PAYLOAD_TYPE:
        raise FormatViolation(f"content type is {quote(header.content_type)}, {PAYLOAD_TYPE} is needed")
    _check_critical(header, understood)
    for name in (PLUGIN, PLUGIN_VERSION):
        if name in header.attributes:
            raise FormatViolation(
                f"the signature needs the verification plugin {quote(header.attributes[name])}; imagesig runs none",
                hint="verify it with the tool that has the plugin",
            )
    scheme, time = _scheme_and_time(header.attributes)
    expiry = _time(header.attributes, EXPIRY_ATTRIBUTE)
    if expiry is not None and expiry <= time:
        raise FormatViolation(f"expiry {expiry.isoformat()} is not after the signing time {time.isoformat()}")
    return SignedAttributes(scheme, time, expiry, tuple(_extended(header)))


def _check_critical(header: Header, understood: frozenset[str]) -> None:
    critical = header.critical
    if len(set(critical)) != len(critical):
        raise FormatViolation(f"crit {quote(critical)} names an attribute twice")
    for name in critical:
        if name in header.listed:
            continue
        if name not in header.attributes:
            raise FormatViolation(f"crit names {quote(name)}, which the header does not have")
        if name not in _CRITICAL and name not in understood:
            raise FormatViolation(f"{quote(name)} is critical and not understood")
    for name in _CRITICAL:
        if name in header.attributes and name not in critical:
            raise FormatViolation(f"{name} is not critical, as it must be")


def _scheme_and_time(attributes: Mapping[object, object]) -> tuple[str, datetime]:
    scheme = attributes.get(SIGNING_SCHEME)
    claimed, authentic = _time(attributes, SIGNING_TIME), _time(attributes, AUTHENTIC_SIGNING_TIME)
    if scheme == X509:
        needed, time, other = SIGNING_TIME, claimed, authentic
    elif scheme == SIGNING_AUTHORITY:
        needed, time, other = AUTHENTIC_SIGNING_TIME, authentic, claimed
    else:
        raise FormatViolation(f"signingScheme is {quote(scheme)}, {X509} or {SIGNING_AUTHORITY} is needed")
    if time is None or other is not None:
        raise FormatViolation(f"the scheme {scheme} needs {needed}, and no other signing time")
    return str(scheme), time


def _time(attributes: Mapping[object, object], name: str) -> datetime | None:
    value = attributes.get(name)
    if name in attributes and not isinstance(value, datetime):
        raise FormatViolation(f"{name} is {quote(value)}, a time is needed")
    return value if isinstance(value, datetime) else None


def _extended(header: Header) -> Iterator[Attribute]:
    for name, value in header.attributes.items():
        if name not in STANDARD:
            text = value if isinstance(value, str) else quote(value)
            yield Attribute(str(name), text, name in header.critical)
