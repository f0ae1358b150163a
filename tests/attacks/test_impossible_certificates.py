"""A certificate that is well formed and impossible, beside a good signature: one rejection and nothing more."""

from __future__ import annotations

import ast
import base64
import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from asn1crypto.x509 import Certificate as Parsed
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

import imagesig
from imagesig import explain, inspect, remove, sign, verify, verify_attestation, verify_blob
from imagesig.api.verify.verifying_many import verify_many
from imagesig.errors import MalformedError, NoSignatureAccepted, SignatureRejected
from imagesig.format_names import BUNDLE
from imagesig.formats.cosign_family import CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout, layout
from imagesig.keys.file.provider import FileKey
from imagesig.oci.annotations import Annotations
from imagesig.policy import AUDIT, Policy, Rule, Signed
from imagesig.signature import StoredSignature
from imagesig.stores import ReferrerStore, TagStore
from imagesig.trust import CertificateAuthority
from tests.attestations import TYPE, content
from tests.attestations import envelope as dsse
from tests.attestations import put as put_attestation
from tests.attestations import statement as attested
from tests.chains import SUBJECT, Issuer, certified, intermediate, leaf, pem, root, trusting
from tests.envelopes import stored, target
from tests.makers import NOW, bundle_document, classic, payload, private_key, statement, stored_bundle
from tests.makers import sign as sign_text

pytestmark = pytest.mark.filterwarnings("ignore")  # `cryptography` warns of such certificates

TLS_FEATURE = "1.3.6.1.5.5.7.1.24"
EXTENSIONS = {
    "TLS feature that nobody knows": (TLS_FEATURE, "3003020103"),
    "TLS feature of text": (TLS_FEATURE, "30030c0161"),
    "alternative name of an odd kind": ("2.5.29.17", "3004a3023000"),
    "alternative name that is no address": ("2.5.29.17", "3007870501020304" + "05"),
    "alternative name that is no text": ("2.5.29.17", "30058103ffffff"),
    "alternative name of a bit string": ("2.5.29.17", "3012a410300e310c300a0603550403030300ff00"),
    "constraints with a negative length": ("2.5.29.19", "30060101ff0201ff"),
    "constraints with an endless length": ("2.5.29.19", "300f0101ff020a7fffffffffffffffffff"),
    "key usage that is empty": ("2.5.29.15", ""),
    "key usage of nothing": ("2.5.29.15", "030100"),
    "purposes that are none": ("2.5.29.37", "3000"),
    "policies that are none": ("2.5.29.32", "30023000"),
    "lists of an odd kind": ("2.5.29.31", "300c300aa008a306300406000500"),
    "access of an odd kind": ("1.3.6.1.5.5.7.1.1", "300e300c06082b06010505073001a300"),
    "transparency that is none": ("1.3.6.1.4.1.11129.2.4.2", "0403000100"),
    "issuer's number that is negative": ("2.5.29.35", "3003" + "8201ff"),
    "a policy to be inhibited less than never": ("2.5.29.54", "0201ff"),
    "a key usage period without end": ("2.5.29.16", "30028000"),
}


def certificate_with(oid: str, value: str, issuer: Issuer) -> Issuer:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), bytes.fromhex(value))
    own = {"2.5.29.15": {"usage": None}, "2.5.29.19": {"constraints": None}, "2.5.29.37": {"purposes": None}}
    return leaf(issuer, f"{SUBJECT},CN=odd", (odd, False), key=private_key(number=70), **own.get(oid, {}))


def hostile() -> Iterator[tuple[str, Issuer]]:
    top = intermediate(root())
    for name, (oid, value) in EXTENSIONS.items():
        yield name, certificate_with(oid, value, top)


HOSTILE = dict(hostile())


@pytest.fixture
def image(tmp_path: Path) -> Image:
    build_image(Layout.create(tmp_path / "layout"), {"a": b"b"}, PLATFORMS[0], "1.0")
    return layout(tmp_path / "layout", "1.0")


def of_notation(image: Image, signer: Issuer, envelope: str) -> StoredSignature:
    found = image.home.resolve(image.target)
    return stored(envelope, signer=signer, payload=target(digest=found.digest, size=found.size))


def of_classic(image: Image, signer: Issuer) -> StoredSignature:
    digest = image.home.resolve(image.target).digest
    made = classic(payload(image={"docker-manifest-digest": digest}), signer.private_key)
    attached = {CERTIFICATE_ANNOTATION: pem(signer.chain[:1]), CHAIN_ANNOTATION: pem(signer.chain[1:])}
    part = made.parts[0]
    return replace(made, parts=(replace(part, annotations=Annotations({**part.annotations, **attached})),))


def of_bundle(image: Image, signer: Issuer) -> StoredSignature:
    digest = image.home.resolve(image.target).digest.removeprefix("sha256:")
    document = bundle_document(statement(subject=[{"digest": {"sha256": digest}}]), signer.private_key)
    document["verificationMaterial"] = {
        "x509CertificateChain": {
            "certificates": [{"rawBytes": base64.b64encode(item.der).decode()} for item in signer.chain]
        }
    }
    return stored_bundle(document)


def put(image: Image, signer: Issuer) -> int:
    """Signatures of every form by that signer, next to what is there."""
    subject = image.home.resolve(image.target)
    for envelope in ("jws", "cose"):
        ReferrerStore().attach(image.home, subject, of_notation(image, signer, envelope))()
    ReferrerStore().attach(image.home, subject, of_bundle(image, signer))()
    TagStore().attach(image.home, subject, of_classic(image, signer))()
    return 4


