"""containers/image's own tables: payloads, identities, and signatures in `dir:` images."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from imagesig.errors import IdentityMismatch, ImagesigError, InvalidArgument
from imagesig.formats.cosign import Cosign, parse_payload
from imagesig.oci.annotations import Annotations
from imagesig.oci.reference import Reference, parse_reference
from imagesig.policy import Identity, Policy, judge
from imagesig.signature import Part, StoredSignature, Subject
from tests.makers import DIGEST, NOW
from tests.vectors import report, vectors

_HEADER = b"\0sigstore-json\n"


def table(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((vectors("containers-image") / name).read_text())["cases"]
    return cases


def test_payloads() -> None:
    every = table("cases-payload-parse.json")
    cases = [case for case in every if case["type"].startswith("cosign")]
    for case in cases:
        try:
            parse_payload(case["payload"].encode())
        except ImagesigError:
            assert not case["valid"], case
        else:
            assert case["valid"], case
    report("containers-image payloads", len(cases), {"OpenPGP simple signing": len(every) - len(cases)})


def test_identities() -> None:
    """`matchRepository` and `matchExact` are not ours; the default and `exactRepository` are, up to what we widen."""
    left_out: Counter[str] = Counter()
    ran = 0
    for case in table("cases-reference-match.json"):
        kind = case["signedIdentity"]["type"]
        try:
            if kind == "matchRepoDigestOrExact" and case["image"]:
                identity, image = Identity.of_image(), parse_reference(case["image"])
            elif kind == "exactRepository":
                # There a tag in the field is ignored; ours would compare it.
                repository = parse_reference(case["signedIdentity"]["dockerRepository"]).repository
                identity, image = Identity.exactly(repository), None
            else:
                left_out[f"{kind}: not an identity of imagesig 0.1"] += 1
                continue
            matched = _matches(identity, case["signed"], image)
        except InvalidArgument:
            matched = False
        if matched and not case["match"] and _is_widened(kind, case):
            left_out["accepted on purpose: a signature without a tag, or a digest beside the tag"] += 1
            continue
        assert matched == case["match"], case
        ran += 1
    report("containers-image identities", ran, left_out)


def _matches(identity: Identity, signed: str, image: Reference | None) -> bool:
    # A digest in the signed name has to be the image's own; there it is one name among others.
    digest = signed.partition("@")[2] or (image.digest if image and image.digest else DIGEST)
    try:
        identity.match(signed, image, digest)
    except IdentityMismatch:
        return False
    return True


def _is_widened(kind: str, case: dict[str, Any]) -> bool:
    """Where ours is laxer: cosign's names have no tag, and where the digest is given the tag does not matter."""
    with_digest = "@" in case["image"] or "@" in case["signed"]
    return kind == "matchRepoDigestOrExact" and (not parse_reference(case["signed"]).tag or with_digest)


def test_signatures_of_dir_images() -> None:
    root = vectors("containers-image")
    left_out: Counter[str] = Counter()
    ran = 0
    for case in table("cases-eval.json"):
        requirements = case["requirements"]
        ours = len(requirements) == 1 and requirements[0]["type"] == "sigstoreSigned" and "keyPath" in requirements[0]
        if not ours or set(requirements[0]) - {"type", "keyPath", "signedIdentity"}:
            left_out["OpenPGP, certificates, a transparency log, or several requirements"] += 1
            continue
        identity = _identity(requirements[0].get("signedIdentity", {}))
        if identity is None:
            left_out["an identity that imagesig 0.1 does not have"] += 1
            continue
        allowed = _evaluate(root, case, requirements[0]["keyPath"], identity)
        assert allowed == case["allowed"], case
        ran += 1
    report("containers-image dir: images", ran, left_out)


def _identity(value: dict[str, str]) -> Identity | None:
    kind = value.get("type", "matchRepoDigestOrExact")
    if kind == "exactRepository":
        return Identity.exactly(value["dockerRepository"])
    return Identity.of_image() if kind in ("matchRepoDigestOrExact", "matchRepository") else None


def _evaluate(root: Path, case: dict[str, Any], key_path: str, identity: Identity) -> bool:
    folder = root / case["image"]
    digest = "sha256:" + hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    examined, form = [], Cosign()
    image = parse_reference(case["reference"])
    try:
        (rule,) = Policy.any_of((root / key_path).read_bytes(), identity=identity).default.signed
    except (OSError, ImagesigError):
        return False
    for path in sorted(folder.glob("signature-*")):
        stored = _stored(path, case.get("edit"))
        try:
            examined.append(form.authenticate(form.parse(stored), rule.anchors, NOW))
        except ImagesigError:
            continue
    return judge(Subject(digest), image, rule, examined).failure is None


def _stored(path: Path, edit: dict[str, Any] | None) -> StoredSignature:
    content = path.read_bytes()
    if not content.startswith(_HEADER):
        return StoredSignature(path.name, (Part("application/pgp-signature", content),))
    document = json.loads(content[len(_HEADER) :])
    annotations = dict(document.get("annotations") or {}) | (edit or {}).get("set_annotation", {})
    annotations.pop((edit or {}).get("remove_annotation"), None)
    payload = base64.b64decode(document["payload"])
    return StoredSignature(path.name, (Part(document["mimeType"], payload, Annotations(annotations)),))
