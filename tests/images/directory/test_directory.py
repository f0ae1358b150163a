"""`dir:` of containers/image: classic signatures as files, nothing else, and never those of another image."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig import copy, inspect, remove, sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import (
    ImageNotFound,
    InvalidArgument,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    NotFound,
    SignaturesUnsupported,
)
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.directory.directory import Directory, directory
from imagesig.images.layout.layout import Layout
from imagesig.images.open import open_image
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import OCI_MANIFEST
from tests.signers import sign_in_threads

NAME = "registry.example/team/app:1.0"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    build_index(Directory(tmp_path / "dir", create=True), {"bin/app": b"hello"}, "1.0")
    return tmp_path / "dir"


def test_the_index_and_every_platform_are_signed_as_files(path: Path, key: SigningKey) -> None:
    signed = sign(f"dir:{path}", key, formats=["cosign"], identity=NAME)
    assert len(signed.signatures) == 3
    assert (path / "signature-1").read_bytes().startswith(b"\0sigstore-json\n")
    assert len(list(path.glob("*.signature-1"))) == 2
    assert verify(f"dir:{path}", key).signatures
    assert verify(f"dir:{path}", key, platform="linux/arm64").signatures


def test_what_it_cannot_hold_is_refused_before_anything_is_signed(path: Path, key: SigningKey) -> None:
    with pytest.raises(SignaturesUnsupported, match="not bundles"):
        sign(f"dir:{path}", key)
    assert not list(path.glob("*signature*"))


def test_two_keys_are_both_kept_and_signing_twice_adds_nothing(path: Path, key: SigningKey, tmp_path: Path) -> None:
    other = FileProvider(tmp_path).generate("other.key", KeyType.ED25519)
    for signer in (key, other, key, other):
        sign(f"dir:{path}", signer, formats=["cosign"], recursive=False)
    assert sorted(item.name for item in path.glob("signature-*")) == ["signature-1", "signature-2"]
    assert verify(f"dir:{path}", other).signatures


def test_an_openpgp_signature_beside_ours_stays_and_is_reported(path: Path, key: SigningKey) -> None:
    (path / "signature-1").write_bytes(b"\x90openpgp")
    (path / "signature-2").write_bytes(b"what is this")
    sign(f"dir:{path}", key, formats=["cosign"], recursive=False)
    assert (path / "signature-1").read_bytes() == b"\x90openpgp"
    assert (path / "signature-2").read_bytes() == b"what is this"
    result = verify(f"dir:{path}", key)
    assert len(result.rejections) == 2
    assert "openpgp" in str(result.rejections[0])


def test_a_gap_ends_the_list(path: Path, key: SigningKey) -> None:
    sign(f"dir:{path}", key, formats=["cosign"], recursive=False)
    (path / "signature-1").rename(path / "signature-2")
    with pytest.raises(NoSignatures):
        verify(f"dir:{path}", key)


def test_removing_one_of_three_leaves_no_gap(path: Path, tmp_path: Path) -> None:
    keys = [FileProvider(tmp_path).generate(f"{number}.key", KeyType.ECDSA_P256) for number in range(3)]
    for signer in keys:
        sign(f"dir:{path}", signer, formats=["cosign"], recursive=False)
    assert len(remove(f"dir:{path}", key=keys[1]).removed) == 1
    assert sorted(item.name for item in path.glob("signature-*")) == ["signature-1", "signature-2"]
    assert verify(f"dir:{path}", keys[2]).signatures
    with pytest.raises(NoSignatureAccepted):
        verify(f"dir:{path}", keys[1])


def test_another_image_in_its_place_does_not_inherit_signatures(path: Path, key: SigningKey, tmp_path: Path) -> None:
    sign(f"dir:{path}", key, formats=["cosign"])
    build_image(Layout.create(tmp_path / "other"), {"a": b"other"}, PLATFORMS[0], "1")
    copy(f"oci:{tmp_path / 'other'}:1", f"dir:{path}")
    with pytest.raises(NoSignatures):
        verify(f"dir:{path}", key)
    assert not (path / "signature-1").exists()


def test_signatures_moved_under_another_image_are_refused(path: Path, key: SigningKey, tmp_path: Path) -> None:
    sign(f"dir:{path}", key, formats=["cosign"])
    other = Directory(tmp_path / "other", create=True)
    build_image(other, {"a": b"other"}, PLATFORMS[0], "1")
    (tmp_path / "other" / "signature-1").write_bytes((path / "signature-1").read_bytes())
    with pytest.raises(NoSignatureAccepted):
        verify(f"dir:{tmp_path / 'other'}", key)


def test_no_file_is_made_of_a_signatures_payload(path: Path, key: SigningKey) -> None:
    before = {item.name for item in path.iterdir()}
    sign(f"dir:{path}", key, formats=["cosign"])
    made = {item.name for item in path.iterdir()} - before
    assert made
    assert all("signature-" in name for name in made)


@pytest.mark.parametrize("version", ["", "1.1", "Directory Transport Version: 2.0\n"])
def test_another_version_is_refused(path: Path, version: str) -> None:
    (path / "version").write_text(version)
    with pytest.raises(InvalidArgument, match="version"):
        directory(path)


def test_folders_of_another_form_are_a_clear_error(path: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidArgument, match="not a directory of this form"):
        open_image(f"dir:{tmp_path / 'empty'}")
    Layout.create(tmp_path / "layout")
    with pytest.raises(InvalidArgument) as raised:
        open_image(f"dir:{tmp_path / 'layout'}")
    assert "oci:" in raised.value.hint
    (path / "manifest.json").unlink()
    with pytest.raises(ImageNotFound):
        open_image(f"dir:{path}")


def test_a_digest_that_is_a_path_is_refused(path: Path) -> None:
    home = Directory(path)
    for digest in ("sha256:../../etc/passwd", "../../etc/passwd"):
        with pytest.raises((MalformedError, NotFound)):
            home.read(Descriptor("x/y", digest, 10), limit=100)
        with pytest.raises((MalformedError, NotFound)):
            home.read(Descriptor(OCI_MANIFEST, digest, 10), limit=100)


def test_a_changed_child_is_noticed(path: Path, key: SigningKey) -> None:
    child = next(path.glob("*.manifest.json"))
    child.write_bytes(child.read_bytes().replace(b"config", b"CONFIG"))
    with pytest.raises(MalformedError):
        copy(f"dir:{path}", f"dir:{path}-copy", all_platforms=True)


def test_eight_threads_lose_nothing(path: Path, tmp_path: Path) -> None:
    sign_in_threads(f"dir:{path}", tmp_path, 8, formats=["cosign"], recursive=False)
    assert len(inspect(f"dir:{path}", recursive=False).signatures) == 8
