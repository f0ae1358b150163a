"""The interop matrix: every key type, in every home and format, in both directions, on every kind of registry.

Each cell is a run of the real tool. What a peer refuses is listed in `REFUSALS` with the reason; any other refusal
fails, and so does a listed one that is accepted after all. The run writes docs/compatibility.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import inspect, sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import ImagesigError, UnsupportedAlgorithm
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.keys.certified import CertifiedKey
from tests.chains import pem
from tests.interop.cells import REGISTRIES
from tests.interop.compatibility import SIGNATURES, Matrix, written
from tests.interop.homes import HOMES, Homes, SharedKey
from tests.interop.notation import NotationHome
from tests.interop.tools import PASSPHRASE, Run, Tools
from tests.peers.servers import RegistryServer
from tests.plugins.programs import program

pytestmark = pytest.mark.interop

THEY_VERIFY = ("cosign 3 classic", "cosign 3 bundle", "cosign 2 classic", "skopeo classic")
WE_VERIFY = ("cosign 3 classic", "cosign 3 bundle", "cosign 2 classic", "skopeo classic")


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    with written(SIGNATURES) as found:
        yield found


@pytest.fixture(params=REGISTRIES)
def host(request: pytest.FixtureRequest) -> str:
    server: RegistryServer = request.getfixturevalue(f"registry_{request.param}")
    return server.host


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=list(KeyType), ids=lambda key_type: key_type.value)
def shared_key(request: pytest.FixtureRequest, home: str, homes: Homes) -> SharedKey:
    return homes.shared(home, request.param)


@pytest.fixture(scope="module")
def notation(tmp_path_factory: pytest.TempPathFactory, homes: Homes) -> NotationHome:
    """notation with our plugin, and an authority that certifies every key of the matrix."""
    reach = homes.environ | {"IMAGESIG_PASSPHRASE": PASSPHRASE}
    own = NotationHome.create(tmp_path_factory.mktemp("notation") / "home", reach)
    made = program(tmp_path_factory.mktemp("plugin"), "notation-imagesig")
    own.tools.run("notation", "plugin", "install", "--file", str(made)).must_succeed()
    return own


def push(host: str) -> str:
    """A fresh image of one platform: `host/repository:1.0`."""
    reference = f"{host}/matrix/{uuid.uuid4().hex[:12]}:1.0"
    image = registry(reference)
    build_image(image.home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    return reference


def test_what_we_sign_the_real_tools_verify(
    host: str, home: str, shared_key: SharedKey, tools: Tools, matrix: Matrix, request: pytest.FixtureRequest
) -> None:
    classic, bundle = push(host), push(host)
    sign(classic, shared_key.key, formats=["cosign"])
    sign(bundle, shared_key.key, formats=["bundle"])
    pem = str(shared_key.pem)
    runs = {
        "cosign 3 classic": tools.cosign_verify("cosign3", pem, classic),
        "cosign 3 bundle": tools.cosign_verify("cosign3", pem, bundle),
        "cosign 2 classic": tools.cosign_verify("cosign2", pem, classic),
        "skopeo classic": tools.skopeo_verify(shared_key.pem, classic),
    }
    kind = request.node.callspec.params["host"]
    key_type = shared_key.key.info.public_key.key_type
    for column, run in runs.items():
        matrix.note(
            "ours", home, key_type, column, kind, "ok" if run.ok else f"{column.rsplit(' ', 1)[0]}: {run.reason}"
        )
    check(runs, "ours", home, key_type)


def test_what_the_real_tools_sign_we_verify(
    host: str, home: str, shared_key: SharedKey, tools: Tools, matrix: Matrix, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["host"]
    key_type = shared_key.key.info.public_key.key_type
    refusals: dict[str, str] = {}
    for column in WE_VERIFY if home == "file" else WE_VERIFY[:2]:
        image = push(host)
        run = signed_by_peer(column, shared_key, image, tools)
        if not run.ok:
            refusals[column] = f"{column.rsplit(' ', 1)[0]} cannot sign: {run.reason}"
        else:
            try:
                verify(image, shared_key.key)
            except ImagesigError as error:
                refusals[column] = f"imagesig: {error}; {getattr(error, 'rejections', '')}"
        matrix.note("theirs", home, key_type, column, kind, refusals.get(column, "ok"))
    expect(refusals, "theirs", home, key_type)


@pytest.mark.parametrize("envelope", ["jws", "cose"])
def test_notation_and_imagesig_verify_each_others_signatures_with_the_same_key(
    envelope: str,
    host: str,
    home: str,
    shared_key: SharedKey,
    notation: NotationHome,
    matrix: Matrix,
    request: pytest.FixtureRequest,
) -> None:
    key_type = shared_key.key.info.public_key.key_type
    if key_type is KeyType.ED25519:
        with pytest.raises(UnsupportedAlgorithm, match="no algorithm for ed25519"):
            sign(push(host), shared_key.key, formats=[f"notation-{envelope}"])
        return
    chain = notation.certify(shared_key.key.info.public_key)
    chain_file = notation.folder / f"{uuid.uuid4().hex}.pem"
    chain_file.write_text(pem(chain))
    ours, theirs = pinned(push(host)), pinned(push(host))
    sign(ours, CertifiedKey(shared_key.key, chain), formats=[f"notation-{envelope}"])
    said = {
        "ours": notation.verify(ours),
        "theirs": notation.sign_through_plugin(shared_key.peer_uri, chain_file, envelope, theirs),
    }
    kind, column = request.node.callspec.params["host"], f"notation {envelope.upper()}"
    for direction, run in said.items():
        matrix.note(direction, home, key_type, column, kind, "ok" if run.ok else f"notation: {run.reason}")
        run.must_succeed()
    assert verify(theirs, notation.policy).verified


def pinned(reference: str) -> str:
    """The image by its digest: notation warns of tags, and signs digests."""
    return inspect(reference, recursive=False).pinned


def signed_by_peer(column: str, key: SharedKey, image: str, tools: Tools) -> Run:
    if column.startswith("cosign 3"):
        return tools.cosign3_sign(key.peer_uri, image, bundle=column.endswith("bundle"))
    if column.startswith("cosign 2"):
        return tools.cosign2_sign(key.peer_uri, image)
    return tools.skopeo_sign(Path(key.peer_uri), f"docker://{image}", image)


def check(runs: dict[str, Run], direction: str, home: str, key_type: KeyType) -> None:
    expect({column: run.reason for column, run in runs.items() if not run.ok}, direction, home, key_type)


def expect(refusals: dict[str, str], direction: str, home: str, key_type: KeyType) -> None:
    known = REFUSALS.get((direction, home, key_type.value), {})
    unexpected = {column: said for column, said in refusals.items() if known.get(column, "\0") not in said}
    healed = known.keys() - refusals.keys()
    assert not unexpected, f"refused, and not for a known reason: {unexpected}"
    assert not healed, f"these are listed as refusals but were accepted: {healed}; update REFUSALS"


_OTHER_HASH = {
    "cosign 3 classic": "invalid signature when validating ASN.1 encoded signature",
    "cosign 3 bundle": "accepted signatures do not match threshold",
    "cosign 2 classic": "invalid signature when validating ASN.1 encoded signature",
    "skopeo classic": "cryptographic signature verification failed",
}
"""KMS signs P-384 with SHA-384 and P-521 with SHA-512 and nothing else; for a PEM key these expect SHA-256."""


def _cannot_sign(said: str) -> dict[str, str]:
    return {"cosign 3 classic": said, "cosign 3 bundle": said}


REFUSALS: dict[tuple[str, str, str], dict[str, str]] = {
    ("ours", "KMS", "ecdsa-p384"): _OTHER_HASH,
    ("ours", "KMS", "ecdsa-p521"): _OTHER_HASH,
    ("theirs", "PKCS#11", "ed25519"): _cannot_sign("unsupported key type"),
    # cosign opens Vault keys for SHA-256 and then hands over a digest of the curve's own size.
    ("theirs", "Vault", "ecdsa-p384"): _cannot_sign("unexpected length of digest"),
    ("theirs", "Vault", "ecdsa-p521"): _cannot_sign("unexpected length of digest"),
    ("theirs", "Vault", "ed25519"): _cannot_sign("unexpected length of digest"),
    # cosign sends a digest, and KMS signs Ed25519 from the message only.
    ("theirs", "KMS", "ed25519"): _cannot_sign("operation error KMS: Sign"),
}
"""(direction, home, key type) -> column -> what the peer says when it cannot. None of these refusals is imagesig's."""
