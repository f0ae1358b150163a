"""The options of `sign` and `sign_many`, checked before anything is read or written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from imagesig.api.removing import anchors_of
from imagesig.arguments import checks_options_of
from imagesig.errors import InvalidArgument
from imagesig.formats import DEFAULT_FORMATS, Format, select_formats
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations, check_annotations
from imagesig.policy import KeyLike
from imagesig.policy.authority import keys_of
from imagesig.signature import StatementClaim
from imagesig.trust import TrustAnchors

if TYPE_CHECKING:
    from imagesig.witnesses import Witnesses


class SigningJob(Struct, frozen=True):
    """What is the same for all images of a run. `chosen` says whether the caller chose the formats."""

    formats: tuple[Format, ...]
    annotations: Annotations
    identity: str
    recursive: bool
    dry_run: bool
    replaced_keys: TrustAnchors | None
    now: datetime
    witnesses: Witnesses | None
    chosen: bool = True
    statement: StatementClaim | None = None
    """What is attested, in place of signing: a claim whose subject is each image."""

    @property
    def noun(self) -> str:
        """What the job makes, for people."""
        return "signature" if self.statement is None else "attestation"


@checks_options_of("sign")
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
    given = formats if isinstance(formats, str) else tuple(formats)
    chosen = select_formats(given)
    signable = check_annotations(annotations, "annotation")
    try:
        old = keys_of(replace)
        replaced_keys = anchors_of(old) if old else None
    except InvalidArgument as error:
        raise InvalidArgument(f"replace: {error}", hint=error.hint) from error
    return SigningJob(
        chosen,
        signable,
        identity,
        recursive,
        dry_run,
        replaced_keys,
        now or datetime.now(UTC),
        witnesses,
        chosen=formats is not DEFAULT_FORMATS,
    )
