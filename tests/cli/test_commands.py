"""The command as people and scripts use it, over layouts: no server needed."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TextIO

import pytest

from imagesig import PublicKey
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from imagesig.images.registry.connect import registry
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.commands import shown_at

NAME = "registry.example/team/app:1.0"


ROOT = str(Path(__file__).parents[2])
_RUN = "import sys; sys.argv[0] = 'imagesig'; from imagesig.cli.main import main; main()"


def imagesig(
    *arguments: str,
    cwd: Path | None = None,
    stdout: TextIO | int = subprocess.PIPE,
    stderr: TextIO | int = subprocess.PIPE,
    **environ: str,
) -> subprocess.CompletedProcess[str]:
    """One run of the command in a process of its own, with nothing of the developer's environment but PATH."""
    return subprocess.run(
        # Under its own name, which shells complete by.
        [sys.executable, "-c", _RUN, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ROOT, **environ},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "release.key"
    done = imagesig("key", "generate", str(path), IMAGESIG_PASSPHRASE="s3cret")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def image(tmp_path: Path) -> str:
    home = Layout.create(tmp_path / "image")
    build_index(home, {"bin/app": b"hello"}, "1.0")
    return f"oci:{home.name.removeprefix('oci:')}:1.0"


def sign(key: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return imagesig("sign", "--key", str(key), *arguments, IMAGESIG_PASSPHRASE="s3cret")


def public_half(key: Path) -> str:
    return str(key.with_suffix(".pub"))


def test_an_image_is_signed_and_verified(key: Path, image: str) -> None:
    assert sign(key, "--identity", NAME, image).returncode == 0
    done = imagesig("verify", "--key", public_half(key), image)
    assert done.returncode == 0, done.stderr
    assert "sha256:" in done.stdout.splitlines()[0]


def test_json_of_verify_names_the_digest_to_deploy_and_every_check(key: Path, image: str) -> None:
    sign(key, "--identity", NAME, "--annotation", "build=7", image)
    done = imagesig("verify", "--key", public_half(key), "--annotation", "build=7", "--output", "json", image)
    document = json.loads(done.stdout)
    (entry,) = document["images"]
    assert document["imagesig"] == 1
    assert entry["verified"] is True
    assert entry["pinned"].endswith(entry["digest"])
    assert {signature["format"] for signature in entry["signatures"]} == {"cosign", "bundle"}
    assert {check["name"] for check in entry["signatures"][0]["checks"]} >= {"signature", "subject", "identity"}


def test_an_unsigned_image_ends_with_status_10(key: Path, image: str) -> None:
    done = imagesig("verify", "--key", public_half(key), image)
    assert done.returncode == 10
    assert "has no signature" in done.stderr


def test_a_missing_image_ends_with_status_11(key: Path, image: str) -> None:
    done = imagesig("verify", "--key", public_half(key), image.replace(":1.0", ":2.0"))
    assert done.returncode == 11


def test_another_key_ends_with_status_12_and_every_reason(key: Path, image: str, tmp_path: Path) -> None:
    sign(key, "--identity", NAME, image)
    imagesig("key", "generate", str(tmp_path / "other.key"))
    done = imagesig("verify", "--key", str(tmp_path / "other.pub"), image)
    assert done.returncode == 12
    assert done.stderr.count(": none of the trusted keys made this signature") == 3  # the error, and each signature


def test_the_key_that_a_bundle_names_is_shown_as_its_fingerprint(key: Path, image: str, tmp_path: Path) -> None:
    sign(key, "--identity", NAME, image)
    fingerprint = PublicKey.from_pem(Path(public_half(key)).read_text()).fingerprint
    imagesig("key", "generate", str(tmp_path / "other.key"))
    refused = imagesig("verify", "--key", str(tmp_path / "other.pub"), image).stderr
    assert f"it names the key '{fingerprint}'" in refused
    assert f"key hint    {fingerprint}\n" in imagesig("inspect", image).stdout


def test_an_invalid_reference_ends_with_status_2(key: Path) -> None:
    done = imagesig("verify", "--key", public_half(key), "registry.example/UPPER:1")
    assert done.returncode == 2
    assert "lower case" in done.stderr


def test_an_unknown_option_ends_with_status_2() -> None:
    assert imagesig("verify", "--no-such-option").returncode == 2


def test_a_wrong_passphrase_ends_with_status_1_and_is_not_repeated(key: Path, image: str) -> None:
    done = imagesig("sign", "--key", str(key), image, IMAGESIG_PASSPHRASE="wr0ng-one")
    assert done.returncode == 1
    assert "wr0ng-one" not in done.stderr + done.stdout


def test_the_worst_of_several_images_decides_the_status(key: Path, image: str, tmp_path: Path) -> None:
    sign(key, "--identity", NAME, image)
    unsigned = Layout.create(tmp_path / "unsigned")
    build_image(unsigned, {"a": b"b"}, PLATFORMS[0], "1")
    missing = image.replace(":1.0", ":none")
    done = imagesig("verify", "--key", public_half(key), image, f"{unsigned.name}:1", missing, "--output", "json")
    assert done.returncode == 10
    assert [entry["verified"] for entry in json.loads(done.stdout)["images"]] == [True, False, False]


def test_the_passphrase_comes_from_a_file(key: Path, image: str, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("s3cret\n")
    done = imagesig("sign", "--key", str(key), "--passphrase-file", str(tmp_path / "passphrase"), image)
    assert done.returncode == 0, done.stderr


def test_a_dry_run_writes_nothing(key: Path, image: str) -> None:
    done = sign(key, "--dry-run", "--output", "json", image)
    assert {made["state"] for made in json.loads(done.stdout)["images"][0]["signatures"]} == {"planned"}
    assert imagesig("verify", "--key", public_half(key), image).returncode == 10


def test_signing_again_reports_what_is_present(key: Path, image: str) -> None:
    sign(key, image)
    done = sign(key, "--output", "json", image)
    assert {made["state"] for made in json.loads(done.stdout)["images"][0]["signatures"]} == {"present"}


def test_signing_without_a_name_warns_of_podman(key: Path, image: str) -> None:
    assert "podman" in sign(key, "--dry-run", image).stderr
    assert "podman" not in sign(key, "--dry-run", "--format", "bundle", image).stderr
    assert "podman" not in sign(key, "--dry-run", "--format", "cosign", image).stderr


def test_one_platform_is_verified_through_the_index(key: Path, image: str) -> None:
    sign(key, "--identity", NAME, "--no-recursive", image)
    done = imagesig("verify", "--key", public_half(key), "--platform", "linux/arm64", "--output", "json", image)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"][0]["through_index"] is True


def test_inspect_shows_claims_and_calls_none_of_them_trusted(key: Path, image: str) -> None:
    sign(key, "--identity", NAME, "--annotation", "build=7", image)
    done = imagesig("inspect", image)
    assert done.returncode == 0
    assert "NOT verified" in done.stdout
    assert NAME in done.stdout
    document = json.loads(imagesig("inspect", image, "--output", "json").stdout)
    assert document["images"][0]["trusted"] is False


def test_what_could_not_be_read_of_an_image_is_a_failure_beside_the_rest(key: Path) -> None:
    with InMemoryRegistry() as server:
        reference = f"{server.host}/team/app:1.0"
        home = registry(reference).home
        build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0")
        sign(key, "--annotation", "number=1", reference)
        (bundle,) = home.referrers(home.resolve("1.0").digest).entries
        server.faults.append(lambda request: Answer(418) if bundle.digest in request.path else None)

        shown = imagesig("inspect", reference)
        assert shown.returncode == 1
        assert "number=1" in shown.stdout
        assert "some content could not be read" in shown.stdout
        assert "status 418" in shown.stderr
        found = imagesig("inspect", reference, "--output", "json")
        (entry,) = json.loads(found.stdout)["images"]
        assert (found.returncode, entry["complete"], entry["error"]) == (1, False, "UnexpectedResponse")
        assert [item["format"] for item in entry["signatures"]] == ["cosign", ""]

        verify = ("verify", "--key", public_half(key), reference)
        assert imagesig(*verify).returncode == 0
        assert imagesig(*verify, "--format", "bundle").returncode == 1

        server.faults.append(lambda request: Answer(418) if ".sig" in request.path else None)
        nothing = imagesig("inspect", reference)
        assert nothing.returncode == 1
        assert "no signatures" not in nothing.stdout


def test_a_key_is_exported_checked_and_listed(key: Path) -> None:
    exported = imagesig("key", "export", str(key), IMAGESIG_PASSPHRASE="s3cret")
    assert exported.stdout == key.with_suffix(".pub").read_text()
    checked = imagesig("key", "check", str(key), IMAGESIG_PASSPHRASE="s3cret")
    assert checked.returncode == 0, checked.stderr
    listed = imagesig("key", "list", str(key.parent))
    assert key.name in listed.stdout


def test_an_existing_key_is_never_overwritten(key: Path) -> None:
    before = key.read_bytes()
    done = imagesig("key", "generate", str(key))
    assert done.returncode == 1
    assert key.read_bytes() == before


# --- what people get wrong --------------------------------------------------------------------------------------------

WRONG = {
    "no reference": (2, ["inspect", ""]),
    "a space": (2, ["inspect", "a b"]),
    "bytes that are no text": (2, ["inspect", os.fsdecode(b"re\xffpo")]),
    "no layout": (2, ["inspect", "oci:nosuch:1.0"]),
    "layout without a name": (2, ["inspect", "oci:"]),
    "layout in a file": (2, ["inspect", "oci:release.key"]),
    "layout in a name too long": (1, ["inspect", "oci:" + "a" * 5000]),
    "digest that is none": (2, ["inspect", "oci:image@sha256:0"]),
    "port that is none": (1, ["inspect", "localhost:99999/x:1"]),
    "server that is gone": (1, ["inspect", "localhost:9/x:1"]),
    "no CA file": (2, ["inspect", "--registry-ca", "nosuch", "localhost:9/x:1"]),
    "CA file that is none": (2, ["inspect", "--registry-ca", "release.pub", "localhost:9/x:1"]),
    "CA file that is a folder": (2, ["inspect", "--registry-ca", ".", "localhost:9/x:1"]),
    "timeout of nothing": (2, ["inspect", "--timeout", "0", "localhost:9/x:1"]),
    "timeout that is no number": (2, ["inspect", "--timeout", "nan", "localhost:9/x:1"]),
    "signature repository": (2, ["inspect", "--signature-repository", "A B", "localhost:9/x:1"]),
    "signature repository with a tag": (2, ["inspect", "--signature-repository", "a.example/s:1", "localhost:9/x:1"]),
    "signature repository with a digest": (
        2,
        ["inspect", "--signature-repository", f"a.example/s@sha256:{'0' * 64}", "localhost:9/x:1"],
    ),
    "no key": (1, ["sign", "--key", "nosuch.key", "oci:image:1.0"]),
    "key without a name": (2, ["sign", "--key", "", "oci:image:1.0"]),
    "key that is a folder": (1, ["sign", "--key", ".", "oci:image:1.0"]),
    "key of an unknown kind": (2, ["sign", "--key", "foo://x", "oci:image:1.0"]),
    "two keys to sign with": (2, ["sign", "--key", "release.key", "--key", "other.key", "oci:image:1.0"]),
    "two keys to remove": (2, ["remove", "--key", "release.pub", "--key", "other.pub", "oci:image:1.0"]),
    "two keys that verify": (
        2,
        ["attach", "--key", "release.pub", "--key", "other.pub", "--signature", "s", "oci:image:1.0"],
    ),
    "public key to sign with": (1, ["sign", "--key", "release.pub", "oci:image:1.0"]),
    "unknown format": (2, ["sign", "--key", "release.key", "--format", "x", "oci:image:1.0"]),
    "annotation without a value": (2, ["sign", "--key", "release.key", "--annotation", "x", "oci:image:1.0"]),
    "annotation that is no text": (
        2,
        ["sign", "--key", "release.key", "--annotation", os.fsdecode(b"a=\xff"), "oci:image:1.0"],
    ),
    "identity": (2, ["sign", "--key", "release.key", "--identity", "UP:x", "oci:image:1.0"]),
    "identity with a digest": (
        2,
        ["sign", "--key", "release.key", "--identity", f"a@sha256:{'0' * 64}", "oci:image:1.0"],
    ),
    "threshold over the keys": (2, ["verify", "--key", "release.pub", "--threshold", "2", "oci:image:1.0"]),
    "threshold of one key twice": (
        2,
        ["verify", "--key", "release.pub", "--key", "release.pub", "--threshold", "2", "oci:image:1.0"],
    ),
    "platform without architecture": (2, ["verify", "--key", "release.pub", "--platform", "linux", "oci:image:1.0"]),
    "platform that is not there": (11, ["verify", "--key", "release.pub", "--platform", "a/b", "oci:image:1.0"]),
    "folder to keep that is there": (2, ["demo", "--keep", "image"]),
    "folder to keep that cannot be": (2, ["demo", "--keep", "release.key/x"]),
    "folder of a new key": (1, ["key", "generate", "nosuch/release.key"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_use_is_explained_with_its_status(key: Path, image: str, name: str) -> None:
    status, arguments = WRONG[name]
    done = imagesig(*arguments, cwd=key.parent, IMAGESIG_PASSPHRASE="s3cret")
    assert done.returncode == status, done.stderr
    assert done.stderr.lower().count("error:") == 1
    assert "Traceback" not in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("group", [[], ["key"], ["policy"]], ids=lambda group: " ".join(("imagesig", *group)))
def test_a_group_without_a_command_shows_its_help_line_by_line(group: list[str]) -> None:
    done = imagesig(*group)
    assert done.returncode == 2
    assert done.stderr == imagesig(*group, "--help").stdout
    assert not done.stdout


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (2, ["sign", "--key", "release.key", "oci:nosuch"]),
        (1, ["sign", "--key", "nosuch.key", "oci:image:1.0"]),
        (2, ["inspect", "oci:nosuch"]),
        (1, ["verify", "--key", "nosuch.pub", "oci:image:1.0"]),
    ],
)
def test_an_error_is_a_document_too_where_json_is_read(
    key: Path, image: str, status: int, arguments: list[str]
) -> None:
    done = imagesig(*arguments, "--output", "json", cwd=key.parent, IMAGESIG_PASSPHRASE="s3cret")
    assert done.returncode == status
    document = json.loads(done.stdout)
    assert (document["imagesig"], document["command"], document["images"]) == (1, arguments[0], [])
    assert document["message"] in done.stderr
    assert {"error", "hint", "retryable", "rejections"} <= document.keys()


def test_json_lists_what_was_attached_and_what_is_missing(key: Path) -> None:
    with InMemoryRegistry() as server:
        reference = f"{server.host}/team/app:1.0"
        build_image(registry(reference).home, {"a": b"b"}, PLATFORMS[0], "1.0")
        server.faults.append(
            lambda request: Answer(403) if request.method == "PUT" and "sha256:" in request.path else None
        )
        done = sign(key, "--output", "json", reference)
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["error"] == "AttachIncomplete"
    assert [len(document["attached"]), len(document["missing"])] == [1, 1]


@pytest.mark.parametrize("command", ["inspect", "--help"])
def test_output_that_cannot_be_written_is_an_error_and_no_traceback(image: str, command: str) -> None:
    with open("/dev/full", "w") as full:
        done = imagesig(*([command, image] if command == "inspect" else [command]), stdout=full)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_closes_the_pipe_causes_no_traceback(image: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = imagesig("inspect", image, stdout=pipe)
    assert done.returncode == 1
    assert not done.stderr


def test_ctrl_c_says_so_and_the_same_command_completes_what_was_begun(key: Path) -> None:
    with InMemoryRegistry() as server:
        reference = f"{server.host}/team/app:1.0"
        build_image(registry(reference).home, {"a": b"b"}, PLATFORMS[0], "1.0")
        waiting, go_on = threading.Event(), threading.Event()

        def hold(request: Request) -> Answer | None:
            if request.method == "PUT" and "/manifests/sha256:" in request.path:
                waiting.set()  # the classic signature is stored, the bundle's manifest is not
                go_on.wait(30)
                return Answer(503, close=True)
            return None

        server.faults.append(hold)
        running = subprocess.Popen(
            [sys.executable, "-m", "imagesig", "sign", "--key", str(key), reference],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": ROOT, "IMAGESIG_PASSPHRASE": "s3cret"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waiting.wait(30)
        running.send_signal(signal.SIGINT)
        try:
            _, errors = running.communicate(timeout=30)
        finally:
            go_on.set()
        server.faults.clear()
        assert running.returncode == 130
        assert "interrupted: everything written is complete" in errors
        assert "Traceback" not in errors
        done = sign(key, "--output", "json", reference)
        states = {made["format"]: made["state"] for made in json.loads(done.stdout)["images"][0]["signatures"]}
        assert states == {"cosign": "present", "bundle": "attached"}


def test_a_second_ctrl_c_ends_at_once(key: Path) -> None:
    with InMemoryRegistry() as server:
        waiting, go_on = threading.Event(), threading.Event()
        server.faults.append(lambda _request: (waiting.set(), go_on.wait(60)) and Answer(500, close=True))
        running = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _RUN,
                "verify",
                "--key",
                public_half(key),
                f"{server.host}/a:1",
                f"{server.host}/a:2",
            ],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": ROOT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert waiting.wait(30)
        assert running.stderr is not None
        running.send_signal(signal.SIGINT)
        said = running.stderr.readline() + running.stderr.readline()  # only then is the first one dealt with
        running.send_signal(signal.SIGINT)
        try:
            running.communicate(timeout=30)
        finally:
            go_on.set()
        assert b"Ctrl-C again" in said
        assert running.returncode == -signal.SIGINT  # which a shell shows as 130


def test_progress_is_counted_on_a_terminal_for_several_images(key: Path, image: str, tmp_path: Path) -> None:
    other = Layout.create(tmp_path / "other")
    build_image(other, {"a": b"b"}, PLATFORMS[0], "1")
    terminal, writing = pty.openpty()
    with os.fdopen(writing, "w") as shown:
        sign_both = ["sign", "--key", str(key), image, f"{other.name}:1"]
        done = imagesig(*sign_both, stderr=shown, IMAGESIG_PASSPHRASE="s3cret")
    seen = shown_at(terminal)
    assert done.returncode == 0
    assert "signed 2 of 2 images" in seen


def test_nothing_is_logged_unless_asked_for(key: Path, image: str) -> None:
    done = sign(key, "--identity", NAME, image)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("imagesig ver", "verify"), ("imagesig sign --fo", "--format"), ("imagesig key ex", "export")],
)
def test_the_shell_completes_commands_and_options(typed: str, offered: str) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    assert offered in imagesig(_IMAGESIG_COMPLETE="bash_complete", **words).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(shell: str) -> None:
    assert "_IMAGESIG_COMPLETE" in imagesig("completion", shell).stdout


def test_the_version_is_printed() -> None:
    assert imagesig("--version").stdout.startswith("imagesig, version ")


def test_the_demo_ends_with_a_refusal(tmp_path: Path) -> None:
    done = imagesig("demo", "--keep", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    assert "refused:" in done.stdout


@pytest.mark.parametrize("group", [(), ("key",), ("policy",)])
def test_the_list_of_commands_fits_eighty_columns(group: tuple[str, ...]) -> None:
    shown = imagesig(*group, "--help", COLUMNS="80").stdout
    listed = shown.partition("Commands:")[2].splitlines()
    assert len(listed) > 3
    assert not [line for line in listed if line.endswith("...")]
