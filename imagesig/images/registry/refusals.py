"""What a registry's refusals mean: which become which error, and which pass if the same upload is sent again.

Spec: OCI distribution-spec, "Error Codes".
"""

from __future__ import annotations

from collections.abc import Callable

from imagesig import limits
from imagesig.deadlines import growing_pause, wait
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import ImagesigError, MalformedError, NotFound, Unauthorized, UnexpectedResponse
from imagesig.http.client import Response
from imagesig.text import quote

_ERROR = Shape.of("", errors=Shape.of("code message detail"))
_PASSING = frozenset({(400, "DIGEST_INVALID"), (404, "BLOB_UPLOAD_UNKNOWN")})
"""Refusals of an upload whose digest is right.

distribution's file storage empties a link before it writes it anew, so whoever stores the same blob at that moment, or
a manifest that names it, is told that the digest is invalid. An upload is unknown once it has been completed: the
answer to the request that did so was lost, and the request was repeated.
"""


def is_passing(response: Response) -> bool:
    """Whether an upload with a right digest was refused for a reason that another attempt may not meet."""
    return any((response.status, code) in _PASSING for code, _ in _errors(response.body))


def patiently(upload: Callable[[], Response], what: str) -> Response:
    """The answer to an upload, which is repeated where the registry refused it for a fault of its own."""
    for attempt in range(1, limits.UPLOAD_ATTEMPTS):
        response = upload()
        if not is_passing(response):
            return response
        wait(growing_pause(attempt), what)
    return upload()


def failure(response: Response, what: str, wanted: int) -> ImagesigError:
    """The error for an answer with another status than `wanted`, with the registry's own code and message quoted."""
    said = next((f" ({quote(code)}: {quote(message)})" for code, message in _errors(response.body)), "")
    shown = f"{what}: status {response.status}{said}"
    if response.status == 404 and not is_passing(response):
        return NotFound(shown, hint="check the reference")
    if response.status in (401, 403):
        return Unauthorized(shown, hint="these credentials do not allow it: log in as somebody who may")
    error = UnexpectedResponse(f"{shown}, {wanted} is needed")
    error.retryable = is_passing(response)
    return error


def _errors(body: bytes) -> list[tuple[object, object]]:
    """The codes and messages that the body lists; none where it is no list of errors."""
    try:
        errors = parse_object(body[: limits.ERROR_BODY_BYTES], "error", _ERROR).get("errors")
    except MalformedError:
        return []
    listed = errors if isinstance(errors, list) else []
    return [(error.get("code"), error.get("message")) for error in listed if isinstance(error, dict)]
