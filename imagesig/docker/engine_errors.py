"""Calls of docker-py: its exceptions, and those of requests, as errors of imagesig."""

from __future__ import annotations

from imagesig.errors import ImagesigError, InvalidArgument, MissingExtra, TransportError, Unauthorized, Unreachable
from imagesig.external import external_call
from imagesig.text import quote


def engine_call(what: str) -> external_call:
    """A block that calls docker-py. `what` names the work in errors."""
    return external_call(what, lambda error: _explain(error, what))


def client_call(what: str) -> external_call:
    """A block that calls a client that the program gave: docker-py's, or something that is used like it."""

    def explain(error: Exception) -> ImagesigError:
        return _explain(error, what) or TransportError(
            f"{what}: the client failed with {type(error).__name__}",
            hint="the program gave this client; the __cause__ of this error is what it raised",
        )

    return external_call(what, explain)


def _explain(error: Exception, what: str) -> ImagesigError | None:
    if isinstance(error, ImportError):
        return MissingExtra("docker-py", "docker")
    from docker.errors import APIError, DockerException, TLSParameterError
    from requests.exceptions import RequestException

    if isinstance(error, APIError):
        return _refusal(what, error.explanation or error.response.reason, error.response.status_code)
    if isinstance(error, TLSParameterError):
        return InvalidArgument(f"{what}: {quote(str(error))}", hint="check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH")
    if isinstance(error, RequestException | DockerException | OSError):
        return Unreachable(
            f"{what}: no answer ({quote(str(error))})", hint="check DOCKER_HOST, and that the engine runs"
        )
    return None


def _refusal(what: str, answered: object, status: int) -> ImagesigError:
    kind = Unauthorized if status in (401, 403) else Unreachable if status in (429, 502, 503, 504) else TransportError
    return kind(f"{what}: the engine answers {quote(answered)} (status {status})")
