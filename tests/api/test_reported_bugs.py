"""What authors of programs met: wrong types, lost results, exceptions of others, texts that name nothing."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagesig import (
    AttachIncomplete,
    ImagesigError,
    InvalidArgument,
    KeyProvider,
    KeyProviderError,
    KeyType,
    NoSignatureAccepted,
    Policy,
    RemovalIncomplete,
    SigningKey,
    Unauthorized,
    Unreachable,
    copy,
    explain,
    inspect,
    layout,
    open_key,
    registry,
    remove,
    sign,
    sign_many,
    verify,
    verify_many,
)
from imagesig.errors import NoSignatures
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from imagesig.keys import FileProvider
from imagesig.testing import Answer, InMemoryRegistry, Request
from imagesig.testing.registry import Fault
from tests.makers import SOMETHING

pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return FileProvider(tmp_path_factory.mktemp("keys")).generate("release.key", KeyType.ECDSA_P256)


@pytest.fixture(scope="module")
def new_key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return FileProvider(tmp_path_factory.mktemp("keys")).generate("new.key", KeyType.ECDSA_P256)


@pytest.fixture(params=[True, False], ids=["with referrers API", "without referrers API"])
def server(request: pytest.FixtureRequest) -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(referrers_api=request.param) as running:
        build_image(registry(f"{running.host}/app:1").home, {"a": b"b"}, PLATFORMS[0], tag="1")
        yield running


def name(server: InMemoryRegistry) -> str:
    return f"{server.host}/app:1"


def failing(status: int, *methods: str, after: int = 0) -> Fault:
    seen = 0

    def fault(request: Request) -> Answer | None:
        nonlocal seen
        if request.method not in methods:
            return None
        seen += 1
        return Answer(status) if seen > after else None

    return fault


def held(server: InMemoryRegistry, image: str = "") -> int:
    server.faults.clear()
    return len(inspect(image or name(server)).signatures)


# --- B1 to B3: what was done is not lost, and `retryable` is the cause's ------------------------------------------


@pytest.mark.parametrize("after", [0, 1])
def test_a_removal_that_fails_half_way_says_what_was_removed(
    server: InMemoryRegistry, key: SigningKey, after: int
) -> None:
    sign(name(server), key)
    before = held(server)
    server.faults.append(failing(503, "DELETE", after=after))

    with pytest.raises(RemovalIncomplete) as caught:
        remove(name(server), key=key)

    assert len(caught.value.left) == held(server)
    assert len(caught.value.removed) == before - held(server)
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, Unreachable)


@pytest.mark.parametrize("after", [0, 1])
def test_a_replacement_that_fails_half_way_says_what_was_removed(
    server: InMemoryRegistry, key: SigningKey, new_key: SigningKey, after: int
) -> None:
    index = f"{server.host}/index:1"
    build_index(registry(index).home, {"a": b"b"}, "1")
    sign(index, key)
    old = held(server, index)
    server.faults.append(failing(503, "DELETE", after=after))

    with pytest.raises(RemovalIncomplete) as caught:
        sign(index, new_key, replace=[key.info.public_key])

    left = held(server, index) - old
    assert (len(caught.value.left), len(caught.value.removed)) == (left, old - left)
    assert caught.value.retryable


def test_what_cannot_be_attached_is_retryable_only_if_its_cause_is(server: InMemoryRegistry, key: SigningKey) -> None:
    server.faults.append(failing(403, "PUT", "POST"))
    with pytest.raises(Unauthorized) as nothing:
        sign(name(server), key)
    assert not nothing.value.retryable

    server.faults[:] = [failing(503, "PUT", "POST", after=3)]
    with pytest.raises(ImagesigError) as unavailable:
        sign(name(server), key)
    assert unavailable.value.retryable

    (error,) = (outcome.error for outcome in sign_many([name(server)], key))
    assert error is not None
    assert error.retryable


def test_an_incomplete_attachment_takes_retryable_from_its_cause() -> None:
    for cause in (Unauthorized("no"), Unreachable("no")):
        error = AttachIncomplete("1 of 2", attached=["a"], missing=["b"], cause=cause)
        assert error.retryable is cause.retryable


# --- B4, B8, B9: arguments of the wrong type ---------------------------------------------------------------------


def test_one_name_where_a_list_is_meant_is_refused_and_nothing_is_asked(key: SigningKey) -> None:
    with pytest.raises(InvalidArgument, match="a list of images"):
        next(sign_many("app:1", key))
    with pytest.raises(InvalidArgument, match="a list of images"):
        next(verify_many("app:1", key))


@pytest.fixture
def image(tmp_path: Path) -> str:
    build_image(Layout.create(tmp_path / "image"), {"a": b"b"}, PLATFORMS[0], tag="1")
    return f"oci:{tmp_path / 'image'}:1"


def test_a_path_names_a_key_file(image: str, tmp_path: Path) -> None:
    key = FileProvider(tmp_path).generate("a.key", KeyType.ECDSA_P256)
    with open_key(tmp_path / "a.key") as opened:
        sign(image, opened)
    (tmp_path / "a.pub").write_text(key.info.public_key.pem)

    assert verify(image, tmp_path / "a.pub").verified
    assert verify(image, Policy.any_of(tmp_path / "a.pub")).verified
    assert remove(image, key=tmp_path / "a.pub").removed


@pytest.mark.parametrize("wrong", [7, None, SOMETHING, ["a.pub"], {"key": 1}, b"release.pub"], ids=str)
def test_a_policy_of_a_wrong_type_is_an_invalid_argument(image: str, wrong: object) -> None:
    with pytest.raises(InvalidArgument):
        verify(image, wrong)
    with pytest.raises(InvalidArgument):
        Policy.any_of(wrong)


@pytest.mark.parametrize("wrong", [7, None, SOMETHING, [], ["app:1"], b"app:1"], ids=str)
def test_an_image_of_a_wrong_type_is_an_invalid_argument(key: SigningKey, wrong: object) -> None:
    for call in (
        lambda: verify(wrong, key),
        lambda: inspect(wrong),
        lambda: remove(wrong, all=True),
    ):
        with pytest.raises(InvalidArgument):
            call()
    if wrong != ["app:1"]:  # `sign` takes several images
        with pytest.raises(InvalidArgument):
            sign(wrong, key)


@pytest.mark.parametrize("wrong", [7, None, SOMETHING], ids=str)
def test_a_key_of_a_wrong_type_is_an_invalid_argument(image: str, wrong: object) -> None:
    with pytest.raises(InvalidArgument):
        sign(image, wrong)
    with pytest.raises(InvalidArgument):
        open_key(wrong)


def test_one_key_is_taken_where_several_can_be_given(image: str, key: SigningKey, new_key: SigningKey) -> None:
    sign(image, key)
    result = sign(image, new_key, replace=key.info.public_key)

    assert result.removed
    with pytest.raises(NoSignatureAccepted):
        verify(image, key)


@pytest.mark.parametrize("annotations", [{"n": 1}, {1: "n"}, {"n": None}, ["n"], "n=1"], ids=str)
def test_annotations_that_no_signature_can_have_are_refused_by_a_policy(key: SigningKey, annotations: object) -> None:
    for maker in (Policy.any_of, Policy.all_of, lambda *keys, **options: Policy.at_least(1, *keys, **options)):
        with pytest.raises(InvalidArgument):
            maker(key.info.public_key, annotations=annotations)


# --- B5: submodules -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["errors", "aio", "testing", "policy", "keys", "images", "trust", "witnesses"])
def test_a_public_module_is_there_after_import_imagesig(module: str) -> None:
    script = f"import imagesig; print(imagesig.{module}.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.stdout.strip() == f"imagesig.{module}", done.stderr


# --- B6: exceptions of a third-party provider ---------------------------------------------------------------------


class Broken(KeyProvider):
    def open(self, name: str) -> SigningKey:
        raise RuntimeError("the toy is broken")

    def close(self) -> None:
        pass


def test_what_a_provider_raises_is_a_key_provider_error() -> None:
    with pytest.raises(KeyProviderError, match="RuntimeError"):
        Broken().open("a")


# --- B7: no member that does not exist -----------------------------------------------------------------------------


def test_the_digest_without_signatures_is_at_hand(image: str, key: SigningKey) -> None:
    with pytest.raises(NoSignatures) as caught:
        verify(image, key)

    assert caught.value.subject == inspect(image).digest


# --- B10: no content of local files --------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["oci-archive:", "docker-archive:", "oci:", "dir:"])
def test_an_error_about_a_file_has_nothing_of_its_content(tmp_path: Path, key: SigningKey, prefix: str) -> None:
    secret = b"root:x:0:0:toplevel-content\n" * 40
    (tmp_path / "secret").write_bytes(secret)

    with pytest.raises(ImagesigError) as caught:
        verify(f"{prefix}{tmp_path / 'secret'}", key)

    said = f"{caught.value} {caught.value.hint}"
    pieces = {secret[place : place + 5].decode() for place in range(28)}
    assert not [piece for piece in pieces if piece in said.replace(str(tmp_path), "")]


# --- B11: waiting ----------------------------------------------------------------------------------------------------


def test_a_wait_that_does_not_fit_into_the_timeout_is_told(server: InMemoryRegistry, key: SigningKey) -> None:
    server.faults.append(lambda request: Answer(429, headers={"Retry-After": "5"}))

    with pytest.raises(ImagesigError) as caught:
        verify(registry(name(server), timeout=1), key)

    assert caught.value.retry_after == 5
    assert caught.value.retryable


# --- B12, F6: texts --------------------------------------------------------------------------------------------------


def test_a_refusal_names_the_image_and_its_first_reason_and_says_each_reason_once(image: str, key: SigningKey) -> None:
    sign(image, key)

    with pytest.raises(NoSignatureAccepted) as caught:
        verify(image, Policy.any_of(key.info.public_key, annotations={"git.sha": "1"}))

    assert str(caught.value).startswith(image)
    assert str(caught.value).count("annotation 'git.sha' is not signed") == 1
    for finding in caught.value.findings:
        assert str(finding).count("git.sha") == 1
    assert caught.value.hint


# --- B13: schemes ----------------------------------------------------------------------------------------------------


def test_an_unknown_scheme_lists_the_installed_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint, EntryPoints

    installed = EntryPoints([EntryPoint("toysigner", "toy:open", "imagesig.key_providers")])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: installed)

    with pytest.raises(InvalidArgument) as caught:
        open_key("toysiner://release")

    assert "toysigner" in f"{caught.value} {caught.value.hint}"


def as_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for member, content in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def as_folder(path: Path, members: dict[str, bytes]) -> Path:
    path.mkdir()
    for member, content in members.items():
        (path / member).write_bytes(content)
    return path


SECRET = "tops3cret"


@pytest.mark.parametrize(
    "content",
    [
        f"{SECRET}: 1\n",
        f'"{SECRET}"',
        f'["{SECRET}"]',
        f'{{"{SECRET}": "{SECRET}"}}',
        f'[{{"{SECRET}": "{SECRET}"}}]',
        f'[{{"Config": "{SECRET}"}}]',
        f'{{"schemaVersion": 2, "manifests": ["{SECRET}"]}}',
    ],
)
@pytest.mark.parametrize("form", ["oci", "dir", "docker-archive", "oci-archive"])
def test_an_error_about_a_document_of_another_kind_has_nothing_of_its_content(
    tmp_path: Path, key: SigningKey, form: str, content: str
) -> None:
    members = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": content.encode(),
        "manifest.json": content.encode(),
        "version": b"Directory Transport Version: 1.1\n",
    }
    if form == "docker-archive":
        members = {"manifest.json": content.encode()}
    path = (as_tar if form.endswith("archive") else as_folder)(tmp_path / "place", members)

    with pytest.raises(ImagesigError) as caught:
        verify(f"{form}:{path}", key)

    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.document()}"


@pytest.mark.parametrize(
    "call",
    [
        lambda image, key: sign(image, key, formats=7),
        lambda image, key: sign(image, key, formats=[7]),
        lambda image, key: sign(image, key, identity=7),
        lambda image, key: sign(image, key, annotations=None),
        lambda image, key: sign(image, key, replace=7),
        lambda image, key: sign(image, key, replace=[7]),
        lambda image, key: sign(image, key, now="today"),
        lambda image, key: sign(image, key.info.public_key),
        lambda image, key: sign_many([image], key, workers="2"),
        lambda image, key: sign_many([image], 7),
        lambda image, key: verify(image, key, platform=7),
        lambda image, key: verify_many([image], key, workers=None),
        lambda image, key: verify_many(7, key),
        lambda image, key: copy(image, 7),
        lambda image, key: copy(image, Path("there")),
        lambda image, key: copy(7, image),
        lambda image, key: explain(image, 7),
        lambda image, key: remove(image, key=["a.pub"]),
        lambda image, key: Policy.any_of(key, formats=7),
        lambda image, key: Policy.any_of(key, identity=7),
        lambda image, key: Policy.at_least("1", key),
        lambda image, key: registry(7),
        lambda image, key: layout(7),
    ],
)
def test_an_option_of_a_wrong_type_is_an_invalid_argument(
    image: str, key: SigningKey, call: Callable[[str, SigningKey], object]
) -> None:
    with pytest.raises(InvalidArgument):
        call(image, key)
