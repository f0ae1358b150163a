"""Real servers on loopback during a `with` block: Vault, three kinds of registry, a trust server, and a SoftHSM token.

Every server listens on a port that the kernel chose (`127.0.0.1:0`) and writes it to its log, so two runs never
collide. One that cannot say its port, or that starts again at its address, gets one of `unused_ports`. Its output goes
to a file beside its data; if it fails to start, the error has the end of that file. It ends with the block, and the
kernel ends it if this process dies first.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.peers import MissingPeer, binary

START_SECONDS = 120.0
"""Longer than any server here takes on a busy machine with two cores (Vault: 0.3 s on an idle one)."""
STOP_SECONDS = 5.0


class ServerFailed(Exception):
    """A peer did not start; the text ends with what it printed."""


@dataclass(frozen=True, slots=True)
class VaultServer:
    """Vault's own core, in memory, initialised and unsealed; nothing is mounted or enabled in it yet."""

    address: str
    root_token: str
    unseal_key: str
    ca_file: Path | None


@dataclass(frozen=True, slots=True)
class RegistryServer:
    """A registry over plain HTTP that accepts every client."""

    host: str


@dataclass(frozen=True, slots=True)
class SoftHsmToken:
    """An empty token; `SOFTHSM2_CONF` names `config` while it is open, `so_pin` the security officer's PIN."""

    module: Path
    label: str
    pin: str
    config: Path
    so_pin: str = "5678"

    def add(self, label: str, pin: str = "1234") -> SoftHsmToken:
        """Another token of the same module; a process that has it loaded sees the token after its next C_Initialize."""
        _softhsm("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", self.so_pin, config=self.config)
        return SoftHsmToken(self.module, label, pin, self.config, self.so_pin)


@contextlib.contextmanager
def vault_server(tmp: Path, *, tls: bool = False, address: str = "127.0.0.1:0") -> Iterator[VaultServer]:
    """A fresh Vault; with `tls` over HTTPS, its certificate (127.0.0.1, localhost) issued by the one in `ca_file`."""
    home = _own_folder(tmp, "vault")
    command = [str(binary("vault")), address]
    ca_file = _certificate(home, command) if tls else None
    with serving("vault", command, home, rb"^(\{.*\})$") as line:
        said = json.loads(line)
        yield VaultServer(said["address"], said["root_token"], said["unseal_key"], ca_file)


@contextlib.contextmanager
def openbao_server(tmp: Path) -> Iterator[VaultServer]:
    """A fresh OpenBao in memory, unsealed."""
    home = _own_folder(tmp, "openbao")
    port = unused_ports(2)  # OpenBao does not say which port it got; the next one is for its cluster
    root = "root-of-tests"
    options = ("-dev", "-dev-no-store-token", f"-dev-root-token-id={root}", f"-dev-listen-address=127.0.0.1:{port}")
    command = [str(binary("openbao")), "server", *options]
    with serving("openbao", command, home, rb"^Unseal Key: (\S+)$") as unseal_key:
        yield VaultServer(f"http://127.0.0.1:{port}", root, unseal_key, None)


@contextlib.contextmanager
def registry_server(kind: Literal["referrers", "tag", "ggcr"], tmp: Path) -> Iterator[RegistryServer]:
    """An empty registry: `referrers` as OCI 1.1 specifies, `tag` without the referrers API, `ggcr` with its quirks."""
    home = _own_folder(tmp, f"registry-{kind}")
    if kind == "tag":
        with distribution(home) as server:
            yield server
        return
    command = [str(binary("registry" if kind == "referrers" else "registry-ggcr")), "127.0.0.1:0"]
    with serving(f"registry-{kind}", command, home, rb"^listening on (127\.0\.0\.1:\d+)$") as host:
        yield RegistryServer(host)


@contextlib.contextmanager
def distribution(home: Path, address: str = "127.0.0.1:0") -> Iterator[RegistryServer]:
    """A registry without the referrers API, which keeps its content in `home`: it can be started again, there."""
    config = home / "config.yml"
    config.write_text(_DISTRIBUTION.format(storage=json.dumps(str(home / "storage")), address=address))
    command = [str(binary("docker-registry")), "serve", str(config)]
    with serving("registry-tag", command, home, rb'msg="listening on (127\.0\.0\.1:\d+)"') as host:
        yield RegistryServer(host)


