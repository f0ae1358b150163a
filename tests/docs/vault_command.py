"""The `vault` commands that the pages use, over Vault's API: the peer is a server without the command."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any


def _ask(path: str, **members: Any) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{os.environ['VAULT_ADDR']}/v1/{path}",
        json.dumps(members).encode(),
        {"X-Vault-Token": os.environ["VAULT_TOKEN"]},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    document: dict[str, Any] = json.loads(text) if text else {}
    return document


def main(arguments: list[str]) -> None:
    match arguments:
        case ["secrets", "enable", kind]:
            _ask(f"sys/mounts/{kind}", type=kind)
        case ["write", "-f", path]:
            _ask(path)
        case ["policy", "write", name, file]:
            _ask(f"sys/policies/acl/{name}", policy=Path(file).read_text())
        case ["token", "create", "-field=token", policy]:
            print(_ask("auth/token/create", policies=[policy.removeprefix("-policy=")])["auth"]["client_token"])
        case ["auth", "enable", kind]:
            _ask(f"sys/auth/{kind}", type=kind)
        case _:
            sys.exit(f"vault {' '.join(arguments)}: not among the commands of this test")


if __name__ == "__main__":
    main(sys.argv[1:])
