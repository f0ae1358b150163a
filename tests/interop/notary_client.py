"""notary's command as functions: one folder of keys and caches for each client."""

from __future__ import annotations

import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.peers import RUN_SECONDS, binary
from tests.peers.servers import NotaryServer

PASSPHRASE = "correct horse battery"


def unused_repository() -> str:
    """A name that no test used before: a trust server outlives the registries, and a port is given out again."""
    return f"app-{uuid.uuid4().hex[:12]}"


@dataclass(frozen=True, slots=True)
class NotaryClient:
    """A user of a trust server."""

    server: NotaryServer
    folder: Path

    def run(self, *arguments: str) -> str:
        """What a command prints. Raises `AssertionError` if it fails."""
        roles = ("ROOT", "TARGETS", "SNAPSHOT", "DELEGATION")
        done = subprocess.run(
            [
                *(binary("notary"), "-d", self.folder, "-s", self.server.url, "--tlscacert", self.server.ca_file),
                *arguments,
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)}
            | {f"NOTARY_{role}_PASSPHRASE": PASSPHRASE for role in roles},
            input="yes\n",  # to the question whether a root key is to be rotated
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"notary {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def init(self, gun: str) -> None:
        """A repository whose snapshot and timestamp are signed by the server, as docker makes it."""
        self.run("init", gun)
        self.run("key", "rotate", gun, "snapshot", "-r")
        self.run("publish", gun)

    def add(self, gun: str, tag: str, digest: str, size: int, *roles: str) -> None:
        """Signs a tag in the roles; in `targets` if none is given."""
        named = [word for role in roles for word in ("-r", role)]
        self.run("addhash", gun, tag, str(size), "--sha256", digest.removeprefix("sha256:"), *named, "-p")

    def delegate(self, gun: str, role: str, public_key: Path) -> None:
        self.run("delegation", "add", gun, role, str(public_key), "--all-paths", "-p")

    def key(self, role: str) -> Path:
        """The public key of a new key, which the client imports for a delegated role."""
        key = ec.generate_private_key(ec.SECP256R1())
        private, public = (self.folder / f"{role.replace('/', '-')}.{kind}" for kind in ("key", "pub"))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        self.run("key", "import", str(private), "--role", role)
        return public
