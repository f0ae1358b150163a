"""Whatever is raised for one image is that image's outcome: the others are judged, and the command has no traceback."""

from __future__ import annotations

import asyncio
import inspect
import json
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import imagesig
from imagesig import aio, errors, registry, verify
from imagesig.api.outcome import Outcome
from imagesig.api.verify.remote_workers import Chunk, verify_chunk
from imagesig.cli.processes import ForkPool
from imagesig.errors import ImagesigError, InternalError, UnexpectedResponse
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.testing import Answer, InMemoryRegistry
from tests.commands import run
from tests.makers import private_key, signing_key

PEM = private_key().to_pem(None).decode()


class _Unpicklable(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("no")


class PanicException(BaseException):
    """As `cryptography` raises it."""


PanicException.__module__ = "pyo3_runtime"

UNFORESEEN: list[Callable[[], BaseException]] = [
    lambda: ValueError("x"),
    lambda: KeyError("\x1b\nx"),
    lambda: TypeError("\ud800"),
    lambda: AttributeError("x"),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
    lambda: OSError(5, "x", "name"),
    lambda: RecursionError("x"),
    lambda: MemoryError(),
    lambda: StopIteration(1),
    lambda: AssertionError(),
    lambda: RuntimeError("generator raised StopIteration"),
    lambda: _Unpicklable(lambda: 1),
    lambda: PanicException("x"),
]
_IDS = [type(make()).__name__ for make in UNFORESEEN]


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """A good image, a bad one, and a good one again."""
    names = []
    with imagesig.key_from_pem(PEM) as key:
        for name in ("good", "bad", "fine"):
            build_image(Layout.create(tmp_path / name), {"a": name.encode()}, PLATFORMS[0], "1")
            names.append(f"oci:{tmp_path / name}:1")
            imagesig.sign(names[-1], key, identity="registry.example/a:1")
    return names


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], BaseException], str], None]:
    def arrange(make: Callable[[], BaseException], method: str = "resolve") -> None:
        whole = getattr(Layout, method)

        def fails(self: Layout, *arguments: Any, **options: Any) -> Any:
            if self.name.endswith("/bad"):
                raise make()
            return whole(self, *arguments, **options)

        monkeypatch.setattr(Layout, method, fails)

    return arrange


def assert_only_the_bad_one_failed(
    outcomes: list[Outcome[Any]], kinds: type | tuple[type, ...] = InternalError
) -> None:
    by_index = {outcome.index: outcome for outcome in outcomes}
    assert [by_index[index].ok for index in range(3)] == [True, False, True]
    error = by_index[1].error
    assert isinstance(error, kinds)
    assert str(error).isprintable()
    assert "\x1b" not in repr(by_index[1])


@pytest.mark.parametrize("make", UNFORESEEN, ids=_IDS)
@pytest.mark.parametrize("how", ["threads", "one thread", "in order", "executor", "async"])
def test_verify_many_gives_every_outcome(images: list[str], failing: Any, make: Any, how: str) -> None:
    failing(make)
    key = private_key().public_key
    if how == "executor":
        with ThreadPoolExecutor(2) as executor:
            outcomes = list(imagesig.verify_many(images, key, executor=executor))
    elif how == "async":

        async def gather() -> list[Outcome[Any]]:
            return [outcome async for outcome in aio.verify_many(images, key)]

        outcomes = asyncio.run(gather())
    else:
        options: dict[str, Any] = {"one thread": {"workers": 1}, "in order": {"in_order": True}}.get(how, {})
        outcomes = list(imagesig.verify_many(images, key, **options))
    assert_only_the_bad_one_failed(outcomes)


@pytest.mark.parametrize("make", UNFORESEEN, ids=_IDS)
def test_worker_processes_give_every_outcome(images: list[str], failing: Any, make: Any) -> None:
    failing(make)
    with ForkPool(2) as copies:
        outcomes = list(imagesig.verify_many(images, private_key().public_key, executor=copies))
    assert_only_the_bad_one_failed(outcomes)


@pytest.mark.parametrize("make", UNFORESEEN, ids=_IDS)
@pytest.mark.parametrize("method", ["resolve", "put_blob", "change_tag", "transaction"])
def test_sign_many_gives_every_outcome(images: list[str], failing: Any, make: Any, method: str) -> None:
    failing(make, method)
    with imagesig.key_from_pem(private_key(number=1).to_pem(None)) as key:
        outcomes = list(imagesig.sign_many(images, key, identity="registry.example/b:1"))
    assert_only_the_bad_one_failed(outcomes, (InternalError, errors.AttachIncomplete))


