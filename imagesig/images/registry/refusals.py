"""Errors for a registry's refusals, and repeating uploads that were refused for a passing reason.

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
"""Refusals of an upload with a correct digest.

The file storage of distribution empties a link before it writes it again. A client that stores the same blob at that
moment, or a manifest that names it, gets "invalid digest". An upload is unknown after it was completed: the answer to
the completing request was lost, and the request was repeated.
"""


def is_passing(response: Response) -> bool:
    """Whether an upload with a correct digest was refused for a passing reason."""
    return _passes(response.status, _errors(response.body))


def _passes(status: int, errors: list[tuple[object, object]]) -> bool:
    return any((status, code) in _PASSING for code, _ in errors)


def patiently(upload: Callable[[], Response], what: str) -> Response:
    """The answer to an upload, which is repeated after a refusal for a passing reason."""
    for attempt in range(1, limits.UPLOAD_ATTEMPTS):
        response = upload()
        if not is_passing(response):
            return response
        wait(growing_pause(attempt), what)
    return upload()


def failure(response: Response, what: str, wanted: int) -> ImagesigError:
    """The error for an answer with another status than `wanted`, with the registry's own code and message quoted."""
    errors = _errors(response.body)
    quoted = next((f" ({quote(code)}: {quote(message)})" for code, message in errors), "")
    passes = _passes(response.status, errors)
    shown = f"{what}: status {response.status}{quoted}"
    if response.status == 404 and not passes:
        return NotFound(shown, hint="check the reference")
    if response.status in (401, 403):
        return Unauthorized(shown, hint="log in with credentials that allow it")
    error = UnexpectedResponse(f"{shown}, {wanted} is needed")
    error.retryable = passes
    return error


def _errors(body: bytes) -> list[tuple[object, object]]:
    """The codes and messages in the body; empty if it is not a list of errors."""
    try:
        errors = parse_object(body[: limits.ERROR_BODY_BYTES], "error", _ERROR).get("errors")
    except MalformedError:
        return []
    listed = errors if isinstance(errors, list) else []
    return [(error.get("code"), error.get("message")) for error in listed if isinstance(error, dict)]
