"""imagesig's own policy files: a checked document in, its rules out.

`docs/policy.schema.json` describes the same documents; a test compares the two. Only this module checks what a schema
cannot say: that names are defined, and that scopes, keys and certificates are valid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imagesig.errors import InvalidArgument
from imagesig.policy.files.document import Node
from imagesig.policy.files.parse_authority import Authorities, Files, parse_authorities
from imagesig.policy.files.requirement import ACCEPT_ALL, REJECT_ALL, parse_requirement
from imagesig.policy.requirement import REJECT, AcceptAnything, Reject, Requirement, Rule, Rules
from imagesig.policy.scope import Scope, parse_scope
from imagesig.text import quote

VERSION = 1

_FIELDS = (
    "$schema",
    "version",
    "description",
    "authorities",
    "timestamp_authorities",
    "rules",
    "default",
    "refuse_tag_with_digest",
)
_RULE_FIELDS = ("description", "require", "warn")


def parse_policy(
    document: Node,
    *,
    folder: str = "",
    read_file: Callable[[str], bytes] | None = None,
    real_path: Callable[[str], str] | None = None,
) -> Rules:
    """The rules in a document. Relative paths in it are relative to `folder`.

    `read_file` returns the contents of a file with certificates; without it such files are refused. `real_path` returns
    a path without symbolic links; without it paths are compared as written.

    Raises:
        InvalidArgument: the document is invalid; the message names the line, the place and what is needed.
    """
    _refuse_foreign(document)
    fields = document.table(_FIELDS, needed=("version",))
    if fields["version"].count() != VERSION:
        raise fields["version"].refused(f"version {quote(fields['version'].value)}, version {VERSION} is needed")
    for name in ("$schema", "description"):
        if name in fields:
            fields[name].text()
    files = Files(read_file or _no_files, real_path or _as_written)
    authorities = parse_authorities(fields, folder, files)
    default = _default(fields["default"], authorities) if "default" in fields else REJECT
    rules = _rules(fields["rules"], authorities, files) if "rules" in fields else {}
    strict = fields["refuse_tag_with_digest"].boolean() if "refuse_tag_with_digest" in fields else False
    return Rules(default, rules, strict)


def _refuse_foreign(document: Node) -> None:
    if not isinstance(document.value, dict):
        return
    if "version" not in document.value and isinstance(document.value.get("default"), list):
        raise document.refused(
            "this looks like containers/image's policy.json, a policy of imagesig is needed",
            hint="read it with --policy-from containers, Policy.from_containers_policy(), "
            "or: imagesig policy import FILE",
        )
    if "trustPolicies" in document.value:
        raise document.refused("this looks like a trust policy of the Notary Project, a policy of imagesig is needed")


def _no_files(name: str) -> bytes:
    raise InvalidArgument(f"{name}: files cannot be read here")


def _as_written(path: str) -> str:
    return path


def _rules(node: Node, authorities: Authorities, files: Files) -> Mapping[Scope, Rule]:
    rules: dict[Scope, Rule] = {}
    first: dict[Scope, Node] = {}
    for item in node.items():
        fields = item.table((*_RULE_FIELDS, "scope"), needed=("scope", "require"))
        scopes = _scopes(fields["scope"], files)
        for scope_node, scope in scopes:
            if scope in rules:
                raise scope_node.refused(
                    f"scope {scope} already has a rule, in line {first[scope].line}",
                    hint="join the two: a scope has one rule",
                )
            rules[scope] = _rule(item, fields, f"{scope} ({item.file}:{item.line})", authorities)
            first[scope] = scope_node
    return rules


def _scopes(node: Node, files: Files) -> list[tuple[Node, Scope]]:
    nodes = node.items() if isinstance(node.value, list) else (node,)
    found = [(item, item.made(_scope_maker(item.text()))) for item in nodes]
    for item, scope in found:
        real = files.real_path(scope.name) if scope.name.startswith("/") else scope.name
        if real != scope.name:
            raise item.refused(
                f"scope {quote(item.value)}: a symbolic link leads to {quote(real)}, so no image is in this scope",
                hint=f"write {scope.transport}:{real}",
            )
    return found


def _scope_maker(text: str) -> Callable[[], Scope]:
    return lambda: parse_scope(text)


def _default(node: Node, authorities: Authorities) -> Rule:
    name = f"default ({node.file}:{node.line})"
    if isinstance(node.value, str):
        return Rule((_whole(node),), name)
    return _rule(node, node.table(_RULE_FIELDS, needed=("require",)), name, authorities)


def _rule(node: Node, fields: Mapping[str, Node], name: str, authorities: Authorities) -> Rule:
    if "description" in fields:
        fields["description"].text()
    warn = fields["warn"].boolean() if "warn" in fields else False
    require = fields["require"]
    if isinstance(require.value, str):
        if warn:
            raise fields["warn"].refused(
                f"is not allowed together with require = {quote(require.value)}",
                hint="remove warn: it is for rules that require signatures",
            )
        return Rule((_whole(require),), name)
    return Rule(tuple(parse_requirement(item, authorities) for item in require.items()), name, warn)


def _whole(node: Node) -> Requirement:
    if node.choice((REJECT_ALL, ACCEPT_ALL)) == ACCEPT_ALL:
        return AcceptAnything()
    return Reject()
