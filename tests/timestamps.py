"""Maker of RFC 3161 timestamp tokens, right ones and forged ones: each knob is a way in which a forger might go."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from asn1crypto.parser import emit
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from tests.authorities import Issued
from tests.makers import NOW

MESSAGE = b"the raw bytes of a signature"
_HASHES = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}


def tst_info(message: bytes = MESSAGE, *, hash: str = "sha256", generated: datetime = NOW, **fields: Any) -> bytes:
    """What a service signs: that it saw this message at that time."""
    content = {
        "version": "v1",
        "policy": "1.2.3.4",
        "message_imprint": {
            "hash_algorithm": {"algorithm": hash},
            "hashed_message": hashlib.new(hash, message).digest(),
        },
        "serial_number": 7,
        "gen_time": generated,
        **fields,
    }
    encoded: bytes = tsp.TSTInfo(content).dump()
    return encoded


def ess(signer: Issued, *, hash: str = "sha256", issuer_serial: bool = False, **fields: Any) -> dict[str, Any]:
    """An ESSCertIDv2 that names the certificate."""
    named: dict[str, Any] = {
        "hash_algorithm": {"algorithm": hash},
        "cert_hash": hashlib.new(hash, signer.der).digest(),
    }
    if issuer_serial:
        parsed = asn1_x509.Certificate.load(signer.der)
        named["issuer_serial"] = {
            "issuer": [asn1_x509.GeneralName("directory_name", parsed.issuer)],
            "serial_number": parsed.serial_number,
        }
    return named | fields


def attributes(
    signer: Issued, content: bytes, hash: str = "sha256", named: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The signed attributes of a right token."""
    return [
        {"type": "content_type", "values": ["tst_info"]},
        {"type": "message_digest", "values": [hashlib.new(hash, content).digest()]},
        {"type": "signing_certificate_v2", "values": [{"certs": [named or ess(signer)]}]},
    ]


def token(
    signer: Issued,
    content: bytes | None = None,
    *,
    brought: Sequence[bytes] | None = None,
    hash: str = "sha256",
    pss: bool = False,
    named: dict[str, Any] | None = None,
    change_attributes: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda made: made,
    content_type: str = "tst_info",
    version: str = "v3",
    info_version: str = "v1",
    sid: Any = None,
    infos: int = 1,
    sort: bool = True,
    corrupt: Callable[[bytes], bytes] = lambda signature: signature,
) -> bytes:
    """A TimeStampToken by the signer over the TSTInfo; it brings the signer's certificate, or those given."""
    content = tst_info() if content is None else content
    made = [cms.CMSAttribute(item) for item in change_attributes(attributes(signer, content, hash, named))]
    pieces = [item.dump() for item in made]
    signed_attributes = cms.CMSAttributes(made)
    message = b"".join(sorted(pieces)) if sort else b"".join(pieces)
    signature, algorithm = _sign(signer.key, _set_of(message), hash, pss=pss)
    parsed = asn1_x509.Certificate.load(signer.der)
    by_name = {"issuer": parsed.issuer, "serial_number": parsed.serial_number}
    info = {
        "version": info_version,
        "sid": sid or cms.SignerIdentifier("issuer_and_serial_number", cms.IssuerAndSerialNumber(by_name)),
        "digest_algorithm": {"algorithm": hash},
        "signed_attrs": signed_attributes,
        "signature_algorithm": algorithm,
        "signature": corrupt(signature),
    }
    certificates = [signer.der] if brought is None else brought
    fields: dict[str, Any] = {
        "version": version,
        "digest_algorithms": [{"algorithm": hash}],
        "encap_content_info": cms.EncapsulatedContentInfo(
            {"content_type": content_type, "content": core.ParsableOctetString(content)}
        ),
        "signer_infos": [info] * infos,
    }
    if certificates:
        fields["certificates"] = [
            cms.CertificateChoices("certificate", asn1_x509.Certificate.load(item)) for item in certificates
        ]
    encoded: bytes = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(fields)}).dump()
    return encoded


def response(token: bytes = b"", status: str = "granted", **fields: Any) -> bytes:
    """A TimeStampResp."""
    encoded: bytes = emit(0, 1, 16, tsp.PKIStatusInfo({"status": status, **fields}).dump() + token)
    return encoded


def _sign(key: Any, message: bytes, hash: str, *, pss: bool) -> tuple[bytes, Any]:
    used = _HASHES[hash]()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message), {"algorithm": "ed25519"}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(used)), {"algorithm": f"{hash}_ecdsa"}
    assert isinstance(key, rsa.RSAPrivateKey)
    if not pss:
        return key.sign(message, padding.PKCS1v15(), used), {"algorithm": "rsassa_pkcs1v15"}
    parameters = algos.RSASSAPSSParams(
        {
            "hash_algorithm": {"algorithm": hash},
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": hash}},
            "salt_length": used.digest_size,
        }
    )
    signature = key.sign(message, padding.PSS(padding.MGF1(used), used.digest_size), used)
    return signature, {"algorithm": "rsassa_pss", "parameters": parameters}


def _set_of(content: bytes) -> bytes:
    encoded: bytes = emit(0, 1, 17, content)
    return encoded
