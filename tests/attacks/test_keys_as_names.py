"""A private key that was given where a name is expected: it is refused, and comes back nowhere."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import imagesig
from imagesig import Policy
from imagesig.errors import ImagesigError
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.keys.uri import open_key, open_public_keys, resolve_key
from tests.commands import run
from tests.makers import private_key

PEM = private_key().to_pem(None).decode()
BODY = "".join(PEM.splitlines()[1:-1])
SECRET = [BODY[at : at + 16] for at in range(0, len(BODY) - 16, 4)]
FORMS = {
    "PEM": PEM,
    "PEM with CR LF": PEM.replace("\n", "\r\n"),
    "PEM with \\n": PEM.replace("\n", "\\n"),
    "PEM on one line": PEM.replace("\n", " "),
    "base64": BODY,
    "base64 in lines": "\n".join(PEM.splitlines()[1:-1]),
    "base64 for URLs": BODY.replace("+", "-").replace("/", "_").rstrip("="),
    "percent-encoded": PEM.replace("-", "%2D").replace(" ", "%20").replace("\n", "%0A").replace("+", "%2B"),
}
COMMANDS = (
    "verify --key release.pub {}",
    "verify --key release.pub {} oci:image:1.0 --output json",
    "verify --key release.pub {} --output jsonl",
    "verify --key release.pub {} --output sarif",
    "verify --key release.pub {} --output junit",
    "verify --key release.pub oci:{}",
    "verify --key release.pub oci:image:{}",
    "verify --key release.pub oci:image@{}",
    "verify --key release.pub oci-archive:{}",
    "verify --key release.pub docker-archive:{}",
    "verify --key release.pub dir:{}",
    "verify --key {} oci:image:1.0",
    "verify --key={} oci:image:1.0",
    "verify --key env://{} oci:image:1.0",
    "verify --key file://{} oci:image:1.0",
    "verify --key pkcs11:object={} oci:image:1.0",
    "verify --key hashivault://{} oci:image:1.0",
    "verify --key awskms:///{} oci:image:1.0",
    "verify --key notation-plugin://{} oci:image:1.0",
    "verify --key sigstore-kms://{} oci:image:1.0",
    "verify --key nobody://{} oci:image:1.0",
    "verify --key release.pub --identity {} oci:image:1.0",
    "verify --key release.pub --platform {} oci:image:1.0",
    "verify --key release.pub --format {} oci:image:1.0",
    "verify --key release.pub --annotation {} oci:image:1.0",
    "verify --key release.pub --threshold {} oci:image:1.0",
    "verify --key release.pub --timeout {} oci:image:1.0",
    "verify --key release.pub --output {} oci:image:1.0",
    "verify --key release.pub --images-from {}",
    "verify --key release.pub --workload {}",
    "verify --key release.pub --passphrase-file {} oci:image:1.0",
    "verify --key release.pub --registry-ca {} registry.invalid/a:1",
    "verify --key release.pub --signature-repository {} registry.invalid/a:1",
    "verify --policy {} oci:image:1.0",
    "verify --ca {} oci:image:1.0",
    "verify --ca roots.pem --certificate-identity {} oci:image:1.0",
    "verify --trust-policy {} oci:image:1.0",
    "verify --notation --trust-store {} oci:image:1.0",
    "verify --notation --scope {} oci:image:1.0",
    "verify --{} oci:image:1.0",
    "sign --key {} oci:image:1.0",
    "sign --key {} oci:image:1.0 --output json",
    "sign --key env://{} oci:image:1.0",
    "sign --key release.key {}",
    "sign --key release.key {} --output json",
    "sign --key release.key --images-from {}",
    "sign --key release.key --identity {} oci:image:1.0",
    "sign --key release.key --certificate-chain {} oci:image:1.0",
    "sign --key release.key --expect {} oci:image:1.0",
    "sign --key release.key --replace {} oci:image:1.0",
    "sign --key release.key --timestamp-url {} --timestamp-root x oci:image:1.0",
    "sign --key release.key --timestamp-url http://a --timestamp-root {} --format notation-jws oci:image:1.0",
    "sign --key release.key --expiry {} oci:image:1.0",
    "sign --key encrypted.key --passphrase-file {} oci:image:1.0",
    "copy {} oci:there",
    "copy oci:image:1.0 {}",
    "copy oci:image:1.0 oci:there --platform {}",
    "copy oci:image:1.0 oci:there --policy {}",
    "remove --key {} oci:image:1.0",
    "remove --all {}",
    "remove --all {} --output json",
    "inspect {}",
    "inspect {} --output json",
    "doctor {}",
    "doctor {} oci:image:1.0",
    "doctor release.key {}",
    "key generate {}",
    "key generate release2.key --type {}",
    "key export {}",
    "key list {}",
    "key check {}",
    "key csr {} --subject CN=a",
    "key csr release.key --subject {}",
    "key csr release.key --subject CN=a --san {}",
    "key self-sign release.key --subject {}",
    "key {}",
    "policy check {}",
    "policy explain {} oci:image:1.0",
    "policy explain policy.toml {}",
    "policy import {}",
    "policy {}",
    "demo --keep {}/x",
    "completion {}",
    "{}",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("named")
    run("key", "generate", str(place / "release.key"))
    run("key", "generate", str(place / "encrypted.key"), IMAGESIG_PASSPHRASE="a")
    build_image(Layout.create(place / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    (place / "policy.toml").write_text('version = 1\n[default]\nrequire = "insecureAcceptAnything"\n')
    return place


def assert_silent(*texts: str) -> None:
    for text in texts:
        flat = text.replace("\\/", "/").replace("\\n", "").replace("\n", "")
        assert not [part for part in SECRET if part in flat], text[:600]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_on_the_command_line_comes_back_nowhere(folder: Path, command: str) -> None:
    for form in (FORMS[name] for name in ("PEM", "PEM with \\n", "base64", "percent-encoded")):
        done = run(*(word.replace("{}", form) for word in command.split()), cwd=folder, HOME=str(folder))
        assert_silent(done.stdout.decode(), done.stderr.decode())
        assert b"Traceback" not in done.stderr
        assert b"internal error" not in done.stderr, done.stderr
        if "notation --" not in command and "oci:there" not in command and "--passphrase-file {} oci" not in command:
            assert done.returncode, done.stdout


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_list_of_images_that_is_a_key_is_refused_by_its_first_line(folder: Path, form: str) -> None:
    (folder / "list").write_text(form)
    for output in ("text", "json", "jsonl"):
        done = run("verify", "--key", "release.pub", "--images-from", "list", "--output", output, cwd=folder)
        assert done.returncode == 2
        assert_silent(done.stdout.decode(), done.stderr.decode())
    piped = subprocess.run(
        [*done.args[:3], "verify", "--key", "release.pub", "--images-from", "-"],
        input=form.encode(),
        capture_output=True,
        cwd=folder,
        env={"PYTHONPATH": str(Path.cwd())},
        check=False,
    )
    assert piped.returncode == 2
    assert_silent(piped.stdout.decode(), piped.stderr.decode())


def _all_words(error: BaseException) -> str:
    chain: BaseException | None = error
    said = []
    while chain is not None:
        said += [str(chain), repr(chain), str(getattr(chain, "hint", "")), str(chain.args)]
        chain = chain.__cause__ or chain.__context__
    return "\n".join([*said, *traceback.format_exception(error)])


CALLS: dict[str, Callable[[str, str], Any]] = {
    "sign an image": lambda text, image: imagesig.sign(image, text),
    "sign with env": lambda text, image: imagesig.sign(image, f"env://{text}"),
    "sign it": lambda text, _: imagesig.sign(text, private_key_of_test()),
    "verify with it": lambda text, image: imagesig.verify(image, text),
    "verify it": lambda text, _: imagesig.verify(text, private_key().public_key),
    "policy": lambda text, image: imagesig.verify(image, Policy.at_least(1, text)),
    "identity": lambda text, image: imagesig.verify(image, Policy.any_of(private_key().public_key, identity=text)),
    "platform": lambda text, image: imagesig.verify(image, private_key().public_key, platform=text),
    "inspect": lambda text, _: imagesig.inspect(text),
    "remove": lambda text, _: imagesig.remove(text, all=True),
    "copy from": lambda text, _: imagesig.copy(text, "oci:/nowhere/x"),
    "copy to": lambda text, image: imagesig.copy(image, text),
    "registry": lambda text, _: imagesig.registry(text),
    "layout": lambda text, _: imagesig.layout(text, "1.0"),
    "archive": lambda text, _: imagesig.archive(text),
    "directory": lambda text, _: imagesig.directory(text),
    "open key": lambda text, _: open_key(text),
    "open public keys": lambda text, _: open_public_keys(text),
    "chain": lambda text, _: open_key("env://NO_SUCH_VARIABLE", chain=text),
    "resolve": lambda text, _: resolve_key(f"file://{text}", imagesig.keys.uri.default_settings()),
}


def private_key_of_test() -> Any:
    return imagesig.key_from_pem(PEM)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_key_in_a_call_comes_back_nowhere(
    folder: Path, call: Callable[[str, str], Any], form: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ImagesigError) as caught:
        call(form, f"oci:{folder}/image:1.0")
    assert_silent(_all_words(caught.value), caplog.text)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_outcome_of_a_key_does_not_say_it(form: str) -> None:
    (verified,) = imagesig.verify_many([form], private_key().public_key)
    (signed,) = imagesig.sign_many([form], private_key_of_test())
    for outcome in (verified, signed):
        assert outcome.error is not None
        assert_silent(_all_words(outcome.error), repr(outcome))


@pytest.mark.parametrize(
    ("text", "hint"), [("env://{}", "NAME"), ("{}", "key_from_pem"), ("file://{}", "path")], ids=["env", "text", "file"]
)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_error_says_what_it_is_and_what_to_do(form: str, text: str, hint: str) -> None:
    with pytest.raises(imagesig.InvalidArgument if hasattr(imagesig, "InvalidArgument") else ImagesigError) as caught:
        open_key(text.replace("{}", form))
    assert "this is a key, not the name of one" in str(caught.value)
    assert hint in caught.value.hint


def test_a_program_gives_a_private_key_as_text_by_one_function(folder: Path) -> None:
    with imagesig.key_from_pem(PEM) as key:
        imagesig.sign(f"oci:{folder}/image:1.0", key, identity="registry.example/a:1")
        public_key = key.info.public_key
    result = imagesig.verify(f"oci:{folder}/image:1.0", public_key)
    assert result.verified
    assert_silent(repr(key))


def test_an_encrypted_key_as_text_needs_its_passphrase() -> None:
    text = private_key().to_pem("secret")
    with pytest.raises(ImagesigError, match="passphrase"):
        imagesig.key_from_pem(text)
    with pytest.raises(ImagesigError, match=r"passphrase|key"):
        imagesig.key_from_pem(text, passphrase="wrong")
    with imagesig.key_from_pem(text, passphrase="secret") as key:
        assert key.info.public_key == private_key().public_key


def test_an_existing_file_is_opened_by_any_name(tmp_path: Path) -> None:
    place = tmp_path / BODY[:100].replace("/", "_")
    place.write_bytes(PEM.encode())
    place.chmod(0o600)
    with open_key(str(place)) as key:
        assert key.info.public_key == private_key().public_key
    odd = tmp_path / "line\nbreak"
    odd.write_bytes(PEM.encode())
    odd.chmod(0o600)
    with open_key(str(odd)) as key:
        assert key.info.public_key == private_key().public_key


def test_an_async_twin_says_it_no_more(folder: Path) -> None:
    from imagesig import aio

    with pytest.raises(ImagesigError) as caught:
        asyncio.run(aio.sign(f"oci:{folder}/image:1.0", PEM))
    assert_silent(_all_words(caught.value))
