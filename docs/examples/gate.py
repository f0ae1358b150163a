"""A deploy gate: an ASGI service that says whether an image may run. Run it with `uvicorn gate:app`.

GET /admit?image=NAME gives 200 with the name to deploy, or the reason why not.
"""

import json
import os
from typing import Any
from urllib.parse import parse_qs

from imagesig import (
    ImageNotFound,
    ImagesigError,
    InvalidArgument,
    PolicyFile,
    VerificationError,
    registry,
    registry_client,
)
from imagesig.aio import Session

SECONDS = 5.0


class Gate:
    def __init__(self, policy: str) -> None:
        self._policy = PolicyFile(policy)
        self._client = registry_client()
        self._session = Session(self._client)

    async def judge(self, name: str) -> tuple[int, dict[str, object]]:
        """An HTTP status, and the document of the result or error."""
        try:
            policy = self._policy.current()
        except InvalidArgument as error:  # ours, not the caller's
            return 500, error.document()
        try:
            # `registry` refuses names of local files, which a caller must not choose.
            image = registry(name, client=self._client)
            return 200, (await self._session.verify(image, policy, timeout=SECONDS)).document()
        except VerificationError as error:
            return 403, error.document()
        except ImageNotFound as error:
            return 404, error.document()
        except InvalidArgument as error:
            return 400, error.document()
        except ImagesigError as error:  # nothing is known about the image: never "unsigned"
            return (503 if error.retryable else 502), error.document()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        name = parse_qs(scope["query_string"].decode()).get("image", [""])[0]
        status, document = await self.judge(name) if scope["path"] == "/admit" else (404, {})
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(document).encode()})


app = Gate(os.environ.get("GATE_POLICY", "/etc/imagesig/policy.toml"))
