"""Where the CPU time of a verification goes, and how far that is from bare requests and bare ECDSA."""

from __future__ import annotations

import cProfile
import http.client
import pstats
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks.conftest import Bench
from benchmarks.test_fleet import push
from imagesig import sign_many, verify_many
from imagesig.http.client import HttpClient
from imagesig.keys import open_key, open_public_keys
from imagesig.policy import Policy
from tests.peers.servers import RegistryServer

IMAGES = 300
_LAYERS = (
    ("/imagesig/http/direct.py", "imagesig: HTTP over the wire"),
    ("/imagesig/http/answer.py", "imagesig: HTTP over the wire"),
    ("/imagesig/http/client.py", "imagesig: requests and deadlines"),
    ("/imagesig/images/", "imagesig: registry"),
    ("/imagesig/stores/", "imagesig: registry"),
    ("/imagesig/oci/", "imagesig: manifests and names"),
    ("/imagesig/encoding/", "imagesig: strict JSON"),
    ("/json/", "imagesig: strict JSON"),
    ("/imagesig/formats/", "imagesig: format and key"),
    ("/imagesig/crypto/", "imagesig: format and key"),
    ("/imagesig/policy/", "imagesig: policy and verdict"),
    ("/imagesig/", "imagesig: the pipeline itself"),
)
_BUILT_IN = (("_socket.socket", "sockets (send and receive)"), ("ECPublicKey", "ECDSA in OpenSSL"))


def cpu(action: Callable[[], object], rounds: int = 5) -> float:
    """CPU microseconds for one image, the least of a few rounds."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        action()
        best = min(best, time.process_time() - started)
    return best / IMAGES * 1e6


def layers(profile: cProfile.Profile) -> dict[str, float]:
    """Seconds by layer: what each function took itself, without what it called."""
    found: dict[str, float] = {}
    for (file, _, name), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        table = _BUILT_IN if file == "~" else _LAYERS
        text = name if file == "~" else file
        layer = next((layer for mark, layer in table if mark in text), "the rest of Python")
        found[layer] = found.get(layer, 0.0) + own
    return found


def test_profile(benchmark: Any, bench: Bench, registry_referrers: RegistryServer, monkeypatch: Any) -> None:
    images = push(registry_referrers.host, "profile", IMAGES)
    with open_key(str(bench.plain_key)) as key:
        assert all(outcome.ok for outcome in sign_many(images, key, formats=["cosign"]))
    policy = Policy.any_of(*open_public_keys(str(bench.plain_key.with_suffix(".pub"))), formats=["cosign"])
    asked: list[tuple[str, str]] = []
    original = HttpClient.request

    def recorded(self: HttpClient, method: str, url: str, **options: Any) -> Any:
        asked.append((method, url.partition(registry_referrers.host)[2]))
        return original(self, method, url, **options)

    def verify() -> None:
        assert all(outcome.ok for outcome in verify_many(images, policy, workers=1))

    monkeypatch.setattr(HttpClient, "request", recorded)
    verify()
    monkeypatch.undo()
    connection = http.client.HTTPConnection(registry_referrers.host)

    def bare_requests() -> None:
        for method, path in asked:
            connection.request(method, path, headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
            connection.getresponse().read()

    private = ec.generate_private_key(ec.SECP256R1())
    message, public = b"x" * 240, private.public_key()
    signature = private.sign(message, ec.ECDSA(SHA256()))

    def bare_ecdsa() -> None:
        for _ in range(IMAGES):
            public.verify(signature, message, ec.ECDSA(SHA256()))

    ours, requests, ecdsa = cpu(verify), cpu(bare_requests), cpu(bare_ecdsa)
    connection.close()
    profile = cProfile.Profile()
    profile.enable()
    verify()
    profile.disable()
    found = layers(profile)
    total = sum(found.values())
    rows = [[name, own / IMAGES * 1e6, 100 * own / total] for name, own in sorted(found.items(), key=lambda i: -i[1])]
    bare = requests + ecdsa
    text = [
        f"`verify_many` over {IMAGES} images with one classic signature each, by digest, one thread, warm:",
        f"**{ours:.0f} µs** of CPU an image, for {len(asked) / IMAGES:.0f} requests and one ECDSA verification.",
        f"The same requests by the standard library's `http.client` take {requests:.0f} µs and the ECDSA",
        f"verification {ecdsa:.0f} µs: together {bare:.0f} µs, so imagesig takes **{ours / bare:.2f} x** that.",
        "The table is from `cProfile`, which makes Python look slower than it is: read the shares, not the times.",
    ]
    benchmark.group = "profile"
    benchmark.extra_info.update(side="profile", profile={"text": text, "rows": rows})
    benchmark.pedantic(lambda: None, rounds=1)
