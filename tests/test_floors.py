"""The rules that hold the house together, read off the source with `ast`: floors, purity, late SDKs, size and names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

import imagesig

PACKAGE = Path(imagesig.__file__).parent

FLOORS: dict[str, int] = {
    "patterns": -1,
    "text": 0,
    "lazy": 0,
    "limits": 0,
    "redacted": 0,
    "version": 0,
    "errors": 1,
    "arguments": 2,
    "deadlines": 2,
    "url": 2,
    "naming": 2,
    "logs": 2,
    "external": 2,
    "reading": 2,
    "writing": 3,
    "concurrency": 2,
    "effort": 3,
    "encoding": 4,
    "http": 4,
    "oci": 5,
    "crypto": 5,
    "format_names": 6,
    "signature": 6,
    "in_toto": 7,
    "trust": 6,
    "formats": 8,
    "policy": 8,
    "keys": 8,
    "images": 8,
    "witnesses": 8,
    "stores": 9,
    "content_trust": 9,
    "api": 10,
    "aio": 11,
    "docker": 11,
    "plugins": 11,
    "testing": 11,
    "cli": 12,
    "__main__": 13,
}
"""A unit is a module of the package, or a folder with all its modules. It imports lower floors and itself."""

PURE = frozenset(
    {
        "patterns",
        "text",
        "errors",
        "limits",
        "arguments",
        "naming",
        "url",
        "effort",
        "external",
        "encoding",
        "oci",
        "crypto",
        "format_names",
    }
    | {"signature", "in_toto", "trust", "formats", "policy", "version"}
    | {
        "http/dates.py",
        "http/hello.py",
        "http/proxies.py",
        "http/reach.py",
        "keys/pkcs11/codes.py",
        "images/layout/index.py",
        "images/registry/link.py",
    }
    | {"images/registry/challenges.py", "images/registry/credential_entry.py"}
    | {"images/registry/fallback_index.py", "images/directory/signature_file.py", "images/signature_manifest.py"}
    | {"images/archive/header.py", "images/archive/names.py", "images/archive/pax.py"}
    | {"content_trust/canonical.py", "content_trust/key.py", "content_trust/metadata.py", "content_trust/role.py"}
    | {"content_trust/pin.py", "content_trust/update.py", "content_trust/lookup.py", "content_trust/editing.py"}
    | {"keys/awskms/uri.py", "keys/pkcs11/uri.py", "keys/pkcs11/encoding.py"}
)
"""Units, and single modules of others, that touch nothing outside."""
FILES = frozenset({"policy/files/load.py", "policy/files/load_notation.py", "policy/files/default.py"})
"""Modules of pure units that read files, each by name; what is pure imports them where a function needs them."""
OUTSIDE_WORLD = frozenset(
    {"os", "pathlib", "io.open", "glob", "shutil", "tempfile", "fileinput", "linecache", "mmap", "fcntl", "zipfile"}
    | {"importlib.metadata", "importlib.resources", "getpass", "platform", "logging", "time", "sched", "signal"}
    | {"socket", "socketserver", "ssl", "select", "selectors", "http", "urllib.request", "urllib3", "requests"}
    | {"subprocess", "multiprocessing", "concurrent", "threading", "asyncio"}
)
"""Modules through which a pure unit would see sockets, files, the environment, other processes, logs or the clock."""
CLOCKS = frozenset({"now", "utcnow", "today"})
OUTSIDE_CALLS = frozenset({"open", "input", "print", "breakpoint"})

SDKS = frozenset(
    {
        "asn1crypto",
        "boto3",
        "botocore",
        "cbor2",
        "cel_expr_python",
        "docker",
        "hvac",
        "nacl",
        "pkcs11",
        "requests",
        "yaml",
    }
)
"""Loaded inside the function that first needs them, so that nobody pays for a backend they do not use."""
SUBCLASSING = {("docker/client.py", "docker")}
"""Modules that load an SDK because they subclass it; other modules import them inside a function."""

BUILT_ON = {("archive", "layout")}
"""Homes that are made of another one: an archive holds a layout."""

LINES = 400
LARGE_LINES = 300
LARGE = {
    "errors/__init__.py": "the one tree of exceptions: each class is a few lines, and callers read them together",
    "policy/authority.py": "the two kinds of one closed sum, opened and not yet opened",
    "policy/identity.py": "nine kinds of one closed sum, and the constructors of all of them on their base class",
}
"""The modules of more than `LARGE_LINES`, at most four, each with the reason why it is one module."""
FUNCTION_LINES = 40
LONG_FUNCTIONS = {
    "api/blob/attesting_blob.py attest_blob": "parameters and their documentation",
    "api/blob/verifying_blob.py verify_blob": "parameters and their documentation",
    "api/attest/attesting.py attest": "parameters and their documentation",
    "api/copying.py copy": "parameters and their documentation",
    "api/sign/signing.py sign": "parameters and their documentation",
    "api/sign/signing_elsewhere.py attach": "parameters and their documentation",
    "api/sign/signing_many.py sign_many": "parameters and their documentation",
    "api/trust/repositories.py rotate_trust_key": "parameters and their documentation",
    "api/trust/signing.py sign_trust": "parameters and their documentation",
    "api/trust/migrating.py migrate_trust": "parameters and their documentation",
    "api/verify/verifying.py verify": "parameters and their documentation",
    "api/verify/verifying_attestation.py verify_attestation": "parameters and their documentation",
    "api/verify/verifying_many.py verify_many": "parameters and their documentation",
    "docker/verifying.py verify": "parameters and their documentation",
    "cli/trust.py trust_options": "the list of the options that name what is trusted",
}
"""Functions of more than `FUNCTION_LINES`, beside commands of click, whose options are a list; each with a reason."""
FOLDER = 20
"""Modules in one folder, beside its `__init__`."""
VAGUE = frozenset({"utils", "util", "helpers", "base", "common", "models", "misc"})

HEAVY = (*SDKS, "click", "urllib3", "cryptography")
IMPORTED_MODULES = 40
"""What `import imagesig` may load beyond bare Python: a count of modules does not depend on how busy the machine is."""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, with the names taken from it, and how it is reached."""

    line: int
    module: str
    names: tuple[str, ...] = ()
    at_load: bool = False


