"""One change of a valid signed image: the same one for the same seed and number."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.mutations.envelopes import change_envelope
from tests.mutations.json_changes import change_json
from tests.mutations.material import TAG, Base, Material, roles
from tests.mutations.stores import INDEX, REF_NAME, Fix, Place, Store, digest_of
from tests.mutations.tars import ChangeTar, tar_change

_ARCHIVES = ("oci-archive", "docker-archive")


@dataclass(frozen=True)
class Mutation:
    """`field` is where the change is (document and path), `fix` what was made fit, `tar` a change of the archive."""

    seed: int
    number: int
    base: Base
    store: Store
    kind: str
    field: str
    fix: Fix
    tar: ChangeTar | None = None

    def __str__(self) -> str:
        return f"{self.number}: {self.base.name}: {self.kind} at {self.field} ({self.fix.value} made fit)"


def mutation(made: Material, seed: int, number: int) -> Mutation:
    random = Random(f"{seed}/{number}")
    base = made.bases[number % len(made.bases)]
    store = base.store.copy()
    fix = random.choice((Fix.NOTHING, Fix.PARENTS, Fix.PARENTS, Fix.EVERYTHING))
    ways = ["document"] * 5 + ["envelope"] * 4 + ["storage"] * 3 + (["tar"] * 5 if base.home in _ARCHIVES else [])
    way = random.choice(ways)
    if way == "tar":
        change = tar_change(random, base)
        field = _role_of(base, change.member)
        return Mutation(seed, number, base, store, f"tar:{change.kind}", field, Fix.NOTHING, change)
    if way == "envelope":
        changed = change_envelope(random, made, base, store, fix)
        return Mutation(seed, number, base, store, changed.kind, changed.field, fix)
    if way == "storage":
        kind, field = _change_storage(random, base, store)
        return Mutation(seed, number, base, store, f"storage:{kind}", field, Fix.NOTHING)
    kind, field = _change_document(random, base, store, fix)
    return Mutation(seed, number, base, store, kind, field, fix)


def _role_of(base: Base, member: str) -> str:
    """What the member of an archive is: `config`, `manifest`, or its name where it is nothing of the image itself."""
    digest = "sha256:" + member.rpartition("/")[2]
    return next((role for role, place in sorted(roles(base).items()) if place.key == digest), member)


def _change_document(random: Random, base: Base, store: Store, fix: Fix) -> tuple[str, str]:
    places = roles(base)
    role = random.choice(sorted(places))
    twin = _twin_places(base).get(role)
    other = base.other.read(twin) if twin else None
    before = store.read(places[role])
    if role == "signature-1":
        head, _, body = before.partition(b"\n")
        twin_body = other.partition(b"\n")[2] if other else None
        content, kind, path = change_json(random, body, twin_body)
        content = head + b"\n" + content
    else:
        content, kind, path = change_json(random, before, other)
    store.put(places[role], content, fix)
    return kind, role + path


def _twin_places(base: Base) -> dict[str, Place]:
    return roles(base.twin)


# --- storage ------------------------------------------------------------------------------------------------------

_Storage = Callable[[Random, Base, Store], str | None]
"""Changes the store and says where, or gives None where it has nothing to change."""


def _change_storage(random: Random, base: Base, store: Store) -> tuple[str, str]:
    ways = [name for name, homes in _HOMES_OF.items() if base.home in homes]
    while True:
        name = random.choice(ways)
        field = _STORAGE[name](random, base, store)
        if field is not None and store != base.store:
            return name, field


def _add_all(store: Store, other: Store) -> None:
    store.blobs = {**other.blobs, **store.blobs}
    store.types = {**other.types, **store.types}


def _tag_moved(random: Random, base: Base, store: Store) -> str:
    """The tag names another image: a signed one, an unsigned one, a manifest of a signature, a child."""
    which = random.choice(("other", "evil", "signature", "child"))
    source = {"other": base.other, "evil": base.evil}.get(which)
    if source:
        _add_all(store, source)
        store.tags[TAG] = source.tags[TAG]
        return which
    places = roles(base)
    names = ("classic-manifest", "referrer") if which == "signature" else ("manifest",)
    digest = (
        next(places[name].key for name in names if name in places) if which == "signature" else places["manifest"].key
    )
    store.tags[TAG] = digest
    return which


def _signature_of_another(random: Random, base: Base, store: Store) -> str | None:
    """The image's signature tag or listing leads to the signatures of another image."""
    _add_all(store, base.other)
    top, other = base.store.tags[TAG], base.other.tags[TAG]
    names = [suffix for suffix in (".sig", ".att", "") if f"sha256-{top[7:]}{suffix}" in store.tags]
    if store.listings and (not names or random.random() < 0.5):
        store.listings[top] = base.other.listings[other]
        return "listing"
    if not names:
        return None
    store.tags[f"sha256-{top[7:]}{names[0]}"] = base.other.tags[f"sha256-{other[7:]}{names[0]}"]
    return "tag"


