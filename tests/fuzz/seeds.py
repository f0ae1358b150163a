"""`python -m tests.fuzz.seeds` makes the corpora anew: valid documents of each kind, and the certificates they need.

Signatures and certificates differ each time: commit all of it together. Inputs that once broke a promise
(`corpus/TARGET/broken-*`) stay.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import tarfile
from collections.abc import Iterator

from cryptography.hazmat.primitives.serialization import Encoding

from imagesig.in_toto.statement import IN_TOTO
from tests.authorities import Authority
from tests.chains import leaf as self_signed
from tests.envelopes import stored
from tests.fuzz.attestations import seeds_of_attestations
from tests.fuzz.judging import CORPUS, MATERIAL
from tests.makers import DIGEST, bundle_document, payload, private_key, sign, statement
from tests.timestamps import token, tst_info

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_PAYLOAD = json.dumps(payload()).encode()
_URL = "http://crl.example/1.crl"


def main() -> None:
    for old in CORPUS.glob("*/seed-*"):
        old.unlink()
    root = Authority("root")
    leaf = root.leaf("signer", ocsp=("http://ocsp.example",), crl=(_URL,))
    MATERIAL.mkdir(exist_ok=True)
    certificates = (root.certificate, leaf.certificate)
    (MATERIAL / "authority.pem").write_bytes(b"".join(item.x509.public_bytes(Encoding.PEM) for item in certificates))
    (MATERIAL / "key.pub").write_text(private_key().public_key.pem)
    (MATERIAL / "payload.json").write_bytes(_PAYLOAD)
    for target, number, content in itertools.chain(_seeds(root, leaf), seeds_of_attestations()):
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"seed-{number}").write_bytes(content)


def _seeds(root: Authority, leaf: Authority) -> Iterator[tuple[str, int, bytes]]:
    def several(target: str, *contents: bytes | str) -> Iterator[tuple[str, int, bytes]]:
        for number, content in enumerate(contents, 1):
            yield target, number, content.encode() if isinstance(content, str) else content

    descriptor = {
        "mediaType": MANIFEST,
        "digest": DIGEST,
        "size": 527,
        "platform": {"os": "linux", "architecture": "amd64"},
    }
    manifest = {
        "schemaVersion": 2,
        "config": descriptor,
        "layers": [descriptor],
        "annotations": {"a": "b"},
        "subject": descriptor,
    }
    docker = {**manifest, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}
    index = {
        "schemaVersion": 2,
        "manifests": [descriptor, {**descriptor, "artifactType": "a/b", "annotations": {"x": "y"}}],
    }
    yield from several("reference", "registry.example:5000/team/app:1.0@" + DIGEST, "alpine", "[::1]:5000/a/b")
    yield from several("manifest", json.dumps(manifest))
    yield from several("docker-manifest", json.dumps(docker))
    yield from several("index", json.dumps(index))
    yield from several("listing", json.dumps(index), json.dumps({"manifests": [None, {**descriptor, "size": -1}]}))
    yield from several("link", '</v2/a/referrers/b?n=1>; rel="next", </x>; title="a, b"; rel=prev')
    yield from several("json", json.dumps({"a": [1, -2.5e3, None, True, "\u00e9\ud83d\ude00"], "b": {"c": ""}}))
    yield from several("cbor", b"\xa2\x01\x82\x02\x43abc\x02\xd2\x63abc")
    yield from several("tar", *_tars())
    yield from several(
        "payload", json.dumps(payload()), json.dumps({**payload(), "optional": {"a": "b", "timestamp": 1}})
    )
    message = sign(private_key(), _PAYLOAD)
    pem = leaf.certificate.x509.public_bytes(Encoding.PEM).decode()
    yield from several("classic-annotations", f"{message}\0", f"{message}\0{pem}")
    certified = bundle_document() | {
        "verificationMaterial": {"certificate": {"rawBytes": base64.b64encode(leaf.certificate.der).decode()}}
    }
    yield from several("bundle", json.dumps(bundle_document()), json.dumps(certified))
    yield from several("statement", json.dumps(statement()), json.dumps({**statement(), "predicate": {IN_TOTO: 1}}))
    for envelope in ("jws", "cose"):
        yield from several(envelope, stored(envelope).parts[0].content)
    yield from several(
        "signature-file",
        b"\0sigstore-json\n"
        + json.dumps(
            {
                "mimeType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "payload": "e30=",
                "annotations": {"a": "b"},
            }
        ).encode(),
        b"\x99openpgp",
    )
    yield from several("certificate", root.certificate.der, leaf.certificate.der, self_signed(None).certificate.der)
    yield from several("certificates", pem + pem)
    yield from several("crl", root.crl())
    yield from several("ocsp", root.ocsp(leaf))
    stamper = root.tsa("stamper")
    yield from several("timestamp", token(stamper, tst_info(b"signature")))
    yield from several("key-file", private_key().to_pem(None), private_key(number=1).to_pem(None))
    yield from several("public-key", private_key().public_key.pem, private_key().public_key.spki)
    yield from several(
        "key-uri",
        "hashivault://release?version=3",
        "awskms:///alias/release",
        "env://KEY",
        "key.pem",
        "pkcs11:token=my-token;object=release?module-path=/lib/none.so",
        "notation-plugin://x/y",
        "sigstore-kms://x/y",
    )
    yield from several("policy", _policy_toml())
    yield from several(
        "containers-policy",
        json.dumps(
            {
                "default": [{"type": "reject"}],
                "transports": {
                    "docker": {
                        "localhost:5000": [
                            {
                                "type": "sigstoreSigned",
                                "keyPath": "/etc/release.pub",
                                "signedIdentity": {"type": "matchExact"},
                            }
                        ]
                    }
                },
            }
        ),
    )
    yield from several(
        "notation-policy",
        json.dumps(
            {
                "version": "1.0",
                "trustPolicies": [
                    {
                        "name": "all",
                        "registryScopes": ["*"],
                        "signatureVerification": {"level": "strict"},
                        "trustStores": ["ca:acme"],
                        "trustedIdentities": ["x509.subject: C=US, ST=WA, O=acme"],
                    }
                ],
            }
        ),
    )
    yield from several(
        "workloads",
        "kind: Pod\nspec:\n  containers:\n  - image: localhost:5000/acme/app:1.0\n",
        "services:\n  web:\n    image: acme/app:1.0\n",
    )
    yield from several(
        "challenges", 'Bearer realm="https://auth.example/token",service="s",scope="a:b:c", Basic realm=x'
    )
    yield from several("url", "https://user:pw@registry.example:5000/v2/?a=b#c", "/v2/next?n=1")
    yield from several("names", "C=US, ST=WA, O=Example", "ci@example.com", "*.example.com", "localhost:5000/acme")


def _policy_toml() -> str:
    return (
        'version = 1\n\n[authorities.release]\nkey_file = "release.pub"\n\n[[rules]]\nscope = "localhost:5000/acme"\n'
        'require = [{ any = ["release"] }]\n'
    )


def _tars() -> Iterator[bytes]:
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
            for name in ("oci-layout", "blobs/sha256/" + "a" * 64, "long/" * 40 + "name"):
                if form == tarfile.USTAR_FORMAT and len(name) > 100:
                    continue
                member = tarfile.TarInfo(name)
                member.size = 3
                archive.addfile(member, io.BytesIO(b"{}\n"))
        yield stream.getvalue()


if __name__ == "__main__":
    main()
