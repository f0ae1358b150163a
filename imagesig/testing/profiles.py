"""What registries in the field answer in another way than the specification says, one small table for each.

A profile is not a copy of a product: it has the differences that public sources report, on top of `InMemoryRegistry`.
Versions and settings differ; the sources say which were seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig.testing.loopback_server import Answer, Request
from imagesig.testing.registry import InMemoryRegistry


class Difference(Struct, frozen=True):
    """What a registry answers to requests with this method and this text in their path.

    `done` says that it does what is asked for, and only answers in another way. `status` 0 keeps its own status; `body`
    None its own body. With `only` the request must be of that kind: an OCI manifest, a tag that exists, or a list of
    referrers without entries.
    """

    method: str
    path: str
    status: int = 0
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    done: bool = False
    only: Literal["", "oci", "tag exists", "empty list"] = ""

    def answer(self, registry: InMemoryRegistry, request: Request) -> Answer | None:
        """The answer; None if this difference is not about the request."""
        if request.method != self.method or self.path not in request.path or not self._is_kind(registry, request):
            return None
        own = registry.own_answer(request) if self.done else Answer()
        if own.status >= 400 or (self.only == "empty list" and json.loads(own.body)["manifests"]):
            return own
        body = own.body if self.body is None else self.body
        return Answer(self.status or own.status, body, {**own.headers, **self.headers})

    def _is_kind(self, registry: InMemoryRegistry, request: Request) -> bool:
        if self.only == "oci":
            return "vnd.oci." in request.headers.get("content-type", "")
        if self.only == "tag exists":
            name, _, tag = request.path.removeprefix("/v2/").partition("/manifests/")
            return not tag.startswith("sha256:") and registry.has_manifest(name, tag)
        return True


class Profile(Struct, frozen=True):
    """One kind of registry. `sources` are public: `owner/repository NUMBER`, or an address of documentation.

    `tag_is_digest`: the tag `sha256-HEX` names what the digest names.
    """

    title: str
    sources: tuple[str, ...]
    differences: tuple[Difference, ...] = ()
    referrers_api: bool = True
    oci_subject: bool = True
    deletes: bool = True
    lists_types: bool = True
    tag_is_digest: bool = False

    def registry(self) -> InMemoryRegistry:
        """A registry with these differences, not started yet."""
        made = InMemoryRegistry(
            referrers_api=self.referrers_api,
            oci_subject=self.oci_subject,
            deletes=self.deletes,
            lists_types=self.lists_types,
        )
        if self.tag_is_digest:
            made.faults.append(lambda request: _by_digest(made, request))
        for item in self.differences:
            made.faults.append(lambda request, item=item: item.answer(made, request))  # type: ignore[misc]
        return made


def _by_digest(registry: InMemoryRegistry, request: Request) -> Answer | None:
    before, _, reference = request.path.rpartition("/")
    if not reference.startswith("sha256-") or "." in reference:
        return None
    return registry.own_answer(replace(request, path=f"{before}/{reference.replace('-', ':')}"))


def _error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


_JSON = {"content-type": "application/json"}
_IMMUTABLE = _error("PRECONDITION", "configured as immutable")
_NO_OCI = _error("MANIFEST_INVALID", "manifest invalid")

PROFILES: Mapping[str, Profile] = {
    "acr": Profile("Azure Container Registry", ("Azure/acr 784",), lists_types=False),
    "artifactory": Profile(
        "JFrog Artifactory",
        ("google/go-containerregistry 1962", "google/go-containerregistry 2026"),
        (Difference("GET", "/referrers/", 406, _error("", "Not Acceptable"), _JSON),),
        referrers_api=False,
    ),
    "docker-hub": Profile(
        "Docker Hub", ("docker/roadmap 724", "docker/hub-feedback 2360"), referrers_api=False, deletes=False
    ),
    "docker-types-only": Profile(
        "A registry that takes Docker's media types only",
        ("sigstore/cosign 1994", "aquasecurity/trivy-plugin-referrer 26"),
        (Difference("PUT", "/manifests/", 400, _NO_OCI, _JSON, only="oci"),),
        referrers_api=False,
    ),
    "ecr": Profile(
        "Amazon ECR before it had the DELETE of manifests",
        ("aws/containers-roadmap 1229",),
        (Difference("DELETE", "/manifests/", 404, b"404 page not found"),),
    ),
    "ghcr": Profile(
        "GitHub Container Registry",
        ("NVIDIA/aicr 1957", "rtvkiz/minimal 7"),
        (Difference("GET", "/referrers/", 404, _error("MANIFEST_UNKNOWN", "manifest unknown"), _JSON),),
        referrers_api=False,
    ),
    "gitlab": Profile("GitLab", ("oras-project/oras-go 1396",), referrers_api=False, tag_is_digest=True),
    "harbor": Profile(
        "Harbor",
        ("goharbor/harbor 18407",),
        (
            Difference(
                "GET", "/referrers/", 200, b'{"schemaVersion":0,"manifests":[]}', _JSON, done=True, only="empty list"
            ),
        ),
    ),
    "immutable-tags": Profile(
        "A registry that keeps tags immutable",
        ("sigstore/cosign 313", "goharbor/harbor 17332"),
        (Difference("PUT", "/manifests/", 412, _IMMUTABLE, _JSON, only="tag exists"),),
    ),
    "nexus": Profile(
        "Sonatype Nexus",
        ("crazy-max/diun 1614",),
        (Difference("HEAD", "/v2/", 404),),
        referrers_api=False,
    ),
    "quay": Profile(
        "Quay",
        ("containers/image 382",),
        (Difference("PUT", "/manifests/", 202, done=True),),
        oci_subject=False,
    ),
    "rewriting-gateway": Profile(
        "A gateway that rewrites answers",
        ("crazy-max/diun 1614", "goharbor/harbor 18407"),
        (
            Difference("HEAD", "/v2/", 405),
            Difference("GET", "/referrers/", headers=_JSON, done=True),
            Difference("GET", "/manifests/", headers={"docker-content-digest": ""}, done=True),
            Difference("PUT", "/manifests/", 200, b"", {"docker-content-digest": ""}, done=True),
        ),
        oci_subject=False,
    ),
}
"""Every profile by its name."""
