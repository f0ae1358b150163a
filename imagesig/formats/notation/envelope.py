"""The signed attributes and their rules, the same in both envelopes.

Spec: Notary Project signature-specification, "Signed Attributes"; signature-envelope-jws and -cose, protected headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol

from msgspec import Struct

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
"""Must be critical wherever they stand."""
STANDARD = frozenset({*_CRITICAL, SIGNING_TIME})


class Attribute(Struct, frozen=True):
    """One further signed attribute. A critical one makes every verifier refuse that does not understand it."""

    name: str
    value: str
    critical: bool = False


class Header(Struct, frozen=True):
    """A protected header, decoded: `attributes` has all but the first three, with `TIMES` as times.

    `algorithm` is the envelope's own name or number. `listed` are the members that may be called critical although they
    are none of the attributes.
    """

    algorithm: object
    content_type: object
    critical: tuple[object, ...]
    attributes: Mapping[object, object]
    listed: frozenset[object] = frozenset()


class Unprotected(RedactedStruct, frozen=True):
    """What nobody signed: the certificates, a timestamp's token, and what the signing tool calls itself."""

    hidden = ("timestamp",)

    chain: tuple[bytes, ...]
    timestamp: bytes = b""
    signing_agent: str = ""


class Opened(RedactedStruct, frozen=True):
    """One envelope, split. `protected` is not decoded before `message` is known to be what was signed."""

    hidden = ("protected", "payload", "message", "signature")

    protected: bytes
    payload: bytes
    message: bytes
    signature: bytes
    unprotected: Unprotected


class EnvelopeForm(Protocol):
    """One of the two envelopes: bytes to parts and back; what the parts mean is the same for both."""

    @property
    def media_type(self) -> str: ...

    def algorithm(self, named: Named) -> object:
        """The envelope's name or number for an algorithm."""
        ...

    def protect(self, algorithm: object, attributes: SignedAttributes) -> bytes:
        """The protected header, encoded."""
        ...

    def message(self, protected: bytes, payload: bytes) -> bytes:
        """What is signed."""
        ...

    def write(self, opened: Opened) -> bytes: ...

    def split(self, content: bytes) -> Opened:
        """Raises `FormatViolation` or `MalformedError` for anything but a whole envelope of this form."""
        ...

    def header(self, protected: bytes) -> Header:
        """Raises as `split` does."""
        ...


class SignedAttributes(Struct, frozen=True):
    """What the signer says of the signature itself. `time` is claimed, or vouched for by a signing authority."""

    scheme: str
    time: datetime
    expiry: datetime | None = None
    extended: tuple[Attribute, ...] = ()

    @property
    def time_name(self) -> str:
        return SIGNING_TIME if self.scheme == X509 else AUTHENTIC_SIGNING_TIME

    @property
    def critical(self) -> tuple[str, ...]:
        """The names that must be called critical, in one order for both envelopes."""
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
    """The attributes of a header whose signature has been checked.

    `algorithm` is the envelope's name for the one that the signer's key decides. `understood` are further names that
    may be critical.

    Raises:
        FormatViolation: a rule is broken, or something critical is not understood.
    """
    if header.algorithm != algorithm or isinstance(header.algorithm, bool):
        raise FormatViolation(
            f"alg is {quote(header.algorithm)}, but the signer's key makes {quote(algorithm)} signatures"
        )
    if header.content_type != PAYLOAD_TYPE:
        raise FormatViolation(f"content type is {quote(header.content_type)}, {PAYLOAD_TYPE} is needed")
    _check_critical(header, understood)
    for name in (PLUGIN, PLUGIN_VERSION):
        if name in header.attributes:
            raise FormatViolation(
                f"the signature wants the verification plugin {quote(header.attributes[name])}; plugins are not run",
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
