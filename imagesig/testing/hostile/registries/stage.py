"""A registry under an attacker's control: signed images, what is beside them, and the answer to each request."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Self

from msgspec import Struct

from imagesig.api.sign.signing import sign
from imagesig.crypto.algorithms import KeyType
from imagesig.formats import Format
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.registry.connect import registry
from imagesig.keys.certified import CertifiedKey
from imagesig.keys.certify import self_signed_certificate
from imagesig.keys.chain import parse_chain
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import key_from_pem
from imagesig.keys.provider import SigningKey
from imagesig.testing.connections import served_by
from imagesig.testing.hostile.registries.endpoints import TAG, referrers
from imagesig.testing.loopback_server import Answer, Pieces, Request
from imagesig.testing.registry import Fault, InMemoryRegistry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
NOTATION = "application/vnd.cncf.notary.signature"
EMPTY = {
    "mediaType": "application/vnd.oci.empty.v1+json",
    "digest": "sha256:" + hashlib.sha256(b"{}").hexdigest(),
    "size": 2,
}
NAME = "team/app"
OTHER_DIGEST = "sha256:" + "0" * 64
"""A digest that nothing has."""
Twist = Callable[[Request, Answer], Answer]
"""A hostile answer in the place of a registry's own."""


class Signer(Struct, frozen=True):
    """A key that is trusted, and the same key with its certificate."""

    key: SigningKey
    certified: SigningKey
    public: str
    certificate: str


@cache
def signer() -> Signer:
    """One for the process: the trusted signer of every hostile image."""
    key = key_from_pem(PrivateKey.generate(KeyType.ECDSA_P256).to_pem(None))
    certificate = self_signed_certificate(key, "C=US,O=Example,CN=signer", days=7)
    certified = CertifiedKey(key, parse_chain(certificate.encode(), "signer"))
    return Signer(key, certified, key.info.public_key.pem, certificate)


@cache
def stranger() -> SigningKey:
    """A key that nobody trusts."""
    return key_from_pem(PrivateKey.generate(KeyType.ECDSA_P256).to_pem(None))


