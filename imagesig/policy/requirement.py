"""`Policy`: what must hold of an image's signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, runtime_checkable

from imagesig.crypto.public_key import PublicKey
from imagesig.errors import InvalidArgument
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.oci.reference import Reference
from imagesig.policy.match import Identity
from imagesig.trust import TrustAnchors, TrustedKey


@runtime_checkable
class HasPublicKeys(Protocol):
    """Anything that stands for public keys, such as an open `SigningKey`."""

    @property
    def public_keys(self) -> tuple[PublicKey, ...]: ...


@dataclass(frozen=True, slots=True)
class KeyReference:
    """A file or key URI that has not been opened yet; `api.verify` opens it."""

    text: str


KeyLike = str | bytes | PublicKey | TrustedKey | HasPublicKeys | Sequence[PublicKey]
"""One signer: PEM text, a file or key URI, a public key, an open key, or all the public keys of a rotated one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for one image: chosen by `Policy.select`, applied by `judge`. `threshold` counts distinct keys."""

    anchors: TrustAnchors
    threshold: int
    annotations: Annotations
    identity: Identity
    formats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Signatures by enough distinct keys, for this very image, under an acceptable name, with these annotations.

    Make one with `any_of`, `all_of` or `at_least`. `threshold` None means every key. `formats` are the names of the
    formats that count, none named meaning every format that imagesig reads.
    """

    keys: tuple[TrustedKey | KeyReference, ...]
    threshold: int | None = 1
    annotations: Annotations = NO_ANNOTATIONS
    identity: Identity = field(default_factory=Identity.of_image)
    formats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.keys:
            raise InvalidArgument("policy: no key is trusted, so nothing can be verified", hint="give a public key")
        if self.threshold is not None and not 1 <= self.threshold <= len(self.keys):
            raise InvalidArgument(f"policy: {self.threshold} of {len(self.keys)} keys cannot be asked for")

    @classmethod
    def any_of(
        cls,
        *keys: KeyLike,
        annotations: Mapping[str, str] | None = None,
        identity: Identity | str | None = None,
        formats: Iterable[str] = (),
    ) -> Self:
        """One signature by any of the keys is enough.

        `annotations` must be in what was signed, with these values. `identity` is the repository or repository:tag that
        must be in it; without one it is the image's own name.

        Raises:
            InvalidArgument: no keys, or something that is no key.
        """
        return cls._of(keys, 1, annotations, identity, formats)

    @classmethod
    def all_of(
        cls,
        *keys: KeyLike,
        annotations: Mapping[str, str] | None = None,
        identity: Identity | str | None = None,
        formats: Iterable[str] = (),
    ) -> Self:
        """Every one of the keys must have signed. Arguments and errors as of `any_of`."""
        return cls._of(keys, None, annotations, identity, formats)

    @classmethod
    def at_least(
        cls,
        threshold: int,
        *keys: KeyLike,
        annotations: Mapping[str, str] | None = None,
        identity: Identity | str | None = None,
        formats: Iterable[str] = (),
    ) -> Self:
        """`threshold` distinct keys must have signed; one key counts once, however often and wherever it is listed."""
        return cls._of(keys, threshold, annotations, identity, formats)

    @classmethod
    def _of(
        cls,
        keys: Iterable[KeyLike],
        threshold: int | None,
        annotations: Mapping[str, str] | None,
        identity: Identity | str | None,
        formats: Iterable[str],
    ) -> Self:
        if isinstance(identity, str):
            identity = Identity.exactly(identity)
        return cls(
            tuple(_trusted(key) for key in keys),
            threshold,
            Annotations(annotations),
            identity or Identity.of_image(),
            (formats,) if isinstance(formats, str) else tuple(formats),
        )

    def resolve(self, open_public_keys: Callable[[str], tuple[PublicKey, ...]]) -> Self:
        """The same policy with every `KeyReference` opened."""
        opened = tuple(
            TrustedKey(key.text, open_public_keys(key.text)) if isinstance(key, KeyReference) else key
            for key in self.keys
        )
        return replace(self, keys=opened)

    def select(self, image: Reference | None) -> Rule:
        """The rule for an image of that name. One rule stands for all images until policies come from files.

        Raises:
            InvalidArgument: fewer distinct keys than the threshold asks for, or a key that was not opened.
        """
        for key in self.keys:
            if isinstance(key, KeyReference):
                raise InvalidArgument(f"policy: key {key.text} was not opened", hint="call Policy.resolve first")
        distinct = _merge(key for key in self.keys if isinstance(key, TrustedKey))
        threshold = len(distinct) if self.threshold is None else self.threshold
        if threshold > len(distinct):
            raise InvalidArgument(
                f"policy: {threshold} distinct keys are asked for, but only {len(distinct)} of the keys given differ"
            )
        return Rule(TrustAnchors(distinct), threshold, self.annotations, self.identity, self.formats)


def _trusted(key: KeyLike) -> TrustedKey | KeyReference:
    if isinstance(key, TrustedKey):
        return key
    if isinstance(key, bytes) or (isinstance(key, str) and "-----BEGIN " in key):
        key = PublicKey.from_pem(key)
    if isinstance(key, str):
        return KeyReference(key)
    if isinstance(key, PublicKey):
        return TrustedKey(key.fingerprint, (key,))
    public_keys = key.public_keys if isinstance(key, HasPublicKeys) else tuple(key)
    if not public_keys or not all(isinstance(item, PublicKey) for item in public_keys):
        raise InvalidArgument(
            "policy: a key that holds no public key",
            hint="give PEM text, a file, a key URI, a PublicKey or an open key",
        )
    return TrustedKey(public_keys[0].fingerprint, public_keys)


def _merge(keys: Iterable[TrustedKey]) -> tuple[TrustedKey, ...]:
    """Keys that share a public key are one signer, under the first one's name: it counts once (CVE-2026-49834)."""
    merged: list[TrustedKey] = []
    for key in keys:
        shared = [other for other in merged if set(other.public_keys) & set(key.public_keys)]
        public_keys = dict.fromkeys(item for other in (*shared, key) for item in other.public_keys)
        one = TrustedKey(shared[0].name if shared else key.name, tuple(public_keys))
        if shared:
            merged[merged.index(shared[0])] = one
            merged = [other for other in merged if other not in shared[1:]]
        else:
            merged.append(one)
    return tuple(merged)
