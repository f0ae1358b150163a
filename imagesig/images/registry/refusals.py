"""Errors for a registry's refusals, and repeating uploads that were refused for a passing reason.

Spec: OCI distribution-spec, "Error Codes".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from imagesig import limits
from imagesig.deadlines import growing_pause, wait
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import ImagesigError, MalformedError, NotFound, Unauthorized, UnexpectedResponse
from imagesig.http.client import Response
from imagesig.text import quote

_ERROR = Shape.of("", errors=Shape.of("code message detail"))
_SAID = ("message", "error", "details", "detail")
"""Where gateways and token servers have the text of an error, instead of in the registries' list `errors`."""
_PASSING = frozenset({(400, "DIGEST_INVALID"), (404, "BLOB_UPLOAD_UNKNOWN")})
"""Refusals of an upload with a correct digest.

The file storage of distribution empties a link before it writes it again. A client that stores the same blob at that
moment, or a manifest that names it, gets "invalid digest". An upload is unknown after it was completed: the answer to
the completing request was lost, and the request was repeated.
"""


def is_passing(response: Response) -> bool:
    """Whether an upload with a correct digest was refused for a passing reason."""
    return any((response.status, code) in _PASSING for code, _ in _listed(_document(response.body)))


def says_expired(response: Response) -> bool:
    """Whether a 403 says that the login expired, as ECR does; other registries answer 401 with a challenge."""
    return response.status == 403 and "expired" in words(response).lower()


def patiently(upload: Callable[[], Response], what: str) -> Response:
    """The answer to an upload, which is repeated after a refusal for a passing reason."""
    for attempt in range(1, limits.UPLOAD_ATTEMPTS):
        response = upload()
        if not is_passing(response):
            return response
        wait(growing_pause(attempt), what)
    return upload()


def failure(response: Response, what: str, wanted: Sequence[int], login: str = "") -> ImagesigError:
    """The error for an answer with none of the wanted statuses, with the registry's own words.

    `login` says whose login was sent and where it came from, for a refusal of it."""
    passes = is_passing(response)
    shown = f"{what}: status {response.status}{words(response)}"
    if response.status == 404 and not passes:
        return NotFound(shown, hint="check the reference")
    if response.status in (401, 403):
        by = f", the login is {login}" if login else ""
        return Unauthorized(f"{shown}{by}", hint="log in with credentials that allow it")
    *others, last = map(str, wanted)
    statuses = f"{', '.join(others)} or {last}" if others else last
    error = UnexpectedResponse(f"{shown}, {statuses} is needed")
    error.retryable = passes
    return error


def words(response: Response) -> str:
    """The server's own code and message, in brackets, to add to an error; empty if the body has none."""
    document = _document(response.body)
    for code, message in _listed(document):
        return f" ({quote(code)}: {quote(message)})"
    said: object = next((document[name] for name in _SAID if isinstance(document.get(name), str)), "")
    if not document and response.headers.get("content-type", "").startswith("text/plain"):
        said = response.body[: limits.ERROR_BODY_BYTES].decode("utf-8", "replace").strip().partition("\n")[0]
    return f" ({quote(said)})" if said else ""


def _document(body: bytes) -> Mapping[str, object]:
    """The JSON object in the body; empty if it has another form."""
    try:
        return parse_object(body[: limits.ERROR_BODY_BYTES], "error", _ERROR)
    except MalformedError:
        return {}


def _listed(document: Mapping[str, object]) -> list[tuple[object, object]]:
    """The codes and messages of the registries' list of errors."""
    errors = document.get("errors")
    listed = errors if isinstance(errors, list) else []
    return [(error.get("code"), error.get("message")) for error in listed if isinstance(error, dict)]
