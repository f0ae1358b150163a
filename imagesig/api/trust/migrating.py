"""`migrate_trust`: the tags that Docker Content Trust names, signed again in today's formats."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig.api.outcome import Outcome, document_of, result_or_error
from imagesig.api.sign.signature_run import Plan, plan
from imagesig.api.sign.signed_image import MadeSignature, SignedImage, signed_image
from imagesig.api.sign.signing_job import SigningJob, signing_job
from imagesig.api.sign.signing_many import OnKeyError, SigningRun, check_run, opened_key, signed_tasks
from imagesig.api.stored_signatures import images_of
from imagesig.api.trust.trusted_tags import TrustedRepository, TrustedTag, TrustReading
from imagesig.arguments import checks_arguments
from imagesig.concurrency import WORKERS, in_threads
from imagesig.content_trust.servers import TrustServers
from imagesig.deadlines import deadline as until
from imagesig.errors import ImageNotFound, ImagesigError, MalformedError, NotFound
from imagesig.formats import DEFAULT_FORMATS, Format
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.keys.provider import SigningKey
from imagesig.naming import PathLike
from imagesig.oci.annotations import Annotations
from imagesig.oci.reference import Reference
from imagesig.text import quote
from imagesig.trust import ContentTrust

if TYPE_CHECKING:
    from imagesig.witnesses import Witnesses

SIGNERS_ANNOTATION = "imagesig.content-trust.signers"
"""The annotation of a migrated signature that names the signers in the trust data: `alice,bob`, or `Repo Admin`."""
_BATCH = 256
"""Digests that are signed together: 200 tags are one call to a key in a service."""
_READERS = 4
"""Repositories whose trust data are read at the same time, and as many ahead of signing."""

MigrationState = Literal["migrated", "present", "planned", "unsigned"]
"""`present`: this key had signed it already. `unsigned`: the trust data do not name the tag."""


class MigratedTag(Struct, frozen=True):
    """The result for one tag.

    `digest` is the one that the trust data name, `signers` are theirs, and `registry_digest` is what the registry's tag
    means now, empty if there is no such tag; if it is another one, the tag has `moved`. `expired` is the day on which
    the trust data expired, if that was accepted. Warnings about a repository are those of its first tag.
    """

    image: str
    state: MigrationState
    digest: str = ""
    pinned: str = ""
    signers: tuple[str, ...] = ()
    registry_digest: str = ""
    moved: bool = False
    expired: str = ""
    key_id: str = ""
    public_key: str = ""
    signatures: tuple[MadeSignature, ...] = ()
    warnings: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the tag. It has JSON types only."""
        return document_of(self)


@checks_arguments
def migrate_trust(
    repositories: Iterable[str],
    key: str | PathLike | SigningKey,
    trust: ContentTrust,
    *,
    formats: Iterable[str | Format] = DEFAULT_FORMATS,
    recursive: bool = True,
    dry_run: bool = False,
    accept_expired: bool = False,
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
    trust_servers: TrustServers | None = None,
    workers: int = WORKERS,
    deadline: float | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
    on_key_error: OnKeyError = "raise",
) -> Generator[Outcome[MigratedTag], None, None]:
    """Signs every tag that trust data (Docker Content Trust) name, and gives an outcome for each tag as it finishes.

    The trust data are verified first. A tag is signed by the digest that they name, never by what the registry's tag
    means now, with the tag as the name in the signature, and the signers as its annotation
    `imagesig.content-trust.signers`. Running it again completes what failed, and adds nothing to what is signed.
    `repositories` is read step by step.

    Args:
        repositories: `REPOSITORY` for all its tags, or `REPOSITORY:TAG`.
        key: as of `sign`.
        trust: the trust server, the pins of its root keys, and signers who must all have signed a tag.
        formats, recursive, dry_run, witnesses: as of `sign`.
        accept_expired: use trust data that have expired, such as a backup of a server that has ended. Everything else
            is verified as usual.
        now: the time to judge the trust data at, and to write into signatures; the clock's by default.
        trust_servers: how trust data are read; `TrustServers(backup=FOLDER)` reads a folder in place of a server.
        workers, deadline, transport, timeout, on_key_error: as of `sign_many`.

    Outcomes have these errors, among others: `ImageNotFound`, the registry no longer has the digest;
    `NoSignatureAccepted`, the trust data have expired, lack a signer or cannot be verified; `NoSignatures`, there are
    none, or a tag that was named is not in them. An unsigned tag of the registry is no error.

    Raises:
        InvalidArgument: immediately, if a format is invalid or `workers` < 1.
        KeyProviderError: as of `sign_many`.
    """
    check_run(workers, on_key_error, "migrate_trust")
    given, at = images_of(repositories, "migrate_trust"), now or datetime.now(UTC)
    job = signing_job(formats=formats, recursive=recursive, dry_run=dry_run, now=at, witnesses=witnesses)
    ends = None if deadline is None else time.monotonic() + deadline
    opener = ImageOpener(transport, timeout)
    reading = TrustReading(trust, trust_servers or TrustServers(), opener, at, accept_expired)
    with contextlib.ExitStack() as opened:
        run = SigningRun(opened_key(key, opened), job, workers, ends, on_key_error, _BATCH, signed_image, "migrated")
        opened.callback(opener.close)
        if trust_servers is None:
            opened.callback(reading.servers.close)
        return _outcomes(given, reading, run, opened.pop_all())


_Run = SigningRun[SignedImage]


