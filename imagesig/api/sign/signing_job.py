"""The options of `sign` and `sign_many`, checked before anything is read or written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from imagesig.api.removing import anchors_of
from imagesig.errors import InvalidArgument
from imagesig.formats import DEFAULT_FORMATS, Format, select_formats
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations, check_annotations
from imagesig.policy import KeyLike
from imagesig.policy.authority import keys_of
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
    replace: KeyLike | Sequence[KeyLike] = (),
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
) -> SigningJob:
    """The options of `sign`, checked. Raises `InvalidArgument`, `KeyProviderError`."""
    if not isinstance(formats, Iterable):
        raise InvalidArgument(f"formats {quote(formats)}: names of formats are needed")
    if now is not None and not isinstance(now, datetime):
        raise InvalidArgument(f"now {quote(now)}: a time is needed")
    given = formats if isinstance(formats, str) else tuple(formats)
    for item in given:
        if not isinstance(item, str) and not hasattr(item, "storage"):
            raise InvalidArgument(f"format {quote(item)}: a name or a format is needed")
    chosen = select_formats(given)
    signable = check_annotations(annotations, "annotation")
    old = keys_of(replace)
    replaced_keys = anchors_of(old) if old else None
    return SigningJob(
        chosen, signable, identity, recursive, dry_run, replaced_keys, now or datetime.now(UTC), witnesses
    )
