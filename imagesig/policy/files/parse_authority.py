"""The authorities of a policy file: keys, certificate authorities and timestamp authorities, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from imagesig.crypto.certificate import Certificate, parse_certificates
from imagesig.crypto.public_key import PublicKey
from imagesig.naming import is_key_uri
from imagesig.patterns import regex
from imagesig.policy.authority import Authority, KeyReference, place_of
from imagesig.policy.files.document import Node, one_of
from imagesig.text import quote
from imagesig.trust import CertificateAuthority, ContentTrust, Role, TrustedKey, Window
from imagesig.trust.holder import Holder, HolderKind


class Files(Struct, frozen=True):
    """Access to the files that a policy names: their contents, and their paths without symbolic links."""

    read: Callable[[str], bytes]
    real_path: Callable[[str], str]


HOLDER_KINDS = {
    "subject": HolderKind.SUBJECT,
    "email": HolderKind.EMAIL,
    "dns": HolderKind.DNS,
    "uri": HolderKind.URI,
}
ROLES = {role.value: role for role in Role}

_CA_FIELDS = ("ca_file", "ca_pem")
_CONTENT_TRUST = "content_trust"
_FIELDS_FOR = {
    "key_file": ("fingerprint", "not_before", "not_after"),
    "key_uri": ("fingerprint", "not_before", "not_after"),
    "key_pem": ("not_before", "not_after"),
    "ca_file": ("role", "holders"),
    "ca_pem": ("role", "holders"),
    _CONTENT_TRUST: (),
}
_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FINGERPRINT = regex(r"sha256:[0-9a-f]{64}")
_TIME = regex(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PEM_BLOCK = regex(r"-----BEGIN [^-\n]+-----.*?-----END [^-\n]+-----", re.DOTALL)


class Authorities(Struct, frozen=True):
    """The authorities that the rules of one policy can name. `placed` has the signers with real paths of key files."""

    signers: Mapping[str, Authority]
    timestamps: Mapping[str, tuple[Certificate, ...]]
    placed: Mapping[str, Authority]


def parse_authorities(fields: Mapping[str, Node], folder: str, files: Files) -> Authorities:
    """The authorities that a document defines. Raises as `parse_policy` does."""
    signers = {name: _signer(name, node, folder, files) for name, node in _named(fields.get("authorities")).items()}
    timestamps = {
        name: _timestamp_authority(node, folder, files)
        for name, node in _named(fields.get("timestamp_authorities")).items()
    }
    return Authorities(signers, timestamps, {name: _placed(item, files) for name, item in signers.items()})


def _placed(item: Authority, files: Files) -> Authority:
    match item:
        case KeyReference():
            path = place_of(item.text)
            return replace(item, text=files.real_path(path)) if not is_key_uri(path) else item
        case TrustedKey() | CertificateAuthority() | ContentTrust():
            return item
        case _:
            assert_never(item)


def _named(node: Node | None) -> dict[str, Node]:
    members = node.members() if node else {}
    for name, member in members.items():
        if not _NAME.fullmatch(name):
            raise member.refused(f"the name {quote(name)} has other characters than letters, digits, ., - and _")
    return members


def _signer(name: str, node: Node, folder: str, files: Files) -> Authority:
    every = dict.fromkeys(field for fields in _FIELDS_FOR.values() for field in fields)
    fields = node.table((*_FIELDS_FOR, *every, "description"))
    kind = one_of(node, fields, tuple(_FIELDS_FOR))
    for field, member in fields.items():
        if field in every and field not in _FIELDS_FOR[kind]:
            raise member.refused(f"is not allowed together with {kind!r}")
    if "description" in fields:
        fields["description"].text()
    if kind == _CONTENT_TRUST:
        # speed: most policies have no trust server (benchmarks/test_start.py)
        from imagesig.policy.files.content_trust import parse_content_trust

        return parse_content_trust(name, fields[kind], folder, files.read)
    if kind in _CA_FIELDS:
        return _certificate_authority(name, fields[kind], kind, fields, folder, files)
    window = _window(fields)
    if kind == "key_pem":
        return TrustedKey(name, _public_keys(fields[kind]), window)
    text = _key_uri(fields[kind]) if kind == "key_uri" else joined(folder, fields[kind].name())
    fingerprint = fields["fingerprint"].text() if "fingerprint" in fields else ""
    if fingerprint and not _FINGERPRINT.fullmatch(fingerprint):
        raise fields["fingerprint"].refused(f"{quote(fingerprint)}, sha256: and 64 hex digits are needed")
    return KeyReference(text, name, window, fingerprint)


def joined(folder: str, path: str) -> str:
    """The path, from `folder` if it is relative, in a form that is not read as a key URI."""
    whole = path if path.startswith("/") or not folder else f"{folder.rstrip('/')}/{path}"
    return whole if whole.startswith(("/", "./")) else f"./{whole}"


def _key_uri(node: Node) -> str:
    if not is_key_uri(node.text()):
        raise node.refused(f"{quote(node.value)}, a URI is needed", hint="for a file use key_file")
    return node.name()


def _public_keys(node: Node) -> tuple[PublicKey, ...]:
    """The keys of one signer: all versions of its key, one PEM block for each."""
    text = node.text()
    blocks = _PEM_BLOCK.findall(text)
    if not blocks or _PEM_BLOCK.sub("", text).strip():
        raise node.refused("PEM text is needed, and nothing else", hint="for a file use key_file")
    keys = node.made(lambda: tuple(PublicKey.from_pem(block) for block in blocks))
    if len(set(keys)) != len(keys):
        raise node.refused("the same key is listed twice")
    return keys


def _certificate_authority(
    name: str, source: Node, kind: str, fields: Mapping[str, Node], folder: str, files: Files
) -> CertificateAuthority:
    certificates = _certificates(source, kind == "ca_file", folder, files)
    role = ROLES[fields["role"].choice(tuple(ROLES))] if "role" in fields else Role.CA
    holders = tuple(_holder(item) for item in fields["holders"].items()) if "holders" in fields else ()
    return CertificateAuthority(name, certificates, holders, role)


def _timestamp_authority(node: Node, folder: str, files: Files) -> tuple[Certificate, ...]:
    fields = node.table((*_CA_FIELDS, "description"))
    kind = one_of(node, fields, _CA_FIELDS)
    if "description" in fields:
        fields["description"].text()
    return _certificates(fields[kind], kind == "ca_file", folder, files)


def _certificates(node: Node, is_file: bool, folder: str, files: Files) -> tuple[Certificate, ...]:
    text = node.text()
    if not is_file and "-----BEGIN CERTIFICATE-----" not in text:
        raise node.refused("certificates in PEM are needed", hint="for a file use ca_file")
    where = joined(folder, text) if is_file else "PEM"
    data = node.made(lambda: files.read(where)) if is_file else text.encode()
    return node.made(lambda: parse_certificates(data, where))


def _holder(node: Node) -> Holder:
    fields = node.table(tuple(HOLDER_KINDS))
    kind = one_of(node, fields, tuple(HOLDER_KINDS))
    value = fields[kind].text()
    if kind == "subject":
        _check_distinguished_name(fields[kind], value)
    return Holder(HOLDER_KINDS[kind], value)


def _check_distinguished_name(node: Node, value: str) -> None:
    from cryptography import x509

    try:
        x509.Name.from_rfc4514_string(value)
    except ValueError:
        raise node.refused(
            f"{quote(value)}, a distinguished name (RFC 4514) is needed", hint="write it as in CN=build,O=Acme,C=DE"
        ) from None


def _window(fields: Mapping[str, Node]) -> Window:
    first = _time(fields["not_before"]) if "not_before" in fields else None
    last = _time(fields["not_after"]) if "not_after" in fields else None
    if first and last and last < first:
        raise fields["not_after"].refused("it is before not_before, so the key would never be valid")
    return Window(first, last)


def _time(node: Node) -> datetime:
    needed = "a time with its offset is needed, such as 2027-01-31T00:00:00Z"
    if isinstance(node.value, str) and _TIME.fullmatch(node.value):
        try:
            return datetime.fromisoformat(node.value.upper().replace(" ", "T"))
        except ValueError:
            raise node.refused(f"{quote(node.value)}, a valid time is needed") from None
    if isinstance(node.value, datetime) and node.value.tzinfo is not None:
        return node.value
    if not isinstance(node.value, datetime | str):
        raise node.refused(needed)
    raise node.refused(f"{quote(str(node.value))}, {needed}")