def key(signer: Issuer | None = None) -> FileKey:
    signer = signer or certified()
    return FileKey(replace(signer.private_key, chain=signer.chain), "test key")


def authority(*signers: Issuer) -> CertificateAuthority:
    """Who pins the roots of the good and of the hostile signer: so both are read to the end."""
    return trusting(
        *(item.chain[-1] for item in signers), *(item.chain[1] for item in signers), holders=[SUBJECT]
    ).authorities[0]


@pytest.mark.parametrize("name", list(HOSTILE))
def test_an_impossible_extension_is_no_more_than_a_rejection(image: Image, name: str) -> None:
    odd = HOSTILE[name]
    count = put(image, odd)
    sign(image, key(), formats=["cosign", "bundle", "notation-jws"], now=NOW)
    sign(image, key(), formats=["notation-cose"], now=NOW)
    bare = certified().private_key.public_key
    both = authority(certified(), odd)
    for policy in (Policy.any_of(bare), Policy.any_of(both), Policy.any_of(bare, both)):
        result = verify(image, policy, now=NOW)
        assert result.verified
        assert all(isinstance(item.error, SignatureRejected | MalformedError) for item in result.rejections)
    audited = Policy(Rule((Signed((both,), enforcement=AUDIT),)))
    assert verify(image, audited, now=NOW, allow_unverified=True).digest == result.digest
    assert explain(image, Policy.any_of(both), now=NOW).requirements[0].is_met
    assert len(inspect(image).signatures) == count + 4
    (outcome,) = verify_many([str(image)], Policy.any_of(both), now=NOW)
    assert outcome.result is not None
    assert outcome.result.verified
    removed = remove(image, key=bare, now=NOW)
    assert {item.format for item in removed.removed} == {"cosign", "bundle", "notation"}
    assert len(inspect(image).signatures) == count


def with_serial(number: int, signer: Issuer) -> bytes:
    """The signer's certificate with another number, signed again by its issuer."""
    parsed = Parsed.load(signer.certificate.der)
    parsed["tbs_certificate"]["serial_number"] = number
    issuer = private_key(number=901)
    parsed["signature_value"] = issuer.loaded.sign(  # type: ignore[call-arg, union-attr]
        parsed["tbs_certificate"].dump(force=True), ec.ECDSA(hashes.SHA256())
    )
    der: bytes = parsed.dump(force=True)
    return der


@pytest.mark.parametrize("number", [-1, -(2**150), 0, 2**160, 2**300], ids=["-1", "negative", "0", "21", "38"])
def test_a_certificate_with_a_serial_number_that_none_may_have_is_not_read(image: Image, number: int) -> None:
    signer = leaf(intermediate(root()), key=private_key(number=70))
    found = image.home.resolve(image.target)
    chain = [with_serial(number, signer), *(item.der for item in signer.chain[1:])]
    subject = image.home.resolve(image.target)
    for envelope in ("jws", "cose"):
        bad = stored(envelope, signer=signer, chain=chain, payload=target(digest=found.digest, size=found.size))
        ReferrerStore().attach(image.home, subject, bad)()
    sign(image, key(), formats=["notation-jws"], now=NOW)
    result = verify(image, Policy.any_of(authority(certified(), signer)), now=NOW)
    assert len(result.signatures) == 1
    assert [type(item.error) for item in result.rejections] == [MalformedError, MalformedError]
    assert all("serial number" in str(item.error) for item in result.rejections)


def test_only_the_folder_of_certificates_touches_the_objects_of_another_package() -> None:
    folder = Path(imagesig.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        if path.relative_to(folder).parts[0] == "crypto":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.Attribute) and node.attr == "x509"), f"{path}:{node.lineno}"
            names = [item.name for item in node.names] if isinstance(node, ast.ImportFrom | ast.Import) else []
            assert "load_der_x509_certificate" not in names, f"{path}"


@pytest.mark.parametrize("name", list(HOSTILE))
def test_an_impossible_extension_hides_no_attestation_and_opens_no_blob(image: Image, name: str) -> None:
    odd, digest = HOSTILE[name], image.home.resolve(image.target).digest
    listed = [{"rawBytes": base64.b64encode(item.der).decode()} for item in odd.chain]
    material = {"verificationMaterial": {"x509CertificateChain": {"certificates": listed}}}
    made = dsse(attested(digest, {}), odd.private_key)
    put_attestation(image, "bundle", content("bundle", made, **material))
    pems = {CERTIFICATE_ANNOTATION: pem(odd.chain[:1]), CHAIN_ANNOTATION: pem(odd.chain[1:])}
    put_attestation(image, "cosign", content("cosign", made), **pems)
    bare, good = certified().private_key.public_key, certified().private_key
    put_attestation(image, "bundle", content("bundle", dsse(attested(digest, {}), good)))
    both = Policy.any_of(bare, authority(odd))
    assert verify_attestation(image, both, predicate_type=TYPE, now=NOW).verified
    assert len(inspect(image).attestations) == 3

    blob = b"a file"
    signature = sign_text(odd.private_key, blob)
    document = {"mediaType": BUNDLE, **material, "messageSignature": {"signature": signature}}
    about = dsse(attested(f"sha256:{hashlib.sha256(blob).hexdigest()}", {}), odd.private_key)
    for given in (
        {"bundle": json.dumps(document).encode()},
        {"signature": signature, "chain": odd.chain},
        {"bundle": content("bundle", about, **material), "predicate_type": TYPE},
    ):
        with contextlib.suppress(NoSignatureAccepted):
            assert verify_blob(blob, Policy.any_of(authority(odd)), now=NOW, **given).size == len(blob)  # type: ignore[arg-type]
