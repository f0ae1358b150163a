"""Which requests belong to which part of a registry."""

from __future__ import annotations

from imagesig.testing.loopback_server import Request

TAG = "1.0"
"""The tag of the image that is served."""


def image_manifest(request: Request) -> bool:
    """GET of the image by its tag."""
    return request.method == "GET" and request.path.endswith(f"/manifests/{TAG}")


def referrers(request: Request) -> bool:
    return "/referrers/" in request.path


def signature_manifest(request: Request) -> bool:
    """GET of the tag that lists signatures."""
    return request.method == "GET" and request.path.endswith(".sig")


def fallback(request: Request) -> bool:
    """GET of the tag that takes the place of the referrers API."""
    reference = request.path.rpartition("/manifests/")[2]
    return request.method == "GET" and reference.startswith("sha256-") and "." not in reference


def by_digest(request: Request) -> bool:
    """GET of a manifest by its digest."""
    return request.method == "GET" and "/manifests/sha256:" in request.path


def blob(request: Request) -> bool:
    return request.method == "GET" and "/blobs/sha256:" in request.path


def upload(request: Request) -> bool:
    """The POST that begins an upload."""
    return request.method == "POST" and "/blobs/uploads/" in request.path


def completed(request: Request) -> bool:
    """The PUT that ends an upload."""
    return request.method == "PUT" and "/blobs/" in request.path


def written(request: Request) -> bool:
    """The PUT of a manifest."""
    return request.method == "PUT" and "/manifests/" in request.path


def token(request: Request) -> bool:
    return request.path == "/token"


def anything(_request: Request) -> bool:
    return True
