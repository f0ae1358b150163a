"""The library, warm, beside the least work that could do the same."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from benchmarks.conftest import Bench, Record
from imagesig import sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.formats.cosign import Cosign
from imagesig.images.registry.connect import registry
from imagesig.keys import open_key, open_public_keys
from imagesig.keys.file.provider import FileProvider
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import tag_of
from imagesig.oci.manifest import OCI_CONFIG, OCI_MANIFEST, Manifest
from imagesig.policy import Policy
from imagesig.signature import Claim, Draft, Subject
from imagesig.stores.tag import config_bytes
from tests.peers.servers import RegistryServer

ROUNDS = 200
MANY = 999
_CHECKS = "the peer checks nothing; imagesig has limits and deadlines, and reads the manifest strictly twice"


@pytest.fixture(scope="module")
def signed(bench: Bench, registry_referrers: RegistryServer) -> str:
    reference = bench.push(registry_referrers.host, "library")
    with open_key(str(bench.plain_key)) as key:
        sign(reference, key, formats=["cosign"], identity=reference.partition("@")[0] + ":1.0")
    return reference


@pytest.mark.benchmark(group="verify one classic signature by digest, library, warm")
def test_verify_ours(benchmark: Any, side: Record, bench: Bench, signed: str) -> None:
    side("ours", target=1.5, reason=_CHECKS)
    image = registry(signed)
    policy = Policy.any_of(*open_public_keys(str(bench.plain_key.with_suffix(".pub"))), formats=["cosign"])
    benchmark.pedantic(lambda: verify(image, policy), rounds=ROUNDS, warmup_rounds=20)


@pytest.mark.benchmark(group="verify one classic signature by digest, library, warm")
def test_verify_bare(benchmark: Any, side: Record, bench: Bench, signed: str) -> None:
    """The same two requests over one kept connection, and one ECDSA verification."""
    side("peer", peer="bare HTTP and ECDSA")
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    repository, _, digest = signed.partition("@")
    host, _, path = repository.partition("/")
    key = load_pem_public_key(bench.plain_key.with_suffix(".pub").read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    connection = http.client.HTTPConnection(host)

    def get(where: str) -> bytes:
        connection.request(
            "GET", f"/v2/{path}/{where}", headers={"Accept": "application/vnd.oci.image.manifest.v1+json"}
        )
        return connection.getresponse().read()

    def bare() -> None:
        layer = json.loads(get(f"manifests/{digest.replace(':', '-')}.sig"))["layers"][0]
        payload = get(f"blobs/{layer['digest']}")
        assert hashlib.sha256(payload).hexdigest() == layer["digest"].removeprefix("sha256:")
        signature = base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"])
        key.verify(signature, payload, ec.ECDSA(SHA256()))
        assert json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == digest

    benchmark.pedantic(bare, rounds=ROUNDS, warmup_rounds=20)
    connection.close()


@pytest.fixture(scope="module")
def many(bench: Bench, registry_referrers: RegistryServer) -> str:
    """One image with 999 classic signatures by as many keys; the one that is looked for is the last."""
    reference = bench.push(registry_referrers.host, "many")
    image = registry(reference)
    subject = image.home.resolve(image.target)
    provider, form = FileProvider(bench.folder), Cosign()
    claim = Claim((Subject(subject.digest),), reference.partition("@")[0])
    layers = []
    for number in range(MANY):
        key = provider.generate(f"many-{number}.key", KeyType.ECDSA_P256) if number < MANY - 1 else None
        key = key or provider.open("plain.key")
        draft = form.draft(claim, key.info, datetime.now(UTC), ())
        assert isinstance(draft, Draft)
        part = form.seal(draft, key.sign_batch(draft.requests)).parts[0]
        stored = image.home.put_blob(part.content, part.media_type)
        layers.append(Descriptor(part.media_type, stored.digest, stored.size, part.annotations))
    config = image.home.put_blob(config_bytes([layer.digest for layer in layers]), OCI_CONFIG)
    tag = tag_of(subject.digest, ".sig")
    image.home.put_manifest(Manifest(config, tuple(layers)).to_bytes(), OCI_MANIFEST, tag)
    return reference


@pytest.mark.benchmark(group="verify one image with 999 classic signatures")
def test_999_ours(benchmark: Any, side: Record, bench: Bench, many: str) -> None:
    side("ours", target=0.1)
    image = registry(many)
    policy = Policy.any_of(*open_public_keys(str(bench.plain_key.with_suffix(".pub"))), formats=["cosign"])
    benchmark.pedantic(lambda: verify(image, policy), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="verify one image with 999 classic signatures")
def test_999_cosign(benchmark: Any, side: Record, bench: Bench, many: str) -> None:
    side("peer", peer="cosign 3.1.3")
    pem = str(bench.plain_key.with_suffix(".pub"))
    benchmark.pedantic(lambda: bench.tools.cosign_verify("cosign3", pem, many).must_succeed(), rounds=2)
