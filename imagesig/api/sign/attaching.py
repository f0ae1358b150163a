"""The last steps of signing: new signatures are stored, each for itself, and what was stored is settled."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from imagesig.api.sign.audit import record_signature
from imagesig.api.sign.signature_run import Drafted, PlannedSignature, Sealed
from imagesig.deadlines import deadline
from imagesig.errors import AttachIncomplete, DeadlineExceeded, ImagesigError, Unreachable
from imagesig.format_names import Storage
from imagesig.logs import Logger
from imagesig.signature import is_attestation
from imagesig.stores import STORES
from imagesig.stores.store import Settle

logger = Logger("imagesig")


class Unsettled(Struct, frozen=True):
    """A signature that is stored, and how to make sure that no other writer dropped it."""

    planned: PlannedSignature
    confirm: Settle


class Attached(Struct, frozen=True):
    """An image whose new signatures are stored."""

    drafted: Drafted
    unsettled: tuple[Unsettled, ...]


class AttachRecord:
    """The names of the new signatures, of those that are attached, and why others could not be stored. Thread-safe."""

    def __init__(self, drafted: Iterable[Drafted]) -> None:
        new = [planned for item in drafted for planned, _ in item.new]
        self._names = [planned.name for planned in new]
        self.noun = "attestation" if new and is_attestation(new[0].claim) else "signature"
        self.attached: list[str] = []
        self.refused: dict[str, ImagesigError] = {}

    def check(self) -> None:
        """Raises the first error of a signature that could not be stored."""
        for error in self.refused.values():
            raise error

    def incomplete(self, cause: ImagesigError) -> ImagesigError:
        """The error that says what is attached in spite of `cause`; `cause` itself if nothing is."""
        if not self.attached:
            return cause
        missing = [name for name in self._names if name not in self.attached]
        return AttachIncomplete(
            f"{len(self.attached)} of {len(self._names)} {self.noun}s were attached; missing: {cause}",
            attached=self.attached,
            missing=missing,
            reasons=[str(self.refused.get(name, cause)) for name in missing],
            cause=cause,
            hint=cause.hint or "sign again: what is there stays, what is missing is added",
        )


def attach(sealed: Sealed, record: AttachRecord) -> Attached:
    """Stores the new signatures of one image and records each; `settle` them once all images are attached.

    One that the registry does not take does not keep the others from being stored: `AttachRecord.check` raises its
    error afterwards. An archive takes all of them or none.
    """
    if not sealed.signatures:
        return Attached(sealed.drafted, ())
    try:
        return _stored(sealed, record)
    finally:
        for planned, _ in sealed.signatures:
            record_signature(planned, sealed.drafted.signer, attached=planned.name in record.attached)


def _stored(sealed: Sealed, record: AttachRecord) -> Attached:
    image = sealed.drafted.plan.image
    unsettled = []
    unreachable: dict[Storage, ImagesigError] = {}
    with deadline(image.timeout), image.signatures.transaction() as at_once:
        for planned, stored in sealed.signatures:
            storage = planned.format.storage
            try:
                if storage in unreachable:
                    raise unreachable[storage]  # after all attempts: it is not asked again
                settle = STORES[storage].attach(image.signatures, planned.target.descriptor, stored)
            except ImagesigError as error:
                if at_once or isinstance(error, DeadlineExceeded):
                    raise
                record.refused[planned.name] = error
                if isinstance(error, Unreachable):
                    unreachable[storage] = error
                continue
            unsettled.append(Unsettled(planned, settle))
            if not at_once:
                record.attached.append(planned.name)
    if at_once:
        record.attached.extend(planned.name for planned, _ in sealed.signatures)
    if not record.refused:
        logger.info("attested %s" if record.noun == "attestation" else "signed %s", image)
    return Attached(sealed.drafted, tuple(unsettled))


def settle(item: Unsettled, record: AttachRecord) -> None:
    """Makes sure that no other writer dropped the signature; if it fails, the signature is recorded as missing."""
    record.attached.remove(item.planned.name)
    with deadline(item.planned.image.timeout):
        item.confirm()
    record.attached.append(item.planned.name)
