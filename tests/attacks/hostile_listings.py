"""What the attacks of this folder write beside an image: listings with odd entries, floods of foreign manifests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from imagesig import sign
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.registry.connect import registry
from imagesig.testing import Answer, InMemoryRegistry, Request
from imagesig.testing.hostile.registries.stage import INDEX, MANIFEST, NAME
from tests.makers import signing_key


def image_at(server: InMemoryRegistry, target: str = "1.0", timeout: float = 120) -> Image:
    separator = "@" if ":" in target else ":"
    return registry(f"{server.host}/{NAME}{separator}{target}", credentials=("", ""), timeout=timeout)


def pushed(server: InMemoryRegistry) -> str:
    """The digest of an unsigned image."""
    return build_image(image_at(server).home, {"a": b"b"}, PLATFORMS[0], "1.0").digest


def signed(server: InMemoryRegistry, form: str = "bundle", number: int = 0) -> str:
    digest = pushed(server)
    sign(image_at(server), signing_key(number), formats=[form])
    return digest


@contextmanager
def a_registry(*, api: bool = True) -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(referrers_api=api) as server:
        yield server


def store(server: InMemoryRegistry, document: dict[str, Any] | bytes, media_type: str = MANIFEST, tag: str = "") -> str:
    """Puts a manifest there without asking the registry, and gives its digest."""
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    server._manifests[NAME, digest] = (content, media_type)
    if tag:
        server._manifests[NAME, tag] = (content, media_type)
    return digest


def stored(server: InMemoryRegistry, reference: str) -> Any:
    return json.loads(server._manifests[NAME, reference][0])


def listing(server: InMemoryRegistry, subject: str, *, types: bool = True) -> list[dict[str, Any]]:
    """What a registry with the referrers API lists for the image."""
    found = []
    for (_, reference), (content, media_type) in sorted(server._manifests.items()):
        document = json.loads(content)
        if not reference.startswith("sha256:") or (document.get("subject") or {}).get("digest") != subject:
            continue
        entry = {"mediaType": media_type, "digest": reference, "size": len(content)}
        if types:
            entry["artifactType"] = document.get("artifactType") or document["config"]["mediaType"]
        found.append(entry)
    return found


def lists(entries: Iterable[Any], **members: Any) -> Callable[[Request], Answer | None]:
    """A fault: the referrers API answers with these entries, written as they are where they are text."""
    written = ",".join(entry if isinstance(entry, str) else json.dumps(entry) for entry in entries)
    others = {"schemaVersion": 2, "mediaType": INDEX, **members}
    return answers(f'{json.dumps(others)[:-1]}, "manifests": [{written}]}}'.encode())


def answers(body: bytes, status: int = 200, **headers: str) -> Callable[[Request], Answer | None]:
    """A fault: the referrers API answers so."""
    sent = {"content-type": INDEX} | {name.replace("_", "-"): value for name, value in headers.items()}
    answer = Answer(status, body, sent)
    return lambda request: answer if "/referrers/" in request.path else None
