"""Every exception that imagesig raises.

::

    ImagesigError                     the root: `.hint` says what to do, `.retryable` whether trying again can help
    ├── InvalidArgument               the caller's own input is invalid: a reference, a URI, an option, a policy
    │   └── SignaturesUnsupported     this form of image cannot store these signatures
    ├── MissingExtra                  an optional dependency is not installed
    ├── DeadlineExceeded              the caller's deadline passed
    ├── WorkerLost                    an executor's worker died with the work, after all retries
    ├── InternalError                 a bug in imagesig or a package that it calls; please report it
    ├── KeyProviderError              a key store refused or failed
    │   ├── KeyNotFound               no such key; lists the keys if the store can
    │   ├── KeyExists                 generating or writing would replace a key
    │   ├── KeyUnusable               disabled, deleted, wrong type or wrong usage
    │   ├── UnsupportedAlgorithm      this key or store cannot make this signature
    │   ├── AccessDenied              login or permission
    │   │   ├── SecretRequired        a PIN, passphrase or token is needed and none was given
    │   │   ├── WrongSecret           the given one was refused
    │   │   └── PinLocked             the token has locked its PIN, or is one try away from it
    │   ├── KeyMismatch               the key is not the one that the caller pinned
    │   ├── BadSignature              the store returned a signature that its public key does not verify
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
    │   │       ├── NeverPushed       an image of an engine has no name in a registry
    │   │       └── NotInRegistry     no registry has what the engine names after it
    │   ├── UnexpectedResponse        a response that the protocol does not allow
    │   ├── DeletionRefused           the registry does not allow deletion, or not with these credentials
    │   └── Stale                     others changed the same tag more often than the retry limit
    ├── AttachIncomplete              some signatures were attached, others not: `.attached`, `.missing`, `.reasons`
    ├── RemovalIncomplete             some signatures were removed before something failed: `.removed`, `.left`
    └── VerificationError             the image is not verified
        ├── NoSignatures              there is no signature of the digest `.subject`
        ├── NoSignatureAccepted       there are signatures, and they do not satisfy the policy: `.rejections`
        ├── RefusedByPolicy           the policy refuses images with this name, signed or not
        ├── AllowedUnverified         the policy allows it without proof, which the caller did not allow
        └── SignatureRejected         why one signature is rejected
            ├── SignatureInvalid      no trusted key verifies these bytes
            ├── SubjectMismatch       it was made for another digest
            ├── IdentityMismatch      it was made for another repository or tag
            ├── AnnotationMismatch    a required annotation is missing or different
            ├── PredicateMismatch     the attestation is of another type
            ├── ConditionFailed       a condition of the policy does not hold for what was attested
            ├── NotTrusted            no trusted authority issued the signer's certificate
            ├── Expired               the signature, its certificate or its key is not valid at the relevant time
            ├── Revoked               a certificate was revoked, or its status is unknown
            ├── TimestampInvalid      the timestamp is missing or invalid
            └── FormatViolation       it breaks a strict rule of its format
"""

from __future__ import annotations

from collections.abc import Sequence

from imagesig.errors.reasons import Finding as Finding
from imagesig.errors.reasons import Rejection as Rejection
from imagesig.errors.root import ExitStatus as ExitStatus
from imagesig.errors.root import ImagesigError as ImagesigError
from imagesig.errors.root import Label as Label

_Seq = Sequence[str]


class InvalidArgument(ImagesigError, ValueError):
    """The caller's own input is invalid: a reference, a key URI, an option, a policy."""

    exit_status = 2


class SignaturesUnsupported(InvalidArgument):
    """This form of image (`dir:`, an old `docker-archive:`) or this registry cannot store signatures of this kind."""


class MissingExtra(ImagesigError, ImportError):
    """An optional dependency is not installed; the hint is the pip command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs packages that are not installed", hint=f"run: pip install 'imagesig[{extra}]'")


class DeadlineExceeded(ImagesigError, TimeoutError):
    """The caller's deadline passed before the work was done."""

    retryable = True
    label = "unreachable"


