"""Policies as files: which reader, which folder, and what cannot be read."""

from __future__ import annotations

import base64
import codecs
import json
import os
import pickle
from pathlib import Path

import pytest

from imagesig import Policy
from imagesig.errors import InvalidArgument
from imagesig.oci.location import Location
from imagesig.oci.reference import parse_reference
from imagesig.policy import AcceptAnything, Identity, KeyReference, Reject, Rule, Scope, Signed, Unsupported
from imagesig.trust import CertificateAuthority, TrustedKey
from tests.policy.files.documents import certificate, pem

OWN = {"version": 1, "authorities": {"a": {"key_file": "a.pub"}}, "default": {"require": [{"any": ["a"]}]}}
OWN_TOML = 'version = 1\nauthorities.a = { key_file = "a.pub" }\ndefault = { require = [{ any = ["a"] }] }\n'


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def key_text(policy: Policy) -> str:
    (key,) = policy.default.signed[0].authorities
    assert isinstance(key, KeyReference)
    return key.text


@pytest.mark.parametrize(
    ("name", "content"), [("p.toml", OWN_TOML), ("p.json", OWN), ("policy", OWN_TOML), ("policy", OWN)]
)
def test_toml_and_json_are_distinguished_by_name_or_content(name: str, content: object, tmp_path: Path) -> None:
    assert key_text(Policy.load(write(tmp_path / name, content))) == f"{tmp_path}/a.pub"


def test_files_are_relative_to_the_policy_and_not_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policies").mkdir()
    write(tmp_path / "policies" / "p.toml", OWN_TOML)
    monkeypatch.chdir(tmp_path)
    assert key_text(Policy.load("policies/p.toml")) == f"{tmp_path}/policies/a.pub"


def test_a_file_of_certificates_is_read_with_the_policy(tmp_path: Path) -> None:
    write(tmp_path / "roots.pem", certificate())
    document = {
        "version": 1,
        "authorities": {"corp": {"ca_file": "roots.pem"}},
        "default": {"require": [{"any": ["corp"]}]},
    }
    policy = Policy.load(write(tmp_path / "p.json", document))
    (tmp_path / "roots.pem").unlink()
    (authority,) = policy.default.signed[0].authorities
    assert isinstance(authority, CertificateAuthority)
    with pytest.raises(InvalidArgument, match=r"p\.json:1: authorities\.corp\.ca_file: .*cannot be read"):
        Policy.load(tmp_path / "p.json")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be read: there is no such file"):
        Policy.load(tmp_path / "missing.toml")
    with pytest.raises(InvalidArgument, match="cannot be read: a folder"):
        Policy.load(tmp_path)
    with pytest.raises(InvalidArgument, match="not the name of a file"):
        Policy.load("a\0b")


def test_a_file_larger_than_any_policy_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "p.toml").open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)
    with pytest.raises(InvalidArgument, match="too large, at most"):
        Policy.load(tmp_path / "p.toml")


def test_a_loaded_policy_pickles_and_hashes(tmp_path: Path) -> None:
    policy = Policy.load(write(tmp_path / "p.toml", OWN_TOML))
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert hash(policy) == hash(pickle.loads(pickle.dumps(policy)))


# --- containers/image's policy.json -------------------------------------------------------------------------------


def imported(tmp_path: Path, *requirements: object, **scopes: object) -> Policy:
    document = {"default": list(requirements) or [{"type": "reject"}], "transports": {"docker": scopes}}
    return Policy.from_containers_policy(write(tmp_path / "policy.json", document))


def select(policy: Policy, reference: str) -> Rule:
    return policy.select(Location(reference=parse_reference(reference)))


def test_an_imported_policy_has_classic_signatures_and_the_strict_identity(tmp_path: Path) -> None:
    policy = imported(tmp_path, {"type": "sigstoreSigned", "keyPath": "/keys/a.pub"})
    (requirement,) = policy.default.signed
    assert requirement.formats == ("cosign",)
    assert requirement.identity == Identity.match_repo_digest_or_exact()
    assert requirement.authorities == (KeyReference("/keys/a.pub", "/keys/a.pub"),)


def test_an_imported_policy_accepts_other_formats_on_request(tmp_path: Path) -> None:
    imported(tmp_path, {"type": "sigstoreSigned", "keyPath": "/keys/a.pub"})
    policy = Policy.from_containers_policy(tmp_path / "policy.json", formats=("cosign", "bundle"))
    assert policy.default.signed[0].formats == ("cosign", "bundle")


def test_keys_inside_a_policy_are_the_base64_of_their_files(tmp_path: Path) -> None:
    data = base64.b64encode(pem(1).encode()).decode()
    (requirement,) = imported(tmp_path, {"type": "sigstoreSigned", "keyDatas": [data]}).default.signed
    assert isinstance(requirement.authorities[0], TrustedKey)


def test_an_invalid_key_refuses_images_and_not_the_policy(tmp_path: Path) -> None:
    (requirement,) = imported(tmp_path, {"type": "sigstoreSigned", "keyData": "YWJj"}).default.requirements
    assert isinstance(requirement, Unsupported)


