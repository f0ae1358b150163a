"""Finds, reads and creates objects in a token. Call these functions under the module's lock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec import Struct

from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError, KeyUnusable, SecretRequired
from imagesig.keys.pkcs11.attributes import read_attribute
from imagesig.keys.pkcs11.codes import code_in
from imagesig.keys.pkcs11.encoding import CURVES, public_key_from, public_key_of_certificate
from imagesig.keys.pkcs11.errors import is_lost
from imagesig.keys.pkcs11.tokens import text_of
from imagesig.keys.pkcs11.uri import Pkcs11Uri

_RSA_BITS = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}


class TokenObject(Struct, frozen=True):
    handle: Any
    label: str
    id: bytes


def find_objects(session: Any, kind: str, wanted: Pkcs11Uri) -> list[TokenObject]:
    """The objects of one class with the wanted label and id. The search always runs to its end.

    A module that refuses to search by label or id is asked for all objects of the class, and one that refuses the
    class for all objects.
    """
    import pkcs11

    of_class: dict[Any, Any] = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass[kind]}
    named = {pkcs11.Attribute.LABEL: wanted.object, pkcs11.Attribute.ID: wanted.id}
    exact = of_class | {attribute: value for attribute, value in named.items() if value}
    try:
        return [_described(handle, wanted) for handle in list(session.get_objects(exact))]
    except Exception as error:
        if is_lost(error):
            raise
        refusal = error
    for template in (of_class, {}):
        with suppress(pkcs11.PKCS11Error):
            found = [_described(handle, Pkcs11Uri()) for handle in list(session.get_objects(template))]
            return [item for item in found if names(wanted, item) and (template or _is_of(item, of_class))]
    raise refusal


def _is_of(item: TokenObject, of_class: dict[Any, Any]) -> bool:
    return read_attribute(item.handle, "CLASS") in of_class.values()


def _described(handle: Any, known: Pkcs11Uri) -> TokenObject:
    """The object with its label and id; those of `known`, by which it was found, if the module does not show them."""
    label, identity = read_attribute(handle, "LABEL"), read_attribute(handle, "ID")
    return TokenObject(handle, label if isinstance(label, str) else known.object, bytes(identity or known.id))


def names(wanted: Pkcs11Uri, item: TokenObject) -> bool:
    """Whether label and id are the wanted ones, apart from padding."""
    label = text_of(wanted.object)
    return (not label or label == text_of(item.label)) and wanted.id in (b"", item.id)


def find_optional(session: Any, kind: str, wanted: Pkcs11Uri) -> list[TokenObject]:
    """What `find_objects` finds; nothing if the module refuses to search objects of this class."""
    try:
        return find_objects(session, kind, wanted)
    except Exception as error:
        if is_lost(error):
            raise
        return []


def read_public_key(item: TokenObject) -> PublicKey:
    """Raises as `public_key_from` does."""
    attributes = ("EC_PARAMS", "EC_POINT", "MODULUS", "PUBLIC_EXPONENT")
    return public_key_from({name: read_attribute(item.handle, name) for name in attributes})


def public_keys_shown(session: Any, wanted: Pkcs11Uri, unread: list[ImagesigError]) -> list[PublicKey]:
    """The distinct public keys of the public key objects that fit; if there are none, of the certificates.

    What cannot be read is left out, and its error added to `unread`.
    """
    shown = _readable(read_public_key, find_optional(session, "PUBLIC_KEY", wanted), unread)
    return shown or _readable(_certified_key, find_optional(session, "CERTIFICATE", wanted), unread)


def public_key_named(session: Any, wanted: Pkcs11Uri, by_login: Callable[[], PublicKey]) -> PublicKey:
    """The only public key that fits and is shown without a login, else the one that `by_login` finds.

    Raises:
        KeyUnusable: nobody can log in, and the public keys that fit are several or cannot be read.
    """
    unread: list[ImagesigError] = []
    shown = public_keys_shown(session, wanted, unread)
    if len(shown) == 1:
        return shown[0]
    try:
        return by_login()
    except SecretRequired as error:
        if shown:
            raise KeyUnusable(
                f"PKCS#11 key {wanted}: {len(shown)} public keys fit, exactly one is needed",
                hint=f"name one by its id, or let the private key decide: {error.hint}",
            ) from error
        if unread:
            raise KeyUnusable(f"PKCS#11 key {wanted}: {unread[0]}", hint=unread[0].hint or error.hint) from error
        raise


def _certified_key(item: TokenObject) -> PublicKey:
    return public_key_of_certificate(bytes(read_attribute(item.handle, "VALUE") or b""))


def _readable(
    read: Callable[[TokenObject], PublicKey], items: list[TokenObject], unread: list[ImagesigError]
) -> list[PublicKey]:
    found = []
    for item in items:
        try:
            found.append(read(item))
        except ImagesigError as error:
            unread.append(error)
    return list(dict.fromkeys(found))


def public_half(session: Any, item: TokenObject, given: PublicKey | None) -> PublicKey:
    """The public key of a private key object.

    It comes from the public key object or certificate with the same id (and label, if several have that id), else from
    the private key object, else it is `given`. The first signature proves it.

    Raises:
        KeyUnusable: there is none, or several fit.
    """
    unread: list[ImagesigError] = []
    uris = [Pkcs11Uri(id=item.id), Pkcs11Uri(id=item.id, object=item.label)] if item.id else []
    uris += [Pkcs11Uri(object=item.label)] if item.label and not item.id else []
    for uri in uris:
        shown = public_keys_shown(session, uri, unread)
        if len(shown) == 1:
            return shown[0]
    if own := _readable(read_public_key, [item], unread):
        return own[0]
    if given is not None:
        return given
    instead = f"{unread[0].hint}; if the token is wrong about that, " if unread[0].hint else ""
    raise KeyUnusable(
        f"PKCS#11 key {Pkcs11Uri(object=item.label, id=item.id)}: {unread[0]}",
        hint=f"{instead}give its public key: --expect FILE, or expect=",
    )


_REFUSES_TEMPLATE = (
    *("CKR_GENERAL_ERROR", "CKR_FUNCTION_FAILED", "CKR_TEMPLATE_INCONSISTENT", "CKR_ATTRIBUTE_TYPE_INVALID"),
    *("CKR_ATTRIBUTE_VALUE_INVALID", "CKR_ATTRIBUTE_READ_ONLY", "CKR_ARGUMENTS_BAD"),
)


def generate_pair(session: Any, key_type: KeyType, label: str, identity: bytes) -> None:
    """Makes a key pair that may only sign.

    A token that refuses our restrictions of the key (tpm2-pkcs11) gets none, and uses its defaults.
    """
    try:
        _generate(session, key_type, label, identity, forbidding=True)
    except Exception as error:
        if code_in(error) not in _REFUSES_TEMPLATE:
            raise
        _generate(session, key_type, label, identity, forbidding=False)


def _generate(session: Any, key_type: KeyType, label: str, identity: bytes, *, forbidding: bool) -> None:
    import pkcs11

    private: dict[Any, Any] = {
        pkcs11.Attribute.PRIVATE: True,
        pkcs11.Attribute.SENSITIVE: True,
        pkcs11.Attribute.EXTRACTABLE: False,
    }
    public: dict[Any, Any] = {}
    if not forbidding:
        from pkcs11.constants import DEFAULT

        private |= dict.fromkeys((pkcs11.Attribute.DECRYPT, pkcs11.Attribute.UNWRAP, pkcs11.Attribute.DERIVE), DEFAULT)
        public |= dict.fromkeys((pkcs11.Attribute.ENCRYPT, pkcs11.Attribute.WRAP), DEFAULT)
    options: dict[str, Any] = {
        "store": True,
        "label": label,
        "id": identity,
        "capabilities": pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
        "private_template": private,
        "public_template": public,
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
