"""Forgeries and oddities, judged by notation 1.3.2 and by imagesig: where they differ, imagesig is the stricter one.

The table in docs/compatibility-notes.rst says the same.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto.x509 import Certificate as Parsed
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from msgspec.structs import replace

from imagesig import sign_blob, verify
from imagesig.crypto.algorithms import ECDSA_SHA256, KeyType, ToSign
from imagesig.crypto.certificate import Certificate
from imagesig.encoding import cbor
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.formats.notation.algorithms import encoded_signature
from imagesig.formats.notation.envelope import SIGNING_SCHEME, SIGNING_TIME
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout, layout
from imagesig.signature import StoredSignature
from imagesig.stores import ReferrerStore
from imagesig.testing import MemoryProvider
from tests.chains import CODE_SIGNING, SIGNS, Issuer, issue, key_usage, leaf, root
from tests.envelopes import ENVELOPES, EXPIRING, GONE, encode, of_bytes, stored, target
from tests.interop.notation import NotationHome, now
from tests.makers import NOW, private_key

pytestmark = pytest.mark.interop

Made = Callable[[str, Issuer, dict[str, Any]], StoredSignature]


def with_header(changes: dict[Any, Any]) -> Made:
    return lambda envelope, signer, payload: stored(envelope, changes, signer=signer, payload=payload)


def in_capitals(envelope: str, signer: Issuer, payload: dict[str, Any]) -> StoredSignature:
    document = json.loads(stored("jws", signer=signer, payload=payload).parts[0].content)
    document["PROTECTED"] = document.pop("protected")
    return of_bytes(json.dumps(document).encode(), "application/jose+json")


def in_der(envelope: str, signer: Issuer, payload: dict[str, Any]) -> StoredSignature:
    der = signer.private_key.sign(ToSign(b"x", ECDSA_SHA256))
    return stored(envelope, signer=signer, payload=payload, signature=der)


def with_target(**changes: Any) -> Made:
    return lambda envelope, signer, payload: stored(
        envelope, signer=signer, payload={"targetArtifact": payload["targetArtifact"] | changes}
    )


UNKNOWN = {"crit": [SIGNING_SCHEME, "com.example.new"], "com.example.new": "x"}
CASES: dict[str, tuple[Made, bool, bool]] = {
    "good": (with_header({}), True, True),
    "an unknown critical attribute": (with_header(UNKNOWN), True, False),
    "a signing time in the future": (with_header({SIGNING_TIME: NOW + timedelta(days=9999)}), True, True),
    "a signing time before the certificate": (with_header({SIGNING_TIME: NOW - timedelta(days=9999)}), True, True),
    "crit without the scheme": (with_header({"crit": []}), False, False),
    "expiry before signing": (
        with_header({**EXPIRING, SIGNING_TIME: NOW + timedelta(hours=2)}),
        False,
        False,
    ),
    "another content type": (with_header({"cty": "application/json"}), False, False),
    "another algorithm": (with_header({"alg": -35}), False, False),
    "no scheme": (with_header({SIGNING_SCHEME: GONE}), False, False),
    "a signature in DER": (in_der, False, False),
    "another size": (with_target(size=1), False, False),
    "another media type": (with_target(mediaType="application/vnd.oci.image.index.v1+json"), False, False),
    "a platform beside the digest": (with_target(platform={"os": "linux"}), True, True),
}
"""What was signed -> the signature, whether notation accepts it, and whether imagesig does."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> NotationHome:
    return NotationHome.create(tmp_path_factory.mktemp("notation"))


