"""Docker Content Trust: connaisseur's repositories, and caches of old notary clients."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagesig.content_trust.lookup import releases
from imagesig.content_trust.metadata import (
    FileHash,
    parse_document,
    parse_listing,
    parse_root,
    parse_targets,
    serialized,
)
from imagesig.content_trust.pin import check_root
from imagesig.content_trust.private_folder import PrivateKeyFolder
from imagesig.content_trust.role import check_expiry, check_signatures
from imagesig.content_trust.update import update
from imagesig.content_trust.update_request import UpdateRequest
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import DigestMismatch, Expired, ImagesigError
from imagesig.keys.secrets import fixed
from tests.content_trust.repository import fetched
from tests.vectors import report, vectors

AT = datetime(2026, 11, 28, tzinfo=UTC)
BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
"""Within the validity of the old clients' root certificates, one of which has expired since."""


def originals(folder: Path) -> dict[str, bytes]:
    """The files as notary wrote them: the vectors have them with blanks, which changes their hashes."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_bytes())
        signatures = [(item["keyid"], item["method"], item["sig"]) for item in document["signatures"]]
        content = serialized(document["signed"], signatures)
        found[path.name] = content
        found[f"{path.stem}.{FileHash.of(content).sha256.hex()}.json"] = content
    return found


def pem_of(validator: Path, name: str) -> str:
    """The key of a trust root in connaisseur's file, whose entries are a name and a block of text."""
    match = re.search(rf"- name: {name}\n    key: \|\n((?: {{6}}.*\n?)+)", validator.read_text())
    return re.sub(r"(?m)^ {6}", "", match[1]) if match else ""


@pytest.mark.parametrize("name", ["sample-image", "never-expire-image"])
def test_our_bytes_of_metadata_are_those_that_notary_hashed(name: str) -> None:
    files = originals(vectors("notary-v1") / "trust_data" / name)
    listed = dict(parse_listing("snapshot", files["snapshot.json"], ("root", "targets")).files)
    listed |= parse_listing("timestamp", files["timestamp.json"], ("snapshot",)).files

    assert {role: FileHash.of(files[f"{role}.json"]).sha256 for role in listed} == {
        role: item.sha256 for role, item in listed.items()
    }
    report("notary-v1 golden bytes", len(listed))


def test_repositories_of_connaisseur() -> None:
    """Every signature and digest is as it says. The whole is refused: its snapshot has the length of another root.

    Its certificate is for a host, which no repository is called: only a pinned key accepts it.
    """
    folder = vectors("notary-v1")
    cases = json.loads((folder / "cases.json").read_text())["validate_image"]
    for case in cases:
        name, _, tag = case["image"].partition(":")
        gun, files = f"docker.io/library/{name}", originals(folder / "trust_data" / name)
        pem = pem_of(folder / "validators" / f"{case['validatorPath']}.yaml", case["key"])
        if not pem:
            assert "trust root key" in case["err"]
            continue
        request = UpdateRequest(gun, (PublicKey.from_pem(pem),), AT)
        if case["err"]:
            assert fetched(files, request) is None, case
            continue
        root = parse_root(files["root.json"])
        check_root(root, gun, request.pins, AT)
        for role in ("root", "targets", "snapshot", "timestamp"):
            document = parse_document(role, files[f"{role}.json"])
            assert check_signatures(root.roles[role], document), case
            check_expiry(document, AT)
        assert parse_targets("targets", files["targets.json"]).tags[tag].digest == case["digest"], case
        with pytest.raises(DigestMismatch, match=r"root\.json"):
            fetched(files, request)
        with pytest.raises(ImagesigError):
            check_root(root, gun, (), AT)
    report("notary-v1 repositories", len(cases))


def test_an_expired_repository_of_connaisseur_is_refused() -> None:
    folder = vectors("notary-v1") / "trust_data"
    request = UpdateRequest("docker.io/phbelitz/sample-image", (), AT)

    with pytest.raises(Expired):
        fetched(originals(folder / "sample-image"), request)
    report("notary-v1 repositories", 1)


def test_trust_root_keys() -> None:
    folder = vectors("notary-v1")
    cases = json.loads((folder / "cases.json").read_text())["trust_root_keys"]
    pems = [pem_of(folder / "validators" / f"{case['file']}.yaml", case["keyRef"]) for case in cases]
    ran = 0
    for case, pem in zip(cases, pems, strict=True):
        if not pem or "extraneous" in case["alg"]:
            continue
        if "dilithium" in case["keyRef"]:
            with pytest.raises(ImagesigError):
                PublicKey.from_pem(pem)
        else:  # connaisseur does not read RSA PUBLIC KEY
            assert PublicKey.from_pem(pem)
        ran += 1
    left = {
        "look-ups of names, connaisseur's own": pems.count(""),
        "text after a PEM block, which other keys of ours may have too": len(cases) - ran - pems.count(""),
    }
    report("notary-v1 root keys", ran, left)


def test_caches_of_old_clients() -> None:
    folder = vectors("notary-v1") / "notary-compat"
    expected = {
        "notary0.1": ("docker.com/notary0.1/samplerepo", {"LICENSE"}),
        "notary0.3": ("docker.com/notary0.3/tst", {"LICENSE", "change", "hello"}),
    }
    license_digest = "sha256:9395bac6fccb26bcb55efb083d1b4b0fe72a1c25f959f056c016120b3bb56a62"
    for version, (gun, tags) in expected.items():
        metadata = folder / version / "tuf" / gun / "metadata"
        files = sorted(metadata.rglob("*.json"))
        remembered = {path.relative_to(metadata).as_posix()[:-5]: path.read_bytes() for path in files}
        steps = update(UpdateRequest(gun, (), BEFORE, remembered))
        assert next(steps).name == "timestamp.json"
        with pytest.raises(StopIteration) as done:
            steps.send(remembered["timestamp"])
        found = releases(done.value.value)
        assert set(found) == tags
        assert found["LICENSE"].digest == license_digest
    report("notary-v1 caches of old clients", len(expected), {"unpublished changes": len(expected)})


@pytest.mark.parametrize(("version", "passphrase"), [("notary0.1", "randompass"), ("notary0.3", "password")])
def test_the_private_keys_of_old_clients_are_read(version: str, passphrase: str, tmp_path: Path) -> None:
    # The README gives one passphrase for all; those of 0.3 open with the other one.
    shutil.copytree(vectors("notary-v1") / "notary-compat" / version / "private", tmp_path / "private")
    for path in tmp_path.rglob("*.key"):
        path.chmod(0o600)
    keys = PrivateKeyFolder(tmp_path / "private", lambda _role: fixed(passphrase))
    roles = keys.roles()
    assert set(roles.values()) - {"targets/releases"} == {"root", "targets", "snapshot"}
    for key_id in roles:
        key = keys.find(key_id)
        assert key is not None
        assert key.sign(b"message").key_id == key_id
