"""The real tools as functions: each call is one run of the binary, offline, with a scrubbed environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers import RUN_SECONDS, binary

PASSPHRASE = "correct horse"

_UNSTEADY = (
    (re.compile(r'^time="[^"]*" level=fatal msg="(.*)"$'), r"\1"),
    (re.compile(r"^[Ee]rror:? (?:during command execution: )?"), ""),
    (re.compile(r"signing \[[^\]]*\]: recursively signing: signing digest: "), ""),
    (re.compile(r"\bsigning (?:/|127\.)\S+: "), ""),
    (re.compile(r", RequestID: \w+"), ""),
)


def _steady(text: str) -> str:
    for pattern, replacement in _UNSTEADY:
        text = pattern.sub(replacement, text)
    return text[:300]


@dataclass(frozen=True, slots=True)
class Run:
    """One finished run: exit status and what was printed."""

    command: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def reason(self) -> str:
        """The line that says why it failed, without what differs from run to run."""
        return _steady(self._last_line())

    def _last_line(self) -> str:
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        said = [line for line in lines if "rror" in line or "rejected" in line or "FATA" in line]
        return (said or lines or ["no output"])[-1]

    def must_succeed(self) -> Run:
        assert self.ok, f"{' '.join(self.command)}: status {self.status}\n{self.stderr}\n{self.stdout}"
        return self


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools in one folder of their own. `environ` goes to each: VAULT_ADDR, AWS_ENDPOINT_URL and the like."""

    home: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def run(self, name: str, *arguments: str, timeout: float = RUN_SECONDS) -> Run:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "COSIGN_PASSWORD": PASSPHRASE,
            # Keeps cosign 2 from asking the public trust root: nothing here has a network.
            "SIGSTORE_REKOR_PUBLIC_KEY": "/nonexistent",
            **self.environ,
        }
        command = [str(binary(name)), *arguments]
        done = subprocess.run(
            command,
            env=environ,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Run((name, *arguments), done.returncode, done.stdout, done.stderr)

    # --- cosign --------------------------------------------------------------------------------------------------

    def cosign_verify(self, version: str, key: str, image: str, *more: str) -> Run:
        return self.run(version, "verify", "--key", key, "--insecure-ignore-tlog=true", *_HTTP, *more, image)

    def cosign3_sign(self, key: str, image: str, *, bundle: bool, more: Sequence[str] = ()) -> Run:
        form = [] if bundle else ["--new-bundle-format=false"]
        offline = ["--use-signing-config=false", "--tlog-upload=false", "--yes"]
        return self.run("cosign3", "sign", "--key", key, *offline, *form, *_HTTP, *more, image)

    def cosign2_sign(self, key: str, image: str) -> Run:
        return self.run("cosign2", "sign", "--key", key, "--tlog-upload=false", "--yes", *_HTTP, image)

    # --- skopeo --------------------------------------------------------------------------------------------------

    def skopeo_verify(self, public_key: Path, image: str, *, identity: Mapping[str, str] | None = None) -> Run:
        """Pulls the image under a policy that wants it signed by this key, as podman and CRI-O do."""
        requirement: dict[str, object] = {"type": "sigstoreSigned", "keyPath": str(public_key)}
        if identity:
            requirement["signedIdentity"] = dict(identity)
        policy = self._policy({"default": [{"type": "reject"}], "transports": {"docker": {"": [requirement]}}})
        return self._skopeo_copy(policy, f"docker://{image}", f"dir:{self.home}/pulled", "--src-tls-verify=false")

    def skopeo_sign(self, private_key: Path, source: str, image: str) -> Run:
        """Copies the image onto itself, which is how skopeo signs in place."""
        policy = self._policy({"default": [{"type": "insecureAcceptAnything"}]})
        passphrase = self.home / "passphrase"
        passphrase.write_text(PASSPHRASE)
        return self._skopeo_copy(
            policy,
            source,
            f"docker://{image}",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            "--sign-by-sigstore-private-key",
            str(private_key),
            "--sign-passphrase-file",
            str(passphrase),
        )

    def _policy(self, document: Mapping[str, object]) -> Path:
        path = self.home / "policy.json"
        path.write_text(json.dumps(document))
        return path

    def _skopeo_copy(self, policy: Path, source: str, destination: str, *options: str) -> Run:
        registries = self.home / "registries.d"
        registries.mkdir(exist_ok=True)
        (registries / "default.yaml").write_text("default-docker: {use-sigstore-attachments: true}\n")
        return self.run(
            "skopeo",
            "--policy",
            str(policy),
            "--registries.d",
            str(registries),
            "copy",
            *options,
            source,
            destination,
        )


_HTTP = ("--allow-http-registry", "--allow-insecure-registry")