class _Task(Struct, frozen=True):
    """One trusted manifest of a repository with all its tags, or only outcomes that are known already."""

    index: int
    given: str
    repository: TrustedRepository | None = None
    tags: tuple[TrustedTag, ...] = ()
    job: SigningJob | None = None
    known: tuple[Outcome[MigratedTag], ...] = ()
    warnings: tuple[str, ...] = ()
    now: dict[str, str] = field(default_factory=dict)
    """What each tag means in the registry: filled by `plans`."""

    def plans(self) -> Sequence[Plan]:
        if self.repository is None or self.job is None:
            return ()
        home, made = self.repository.home, []
        with until(home.timeout):
            for item in self.tags:
                self.now[item.tag] = _digest_now(home, item.tag)
        for item in self.tags:
            name = Reference(self.repository.name.domain, self.repository.name.path, item.tag)
            signers = Annotations({SIGNERS_ANNOTATION: ",".join(item.signers)})
            # The image has the tag in its name, which is signed, and is read by the digest.
            image = replace(home, target=item.digest, name=name)
            made.append(plan(image, replace(self.job, annotations=signers)))
            self.repository.check_size(item, made[-1].signatures[0].target.descriptor.size)
        return made

    def name(self, item: TrustedTag) -> str:
        return f"{self.repository.name.repository}:{item.tag}" if self.repository else self.given


def _digest_now(image: Image, tag: str) -> str:
    """The digest of a tag in the registry; empty if it has none, or one that cannot be read: it does not decide."""
    try:
        return image.home.resolve(tag).digest
    except (NotFound, MalformedError):
        return ""


def _outcomes(
    given: Iterable[object], reading: TrustReading, run: _Run, opened: contextlib.ExitStack
) -> Generator[Outcome[MigratedTag], None, None]:
    tasks = _tasks(given, reading, run)
    with opened, contextlib.closing(tasks), contextlib.closing(signed_tasks(tasks, run)) as finished:
        for task, made in finished:
            yield from task.known
            yield from _of_tags(task, made, run)


def _tasks(given: Iterable[object], reading: TrustReading, run: _Run) -> Generator[_Task, None, None]:
    def read(item: tuple[int, object]) -> TrustedRepository | ImagesigError:
        return result_or_error(_shown(item[1]), run.seconds_left, lambda: reading.read(item[1]))

    found = in_threads(enumerate(given), read, workers=_READERS, window=2 * _READERS, in_order=True)
    with contextlib.closing(found):
        for (index, item), repository in found:
            if isinstance(repository, ImagesigError):
                failed = Outcome[MigratedTag](_shown(item), index, error=repository, asked="migrated")
                yield _Task(index, _shown(item), known=(failed,))
            else:
                yield from _tasks_of(index, repository, run)


def _tasks_of(index: int, repository: TrustedRepository, run: _Run) -> Iterator[_Task]:
    name, warnings = repository.name.repository, repository.warnings
    for manifest, tags in repository.trusted.items():
        yield _Task(index, f"{name}@{manifest.digest}", repository, tuple(tags), run.job, warnings=warnings)
        warnings = ()
    others = [
        Outcome[MigratedTag](f"{name}:{tag}", index, error=error, asked=run.asked)
        for tag, error in repository.refused.items()
    ]
    for tag in repository.unsigned:
        unsigned = MigratedTag(f"{name}:{tag}", "unsigned", warnings=warnings)
        others.append(Outcome(unsigned.image, index, unsigned, asked=run.asked))
        warnings = ()
    for start in range(0, len(others), _BATCH):
        yield _Task(index, name, known=tuple(others[start : start + _BATCH]))


def _of_tags(task: _Task, made: Outcome[tuple[SignedImage, ...]], run: _Run) -> Iterator[Outcome[MigratedTag]]:
    for number, item in enumerate(task.tags):
        image = task.name(item)
        if made.error is not None:
            yield Outcome(image, task.index, error=_failure(task, item, made.error), asked=run.asked)
        elif made.result is not None:
            warnings = task.warnings if number == 0 else ()
            result = _migrated(image, item, made.result[number], task.now.get(item.tag, ""), warnings)
            yield Outcome(image, task.index, result, asked=run.asked)


def _migrated(image: str, item: TrustedTag, signed: SignedImage, now: str, warnings: tuple[str, ...]) -> MigratedTag:
    states = {signature.state for signature in signed.signatures}
    state: MigrationState = "planned" if "planned" in states else "migrated" if "attached" in states else "present"
    if not now:
        warnings += (f"{image}: the registry's tag is gone or cannot be read; {item.digest} is there",)
    return MigratedTag(
        image=image,
        state=state,
        digest=item.digest,
        pinned=signed.pinned,
        signers=item.signers,
        registry_digest=now,
        moved=now not in ("", item.digest),
        expired=item.expired,
        key_id=signed.key_id,
        public_key=signed.public_key,
        signatures=signed.signatures,
        warnings=(*warnings, *signed.warnings),
    )


def _failure(task: _Task, item: TrustedTag, error: ImagesigError) -> ImagesigError:
    """The error of a digest for one of its tags."""
    if not isinstance(error, ImageNotFound):
        return error
    now = task.now.get(item.tag)
    meant = f"the tag means {now} now" if now else "the tag is gone too"
    return ImageNotFound(
        f"{task.name(item)}: the registry no longer has {item.digest}, which the trust data name; {meant}",
        hint="nothing can be migrated; sign what the tag means now, if you have verified it",
    )


def _shown(given: object) -> str:
    return given if isinstance(given, str) else quote(given)
