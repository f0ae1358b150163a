"""The peers and where each comes from: this table is the pin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from tests.peers.debian import Beside, Installed, Unpacked
from tests.peers.golang import GoInstall, GoServer
from tests.peers.workshop import Workshop


class Recipe(Protocol):
    """How one peer is made; its `repr` contains everything that decides the result."""

    def install(self, workshop: Workshop) -> str:
        """Makes the peer and returns its version."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One real tool; a peer that is not `required` is used by the benchmarks only."""

    name: str
    recipe: Recipe
    required: bool = True

    @property
    def fingerprint(self) -> str:
        """Changes when the recipe does: the stamp of an installed peer contains it."""
        return hashlib.sha256(repr(self.recipe).encode()).hexdigest()


PEERS = (
    Peer("softhsm2-util", Installed("softhsm2-util", ("softhsm2",))),
    Peer("pkcs11-tool", Installed("pkcs11-tool", ("opensc",))),
    Peer("openssl", Installed("openssl", ("openssl",))),
    Peer("hyperfine", Installed("hyperfine", ("hyperfine",))),
    Peer("docker-registry", Unpacked("bookworm", "docker-registry", "2.8.2+ds1-1", "usr/bin/docker-registry")),
    Peer("cosign2", Unpacked("trixie", "cosign", "2.5.0-2+b5", "usr/bin/cosign")),
    Peer("cosign311", Unpacked("sid", "cosign", "3.1.1-2", "usr/bin/cosign")),
    Peer(
        "skopeo",
        Unpacked(
            "sid",
            "skopeo",
            "1.22.0+ds1-1",
            "usr/bin/skopeo",
            libraries=("libc6", "libgpgme45", "libassuan9", "libgpg-error0", "libsqlite3-0"),
        ),
    ),
    Peer("notation", Unpacked("sid", "notation", "1.3.2-2", "usr/bin/notation")),
    Peer("docker", Unpacked("sid", "docker-cli", "28.5.2+dfsg4-5", "usr/bin/docker")),
    Peer("notary", Unpacked("bookworm", "notary", "0.7.0+ds1-2+b6", "usr/bin/notary")),
    Peer("notary-server", Beside("notary", "usr/bin/notary-server")),
    Peer("readers", GoServer.of("readers", "k8s.io/apimachinery")),
    Peer("registry", GoServer.of("registry", "cuelabs.dev/go/oci/ociregistry")),
    Peer("registry-ggcr", GoServer.of("registry-ggcr", "github.com/google/go-containerregistry")),
    Peer("vault", GoServer.of("vault", "github.com/hashicorp/vault")),
    Peer("cosign3", GoInstall("github.com/sigstore/cosign/v3/cmd/cosign", "3.1.3", tags="pkcs11key")),
)
"""The quick ones first: a machine without network fails in seconds."""
