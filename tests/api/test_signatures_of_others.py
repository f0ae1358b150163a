"""Signatures that other programs make: how they write base64, and that no way of writing counts twice."""

from __future__ import annotations

import base64
import json
import textwrap
from pathlib import Path

import pytest

from imagesig import NoSignatureAccepted, Policy, inspect, open_public_keys, verify
from imagesig.errors import FormatViolation, InvalidArgument
from imagesig.formats.cosign import SIGNATURE_ANNOTATION, SIMPLE_SIGNING
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.oci.annotations import Annotations
from imagesig.oci.descriptor import Descriptor
from imagesig.signature import Part, StoredSignature
from imagesig.stores.tag import TagStore
from tests.commands import run_here
from tests.makers import payload, private_key, sign

OURS, OTHER = private_key(), private_key(number=1)


class Signed:
    """A layout with an image, to which classic signatures are attached as others write them."""

    def __init__(self, path: Path) -> None:
        self.home = Layout.create(path)
        self.image: Descriptor = build_image(self.home, {"app": b"1"}, PLATFORMS[0], "1.0")
        self.name = f"oci:{path}:1.0"
        self.payload = json.dumps(payload(image={"docker-manifest-digest": self.image.digest})).encode()
        self.signature = sign(OURS, self.payload)

    def attach(self, text: str) -> None:
        part = Part(SIMPLE_SIGNING, self.payload, Annotations({SIGNATURE_ANNOTATION: text}))
        TagStore().attach(self.home, self.image, StoredSignature("by others", (part,)))()


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    return Signed(tmp_path / "layout")


def _key_file(folder: Path) -> Path:
    (folder / "key.pub").write_text(OURS.public_key.pem)
    return folder / "key.pub"


WRITTEN = {
    "openssl base64": lambda text: "\n".join(textwrap.wrap(text, 64)) + "\n",
    "base64 of coreutils": lambda text: "\n".join(textwrap.wrap(text, 76)) + "\n",
    "MIME": lambda text: "\r\n".join(textwrap.wrap(text, 76)) + "\r\n",
    "a line break before it": lambda text: "\n" + text,
    "one character a line": lambda text: "\n".join(text),
    "old Mac": lambda text: "\r".join(textwrap.wrap(text, 10)),
}
NOT_READ = {
    "a blank": lambda text: text + " ",
    "a tab": lambda text: text[:9] + "\t" + text[9:],
    "a form feed": lambda text: text + "\f",
    "a line separator": lambda text: text + "\u2028",
    "a next line": lambda text: text + "\x85",
    "a zero": lambda text: text + "\0",
    "no padding": lambda text: text.rstrip("=") + ("" if text.endswith("=") else "="),
    "the other alphabet": lambda text: "-_-_" + text,
    "a blank in a line break": lambda text: text[:9] + "\n \n" + text[9:],
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_signature_verifies_with_line_breaks_in_its_base64(how: str, signed: Signed, tmp_path: Path) -> None:
    signed.attach(WRITTEN[how](signed.signature))
    result = run_here("verify", "--key", _key_file(tmp_path), "--identity", "any", signed.name)
    assert result.exit_code == 0, result.output
    # An unsigned image has the status 10, one with a signature by another key has 12.
    (tmp_path / "other.pub").write_text(OTHER.public_key.pem)
    assert run_here("verify", "--key", tmp_path / "other.pub", "--identity", "any", signed.name).exit_code == 12


@pytest.mark.parametrize("how", NOT_READ)
def test_nothing_else_is_skipped_in_base64(how: str, signed: Signed) -> None:
    signed.attach(NOT_READ[how](signed.signature))
    with pytest.raises(NoSignatureAccepted) as refused:
        verify(signed.name, OURS.public_key)
    assert [type(item.error) for item in refused.value.rejections] == [FormatViolation]


def test_one_signature_counts_once_however_it_is_written(signed: Signed) -> None:
    for write in WRITTEN.values():
        signed.attach(write(signed.signature))
    signed.attach(signed.signature)
    assert len(inspect(signed.name).signatures) == len(WRITTEN) + 1
    with pytest.raises(NoSignatureAccepted, match="found 1"):
        verify(signed.name, Policy.at_least(2, OURS.public_key, OTHER.public_key))
    with pytest.raises(NoSignatureAccepted, match="found 1"):
        verify(signed.name, Policy.all_of(OURS.public_key, OTHER.public_key))


def test_one_key_counts_once_however_it_is_written(signed: Signed, tmp_path: Path) -> None:
    for write in WRITTEN.values():
        signed.attach(write(signed.signature))
    body = base64.b64encode(OURS.public_key.spki).decode()
    names = []
    for number, write in enumerate(WRITTEN.values()):
        path = tmp_path / f"{number}.pub"
        path.write_bytes(f"-----BEGIN PUBLIC KEY-----\n{write(body).strip()}\n-----END PUBLIC KEY-----\n".encode())
        try:
            assert open_public_keys(str(path)) == (OURS.public_key,)
        except InvalidArgument:
            continue  # a reader of PEM need not take every line length
        names.append(str(path))
    assert len(names) >= 2
    with pytest.raises(InvalidArgument, match="distinct"):
        verify(signed.name, Policy.at_least(2, *names))
