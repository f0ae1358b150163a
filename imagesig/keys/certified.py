"""A signing key with certificates from elsewhere: for Vault, KMS and every other place that stores none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import ToSign
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.keys.chain import check_leaf, check_order, parse_chain
from imagesig.keys.provider import SigningKey
from imagesig.keys.wrapped import WrappedKey
from imagesig.reading import read_bounded
from imagesig.signature import SignerInfo


class CertifiedKey(WrappedKey):
    """A key whose `info.chain` is this chain; it signs with the version of the key that the leaf was issued for.

    After a rotation the key still signs with that version, or fails if its provider cannot. It never signs with a
    version that the certificate was not issued for. Closing this closes `key`.

    Raises:
        KeyMismatch: the leaf was issued for another key; the message has both fingerprints.
        InvalidArgument: the chain is empty or not in order, leaf first.
    """

    @checks_arguments
    def __init__(self, key: SigningKey, chain: Sequence[Certificate], what: str = "the certificate chain") -> None:
        check_order(chain, what)
        self._chain = tuple(chain)
        leaf = check_leaf(chain, key.public_keys, key.info.key_id, what)
        super().__init__(key.pinned_to(leaf))
        self._expected = leaf

    @property
    def info(self) -> SignerInfo:
        return replace(self._key.info, chain=self._chain)

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        return (self._chain[0].public_key,)

    def _verified(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        signer, signatures = super()._verified(requests)
        return replace(signer, chain=self._chain), signatures

    def __repr__(self) -> str:
        return f"CertifiedKey({self._key!r}, {len(self._chain)} certificates)"


def read_chain(source: bytes | str | Path | Sequence[Certificate]) -> tuple[tuple[Certificate, ...], str]:
    """The chain and its name for errors: from PEM bytes, from a file, or as given.

    Raises:
        InvalidArgument: the file cannot be read, or is not a chain in order.
    """
    if isinstance(source, bytes):
        return parse_chain(source, "the certificate chain"), "the certificate chain"
    if not isinstance(source, str | Path):
        return tuple(source), "the certificate chain"
    data = read_bounded(source, limits.CERTIFICATE_FILE_BYTES, "certificate chain", streams=True)
    return parse_chain(data, str(source)), str(source)
