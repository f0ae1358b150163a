"""The keys, certificate authorities and trust servers whose signatures a requirement accepts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol, assert_never, runtime_checkable

from msgspec.structs import replace

from imagesig.crypto.public_key import PublicKey
from imagesig.errors import InvalidArgument, KeyMismatch, KeyProviderError
from imagesig.external import given
from imagesig.naming import PathLike, is_raw_key, path_text
from imagesig.patterns import regex
from imagesig.policy.exact import check_kind, checked_tuple
from imagesig.redacted import RedactedStruct
from imagesig.text import HIDDEN, holds_key, quote
from imagesig.trust import (
    CertificateAuthority,
    ContentTrust,
    Role,
    TimestampAuthorities,
    TrustAnchors,
    TrustedKey,
    Window,
)
from imagesig.trust.anchors import ALWAYS


@runtime_checkable
class HasPublicKeys(Protocol):
    """An object that has public keys, such as an open `SigningKey`."""

    @property
    def public_keys(self) -> tuple[PublicKey, ...]: ...


_PIN = regex(r"(?i)(pin-?value=)[^;&]*")


class KeyReference(RedactedStruct, frozen=True):
    """A key file or key URI that is not opened yet; `api.verify` opens it.

    `name` is the authority's name in the policy; without one the text is its name. With a `fingerprint` (`sha256:` and
    hex) only the key with this fingerprint is trusted.
    """

    text: str
    name: str = ""
    window: Window = ALWAYS
    fingerprint: str = ""

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """Hides a private key that was given in place of a name, and passwords and PINs in a URI."""
        from imagesig.url import redact  # speed: for people only (benchmarks/test_start.py)

        shown = HIDDEN if holds_key(self.text) or is_raw_key(self.text) else _PIN.sub(r"\1(secret)", redact(self.text))
        return [("text", shown), *((name, value) for name, value in super().__rich_repr__() if name != "text")]

    def opened(self, open_public_keys: OpenPublicKeys) -> TrustedKey:
        """The key, opened. Raises as `open_public_keys` does, and `KeyMismatch` if no key there has the fingerprint."""
        with given(f"open_keys for {self.text}", KeyProviderError):
            public_keys = open_public_keys(self.text)
        if self.fingerprint:
            found = tuple(key.fingerprint for key in public_keys)
            public_keys = tuple(key for key in public_keys if key.fingerprint == self.fingerprint)
            if not public_keys:
                raise KeyMismatch(f"{self.text}: has the key {', '.join(found)}, the policy pins {self.fingerprint}")
        return TrustedKey(self.name or self.text, public_keys, self.window)


OpenPublicKeys = Callable[[str], tuple[PublicKey, ...]]

KeyLike = str | bytes | PathLike | PublicKey | TrustedKey | HasPublicKeys | Sequence[PublicKey]
"""One signer: PEM text, a file or key URI, a public key, an open key, or all the public keys of a rotated one."""


def keys_of(given: KeyLike | Sequence[KeyLike]) -> tuple[KeyLike, ...]:
    """The keys, if one is given or several. A sequence of `PublicKey` is one key for each of them.

    Raises:
        InvalidArgument: neither.
    """
    if isinstance(given, str | bytes | PathLike | PublicKey | TrustedKey | HasPublicKeys):
        return (given,)
    if not isinstance(given, Iterable):
        raise _no_key(given)
    return tuple(given)


Authority = TrustedKey | KeyReference | CertificateAuthority | ContentTrust


def authority(given: KeyLike | KeyReference | CertificateAuthority | ContentTrust) -> Authority:
    """The authority for a value that a caller gave.

    Raises:
        InvalidArgument: the value is no key.
    """
    if isinstance(given, TrustedKey | KeyReference | CertificateAuthority | ContentTrust):
        return given
    if isinstance(given, bytes) or (isinstance(given, str) and "-----BEGIN " in given):
        given = PublicKey.from_pem(given)
    if isinstance(given, str):
        return KeyReference(given)
    if isinstance(given, PublicKey):
        return TrustedKey(given.fingerprint, (given,))
    if isinstance(given, PathLike):  # speed: after the others, as this loads the standard `inspect` on Python 3.12
        return KeyReference(path_text(given))
    public_keys = given.public_keys if isinstance(given, HasPublicKeys) else given
    if not isinstance(public_keys, Iterable):
        raise _no_key(given)
    public_keys = tuple(public_keys)
    if not public_keys or not all(isinstance(item, PublicKey) for item in public_keys):
        raise _no_key(given)
    return TrustedKey(public_keys[0].fingerprint, public_keys)


def _no_key(given: object) -> InvalidArgument:
    if isinstance(given, list | tuple) and given:
        return InvalidArgument(
            f"policy: a {type(given).__name__} of {type(given[0]).__name__} is not a key",
            hint="give each key as an argument of its own: Policy.any_of(*keys)",
        )
    return InvalidArgument(
        f"policy: {quote(given)} is not a key",
        hint="give PEM text, a file, a key URI, a PublicKey or an open key",
    )


KINDS = (TrustedKey, KeyReference, CertificateAuthority, ContentTrust)
"""Every kind of authority. An object of a subclass is of no known kind."""

_FILE_URI = regex(r"file:(?://[^/?#]*)?(?=[^/]*/)", re.IGNORECASE)
_FINGERPRINT = regex(r"sha256:[0-9a-f]{64}")


def check_authority(given: object) -> Authority:
    """The authority, if every step of a verdict knows its kind.

    Raises:
        InvalidArgument: the authority, or one of its values, is of another kind.
    """
    try:
        if type(given) is TrustedKey:
            return _checked_key(given)
        if type(given) is KeyReference:
            return _checked_reference(given)
        if type(given) is CertificateAuthority:
            return _checked_certificate_authority(given)
        if type(given) is ContentTrust:
            return _checked_content_trust(given)
    except InvalidArgument as error:
        raise InvalidArgument(f"policy: key {quote(getattr(given, 'name', ''))}: {error}", hint=error.hint) from None
    known = ", ".join(kind.__name__ for kind in KINDS)
    raise InvalidArgument(
        f"policy: {quote(given)} is of the unknown kind {type(given).__name__}, {known} is needed",
        hint="write KeyReference(NAME) for a file or key URI" if isinstance(given, str) else "",
    )


def _checked_key(given: TrustedKey) -> TrustedKey:
    _check_name(given.name)
    public_keys = checked_tuple(given.public_keys, "public keys")
    if not public_keys or not all(isinstance(item, PublicKey) for item in public_keys):
        raise InvalidArgument(f"{quote(public_keys)}, at least one public key is needed")
    _check_window(given.window)
    return given


def _checked_reference(given: KeyReference) -> KeyReference:
    _check_name(given.text)
    check_kind(given.name, (str,), "name")
    _check_window(given.window)
    check_kind(given.fingerprint, (str,), "fingerprint")
    if given.fingerprint and not _FINGERPRINT.fullmatch(given.fingerprint):
        raise InvalidArgument(f"fingerprint {quote(given.fingerprint)}, sha256: and 64 hex digits are needed")
    return given


def _checked_certificate_authority(given: CertificateAuthority) -> CertificateAuthority:
    # speed: a policy of keys names no certificate (benchmarks/test_start.py)
    from imagesig.crypto.certificate import Certificate
    from imagesig.trust.holder import Holder, HolderKind

    _check_name(given.name)
    check_kind(given.role, (Role,), "role")
    certificates = checked_tuple(given.certificates, "certificates")
    if not certificates or not all(isinstance(item, Certificate) for item in certificates):
        raise InvalidArgument(f"{quote(certificates)}, at least one certificate is needed")
    for holder in checked_tuple(given.holders, "holders"):
        check_kind(holder, (Holder,), "holder")
        check_kind(getattr(holder, "kind", None), (HolderKind,), "holder")
    return given


def _checked_content_trust(given: ContentTrust) -> ContentTrust:
    for value, what in ((given.name, "name"), (given.server, "server"), (given.ca_file, "ca_file")):
        check_kind(value, (str,), what)
    _check_name(given.name)
    check_kind(given.first_use, (bool,), "first_use")
    for pin in given.pins:
        if type(pin) is CertificateAuthority:
            _checked_certificate_authority(pin)
    for signer in checked_tuple(given.signers, "signers"):
        if not isinstance(signer, str) or not SIGNER.fullmatch(signer):
            raise InvalidArgument(f"signer {quote(signer)}, lower-case letters, digits, - and _ are needed")
    return given


SIGNER = regex(r"[a-z0-9][a-z0-9_-]{0,200}", re.ASCII)
"""A name of a signer, as docker has them."""


def _check_name(name: str) -> None:
    check_kind(name, (str,), "name")
    if not name:
        raise InvalidArgument("the name is empty, and an authority without a name is never credited")


def _check_window(window: Window) -> None:
    if window is ALWAYS:
        return
    check_kind(window, (Window,), "window")
    for time in (window.not_before, window.not_after):
        if time is not None and (not isinstance(time, datetime) or time.utcoffset() is None):
            raise InvalidArgument(f"window: {quote(time)}, a time with its offset from UTC is needed")


def opened(given: Authority, open_public_keys: OpenPublicKeys) -> Authority:
    """The authority with its keys opened. Raises as `KeyReference.opened` does."""
    match given:
        case KeyReference():
            return given.opened(open_public_keys)
        case TrustedKey() | CertificateAuthority() | ContentTrust():
            return given
        case _:
            assert_never(given)


def anchors_of(authorities: Iterable[Authority], timestamps: TimestampAuthorities | None) -> TrustAnchors:
    """The trust anchors that formats verify with. Raises `InvalidArgument` for a key that is not opened."""
    keys: list[TrustedKey] = []
    certified: list[CertificateAuthority] = []
    named: list[ContentTrust] = []
    for item in authorities:
        match item:
            case KeyReference():
                raise InvalidArgument(f"policy: key {item.text} is not opened", hint="call Rule.opened first")
            case TrustedKey():
                keys.append(item)
            case CertificateAuthority():
                certified.append(item)
            case ContentTrust():
                named.append(item)
            case _:
                assert_never(item)
    return TrustAnchors(distinct_keys(keys), tuple(certified), timestamps, content_trust=tuple(named))


def check_distinct(authorities: Sequence[Authority], needed: int) -> None:
    """Returns if every two names are two signers, as far as that is known before all keys are opened.

    The same key under the same name twice is one authority. Certificate authorities may share certificates: `judge`
    credits each of their signers once.

    Raises:
        InvalidArgument: more than one signer is needed, and two names have a key in common.
    """
    if needed == 1:
        return
    different = tuple(dict.fromkeys(authorities))
    if pair := one_key(different):
        raise InvalidArgument(
            f"policy: {pair[0]} and {pair[1]} have a key in common, but {needed} distinct keys are needed",
            hint="name each key once: one key is one signer, under any number of names",
        )
    if len(different) < needed:
        raise InvalidArgument(
            f"policy: {needed} distinct keys are needed, but only {len(different)} of the given keys differ"
        )


def one_key(authorities: Iterable[Authority]) -> tuple[str, str] | None:
    """Two names that share a key; None if no two are known to. A key that is not opened is compared by its place."""
    keys: dict[str, str] = {}
    places: dict[str, dict[str, str]] = {}
    for item in authorities:
        match item:
            case TrustedKey():
                name, prints = quote(item.name), [key.fingerprint for key in item.public_keys]
                for fingerprint in prints:
                    if fingerprint in keys:
                        return keys[fingerprint], name
                keys |= dict.fromkeys(prints, name)
            case KeyReference():
                name, pinned = quote(item.name or item.text), places.setdefault(place_of(item.text), {})
                # One place may hold several keys: two fingerprints are two keys.
                for fingerprint, other in pinned.items():
                    if fingerprint in (item.fingerprint, "") or not item.fingerprint:
                        return other, name
                pinned[item.fingerprint] = name
            case CertificateAuthority() | ContentTrust():
                pass
            case _:
                assert_never(item)
    return None


def place_of(text: str) -> str:
    """The path that a file URI names; every other text as it is. The same place may have further names."""
    return _FILE_URI.sub("", text, count=1)


def distinct_keys(keys: Iterable[TrustedKey]) -> tuple[TrustedKey, ...]:
    """The keys, with those that share a public key joined to one signer under the first name (CVE-2026-49834).

    A joined key is valid only while all of its windows are.
    """
    merged: list[TrustedKey] = []
    for key in keys:
        shared = [other for other in merged if set(other.public_keys) & set(key.public_keys)]
        if not shared:
            merged.append(key)
            continue
        public_keys = tuple(dict.fromkeys(item for other in (*shared, key) for item in other.public_keys))
        windows = [other.window for other in (*shared, key)]
        one = replace(shared[0], public_keys=public_keys, window=_narrowest(windows))
        merged[merged.index(shared[0])] = one
        merged = [other for other in merged if other not in shared[1:]]
    return tuple(merged)


def _narrowest(windows: Sequence[Window]) -> Window:
    starts = [window.not_before for window in windows if window.not_before]
    ends = [window.not_after for window in windows if window.not_after]
    return Window(max(starts, default=None), min(ends, default=None))
