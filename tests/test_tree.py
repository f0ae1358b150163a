"""Tests mirror the folders of the package: a test's name leads to what it tests, or says here why it does not."""

from __future__ import annotations

from pathlib import Path

import imagesig

PACKAGE = Path(imagesig.__file__).parent
TESTS = Path(__file__).parent

GROUPS = {
    "test_benchmarks.py": "the benchmarks",
    "test_floors.py": "the source of the whole package",
    "test_package.py": "the wheel and the sdist",
    "test_public_names.py": "the public names of every package",
    "test_start.py": "the modules that a verification loads",
    "test_tree.py": "these folders",
    "test_values.py": "the values of every module",
    "api/attached/test_attached.py": "tree and download, in Python and with the commands",
    "api/blob/test_blobs.py": "signing and verifying blobs, in Python and with the command",
    "api/test_copying_odd_images.py": "copy, with images and signatures of which something cannot be read",
    "api/test_documents.py": "the documents of all results, and what the command prints",
    "api/test_many.py": "the functions for many images",
    "api/test_reported_bugs.py": "bugs that authors of programs reported, across the public functions",
    "api/test_notation_images.py": "signing and verifying with the format of the Notary Project",
    "api/test_signatures_of_others.py": "signatures as other programs write them, from the stored text to the verdict",
    "api/test_timestamping.py": "signing with timestamps, of one image and of many",
    "docker/test_engines.py": "real engines",
    "cli/commands/test_copy_remove.py": "the commands copy, remove and sign --replace over local images",
    "cli/commands/test_key_homes.py": "the commands of `imagesig key` over the real homes of keys",
    "cli/commands/test_local_names.py": "the names of layouts and archives, in every command that takes them",
    "cli/commands/test_key_services.py": "the commands doctor and key list over scripted key services",
    "cli/test_behind_a_proxy.py": "the lines of the README, behind a proxy and with a private authority",
    "cli/test_canaries.py": "every command: none writes a secret",
    "formats/notation/test_golden.py": "recorded envelopes of notation, through the whole format",
    "formats/notation/test_strictness.py": "the rules of the specification, in every module of the format",
    "images/registry/test_faults.py": "the client of a registry as a whole, with one that misbehaves",
    "images/layout/test_odd_entries.py": "the entries of index.json, from opening to copying",
    "images/registry/test_gateways.py": "the client of a registry as a whole, behind gateways of the field",
    "images/registry/test_long_lives.py": "sessions that outlive tokens, credentials, connections and certificates",
    "images/registry/test_real.py": "real registries",
    "images/registry/test_statuses.py": "what the client makes of each status, and what a registry cannot store",
    "keys/awskms/test_faults.py": "the provider and its keys, with a KMS that misbehaves",
    "keys/awskms/test_throttling.py": "boto3 over HTTP, with a KMS that throttles",
    "keys/file/test_certificates.py": "certificates that come with keys, in files and in memory",
    "keys/pkcs11/test_buffers.py": "what modules write into memory of ours, in functions.py",
    "keys/pkcs11/test_quirks.py": "the provider and its keys, with modules that answer otherwise than SoftHSM",
    "keys/pkcs11/test_real_modules.py": "the provider and its keys, in modules beside SoftHSM",
    "keys/vault/test_faults.py": "the provider, its keys and its connection, with a Vault that misbehaves",
    "policy/files/test_schema.py": "docs/policy.schema.json beside the parser",
    "witnesses/test_openssl.py": "the services of openssl, real ones",
}
"""Tests in a mirroring folder that are about several modules, each with what they are about."""


def _mirrors(folder: Path) -> bool:
    """Whether the folder of tests has the name of a folder of the package; others are named after their topic."""
    return folder == Path() or (PACKAGE / folder).is_dir()


def unexplained(test: Path) -> bool:
    """Whether a test mirrors a folder and names neither a module of it nor a group."""
    name = test.stem.removeprefix("test_")
    is_module = (PACKAGE / test.parent / f"{name}.py").is_file() or (PACKAGE / test.parent / name).is_dir()
    return _mirrors(test.parent) and not is_module and test.as_posix() not in GROUPS


def test_a_test_names_a_module_or_a_group() -> None:
    found = {path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}

    assert not {test.as_posix() for test in found if unexplained(test)}
    assert not {group for group in GROUPS if Path(group) not in found}, "no such test"


def test_a_test_of_no_module_is_seen() -> None:
    assert unexplained(Path("crypto/test_encodings.py"))
    assert unexplained(Path("test_encodings.py"))
    assert not unexplained(Path("crypto/test_ecdsa.py"))
    assert not unexplained(Path("testing/test_hostile.py"))
    assert not unexplained(Path("attacks/test_words.py"))
