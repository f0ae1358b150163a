"""What the system says about a path becomes ours: no call of the file system is outside a block that explains it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import imagesig
from imagesig import archive, directory, docker_archive, inspect_trust, key_from_pem, layout
from imagesig.content_trust.backup import TrustBackup
from imagesig.content_trust.update import File
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError, InternalError
from imagesig.trust import ContentTrust
from tests.attacks.policy_place import furnish
from tests.commands import run_here

PACKAGE = Path(imagesig.__file__).parent
_PATH_CALLS = frozenset(
    [
        "chmod",
        "exists",
        "glob",
        "is_dir",
        "is_fifo",
        "is_file",
        "is_mount",
        "is_socket",
        "is_symlink",
        "iterdir",
        "lstat",
        "mkdir",
        "rename",
        "rglob",
        "rmdir",
        "samefile",
        "stat",
        "symlink_to",
        "touch",
        "unlink",
    ]
)
_CATCHES = ("OSError", "Exception", "BaseException")
OUTSIDE = {
    "images/archive/writer.py:_compact": "`finish` explains them",
    "keys/file/provider.py:list": "its block `listing` is an external_call",
    "witnesses/crl_cache.py:_prune": "`put` explains them",
    "writing.py:make_private_folder": "those who write a file explain them, as those of `replace_file`",
}
"""Functions whose callers explain their errors, with the reason."""


def calls_outside(source: str) -> Iterator[tuple[str, str]]:
    """The calls of the file system that nothing explains: the function, and the line with the call."""

    def walk(node: ast.AST, safe: bool, function: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.FunctionDef):
            function, safe = node.name, False
        if isinstance(node, ast.Call) and _asks_the_system(node) and not safe:
            yield function, f"{node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.With) and any(_explains(item.context_expr) for item in node.items):
            safe = True
        if isinstance(node, ast.Try) and any(_catches(handler) for handler in node.handlers):
            for child in node.body:
                yield from walk(child, True, function)
            for child in (*node.handlers, *node.orelse, *node.finalbody):
                yield from walk(child, safe, function)
            return
        for child in ast.iter_child_nodes(node):
            yield from walk(child, safe, function)

    return walk(ast.parse(source), False, "the module")


def _asks_the_system(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    owner, name = ast.unparse(call.func.value), call.func.attr
    return name in _PATH_CALLS and owner not in ("os", "os.path")


def _explains(context: ast.expr) -> bool:
    text = ast.unparse(context)
    return "external_call(" in text or "_failures(" in text or ("suppress(" in text and "Error" in text)


def _catches(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or any(name in ast.unparse(handler.type) for name in _CATCHES)


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(PACKAGE / "testing"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_question_to_the_file_system_is_asked_where_its_error_becomes_ours(module: Path) -> None:
    name = module.relative_to(PACKAGE).as_posix()
    calls = calls_outside(module.read_text("utf-8"))
    found = [f"{function}, line {call}" for function, call in calls if f"{name}:{function}" not in OUTSIDE]
    assert not found, f"{name}: ask with imagesig.reading (is_file, is_folder, exists), or explain the error: {found}"


def test_a_function_that_may_ask_does() -> None:
    asking = {
        f"{module.relative_to(PACKAGE).as_posix()}:{function}"
        for module in MODULES
        for function, _ in calls_outside(module.read_text("utf-8"))
    }
    assert set(OUTSIDE) <= asking


@pytest.mark.parametrize(
    "source",
    [
        "def f(path): return path.is_file()",
        "def f(path):\n if (path / 'x').exists(): pass",
        "def f(path): return sorted(path.glob('*.pem'))",
        "def f(path):\n with open_it(path): path.unlink()",
        "def f(path):\n try: pass\n except OSError: path.unlink()",
        "def f(path):\n try: path.stat()\n except KeyError: pass",
    ],
)
def test_a_question_whose_error_nobody_explains_is_seen(source: str) -> None:
    assert list(calls_outside(source))


@pytest.mark.parametrize(
    "source",
    [
        "def f(path): return is_file(path)",
        "def f(path):\n try: path.stat()\n except OSError: pass",
        "def f(path):\n with external_call('x'): path.mkdir()",
        "def f(path):\n with suppress(OSError): path.unlink()",
    ],
)
def test_other_questions_are_allowed(source: str) -> None:
    assert not list(calls_outside(source))


# --- through the command and public names ---------------------------------------------------------------------------

LONG = "x" * 300
"""No file system has such a name: each question about it fails."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path, "a")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "--key", "a.pub", "--images-from", LONG),
        ("verify-attestation", "--key", "a.pub", "--type", "custom", "--images-from", LONG),
        ("verify", "--trust-policy", LONG, "oci:image:1.0"),
        ("sign", "--key", "a.key", "--images-from", LONG),
        ("attest", "--key", "a.key", "--type", "custom", "--predicate", "a.pub", "--images-from", LONG),
        ("copy", "oci:image:1.0", f"oci-archive:{LONG}:1.0"),
        ("copy", "oci:image:1.0", f"dir:{LONG}"),
        ("copy", "oci:image:1.0", f"oci:{LONG}:1.0"),
        ("trust", "signer", "add", "--key", LONG, "alice", "localhost:1/x"),
        ("trust", "key", "export", "a.pub", "--name", "alice", "--dir", LONG),
        ("trust", "migrate", "--pin", "a.pub", "--key", "a.key", "--from", LONG, "localhost:1/x"),
        ("policy", "import", LONG),
    ],
    ids=lambda arguments: " ".join(arguments).replace(LONG, "LONG"),
)
@pytest.mark.usefixtures("place")
def test_a_name_that_no_file_system_has_is_our_error(arguments: tuple[str, ...]) -> None:
    done = run_here(*arguments)
    assert isinstance(done.exception, ImagesigError | SystemExit), done.exception
    assert not isinstance(done.exception, InternalError), done.exception
    assert done.exit_code in (1, 2)


