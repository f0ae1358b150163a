"""A real Docker Engine during a `with` block: of either image store, without a network, in a folder of its own.

It runs as root, as every Docker Engine does that is not rootless. Builds use `FROM scratch`: no container is started.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.peers import CACHE, RUN_SECONDS, binary
from tests.peers.servers import ServerFailed, serving

Store = Literal["classic", "containerd"]
ROOT = Path(__file__).parents[2]
_TRACES = (Path("/run/docker/plugins"), Path("/run/docker"), Path("/run/containerd"))


@dataclass(frozen=True)
class DockerEngine:
    """An engine at `address`, and docker's command with the configuration in `config`."""

    store: Store
    address: str
    config: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{CACHE / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.config.parent),
            "DOCKER_HOST": self.address,
            "DOCKER_CONFIG": str(self.config),
            "PYTHONPATH": str(ROOT),
            **self.extra,
        }

    def run(
        self, *arguments: object, cwd: Path | None = None, check: bool = True, docker: str = "docker"
    ) -> subprocess.CompletedProcess[str]:
        """One run of `docker`, of the version 28.5 or of `docker29`."""
        done = subprocess.run(
            [str(binary(docker)), *map(str, arguments)],
            env=self.environ,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"docker {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done


@contextlib.contextmanager
def docker_engine(store: Store) -> Iterator[DockerEngine]:
    """An engine without images. Its folder has a short name: a socket's path has 107 bytes."""
    if os.geteuid() != 0:
        raise ServerFailed("dockerd does not run here: it needs root, and this is another user")
    new = [folder for folder in _TRACES if not folder.exists()]
    home = Path(tempfile.mkdtemp(prefix="imagesig-docker-"))
    try:
        command, settings = _command(store, home)
        (home / "daemon.json").write_text(json.dumps(settings))
        (home / "config" / "cli-plugins").mkdir(parents=True)
        (home / "config" / "cli-plugins" / "docker-buildx").symlink_to(binary("docker-buildx"))
        path = {"PATH": f"{CACHE / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        with serving(f"dockerd-{store}", command, home, rb"API listen on ([^\s\"]+docker\.sock)", path) as socket:
            yield DockerEngine(store, f"unix://{socket}", home / "config")
    finally:
        # An engine that was killed leaves its folder mounted, and each leaves folders outside of its own.
        subprocess.run(["umount", "-R", str(home / "data")], capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)
        for folder in new:
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def podman_service() -> Iterator[str]:
    """The address of podman's service, without images; it accepts every image."""
    with _podman_home({"default": [{"type": "insecureAcceptAnything"}]}) as (home, environ):
        socket = home / "podman.sock"
        command = [str(binary("podman")), "--log-level=info", "system", "service", "--time=0", f"unix://{socket}"]
        with serving("podman", command, home, rb'listening on \\?"([^"\\]+podman\.sock)', environ) as found:
            yield f"unix://{found}"


def podman_pull(image: str, policy: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
    """`podman pull` (5.8) under a policy.json, with signatures read from the registry."""
    with _podman_home(policy) as (home, environ):
        return subprocess.run(
            [str(binary("podman5")), "pull", "--quiet", image],
            env={"PATH": os.environ["PATH"], "HOME": str(home), **environ},
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )


@contextlib.contextmanager
def _podman_home(policy: Mapping[str, object]) -> Iterator[tuple[Path, dict[str, str]]]:
    """A home for podman, with its own images and locks, and the environment that names its files."""
    home = Path(tempfile.mkdtemp(prefix="imagesig-podman-"))
    conmon = CACHE / "roots" / "podman" / "usr/bin/conmon"
    helpers = CACHE / "roots" / "podman5" / "usr/lib/podman"  # 5.8 looks for netavark there before any command
    files = {
        ".config/containers/policy.json": json.dumps(policy),
        ".config/containers/registries.d/default.yaml": "default-docker: {use-sigstore-attachments: true}\n",
        "containers.conf": f'[engine]\nconmon_path = ["{conmon}"]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\n'
        f'helper_binaries_dir = ["{helpers}"]\nevents_logger = "none"\n'
        # Locks in memory have one name for the whole machine: two podmans that start at once would both make them.
        f'lock_type = "file"\ntmp_dir = "{home}/tmp"\n[engine.runtimes]\nrunc = ["{binary("runc")}"]\n',
        "storage.conf": f'[storage]\ndriver = "vfs"\ngraphroot = "{home}/images"\nrunroot = "{home}/run"\n',
        "registries.conf": "".join(
            f'[[registry]]\nprefix = "{host}"\nlocation = "{host}"\ninsecure = true\n'
            for host in ("127.0.0.1", "localhost")
        ),
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    environ = {
        "CONTAINERS_CONF": str(home / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(home / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(home / "registries.conf"),
    }
    try:
        yield home, environ
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _command(store: Store, home: Path) -> tuple[list[str], dict[str, object]]:
    for name in ("containerd", "runc"):
        binary(name)
    driver = "vfs" if store == "classic" else "native"
    paths = {"config-file": "daemon.json", "data-root": "data", "exec-root": "exec", "pidfile": "pid"}
    command = [
        str(binary("dockerd")),
        *(f"--{option}={home / name}" for option, name in paths.items()),
        f"--host=unix://{home / 'docker.sock'}",
        *("--iptables=false", "--ip6tables=false", "--bridge=none", "--userland-proxy=false"),
        "--insecure-registry=127.0.0.0/8",
        f"--storage-driver={driver}",
    ]
    return command, {"features": {"containerd-snapshotter": store == "containerd"}}
