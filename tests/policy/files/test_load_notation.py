"""Trust policies and trust stores from files: what is read, and what is not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from imagesig import limits
from imagesig.errors import InvalidArgument
from imagesig.oci.location import Location
from imagesig.oci.reference import parse_reference
from imagesig.policy import Policy, Signed
from imagesig.policy.files.load import load_policy_of_kind
from imagesig.policy.files.load_notation import load_trust_store, notation_folder
from imagesig.policy.files.notation import Store
from tests.chains import Issuer, intermediate, leaf, pem, root

TEAM = Store("ca", "team")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of the trust store `ca:team`, with one root."""
    folder = tmp_path / "truststore" / "x509" / "ca" / "team"
    folder.mkdir(parents=True)
    (folder / "root.crt").write_text(pem(root().chain))
    return folder


def load(store: Path, of: Store = TEAM) -> int:
    return len(load_trust_store(store.parents[2], of))


def put(store: Path, *issuers: Issuer, name: str = "more.pem") -> None:
    (store / name).write_text(pem([item.certificate for item in issuers]))


def test_pem_with_several_and_der_are_read_under_any_file_name(store: Path) -> None:
    put(store, root(number=955), intermediate(root()), name="several")
    (store / "x.txt").write_bytes(root(number=956).certificate.x509.public_bytes(Encoding.DER))
    assert load(store) == 4


def test_a_sub_folder_is_ignored(store: Path) -> None:
    (store / "below").mkdir()
    assert load(store) == 1


def test_a_self_signed_signer_may_be_trusted(store: Path) -> None:
    put(store, leaf(None))
    assert load(store) == 2


def test_a_signer_that_an_authority_certified_may_not(store: Path) -> None:
    put(store, leaf(root()))
    with pytest.raises(InvalidArgument, match="only those of authorities"):
        load(store)


def test_for_timestamps_only_roots_are_trusted(store: Path) -> None:
    stamps = store.parents[1] / "tsa" / "public"
    stamps.parent.mkdir()
    store.rename(stamps)
    assert load(stamps, Store("tsa", "public")) == 1
    for wrong in (intermediate(root()), leaf(None)):
        put(stamps, wrong)
        with pytest.raises(InvalidArgument, match="self-signed certificates of authorities"):
            load(stamps, Store("tsa", "public"))


def test_an_empty_or_missing_store_is_refused(store: Path) -> None:
    (store / "root.crt").unlink()
    with pytest.raises(InvalidArgument, match="is empty"):
        load(store)
    with pytest.raises(InvalidArgument, match="cannot be read"):
        load(store, Store("ca", "absent"))


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_that_holds_no_certificate_is_refused(store: Path, content: bytes) -> None:
    (store / "bad").write_bytes(content)
    with pytest.raises(InvalidArgument):
        load(store)


def test_symbolic_links_are_refused_as_file_and_as_store(store: Path, tmp_path: Path) -> None:
    (store.parent / "linked").symlink_to(store)
    with pytest.raises(InvalidArgument, match="symbolic link"):
        load(store, Store("ca", "linked"))
    outside = tmp_path / "outside.pem"
    outside.write_text(pem(root(number=955).chain))
    (store / "link.pem").symlink_to(outside)
    with pytest.raises(InvalidArgument, match="symbolic link"):
        load(store)


def test_a_pipe_and_a_huge_file_are_refused(store: Path) -> None:
    os.mkfifo(store / "pipe")
    with pytest.raises(InvalidArgument, match="a regular file is needed"):
        load(store)
    (store / "pipe").unlink()
    with (store / "huge").open("wb") as file:
        file.truncate(limits.CERTIFICATE_FILE_BYTES + 1)
    with pytest.raises(InvalidArgument, match="too large"):
        load(store)


def test_more_certificates_than_any_store_has_are_refused(store: Path) -> None:
    one = pem(root().chain)
    (store / "a").write_text(one * limits.CERTIFICATES)
    with pytest.raises(InvalidArgument, match="more than"):
        load(store)


# --- the policy file -------------------------------------------------------------------------------------------------


def write_policy(folder: Path, name: str = "trustpolicy.json", scope: str = "registry.example/app") -> Path:
    statement = {
        "name": "team",
        "registryScopes": [scope],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:team"],
        "trustedIdentities": ["*"],
    }
    path = folder / name
    path.write_text(json.dumps({"version": "1.0", "trustPolicies": [statement]}))
    return path


def for_app(policy: Policy, name: str = "registry.example/app:1.0") -> bool:
    (requirement,) = policy.select(Location(reference=parse_reference(name))).requirements
    return isinstance(requirement, Signed)


def test_a_policy_is_read_from_its_file_or_from_the_folder_that_has_it(store: Path, tmp_path: Path) -> None:
    path = write_policy(tmp_path)
    assert for_app(Policy.from_notation(path))
    assert for_app(Policy.from_notation(str(path)))
    assert for_app(Policy.from_notation(tmp_path))


def test_the_file_for_images_is_read_before_the_older_one(store: Path, tmp_path: Path) -> None:
    write_policy(tmp_path)
    write_policy(tmp_path, "trustpolicy.oci.json", "registry.example/other")
    assert not for_app(Policy.from_notation(tmp_path))
    assert for_app(Policy.from_notation(tmp_path), "registry.example/other:1")


def test_the_trust_store_may_be_elsewhere(store: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = write_policy(elsewhere)
    with pytest.raises(InvalidArgument, match="trust store ca:team"):
        Policy.from_notation(path)
    assert for_app(Policy.from_notation(path, trust_store=tmp_path / "truststore"))


def test_without_a_trust_store_beside_the_policy_notations_own_is_read(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = write_policy(elsewhere)
    monkeypatch.setenv("NOTATION_CONFIG", str(tmp_path))
    assert for_app(Policy.of(load_policy_of_kind(path)))
    (elsewhere / "truststore").mkdir()
    with pytest.raises(InvalidArgument, match="trust store ca:team"):
        load_policy_of_kind(path)


def test_a_policy_that_is_a_link_or_a_folder_without_one_is_refused(store: Path, tmp_path: Path) -> None:
    path = write_policy(tmp_path, "real.json")
    link = tmp_path / "trustpolicy.json"
    link.symlink_to(path)
    with pytest.raises(InvalidArgument, match="symbolic link"):
        Policy.from_notation(link)
    with pytest.raises(InvalidArgument, match="symbolic link"):
        Policy.from_notation(tmp_path)
    link.unlink()
    with pytest.raises(InvalidArgument, match="neither"):
        Policy.from_notation(tmp_path)
    with pytest.raises(InvalidArgument, match="cannot be read"):
        Policy.from_notation(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"NOTATION_CONFIG": "/n", "XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/n"),
        ({"XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/x/notation"),
        ({"HOME": "/h"}, "/h/.config/notation"),
    ],
)
def test_notations_own_folder_is_where_notation_has_it(environ: dict[str, str], folder: str) -> None:
    assert notation_folder(environ) == Path(folder)
