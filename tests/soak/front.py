"""`python -m tests.soak.front REGISTRY FOLDER`: tokens before a real registry, whose lifetimes and password change.

`FOLDER/password` is the password that is accepted now. Tokens that `FOLDER/revoked` is younger than are refused.
"""

from __future__ import annotations

import base64
import http.client
import json
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

from imagesig.testing import Answer, Request
from imagesig.testing.loopback_server import LoopbackServer

_KEPT = ("accept", "content-type", "content-length", "range")


class Front:
    """Passes requests with a valid token on to the registry."""

    def __init__(self, registry: str, folder: Path) -> None:
        self._registry, self._folder = registry, folder
        self.server = LoopbackServer(self.answer)

    def answer(self, request: Request) -> Answer:
        given = request.headers.get("authorization", "")
        if request.path == "/token":
            password = (self._folder / "password").read_text()
            if given != "Basic " + base64.b64encode(f"user:{password}".encode()).decode():
                return Answer(401, b'{"details": "wrong password"}')
            return Answer(200, json.dumps({"token": str(time.time_ns()), "expires_in": 3600}).encode())
        if not self._is_valid(given):
            challenge = f'Bearer realm="http://{self.server.host}/token",service="soak"'
            return Answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}', {"www-authenticate": challenge})
        try:
            return self._passed_on(request)
        except OSError:
            return Answer(502, b"the registry is away")

    def _is_valid(self, given: str) -> bool:
        scheme, _, token = given.partition(" ")
        return scheme == "Bearer" and int(token) > (self._folder / "revoked").stat().st_mtime_ns

    def _passed_on(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._registry, timeout=20)
        try:
            query = f"?{urlencode(request.query, doseq=True)}" if request.query else ""
            headers = {name: value for name, value in request.headers.items() if name in _KEPT}
            # The registry names its own address in Location: that of the front.
            headers["host"] = self.server.host
            connection.request(request.method, request.path + query, request.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()
        dropped = ("content-length", "transfer-encoding", "connection", "date")
        named = {name.lower(): value for name, value in answer.getheaders() if name.lower() not in dropped}
        length = int(answer.headers.get("content-length") or 0) if request.method == "HEAD" else None
        return Answer(answer.status, body, named, content_length=length)


if __name__ == "__main__":
    front = Front(sys.argv[1], Path(sys.argv[2]))
    front.server.start()
    print(f"listening on {front.server.host}", flush=True)
    threading.Event().wait()