@contextlib.contextmanager
def softhsm_token(tmp: Path, *, label: str = "imagesig", pin: str = "1234") -> Iterator[SoftHsmToken]:
    """A fresh SoftHSM token; `SOFTHSM2_CONF` of this process names its configuration while the block lasts.

    SoftHSM reads that variable in C_Initialize: a process that has already initialised the module still sees its
    earlier tokens.
    """
    home = _own_folder(tmp, "softhsm")
    (home / "tokens").mkdir()
    config = home / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {home / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    token = SoftHsmToken(softhsm_module(), label, pin, config)
    _softhsm("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", token.so_pin, config=config)
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(config)
    try:
        yield token
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before


def softhsm_module() -> Path:
    """The shared library of SoftHSM, in the folder that this distribution uses."""
    folders = ["/usr/lib/softhsm", *map(str, Path("/usr/lib").glob("*-linux-gnu/softhsm")), "/usr/local/lib/softhsm"]
    for folder in folders:
        module = Path(folder) / "libsofthsm2.so"
        if module.exists():
            return module
    raise MissingPeer(f"libsofthsm2.so: not found in {', '.join(folders)}, needed by this test; run `make peers`")


@dataclass(frozen=True, slots=True)
class NotaryServer:
    """A trust server over HTTPS, in memory; `ca_file` has the authority of its certificate."""

    url: str
    ca_file: Path


@contextlib.contextmanager
def notary_server(tmp: Path) -> Iterator[NotaryServer]:
    """An empty trust server, with Ed25519 keys for snapshots and timestamps."""
    home = _own_folder(tmp, "notary")
    files: list[str] = []
    ca_file = _certificate(home, files)
    address = f"127.0.0.1:{unused_ports()}"  # it does not say which port the kernel chose
    config = home / "config.json"
    settings = {
        "server": {"http_addr": address, "tls_cert_file": files[0], "tls_key_file": files[1]},
        "trust_service": {"type": "local"},
        "storage": {"backend": "memory"},
        "logging": {"level": "info"},
    }
    config.write_text(json.dumps(settings))
    command = [str(binary("notary-server")), "-config", str(config), "-logf", "logfmt"]
    with serving("notary-server", command, home, rb"Starting on (127\.0\.0\.1:\d+)"):
        until = time.monotonic() + START_SECONDS
        while not _accepts(address):
            if time.monotonic() > until:
                raise ServerFailed(f"notary-server did not start: {address} refuses connections")
            time.sleep(0.01)
        yield NotaryServer(f"https://{address}", ca_file)


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), START_SECONDS):
        return True
    return False


def unused_ports(count: int = 1) -> int:
    """The first of so many free ports in a row that the kernel gives to nobody who asks for any port."""
    first_of_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = 10_000 + secrets.randbelow(first_of_kernel - 10_000 - count)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for number in range(port, port + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", number))
            return port


_DISTRIBUTION = """\
version: 0.1
log: {{level: info}}
storage:
  filesystem: {{rootdirectory: {storage}}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http:
  addr: {address}
  secret: only-for-tests
"""


def _own_folder(tmp: Path, name: str) -> Path:
    tmp.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=tmp))


def _bare_environment(home: Path) -> dict[str, str]:
    """Only PATH of our environment: no proxy, token or REGISTRY_* setting of the developer reaches a peer."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "TMPDIR": str(home)}


def _certificate(home: Path, command: list[str]) -> Path:
    """The certificate of a new authority; appends a server certificate by it, and its key, to `command`."""
    import trustme

    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    ca_file, chain, key = home / "ca.pem", home / "server.pem", home / "server.key"
    authority.cert_pem.write_to_path(str(ca_file))
    for number, part in enumerate(server.cert_chain_pems):
        part.write_to_path(str(chain), append=number > 0)
    server.private_key_pem.write_to_path(str(key))
    command += [str(chain), str(key)]
    return ca_file


@contextlib.contextmanager
def serving(
    name: str, command: Sequence[str], home: Path, ready: bytes, environ: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Runs `command` for the block and gives the first group of `ready`, found in its output.

    It sees only PATH of this process's environment, and `environ`.
    """
    log = home / "output.log"
    # A test run that is killed must not leave servers behind.
    setpriv = shutil.which("setpriv")
    command = [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else command
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=home,
            env=_bare_environment(home) | dict(environ or {}),
        )
    try:
        yield _wait_for(name, process, log, re.compile(ready, re.MULTILINE))
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a server; kills one that does not end by itself."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(name: str, process: subprocess.Popen[bytes], log: Path, ready: re.Pattern[bytes]) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        # Poll before reading the log: the output of a process that has ended is then complete.
        ended = process.poll() is not None
        printed = log.read_bytes()
        if (match := ready.search(printed)) and not ended:
            return match[1].decode()
        if ended:
            break
        time.sleep(0.01)
    state = f"exited with status {process.returncode}" if process.returncode is not None else "still running"
    tail = log.read_bytes()[-2000:].decode(errors="replace")
    raise ServerFailed(
        f"{name} did not start: {state}, needed its address within {START_SECONDS:.0f} s; it printed:\n{tail}"
    )


def _softhsm(*arguments: str, config: Path) -> None:
    environment: Mapping[str, str] = {**_bare_environment(config.parent), "SOFTHSM2_CONF": str(config)}
    done = subprocess.run(
        [str(binary("softhsm2-util")), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ServerFailed(
            f"softhsm2-util {arguments[0]} failed: status {done.returncode}; it printed:\n{done.stdout}{done.stderr}"
        )