class _Imports(ast.NodeVisitor):
    """Collects imports wherever they stand; those in functions or for type checkers alone are not made at load."""

    def __init__(self, package: str) -> None:
        self.found: list[Import] = []
        self._package = package
        self._deferred = 0

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [Import(node.lineno, alias.name, at_load=not self._deferred) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level:
            above = self._package.split(".")[: len(self._package.split(".")) - node.level + 1]
            module = ".".join([*above, *([module] if module else [])])
        names = tuple(alias.name for alias in node.names)
        self.found.append(Import(node.lineno, module, names, at_load=not self._deferred))

    def visit_Constant(self, node: ast.Constant) -> None:
        # A table of modules to load by name is an import too.
        if isinstance(node.value, str) and node.value.startswith("imagesig.") and _is_module(node.value):
            self.found.append(Import(node.lineno, node.value))

    def visit_If(self, node: ast.If) -> None:
        typing_only = ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        self._deferred += typing_only
        for child in node.body:
            self.visit(child)
        self._deferred -= typing_only
        for child in node.orelse:
            self.visit(child)

    def _visit_function(self, node: ast.AST) -> None:
        self._deferred += 1
        self.generic_visit(node)
        self._deferred -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _visit_function


def _is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def violations(module: PurePosixPath, source: str) -> list[str]:
    """Every rule that `source` breaks as the file `module`, a path such as `keys/vault.py` below the package."""
    if module == PurePosixPath("__init__.py"):
        return []  # It names the whole house and enters none of it: the import test below holds it.
    tree = ast.parse(source)
    unit = PurePosixPath(module.parts[0]).stem
    is_pure = (unit in PURE or str(module) in PURE) and str(module) not in FILES
    collector = _Imports(".".join(["imagesig", *module.parts[:-1]]))
    collector.visit(tree)
    found = [*_shape(module, source)]
    for imported in collector.found:
        if (str(module), imported.module.partition(".")[0]) in SUBCLASSING:
            continue
        found += [f"line {imported.line}: {text}" for text in _floor(unit, imported)]
        found += [f"line {imported.line}: {text}" for text in _rooms(module, imported)]
        found += [f"line {imported.line}: {text}" for text in _reach(unit, imported, is_pure=is_pure)]
    if is_pure:
        found += list(_outside_calls(tree))
    return found


def _shape(module: PurePosixPath, source: str) -> Iterator[str]:
    lines = len(source.splitlines())
    if lines > LINES:
        yield f"{lines} lines, needed {LINES} or fewer: split it by idea"
    for part in (*module.parts[:-1], module.stem):
        if part in VAGUE:
            yield f"{part!r} tells nothing: name what it holds"
    if PurePosixPath(module.parts[0]).stem not in FLOORS:
        yield f"{module.parts[0]} has no floor: give it one in FLOORS and in the architecture"


def _floor(unit: str, imported: Import) -> Iterator[str]:
    for target in _units(imported):
        if target == unit or FLOORS.get(target, 99) < FLOORS.get(unit, -1):
            continue
        yield f"{unit} (floor {FLOORS.get(unit)}) imports {target} (floor {FLOORS.get(target)})"


def _rooms(module: PurePosixPath, imported: Import) -> Iterator[str]:
    """A folder inside `keys` or `images` is one home of keys or images: homes do not know each other."""
    _, *there = imported.module.split(".")
    if len(module.parts) < 3 or module.parts[0] not in ("keys", "images") or there[:1] != [module.parts[0]]:
        return
    here, *found = module.parts[1], *there[1:2], *(imported.names if len(there) == 1 else ())
    for other in found:
        is_folder = (PACKAGE / module.parts[0] / other).is_dir()
        if is_folder and other != here and (here, other) not in BUILT_ON:
            yield f"{module.parts[0]}/{here} imports {module.parts[0]}/{other}, a home beside it"


def _units(imported: Import) -> list[str]:
    first, *rest = imported.module.split(".")
    if first != "imagesig":
        return []
    if rest:
        return [rest[0]]
    return list(imported.names) or ["the whole package"]


def _reach(unit: str, imported: Import, *, is_pure: bool) -> Iterator[str]:
    parts = imported.module.split(".")
    names = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    names |= {f"{imported.module}.{name}" for name in imported.names}
    if is_pure and (seen := names & OUTSIDE_WORLD):
        yield f"{unit} is pure and imports {min(seen)}"
    if imported.at_load and parts[0] in SDKS:
        yield f"{parts[0]} is imported when the module loads, needed on first use"
    if imported.at_load and unit in PURE and f"{'/'.join(parts[1:])}.py" in FILES:
        yield f"{imported.module} reads files; pure code imports it inside the function that needs it"
    if unit != "cli" and parts[0] == "click":
        yield f"{unit} imports click, which belongs to cli alone"
    if parts[0] == "random":
        yield f"{unit} imports random, whose state belongs to the program: use deadlines.jitter or secrets"


def _outside_calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in OUTSIDE_CALLS:
            yield f"line {node.lineno}: pure code calls {called.id}()"
        if isinstance(called, ast.Attribute) and called.attr in CLOCKS:
            yield f"line {node.lineno}: pure code reads the clock with .{called.attr}(); the time is an argument"


MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_keeps_to_its_floor(module: Path) -> None:
    found = violations(PurePosixPath(module), (PACKAGE / module).read_text(encoding="utf-8"))

    assert not found, f"imagesig/{module}:\n" + "\n".join(found)


def test_no_folder_is_too_full_to_find_a_module_in_it() -> None:
    count = Counter(module.parent for module in MODULES if module.name != "__init__.py")

    assert not {str(folder): modules for folder, modules in count.items() if modules > FOLDER}


def _lines(module: Path) -> int:
    return len((PACKAGE / module).read_text(encoding="utf-8").splitlines())


def test_large_modules_are_few_and_each_has_a_reason() -> None:
    large = {str(module): _lines(module) for module in MODULES if _lines(module) > LARGE_LINES}

    assert large.keys() == LARGE.keys(), f"split by idea, or say why not: {large}"
    assert len(LARGE) <= 4


def long_functions(source: str) -> Iterator[str]:
    """The functions that do not fit a screen; those that click makes a command or a group are lists of options."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_command = any(ast.unparse(item).startswith("click.") for item in node.decorator_list)
        if (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES and not is_command:
            yield node.name


def test_a_function_fits_a_screen() -> None:
    found = {
        f"{module} {name}"
        for module in MODULES
        for name in long_functions((PACKAGE / module).read_text(encoding="utf-8"))
    }

    assert not found - LONG_FUNCTIONS.keys(), f"a function has at most {FUNCTION_LINES} lines"


def test_a_long_function_is_seen() -> None:
    def of(lines: int) -> str:
        return "def f():\n" + "    x = 1\n" * (lines - 1)

    assert list(long_functions(of(FUNCTION_LINES))) == []
    assert list(long_functions(of(FUNCTION_LINES + 1))) == ["f"]
    assert list(long_functions("class A:\n    @click.command()\n    " + of(99).replace("    x", "        x"))) == []


def test_the_package_was_found() -> None:
    assert Path("text.py") in MODULES
    assert Path("keys/provider.py") in MODULES


@pytest.mark.parametrize(
    ("module", "source", "said"),
    [
        ("crypto/x.py", "from imagesig.keys import provider", "crypto (floor 5) imports keys (floor 8)"),
        ("crypto/x.py", "from imagesig.oci.digest import Digest", "crypto (floor 5) imports oci (floor 5)"),
        ("formats/x.py", "import imagesig.policy.judge", "formats (floor 8) imports policy"),
        ("formats/x.py", "def f():\n    from imagesig.stores import tag", "imports stores (floor 9)"),
        ("keys/x.py", "from imagesig import api", "imports api (floor 10)"),
        ("keys/x.py", "import imagesig", "imports the whole package"),
        ("keys/x.py", "from imagesig import __version__", "imports __version__"),
        ("keys/x.py", "from ..stores import tag", "imports stores"),
        ("keys/x.py", "from .. import stores", "imports stores"),
        ("keys/x.py", "HOMES = {'a': 'imagesig.errors', 'b': 'imagesig.images'}", "imports images"),
        ("oci/x.py", "if TYPE_CHECKING:\n    from imagesig.signature import Claim", "imports signature"),
        ("oci/x.py", "import os.path", "oci is pure and imports os"),
        ("oci/x.py", "from urllib import request", "oci is pure and imports urllib.request"),
        ("signature.py", "def f():\n    import time", "signature is pure and imports time"),
        ("policy/x.py", "import logging", "policy is pure and imports logging"),
        ("policy/files/load.py", "from imagesig.keys import uri", "policy (floor 8) imports keys (floor 8)"),
        ("trust.py", "from datetime import datetime\nx = datetime.now()", "reads the clock"),
        ("formats/x.py", "x = open('file')", "pure code calls open()"),
        ("keys/x.py", "import hvac", "hvac is imported when the module loads"),
        ("keys/x.py", "try:\n    from boto3.session import Session\nexcept ImportError: pass", "boto3 is imported"),
        ("keys/x.py", "class A:\n    import pkcs11", "pkcs11 is imported"),
        ("docker/x.py", "from docker.client import DockerClient", "docker is imported when the module loads"),
        ("keys/x.py", "def f():\n    import click", "click, which belongs to cli alone"),
        ("http/x.py", "def f():\n    from random import uniform", "imports random, whose state belongs to the program"),
        ("images/x.py", "x = 1\n" * 401, "401 lines"),
        ("keys/vault/x.py", "from imagesig.keys.awskms import uri", "keys/vault imports keys/awskms, a home beside it"),
        ("keys/file/x.py", "def f():\n    from imagesig.keys import pkcs11", "keys/file imports keys/pkcs11"),
        ("images/layout/x.py", "from imagesig.images.archive.file import TarFile", "layout imports images/archive"),
        ("http/reach.py", "import time", "http is pure and imports time"),
        ("images/helpers.py", "", "'helpers' tells nothing"),
        ("newcomer/x.py", "", "newcomer has no floor"),
        ("policy/x.py", "from imagesig.policy.files.load_notation import TRUST_STORE", "load_notation reads files"),
    ],
)
def test_a_broken_rule_is_seen(module: str, source: str, said: str) -> None:
    found = violations(PurePosixPath(module), source)

    assert any(said in text for text in found), found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "keys/x.py",
            "from imagesig.keys import uri\nfrom . import secrets\nfrom ..errors import quote\nimport os, time",
        ),
        ("keys/x.py", "def f():\n    import hvac\n    from nacl.secret import SecretBox"),
        ("keys/x.py", "if TYPE_CHECKING:\n    import boto3"),
        ("http/x.py", "from imagesig.version import __version__\nimport socket"),
        ("images/archive/x.py", "from imagesig.images.layout.reader import LayoutReader"),
        ("keys/vault/x.py", "from imagesig.keys import provider\nfrom imagesig.keys.vault import client"),
        ("crypto/x.py", "from cryptography.hazmat.primitives import hashes\nfrom urllib.parse import quote\nimport io"),
        ("formats/x.py", "from datetime import datetime\ndef f(now: datetime) -> str:\n    return now.isoformat()"),
        ("cli/x.py", "import click\nfrom imagesig import api"),
        ("policy/files/load.py", "from pathlib import Path\nx = open('file')"),
    ],
)
def test_what_the_rules_allow_passes(module: str, source: str) -> None:
    assert violations(PurePosixPath(module), source) == []


# --- circles and private names ----------------------------------------------------------------------------------------

PRIVATE_NAMES = {("api/sign/signing_many.py", "imagesig.api.sign.signing")}
"""Imports of private names that are still there: the module, and whose names it takes."""

Graph = dict[str, set[str]]
"""Modules, each with the modules that it imports."""


def _imports(module: Path) -> list[Import]:
    collector = _Imports(".".join(["imagesig", *module.parts[:-1]]))
    collector.visit(ast.parse((PACKAGE / module).read_text(encoding="utf-8")))
    return collector.found


def _graph(*, at_load: bool) -> Graph:
    graph: Graph = {}
    for module in MODULES:
        name = ".".join(["imagesig", *module.with_suffix("").parts]).removesuffix(".__init__")
        found = graph.setdefault(name, set())
        for imported in _imports(module):
            if imported.at_load or not at_load:
                names = [f"{imported.module}.{item}" for item in imported.names]
                found |= {item if _is_module(item) else imported.module for item in names or [imported.module]}
    return graph


def circle(graph: Graph) -> list[str]:
    """The modules that import each other, directly or through others, or that import such modules; empty if none do."""
    left = dict(graph)
    while leaves := [name for name, found in left.items() if not found & left.keys()]:
        for name in leaves:
            del left[name]
    return sorted(left)


def test_no_module_imports_itself_through_others_while_loading() -> None:
    assert circle(_graph(at_load=True)) == []


def test_no_module_of_policy_imports_itself_through_others_even_in_functions() -> None:
    graph = _graph(at_load=False)

    assert circle({name: found for name, found in graph.items() if name.startswith("imagesig.policy")}) == []


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b", "typing"}, "b": {"a"}, "c": set()}, ["a", "b"]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"e"}}, ["a", "b", "c"]),
        ({"a": {"a"}}, ["a"]),
    ],
)
def test_a_circle_is_seen(graph: Graph, found: list[str]) -> None:
    assert circle(graph) == found


def test_no_module_imports_a_private_name_of_another() -> None:
    found = {
        (str(module), imported.module)
        for module in MODULES
        for imported in _imports(module)
        if imported.module.startswith("imagesig")
        and any(name.startswith("_") and not name.startswith("__") for name in imported.names)
    }

    assert found <= PRIVATE_NAMES, f"make the name public, or import from where it is public: {found - PRIVATE_NAMES}"


# --- the start --------------------------------------------------------------------------------------------------------


def _loaded_by(statement: str) -> set[str]:
    script = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_imagesig_loads_no_sdk_and_little_else() -> None:
    loaded = _loaded_by("import imagesig")

    assert "imagesig" in loaded
    assert not {name.partition(".")[0] for name in loaded}.intersection(HEAVY)
    assert len(loaded) <= IMPORTED_MODULES, sorted(loaded)
