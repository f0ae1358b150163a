"""One cell of the matrix of attestations and blobs, run: what each side makes, and what the other side says of it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from msgspec import Struct

from imagesig import attest, attest_blob, sign_blob, verify_attestation, verify_blob
from imagesig.api.verify.verified_statement import VerifiedStatement
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from tests.interop.cells import NONE, Cell
from tests.interop.homes import SharedKey
from tests.interop.tools import Run, Tools

PREDICATES: dict[str, dict[str, Any]] = {
    "custom": {"n": 1},
    "slsaprovenance": {"builder": {"id": "https://b"}, "buildType": "t"},
    "slsaprovenance1": {"buildDefinition": {"buildType": "t"}, "runDetails": {"builder": {"id": "https://b"}}},
    "link": {
        "_type": "link",
        "name": "n",
        "materials": {},
        "products": {},
        "command": [],
        "byproducts": {},
        "environment": {},
    },
    "spdx": {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT"},
    "spdxjson": {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "packages": []},
    "cyclonedx": {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []},
    "vuln": {
        "invocation": {"uri": "u"},
        "scanner": {"uri": "u"},
        "metadata": {"scanStartedOn": "2026-11-01T00:00:00Z"},
    },
    "openvex": {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://x.example/v",
        "author": "a",
        "version": 1,
        "timestamp": "2026-11-01T00:00:00Z",
        "statements": [],
    },
    "https://example.org/type": {"a": [1, None]},
}
"""What cosign takes as a predicate of each type."""
UNKNOWN = {"unknown": 12345678901234567890, "fraction": 1.50, "no": False, "empty": ""}
"""Members that cosign drops or changes in what it attests; ours are in the predicate as they are."""
NOT_KEPT = ("custom", "spdx")
"""Types whose predicate cosign puts into another object, or writes as text."""
_HTTP = ("--allow-http-registry", "--allow-insecure-registry")
_IGNORED = ("--insecure-ignore-tlog=true",)
_OFFLINE = ("--tlog-upload=false", "--yes")
_ROOT = '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'


class Subject(Struct, frozen=True):
    """What one cell is about: a fresh image, or a fresh file."""

    cell: Cell
    key: SharedKey
    image: str = ""
    file: Path = Path()

    @property
    def made(self) -> Path:
        """Where the signature or bundle of a file is."""
        return self.file.with_suffix(".made")

    @property
    def predicate(self) -> bytes:
        given = PREDICATES[self.cell.type]
        return json.dumps(given | UNKNOWN if self.cell.direction == "ours" else given).encode()

    @property
    def is_bundle(self) -> bool:
        return self.cell.carrier != "classic"


def push(host: str) -> str:
    """A fresh image by its digest."""
    name = f"{host}/attested/{uuid.uuid4().hex}"
    digest = build_image(registry(f"{name}:1.0").home, {"a": uuid.uuid4().bytes}, PLATFORMS[0], "1.0").digest
    return f"{name}@{digest}"


def subject(cell: Cell, key: SharedKey, host: str, folder: Path) -> Subject:
    if cell.registry != NONE:
        return Subject(cell, key, image=push(host))
    file = folder / f"{uuid.uuid4().hex}.tar"
    file.write_bytes(uuid.uuid4().bytes * 100)
    return Subject(cell, key, file=file)


# --- imagesig --------------------------------------------------------------------------------------------------------


def we_sign(it: Subject) -> None:
    carrier, kind = it.cell.carrier, it.cell.type
    if it.image:
        formats = ["bundle" if it.is_bundle else "cosign"]
        attest(it.image, it.key.key, predicate_type=kind, predicate=it.predicate, formats=formats)
    elif carrier == "blob attestation":
        it.made.write_bytes(attest_blob(it.file, it.key.key, predicate_type=kind, predicate=it.predicate).bundle)
    else:
        signed = sign_blob(it.file, it.key.key)
        it.made.write_bytes(signed.bundle if carrier == "blob bundle" else signed.base64.encode())


def we_verify(it: Subject, trusted: object, *, kind: str = "") -> tuple[VerifiedStatement, ...]:
    """The statements that we accept; raises what our functions raise."""
    policy: Any = trusted
    kind = kind or it.cell.type
    if it.image:
        return verify_attestation(it.image, policy, predicate_type=kind).statements
    if it.cell.carrier == "blob attestation":
        return verify_blob(it.file, policy, bundle=it.made, predicate_type=kind).statements
    if it.cell.carrier == "blob bundle":
        return verify_blob(it.file, policy, bundle=it.made).statements
    return verify_blob(it.file, policy, signature=it.made.read_bytes()).statements


# --- cosign ----------------------------------------------------------------------------------------------------------


def cosign_signs(it: Subject, tools: Tools) -> Run:
    key, command, carrier = ("--key", it.key.peer_uri), _SIGN[it.cell.carrier], it.cell.carrier
    options = [*_OFFLINE, *_form_of(it)]
    if it.cell.cosign == "cosign3":
        options.append("--use-signing-config=false")
    if it.cell.type != NONE:
        predicate = tools.home / f"{uuid.uuid4().hex}.json"
        predicate.write_bytes(it.predicate)
        options += ["--type", it.cell.type, "--predicate", str(predicate)]
    if it.file.name:
        options += ["--output-signature" if carrier == "blob signature" else "--bundle", str(it.made)]
    return tools.run(it.cell.cosign, command, *key, *options, *_where(it))


def cosign_verifies(it: Subject, tools: Tools) -> Run:
    options = [*_IGNORED, *(_form_of(it) if it.cell.carrier != "blob signature" else ())]
    if it.is_bundle and it.cell.cosign == "cosign2" and it.cell.carrier != "blob signature":
        root = tools.home / "trusted_root.json"  # it wants one, although a key needs none
        root.write_text(_ROOT)
        options += ["--trusted-root", str(root)]
    if it.file.name:
        options.append("--private-infrastructure")
        options += ["--signature" if it.cell.carrier == "blob signature" else "--bundle", str(it.made)]
    if it.cell.type != NONE:
        options += ["--type", it.cell.type]
    return tools.run(it.cell.cosign, _VERIFY[it.cell.carrier], "--key", str(it.key.pem), *options, *_where(it))


def _form_of(it: Subject) -> tuple[str, ...]:
    is_bundle = it.is_bundle and it.cell.carrier != "blob signature"
    return (f"--new-bundle-format={str(is_bundle).lower()}",)


def _where(it: Subject) -> tuple[str, ...]:
    return (*_HTTP, it.image) if it.image else (str(it.file),)


_SIGN = dict.fromkeys(("bundle", "classic"), "attest") | {
    "blob attestation": "attest-blob",
    "blob bundle": "sign-blob",
    "blob signature": "sign-blob",
}
_VERIFY = dict.fromkeys(("bundle", "classic"), "verify-attestation") | {
    "blob attestation": "verify-blob-attestation",
    "blob bundle": "verify-blob",
    "blob signature": "verify-blob",
}