class WorkerLost(ImagesigError):
    """An executor's worker died with its work, after all retries. The image is not judged."""

    retryable = True


class InternalError(ImagesigError):
    """A bug in imagesig or in a package that it calls; the cause has the details. Never means "unsigned"."""

    @classmethod
    def of(cls, error: BaseException, what: object) -> InternalError:
        """The error for an unforeseen exception. Its text is not shown: it may contain anything."""
        return cls(
            f"{what}: internal error ({type(error).__name__})",
            hint="please report this with the command or the call, and the versions of imagesig and its packages",
        )


class KeyProviderError(ImagesigError):
    """A key store refused or failed."""


class KeyNotFound(KeyProviderError):
    """There is no key with this name."""


class KeyExists(KeyProviderError):
    """A key with this name already exists and is never overwritten."""


class KeyUnusable(KeyProviderError):
    """The key exists but cannot sign: disabled, pending deletion, of a wrong type or usage."""


class UnsupportedAlgorithm(KeyProviderError):
    """This key, or its store, cannot make or verify this kind of signature."""


class AccessDenied(KeyProviderError):
    """The login or a permission is missing."""


class SecretRequired(AccessDenied):
    """A PIN, passphrase or token is needed and no source gave one."""


class WrongSecret(AccessDenied):
    """The given PIN, passphrase or credential is wrong. It is never tried twice."""


class PinLocked(AccessDenied):
    """The token has locked its PIN, or one more wrong PIN would lock it."""


class KeyMismatch(KeyProviderError):
    """The key found is not the one that the caller pinned."""


class BadSignature(KeyProviderError):
    """The store returned a signature that the key's own public key does not verify; it was not published."""


class KeyProviderUnavailable(KeyProviderError):
    """The key store does not answer, is sealed or throttles; trying again later can help."""

    retryable = True


class MalformedError(ImagesigError, ValueError):
    """Bytes from outside do not parse as what they claim to be."""


class LimitExceeded(MalformedError):
    """More bytes, items or depth than `imagesig.limits` allows; refused before memory is taken."""


class BudgetExceeded(LimitExceeded):
    """All parts of one image together cost more than `imagesig.limits` allows. Never means "unsigned"."""


class DigestMismatch(MalformedError):
    """The received bytes are not those that the descriptor names."""


class TransportError(ImagesigError):
    """A registry, layout or server could not be used."""


class Unreachable(TransportError):
    """No usable response: connection, TLS, 429 or 5xx after the retries. Never means "unsigned"."""

    retryable = True
    label = "unreachable"


class Unauthorized(TransportError):
    """The server needs other credentials (401) or refuses these (403)."""


class NotFound(TransportError):
    """A blob, manifest or tag that should be there is not."""


class ImageNotFound(NotFound):
    """The image that the caller named does not exist there."""

    exit_status = 11
    label = "not found"
    summary = "There is no such image."


class NeverPushed(ImageNotFound):
    """The engine's image has no digest in a registry: it was built, loaded or imported, and not pushed."""

    summary = "The image was never pushed."


class NotInRegistry(ImageNotFound):
    """The engine names the image after registries, and none of them has it."""

    summary = "No registry has the image."


class UnexpectedResponse(TransportError):
    """The server sent a response that its protocol does not allow."""


class DeletionRefused(TransportError):
    """The registry does not allow deletion, or not with these credentials."""


class Stale(TransportError):
    """Other writers changed the same tag more often than the retry limit."""

    retryable = True


