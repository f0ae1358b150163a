"""Whose signatures a requirement counts: keys and certificate authorities, opened or not yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct
from msgspec.structs import replace

from imagesig.crypto.public_key import PublicKey
from imagesig.errors import InvalidArgument, KeyMismatch
from imagesig.trust import CertificateAuthority, TrustedKey, Window
from imagesig.trust.anchors import ALWAYS


@runtime_checkable
class HasPublicKeys(Protocol):
    """Anything that stands for public keys, such as an open `SigningKey`."""

    @property
    def public_keys(self) -> tuple[PublicKey, ...]: ...


class KeyReference(Struct, frozen=True):
    """A file or key URI that has not been opened yet; `api.verify` opens it.

    `name` is the authority's in the policy, else the text stands for it. With a `fingerprint` (`sha256:` and hex) only
    the key that has it counts.
    """

    text: str
    name: str = ""
    window: Window = ALWAYS
    fingerprint: str = ""

    def opened(self, open_public_keys: OpenPublicKeys) -> TrustedKey:
        """Raises as `open_public_keys` does, and `KeyMismatch` if no key there has the fingerprint."""
        public_keys = open_public_keys(self.text)
        if self.fingerprint:
            found = tuple(key.fingerprint for key in public_keys)
            public_keys = tuple(key for key in public_keys if key.fingerprint == self.fingerprint)
            if not public_keys:
                raise KeyMismatch(f"{self.text}: has the key {', '.join(found)}, the policy pins {self.fingerprint}")
        return TrustedKey(self.name or self.text, public_keys, self.window)


OpenPublicKeys = Callable[[str], tuple[PublicKey, ...]]

KeyLike = str | bytes | PublicKey | TrustedKey | HasPublicKeys | Sequence[PublicKey]
"""One signer: PEM text, a file or key URI, a public key, an open key, or all the public keys of a rotated one."""

Authority = TrustedKey | KeyReference | CertificateAuthority


def authority(given: KeyLike | KeyReference | CertificateAuthority) -> Authority:
    """The authority that a caller's value stands for.

    Raises:
        InvalidArgument: it holds no key.
    """
    if isinstance(given, TrustedKey | KeyReference | CertificateAuthority):
        return given
    if isinstance(given, bytes) or (isinstance(given, str) and "-----BEGIN " in given):
        given = PublicKey.from_pem(given)
    if isinstance(given, str):
        return KeyReference(given)
    if isinstance(given, PublicKey):
        return TrustedKey(given.fingerprint, (given,))
    public_keys = given.public_keys if isinstance(given, HasPublicKeys) else tuple(given)
    if not public_keys or not all(isinstance(item, PublicKey) for item in public_keys):
        raise InvalidArgument(
            "policy: a key that holds no public key",
            hint="give PEM text, a file, a key URI, a PublicKey or an open key",
        )
    return TrustedKey(public_keys[0].fingerprint, public_keys)


def distinct_keys(keys: Iterable[TrustedKey]) -> tuple[TrustedKey, ...]:
    """Keys that share a public key are one signer, under the first one's name: it counts once (CVE-2026-49834).

    Of two windows of one key the narrower holds.
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