@pytest.mark.parametrize("variable", ["DOCKER_CONFIG", "XDG_STATE_HOME", "HOME"])
def test_a_folder_in_the_environment_that_cannot_be_looked_at_is_our_error(
    place: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"{place}/{LONG}")
    with pytest.raises(ImagesigError) as caught:
        inspect_trust("localhost:1/x", timeout=2)
    assert not isinstance(caught.value, InternalError)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["NUL", "half of a pair"])
@pytest.mark.parametrize("form", ["oci", "oci-archive", "docker-archive", "dir"])
def test_a_text_that_is_no_path_is_our_error(form: str, text: str) -> None:
    opened = {"oci": layout, "oci-archive": archive, "docker-archive": docker_archive, "dir": directory}[form]
    for ask in (
        lambda: imagesig.inspect(f"{form}:{text}:1.0"),
        lambda: imagesig.tree(f"{form}:{text}:1.0"),
        lambda: imagesig.copy("oci:image:1.0", f"{form}:{text}"),
        lambda: opened(text),
    ):
        with pytest.raises(ImagesigError) as caught:
            ask()
        assert not isinstance(caught.value, InternalError)


@pytest.mark.parametrize("label", ["CERTIFICATE", "PUBLIC KEY"])
@pytest.mark.parametrize(
    "read", [key_from_pem, lambda text: ContentTrust(pin=text), PublicKey.from_pem], ids=["key", "pin", "public key"]
)
def test_a_pem_text_with_half_of_a_pair_is_our_error(read: Callable[[str], object], label: str) -> None:
    with pytest.raises(ImagesigError) as caught:
        read(f"-----BEGIN {label}-----\ud800")
    assert not isinstance(caught.value, InternalError)


def test_a_backup_of_trust_data_without_a_long_name_is_our_error(place: Path) -> None:
    (place / "root.json").touch()
    backup = TrustBackup(place)
    role = f"targets/{'a' * 240}"
    assert not backup.has("localhost/x", role)
    assert backup.fetch("localhost/x", File(f"{role}.{'0' * 64}.json", role, 10)) is None


def test_an_archive_that_the_system_cannot_read_is_our_error() -> None:
    with pytest.raises(ImagesigError):
        imagesig.inspect("oci-archive:/proc/self/mem:1.0")
