"""Installs every peer into the cache: `python3 -m tests.peers.install [NAME...]`, or `make peers`.

An optional peer is installed only if it is named, as `make campaign` does. Each peer is built once and stamped with its
recipe; a changed recipe rebuilds that peer only, and an interrupted run goes on where it stopped. Two runs at once wait
for each other. A peer that cannot be installed fails the run, which prints its name and the end of its log.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests import peers
from tests.peers.recipes import PEERS, Peer
from tests.peers.workshop import InstallFailed, Workshop

LOG_LINES = 25


def main(names: list[str]) -> int:
    """The exit status: 0 when every peer of `names` (none: all that are not optional) is installed."""
    unknown = set(names) - {peer.name for peer in PEERS}
    if unknown:
        print(
            f"no such peer: {', '.join(sorted(unknown))}; the peers are {', '.join(peer.name for peer in PEERS)}",
            file=sys.stderr,
        )
        return 2
    return install_all([peer for peer in PEERS if (peer.name in names if names else not peer.optional)])


def install_all(wanted: Sequence[Peer]) -> int:
    """0 when every one of them is installed, 1 otherwise."""
    peers.CACHE.mkdir(parents=True, exist_ok=True)
    print(f"peers in {peers.CACHE}", flush=True)
    with _one_run_at_a_time():
        failed = [peer.name for peer in wanted if not _install(peer)]
    if failed:
        print(f"FAILED: peers not installed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _install(peer: Peer) -> bool:
    """Whether the peer is installed."""
    stamped = _stamped_version(peer)
    if stamped:
        print(f"  {peer.name:<16} {stamped:<28} already there", flush=True)
        return True
    workshop = Workshop(peers.CACHE, peer.name)
    started = time.monotonic()
    try:
        version = peer.recipe.install(workshop)
    except InstallFailed as error:
        tail = "\n".join(workshop.log.read_text(errors="replace").splitlines()[-LOG_LINES:])
        print(
            f"  {peer.name:<16} FAILED: {error}\n--- the end of {workshop.log}\n{tail}\n---",
            file=sys.stderr,
            flush=True,
        )
        return False
    _stamp(peer).write_text(json.dumps({"recipe": peer.fingerprint, "version": version}) + "\n")
    print(f"  {peer.name:<16} {version:<28} {time.monotonic() - started:.1f} s", flush=True)
    return True


def _stamp(peer: Peer) -> Path:
    return peers.CACHE / "stamps" / f"{peer.name}.json"


def _stamped_version(peer: Peer) -> str | None:
    """The installed version, or None if the peer is missing or was made by another recipe."""
    try:
        peers.binary(peer.name)
        stamp = json.loads(_stamp(peer).read_bytes())
    except (peers.MissingPeer, OSError, ValueError):
        return None
    return str(stamp["version"]) if stamp.get("recipe") == peer.fingerprint else None


@contextlib.contextmanager
def _one_run_at_a_time() -> Iterator[None]:
    with (peers.CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("  another run is installing: waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(sys.argv[1:]))
