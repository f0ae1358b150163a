"""Certificates made in memory, for tests that need no other tool."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey


class Issuer:
    """An authority of one certificate; `above` are the authorities that issued for it, the nearest first."""

    def __init__(self, name: str, above: Sequence[Issuer] = ()) -> None:
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.above = tuple(above)
        signer = above[0] if above else self
        self.certificate = signer._signed(self.name, self.key.public_key(), authority=True)

    def chain_for(self, public_key: PublicKey, name: str = "leaf") -> tuple[Certificate, ...]:
        """A new leaf for this key, then the authorities up to the root."""
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        leaf = self._signed(subject, public_key._loaded, authority=False)
        return (leaf, self.certificate, *(issuer.certificate for issuer in self.above))

    def _signed(self, subject: x509.Name, public_key: object, *, authority: bool) -> Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=10))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        return Certificate.from_der(builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER))


def pem(chain: Sequence[Certificate]) -> bytes:
    return b"".join(item.x509.public_bytes(Encoding.PEM) for item in chain)