def judged(home: NotationHome, folder: Path, make: Made, signer: Issuer, envelope: str) -> tuple[bool, bool, str]:
    """Whether notation and imagesig accept an image with this one signature, and what notation said."""
    made = build_image(Layout.create(folder), {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    opened = layout(folder, made.digest)
    signature = make(envelope, signer, target(digest=made.digest, size=made.size))
    ReferrerStore().attach(opened.home, made, signature)()
    theirs = home.verify(f"{folder}@{made.digest}")
    try:
        return theirs.ok, verify(opened, home.policy).verified, theirs.reason
    except ImagesigError:
        return theirs.ok, False, theirs.reason


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("name", CASES)
def test_envelopes(name: str, envelope: str, home: NotationHome, tmp_path: Path) -> None:
    make, notation, ours = CASES[name]
    signer = _signer(home)
    assert judged(home, tmp_path / "layout", make, signer, envelope)[:2] == (notation, ours)


def _signer(home: NotationHome) -> Issuer:
    at = now()
    return leaf(home.authority, start=at - timedelta(hours=1), end=at + timedelta(days=1))


def _written(protected: str, payload: str) -> Made:
    """A JWS with these replacements for the texts in base64url; `$` is the text itself."""

    def made(envelope: str, signer: Issuer, target: dict[str, Any]) -> StoredSignature:
        document = json.loads(stored("jws", signer=signer, payload=target).parts[0].content)
        for member, form in (("protected", protected), ("payload", payload)):
            document[member] = form.replace("$", document[member])
        message = f"{document['protected']}.{document['payload']}".encode()
        with pytest.raises(InvalidArgument, match="Notary Project signature"):
            sign_blob(message, MemoryProvider().open())
        signature = encoded_signature(signer.private_key.sign(ToSign(message, ECDSA_SHA256)), KeyType.ECDSA_P256)
        document["signature"] = encode(signature).decode()
        return of_bytes(json.dumps(document).encode(), "application/jose+json")

    return made


SPACES = "ICAg" * 100_000


@pytest.mark.parametrize(
    ("protected", "payload"),
    [("\n$\r\n", "$"), ("$", "\n$"), (SPACES + "$", "$"), ("$", SPACES + "$")],
    ids=["line breaks in the header", "in the payload", "a long header", "a long payload"],
)
def test_a_jws_that_notation_reads_is_not_signed_as_a_blob(
    protected: str, payload: str, home: NotationHome, tmp_path: Path
) -> None:
    made = _written(protected, payload)
    theirs, ours, why = judged(home, tmp_path / "layout", made, _signer(home), "jws")
    assert (theirs, ours) == (True, False), why


def test_members_in_capitals(home: NotationHome, tmp_path: Path) -> None:
    assert judged(home, tmp_path / "layout", in_capitals, _signer(home), "jws")[:2] == (True, False)


@pytest.mark.parametrize(("envelope", "notation"), [("jws", False), ("cose", True)])
def test_a_signing_time_that_is_called_critical(
    envelope: str, notation: bool, home: NotationHome, tmp_path: Path
) -> None:
    make = with_header({"crit": [SIGNING_SCHEME, SIGNING_TIME]})
    assert judged(home, tmp_path / "layout", make, _signer(home), envelope)[:2] == (notation, False)


def test_a_cose_time_with_a_fraction(home: NotationHome, tmp_path: Path) -> None:
    make = with_header({SIGNING_TIME: cbor.Tag(1, 1764000000.5)})
    assert judged(home, tmp_path / "layout", make, _signer(home), "cose")[:2] == (True, False)


_VALID: dict[str, Any] = {"start": now() - timedelta(hours=1), "end": now() + timedelta(days=2)}
_NOT_CRITICAL = (x509.BasicConstraints(ca=True, path_length=None), False)
_ROOT = root(**_VALID)
_ACCESS = x509.AuthorityInformationAccess(
    [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://x.test"))]
)


def _of_version_1(made: Issuer, by: Issuer) -> Issuer:
    """The same certificate with another version, signed again."""
    parsed = Parsed.load(made.certificate.der)
    parsed["tbs_certificate"]["version"] = "v1"
    parsed["signature_value"] = by.private_key.sign(ToSign(parsed["tbs_certificate"].dump(force=True), ECDSA_SHA256))
    return replace(made, certificate=Certificate.from_der(parsed.dump(force=True)))


CHAINS: dict[str, tuple[Callable[[], Issuer], bool, bool]] = {
    "a self-signed signer": (lambda: leaf(None, **_VALID), True, True),
    "no root": (
        lambda: Issuer(leaf(root(**_VALID), **_VALID).certificate, private_key(KeyType.ECDSA_P256)),
        False,
        False,
    ),
    "basicConstraints not critical": (lambda: leaf(root(constraints=_NOT_CRITICAL, **_VALID), **_VALID), True, False),
    "keyUsage of the authority not critical": (
        lambda: leaf(root(usage=(key_usage("key_cert_sign"), False), **_VALID), **_VALID),
        False,
        False,
    ),
    "keyUsage of the signer not critical": (
        lambda: leaf(root(**_VALID), usage=(key_usage("digital_signature"), False), **_VALID),
        False,
        False,
    ),
    "a signer for TLS": (
        lambda: leaf(root(**_VALID), purposes=[CODE_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH], **_VALID),
        False,
        False,
    ),
    "a signer for any purpose": (
        lambda: leaf(root(**_VALID), purposes=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], **_VALID),
        True,
        False,
    ),
    "a signer for OCSP": (
        lambda: leaf(root(**_VALID), purposes=[ExtendedKeyUsageOID.OCSP_SIGNING], **_VALID),
        False,
        False,
    ),
    "an authority that signs": (
        lambda: root(usage=(key_usage("digital_signature", "key_cert_sign"), True), **_VALID),
        False,
        False,
    ),
    "a signer without purposes": (lambda: leaf(root(**_VALID), purposes=None, **_VALID), True, True),
    "a signer without basicConstraints": (
        lambda: issue(root(**_VALID), private_key(KeyType.ECDSA_P256), "C=US,ST=WA,O=imagesig", SIGNS, **_VALID),
        True,
        True,
    ),
    "an e-mail address in the subject": (
        lambda: leaf(root(**_VALID), "C=US,ST=WA,O=imagesig,E=a@b.example", **_VALID),
        False,
        True,
    ),
    "a signer of version 1 with extensions": (lambda: _of_version_1(leaf(_ROOT, **_VALID), _ROOT), False, False),
    "an authority of version 1 with extensions": (
        lambda: replace(leaf(_ROOT, **_VALID), above=_of_version_1(_ROOT, _ROOT).chain),
        False,
        False,
    ),
    "a critical access to information": (
        lambda: leaf(_ROOT, "C=US,ST=WA,O=imagesig", (_ACCESS, True), **_VALID),
        False,
        False,
    ),
    "an access to information": (lambda: leaf(_ROOT, "C=US,ST=WA,O=imagesig", (_ACCESS, False), **_VALID), True, True),
    "two units in the subject": (
        lambda: leaf(root(**_VALID), "C=US,ST=WA,O=imagesig,OU=a,OU=b", **_VALID),
        False,
        False,
    ),
}
"""What is odd about the chain -> the signer, whether notation accepts its signature, and whether imagesig does."""


@pytest.mark.parametrize("name", CHAINS)
def test_chains(name: str, tmp_path: Path) -> None:
    home = NotationHome.create(tmp_path / "notation")
    signer = CHAINS[name][0]()
    home.trust(signer.chain[-1:])
    found = judged(home, tmp_path / "layout", with_header({}), signer, "jws")
    assert found[:2] == CHAINS[name][1:], found
