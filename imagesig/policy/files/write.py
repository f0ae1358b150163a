"""A policy as a document of imagesig's own schema, which `imagesig.policy.files.parse` reads as the same policy."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import assert_never

from imagesig.crypto.certificate import Certificate
from imagesig.errors import InvalidArgument
from imagesig.naming import is_key_uri
from imagesig.policy.authority import Authority, KeyReference
from imagesig.policy.files.content_trust import content_trust_document
from imagesig.policy.files.names import Names
from imagesig.policy.files.parse import VERSION
from imagesig.policy.files.parse_authority import HOLDER_KINDS
from imagesig.policy.files.requirement import ACCEPT_ALL, REJECT_ALL, requirement_document
from imagesig.policy.requirement import Rule, Rules, Unsupported
from imagesig.trust import CertificateAuthority, ContentTrust, Role, TrustedKey, Window

Document = dict[str, object]


def document_of(policy: Rules) -> Document:
    """The policy as tables, lists, texts, numbers and booleans.

    Raises:
        InvalidArgument: imagesig cannot judge a requirement, and the message names each; or a rule is for exactly one
            repository, as in notation's policies.
    """
    if exact := next((scope for scope in policy.rules if scope.exact), None):
        raise InvalidArgument(f"policy: the scope {exact} is just one repository, which a policy file cannot express")
    every = [(rule, item) for rule in (policy.default, *policy.rules.values()) for item in rule.requirements]
    refused = [f"{rule.name}: {item.reason}" for rule, item in every if type(item) is Unsupported]
    if refused:
        raise InvalidArgument(
            f"policy: {len(refused)} of its requirements cannot be expressed: {'; '.join(refused)}",
            hint="remove them from the policy, or use it as it is: images of other scopes are judged",
        )
    names = Names()
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


def _default(rule: Rule, names: Names) -> object:
    made = _rule(rule, names)
    return made["require"] if isinstance(made["require"], str) else made


def _rule(rule: Rule, names: Names) -> Document:
    if rule.refuses_all:
        return {"require": REJECT_ALL}
    required = [table for item in rule.requirements if (table := requirement_document(item, names))]
    if not required:
        return {"require": ACCEPT_ALL}
    return {"warn": True, "require": required} if rule.warn else {"require": required}


def _authority(authority: Authority) -> Document:
    match authority:
        case CertificateAuthority():
            return _certificate_authority(authority)
        case ContentTrust():
            return {"content_trust": content_trust_document(authority)}
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
