"""The real tools that imagesig must agree with: `binary("cosign3")` gives the path of one, installed by `make peers`.

A missing peer raises `MissingPeer`: a test that needs it fails with its name and is never skipped.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

CACHE = Path(
    os.environ.get("IMAGESIG_PEERS")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagesig-peers"
).absolute()
"""Where `make peers` installs; `IMAGESIG_PEERS` names another folder."""

RUN_SECONDS = 300.0
"""The longest run of a tool: about a second on an idle machine, much longer on a busy one."""

SYSTEM = frozenset({"softhsm2-util", "pkcs11-tool", "openssl", "hyperfine"})
"""Found on PATH, where the machine's own packages install them; all others are in `CACHE/bin`."""

BINARIES = SYSTEM | {
    "cosign3",  # 3.1.3 from source, with PKCS#11 and all KMS clients
    "cosign311",  # 3.1.1 as Debian sid ships it: no key clients, plugins only
    "cosign2",  # 2.5.0 as Debian trixie ships it
    "notation",  # 1.3.2 as Debian sid ships it
    "skopeo",  # 1.22.0 of Debian sid, under sid's own loader
    "docker",  # Docker's command 28.5 of Debian sid
    "docker29",  # Docker's command 29.7, which has no `trust`
    "docker-buildx",
    "dockerd",  # Docker Engine 28.5 of Debian sid, as root
    "containerd",
    "runc",
    "podman",  # 4.3.1 of Debian bookworm
    "podman5",  # 5.8.6 of Debian sid, which reads sigstore signatures
    "vault",
    "notary",  # 0.7.0 as Debian bookworm ships it
    "notary-server",  # of the same package
    "nss-softokn",  # PKCS#11 modules: of Firefox, and one that reaches a module in another process
    "p11-kit-client",
    "tpm2-pkcs11",  # with swtpm, a TPM in software
    "kryoptic",  # optional: `make campaign` builds it
    "kyverno",  # Kyverno's command, and policy-controller's without a cluster; optional, minutes of building
    "policy-tester",
    "openbao",  # the whole server; optional, because it has 180 MB
    "pkcs11-quirks",  # a PKCS#11 module with one vendor's quirk at a time
    "python3.14",  # of Debian sid, under sid's own loader
    "readers",  # Go's own readers of tar, YAML and more, for the differential tests
    "registry",  # OCI 1.1 with the referrers API
    "registry-ggcr",  # go-containerregistry's, with its quirks
    "docker-registry",  # distribution 2.8.2, without the referrers API
}


class MissingPeer(Exception):
    """A real tool that a test needs is not installed."""


def binary(name: str) -> Path:
    """The executable of the peer `name`, one of `BINARIES`.

    Raises: MissingPeer: it is not installed. KeyError: there is no such peer.
    """
    if name not in BINARIES:
        raise KeyError(f"no peer is called {name!r}: the peers are {', '.join(sorted(BINARIES))}")
    if name in SYSTEM:
        found = shutil.which(name)
        path = Path(found) if found else None
    else:
        path = CACHE / "bin" / name
    if path is None or not os.access(path, os.X_OK):
        where = "PATH" if name in SYSTEM else str(CACHE / "bin")
        raise MissingPeer(f"{name}: not found in {where}, needed by this test; run `make peers`")
    return path