class Stage:
    """One registry and what is put into it. `digest` is what a program may name; `certified`: by its certificate."""

    def __init__(self, server: InMemoryRegistry, others: contextlib.ExitStack) -> None:
        self.server, self._others = server, others
        self.digest = ""
        self.target = TAG
        self.certified = False

    @property
    def host(self) -> str:
        return self.server.host

    @property
    def url(self) -> str:
        """The registry's own address."""
        return f"http://{self.server.host}"

    def image(self, target: str = TAG) -> Image:
        separator = "@" if ":" in target else ":"
        return registry(f"{self.host}/{NAME}{separator}{target}", credentials=("", ""))

    # --- images ----------------------------------------------------------------------------------------------------

    def push(self, tag: str = TAG, content: bytes = b"good") -> str:
        """An unsigned image's digest."""
        digest = build_image(self.image().home, {"bin/app": content}, PLATFORMS[0], tag).digest
        self.digest = self.digest or digest
        return digest

    def signed(
        self, *formats: str | Format, tag: str = TAG, content: bytes = b"good", key: SigningKey | None = None
    ) -> str:
        """A signed image's digest; a bundle unless formats are given. With `notation` the certificate is trusted."""
        digest = self.push(tag, content)
        names = formats or ("bundle",)
        chosen = key or (signer().certified if self.certified else signer().key)
        sign(self.image(tag), chosen, formats=names)
        return digest

    # --- what lies there ---------------------------------------------------------------------------------------------

    def manifest(self, reference: str) -> dict[str, Any]:
        """A stored manifest, as a document to change."""
        loaded: dict[str, Any] = json.loads(self.server.manifest(NAME, reference)[0])
        return loaded

    def store(self, document: Mapping[str, Any] | bytes, media_type: str = MANIFEST, tag: str = "") -> str:
        """Stores a manifest without checks, also under a tag, and gives its digest."""
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.server.put_manifest(NAME, content, media_type, tag)

    def blob(self, content: bytes) -> dict[str, Any]:
        """Stores a blob without checks, and gives its digest and size."""
        return {"digest": self.server.put_blob(NAME, content), "size": len(content)}

    def referrer(self, content: bytes, kind: str = BUNDLE, **changes: Any) -> str:
        """A signature's manifest with this envelope; members of the manifest may be changed."""
        layer = {"mediaType": kind, **self.blob(content)}
        return self.store({**self.foreign(kind=kind), "layers": [layer], **changes})

    def foreign(self, number: int = 0, size: int = 0, kind: str = "application/vnd.example.sbom") -> dict[str, Any]:
        """A manifest that refers to the image and is no signature, padded to so many bytes."""
        self.server.put_blob(NAME, b"{}")
        return foreign(self.digest, number, size, kind)

    def listed(self) -> list[dict[str, Any]]:
        """The entries that the referrers API has for the image."""
        answer = self.server.own_answer(Request("GET", f"/v2/{NAME}/referrers/{self.digest}", {}, {}, b""))
        entries: list[dict[str, Any]] = json.loads(answer.body)["manifests"]
        return entries

    def signature(self) -> tuple[dict[str, Any], str]:
        """The manifest of the image's first referrer, as a document to change, and its digest."""
        digest = self.listed()[0]["digest"]
        return self.manifest(digest), digest

    @property
    def signature_tag(self) -> str:
        return self.digest.replace(":", "-") + ".sig"

    # --- answers -----------------------------------------------------------------------------------------------------

    def fault(self, fault: Fault) -> Self:
        self.server.faults.append(fault)
        return self

    def twist(self, endpoint: Callable[[Request], bool], twist: Twist) -> Self:
        """Changes every answer of an endpoint."""
        return self.fault(
            lambda request: twist(request, self.server.own_answer(request)) if endpoint(request) else None
        )

    def answer(self, endpoint: Callable[[Request], bool], answer: Answer) -> Self:
        """Gives every request of an endpoint the same answer."""
        return self.fault(lambda request: answer if endpoint(request) else None)

    def lists(self, entries: Iterable[object], **members: Any) -> Self:
        """The referrers API answers with these entries; a list of text is written as it is."""
        written = ",".join(item if isinstance(item, str) else json.dumps(item) for item in entries)
        head = json.dumps({"schemaVersion": 2, "mediaType": INDEX, **members})[:-1]
        return self.answer(
            referrers, Answer(200, f'{head}, "manifests": [{written}]}}'.encode(), {"content-type": INDEX})
        )

    # --- other servers -----------------------------------------------------------------------------------------------

    def another(self) -> InMemoryRegistry:
        """A second registry on this machine, as long as the first is served."""
        return self._others.enter_context(InMemoryRegistry())

    def listener(self, script: Pieces) -> str:
        """`host:port` of a server that plays a script on every connection."""
        return self._others.enter_context(_listening(script))


def signed_with(change: Callable[[Stage], object], *formats: str) -> Callable[[Stage], object]:
    """A signed image, and then the change."""

    def script(stage: Stage) -> None:
        stage.signed(*formats)
        change(stage)

    return script


def foreign(subject: str, number: int = 0, size: int = 0, kind: str = "application/vnd.example.sbom") -> dict[str, Any]:
    """A manifest that refers to the subject and is no signature, padded to so many bytes."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": EMPTY,
        "layers": [EMPTY],
        "subject": {"mediaType": MANIFEST, "digest": subject, "size": 1},
        "annotations": {"number": str(number)},
    }
    if size:
        document["annotations"]["pad"] = ""
        document["annotations"]["pad"] = "x" * (size - len(json.dumps(document)))
    return document


def index_of(members: dict[str, object]) -> Answer:
    return Answer(
        200, json.dumps({"schemaVersion": 2, "mediaType": INDEX, **members}).encode(), {"content-type": INDEX}
    )


@contextlib.contextmanager
def _listening(script: Pieces) -> Iterator[str]:
    closing = threading.Event()

    def play(connection: socket.socket) -> None:
        for piece in script():
            if closing.is_set() or (isinstance(piece, float) and closing.wait(piece)):
                return
            if isinstance(piece, bytes):
                connection.sendall(piece)

    with served_by(play) as place:
        try:
            yield place
        finally:
            closing.set()
