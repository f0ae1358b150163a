"""A policy as a document of imagesig's own schema: what `imagesig.policy.files.parse` reads back as the same policy."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import assert_never

from msgspec import Struct, field

from imagesig.crypto.certificate import Certificate
from imagesig.errors import InvalidArgument
from imagesig.naming import is_key_uri
from imagesig.policy.authority import Authority, KeyReference
from imagesig.policy.enforcement import STRICT
from imagesig.policy.files.parse import ACCEPT_ALL, REJECT_ALL, VERSION
from imagesig.policy.files.parse_authority import HOLDER_KINDS
from imagesig.policy.files.parse_requirement import CHECKS, LEVELS
from imagesig.policy.identity import IDENTITY_FIELDS, Identity, IdentityKind
from imagesig.policy.policy import Policy
from imagesig.policy.requirement import AcceptAnything, Reject, Rule, Signed, Unsupported
from imagesig.trust import CertificateAuthority, Role, TrustedKey, Window

Document = dict[str, object]


def document_of(policy: Policy) -> Document:
    """The policy as tables, lists, texts, numbers and booleans.

    Raises:
        InvalidArgument: it asks for something that imagesig cannot judge, every such place is named; or it has the rule
            of one repository and nothing below it, as notation's policies have.
    """
    if exact := next((scope for scope in policy.rules if scope.exact), None):
        raise InvalidArgument(f"policy: the scope {exact} is one repository alone, which a policy file cannot express")
    every = (policy.default, *policy.rules.values())
    refused = [f"{rule.name}: {reason}" for rule in every for reason in _unsupported(rule)]
    if refused:
        raise InvalidArgument(
            f"policy: {len(refused)} of its requirements cannot be expressed: {'; '.join(refused)}",
            hint="take them out of the policy first, or use it as it is: images of other scopes are judged",
        )
    names = _Names()
    document: Document = {"version": VERSION}
    if policy.refuse_tag_with_digest:
        document["refuse_tag_with_digest"] = True
    rules = [{"scope": str(scope), **_rule(rule, names)} for scope, rule in policy.rules.items()]
    document["default"] = _default(policy.default, names)
    if names.signers:
        document["authorities"] = {name: _authority(item) for item, name in names.signers.items()}
    if names.timestamps:
        document["timestamp_authorities"] = {
            name: {"ca_pem": _pem(certificates)} for certificates, name in names.timestamps.items()
        }
    if rules:
        document["rules"] = rules
    return document


def _unsupported(rule: Rule) -> list[str]:
    found = []
    for item in rule.requirements:
        match item:
            case Unsupported():
                found.append(item.reason)
            case Reject() | AcceptAnything() | Signed():
                pass
            case _:
                assert_never(item)
    return found


class _Names(Struct):
    """A name of its own for everything that the rules name."""

    signers: dict[Authority, str] = field(default_factory=dict)
    timestamps: dict[tuple[Certificate, ...], str] = field(default_factory=dict)

    def signer(self, authority: Authority) -> str:
        if authority not in self.signers:
            self.signers[authority] = _free(_simple(authority.name), self.signers.values())
        return self.signers[authority]

    def timestamp(self, certificates: tuple[Certificate, ...]) -> str:
        if certificates not in self.timestamps:
            self.timestamps[certificates] = _free("timestamps", self.timestamps.values())
        return self.timestamps[certificates]


def _simple(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        return name
    if re.fullmatch(r"sha256:[0-9a-f]{64}", name):
        return f"key-{name[7:19]}"
    last = re.sub(r"\.(pub|pem|key)$", "", name.rstrip("/").rpartition("/")[2])
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-._") or "key"


def _free(name: str, taken: Iterable[str]) -> str:
    used, number, free = set(taken), 1, name
    while free in used:
        number += 1
        free = f"{name}-{number}"
    return free


def _default(rule: Rule, names: _Names) -> object:
    made = _rule(rule, names)
    return made["require"] if isinstance(made["require"], str) else made


def _rule(rule: Rule, names: _Names) -> Document:
    required = []
    for item in rule.requirements:
        match item:
            case Reject() | Unsupported():
                return {"require": REJECT_ALL}
            case AcceptAnything():
                pass  # it adds nothing beside something that must hold
            case Signed():
                required.append(_signed(item, names))
            case _:
                assert_never(item)
    if not required:
        return {"require": ACCEPT_ALL}
    return {"warn": True, "require": required} if rule.warn else {"require": required}


def _signed(requirement: Signed, names: _Names) -> Document:
    signers = list(dict.fromkeys(names.signer(item) for item in requirement.authorities))
    if requirement.threshold is None:
        document: Document = {"all": signers}
    elif requirement.threshold == 1:
        document = {"any": signers}
    else:
        document = {"threshold": requirement.threshold, "of": signers}
    if requirement.annotations:
        document["annotations"] = dict(requirement.annotations)
    if requirement.identity.kind is not IdentityKind.OF_IMAGE:
        document["identity"] = _identity(requirement.identity)
    if requirement.formats:
        document["formats"] = list(requirement.formats)
    if requirement.timestamps:
        timestamps: Document = {"any": [names.timestamp(requirement.timestamps.certificates)]}
        if requirement.timestamps.after_expiry_only:
            timestamps["after_expiry_only"] = True
        document["timestamps"] = timestamps
    if requirement.enforcement != STRICT:
        document["enforcement"] = next(
            (name for name, level in LEVELS.items() if level == requirement.enforcement),
            {name: getattr(requirement.enforcement, name).value for name in CHECKS},
        )
    return document


def _identity(identity: Identity) -> object:
    fields = IDENTITY_FIELDS[identity.kind]
    if not fields:
        return identity.kind.value
    values = (identity.prefix, identity.signed_prefix) if len(fields) > 1 else (str(identity.reference),)
    return {"type": identity.kind.value, **dict(zip(fields, values, strict=True))}


def _authority(authority: Authority) -> Document:
    match authority:
        case CertificateAuthority():
            return _certificate_authority(authority)
        case TrustedKey():
            pem = "".join(key.pem for key in authority.public_keys)
            return {"key_pem": pem} | _window(authority.window)
        case KeyReference():
            return _key_reference(authority) | _window(authority.window)
        case _:
            assert_never(authority)


def _key_reference(reference: KeyReference) -> Document:
    document: Document = {"key_uri" if is_key_uri(reference.text) else "key_file": reference.text}
    if reference.fingerprint:
        document["fingerprint"] = reference.fingerprint
    return document


def _window(window: Window) -> Document:
    times = {"not_before": window.not_before, "not_after": window.not_after}
    return {name: time.isoformat() for name, time in times.items() if time}


def _certificate_authority(authority: CertificateAuthority) -> Document:
    document: Document = {"ca_pem": _pem(authority.certificates)}
    if authority.role is not Role.CA:
        document["role"] = authority.role.value
    if authority.holders:
        kinds = {kind: name for name, kind in HOLDER_KINDS.items()}
        document["holders"] = [{kinds[holder.kind]: holder.value} for holder in authority.holders]
    return document


def _pem(certificates: Iterable[Certificate]) -> str:
    blocks = []
    for certificate in certificates:
        body = base64.b64encode(certificate.der).decode("ascii")
        lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
        blocks.append(f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
    return "".join(blocks)


# --- TOML ---------------------------------------------------------------------------------------------------------


def toml_text(document: Mapping[str, object]) -> str:
    """The document in TOML: plain values first, then its tables and arrays of tables."""
    lines = [f"{_key(name)} = {_value(value)}" for name, value in document.items() if not _is_tabular(value)]
    for name, value in document.items():
        if isinstance(value, list) and _is_tabular(value):
            for item in value:
                lines += ["", f"[[{_key(name)}]]", *_members(item)]
        elif not isinstance(value, dict):
            continue
        elif value and all(isinstance(item, dict) for item in value.values()):
            for key, item in value.items():
                lines += ["", f"[{_key(name)}.{_key(key)}]", *_members(item)]
        else:
            lines += ["", f"[{_key(name)}]", *_members(value)]
    return "\n".join(lines) + "\n"


def _is_tabular(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )


def _members(table: Mapping[str, object]) -> list[str]:
    return [f"{_key(name)} = {_value(value, apart=True)}" for name, value in table.items()]


def _value(value: object, *, apart: bool = False) -> str:
    """`apart` puts each of several tables in a line of its own."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        items = [_value(item) for item in value]
        if apart and _is_tabular(value):
            return "[\n" + "".join(f"  {item},\n" for item in items) + "]"
        return f"[{', '.join(items)}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_value(item)}" for name, item in value.items()) + " }"
    if isinstance(value, str):
        if apart and value.startswith("-----BEGIN ") and "\\" not in value and '"' not in value:
            return f'"""\n{value}"""'
        return _quoted(value)
    return str(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's too; the one control character that JSON writes raw is DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
