"""Finds, reads and creates objects in a token. Call these functions under the module's lock."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import KeyUnusable
from imagesig.keys.pkcs11.attributes import read_attribute
from imagesig.keys.pkcs11.encoding import CURVES, public_key_from, public_key_of_certificate
from imagesig.keys.pkcs11.uri import Pkcs11Uri

_RSA_BITS = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}


class TokenObject(Struct, frozen=True):
    handle: Any
    label: str
    id: bytes


def find_objects(session: Any, kind: str, wanted: Pkcs11Uri) -> list[TokenObject]:
    """The objects of one class with the wanted label and id. The search always runs to its end."""
    import pkcs11

    template: dict[Any, Any] = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass[kind]}
    if wanted.object:
        template[pkcs11.Attribute.LABEL] = wanted.object
    if wanted.id:
        template[pkcs11.Attribute.ID] = wanted.id
    found = []
    for handle in list(session.get_objects(template)):
        label, identity = read_attribute(handle, "LABEL"), read_attribute(handle, "ID")
        found.append(TokenObject(handle, label if isinstance(label, str) else "", bytes(identity or b"")))
    return found


def read_public_key(item: TokenObject) -> PublicKey:
    names = ("EC_PARAMS", "EC_POINT", "MODULUS", "PUBLIC_EXPONENT")
    return public_key_from({name: read_attribute(item.handle, name) for name in names})


def public_keys_shown(session: Any, wanted: Pkcs11Uri) -> list[PublicKey]:
    """The distinct public keys of the public key objects that fit; if there are none, of the certificates."""
    shown = [read_public_key(item) for item in find_objects(session, "PUBLIC_KEY", wanted)]
    if not shown:
        certificates = [read_attribute(item.handle, "VALUE") for item in find_objects(session, "CERTIFICATE", wanted)]
        shown = [public_key_of_certificate(bytes(der or b"")) for der in certificates]
    return list(dict.fromkeys(shown))


def public_half(session: Any, item: TokenObject, given: PublicKey | None) -> PublicKey:
    """The public key of a private key object.

    It comes from the public key object or certificate with the same id (and label, if several have that id), else from
    the private key object, else it is `given`. The first signature proves it.

    Raises:
        KeyUnusable: there is none, or several fit.
    """
    names = [Pkcs11Uri(id=item.id), Pkcs11Uri(id=item.id, object=item.label)] if item.id else []
    names += [Pkcs11Uri(object=item.label)] if item.label and not item.id else []
    for name in names:
        shown = public_keys_shown(session, name)
        if len(shown) == 1:
            return shown[0]
    try:
        return read_public_key(item)
    except KeyUnusable as error:
        if given is not None:
            return given
        raise KeyUnusable(
            f"PKCS#11 key {Pkcs11Uri(object=item.label, id=item.id)}: {error}",
            hint="give its public key: --expect FILE, or expect=",
        ) from None


def generate_pair(session: Any, key_type: KeyType, label: str, identity: bytes) -> None:
    import pkcs11

    private = {
        pkcs11.Attribute.PRIVATE: True,
        pkcs11.Attribute.SENSITIVE: True,
        pkcs11.Attribute.EXTRACTABLE: False,
    }
    options: dict[str, Any] = {
        "store": True,
        "label": label,
        "id": identity,
        "capabilities": pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
        "private_template": private,
    }
    if key_type.is_rsa:
        session.generate_keypair(pkcs11.KeyType.RSA, _RSA_BITS[key_type], **options)
        return
    edwards = key_type is KeyType.ED25519
    domain = session.create_domain_parameters(
        pkcs11.KeyType.EC_EDWARDS if edwards else pkcs11.KeyType.EC,
        {pkcs11.Attribute.EC_PARAMS: CURVES[key_type]},
        local=True,
    )
    mechanism = pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN if edwards else pkcs11.Mechanism.EC_KEY_PAIR_GEN
    domain.generate_keypair(mechanism=mechanism, **options)
