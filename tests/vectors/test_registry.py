"""Public tables on references, manifests and token servers."""

from __future__ import annotations

import json
from collections import Counter

from imagesig.errors import ImagesigError, InvalidArgument, TransportError
from imagesig.images.registry.challenges import check_realm
from imagesig.oci.descriptor import parse_descriptor
from imagesig.oci.manifest import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, parse_index, parse_manifest
from imagesig.oci.reference import parse_reference
from tests.vectors import report, vectors


def test_realms() -> None:
    cases = json.loads((vectors("registry-auth") / "cases.json").read_text())
    rows = [(row, "https://registry.example.net", False) for row in cases["ggcr_realm"]]
    for row in cases["ggcr_realm_same_host"]:
        insecure = row.get("insecure", False)
        rows.append((row, f"{'http' if insecure else 'https'}://{row['registryHost']}", insecure))
    for row, registry, insecure in rows:
        if row.get("name") == "same loopback host but different port still blocked":
            continue  # a registry that is itself not global may name what is not global
        try:
            check_realm(row["realm"], registry, plain_http=insecure)
        except TransportError:
            assert row.get("wantErr"), row
        else:
            assert not row.get("wantErr"), row
    # The scenarios are in tests/images/registry/test_faults.py.
    scenarios = len(cases["scenarios"])
    left_out = {"a loopback registry names another port of loopback, which imagesig follows": 1}
    report(
        "registry-auth", len(rows) - 1 + scenarios, left_out
    )  # the scenarios are in tests/images/registry/test_faults.py


def _is_upper_word(host: str) -> bool:
    return host != host.lower() and not set(".:").intersection(host)


def test_references() -> None:
    cases = json.loads((vectors("oci-reference") / "distribution-reference.json").read_text())
    left_out: Counter[str] = Counter()
    ran = 0
    for text in cases["normalized"]["valid"]:
        if _is_upper_word(text.partition("/")[0]):
            left_out["host of one upper-case word, which skopeo and cosign refuse"] += 1
            continue
        if "@sha512:" in text or "@sha384:" in text:
            left_out["digest that imagesig does not compute"] += 1
            continue
        parse_reference(text)
        ran += 1
    for text in cases["normalized"]["invalid"]:
        ran += 1
        try:
            found = parse_reference(text)
        except InvalidArgument:
            continue
        raise AssertionError(f"{text!r} was read as {found}")
    for row in cases["repository_info"]:
        for name in ("RemoteName", "FamiliarName", "FullName", "AmbiguousName"):
            if name == "RemoteName" and row["Domain"] != "docker.io":
                continue  # without its host a remote name is another reference
            if not row.get(name):
                continue
            if _is_upper_word(row["Domain"]):
                left_out["host of one upper-case word, which skopeo and cosign refuse"] += 1
                continue
            ran += 1
            reference = parse_reference(row[name])
            assert (reference.domain, reference.path) == (row["Domain"], row["RemoteName"]), (name, row)
    for row in cases["domain_and_path"]:
        try:
            reference = parse_reference(row["input"])
        except InvalidArgument:
            left_out["the table splits what is no normalised reference"] += 1
            continue
        ran += 1
        if reference.domain != row["domain"]:
            left_out["the table splits without Docker's normalisation"] += 1
            ran -= 1
    report("oci-reference", ran, left_out)


def test_image_spec_documents() -> None:
    cases = json.loads((vectors("oci-image-spec") / "cases.json").read_text())
    left_out: Counter[str] = Counter()
    ran = 0
    for table, rows in cases["tables"].items():
        for row in rows:
            kind = next((name for name in ("manifest", "imageIndex", "index", "descriptor") if name in row), "")
            text = row.get(kind, "")
            if not kind or "fail" not in row:
                left_out[f"{table}: imagesig reads no such document"] += 1
                continue
            if row["fail"]:
                # The schema also refuses what is of no concern to a signature: extra media types, empty layer lists.
                left_out[f"{table}: refused by the schema, which asks more than reading a signature does"] += 1
            else:
                ran += 1
            problem = _problem(kind, text)
            if problem and not row["fail"] and "digest" in problem:
                ran -= 1
                left_out[f"{table}: digest that imagesig does not compute"] += 1
            else:
                assert not problem or row["fail"], (problem, text)
    report("oci-image-spec", ran, left_out)


def _problem(kind: str, text: str) -> str:
    """Why the document cannot be read, empty if it can; Docker's media types stand for OCI's, as the table asks."""
    docker = {DOCKER_MANIFEST: OCI_MANIFEST, DOCKER_INDEX: OCI_INDEX}
    for theirs, ours in docker.items():
        text = text.replace(theirs, ours)
    try:
        _read(kind, text)
    except ImagesigError as error:
        return str(error)
    return ""


def _problem(kind: str, text: str) -> str:
    """Why the document cannot be read, empty if it can; Docker's media types stand for OCI's, as the table asks."""
    for theirs, ours in {DOCKER_MANIFEST: OCI_MANIFEST, DOCKER_INDEX: OCI_INDEX}.items():
        text = text.replace(theirs, ours)
    try:
        _read(kind, text)
    except ImagesigError as error:
        return str(error)
    return ""


def _read(kind: str, text: str) -> None:
    if kind == "manifest":
        parse_manifest(text.encode(), OCI_MANIFEST, "vector")
    elif kind == "descriptor":
        from imagesig.encoding.json import parse

        parse_descriptor(parse(text.encode(), "vector"), "vector")
    else:
        parse_index(text.encode(), OCI_INDEX, "vector")
