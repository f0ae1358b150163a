"""mypy finds every place that forgets a kind: here one is added to each closed sum, and nothing else is changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import imagesig

PACKAGE = Path(imagesig.__file__).parent

ADDED = {
    "policy/requirement.py": (
        "Requirement = Signed | Attested | AcceptAnything | Reject | Unsupported\n",
        "import msgspec\n\n\nclass Added(msgspec.Struct, frozen=True):\n    days: int = 0\n\n\n"
        "Requirement = Signed | Attested | AcceptAnything | Reject | Unsupported | Added\n",
    ),
    "policy/authority.py": (
        "Authority = TrustedKey | KeyReference | CertificateAuthority | ContentTrust\n",
        'import msgspec\n\n\nclass Added(msgspec.Struct, frozen=True):\n    name: str = ""\n\n\n'
        "Authority = TrustedKey | KeyReference | CertificateAuthority | ContentTrust | Added\n",
    ),
    "policy/identity.py": (
        "KINDS = _by_name(\n",
        'class Added(Identity, frozen=True):\n    kind = "added"\n\n\nKINDS = _by_name(\n    Added,\n',
    ),
    "policy/enforcement.py": ('    SKIP = "skip"\n', '    SKIP = "skip"\n    ADDED = "added"\n'),
}
FORGETFUL = {
    "policy/judge.py",
    "policy/identity.py",
    "policy/describe.py",
    "policy/files/requirement.py",
    "policy/files/write.py",
    "policy/requirement.py",
    "policy/authority.py",
    "api/explaining.py",
    "cli/output/policy_text.py",
    "cli/shared_keys.py",
}
"""Where a kind decides something."""
MISSING = ('"assert_never" has incompatible type', 'Item "Added" of ', "Only concrete class can be given")
"""What mypy says of a match without the kind, and of a kind without a member that every kind has."""


def test_mypy_names_every_place_that_does_not_know_a_new_kind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache")]
    for number, (module, (before, after)) in enumerate(ADDED.items()):
        source = (PACKAGE / module).read_text(encoding="utf-8")
        assert source.count(before) == 1, module
        changed = tmp_path / f"{number}.py"
        changed.write_text(source.replace(before, after), encoding="utf-8")
        command += ["--shadow-file", str(PACKAGE / module), str(changed)]
    done = subprocess.run(
        [*command, *(str(PACKAGE / module) for module in sorted(FORGETFUL))],
        capture_output=True,
        text=True,
        check=False,
        cwd=PACKAGE.parent,
    )
    found = {
        line.partition(":")[0].removeprefix(f"{PACKAGE}/").removeprefix("imagesig/")
        for line in done.stdout.splitlines()
        if any(text in line for text in MISSING)
    }
    assert found >= FORGETFUL, done.stdout + done.stderr