class _Incomplete(ImagesigError):
    """Work that stopped halfway. `cause` is why; it also decides whether trying again can help."""

    def __init__(self, message: str, *, cause: ImagesigError, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.__cause__, self.retryable, self.retry_after = cause, cause.retryable, cause.retry_after


class AttachIncomplete(_Incomplete):
    """Some signatures were attached and others were not. Signing again adds no duplicates.

    `attached` and `missing` name the signatures, in the order of attaching; `reasons` says why each of `missing` is.
    """

    lists = ("attached", "missing", "reasons")

    def __init__(
        self, message: str, *, attached: _Seq, missing: _Seq, cause: ImagesigError, reasons: _Seq = (), hint: str = ""
    ) -> None:
        super().__init__(message, cause=cause, hint=hint)
        self.attached, self.missing = tuple(attached), tuple(missing)
        self.reasons = tuple(reasons) or (str(cause),) * len(self.missing)


class RemovalIncomplete(_Incomplete):
    """Removing stopped halfway. `removed` and `left` name the places of the signatures.

    If nothing is left, only a manifest without signatures remains.
    """

    lists = ("removed", "left")

    def __init__(self, message: str, *, removed: _Seq, left: _Seq, cause: ImagesigError, hint: str = "") -> None:
        super().__init__(message, cause=cause, hint=hint)
        self.removed, self.left = tuple(removed), tuple(left)


class VerificationError(ImagesigError):
    """The image is not verified. Every kind says what the command makes of it."""

    def __init_subclass__(cls, *, status: ExitStatus, label: Label, summary: str) -> None:
        super().__init_subclass__()
        cls.exit_status, cls.label, cls.summary = status, label, summary


class NoSignatures(VerificationError, status=10, label="unsigned", summary="The image has no signature."):
    """The image has no signature in the accepted formats. `subject` is the digest that was looked for."""

    def __init__(self, message: str, *, subject: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.subject = subject


class SignatureRejected(VerificationError, status=1, label="failed", summary=ImagesigError.summary):
    """Why one signature is rejected. All kinds mean the same for the command."""

    def __init_subclass__(cls) -> None:
        pass


class SignatureInvalid(SignatureRejected):
    """No trusted key verifies these bytes."""


class SubjectMismatch(SignatureRejected):
    """The signature was made for another digest."""


class IdentityMismatch(SignatureRejected):
    """The signature was made for another repository or tag."""


class AnnotationMismatch(SignatureRejected):
    """A required annotation is missing from what was signed, or has another value."""


class PredicateMismatch(SignatureRejected):
    """The attestation is of another type than the policy needs."""


class ConditionFailed(SignatureRejected):
    """A condition of the policy does not hold for what was attested."""


class NotTrusted(SignatureRejected):
    """No trusted authority issued the signer's certificate, or its holder is not accepted."""


class Expired(SignatureRejected):
    """The signature, a certificate or the trusted key is not valid at the relevant time."""


class Revoked(SignatureRejected):
    """A certificate was revoked, or its status is unknown."""


class TimestampInvalid(SignatureRejected):
    """The timestamp that the policy needs is missing or invalid."""


class FormatViolation(SignatureRejected):
    """The signature breaks a strict rule of its format."""


class NoSignatureAccepted(
    VerificationError,
    status=12,
    label="refused",
    summary="The image has signatures, and they do not satisfy the policy.",
):
    """There are signatures, and they do not satisfy the policy.

    `rejections` has the reason for each; `findings` has the same by authority.
    """

    lists = ("rejections", "findings")

    def __init__(
        self, message: str, *, rejections: Sequence[Rejection], findings: Sequence[Finding] = (), hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.rejections = tuple(rejections)
        self.findings = tuple(findings)


class RefusedByPolicy(VerificationError, status=12, label="refused", summary="The policy refuses images of this name."):
    """The policy refuses every image with this name, or has no rule for it."""


class AllowedUnverified(
    VerificationError, status=13, label="unverified", summary="The policy allows the image without proof."
):
    """The policy allows the image without proof, which the caller did not allow. `reasons` says what is missing."""

    lists = ("reasons",)

    def __init__(self, message: str, *, reasons: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reasons = tuple(reasons)
