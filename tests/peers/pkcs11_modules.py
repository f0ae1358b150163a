"""Real PKCS#11 modules beside SoftHSM, each with a token: NSS softokn, and p11-kit's client with its server."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers import binary
from tests.peers.servers import SoftHsmToken

NSS_LABEL = "NSS Certificate DB"
_NSS_PARAMETERS = (
    "configdir='sql:{folder}' certPrefix='' keyPrefix='' secmod='secmod.db' flags= updatedir='' updateCertPrefix='' "
    "updateKeyPrefix='' updateid='' updateTokenDescription=''"
)
# In the order in which they need each other: the loader does not look into the folder of a module.
_NSS_LIBRARIES = ("libnspr4.so", "libplc4.so", "libplds4.so", "libnssutil3.so")


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
    before = os.environ.get("NSS_LIB_PARAMS")
    os.environ["NSS_LIB_PARAMS"] = _NSS_PARAMETERS.format(folder=folder)
    try:
        _set_first_pin(module, pin)
        yield ModuleToken(module, NSS_LABEL, pin)
    finally:
        os.environ.pop("NSS_LIB_PARAMS")
        if before is not None:
            os.environ["NSS_LIB_PARAMS"] = before


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
def p11_kit_token(tmp: Path, behind: SoftHsmToken) -> Iterator[ModuleToken]:
    """The token of another module, reached through p11-kit's client: the module runs in another process.

    `p11-kit-server` starts /usr/bin/p11-kit, which may be missing; so this process accepts the connections, and
    p11-kit's own `p11-kit-remote` answers them.
    """
    client = binary("p11-kit-client").resolve()
    root = next(parent for parent in client.parents if parent.name == "p11-kit-client")
    remote = root / "usr/libexec/p11-kit/p11-kit-remote"
    folder = Path(tempfile.mkdtemp(prefix="p11-kit-"))  # the path of a socket is short
    before = os.environ.get("P11_KIT_SERVER_ADDRESS")
    os.environ["P11_KIT_SERVER_ADDRESS"] = f"unix:path={folder}/socket"
    try:
        with _answering(folder / "socket", [str(remote), str(behind.module)], behind):
            yield ModuleToken(client, behind.label, behind.pin)
    finally:
        os.environ.pop("P11_KIT_SERVER_ADDRESS")
        if before is not None:
            os.environ["P11_KIT_SERVER_ADDRESS"] = before
        shutil.rmtree(folder)


@contextlib.contextmanager
def _answering(path: Path, command: list[str], behind: SoftHsmToken) -> Iterator[None]:
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
                        environ = {"PATH": os.environ["PATH"], "SOFTHSM2_CONF": str(behind.config)}
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
