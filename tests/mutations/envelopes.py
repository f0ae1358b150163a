"""What was signed, opened and closed again: by the signer, who says what was changed, or with the old signature."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import cbor2
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.mutations.encodings import (
    change_base64,
    change_bytes,
    change_certificate,
    change_pem,
    change_raw_signature,
    change_signature,
)
from tests.mutations.json_changes import change_json
from tests.mutations.material import Base, Material, roles
from tests.mutations.stores import Fix, Place, Store
from tests.mutations.trees import dump, get, load

SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
CHAIN = "dev.sigstore.cosign/chain"
IN_TOTO = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class Changed:
    """What was done: the kind of the change, and the field."""

    kind: str
    field: str


def change_envelope(random: Random, made: Material, base: Base, store: Store, fix: Fix) -> Changed:
    """One change of a payload, protected header, signature or certificate."""
    places = roles(base)
    form = base.form
    if form == "both":
        form = random.choice(("cosign", "bundle"))
    if base.home == "dir":
        return _signature_file(random, made, base, store)
    if form in ("cosign", "cosign-x509"):
        return _classic(random, made, base, store, places, fix)
    place = places["envelope"]
    other = base.other.read(
        roles(Base(base.home, base.form, base.shape, base.other, base.other, base.evil))["envelope"]
    )
    change = {
        "attestation": _attestation,
        "attestation-bundle": _bundle,
        "bundle": _bundle,
        "bundle-x509": _bundle,
        "notation-jws": _jws,
        "notation-cose": _cose,
    }[form]
    content, changed = change(random, made, store.read(place), other)
    store.put(place, content, fix)
    return changed


def _classic(random: Random, made: Material, base: Base, store: Store, places: dict[str, Place], fix: Fix) -> Changed:
    what = random.choice(
        ["payload", "payload", "signature", *(["certificate", "chain"] if "x509" in base.form else [])]
    )
    twin_places = roles(base.twin)
    place = places["classic-manifest"]
    tree = load(store.read(place))
    at = "/layers[]/annotations/"
    if what == "payload":
        payload, kind, field = change_json(
            random, store.read(places["payload"]), base.other.read(twin_places["payload"])
        )
        store.put(places["payload"], payload, fix)
        place = next(item for name, item in _again(base, store).items() if name == "classic-manifest")
        if random.random() < 0.7:
            tree = load(store.read(place))
            site = get(tree, at + SIGNATURE)
            site.holder[1] = base64.b64encode(made.sign_der(payload)).decode()
            store.put(place, dump(tree), fix)
            return Changed(kind, f"signed-payload{field}")
        return Changed(kind, f"payload{field}")
    if what == "signature":
        site = get(tree, at + SIGNATURE)
        site.holder[1], kind = _base64_signature(random, str(site.value))
    elif what == "certificate":
        site = get(tree, at + CERTIFICATE)
        site.holder[1], kind = _pem_certificate(random, made, str(site.value))
    else:
        site = get(tree, at + CHAIN)
        site.holder[1], kind = change_pem(random, str(site.value), made.stranger_pem)
    store.put(place, dump(tree), fix)
    return Changed(kind, what)


def _again(base: Base, store: Store) -> dict[str, Place]:
    """Roles after a document changed; where it is no document of ours any more, the old ones."""
    try:
        found = roles(Base(base.home, base.form, base.shape, store, base.other, base.evil))
    except (ValueError, KeyError):
        found = {}
    if "classic-manifest" in found:
        return found
    # The payload names another image now: the manifest is the one that holds a signature.
    digest = next(item for item in store.types if SIGNATURE.encode() in store.blobs[item])
    for item in store.types:
        if any(tag.endswith(".sig") and at == item for tag, at in store.tags.items()):
            top = roles(base).get("index", roles(base)["manifest"]).key
            if store.tags.get(f"sha256-{top[7:]}.sig") == item:
                digest = item
    return {"classic-manifest": Place("blob", digest)}


def _signature_file(random: Random, made: Material, base: Base, store: Store) -> Changed:
    """The same in the file of a `dir:` directory."""
    head, _, body = store.files["signature-1"].partition(b"\n")
    tree = load(body)
    payload, signature = get(tree, "/payload"), get(tree, f"/annotations/{SIGNATURE}")
    if random.random() < 0.3:
        signature.holder[1], kind = _base64_signature(random, str(signature.value))
        field = "signature"
    else:
        other = load(base.other.files["signature-1"].partition(b"\n")[2])
        twin = base64.b64decode(str(get(other, "/payload").value))
        content, kind, path = change_json(random, base64.b64decode(str(payload.value)), twin)
        payload.holder[1] = base64.b64encode(content).decode()
        field = f"payload{path}"
        if random.random() < 0.7:
            signature.holder[1] = base64.b64encode(made.sign_der(content)).decode()
            field = f"signed-payload{path}"
    store.files["signature-1"] = head + b"\n" + dump(tree)
    return Changed(kind, field)


def _attestation(random: Random, made: Material, content: bytes, other: bytes) -> tuple[bytes, Changed]:
    return _bundle(random, made, content, other, at="")


def _bundle(
    random: Random, made: Material, content: bytes, other: bytes, at: str = "/dsseEnvelope"
) -> tuple[bytes, Changed]:
    tree, twin = load(content), load(other)
    payload, signature = get(tree, f"{at}/payload"), get(tree, f"{at}/signatures[]/sig")
    certified = b'"certificate"' in content
    what = random.choice(
        ["payload", "payload", "payload-type", "signature", *(["certificate"] * 2 if certified else [])]
    )
    if what == "payload":
        statement = base64.b64decode(str(payload.value))
        changed, kind, path = change_json(random, statement, base64.b64decode(str(get(twin, f"{at}/payload").value)))
        payload.holder[1] = base64.b64encode(changed).decode()
        field = f"payload{path}"
        if random.random() < 0.7:
            signature.holder[1] = base64.b64encode(made.sign_der(_pae(IN_TOTO, changed))).decode()
            field = f"signed-payload{path}"
        return dump(tree), Changed(kind, field)
    if what == "payload-type":
        kind = random.choice(["application/json", "", IN_TOTO.upper(), IN_TOTO + " ", "application/vnd.in-toto+jsonx"])
        get(tree, f"{at}/payloadType").holder[1] = kind
        signature.holder[1] = base64.b64encode(made.sign_der(_pae(kind, base64.b64decode(str(payload.value))))).decode()
        return dump(tree), Changed("signed-type", f"payloadType:{kind}")
    if what == "signature":
        signature.holder[1], kind = _base64_signature(random, str(signature.value))
        return dump(tree), Changed(kind, "signature")
    site = get(tree, "/verificationMaterial/certificate/rawBytes")
    site.holder[1], kind = _base64_certificate(random, made, str(site.value))
    return dump(tree), Changed(kind, "certificate")


def _jws(random: Random, made: Material, content: bytes, other: bytes) -> tuple[bytes, Changed]:
    tree, twin = load(content), load(other)
    what = random.choice(["payload", "payload", "protected", "protected", "signature", "x5c"])
    signature = get(tree, "/signature")
    if what in ("payload", "protected"):
        site = get(tree, f"/{what}")
        changed, kind, path = change_json(random, _unurl(str(site.value)), _unurl(str(get(twin, f"/{what}").value)))
        site.holder[1] = _url(changed)
        field = f"{what}{path}"
        if random.random() < 0.75:
            message = f"{get(tree, '/protected').value}.{get(tree, '/payload').value}".encode()
            signature.holder[1] = _url(_raw(made.sign_der(message)))
            field = f"signed-{field}"
        return dump(tree), Changed(kind, field)
    if what == "signature":
        if random.random() < 0.5:
            signature.holder[1], kind = change_base64(random, str(signature.value))
        else:
            raw, kind = change_raw_signature(random, _unurl(str(signature.value)))
            signature.holder[1] = _url(raw)
        return dump(tree), Changed(kind, "signature")
    chain = get(tree, "/header/x5c").value
    assert isinstance(chain, list)
    chain[:], kind = _changed_chain(random, made, [base64.b64decode(item) for item in chain], as_text=True)
    return dump(tree), Changed(kind, "x5c")


def _cose(random: Random, made: Material, content: bytes, other: bytes) -> tuple[bytes, Changed]:
    protected, unprotected, payload, signature = cbor2.loads(content).value
    twin = cbor2.loads(other).value
    what = random.choice(["payload", "payload", "protected", "protected", "signature", "x5c", "frame", "bytes"])
    if what == "bytes":
        made_bytes, kind = change_bytes(random, content)
        return made_bytes, Changed(kind, "envelope")
    kind = field = what
    if what == "frame":
        return _cose_frame(random, protected, unprotected, payload, signature)
    if what == "signature":
        signature, kind = change_raw_signature(random, signature)
    elif what == "x5c":
        unprotected = dict(unprotected)
        chain = unprotected[33]
        unprotected[33], kind = _changed_chain(random, made, list(chain), as_text=False)
    else:
        if what == "payload":
            payload, kind, path = change_json(random, payload, twin[2])
            field = f"payload{path}"
        else:
            protected, kind, field = _protected(random, protected)
        if random.random() < 0.75:
            message = cbor2.dumps(["Signature1", protected, b"", payload])
            signature = _raw(made.sign_der(message))
            field = f"signed-{field}"
    return cbor2.dumps(cbor2.CBORTag(18, [protected, unprotected, payload, signature])), Changed(kind, field)


_LABELS = (1, 2, 3, "io.cncf.notary.signingScheme", "io.cncf.notary.signingTime")


def _protected(random: Random, protected: bytes) -> tuple[bytes, str, str]:
    """A protected header with one label deleted, added, renamed, of another type or value, or otherwise encoded."""
    header = cbor2.loads(protected)
    label = random.choice([item for item in _LABELS if item in header])
    field = f"protected/{label}"
    choices: list[object] = [None, 0, -7, -35, "", "x", [], b"", 1.5, True, -2, ["x"], "notary.x509.signingAuthority"]
    way = random.choice(["delete", "value", "value", "rename", "extra", "twice", "reorder", "crit", "not-shortest"])
    if way == "delete":
        del header[label]
    elif way == "value":
        value = random.choice([item for item in choices if item != header[label]])
        header[label] = value
        field += f"={value!r}"
    elif way == "rename":
        header[str(label).upper() if isinstance(label, str) else str(label)] = header.pop(label)
    elif way == "extra":
        added = random.choice(
            ["x", 4, 33, 15, -65537, "io.cncf.notary.expiry", "io.cncf.notary.authenticSigningTime", 5]
        )
        header[added] = random.choice([1, "x", b"x", cbor2.CBORTag(1, 1)])
        field = f"protected/{added}"
    elif way == "crit":
        header[2] = random.choice([[1], [*header[2], 3], [*header[2], *header[2]], [*header[2], "x"], header[2][0]])
        field = f"protected/2={header[2]!r}"
    elif way == "reorder":
        header = dict(reversed(header.items()))
    elif way == "twice":
        count = protected[0] & 31
        item = cbor2.dumps(label) + cbor2.dumps(header[label])
        return bytes([0xA0 | count + 1]) + protected[1:] + item, "cbor:twice", field
    else:
        return b"\xb8" + bytes([protected[0] & 31]) + protected[1:], "cbor:not-shortest", "protected"
    return cbor2.dumps(header), f"cbor:{way}", field


def _cose_frame(
    random: Random, protected: bytes, unprotected: Mapping[object, object], payload: bytes, signature: bytes
) -> tuple[bytes, Changed]:
    parts: list[object] = [protected, unprotected, payload, signature]
    whole = cbor2.dumps(cbor2.CBORTag(18, parts))
    ways: dict[str, bytes] = {
        "untagged": cbor2.dumps(parts),
        "other-tag": cbor2.dumps(cbor2.CBORTag(98, parts)),
        "tag-twice": cbor2.dumps(cbor2.CBORTag(18, cbor2.CBORTag(18, parts))),
        "self-described": cbor2.dumps(cbor2.CBORTag(55799, cbor2.CBORTag(18, parts))),
        "five-parts": cbor2.dumps(cbor2.CBORTag(18, [*parts, b""])),
        "three-parts": cbor2.dumps(cbor2.CBORTag(18, parts[:3])),
        "payload-null": cbor2.dumps(cbor2.CBORTag(18, [protected, unprotected, None, signature])),
        "indefinite": b"\xd2\x9f" + whole[2:] + b"\xff",
        "trailing": whole + b"\0",
        "not-shortest": b"\xd2\x98\x04" + whole[2:],
        "extra-header": cbor2.dumps(cbor2.CBORTag(18, [protected, {**unprotected, "x": 1}, payload, signature])),
        "algorithm-unprotected": cbor2.dumps(
            cbor2.CBORTag(18, [protected, {**unprotected, 1: -7}, payload, signature])
        ),
        "agent": cbor2.dumps(
            cbor2.CBORTag(18, [protected, {**unprotected, "io.cncf.notary.signingAgent": "x"}, payload, signature])
        ),
        "timestamp": cbor2.dumps(
            cbor2.CBORTag(
                18, [protected, {**unprotected, "io.cncf.notary.timestampSignature": b"x"}, payload, signature]
            )
        ),
        "empty-protected": cbor2.dumps(cbor2.CBORTag(18, [b"", unprotected, payload, signature])),
    }
    name = random.choice(sorted(ways))
    return ways[name], Changed(f"cose:{name}", "envelope")


def _changed_chain(random: Random, made: Material, chain: list[bytes], *, as_text: bool) -> tuple[list[object], str]:
    """Certificates in another order, more or fewer of them, others, or broken ones."""
    stranger = [item.der for item in made.stranger.chain]
    way = random.choice(["order", "other", "other", "other", "text"] if as_text else ["order", "other", "other"])
    if way == "order":
        ways: dict[str, list[bytes]] = {
            "reversed": chain[::-1],
            "first-removed": chain[1:],
            "middle-removed": [chain[0], *chain[2:]],
            "last-removed": chain[:-1],
            "signer-alone": chain[:1],
            "twice": chain * 2,
            "root-twice": [*chain, chain[-1]],
            "other-added": [*chain, *stranger],
            "other-first": [*stranger, *chain],
            "other": stranger,
            "none": [],
            "roots-swapped": [*chain[:-1], stranger[-1]],
            "last-two-swapped": [chain[0], *chain[:0:-1]],
        }
        name = random.choice(sorted(ways))
        kind, found = f"chain:{name}", ways[name]
    else:
        at = random.choice((0, 0, 1, 2))
        changed, kind = change_certificate(random, chain[at], made.odd_certificates if at == 0 else {})
        found = [*chain[:at], changed, *chain[at + 1 :]]
        if at == 0 and kind == "certificate:issued-by-the-root":
            found = [changed, chain[-1]]
        kind = kind if at == 0 else f"{kind}:of-authority"
    if not as_text:
        return list(found), kind
    texts: list[object] = [base64.b64encode(item).decode() for item in found]
    if way == "text":
        texts = [base64.b64encode(item).decode() for item in chain]
        texts[0], kind = change_base64(random, str(texts[0]))
    return texts, kind


def _base64_signature(random: Random, text: str) -> tuple[str, str]:
    if random.random() < 0.5:
        return change_base64(random, text)
    der, kind = change_signature(random, base64.b64decode(text))
    return base64.b64encode(der).decode(), kind


def _base64_certificate(random: Random, made: Material, text: str) -> tuple[str, str]:
    if random.random() < 0.3:
        return change_base64(random, text)
    der, kind = change_certificate(random, base64.b64decode(text), dict(made.odd_certificates))
    return base64.b64encode(der).decode(), kind


def _pem_certificate(random: Random, made: Material, text: str) -> tuple[str, str]:
    if random.random() < 0.4:
        return change_pem(random, text, made.stranger_pem)
    lines = "".join(line for line in text.splitlines() if not line.startswith("-----"))
    der, kind = change_certificate(random, base64.b64decode(lines), dict(made.odd_certificates))
    body = base64.b64encode(der).decode()
    rows = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN CERTIFICATE-----\n{rows}\n-----END CERTIFICATE-----\n", kind


def _pae(kind: str, payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def _raw(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unurl(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
