"""What a hostile registry sends costs a verification at most 16 MiB of memory, measured in its own process (4d)."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imagesig.oci.digest import sha256
from imagesig.testing import Answer, InMemoryRegistry
from imagesig.testing.hostile.registries.fillings import FILLINGS as HOSTILE_FILLINGS
from imagesig.testing.hostile.registries.fillings import filled as fill
from imagesig.testing.hostile.registries.stage import INDEX, MANIFEST, NAME, foreign
from tests.attacks.hostile_listings import a_registry, answers, listing, lists, signed, store, stored
from tests.makers import signing_key

MIB = 1024 * 1024
_CHILD = """
import sys
from imagesig import verify
from imagesig.errors import ImagesigError
from imagesig.images.registry.connect import registry
def peak():  # ru_maxrss begins with what the parent had, and hides what is below that
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
host, pem = sys.argv[1], open(sys.argv[2]).read()
verify(registry(f"{host}/warm/app:1.0", credentials=("", "")), pem)
before = peak()
try:
    verify(registry(f"{host}/team/app:1.0", credentials=("", "")), pem)
    said = "verified"
except ImagesigError as error:
    said = type(error).__name__
print(said, peak() - before)
"""


def cost(server: InMemoryRegistry, tmp_path: Path) -> tuple[str, int]:
    """How the verification in a child process ends, and the memory in KiB that it takes beyond that of a small one."""
    pem = tmp_path / "key.pub"
    pem.write_text(signing_key().info.public_key.pem)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, server.host, str(pem)], capture_output=True, text=True, check=True, timeout=120
    )
    said, kib = done.stdout.split()
    return said, int(kib)


def warm(server: InMemoryRegistry) -> str:
    """A signed image to be warm with, and the one that is attacked."""
    digest = signed(server, "bundle")
    signed(server, "cosign")
    server._manifests |= {("warm/app", tag): content for (_, tag), content in server._manifests.items()}
    server._blobs |= {("warm/app", at): content for (_, at), content in server._blobs.items()}
    return digest


def only_here(fault: Callable[..., Answer | None]) -> Callable[..., Answer | None]:
    return lambda request: fault(request) if f"/{NAME}/" in request.path else None


def blob(server: InMemoryRegistry, content: bytes) -> dict[str, object]:
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    server._blobs[NAME, digest] = content
    return {"digest": digest, "size": len(content)}


_WHOLE = (
    *("arrays", "objects", "numbers", "strings", "long-string", "blanks", "wide-characters"),
    *("astral-character", "astral-characters", "astral-escapes"),
)
"""The fillings of whole documents; others end before the document does."""
FILLINGS = {name.replace("-", " "): filling for name, filling in HOSTILE_FILLINGS.items() if name in _WHOLE}
FILLINGS |= {"empty objects": (b'"x":[', b"{},", b"{}]"), "members": (b'"x":{', b'"a":1,', b'"b":1}')}


def filled(head: bytes, filling: str, size: int) -> bytes:
    """A document that begins so, has that filling, and has just so many bytes or a few less."""
    start, unit, end = FILLINGS[filling]
    return fill(head + b"," + start, unit, end + b"}", size)


HEAD = f'{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[]'.encode()


FIRST = ("listing", "image", "signature manifest")
"""Where whatever comes is read whole; elsewhere two fillings are enough."""
OTHERS = ("fallback", "referrer", "bundle", "payload")
CASES = [(place, filling) for place in FIRST for filling in FILLINGS]
CASES += [(place, filling) for place in OTHERS for filling in ("strings", "astral characters")]


@pytest.mark.parametrize(("place", "filling"), CASES)
def test_a_hostile_document_takes_little_memory(place: str, filling: str, tmp_path: Path) -> None:
    with a_registry(api=place != "fallback") as server:
        digest = warm(server)
        tag = digest.replace(":", "-")
        manifest = json.dumps(foreign(digest, kind="application/vnd.dev.sigstore.bundle.v0.3+json"))[:-1].encode()
        if place == "listing":
            server.faults.append(only_here(answers(filled(HEAD, filling, 4 * MIB))))
        elif place == "image":
            store(server, filled(json.dumps(stored(server, digest))[:-1].encode(), filling, 4 * MIB), MANIFEST, "1.0")
        elif place == "fallback":
            store(server, filled(HEAD, filling, 4 * MIB), INDEX, tag)
        elif place == "signature manifest":
            head = json.dumps(stored(server, f"{tag}.sig"))[:-1].encode()
            store(server, filled(head, filling, 4 * MIB), MANIFEST, f"{tag}.sig")
        elif place == "referrer":
            for number, size in enumerate([4 * MIB, 2 * MIB, MIB, 500_000, 120_000, 110_000]):
                store(server, filled(manifest.replace(b'"0"', f'"{number}"'.encode()), filling, size))
            server.faults.append(only_here(lists(listing(server, digest))))
        else:
            for number in range(200):
                size = (250 if place == "bundle" else 120) * 1024 - number
                content = filled(b'{"a":0', filling, size)
                if place == "bundle":
                    document = json.loads(manifest + b"}")
                    document["layers"] = [{"mediaType": document["artifactType"], **blob(server, content)}]
                    store(server, document)
                else:
                    signatures = stored(server, f"{tag}.sig")
                    signatures["layers"].append(signatures["layers"][0] | blob(server, content))
                    store(server, signatures, MANIFEST, f"{tag}.sig")
            server.faults.append(only_here(lists(listing(server, digest))))
        said, kib = cost(server, tmp_path)
        assert kib <= 16 * 1024, f"{said}, {kib / 1024:.1f} MiB"


def test_a_listing_of_the_most_and_the_largest_entries_takes_little_memory(tmp_path: Path) -> None:
    with a_registry() as server:
        warm(server)
        entry = {"mediaType": MANIFEST, "digest": sha256(b""), "size": 1, "annotations": {}}
        entries = [
            entry | {"digest": f"sha256:{number:064x}", "annotations": {f"{n}": "x" * 9 for n in range(40)}}
            for number in range(4000)
        ]
        server.faults.append(only_here(lists(entries)))
        _, kib = cost(server, tmp_path)
        assert kib <= 16 * 1024, f"{kib / 1024:.1f} MiB"
