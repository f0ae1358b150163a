"""Small HTTP servers on loopback, and a fetcher that asks nobody, for tests of witnesses."""

from __future__ import annotations

import contextlib
import http.server
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imagesig.errors import Unreachable
from imagesig.http.client import Response
from imagesig.testing.loopback_server import ThreadedServer
from imagesig.witnesses import Query


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Said:
    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """`url` has no slash at its end; `asked` has every request in order."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextlib.contextmanager
def serving(answer: Callable[[Asked], Said | None]) -> Iterator[Server]:
    """A server for as long as the block lasts. None as the answer closes the connection."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            asked = Asked(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
            server.asked.append(asked)
            expected = answer(asked)
            if expected is None:
                self.close_connection = True
                return
            self.send_response(expected.status)
            for name, value in {"content-length": str(len(expected.body)), **expected.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(expected.body)

        do_POST = do_GET

        def log_message(self, *arguments: Any) -> None:
            pass

    listening = ThreadedServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{listening.server_port}")
    listening.start()
    try:
        yield server
    finally:
        listening.stop()


class Fake:
    """Answers from a table of URLs, the longest that the query's URL starts with; what is not in it is unreachable."""

    def __init__(self, answers: Mapping[str, bytes | Exception | Callable[[Query], bytes]] | None = None) -> None:
        self.answers = dict(answers or {})
        self.queries: list[Query] = []

    def fetch(self, query: Query) -> Response:
        self.queries.append(query)
        for url in sorted(self.answers, key=len, reverse=True):
            if query.url.startswith(url):
                answer = self.answers[url]
                if isinstance(answer, Exception):
                    raise answer
                body = answer if isinstance(answer, bytes) else answer(query)
                return Response(200, {"content-type": query.accept.partition(",")[0]}, body, query.url)
        raise Unreachable(f"{query.url}: nobody there")

    @property
    def urls(self) -> list[str]:
        return [query.url for query in self.queries]