def _signatures_for_evil(_: Random, base: Base, store: Store) -> str:
    """The tag names an unsigned image, and the signatures of the signed one hang on it."""
    _add_all(store, base.evil)
    top, evil = base.store.tags[TAG], base.evil.tags[TAG]
    store.tags[TAG] = evil
    for name, digest in list(store.tags.items()):
        if name.startswith(f"sha256-{top[7:]}"):
            store.tags[name.replace(top[7:], evil[7:])] = digest
    if top in store.listings:
        store.listings[evil] = store.listings[top]
    return "tag"


def _tag_lies(random: Random, base: Base, store: Store) -> str:
    """The registry gives another manifest for the image's digest."""
    _add_all(store, base.evil)
    top = base.store.tags[TAG]
    source = random.choice((base.evil, base.other))
    _add_all(store, source)
    store.blobs[top] = source.blobs[source.tags[TAG]]
    return "evil" if source is base.evil else "other"


def _no_signature(_: Random, base: Base, store: Store) -> str:
    top = base.store.tags[TAG]
    store.tags = {name: digest for name, digest in store.tags.items() if not name.startswith(f"sha256-{top[7:]}")}
    store.listings.pop(top, None)
    return "tag"


def _blob_missing(random: Random, base: Base, store: Store) -> str:
    role, place = _a_blob(random, base)
    store.blobs.pop(place.key, None)
    return role


def _blob_swapped(random: Random, base: Base, store: Store) -> str:
    """Bytes of another image's same blob, or of any other, under the digest."""
    role, place = _a_blob(random, base)
    twin = _twin_places(base).get(role)
    choices = [base.other.read(twin)] if twin else []
    choices += [store.blobs[digest] for digest in sorted(store.blobs) if digest != place.key]
    store.blobs[place.key] = random.choice(choices)
    return role


def _blob_cut(random: Random, base: Base, store: Store) -> str:
    role, place = _a_blob(random, base)
    content = store.blobs[place.key]
    store.blobs[place.key] = random.choice((content[:-1], content + b"\n", content + b" ", b""))
    return role


def _a_blob(random: Random, base: Base) -> tuple[str, Place]:
    found = {role: place for role, place in roles(base).items() if place.kind == "blob"}
    role = random.choice(sorted(found))
    return role, found[role]


def _content_type(random: Random, base: Base, store: Store) -> str:
    found = {role: place for role, place in roles(base).items() if place.key in store.types}
    role = random.choice(sorted(found))
    kinds = (
        "application/json",
        "",
        INDEX,
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
        "Application/Vnd.Oci.Image.Manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+json",
        "text/html",
        "x",
    )
    kind = random.choice(kinds)
    store.types[found[role].key] = kind
    return f"{role}={kind}"


def _digest_header(random: Random, base: Base, store: Store) -> str:
    found = {role: place for role, place in roles(base).items() if place.key in store.types}
    role = random.choice(sorted(found))
    values = {
        "missing": "",
        "other": digest_of(b"x"),
        "evil": base.evil.tags[TAG],
        "broken": "sha256:0",
        "sha512": "sha512:" + "0" * 128,
    }
    kind = random.choice(sorted(values))
    store.headers[found[role].key] = {"docker-content-digest": values[kind]}
    return f"{role}={kind}"


def _listing_entry(random: Random, base: Base, store: Store) -> str | None:
    """More entries in the listing: of nothing, of the other image's signature, of the same once more."""
    top = base.store.tags[TAG]
    fallback = store.tags.get(f"sha256-{top[7:]}")
    if top not in store.listings and not fallback:
        return None
    document = json.loads(store.listings[top] if top in store.listings else store.blobs[fallback])  # type: ignore[index]
    if not document["manifests"]:
        return None
    mine = document["manifests"][0]
    _add_all(store, base.other)
    theirs = [
        digest
        for digest, content in base.other.blobs.items()
        if b'"subject":' in content and digest in base.other.types
    ]
    entries = {
        "missing": {**mine, "digest": digest_of(b"gone")},
        "other-image": {**mine, "digest": theirs[0], "size": len(base.other.blobs[theirs[0]])},
        "same": mine,
        "the-image": {**mine, "digest": top, "size": len(base.store.blobs[top])},
        "other-size": {**mine, "size": mine["size"] + 1},
        "other-kind": {**mine, "artifactType": "application/spdx+json", "digest": digest_of(b"gone")},
        "none": None,
    }
    kind = random.choice(sorted(entries))
    added = entries[kind]
    kept = document["manifests"]
    document["manifests"] = ([*kept, added] if random.random() < 0.5 else [added, *kept]) if added else []
    content = json.dumps(document, separators=(",", ":")).encode()
    if top in store.listings:
        store.listings[top] = content
    else:
        store.blobs[digest_of(content)] = content
        store.types[digest_of(content)] = INDEX
        store.tags[f"sha256-{top[7:]}"] = digest_of(content)
    return kind


