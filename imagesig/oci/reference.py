"""Image references in Docker's normal form: `alpine` is `docker.io/library/alpine`.

Spec: the grammar of distribution/reference; `vectors/oci-reference` holds its test table.
"""

from __future__ import annotations

from msgspec import Struct

from imagesig.errors import InvalidArgument
from imagesig.naming import is_raw_key, refuse_key
from imagesig.oci.digest import is_digest
from imagesig.patterns import regex
from imagesig.text import HIDDEN, quote

DOCKER_HUB = "docker.io"
_PATH_CHARACTERS = 255
"""Docker's limit for a repository name. It excludes the host."""

_DOMAIN_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_COMPONENT}(?:\.{_DOMAIN_COMPONENT})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?"
_PATH_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
_PATH = regex(rf"{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*")
_DOMAIN_ALONE = regex(_DOMAIN)
_TAG = regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_ANY_DIGEST = regex(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")


class Reference(Struct, frozen=True):
    """A normalised image reference. `tag` and `digest` are empty if the text has none; no default tag is added."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """`host[:port]/path`, as containers/image writes it."""
        return f"{self.domain}/{self.path}"

    @property
    def registry_host(self) -> str:
        """The host to connect to. Docker Hub's API has another host than its name says."""
        return "registry-1.docker.io" if self.domain == DOCKER_HUB else self.domain

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")

    def pinned(self, digest: str) -> str:
        """`host/path@digest`, a name that always means the same image."""
        return f"{self.repository}@{digest}"


_OTHER_NAMES = {
    **dict.fromkeys(("docker://", "https://", "http://"), "write HOST[:PORT]/REPOSITORY[:TAG], without a scheme"),
    "docker-daemon:": "save the image: docker save -o FILE NAME, and write docker-archive:FILE",
    "containers-storage:": "save the image: skopeo copy containers-storage:NAME oci-archive:FILE, and write that name",
}
"""Names of images in skopeo, and addresses, by how they start: what to write."""


def parse_reference(text: str) -> Reference:
    """The reference in `text`.

    Raises:
        InvalidArgument: not a reference, or a digest that is not SHA-256.
    """
    if not isinstance(text, str):
        raise InvalidArgument(f"reference {quote(text)}: text is needed")
    if not text:
        raise _refused(text, "it is empty")
    if is_raw_key(text):
        raise _refused(text, "64 hex digits are an image id; a repository name is needed")
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        known = (
            "only sha256 digests are supported" if _ANY_DIGEST.fullmatch(digest) else "the part after @ is not a digest"
        )
        raise _refused(text, known)
    name, tag = _split_tag(rest)
    if tag is not None and not _TAG.fullmatch(tag):
        raise _refused(text, "the part after the last colon is not a tag")
    domain, path = _split_domain(name)
    if not _DOMAIN_ALONE.fullmatch(domain):
        raise _refused(text, f"{quote(without_login(domain))} is not a host")
    if not _PATH.fullmatch(path):
        lower = " (repository names are lower case)" if path != path.lower() else ""
        raise _refused(text, f"{quote(without_login(path))} is not a repository name{lower}")
    if len(path) > _PATH_CHARACTERS:
        raise _refused(text, f"the repository name has more than {_PATH_CHARACTERS} characters after the host")
    return Reference(domain, path, tag or "", digest)


def is_name_prefix(text: str) -> bool:
    """Whether a normalised name can start with this text: a host, or a host and path components.

    A short name such as `busybox` looks like a host, so it is accepted; it matches no normalised name.
    """
    domain, slash, path = text.partition("/")
    return bool(_DOMAIN_ALONE.fullmatch(domain)) and (not slash or bool(_PATH.fullmatch(path)))


def is_tag(text: str) -> bool:
    """Whether this can be a tag of an image."""
    return _TAG.fullmatch(text) is not None


def _split_tag(text: str) -> tuple[str, str | None]:
    name, colon, tag = text.rpartition(":")
    return (name, tag) if colon and "/" not in tag and not tag.endswith("]") else (text, None)


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    # The rule of skopeo and cosign: the first component is a host only if it has a dot or a port, or is `localhost`.
    # Docker also takes an upper-case word for a host. Then one name would mean two images.
    looks_like_host = "." in first or ":" in first or first == "localhost"
    domain, path = (first, rest) if slash and looks_like_host else (DOCKER_HUB, name)
    if domain == "index.docker.io":
        domain = DOCKER_HUB
    if domain == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    return domain, path


def _refused(text: str, why: str) -> InvalidArgument:
    hint = "write HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST], oci:DIRECTORY or oci-archive:FILE"
    hint = next((other for start, other in _OTHER_NAMES.items() if text.startswith(start)), hint)
    refuse_key(text, "image reference", hint)
    shown = HIDDEN if is_raw_key(text) else quote(without_login(text))
    return InvalidArgument(f"image reference {shown}: {why}", hint=hint)


def without_login(text: str) -> str:
    """A text given as an image, without user, password and query, which references do not have."""
    is_url = "//" in text or "?" in text or "/" in text.partition("@")[2]
    if not is_url:
        return text
    from imagesig.url import redact  # speed: for errors only (benchmarks/test_start.py)

    return redact(text)
