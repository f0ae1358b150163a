"""The options of `sign` and `sign_many`, checked before anything is read or written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from imagesig.api.removing import anchors_of
from imagesig.errors import InvalidArgument
from imagesig.formats import DEFAULT_FORMATS, Format, select_formats
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.policy import KeyLike
from imagesig.text import quote
from imagesig.trust import TrustAnchors

if TYPE_CHECKING:
    from imagesig.witnesses import Witnesses


class SigningJob(Struct, frozen=True):
    """What is the same for all images of a run."""

    formats: tuple[Format, ...]
    annotations: Annotations
    identity: str
    recursive: bool
    dry_run: bool
    replaced_keys: TrustAnchors | None
    now: datetime
    witnesses: Witnesses | None


def signing_job(
    *,
    formats: Iterable[str | Format] = DEFAULT_FORMATS,
    annotations: Mapping[str, str] = NO_ANNOTATIONS,
    identity: str = "",
    recursive: bool = True,
    dry_run: bool = False,
    replace: str | Sequence[KeyLike] = (),
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
) -> SigningJob:
    """The options of `sign`, checked. Raises `InvalidArgument`, `KeyProviderError`."""
    chosen = select_formats(formats)
    signable = _signable(annotations)
    old = (replace,) if isinstance(replace, str) else tuple(replace)
    replaced_keys = anchors_of(old) if old else None
    return SigningJob(
        chosen, signable, identity, recursive, dry_run, replaced_keys, now or datetime.now(UTC), witnesses
    )


def _signable(annotations: Mapping[str, str]) -> Annotations:
    for name, value in annotations.items():
        if not _is_text(name) or not _is_text(value) or not name:
            raise InvalidArgument(f"annotation {quote(name)}={quote(value)}: a name and a value in Unicode are needed")
    return Annotations(annotations)


def _is_text(value: object) -> bool:
    """Whether it encodes: a lone surrogate, made of a byte that is not UTF-8, would be signed as something else."""
    return isinstance(value, str) and value.encode("utf-8", "replace").decode() == value
