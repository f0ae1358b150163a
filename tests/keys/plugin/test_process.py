"""Bounded runs of plugins that misbehave."""

from __future__ import annotations

import json
import os
import select
from pathlib import Path

import pytest

from imagesig import limits
from imagesig.deadlines import deadline
from imagesig.errors import DeadlineExceeded, InvalidArgument, KeyProviderError, KeyProviderUnavailable
from imagesig.keys.plugin.process import describe_output, plugin_environ, run_plugin
from tests.plugins.programs import executable


def run(tmp_path: Path, script: str, message: bytes = b"", seconds: float = 60, **environ: str) -> bytes:
    program = executable(tmp_path / "plugin", script)
    return run_plugin(program, ["word"], message, environ=environ, seconds=seconds, what="the plugin").stdout


def test_message_arguments_and_environment_reach_it_and_nothing_else(tmp_path: Path) -> None:
    os.environ["IMAGESIG_TEST_LEAK"] = "leaked"
    try:
        script = "import json, os, sys\nprint(json.dumps([sys.argv[1:], sys.stdin.read(), dict(os.environ)]))"
        arguments, message, environ = json.loads(run(tmp_path, script, b"message", GIVEN="1"))
    finally:
        del os.environ["IMAGESIG_TEST_LEAK"]
    assert (arguments, message) == (["word"], "message")
    assert {name for name in environ if not name.startswith(("LC_", "__"))} == {"GIVEN"}


def test_a_long_message_and_a_long_answer_do_not_wait_for_each_other(tmp_path: Path) -> None:
    script = "import sys\nsys.stdout.write('a' * 3_000_000)\nsys.stdout.flush()\nprint(len(sys.stdin.read()))"
    assert run(tmp_path, script, b"m" * 3_000_000).endswith(b"a3000000\n")


def test_a_plugin_that_does_not_read_its_message_can_answer(tmp_path: Path) -> None:
    assert run(tmp_path, "print('answer')", b"m" * 3_000_000) == b"answer\n"


def test_a_plugin_that_hangs_is_killed_with_its_child_processes(tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = (
        "import os, time\n"
        f"if os.fork() == 0:\n    open({str(child)!r}, 'w').write(str(os.getpid()))\n    time.sleep(1000)\n"
        "time.sleep(1000)\n"
    )
    with pytest.raises(KeyProviderUnavailable, match="no answer within"):
        run(tmp_path, script, seconds=5)
    assert has_ended(int(child.read_text()))


def has_ended(process: int) -> bool:
    """Waits for a process that is not our child."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(30_000))
    finally:
        os.close(descriptor)


def test_a_child_process_that_keeps_the_output_open_is_killed_too(tmp_path: Path) -> None:
    script = "import os, time\nif os.fork() == 0:\n    time.sleep(1000)\nprint('answer')\n"
    with pytest.raises(KeyProviderUnavailable):
        run(tmp_path, script, seconds=2)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_plugin_that_prints_too_much_is_killed(tmp_path: Path, stream: str) -> None:
    script = f"import sys\nwhile True:\n    sys.{stream}.write('x' * 65536)\n"
    with pytest.raises(KeyProviderError, match="printed more than"):
        run(tmp_path, script)
    assert limits.KEY_PROVIDER_BODY_BYTES <= 16 * 1024 * 1024


def test_a_plugin_that_crashes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyProviderError, match="ended by signal 9"):
        run(tmp_path, "import os\nos.kill(os.getpid(), 9)")


def test_the_callers_deadline_limits_a_plugin(tmp_path: Path) -> None:
    with deadline(2), pytest.raises((KeyProviderUnavailable, DeadlineExceeded)):
        run(tmp_path, "import time\ntime.sleep(1000)")


def test_another_file_than_a_program_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "plugin"
    path.write_bytes(b"\x00\x01\x02")
    path.chmod(0o755)
    with pytest.raises(KeyProviderError, match="cannot be run"):
        run_plugin(path, [], b"", environ={}, seconds=60, what="the plugin")


def test_a_nul_byte_in_an_argument_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        run_plugin(tmp_path / "plugin", ["a\0b"], b"", environ={}, seconds=60, what="the plugin")


def test_a_plugin_sees_no_credentials_that_it_was_not_given() -> None:
    environ = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "HTTPS_PROXY": "http://proxy",
        "VAULT_TOKEN": "secret",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "COSIGN_PASSWORD": "secret",
        "IMAGESIG_PKCS11_PIN": "secret",
        "LD_PRELOAD": "x.so",
    }
    assert plugin_environ(environ) == {"PATH": "/bin", "LC_ALL": "C", "HTTPS_PROXY": "http://proxy"}


def test_the_user_can_list_further_variables() -> None:
    environ = {"IMAGESIG_PLUGIN_ENV": "VAULT_*, AWS_PROFILE", "VAULT_TOKEN": "t", "AWS_PROFILE": "p", "AWS_REGION": "r"}
    assert plugin_environ(environ) == {"VAULT_TOKEN": "t", "AWS_PROFILE": "p"}


@pytest.mark.parametrize("value", ["*", "A B-C", "A=B", "**", "A*B"])
def test_an_invalid_name_of_a_variable_is_refused(value: str) -> None:
    with pytest.raises(InvalidArgument):
        plugin_environ({"IMAGESIG_PLUGIN_ENV": value})


def test_a_plugins_output_is_cut_and_escaped_in_messages() -> None:
    expected = describe_output(b"\x1b[31m" + b"x" * 10_000)
    assert len(expected) < 500
    assert "\x1b" not in expected