def _layout_entry(random: Random, base: Base, store: Store) -> str:
    """An entry more in a layout's index: under the image's tag, of another type, or without what an entry needs."""
    index = json.loads(store.files["index.json"])
    other = json.loads(base.evil.files["index.json"])["manifests"][0]
    _add_all(store, base.evil)
    mine = index["manifests"][0]
    added = {
        "same-tag": other,
        "untagged": {**other, "annotations": {}},
        "same-digest-other-tag": {**mine, "annotations": {REF_NAME: "2.0"}},
        "same": mine,
        "other-type": {**other, "mediaType": INDEX},
        "with-subject": {**other, "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"},
        "no-media-type": {**other, "mediaType": ""},
        "kind-image": {**other, "annotations": {"kind": "dev.cosignproject.cosign/image"}},
        "kind-sigs": {**other, "annotations": {**other["annotations"], "kind": "dev.cosignproject.cosign/sigs"}},
        "platform": {**other, "platform": {"os": "linux", "architecture": "amd64"}},
        "tag-of-signature": {
            **other,
            "annotations": {"org.opencontainers.image.ref.name": f"sha256-{mine['digest'][7:]}.sig"},
        },
    }
    kind = random.choice(sorted(added))
    first = random.random() < 0.5
    index["manifests"].insert(0 if first else len(index["manifests"]), added[kind])
    store.files["index.json"] = json.dumps(index, separators=(",", ":")).encode()
    return f"{kind}:{'first' if first else 'last'}"


def _layout_entry_changed(random: Random, base: Base, store: Store) -> str:
    """The image's entry names the other image, or one that nobody signed; its signatures stay."""
    which = random.choice(("other", "evil"))
    source = base.other if which == "other" else base.evil
    index, theirs = json.loads(store.files["index.json"]), json.loads(source.files["index.json"])["manifests"]
    mine = index["manifests"]
    _add_all(store, source)
    if random.random() < 0.5:
        mine[0] = theirs[0]
    elif len(mine) > 1 and len(theirs) > 1:
        mine[1:] = theirs[1:]
        which += ":signatures"
    else:
        mine[0] = {**mine[0], "digest": theirs[0]["digest"]}
        which += ":digest"
    store.files["index.json"] = json.dumps(index, separators=(",", ":")).encode()
    return which


def _file_missing(random: Random, _: Base, store: Store) -> str:
    name = random.choice(sorted(store.files))
    del store.files[name]
    return name


def _file_more(random: Random, base: Base, store: Store) -> str:
    """Another file beside them: the other image's, under the next number, or one of another kind."""
    added = {
        "signature-2": base.other.files.get("signature-1", b""),
        "signature-3": store.files.get("signature-1", b""),
        "signature-0": b"junk",
        "version": b"Directory Transport Version: 2.0\n",
        "signature-1": base.other.files.get("signature-1", b""),
        "manifest.json": base.other.files.get("manifest.json", b""),
        "x.manifest.json": b"{}",
    }
    name = random.choice(sorted(added))
    store.files[name] = added[name]
    return name


_LOCAL = ("layout", "oci-archive", "docker-archive")
_REMOTE = ("registry", "fallback")
_STORAGE: dict[str, _Storage] = {
    "tag-moved": _tag_moved,
    "signature-of-another": _signature_of_another,
    "signatures-for-evil": _signatures_for_evil,
    "digest-lies": _tag_lies,
    "no-signature": _no_signature,
    "blob-missing": _blob_missing,
    "blob-swapped": _blob_swapped,
    "blob-cut": _blob_cut,
    "content-type": _content_type,
    "digest-header": _digest_header,
    "listing-entry": _listing_entry,
    "layout-entry": _layout_entry,
    "layout-entry-changed": _layout_entry_changed,
    "file-missing": _file_missing,
    "file-more": _file_more,
}
_HOMES_OF: dict[str, tuple[str, ...]] = {
    "tag-moved": _REMOTE,
    "signature-of-another": _REMOTE,
    "signatures-for-evil": _REMOTE,
    "digest-lies": _REMOTE,
    "no-signature": _REMOTE,
    "blob-missing": (*_LOCAL, *_REMOTE, "dir"),
    "blob-swapped": (*_LOCAL, *_REMOTE, "dir"),
    "blob-cut": (*_LOCAL, *_REMOTE, "dir"),
    "content-type": _REMOTE,
    "digest-header": _REMOTE,
    "listing-entry": _REMOTE,
    "layout-entry": _LOCAL,
    "layout-entry-changed": _LOCAL,
    "file-missing": (*_LOCAL, "dir"),
    "file-more": ("dir",),
}