@pytest.mark.parametrize(
    ("requirement", "named"),
    [
        ({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k.gpg"}, "signedBy GPGKeys"),
        ({"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchExact"}}, "signedBaseLayer"),
        (
            {
                "type": "sigstoreSigned",
                "fulcio": {"caPath": "/ca", "oidcIssuer": "https://i", "subjectEmail": "a@b"},
                "rekorPublicKeyPath": "/r",
            },
            "Fulcio",
        ),
        ({"type": "sigstoreSigned", "pki": {"caRootsPath": "/ca", "subjectEmail": "a@b"}}, "pki"),
        ({"type": "sigstoreSigned", "keyPath": "/a", "rekorPublicKeyPath": "/r"}, "Rekor"),
    ],
)
def test_a_requirement_that_cannot_be_judged_refuses_only_the_images_of_its_scope(
    requirement: object, named: str, tmp_path: Path
) -> None:
    policy = imported(
        tmp_path,
        **{"registry.example": [requirement], "other.example": [{"type": "sigstoreSigned", "keyPath": "/a"}]},
    )
    (unsupported,) = select(policy, "registry.example/a:1").requirements
    assert isinstance(unsupported, Unsupported)
    assert isinstance(unsupported, Reject)
    assert named in unsupported.reason
    assert "policy.json:1" in unsupported.reason
    assert isinstance(select(policy, "other.example/a:1").requirements[0], Signed)


def test_requirements_are_anded_and_other_transports_keep_their_scopes(tmp_path: Path) -> None:
    document = {
        "default": [{"type": "reject"}],
        "transports": {
            "docker": {"": [{"type": "insecureAcceptAnything"}, {"type": "sigstoreSigned", "keyPath": "/a"}]},
            "oci": {"/images": [{"type": "insecureAcceptAnything"}]},
            "nobody-knows": {"x y": [{"type": "reject"}]},
        },
    }
    policy = Policy.from_containers_policy(write(tmp_path / "policy.json", document))
    assert [type(item) for item in select(policy, "a.example/b:1").requirements] == [AcceptAnything, Signed]
    assert Scope("oci", "/images") in policy.rules


def test_a_name_with_tag_and_digest_is_not_judged(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="a tag and a digest"):
        select(imported(tmp_path), f"a.example/b:1@sha256:{'ab' * 32}")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{}", "policy.json:1: the field 'default' is missing"),
        ('{"default": [{"type": "reject"}],\n"transport": {}}', "policy.json:2: transport: unknown field"),
        ('{"default": [\n{"type": "rejectt"}]}', "policy.json:2: default[0].type: 'rejectt'"),
        ('{"default": [{"type": "reject"}], "transports": {"dir": {"a/b": [{"type": "reject"}]}}}', "must be absolute"),
        ('{"default": [{"type": "reject"}], "transports": {"oci": {"/": [{"type": "reject"}]}}}', 'write ""'),
        ('{"default": [{"type": "reject"}], "transports": {"dir": {"/a/../b": [{"type": "reject"}]}}}', "or .."),
        ('{"default": [{"type": "reject"}], "transports": {"oci": {"/a//b": [{"type": "reject"}]}}}', "is empty"),
        ('{"default": [{"type": "reject"}], "transports": {"oci": {"/a/": [{"type": "reject"}]}}}', "is empty"),
        (
            '{"default": [{"type": "reject"}], "transports": {"docker-archive": {"/a": [{"type": "reject"}]}}}',
            "no scopes",
        ),
        ('{"default": [{"type": "sigstoreSigned"}]}', "one of keyPath, keyPaths, keyData, keyDatas, fulcio, pki"),
        ('{"default": [{"type": "sigstoreSigned", "keyPath": ""}]}', "one of keyPath"),
        ('{"default": [{"type": "sigstoreSigned", "keyPath": "a", "keyData": "YQ=="}]}', "combined with 'keyPath'"),
        ('{"default": [{"type": "sigstoreSigned", "keyData": "YQ"}]}', "base64 is needed"),
        (
            '{"default": [{"type": "sigstoreSigned", "pki": {"caRootsPath": "/ca"}}]}',
            "subjectEmail or subjectHostname is needed",
        ),
        (
            '{"default": [{"type": "sigstoreSigned", "pki": {"caRootsPath": "/ca", "subjectEmail": ""}}]}',
            "subjectEmail or subjectHostname is needed",
        ),
    ],
)
def test_a_wrong_policy_json_is_refused_with_line_and_reason(document: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Policy.from_containers_policy(write(tmp_path / "policy.json", document))
    assert said in str(caught.value)


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE], ids=["8", "16le", "16be"])
@pytest.mark.parametrize("name", ["policy.toml", "policy.json"])
def test_a_file_that_begins_with_a_byte_order_mark_is_refused_as_such(tmp_path: Path, name: str, mark: bytes) -> None:
    (tmp_path / name).write_bytes(mark + b"version = 1\n")
    with pytest.raises(InvalidArgument, match="byte order mark") as refused:
        Policy.load(tmp_path / name)
    assert refused.value.hint == "save it as UTF-8 without the mark"
