"""The options of the public functions as types, for functions that pass them on: their twins in `aio`, and `*_many`.

A test holds each type and the signature of its function together. Only type checkers import this module.
"""

from imagesig.api.options.blobs import AttestBlobOptions as AttestBlobOptions
from imagesig.api.options.blobs import SignBlobOptions as SignBlobOptions
from imagesig.api.options.blobs import VerifyBlobOptions as VerifyBlobOptions
from imagesig.api.options.signing import AttachOptions as AttachOptions
from imagesig.api.options.signing import AttestingJobOptions as AttestingJobOptions
from imagesig.api.options.signing import AttestManyOptions as AttestManyOptions
from imagesig.api.options.signing import AttestOptions as AttestOptions
from imagesig.api.options.signing import PayloadOptions as PayloadOptions
from imagesig.api.options.signing import SessionAttachOptions as SessionAttachOptions
from imagesig.api.options.signing import SessionAttestManyOptions as SessionAttestManyOptions
from imagesig.api.options.signing import SessionAttestOptions as SessionAttestOptions
from imagesig.api.options.signing import SessionPayloadOptions as SessionPayloadOptions
from imagesig.api.options.signing import SessionSignManyOptions as SessionSignManyOptions
from imagesig.api.options.signing import SessionSignOptions as SessionSignOptions
from imagesig.api.options.signing import SigningJobOptions as SigningJobOptions
from imagesig.api.options.signing import SignManyOptions as SignManyOptions
from imagesig.api.options.signing import SignOptions as SignOptions
from imagesig.api.options.stored import CopyOptions as CopyOptions
from imagesig.api.options.stored import DownloadOptions as DownloadOptions
from imagesig.api.options.stored import InspectOptions as InspectOptions
from imagesig.api.options.stored import RemoveManyOptions as RemoveManyOptions
from imagesig.api.options.stored import RemoveOptions as RemoveOptions
from imagesig.api.options.stored import SessionCopyOptions as SessionCopyOptions
from imagesig.api.options.stored import SessionDownloadOptions as SessionDownloadOptions
from imagesig.api.options.stored import SessionInspectOptions as SessionInspectOptions
from imagesig.api.options.stored import SessionRemoveManyOptions as SessionRemoveManyOptions
from imagesig.api.options.stored import SessionRemoveOptions as SessionRemoveOptions
from imagesig.api.options.stored import SessionTreeOptions as SessionTreeOptions
from imagesig.api.options.stored import TreeOptions as TreeOptions
from imagesig.api.options.trust import InspectTrustOptions as InspectTrustOptions
from imagesig.api.options.trust import MigrateTrustOptions as MigrateTrustOptions
from imagesig.api.options.trust import RemoveSignerOptions as RemoveSignerOptions
from imagesig.api.options.trust import RotateTrustKeyOptions as RotateTrustKeyOptions
from imagesig.api.options.trust import SessionInspectTrustOptions as SessionInspectTrustOptions
from imagesig.api.options.trust import SessionMigrateTrustOptions as SessionMigrateTrustOptions
from imagesig.api.options.trust import SessionRemoveSignerOptions as SessionRemoveSignerOptions
from imagesig.api.options.trust import SessionRotateTrustKeyOptions as SessionRotateTrustKeyOptions
from imagesig.api.options.trust import SessionTrustChangeOptions as SessionTrustChangeOptions
from imagesig.api.options.trust import SignTrustOptions as SignTrustOptions
from imagesig.api.options.trust import TrustChangeOptions as TrustChangeOptions
from imagesig.api.options.verifying import ExplainOptions as ExplainOptions
from imagesig.api.options.verifying import SessionExplainOptions as SessionExplainOptions
from imagesig.api.options.verifying import SessionVerifyAttestationOptions as SessionVerifyAttestationOptions
from imagesig.api.options.verifying import SessionVerifyManyOptions as SessionVerifyManyOptions
from imagesig.api.options.verifying import SessionVerifyOptions as SessionVerifyOptions
from imagesig.api.options.verifying import VerifyAttestationOptions as VerifyAttestationOptions
from imagesig.api.options.verifying import VerifyManyOptions as VerifyManyOptions
from imagesig.api.options.verifying import VerifyOptions as VerifyOptions
