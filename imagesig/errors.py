"""Every exception that imagesig raises.

::

    ImagesigError                     the root: `.hint` says what to do, `.retryable` whether trying again can help
    ├── InvalidArgument               the caller's own input is wrong: a reference, a URI, an option, a policy
    │   └── SignaturesUnsupported     this form of image has no place for these signatures
    ├── MissingExtra                  an optional dependency is not installed
    ├── DeadlineExceeded              the caller's deadline passed
    ├── WorkerLost                    an executor's worker died with the work, more often than it was given out again
    ├── InternalError                 something that imagesig did not foresee: a bug, please report it
    ├── KeyProviderError              a place where keys live refused or failed
    │   ├── KeyNotFound               no such key there; lists what is there where the place tells
    │   ├── KeyExists                 generating or writing would replace a key
    │   ├── KeyUnusable               disabled, deleted, wrong type or wrong usage
    │   ├── UnsupportedAlgorithm      this key or place cannot make this signature
    │   ├── AccessDenied              login or permission
    │   │   ├── SecretRequired        a PIN, passphrase or token is needed and nobody gave one
    │   │   ├── WrongSecret           the one given was refused
    │   │   └── PinLocked             the token has locked its PIN, or is one try away from it
    │   ├── KeyMismatch               the key there is not the one the caller pinned
    │   ├── BadSignature              the place returned a signature that its public key does not verify
    │   └── KeyProviderUnavailable    no answer, sealed, throttled: retryable
    ├── MalformedError                bytes from outside do not parse as what they claim to be
    │   ├── LimitExceeded             more bytes, items or depth than limits.py allows
    │   │   └── BudgetExceeded        all parts of one image together cost more than limits.py allows
    │   └── DigestMismatch            bytes are not those that their descriptor names
    ├── TransportError                a registry, layout or server could not be used
    │   ├── Unreachable               no connection, TLS failure, 429 or 5xx after the retries; never "unsigned"
    │   ├── Unauthorized              401 or 403
    │   ├── NotFound                  a blob, manifest or tag that should be there is not
    │   │   └── ImageNotFound         the image itself
    │   ├── UnexpectedResponse        an answer the protocol does not allow
    │   ├── DeletionRefused           the registry deletes nothing, or not for these credentials
    │   └── Stale                     somebody else wrote meanwhile, more often than we were willing to merge
    ├── AttachIncomplete              some signatures were attached before something failed: `.attached`, `.missing`
    ├── RemovalIncomplete             some signatures are still there: `.removed`, `.left`
    └── VerificationError             the image is not verified
        ├── NoSignatures              there is none at all: `.subject`
        ├── NoSignatureAccepted       there are some, and none (or too few) satisfied the policy: `.rejections`
        ├── RefusedByPolicy           the policy refuses this name, whatever is signed
        ├── AllowedUnverified                  the policy would let it pass without proof, which nobody allowed
        └── SignatureRejected         why one signature does not count
            ├── SignatureInvalid      no trusted key verifies these bytes
            ├── SubjectMismatch       it was made for another digest
            ├── IdentityMismatch      it was made for another repository or tag
            ├── AnnotationMismatch    a required annotation is missing or different
            ├── NotTrusted            nobody that the policy trusts vouches for the signer's certificate
            ├── Expired               the signature, its certificate or its key is not valid at the time that counts
            ├── Revoked               a certificate was revoked, or nobody could be asked whether it was
            ├── TimestampInvalid      the timestamp is missing or proves nothing
            └── FormatViolation       the strict rules of its format refuse it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from msgspec import Struct

from imagesig.text import sentence

ExitStatus = Literal[1, 2, 12, 10, 11, 13]
"""What the command exits with; of several images the status that comes first here."""
Label = Literal["unverified", "refused", "unsigned", "not found", "unreachable", "failed"]
"""The word for an error in the summary of many images, in the order of that summary."""


class ImagesigError(Exception):
    """Root of every exception imagesig raises.

    `str()` is one sentence: what failed, what was seen, what is needed. `hint`, if not empty, says what to do. Both are
    safe to print. The command reads `exit_status`, the `label` for summaries and the `summary` for reports.
    """

    retryable = False
    exit_status: ClassVar[ExitStatus] = 1
    label: ClassVar[Label] = "failed"
    summary: ClassVar[str] = "The image could not be verified."

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(sentence(message))
        self.hint = sentence(hint)

    def without_frames(self) -> Self:
        """This error without its tracebacks and those of its causes: their frames would keep all that was read."""
        unseen: list[BaseException] = [self]
        while unseen:
            error = unseen.pop()
            if error.__traceback__ is not None or error is self:
                error.__traceback__ = None
                unseen += [item for item in (error.__cause__, error.__context__) if item is not None]
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(kind: type[ImagesigError], arguments: tuple[object, ...], state: dict[str, object]) -> ImagesigError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments  # an OSError takes them in `__init__` alone, and would be empty
    error.__dict__.update(state)
    return error


class InvalidArgument(ImagesigError, ValueError):
    """The caller's own input is wrong: a reference, a key URI, an option, a policy."""

    exit_status = 2


