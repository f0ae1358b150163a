"""Real PKCS#11 modules beside SoftHSM, each with a token: NSS softokn, tpm2-pkcs11, p11-kit's client, kryoptic."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.peers import binary
from tests.peers.servers import START_SECONDS, ServerFailed, stop, unused_ports

NSS_LABEL = "NSS Certificate DB"
_NSS_PARAMETERS = (
    "configdir='sql:{folder}' certPrefix='' keyPrefix='' secmod='secmod.db' flags= updatedir='' updateCertPrefix='' "
    "updateKeyPrefix='' updateid='' updateTokenDescription=''"
)
# In the order in which they need each other: the loader does not look into the folder of a module.
_NSS_LIBRARIES = ("libnspr4.so", "libplc4.so", "libplds4.so", "libnssutil3.so")
_BUS = """\
<busconfig>
  <type>session</type>
  <listen>{address}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/> <allow eavesdrop="true"/> <allow own="*"/>
  </policy>
</busconfig>
"""


@dataclass(frozen=True, slots=True)
class ModuleToken:
    """A token of a module that this process can load while the block lasts."""

    module: Path
    label: str
    pin: str


@contextlib.contextmanager
def nss_token(tmp: Path, pin: str) -> Iterator[ModuleToken]:
    """An empty key database of NSS. NSS reads its folder at the first C_Initialize of the process."""
    folder = Path(tempfile.mkdtemp(prefix="nss-", dir=tmp))
    module = binary("nss-softokn").resolve()
    for name in _NSS_LIBRARIES:
        ctypes.CDLL(str(module.with_name(name)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSS_LIB_PARAMS", _NSS_PARAMETERS.format(folder=folder))
        _set_first_pin(module, pin)
        yield ModuleToken(module, NSS_LABEL, pin)


def _set_first_pin(module: Path, pin: str) -> None:
    """As `certutil -N`: a new database has an empty PIN of the security officer."""
    import pkcs11._pkcs11

    kind: Any = pkcs11._pkcs11.lib
    lib = kind(str(module))
    (token,) = [slot.get_token() for slot in lib.get_slots() if slot.get_token().label == NSS_LABEL]
    session = token.open(rw=True, so_pin="")
    session.init_pin(pin)
    session.close()
    lib.unload()


@contextlib.contextmanager
def p11_kit_token(tmp: Path, behind: ModuleToken, environ: Mapping[str, str]) -> Iterator[ModuleToken]:
    """The token of another module, reached through p11-kit's client: that module runs in a process with `environ`.

    `p11-kit-server` starts /usr/bin/p11-kit, which may be missing; so this process accepts the connections, and
    p11-kit's own `p11-kit-remote` answers them.
    """
    client = binary("p11-kit-client").resolve()
    root = next(parent for parent in client.parents if parent.name == "p11-kit-client")
    remote = root / "usr/libexec/p11-kit/p11-kit-remote"
    # A copy has a connection of its own.
    copy = Path(shutil.copy(client, Path(tempfile.mkdtemp(prefix="client-", dir=tmp))))
    folder = Path(tempfile.mkdtemp(prefix="p11-kit-"))  # the path of a socket is short
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P11_KIT_SERVER_ADDRESS", f"unix:path={folder}/socket")
        with _answering(folder / "socket", [str(remote), str(behind.module)], environ):
            yield ModuleToken(copy, behind.label, behind.pin)
    shutil.rmtree(folder)


@contextlib.contextmanager
def kryoptic_token(tmp: Path, pin: str) -> Iterator[ModuleToken]:
    """An empty token of kryoptic, in a database of its own. It reads its configuration in C_Initialize."""
    folder = Path(tempfile.mkdtemp(prefix="kryoptic-", dir=tmp))
    module = binary("kryoptic").resolve()
    config = folder / "kryoptic.conf"
    config.write_text(f'[[slots]]\nslot = 42\ndbtype = "sqlite"\ndbargs = "{folder}/token.sql"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KRYOPTIC_CONF", str(config))
        tool, officer = [str(binary("pkcs11-tool")), "--module", str(module)], ["--so-pin", pin]
        steps = (
            [*tool, "--init-token", "--slot", "42", "--label", "kryoptic", *officer],
            [*tool, "--login", "--login-type", "so", *officer, "--init-pin", "--new-pin", pin, "--slot", "42"],
        )
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ServerFailed(f"pkcs11-tool failed with kryoptic; it printed:\n{done.stdout}{done.stderr}")
        yield ModuleToken(module, "kryoptic", pin)


@contextlib.contextmanager
def tpm_token(tmp: Path, pin: str) -> Iterator[ModuleToken]:
    """A token of tpm2-pkcs11 on a TPM in software, through p11-kit: its libraries stay out of this process.

    The resource manager is needed: without it a TPM is full after a few calls. It needs a message bus.
    """
    module = binary("tpm2-pkcs11")
    root = next(parent for parent in module.resolve().parents if parent.name == "tpm2-pkcs11")
    libraries = module.resolve().parent
    home = Path(tempfile.mkdtemp(prefix="tpm-"))
    for name in ("state", "store"):
        (home / name).mkdir()
    bus, port = f"unix:path={home}/bus", unused_ports(2)
    environ = {
        "LD_LIBRARY_PATH": f"{libraries}:{libraries / 'swtpm'}:{root / 'lib' / libraries.name}",
        "DBUS_SESSION_BUS_ADDRESS": bus,
        "TPM2_PKCS11_TCTI": "tabrmd:bus_type=session",
        "TPM2_PKCS11_STORE": str(home / "store"),
        "PATH": os.environ["PATH"],
    }
    ports = ["--server", f"type=tcp,port={port}", "--ctrl", f"type=tcp,port={port + 1}"]
    flags = ["--flags", "not-need-init,startup-clear", "--log", "fd=1,level=1"]
    swtpm = [str(root / "usr/bin/swtpm"), "socket", "--tpm2", "--tpmstate", f"dir={home}/state", *ports, *flags]
    (home / "bus.conf").write_text(_BUS.format(address=bus))
    daemon = [str(root / "usr/bin/dbus-daemon"), "--config-file", str(home / "bus.conf"), "--nofork"]
    manager = [str(root / "usr/sbin/tpm2-abrmd"), "--session", "--allow-root", "--max-transients=100"]
    manager += [f"--tcti=swtpm:host=127.0.0.1,port={port}"]
    with (
        _running(swtpm, environ, home / "swtpm.log", lambda: _listens(port)),
        _running(daemon, environ, home / "bus.log", lambda: _accepts(home / "bus")),
        _running(manager, environ, home / "manager.log", lambda: _made(module, pin, environ)),
        p11_kit_token(tmp, ModuleToken(module.resolve(), "tpm", pin), environ) as token,
    ):
        yield token
    shutil.rmtree(home)


def _made(module: Path, pin: str, environ: Mapping[str, str]) -> bool:
    """Whether the token could be made: then the resource manager is ready."""
    tool = [str(binary("pkcs11-tool")), "--module", str(module.resolve())]
    officer = ["--so-pin", pin]
    steps = (
        [*tool, "--init-token", "--slot-index", "0", "--label", "tpm", *officer],
        [*tool, "--login", "--login-type", "so", *officer, "--init-pin", "--new-pin", pin, "--token-label", "tpm"],
    )
    return all(subprocess.run(step, env=environ, capture_output=True, check=False).returncode == 0 for step in steps)


@contextlib.contextmanager
def _running(command: list[str], environ: Mapping[str, str], log: Path, is_ready: Callable[[], bool]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(
                    f"{command[0]} did not start; it printed:\n{log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.05)
        yield
    finally:
        stop(process)


def _accepts(path: Path) -> bool:
    """Whether a server listens on this socket, which exists a moment earlier."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def _listens(port: int) -> bool:
    # Not by a connection: the simulator serves one client only.
    return f":{port:04X} " in Path("/proc/net/tcp").read_text()


@contextlib.contextmanager
def _answering(path: Path, command: list[str], environ: Mapping[str, str]) -> Iterator[None]:
    """A process of `command` for each connection, which is its standard input and output."""
    started: list[subprocess.Popen[bytes]] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        started.append(subprocess.Popen(command, stdin=connection, stdout=connection, env=environ))

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for process in started:
                process.terminate()
                process.wait()
