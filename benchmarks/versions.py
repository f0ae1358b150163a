"""`python -m benchmarks.versions BASE`: this version of imagesig beside an older one, turn by turn, in one run.

Each row is measured in processes of its own, one of each version after the other, several times; the medians of all
are compared. The CPU time changes less than the time on a machine that does other work too. Arguments after the commit
are the rows to measure. The older version is a worktree of git, with the packages of this environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.rows import ROWS
from imagesig import copy, open_key, sign
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.images.registry.connect import registry
from imagesig.keys.file.provider import FileProvider
from tests.peers.servers import registry_server

ROOT = Path(__file__).parents[1]
TURNS = 5
MANY = 200
ALLOWED = 1.10
"""What a row's median may lose."""


def main() -> int:
    base, *rows = sys.argv[1:]
    slower = []
    with tempfile.TemporaryDirectory() as folder, registry_server("referrers", Path(folder)) as server:
        older = Path(folder) / "older"
        _git("worktree", "add", "--detach", str(older), base)
        try:
            work = Path(folder) / "work.json"
            work.write_text(json.dumps(_prepared(Path(folder), server.host)))
            print(f"{'':34} {base[:12]:>12} {'now':>12}  ratio  CPU time: {base[:12]:>12} {'now':>12}  ratio")
            for row in rows or ROWS:
                seconds: dict[Path, list[tuple[float, float]]] = {older: [], ROOT: []}
                for turn in range(TURNS):
                    for tree in (older, ROOT) if turn % 2 else (ROOT, older):
                        seconds[tree] += _measured(tree, row, work)
                before, now = (list(map(median, zip(*seconds[tree], strict=True))) for tree in (older, ROOT))
                shown = [
                    f"{1000 * a:9.3f} ms {1000 * b:9.3f} ms  {b / a:5.2f}" for a, b in zip(before, now, strict=True)
                ]
                print(f"{row:34} {shown[0]}            {shown[1]}", flush=True)
                slower += [row] if now[0] > ALLOWED * before[0] else []
        finally:
            _git("worktree", "remove", "--force", str(older))
    if slower:
        print(f"slower by more than {ALLOWED - 1:.0%}: {', '.join(slower)}")
    return 1 if slower else 0


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True)


def _measured(tree: Path, row: str, work: Path) -> list[tuple[float, float]]:
    """Seconds and CPU seconds of each round."""
    command = [sys.executable, str(ROOT / "benchmarks" / "rows.py"), row, str(work)]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(tree)},
        cwd=work.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return [(float(time), float(used)) for time, used in map(str.split, done.stdout.splitlines())]


def _prepared(folder: Path, host: str) -> dict[str, object]:
    """A key, and images signed with it in each place."""
    FileProvider(folder).generate("k.key", KeyType.ECDSA_P256)
    key_file = str(folder / "k.key")
    build_image(Layout.create(folder / "unsigned"), {"bin/app": b"app"}, PLATFORMS[0], "1.0")
    with open_key(key_file) as key:
        many = [_pushed(host, f"many{number}") for number in range(MANY)]
        classic, bundle = _pushed(host, "classic"), _pushed(host, "bundle")
        identity = {"identity": f"{host}/bench/any:1.0"}
        for reference in many:
            sign(reference, key, formats=["bundle"], **identity)
        sign(classic, key, formats=["cosign"], identity=f"{classic.partition('@')[0]}:1.0")
        sign(bundle, key, formats=["bundle"], identity=f"{bundle.partition('@')[0]}:1.0")
        copy(bundle, f"oci:{folder}/layout:1.0")
        copy(bundle, f"oci-archive:{folder}/image.tar:1.0")
    return {
        "key": key_file,
        "public_key": str(folder / "k.pub"),
        "unsigned": str(folder / "unsigned"),
        "many": many,
        "registry classic": classic,
        "registry bundle": bundle,
        "layout": f"oci:{folder}/layout:1.0",
        "archive": f"oci-archive:{folder}/image.tar:1.0",
    }


def _pushed(host: str, name: str) -> str:
    image = registry(f"{host}/bench/{name}:1.0")
    descriptor = build_image(image.home, {"bin/app": name.encode()}, PLATFORMS[0], "1.0")
    return f"{host}/bench/{name}@{descriptor.digest}"


if __name__ == "__main__":
    sys.exit(main())
