"""BuildKit's statements in an image index, proven by signatures of that index: index, manifest, layer, each by digest.

Without an accepted signature of the index itself they prove nothing. A signature of one of its images does not cover
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig import limits
from imagesig.api.stored_signatures import Stored, resolve
from imagesig.api.verify.subjects import Manifest
from imagesig.effort import Cost
from imagesig.errors import (
    BudgetExceeded,
    FormatViolation,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    NotFound,
    Rejection,
    SignatureRejected,
    SubjectMismatch,
    TransportError,
    Unauthorized,
)
from imagesig.format_names import READERS
from imagesig.images.buildkit import BuildKitManifest, BuildKitStatement, manifests_in, statements_in
from imagesig.in_toto.statement import parse_statement
from imagesig.oci.manifest import INDEX_TYPES, Index, parse_index, parse_manifest
from imagesig.policy import Rule, Signed
from imagesig.policy.attested import Attested
from imagesig.policy.judge_statements import IndexJudge, SignedIndex, StatementJudge
from imagesig.signature import StatementClaim, VerifiedSignature
from imagesig.stores.store import Reading, pay
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.api.verify.evidence import Evaluation


_Read = TypeVar("_Read")


class _ListedStatement(Struct, frozen=True):
    """A statement in the index about one of its images, not read yet. `origin` is its place."""

    statement: BuildKitStatement
    image: str
    origin: str


class IndexStatements(Struct, dict=True):
    """The statements in the index with this digest, and those that its signatures prove.

    `unread` has the errors of what could not be read. `unsigned` is true if there are statements of a needed type, and
    the index is not signed.
    """

    evaluation: Evaluation
    manifest: Manifest
    unread: Stored = field(default_factory=Stored)
    unsigned: bool = False
    _failures: int = 0

    def add_to(self, judge: StatementJudge) -> None:
        """Adds the statements that the index proves to the judge of a requirement."""
        images, listed = self._images, self._of_type(judge.requirement.predicate_type)
        if (images and listed) or self.unread.rejections:
            signatures = self._signatures(judge)
            if signatures:
                index = SignedIndex(self.manifest.digest, images, signatures)
                self._judge(IndexJudge(judge.requirement, index, judge.now), listed, judge)

    def _judge(self, of_index: IndexJudge, listed: Sequence[_ListedStatement], judge: StatementJudge) -> None:
        if len(listed) > limits.ATTESTATIONS:
            self.unread.limited = LimitExceeded(f"{len(listed)} statements, at most {limits.ATTESTATIONS} are read")
        rejections = list(self.unread.rejections)
        for item in sorted(listed, key=lambda item: item.statement.blob.size)[: limits.ATTESTATIONS]:
            if self._is_over:
                break
            claim = self._reading(item.origin, partial(self._claim, item), rejections)
            if claim is not None:
                of_index.add(claim, item.image, item.origin)
        of_index.conclude(judge)
        for rejection in rejections:
            judge.reject_signed(rejection)

    @cached_property
    def _index(self) -> Index | None:
        """The index; None for an image of one platform, and for one that cannot be read."""
        image, digest = self.evaluation.image, self.manifest.digest

        def read() -> Index | None:
            found = self.manifest.descriptor or resolve(image, digest)
            if found.media_type not in INDEX_TYPES:
                return None
            content = image.home.read(found, limit=limits.MANIFEST_BYTES)
            return parse_index(content, found.media_type, f"{image}: index {digest}")

        return self._reading(f"{image.home.name}@{digest}", read)

    @cached_property
    def _statement_manifests(self) -> tuple[BuildKitManifest, ...]:
        found = manifests_in(self._index) if self._index is not None else ()
        return tuple(dict.fromkeys(item for item in found if item.is_no_image))

    @cached_property
    def _images(self) -> tuple[str, ...]:
        """The images for which a statement is needed: the one that was asked for, or each that the index lists."""
        # By entry: the manifest of a statement may be listed for a platform too, and then an engine may run it.
        statements = {item.descriptor for item in self._statement_manifests}
        listed = self._index.manifests if self._index is not None else ()
        images = tuple(dict.fromkeys(item.digest for item in listed if item not in statements))
        return tuple(item for item in images if item == self.manifest.child) if self.manifest.child else images

    @cached_property
    def _listed(self) -> tuple[_ListedStatement, ...]:
        """The statements about these images."""
        return tuple(listed for item in self._statement_manifests for listed in self._in_manifest(item))

    def _in_manifest(self, item: BuildKitManifest) -> Iterator[_ListedStatement]:
        home, descriptor = self.evaluation.image.home, item.descriptor
        origin = f"{home.name}@{descriptor.digest}"
        if item.subject not in self._images:
            if not self.manifest.child:
                error = SubjectMismatch(f"it is about {item.subject}, which the index does not list as an image")
                self.unread.rejections.append(Rejection(origin, error))
            return

        if self._is_over:
            return

        def read() -> tuple[BuildKitStatement, ...]:
            pay(Cost.MANIFEST_BYTES, descriptor, limits.SIGNATURE_MANIFEST_BYTES, origin)
            content = self._blobs.read(descriptor, limits.SIGNATURE_MANIFEST_BYTES)
            return tuple(statements_in(parse_manifest(content, descriptor.media_type, origin, needs_config=False)))

        for place, statement in enumerate(self._reading(origin, read) or ()):
            yield _ListedStatement(statement, item.subject, f"{origin} statement {place}")

    @property
    def types(self) -> tuple[str, ...]:
        """The types that the manifests give for these statements, for people. Nothing is proven of them."""
        return tuple(
            dict.fromkeys(item.statement.predicate_type for item in self._listed if item.statement.predicate_type)
        )

    def _of_type(self, predicate_type: str) -> tuple[_ListedStatement, ...]:
        """The statements whose manifest gives this type, or none."""
        return tuple(item for item in self._listed if item.statement.predicate_type in (predicate_type, ""))

    @cached_property
    def _blobs(self) -> Reading:
        return Reading(self.evaluation.image.home)

    def _claim(self, listed: _ListedStatement) -> StatementClaim:
        blob, named = listed.statement.blob, listed.statement.predicate_type
        pay(Cost.STATEMENT_BYTES, blob, limits.ATTESTATION_BYTES, listed.origin)
        claim = parse_statement(self._blobs.read(blob, limits.ATTESTATION_BYTES)).claim
        if named and claim.predicate_type != named:
            raise FormatViolation(
                f"its manifest gives the type {quote(named)}, and it has {quote(claim.predicate_type)}"
            )
        return claim

    def _signatures(self, judge: StatementJudge) -> tuple[tuple[VerifiedSignature, ...], ...]:
        """The signatures of the index that authorities of the requirement accept: each one once for each authority.

        Of one authority's signatures by one key the first is enough, unless an expression may tell them apart.
        """
        # speed: a circle otherwise; most rules need no attestation
        from imagesig.api.verify.evidence import StoredEvidence

        signed = _signed(judge.requirement)
        rule = Rule(signed, self.evaluation.rule.name)
        evidence = StoredEvidence(replace(self.evaluation, rule=rule, named=None), self.manifest)
        found: dict[str, dict[str, VerifiedSignature]] = {}
        seen: set[tuple[str, bytes]] = set()
        for requirement in signed:
            try:
                accepted = evidence.signatures(requirement).accepted
            except NoSignatures:
                self.unsigned = bool(self._of_type(judge.requirement.predicate_type))
                return ()
            except NoSignatureAccepted as error:
                for rejection in error.rejections if requirement is signed[-1] and not found else ():
                    judge.reject(rejection)
                continue
            except LimitExceeded as error:
                self.unread.limited = self.unread.limited or error
                continue
            except TransportError as error:
                self.unread.failed = self.unread.failed or error
                continue
            for item in accepted:
                signer = item.authority, item.public_key.spki
                # Without an authority, only a missing certification is logged: that proves nothing.
                if item.authority and (signer not in seen or judge.requirement.cel):
                    seen.add(signer)
                    found.setdefault(item.origin, {})[item.authority] = item
        return tuple(tuple(variants.values()) for variants in found.values())

    def _reading(
        self, origin: str, read: Callable[[], _Read], rejections: list[Rejection] | None = None
    ) -> _Read | None:
        """The value of `read`; None, and an error in `unread`, if it cannot be read."""
        try:
            return read()
        except (MalformedError, SignatureRejected, NotFound) as error:
            if isinstance(error, BudgetExceeded):
                self.unread.limited = self.unread.limited or error
            (self.unread.rejections if rejections is None else rejections).append(Rejection(origin, error))
        except TransportError as error:
            self.unread.failed = self.unread.failed or error
            self._failures += 1
        return None

    @property
    def _is_over(self) -> bool:
        """Whether asking the home for more is pointless."""
        return isinstance(self.unread.failed, Unauthorized) or self._failures >= limits.UNREAD_BLOBS


def _signed(requirement: Attested) -> tuple[Signed, ...]:
    """A requirement for a signature by each authority, so that none takes the place of another."""
    formats = tuple(name for name in requirement.formats if name in READERS)
    return tuple(
        Signed(
            (item,),
            formats=formats,
            timestamps=requirement.timestamps,
            enforcement=requirement.enforcement,
            identity=requirement.identity,
        )
        for item in requirement.authorities
    )