class SignaturesUnsupported(InvalidArgument):
    """This form of image (`dir:`, an old `docker-archive:`) has no place for signatures of this kind."""


class MissingExtra(ImagesigError, ImportError):
    """An optional dependency is not installed; the hint is the pip command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs packages that are not installed", hint=f"run: pip install 'imagesig[{extra}]'")


class DeadlineExceeded(ImagesigError, TimeoutError):
    """The deadline that the caller set passed before the work was done."""

    retryable = True
    label = "unreachable"


class WorkerLost(ImagesigError):
    """An executor's worker died with its work, and so did those that were given it again. The image is not judged."""

    retryable = True


class InternalError(ImagesigError):
    """A bug in imagesig or in a package that it calls; the cause has the details. Never means "unsigned"."""

    @classmethod
    def of(cls, error: BaseException, what: object) -> InternalError:
        """The error that stands for an exception nobody foresaw. Its text is not shown: nobody knows what is in it."""
        return cls(
            f"{what}: internal error ({type(error).__name__})",
            hint="please report this with the command or the call, and the versions of imagesig and its packages",
        )


class KeyProviderError(ImagesigError):
    """A place where keys live refused or failed."""


class KeyNotFound(KeyProviderError):
    """No key of that name is there."""


class KeyExists(KeyProviderError):
    """A key of that name is there already and is never overwritten."""


class KeyUnusable(KeyProviderError):
    """The key is there but cannot sign: disabled, pending deletion, of a wrong type or usage."""


class UnsupportedAlgorithm(KeyProviderError):
    """This key, or the place where it lives, cannot make or check this kind of signature."""


class AccessDenied(KeyProviderError):
    """The login or a permission is missing."""


class SecretRequired(AccessDenied):
    """A PIN, passphrase or token is needed and no source gave one."""


class WrongSecret(AccessDenied):
    """The PIN, passphrase or credential that was given is wrong. It is never tried twice."""


class PinLocked(AccessDenied):
    """The token has locked its PIN, or one more wrong PIN would lock it."""


class KeyMismatch(KeyProviderError):
    """The key found is not the one whose public key the caller pinned."""


class BadSignature(KeyProviderError):
    """The place returned a signature that the key's own public key does not verify; it was not published."""


class KeyProviderUnavailable(KeyProviderError):
    """The place does not answer, is sealed or throttles; trying again later can help."""

    retryable = True


class MalformedError(ImagesigError, ValueError):
    """Bytes from outside do not parse as what they claim to be."""


class LimitExceeded(MalformedError):
    """More bytes, items or depth than `imagesig.limits` allows; refused before memory is taken."""


class BudgetExceeded(LimitExceeded):
    """All parts of one image together cost more than `imagesig.limits` allows. Never means "unsigned"."""


class DigestMismatch(MalformedError):
    """The bytes received are not those that the descriptor names."""


class TransportError(ImagesigError):
    """A registry, layout or server could not be used.

    `retry_after` is how many seconds to wait before trying again, where that can help and is known.
    """

    retry_after = 0.0


class Unreachable(TransportError):
    """No usable answer: connection, TLS, 429 or 5xx after the retries. Never means "unsigned"."""

    retryable = True
    label = "unreachable"


class Unauthorized(TransportError):
    """The server wants other credentials (401) or refuses these (403)."""


class NotFound(TransportError):
    """A blob, manifest or tag that should be there is not."""


