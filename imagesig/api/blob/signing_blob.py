"""`sign_blob`: a signature over a file, a stream or bytes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from imagesig import limits
from imagesig.api.blob.reading_blob import Blob, BlobLike, read_blob
from imagesig.api.sign.audit import record_blob_signature
from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import Algorithm, Hash, ToSign
from imagesig.crypto.public_key import PublicKey
from imagesig.deadlines import deadline
from imagesig.errors import InvalidArgument
from imagesig.formats.blob_bundle import NAME, message_bundle
from imagesig.formats.bundle import Bundle
from imagesig.formats.other_messages import MessageScan
from imagesig.keys.provider import SigningKey
from imagesig.keys.uri import open_key
from imagesig.naming import PathLike
from imagesig.signature import Claim, Subject


class SignedBlob(Struct, frozen=True):
    """A signature over a blob. `signature` is the raw bytes, DER for ECDSA; `bundle` is a Sigstore bundle (JSON)."""

    name: str
    size: int
    digest: str
    signature: bytes
    bundle: bytes
    algorithm: Algorithm
    key_id: str
    public_key: PublicKey

    @property
    def base64(self) -> str:
        """The signature in base64 on one line, as cosign and openssl write it."""
        return base64.b64encode(self.signature).decode("ascii")

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the blob. It has JSON types only."""
        return {
            "name": self.name,
            "size": self.size,
            "digest": self.digest,
            "signature": self.base64,
            "algorithm": str(self.algorithm),
            "key": self.key_id,
            "public_key": self.public_key.fingerprint,
        }


@checks_arguments
def sign_blob(
    blob: BlobLike,
    key: str | PathLike | SigningKey,
    *,
    certificates: bool = False,
    timeout: float = limits.OPERATION_SECONDS,
) -> SignedBlob:
    """Signs a file (its path), a stream or bytes.

    The blob is read once in pieces, and its digest is signed. Ed25519 keys, and providers that sign no digests, need
    the blob in memory, at most `limits.BLOB_MESSAGE_BYTES`. `certificates` puts the key's certificate into the bundle.
    `timeout` is the number of seconds for opening the key and signing; it does not limit reading.

    Raises:
        InvalidArgument: the blob cannot be read, or is the message of another kind of signature; or the key has no
            certificate.
        LimitExceeded: the blob is too large for a key that signs no digests.
        UnsupportedAlgorithm: the key signs with no algorithm that others verify.
        KeyProviderError: the key cannot be opened, or cannot sign.
    """
    with opened_key(key, timeout) as signing:
        info = signing.info
        format_ = Bundle(certificates=certificates)
        algorithm = format_.algorithm_of(info, "blob")
        format_.chain_of(info, "blob")
        scan = MessageScan()
        found = read_blob_to_sign(blob, signing, algorithm, scan.add)
        _check_is_no_message(found, scan)
        with deadline(timeout):
            signer, (signature,) = signing.signed([request_for(found, signing, algorithm)])
    record_blob_signature(found.name, Claim((Subject(found.digest),)), NAME, signer)
    used = algorithm.hash or Hash.SHA256
    bundle = message_bundle(signature, used, found.digests[used], signer.public_key, format_.chain_of(signer, "blob"))
    return SignedBlob(
        found.name, found.size, found.digest, signature, bundle, algorithm, signer.key_id, signer.public_key
    )


def _check_is_no_message(blob: Blob, scan: MessageScan) -> None:
    """Raises `InvalidArgument` if a signature of the blob would also be one of an image or of a statement about it."""
    if kind := scan.kind:
        raise InvalidArgument(
            f"{blob.title}: is {kind}; its signature would be one of an image, not of a file",
            hint="use imagesig sign or imagesig attest; sign an archive of the file if it is a file indeed",
        )


@contextmanager
def opened_key(key: str | PathLike | SigningKey, timeout: float) -> Iterator[SigningKey]:
    """The open key; one given by name is closed at the end."""
    if isinstance(key, SigningKey):
        yield key
        return
    with deadline(timeout):
        opened = open_key(key)
    with opened:
        yield opened


def read_blob_to_sign(blob: BlobLike, key: SigningKey, algorithm: Algorithm, see: Callable[[bytes], None]) -> Blob:
    """The blob: its digests if the key signs digests, otherwise in memory. Raises as `sign_blob` does.

    `see` is called with each piece.
    """
    if algorithm.hash is not None and key.signs_digests(algorithm):
        return read_blob(blob, {algorithm.hash}, see=see)
    hashes = {algorithm.hash} if algorithm.hash is not None else set()
    why = f"{key.info.key_id} signs the whole message, in memory ({algorithm})"
    return read_blob(blob, hashes, whole=limits.BLOB_MESSAGE_BYTES, why=why, see=see)


def request_for(blob: Blob, key: SigningKey, algorithm: Algorithm) -> ToSign:
    if algorithm.hash is not None and key.signs_digests(algorithm):
        return ToSign(b"", algorithm, blob.digests[algorithm.hash])
    assert blob.message is not None
    return ToSign(blob.message, algorithm)
