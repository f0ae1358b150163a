"""containers/image's `policy.json`: the policy of podman, skopeo, buildah and CRI-O.

The whole grammar is read as strictly as they read it. A requirement that imagesig cannot judge becomes one that no
image meets, so that a policy with one such scope still works for the others.
Spec: containers-policy.json(5).
"""

from __future__ import annotations

from imagesig.format_names import format_names
from imagesig.oci.location import REGISTRY
from imagesig.policy.files.containers_requirement import parse_requirement
from imagesig.policy.files.document import Node
from imagesig.policy.requirement import Rule, Rules
from imagesig.policy.scope import Scope

_PATH_TRANSPORTS = ("dir", "oci", "oci-archive", "sif")
_TRANSPORTS_WITHOUT_SCOPES = ("docker-archive", "tarball")


def parse_containers_policy(document: Node, *, formats: tuple[str, ...], folder: str = "") -> Rules:
    """The rules in a `policy.json`. Relative key paths are relative to `folder`.

    `formats` are the formats that `sigstoreSigned` accepts.

    Raises:
        InvalidArgument: containers/image refuses the file, and the message names the line and what is needed; or a
            format is unknown.
    """
    format_names(formats)
    fields = document.table(("default", "transports"), needed=("default",))
    default = _rule(fields["default"], "default", formats, folder)
    rules: dict[Scope, Rule] = {}
    transports = fields["transports"].members() if "transports" in fields else {}
    for transport, scopes in transports.items():
        for name, requirements in scopes.members().items():
            _check_scope(transport, name, requirements)
            rules[Scope(transport, name)] = _rule(requirements, _title(transport, name), formats, folder)
    # containers/image keeps scopes that match no image; so does this policy, to accept and refuse the same files.
    return Rules(default, rules, refuse_tag_with_digest=True, foreign_scopes=True)


def _title(transport: str, name: str) -> str:
    return name if transport == REGISTRY and name else f"{transport}:{name}"


def _rule(node: Node, title: str, formats: tuple[str, ...], folder: str) -> Rule:
    name = f"{title} ({node.file}:{node.line})"
    return Rule(tuple(parse_requirement(item, formats, folder) for item in node.items()), name)


def _check_scope(transport: str, name: str, node: Node) -> None:
    """Refuses a scope that its transport cannot have. An unknown transport may have any: it never matches."""
    if not name:
        return
    if transport in _TRANSPORTS_WITHOUT_SCOPES:
        raise node.refused(f'{transport} has no scopes but ""')
    if transport not in _PATH_TRANSPORTS:
        return
    if not name.startswith("/"):
        raise node.refused("the path must be absolute")
    if name == "/":
        raise node.refused('for all images of the transport write ""')
    if any(part in ("", ".", "..") for part in name.split("/")[1:]):
        raise node.refused("the path has a part that is empty, . or ..")
