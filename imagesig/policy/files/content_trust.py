"""A trust server in a policy file: read from the table `content_trust` of an authority, and written as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from imagesig.crypto.certificate import parse_certificates
from imagesig.crypto.certificate_pem import to_pem
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.policy.authority import SIGNER
from imagesig.policy.files.document import Node, one_of
from imagesig.text import quote
from imagesig.trust import CertificateAuthority, ContentTrust, PinFile, RootKeyId
from imagesig.trust.anchors import KEY_ID, RootPin

_FIELDS = ("server", "server_ca_file", "pins", "signers", "first_use")
_PINS = ("key_id", "key_file", "key_pem", "ca_file", "ca_pem")


def parse_content_trust(name: str, node: Node, folder: str, read: Callable[[str], bytes]) -> ContentTrust:
    """The authority in a table. Raises as `parse_policy` does."""
    fields = node.table(_FIELDS)
    server = fields["server"].text() if "server" in fields else ""
    if server:
        fields["server"].made(lambda: ContentTrust(server, first_use=True))
    first_use = fields["first_use"].boolean() if "first_use" in fields else False
    pins = tuple(_pin(item, folder, read) for item in fields["pins"].items()) if "pins" in fields else ()
    signers = fields["signers"].distinct_texts() if "signers" in fields else ()
    for signer in signers:
        if not SIGNER.fullmatch(signer):
            raise fields["signers"].refused(f"signer {quote(signer)}, lower-case letters, digits, - and _ are needed")
    if bool(pins) == first_use:
        raise node.refused(
            "'pins' cannot be combined with first_use = true" if pins else "the field 'pins' is missing",
            hint="pin the root key, or trust the server at first contact: first_use = true",
        )
    ca_file = _path(fields["server_ca_file"], folder) if "server_ca_file" in fields else ""
    return node.made(lambda: ContentTrust(server, pins, signers, name, first_use, ca_file))


def _path(node: Node, folder: str) -> str:
    path = node.name()
    return path if path.startswith("/") or not folder else f"{folder.rstrip('/')}/{path}"


def _pin(node: Node, folder: str, read: Callable[[str], bytes]) -> RootPin:
    fields = node.table(_PINS)
    kind = one_of(node, fields, _PINS)
    value = fields[kind]
    if kind == "key_id":
        if not KEY_ID.fullmatch(value.text()):
            raise value.refused(f"{quote(value.value)}, 64 lower-case hex digits are needed")
        return RootKeyId(value.text())
    where = _path(value, folder) if kind.endswith("_file") else "PEM"
    data = value.made(lambda: read(where)) if kind.endswith("_file") else value.text().encode()
    if kind.startswith("ca_"):
        if kind == "ca_pem" and b"-----BEGIN CERTIFICATE-----" not in data:
            raise value.refused("certificates in PEM are needed", hint="for a file use ca_file")
        return CertificateAuthority("pinned root authority", value.made(lambda: parse_certificates(data, where)))
    return value.made(lambda: _public_key(data))


def _public_key(data: bytes) -> PublicKey:
    try:
        return PublicKey.from_pem(data)
    except ImagesigError as error:
        raise InvalidArgument(str(error), hint="give one public key in PEM") from error


def content_trust_document(trust: ContentTrust) -> dict[str, object]:
    """The table for the authority. Raises `InvalidArgument` for a pin in a file that is not read yet."""
    document: dict[str, object] = {}
    if trust.server:
        document["server"] = trust.server
    if trust.ca_file:
        document["server_ca_file"] = trust.ca_file
    if trust.pins:
        document["pins"] = [_pin_document(pin) for pin in trust.pins]
    if trust.signers:
        document["signers"] = list(trust.signers)
    if trust.first_use:
        document["first_use"] = True
    return document


def _pin_document(pin: RootPin) -> dict[str, str]:
    match pin:
        case RootKeyId():
            return {"key_id": pin.id}
        case PublicKey():
            return {"key_pem": pin.pem}
        case CertificateAuthority():
            return {"ca_pem": "".join(to_pem(item.der) for item in pin.certificates)}
        case PinFile():
            raise InvalidArgument(f"content trust pin {pin.path}: a policy file needs the pin itself")
        case _:
            assert_never(pin)
