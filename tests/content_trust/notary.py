"""A trust server in this process, over HTTP on loopback, that serves repositories of tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from imagesig.testing.loopback_server import Answer, LoopbackServer, Request
from tests.content_trust.repository import TrustRepository

_MISSING = json.dumps({"errors": [{"code": "METADATA_NOT_FOUND", "message": "", "detail": {}}]}).encode()


class Notary:
    """`repositories` by name. `asked` has the files that were asked for; `answer` replaces every answer."""

    def __init__(self) -> None:
        self.repositories: dict[str, TrustRepository] = {}
        self.asked: list[str] = []
        self.answer: Answer | None = None
        self._server = LoopbackServer(self._answer)
        self._server.start()

    @property
    def url(self) -> str:
        return f"http://{self._server.host}"

    def stop(self) -> None:
        self._server.stop()

    def _answer(self, request: Request) -> Answer:
        name, _, file = request.path.removeprefix("/v2/").partition("/_trust/tuf/")
        self.asked.append(file)
        if self.answer is not None:
            return self.answer
        repository = self.repositories.get(name)
        content = repository.files().get(file) if repository else None
        return Answer(404, _MISSING) if content is None else Answer(200, content)


@contextmanager
def notary() -> Iterator[Notary]:
    server = Notary()
    try:
        yield server
    finally:
        server.stop()
