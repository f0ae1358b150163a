"""Which program a policy file is for, by its shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imagesig.errors import InvalidArgument

IMAGESIG, CONTAINERS, NOTATION = "imagesig", "containers", "notation"

_SHAPES: Mapping[str, Callable[[Mapping[str, object]], bool]] = {
    IMAGESIG: lambda document: type(document.get("version")) is int,
    CONTAINERS: lambda document: isinstance(document.get("default"), list),
    NOTATION: lambda document: "trustPolicies" in document,
}
KINDS = tuple(_SHAPES)


def kind_of(document: object, name: str) -> str:
    """The kind of policy in a JSON document: `imagesig`, `containers` (policy.json) or `notation` (trustpolicy.json).

    Raises:
        InvalidArgument: no kind fits, or several do.
    """
    fitting = [kind for kind, fits in _SHAPES.items() if isinstance(document, Mapping) and fits(document)]
    if len(fitting) == 1:
        return fitting[0]
    seen = f"several kinds of policy file fit: {', '.join(fitting)}" if fitting else "unknown kind of policy file"
    raise InvalidArgument(
        f"policy {name}: {seen} (imagesig has a version number, podman's policy.json a list `default`, notation's "
        "trustpolicy.json a list `trustPolicies`)",
        hint="check that it is a policy, or name its kind: --policy-from",
    )
