"""A raw Ed25519 private key in hex that was given where a name is expected: no error repeats it.

A digest has as many digits. So a name is taken for a key only if it is nothing but those digits, and a tag, a digest
and a path are shown as they are.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import imagesig
from imagesig.errors import ImagesigError
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.keys.uri import open_key, open_public_keys
from tests.attacks.test_keys_as_names import _all_words
from tests.commands import run
from tests.makers import private_key

SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
FORMS = {
    "seed": SEED,
    "capitals": SEED.upper(),
    "with 0x": f"0x{SEED}",
    "seed and public key": SEED + "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
}
COMMANDS = (
    "verify --key {} oci:image:1.0",
    "verify --key env://{} oci:image:1.0",
    "verify --key file://{} oci:image:1.0",
    "verify --key pkcs11:object={}?module-path=/nowhere.so oci:image:1.0",
    "verify --key hashivault://{} oci:image:1.0",
    "verify --key awskms:///{} oci:image:1.0",
    "verify --key notation-plugin://{}/{} oci:image:1.0",
    "verify --key sigstore-kms://{}/{} oci:image:1.0",
    "verify --key nobody://{} oci:image:1.0",
    "verify --key release.pub {}",
    "verify --key release.pub {} oci:image:1.0 --output json",
    "verify --key release.pub {} --output jsonl",
    "verify --key release.pub {} --output sarif",
    "verify --key release.pub oci:{}",
    "verify --key release.pub dir:{}",
    "verify --key release.pub docker-archive:{}",
    "sign --key {} oci:image:1.0",
    "sign --key {} oci:image:1.0 --output json",
    "sign --key release.key {}",
    "sign --key release.key --expect {} oci:image:1.0",
    "sign --key release.key --certificate-chain {} oci:image:1.0",
    "verify --key release.pub --passphrase-file {} oci:image:1.0",
    "verify --key release.pub --images-from {}",
    "copy {} oci:there",
    "remove --all {}",
    "inspect {}",
    "inspect {} --output json",
    "doctor {}",
    "doctor release.key {}",
    "key export {}",
    "key check {}",
    "key list {}",
    "key csr {} --subject CN=a",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("named")
    run("key", "generate", str(place / "release.key"))
    build_image(Layout.create(place / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    return place


def is_shown(text: str) -> bool:
    return SEED[8:40] in text.lower()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_in_hex_on_the_command_line_comes_back_nowhere(folder: Path, command: str) -> None:
    for form in FORMS.values():
        done = run(*(word.replace("{}", form) for word in command.split()), cwd=folder, HOME=str(folder))
        shown = done.stdout.decode() + done.stderr.decode()
        assert not is_shown(shown), shown
        assert done.returncode, shown


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_in_hex_in_a_call_comes_back_nowhere(form: str) -> None:
    for call in (open_key, open_public_keys, imagesig.inspect, imagesig.layout, imagesig.archive, imagesig.registry):
        with pytest.raises(ImagesigError) as caught:
            call(form)
        assert not is_shown(_all_words(caught.value)), call
    (outcome,) = imagesig.verify_many([form], private_key().public_key)
    assert not is_shown(repr(outcome))


@pytest.mark.parametrize(
    "command",
    [
        f"verify --key release.pub oci:image:{SEED}",
        f"verify --key release.pub oci:image@sha256:{SEED}",
        f"verify --key folder/{SEED} oci:image:1.0",
        f"inspect dir:/nowhere/{SEED}/there",
    ],
)
def test_tags_digests_and_paths_are_shown(folder: Path, command: str) -> None:
    done = run(*command.split(), cwd=folder)
    assert SEED in done.stdout.decode() + done.stderr.decode()


def test_a_key_file_whose_name_is_a_digest_is_opened(folder: Path) -> None:
    (folder / SEED).write_bytes((folder / "release.key").read_bytes())
    (folder / SEED).chmod(0o600)
    assert run("sign", "--key", SEED, "oci:image:1.0", cwd=folder).returncode == 0
    (folder / SEED).unlink()
