"""Sign and verify container images. Private keys stay in their file, token, Vault or KMS.

Public names load on first use: `import imagesig` loads no key SDK, no HTTP client and no click.
"""

from imagesig.lazy import lazy
from imagesig.version import __version__ as __version__

PUBLIC = {
    "imagesig.api.sign.signing": "sign",
    "imagesig.api.sign.signed_image": "AttestedImage MadeSignature SignedImage",
    "imagesig.api.sign.signing_many": "sign_many",
    "imagesig.api.attest.attesting": "attest",
    "imagesig.api.attest.attesting_many": "attest_many",
    "imagesig.api.sign.signing_elsewhere": "Payload attach generate_payload",
    "imagesig.api.verify.verifying": "VerificationResult verify",
    "imagesig.api.verify.verifying_many": "verify_many",
    "imagesig.api.verify.verifying_attestation": "verify_attestation",
    "imagesig.api.verify.verified_statement": "VerifiedStatement",
    "imagesig.api.outcome": "Outcome",
    "imagesig.api.stored_signatures": "ImageLike",
    "imagesig.api.explaining": "ExplainedAuthority ExplainedRequirement Explanation explain",
    "imagesig.api.inspecting": "InspectedAttestation InspectedImage InspectedSignature inspect",
    "imagesig.api.copying": "Admit CopiedImage copy",
    "imagesig.api.copy_writer": "CopiedManifest",
    "imagesig.api.removing": "RemovedImage RemovedSignature remove",
    "imagesig.api.removing_many": "remove_many",
    "imagesig.api.diagnosing": "diagnose",
    "imagesig.api.doctor.diagnosis": "Diagnosis",
    "imagesig.api.session": "Session",
    "imagesig.api.policy_file": "PolicyFile",
    "imagesig.api.worker_processes": "worker_processes",
    "imagesig.signature": "SignerInfo VerifiedSignature",
    "imagesig.policy.policy": "AuthorityLike Policy",
    "imagesig.policy.identity": "Identity",
    "imagesig.trust.anchors": "ContentTrust",
    "imagesig.content_trust.servers": "TrustServers",
    "imagesig.api.inspecting_trust": "InspectedTrust inspect_trust",
    "imagesig.keys.provider": "KeyProvider SigningKey",
    "imagesig.keys.uri": "open_key open_public_keys",
    "imagesig.keys.file.provider": "key_from_pem",
    "imagesig.crypto.algorithms": "Algorithm KeyType",
    "imagesig.crypto.public_key": "PublicKey",
    "imagesig.images.image": "Image",
    "imagesig.images.open": "Transport",
    "imagesig.images.registry.connect": "registry registry_client",
    "imagesig.images.layout.layout": "layout",
    "imagesig.images.archive.archive": "archive",
    "imagesig.images.archive.docker": "docker_archive",
    "imagesig.images.directory.directory": "directory",
    "imagesig.errors": """
        AccessDenied AllowedUnverified AnnotationMismatch AttachIncomplete BadSignature BudgetExceeded ConditionFailed
        DeadlineExceeded DeletionRefused DigestMismatch Expired Finding FormatViolation IdentityMismatch ImageNotFound
        ImagesigError InternalError InvalidArgument KeyExists KeyMismatch KeyNotFound KeyProviderError
        KeyProviderUnavailable KeyUnusable LimitExceeded MalformedError MissingExtra NeverPushed NoSignatureAccepted
        NoSignatures NotFound NotInRegistry NotTrusted PinLocked PredicateMismatch RefusedByPolicy Rejection
        RemovalIncomplete Revoked SecretRequired SignatureInvalid SignatureRejected SignaturesUnsupported Stale
        SubjectMismatch TimestampInvalid TransportError Unauthorized UnexpectedResponse Unreachable
        UnsupportedAlgorithm VerificationError WorkerLost WrongSecret
    """,
}

MODULES = "aio content_trust docker errors formats images keys policy testing trust witnesses"

__getattr__, __dir__, __all__ = lazy(__name__, PUBLIC, MODULES)