def test_what_is_raised_while_one_image_is_drafted_is_its_outcome(
    images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from imagesig.formats.cosign import Cosign

    bad = imagesig.verify(images[1], private_key().public_key).digest
    whole = Cosign.draft

    def fails(self: Cosign, claim: Any, *arguments: Any) -> Any:
        if claim.subjects[0].digest == bad:
            raise KeyError("x")
        return whole(self, claim, *arguments)

    monkeypatch.setattr(Cosign, "draft", fails)
    with imagesig.key_from_pem(private_key(number=1).to_pem(None)) as key:
        outcomes = list(imagesig.sign_many(images, key, identity="registry.example/b:1"))
    assert_only_the_bad_one_failed(outcomes)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_ends_the_run(images: list[str], failing: Any, stop: type[BaseException]) -> None:
    failing(stop)
    with pytest.raises(stop):
        list(imagesig.verify_many(images, private_key().public_key))
    with pytest.raises(stop):
        list(imagesig.verify_many(images, private_key().public_key, workers=1))


@pytest.mark.parametrize("given", [None, 1, b"oci:x", object(), [], Path("x")], ids=lambda value: type(value).__name__)
def test_what_is_no_image_at_all_is_one_outcome(images: list[str], given: Any) -> None:
    images[1] = given
    assert_only_the_bad_one_failed(list(imagesig.verify_many(images, private_key().public_key)), errors.InvalidArgument)


def test_a_result_that_does_not_pickle_costs_its_image_alone(
    images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from imagesig.api.verify import verification_run

    whole = verification_run.verify_by_rule

    def odd(image: Any, *arguments: Any, **options: Any) -> Any:
        result = whole(image, *arguments, **options)
        return _struct_with(result, rule=lambda: 1) if "bad" in str(image) else result

    monkeypatch.setattr(verification_run, "verify_by_rule", odd)
    with ForkPool(2) as copies:
        outcomes = list(imagesig.verify_many(images, private_key().public_key, executor=copies))
    assert_only_the_bad_one_failed(outcomes)


def _struct_with(result: Any, **changes: Any) -> Any:
    from msgspec.structs import replace

    return replace(result, **changes)


@pytest.mark.parametrize("kind", [errors.KeyProviderError, errors.ImagesigError])
def test_an_error_of_somebody_elses_class_that_does_not_unpickle_costs_its_image_alone(
    kind: type[errors.ImagesigError], images: list[str], failing: Any
) -> None:
    class Local(kind):  # type: ignore[valid-type,misc]
        """Nobody can import it."""

    failing(lambda: Local("x"))
    with ForkPool(2) as copies:
        outcomes = list(imagesig.verify_many(images, private_key().public_key, executor=copies))
    assert_only_the_bad_one_failed(outcomes, kind)


# --- the command --------------------------------------------------------------------------------------------------

_BAD_ADDRESSES = [
    "http://[::1",
    "http://a:99999999999/",
    "gopher://x/",
    "http://\u2100/",
    "https://a:b:c/",
    "http://[v1.x]/",
    "//[",
]


@pytest.mark.parametrize("address", _BAD_ADDRESSES)
@pytest.mark.parametrize("output", ["text", "json"])
def test_a_registry_that_names_an_impossible_address_spoils_its_own_image_alone(
    images: list[str], tmp_path: Path, address: str, output: str
) -> None:
    (tmp_path / "release.pub").write_text(private_key().public_key.pem)
    with InMemoryRegistry() as server:
        server.faults.append(lambda _request: Answer(307, headers={"Location": address.encode().decode("latin-1")}))
        done = run(
            "verify",
            "--key",
            str(tmp_path / "release.pub"),
            images[0],
            f"{server.host}/a:1",
            images[2],
            "--output",
            output,
        )
    assert b"Traceback" not in done.stderr
    assert done.returncode in (1, 2, 12)
    if output == "json":
        assert [entry["verified"] for entry in json.loads(done.stdout)["images"]] == [True, False, True]
    else:
        assert done.stdout.count(b"@sha256:") == 2


_BREAK = """
import sys
sys.argv[0] = 'imagesig'
import imagesig.api.{module} as module
def broken(*_, **__):
    raise {error}
module.{name} = broken
from imagesig.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [
        ("verify.verification_run", "verify_by_rule", ("verify", "--key", "release.pub", "{}")),
        ("sign.signature_run", "targets_of", ("sign", "--key", "release.key", "{}")),
        ("inspecting", "targets_of", ("inspect", "{}")),
        ("removing", "targets_of", ("remove", "--all", "{}")),
        ("copying", "closure_of", ("copy", "{}", "oci:there")),
        ("explaining", "scopes_of", ("policy", "explain", "policy.toml", "{}")),
        ("diagnosing", "ImageOpener", ("doctor", "{}")),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
@pytest.mark.parametrize(
    "error", ["KeyError('\\x1b\\nx')", "RecursionError()", "MemoryError()", "ValueError('s3cret')"]
)
def test_a_bug_is_one_line_and_status_1(
    images: list[str], tmp_path: Path, module: str, name: str, arguments: tuple[str, ...], error: str
) -> None:
    import importlib
    import os
    import subprocess
    import sys

    if not hasattr(importlib.import_module(f"imagesig.api.{module}"), name):
        pytest.fail(f"imagesig.api.{module} has no {name} any more: name another function of it")
    (tmp_path / "release.pub").write_text(private_key().public_key.pem)
    (tmp_path / "release.key").write_text(PEM)
    (tmp_path / "release.key").chmod(0o600)
    (tmp_path / "policy.toml").write_text('version = 1\n[default]\nrequire = "insecureAcceptAnything"\n')
    program = _BREAK.format(module=module, name=name, error=error)
    done = subprocess.run(
        [sys.executable, "-c", program, *(word.replace("{}", images[0]) for word in arguments)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(imagesig.__file__).parents[1])},
        cwd=tmp_path,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert b"Traceback" not in said
    assert b"internal error" in said
    assert error.partition("(")[0].encode() in said
    assert b"s3cret" not in said
    assert b"\x1b" not in said
    if arguments[0] != "doctor":
        assert b"please report this" in done.stderr


# --- pickling -----------------------------------------------------------------------------------------------------


def _kinds(kind: type[ImagesigError] = ImagesigError) -> Iterator[type[ImagesigError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == "imagesig.errors":
            yield from _kinds(below)


_FIELDS: dict[str, Any] = {
    "message": "m\ud800\x1b\n",
    "hint": "h\u202e",
    "what": "w\ud800",
    "extra": "vault",
    "cause": errors.Unreachable("c\ud800"),
    "subject": "s",
    "attached": ["a\ud800"],
    "missing": ("b\x1b",),
    "removed": ["c"],
    "left": ["d\n"],
    "rejections": [errors.Rejection("o\ud800", errors.Expired("e", hint="x"), "a")],
    "findings": [errors.Finding("a\x1b", ("b",), ("c\ud800",))],
    "reasons": ["r\ud800"],
}


@pytest.mark.parametrize("kind", list(_kinds()), ids=lambda kind: kind.__name__)
def test_every_error_travels_with_every_field(kind: type[ImagesigError]) -> None:
    wanted = [name for name in inspect.signature(kind.__init__).parameters if name != "self"]
    error = (
        kind(**{name: _FIELDS[name] for name in wanted})
        if "what" in wanted
        else kind(_FIELDS["message"], **{name: _FIELDS[name] for name in wanted if name != "message"})
    )
    error.note = "\ud800"  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert again.args == error.args
    assert {name: str(value) for name, value in vars(again).items()} == {
        name: str(value) for name, value in vars(error).items()
    }
    assert str(again) == str(error)
    assert str(error).isprintable()
    assert error.hint.isprintable()


def test_a_result_of_odd_text_travels(images: list[str]) -> None:
    result = imagesig.verify(images[0], private_key().public_key)
    odd = _struct_with(
        result,
        image="\ud800\x1b",
        warnings=("\udcff",),
        rejections=(errors.Rejection("\ud800", errors.Expired("\ud800"), "\x1b"),),
    )
    assert pickle.loads(pickle.dumps(Outcome("\ud800", 0, odd))) is not None


def test_a_chunk_is_answered_in_order(images: list[str]) -> None:
    from imagesig.api.verify.verification_run import VerificationJob
    from imagesig.images.open import Transport
    from imagesig.keys.uri import open_public_keys

    job = VerificationJob(
        imagesig.Policy.any_of(private_key().public_key), "", False, None, Transport(), open_public_keys
    )
    outcomes = verify_chunk(Chunk("run", job, tuple(enumerate(images))))
    assert [outcome.index for outcome in outcomes] == [0, 1, 2]


@pytest.mark.parametrize(
    "parameter", ['service="' + 9000 * "s" + '"', 'scope="' + 4000 * ":" + '"'], ids=["service", "scope"]
)
def test_a_challenge_that_makes_a_url_too_long_is_the_registrys_fault(parameter: str) -> None:
    with InMemoryRegistry() as server:
        challenge = {"www-authenticate": f'Bearer realm="http://{server.host}/token",{parameter}'}
        server.faults.append(lambda _: Answer(401, b"", challenge))
        with pytest.raises(UnexpectedResponse, match="token server"):
            verify(registry(f"{server.host}/team/app:1.0", credentials=("", "")), signing_key())


def test_a_place_of_an_upload_that_becomes_too_long_is_the_registrys_fault() -> None:
    with InMemoryRegistry() as server:
        image = registry(f"{server.host}/team/app:1.0", credentials=("", ""))
        place = {"location": "/v2/team/app/blobs/uploads/" + 8100 * "a"}
        server.faults.append(lambda request: Answer(202, b"", place) if request.method == "POST" else None)
        with pytest.raises(UnexpectedResponse, match="Location"):
            image.home.put_blob(b"content", "application/octet-stream")