class ImageNotFound(NotFound):
    """The image that the caller named does not exist there."""

    exit_status = 11
    label = "not found"
    summary = "There is no such image."


class UnexpectedResponse(TransportError):
    """The server answered something its protocol does not allow."""


class DeletionRefused(TransportError):
    """The registry deletes nothing, or not for these credentials."""


class Stale(TransportError):
    """Other writers changed the same tag more often than we were willing to merge and retry."""

    retryable = True


class AttachIncomplete(ImagesigError):
    """Attaching stopped part way. Signing the same images again completes it and adds nothing twice.

    `attached` and `missing` are names of signatures, in the order in which they were to be attached.
    """

    retryable = True

    def __init__(self, message: str, *, attached: Sequence[str], missing: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.attached = tuple(attached)
        self.missing = tuple(missing)


class RemovalIncomplete(ImagesigError):
    """Some signatures could not be taken away. `removed` and `left` say where each one is or was."""

    def __init__(self, message: str, *, removed: Sequence[str], left: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.removed = tuple(removed)
        self.left = tuple(left)


class VerificationError(ImagesigError):
    """The image is not verified. Every kind says what the command makes of it."""

    def __init_subclass__(cls, *, status: ExitStatus, label: Label, summary: str) -> None:
        super().__init_subclass__()
        cls.exit_status, cls.label, cls.summary = status, label, summary


class NoSignatures(VerificationError, status=10, label="unsigned", summary="The image carries no signature."):
    """The image is there and carries no signature in any of the formats looked for."""


class SignatureRejected(VerificationError, status=1, label="failed", summary=ImagesigError.summary):
    """Why one signature does not count. Each kind means the same for the command."""

    def __init_subclass__(cls) -> None:
        pass


class SignatureInvalid(SignatureRejected):
    """None of the trusted keys verifies these bytes."""


class SubjectMismatch(SignatureRejected):
    """The signature was made for another digest."""


class IdentityMismatch(SignatureRejected):
    """The signature was made for another repository or tag."""


class AnnotationMismatch(SignatureRejected):
    """A required annotation is missing from what was signed, or has another value."""


class NotTrusted(SignatureRejected):
    """Nobody that the policy trusts vouches for the signer's certificate, or not for this holder."""


class Expired(SignatureRejected):
    """The signature, a certificate or the trusted key is not valid at the time that counts."""


class Revoked(SignatureRejected):
    """A certificate was revoked, or whether it was could not be found out."""


class TimestampInvalid(SignatureRejected):
    """A timestamp is missing where the policy wants one, or what is there proves nothing."""


class FormatViolation(SignatureRejected):
    """The signature breaks a rule of its format that a strict verifier holds."""


class Rejection(Struct, frozen=True):
    """One signature that did not count: where it was found, why, and which trusted authority made it, if one did."""

    origin: str
    error: ImagesigError
    authority: str = ""

    def __post_init__(self) -> None:
        self.error.without_frames()

    def __str__(self) -> str:
        return f"{self.origin}: {self.error}"


class Finding(Struct, frozen=True):
    """What was found of one authority that a rule names: origins of the signatures that count, reasons for the others.

    Neither means that no signature of this authority was there.
    """

    authority: str
    accepted: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.accepted:
            return f"{self.authority}: signed"
        return f"{self.authority}: {'; '.join(self.reasons) or 'no signature found'}"


class NoSignatureAccepted(
    VerificationError,
    status=12,
    label="refused",
    summary="The image has signatures, and they do not satisfy the policy.",
):
    """There are signatures, and they do not satisfy the policy.

    `rejections` has the reason for each; `findings` says the same by authority.
    """

    def __init__(
        self, message: str, *, rejections: Sequence[Rejection], findings: Sequence[Finding] = (), hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.rejections = tuple(rejections)
        self.findings = tuple(findings)


class RefusedByPolicy(VerificationError, status=12, label="refused", summary="The policy refuses images of this name."):
    """The policy refuses every image of this name, or has no rule for it."""


class AllowedUnverified(
    VerificationError, status=13, label="unverified", summary="The policy lets the image pass without proof."
):
    """The policy lets the image pass without proof, which the caller did not allow. `reasons` says what is missing."""

    def __init__(self, message: str, *, reasons: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reasons = tuple(reasons)
