"""One requirement of a `policy.json`. Spec: containers-policy.json(5), "Policy Requirements"."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError
from imagesig.policy.authority import Authority, KeyReference
from imagesig.policy.files.document import Node
from imagesig.policy.files.parse_authority import joined
from imagesig.policy.identity import KINDS, Identity, MatchRepoDigestOrExact, SignedIdentity
from imagesig.policy.requirement import AcceptAnything, Reject, Requirement, Unsupported
from imagesig.policy.signed import Signed
from imagesig.text import quote
from imagesig.trust import TrustedKey

_KEY_TYPES = ("GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs")
_KEYS = ("keyPath", "keyPaths", "keyData", "keyDatas")
_REKOR_KEYS = ("rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas")

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "insecureAcceptAnything": (),
    "reject": (),
    "signedBy": ("keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"),
    "signedBaseLayer": ("baseLayerIdentity",),
    "sigstoreSigned": (*_KEYS, "fulcio", "pki", *_REKOR_KEYS, "signedIdentity"),
}
_JSON_NAMES = {
    "reference": "dockerReference",
    "repository": "dockerRepository",
    "prefix": "prefix",
    "signed_prefix": "signedPrefix",
}
_IDENTITY_FIELDS = {
    name: tuple(_JSON_NAMES[field] for field in kind.__struct_fields__)
    for name, kind in KINDS.items()
    if issubclass(kind, SignedIdentity)
}


def parse_requirement(node: Node, formats: tuple[str, ...], folder: str) -> Requirement:
    """The requirement of an object; `Unsupported` if imagesig cannot judge it. Raises as `parse_containers_policy`."""
    kind, fields = _typed(node, _FIELDS)
    if kind == "insecureAcceptAnything":
        return AcceptAnything()
    if kind == "reject":
        return Reject(f"the policy rejects it ({node.file}:{node.line})")
    if kind == "signedBy":
        return _signed_by(node, fields)
    if kind == "signedBaseLayer":
        if "baseLayerIdentity" not in fields:
            raise node.refused("the field 'baseLayerIdentity' is missing")
        parse_identity(fields["baseLayerIdentity"])
        return _unsupported(node, "signedBaseLayer")
    return _sigstore_signed(node, fields, formats, folder)


def parse_identity(node: Node) -> Identity:
    """The `signedIdentity` of an object. Raises as `parse_containers_policy`."""
    kind, fields = _typed(node, _IDENTITY_FIELDS)
    for name in _IDENTITY_FIELDS[kind]:
        if name not in fields:
            raise node.refused(f"the field {name!r} is missing")
    needed = [fields[name] for name in _IDENTITY_FIELDS[kind]]
    where = needed[0] if len(needed) == 1 else node
    return where.made(lambda: KINDS[kind].of_texts(*(item.text() for item in needed)))


def _typed(node: Node, kinds: Mapping[str, tuple[str, ...]]) -> tuple[str, dict[str, Node]]:
    members = node.members()
    if "type" not in members:
        raise node.refused("the field 'type' is missing", hint=f"it is one of {', '.join(kinds)}")
    kind = members["type"].choice(tuple(kinds))
    return kind, node.table(("type", *kinds[kind]))


def _unsupported(node: Node, what: str) -> Unsupported:
    return Unsupported(f"it asks for {what}, which imagesig cannot judge ({node.file}:{node.line})")


def _signed_by(node: Node, fields: Mapping[str, Node]) -> Requirement:
    if "keyType" not in fields:
        raise node.refused("the field 'keyType' is missing")
    fields["keyType"].choice(_KEY_TYPES)
    _exactly_one(node, fields, ("keyPath", "keyPaths", "keyData"))
    _identity(fields)
    return _unsupported(node, f"signedBy {fields['keyType'].value} (OpenPGP simple signing)")


def _sigstore_signed(node: Node, fields: Mapping[str, Node], formats: tuple[str, ...], folder: str) -> Requirement:
    source = _exactly_one(node, fields, (*_KEYS, "fulcio", "pki"))
    rekor = _present(fields, _REKOR_KEYS)
    if len(rekor) > 1:
        raise fields[rekor[1]].refused(f"cannot be combined with {rekor[0]!r}")
    identity = _identity(fields)
    if source == "fulcio":
        _check_fulcio(fields["fulcio"])
        if not rekor:
            raise node.refused("'fulcio' also needs a key of Rekor")
        return _unsupported(node, "certificates of Fulcio")
    if source == "pki":
        _check_pki(fields["pki"])
        if rekor:
            raise fields[rekor[0]].refused("cannot be combined with 'pki'")
        return _unsupported(node, "certificates (pki)")
    if rekor:
        return _unsupported(node, "entries of the transparency log Rekor")
    try:
        keys = _authorities(fields[source], source, folder)
    except ImagesigError as error:
        return Unsupported(f"{node.file}:{node.line}: {source}: {error}")
    return Signed(keys, 1, identity=identity, formats=formats)


def _identity(fields: Mapping[str, Node]) -> Identity:
    if "signedIdentity" in fields:
        return parse_identity(fields["signedIdentity"])
    return MatchRepoDigestOrExact()


def _exactly_one(node: Node, fields: Mapping[str, Node], names: tuple[str, ...]) -> str:
    present = _present(fields, names)
    if len(present) > 1:
        raise fields[present[1]].refused(f"cannot be combined with {present[0]!r}")
    if not present:
        raise node.refused(f"one of {', '.join(names)} is needed")
    return present[0]


def _present(fields: Mapping[str, Node], names: tuple[str, ...]) -> list[str]:
    """The names that are there, each with a valid value. An empty path is absent, empty data is not."""
    return [name for name in names if name in fields and _is_given(fields[name], name)]


def _is_given(node: Node, name: str) -> bool:
    if name.endswith("Paths"):
        return bool([item.text() for item in node.items()])
    if name.endswith("Datas"):
        return bool([_decoded(item) for item in node.items()])
    if name.endswith("Data"):
        _decoded(node)
        return True
    if name.endswith("Path"):
        return bool(_string(node))
    return True  # fulcio, pki: checked when they are read


def _string(node: Node) -> str:
    return "" if node.value == "" else node.text()


def _decoded(node: Node) -> bytes:
    try:
        return base64.b64decode(_string(node).replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise node.refused(
            f"{quote(node.value)}, base64 is needed", hint="encode the whole PEM file in base64"
        ) from None


def _authorities(node: Node, source: str, folder: str) -> tuple[Authority, ...]:
    if source == "keyPath":
        return (KeyReference(joined(folder, node.name()), node.text()),)
    if source == "keyPaths":
        return tuple(KeyReference(joined(folder, item.name()), item.text()) for item in node.items())
    datas = (node,) if source == "keyData" else node.items()
    # containers/image loads such a file even if a key is nonsense, and fails when it judges an image.
    keys = [PublicKey.from_pem(_decoded(item)) for item in datas]
    return tuple(TrustedKey(key.fingerprint, (key,)) for key in keys)


def _check_fulcio(node: Node) -> None:
    fields = node.table(("caPath", "caData", "oidcIssuer", "subjectEmail"), needed=("oidcIssuer", "subjectEmail"))
    _exactly_one(node, fields, ("caPath", "caData"))
    for name in ("oidcIssuer", "subjectEmail"):
        fields[name].text()


def _check_pki(node: Node) -> None:
    roots, intermediates = ("caRootsPath", "caRootsData"), ("caIntermediatesPath", "caIntermediatesData")
    names = ("subjectEmail", "subjectHostname")
    fields = node.table((*roots, *intermediates, *names))
    _exactly_one(node, fields, roots)
    if len(_present(fields, intermediates)) > 1:
        raise fields[intermediates[1]].refused(f"cannot be combined with {intermediates[0]!r}")
    given = [_string(fields[name]) for name in names if name in fields]
    if not any(given):
        raise node.refused("subjectEmail or subjectHostname is needed")
