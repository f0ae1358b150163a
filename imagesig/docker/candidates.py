"""The names by digest (`RepoDigests`) that an engine has for an image: its signatures can be there."""

from __future__ import annotations

from collections.abc import Mapping

from imagesig import limits
from imagesig.errors import InvalidArgument, LimitExceeded, NeverPushed
from imagesig.oci.location import Location
from imagesig.oci.reference import DOCKER_HUB, Reference, parse_reference
from imagesig.policy import Policy
from imagesig.text import quote

_SHORT_ID = 12
"""Digits of an id as docker shows it."""
_DANGLING = "docker.io/library/moby-dangling"
"""The repository that the containerd image store invents for an image without a name."""
_TAG = "latest"
"""The tag that docker means where a name has none."""
_LOCAL = "localhost"
"""The host that podman writes before a name without a registry. A registry on this machine has a port."""


def candidates(attributes: object, policy: Policy, name: str) -> list[Reference]:
    """The names by digest that can prove the image, those of Docker Hub last: a local name without a host looks so.

    `attributes` is what the engine says about the image, and `name` the one that it is known by, or empty. A name
    with a registry's host is about its repository only, and the policy's rule for its tag applies. Any other is local:
    each digest of the image can prove it, unless the policy has a rule for the local name and another one for the
    digest's repository.

    Raises:
        NeverPushed: the engine has no digest for the image, or none in that repository.
        InvalidArgument: not the attributes of an image.
    """
    if not isinstance(attributes, Mapping):
        raise InvalidArgument(f"image {quote(attributes)}: an image object of docker-py is needed")
    known = _repo_digests(attributes)
    asked = _asked(name, str(attributes.get("Id") or ""))
    found = known
    if asked is not None:
        found = [_as_asked(item, asked, policy) for item in known if _can_prove(item, asked, name, policy)]
    if not found:
        shown = quote(name or str(attributes.get("Id") or "image"))
        others = f"; the engine knows it as {', '.join(map(str, known[:3]))}" if known else ""
        raise NeverPushed(
            f"{shown}: the engine knows no digest of it in {'a registry' if asked is None else asked.domain}{others}",
            hint="push the image, or pull it by its name: only a registry stores signatures",
        )
    return sorted(found, key=lambda item: item.domain == DOCKER_HUB)


def _repo_digests(attributes: Mapping[str, object]) -> list[Reference]:
    """Each digest once. Entries that name no digest, such as `<none>@<none>`, are left out: they prove nothing."""
    listed = attributes.get("RepoDigests") or []
    if not isinstance(listed, list | tuple):
        raise InvalidArgument(f"image: RepoDigests {quote(listed)}, a list is needed")
    if len(listed) > limits.ENGINE_NAMES:
        raise LimitExceeded(f"image: {len(listed)} digests in RepoDigests, at most {limits.ENGINE_NAMES} are read")
    found: dict[Reference, None] = {}
    for text in listed:
        try:
            reference = parse_reference(text)
        except InvalidArgument:
            continue
        if reference.digest and reference.repository != _DANGLING and reference.domain != _LOCAL:
            found[Reference(reference.domain, reference.path, "", reference.digest)] = None
    return list(found)


def _asked(name: str, image_id: str) -> Reference | None:
    """The name as a reference, with docker's tag if it has none; None for no name, an id or the beginning of one."""
    digits = image_id.removeprefix("sha256:")
    # A shorter beginning may be a name: ids can be chosen by trying.
    if not name or name.startswith("sha256:") or (len(name) >= _SHORT_ID and digits.startswith(name)):
        return None
    asked = parse_reference(name)
    return asked if asked.tag or asked.digest else Reference(asked.domain, asked.path, _TAG)


def _as_asked(candidate: Reference, asked: Reference, policy: Policy) -> Reference:
    """The candidate with the tag that was asked for, if the policy has another rule for this tag."""
    if candidate.repository != asked.repository:
        return candidate
    tagged = Reference(candidate.domain, candidate.path, asked.tag, candidate.digest)
    rules = [policy.select(Location(reference=item)) for item in (tagged, candidate)]
    return candidate if rules[0] == rules[1] else tagged


def _can_prove(candidate: Reference, asked: Reference, name: str, policy: Policy) -> bool:
    if asked.digest and candidate.digest != asked.digest:
        return False
    if candidate.repository == asked.repository:
        return True
    # `prod.example/app` names that registry, but anyone may give this tag to another image.
    if name.startswith(f"{asked.domain}/") and asked.domain != _LOCAL:
        return False
    rule = policy.select(Location(reference=asked))
    return rule is policy.default or rule == policy.select(Location(reference=candidate))
