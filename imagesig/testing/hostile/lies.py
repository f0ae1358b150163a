"""Lies about digests, sizes, types and pages, floods of foreign referrers, and answers that change between two reads."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

from imagesig.errors import (
    DeadlineExceeded,
    DigestMismatch,
    ImageNotFound,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    NotFound,
    TransportError,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.testing.hostile.kinds import Hostility, Script
from imagesig.testing.hostile.stage import (
    BUNDLE,
    EMPTY,
    INDEX,
    MANIFEST,
    Stage,
    anything,
    blob,
    by_digest,
    fallback,
    image_manifest,
    referrers,
    signature_manifest,
    stranger,
)
from imagesig.testing.hostile.wire import Errors
from imagesig.testing.registry import Answer, Request

MIB = 1024 * 1024
_EVIL = b'{"schemaVersion":2,"mediaType":"' + MANIFEST.encode() + b'","config":' + json.dumps(EMPTY).encode() + b',"layers":[]}'
_UNPROVED: Errors = (NoSignatureAccepted, LimitExceeded)


def _with(change: Callable[[Stage], object], *formats: str) -> Script:
    """A signed image, and then the change."""

    def script(stage: Stage) -> None:
        stage.signed(*formats)
        change(stage)

    return script


# --- digests ---------------------------------------------------------------------------------------------------------


def _digest_header(value: str) -> Script:
    return _with(lambda stage: stage.twist(image_manifest, lambda _r, own: Answer(own.status, own.body, {**own.headers, "docker-content-digest": value})))


def _other_bytes(endpoint: Callable[[Request], bool], content: bytes | None = None, *formats: str) -> Script:
    """The same headers, other bytes: just as many unless they are given."""

    def twist(_request: Request, own: Answer) -> Answer:
        return Answer(own.status, own.body.swapcase() if content is None else content, own.headers) if own.status == 200 else own

    return _with(lambda stage: stage.twist(endpoint, twist), *formats)


def _pinned(script: Script) -> Script:
    """The image is asked for by its digest."""

    def by_its_digest(stage: Stage) -> None:
        script(stage)
        stage.target = stage.digest

    return by_its_digest


_DIGESTS = {
    "upper-case": "sha256:" + "A" * 64,
    "short": "sha256:abc",
    "sha512": "sha512:" + "a" * 128,
    "md5": "md5:" + "a" * 32,
    "path": "sha256:../../../../etc/passwd",
    "slash": "sha256:" + "a" * 63 + "/",
    "empty": "",
    "no-colon": "a" * 64,
    "line-break": "sha256:" + "a" * 64 + "\n",
    "long": "sha256:" + "a" * 60_000,
    "query": "sha256:" + "a" * 64 + "?x=y",
    "astral": "sha256:" + "\U0001d7d8" * 64,
}
_SIZES: dict[str, object] = {
    "one-less": -1,
    "one-more": 1,
    "below-zero": "-1",
    "zero": "0",
    "2-to-the-63": "9223372036854775808",
    "tebibyte": "1099511627776",
    "1e3": "1e3",
    "fraction": "1.5",
    "text": '"10"',
    "null": "null",
    "true": "true",
    "5000-digits": "9" * 5000,
}


def _entry(change: Callable[[dict[str, Any]], object]) -> Script:
    """The list of referrers has the signature's own entry, changed."""

    def apply(stage: Stage) -> None:
        (entry,) = stage.listed()
        changed = change(entry)
        stage.lists([changed if isinstance(changed, str) else entry])

    return _with(apply)


def _layer(change: Callable[[dict[str, Any]], object], *formats: str) -> Script:
    """The layer of the signature's manifest, changed; the list names the changed manifest."""

    def apply(stage: Stage) -> None:
        if formats:
            document = stage.manifest(stage.signature_tag)
        else:
            document, _ = stage.signature()
        changed = change(document["layers"][0])
        content = json.dumps(document).encode()
        if isinstance(changed, str):
            content = content.replace(json.dumps(document["layers"][0]).encode(), changed.encode())
        if formats:
            stage.store(content, MANIFEST, stage.signature_tag)
        else:
            stored = stage.store(content)
            stage.lists([{"mediaType": MANIFEST, "digest": stored, "size": len(content), "artifactType": BUNDLE}])

    return _with(apply, *formats)


def _sized(value: object) -> Callable[[dict[str, Any]], object]:
    """A size by so much off, or another text in its place."""

    def change(descriptor: dict[str, Any]) -> object:
        if isinstance(value, int):
            descriptor["size"] += value
            return None
        whole = json.dumps(descriptor)
        return whole.replace(f'"size": {descriptor["size"]}', f'"size": {value}')

    return change


def _member(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda descriptor: descriptor.__setitem__(name, value)


def _twin(text: str) -> Callable[[dict[str, Any]], object]:
    return lambda descriptor: json.dumps(descriptor)[:-1] + ", " + text + "}"


_OTHER = "sha256:" + "0" * 64
_CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    **{f"size-{name}": (f"a size that is wrong: {name}", _sized(value)) for name, value in _SIZES.items()},
    **{f"digest-{name}": (f"a digest that is none: {name}", _member("digest", value)) for name, value in _DIGESTS.items()},
    "digest-of-nothing": ("the digest of nothing that is there", _member("digest", _OTHER)),
    "digest-number": ("a number for its digest", _member("digest", 1)),
    "type-index": ("the type of an index", _member("mediaType", INDEX)),
    "type-unknown": ("an unknown type", _member("mediaType", "application/x")),
    "type-empty": ("an empty type", _member("mediaType", "")),
    "type-number": ("a number for its type", _member("mediaType", 1)),
    "type-control": ("control characters in its type", _member("mediaType", "a/\x1b[2Jb\nverified")),
    "type-long": ("a type of 60,000 characters", _member("mediaType", "a/" + "b" * 60_000)),
    "twin-digest": ("a second digest in another case", _twin(f'"Digest": "{_OTHER}"')),
    "twin-digest-exact": ("a second digest", _twin(f'"digest": "{_OTHER}"')),
    "twin-size": ("a second size in another case", _twin('"SIZE": 1')),
    "twin-folded": ("a second size with a long s", _twin('"\u017fize": 1')),
    "urls": ("addresses of its own", _member("urls", ["http://169.254.169.254/"])),
    "data": ("data of its own", _member("data", "e30=")),
    "annotations-number": ("a number for annotations", _member("annotations", 1)),
    "annotations-nested": ("objects for annotations", _member("annotations", {"a": {"b": {}}})),
    "annotations-many": ("2,000 annotations", _member("annotations", {str(n): "x" for n in range(2000)})),
}
# --- lists and pages -------------------------------------------------------------------------------------------------


def _floods(count: int, size: int = 0, *, types: bool = True, good: bool = True) -> Script:
    """So many foreign referrers beside the good signature; those that are fetched are there."""

    def script(stage: Stage) -> None:
        stage.signed() if good else stage.push()
        own = stage.listed()
        kept = min(count, 1100)
        entries = []
        for number in range(kept):
            content = json.dumps(stage.foreign(number, size)).encode()
            entry = {"mediaType": MANIFEST, "digest": stage.store(content), "size": len(content)}
            entries.append(entry | ({"artifactType": "application/vnd.example.sbom"} if types else {}))
        entries += [{"mediaType": MANIFEST, "digest": f"sha256:{number:064x}", "size": 1} for number in range(count - kept)]
        stage.lists([*entries, *own])

    return script


def _pages(link: Callable[[int], str], *, good: bool = False) -> Script:
    """A page that names the next one; `link` gives its header by the number of the page."""

    def script(stage: Stage) -> None:
        stage.signed() if good else stage.push()
        count = itertools.count(1)

        def twist(_request: Request, own: Answer) -> Answer:
            return Answer(own.status, own.body, {**own.headers, "link": link(next(count))})

        stage.twist(referrers, twist)

    return script


_LINKS = {
    "no-brackets": "/next; rel=next",
    "open-bracket": "</next; rel=next",
    "open-quote": '</next>; rel="next',
    "two-next": '</a>; rel=next, </b>; rel="next"',
    "60000-commas": "," * 60_000 + "<",
    "60000-brackets": "<" * 60_000,
    "60000-parameters": "</a>" + ";a=b" * 15_000 + ";",
    "60000-backslashes": '</a>; rel="' + "\\" * 60_000,
    "control": "</a\x1b[2J>; rel=next",
    "not-ascii": "</\xe9>; rel=next",
}


def _only_found_by_asking(stage: Stage) -> None:
    stage.signed()
    entries = [{"mediaType": MANIFEST, "digest": f"sha256:{number:064x}", "size": 1, "annotations": {str(n): "x" for n in range(40)}} for number in range(4000)]
    stage.lists(entries)


def _listings() -> list[Hostility]:
    return [
        Hostility("referrers-1001-foreign", "1,001 foreign referrers hide one signature.", _floods(1001), _UNPROVED, harmless=True),
        Hostility("referrers-1001-untyped", "1,001 foreign referrers without a type hide one signature.", _floods(1001, types=False), _UNPROVED, harmless=True),
        Hostility("referrers-3000-missing", "3,000 referrers are listed, most of them not there.", _floods(3000), (*_UNPROVED, TransportError), harmless=True),
        Hostility("referrers-20000", "20,000 referrers are listed.", _floods(20_000), (*_UNPROVED, TransportError), harmless=True),
        Hostility("referrers-100000", "100,000 referrers are listed.", _floods(100_000), (*_UNPROVED, TransportError), harmless=True),
        Hostility("referrers-1001-unsigned", "1,001 foreign referrers and no signature.", _floods(1001, good=False), (*_UNPROVED,)),
        Hostility("referrers-of-4-mib", "Foreign referrers of 4 MiB each.", _huge_referrers, (), harmless=True),
        Hostility("referrers-of-120-kib", "700 foreign referrers of 120 KiB each.", _floods(700, 120_000, types=False), _UNPROVED, harmless=True),
        Hostility("referrers-with-annotations", "4,000 entries with 40 annotations each.", _only_found_by_asking, (*_UNPROVED, TransportError)),
        Hostility("referrers-null", "The list of referrers is null.", _with(lambda stage: stage.answer(referrers, _index({"manifests": None}))), (NoSignatures,)),
        Hostility("referrers-object", "The list of referrers is an object.", _with(lambda stage: stage.answer(referrers, _index({"manifests": {}}))), (UnexpectedResponse,)),
        Hostility("referrers-missing", "An index has no list of referrers.", _with(lambda stage: stage.answer(referrers, _index({}))), (UnexpectedResponse,)),
        Hostility("referrers-twins", "The list of referrers has a second one in another case.", _with(lambda stage: stage.answer(referrers, _index({"manifests": [], "Manifests": stage.listed()}))), (UnexpectedResponse,)),
        Hostility("referrers-of-a-manifest", "The list of referrers calls itself a manifest.", _with(lambda stage: stage.answer(referrers, _index({"mediaType": MANIFEST, "manifests": []}))), (UnexpectedResponse,)),
        *(
            Hostility(f"referrers-entry-{name}", f"The list of referrers has {text} for an entry.", _with(lambda stage, text=text: stage.lists([text])), _UNPROVED)  # type: ignore[misc]
            for name, text in {"null": "null", "number": "1", "list": "[]", "empty": "{}", "text": '"x"', "deep": "[" * 30 + "]" * 30}.items()
        ),
        Hostility("referrers-of-another-image", "The list has the signature of another image.", _signature_of_another, _UNPROVED),
        Hostility("referrers-of-a-stranger", "The image is signed by a key that nobody trusts.", lambda stage: (stage.signed(key=stranger()), None)[1], _UNPROVED),
        Hostility("pages-without-end", "Pages of referrers never end.", _pages(lambda number: f"<?page={number}>; rel=next"), _UNPROVED),
        Hostility("pages-without-end-hide-nothing", "Pages never end, and the first has a signature.", _pages(lambda number: f"<?page={number}>; rel=next", good=True), _UNPROVED, harmless=True),
        Hostility("pages-in-a-loop", "Two pages of referrers name each other.", _pages(lambda number: f"<?page={number % 2}>; rel=next"), _UNPROVED),
        Hostility("pages-to-themselves", "A page of referrers names itself.", _pages(lambda _number: "<>; rel=next"), (*_UNPROVED, UnexpectedResponse)),
        Hostility("pages-that-grow", "The addresses of pages grow.", _pages(lambda number: f"<?page={'9' * number * 90}>; rel=next"), (*_UNPROVED, UnexpectedResponse)),
        *(
            Hostility(f"link-{name}", f"The Link header of referrers is malformed: {name}.", _pages(lambda _n, text=text: text, good=True), (UnexpectedResponse, Unreachable, DeadlineExceeded))  # type: ignore[misc]
            for name, text in _LINKS.items()
        ),
    ]


def _index(members: dict[str, object]) -> Answer:
    return Answer(200, json.dumps({"schemaVersion": 2, "mediaType": INDEX, **members}).encode(), {"content-type": INDEX})


def _huge_referrers(stage: Stage) -> None:
    stage.signed()
    own = stage.listed()
    content = json.dumps(stage.foreign(0, 4 * MIB - 100)).encode()
    stored = stage.store(content)
    stage.lists([{"mediaType": MANIFEST, "digest": stored, "size": len(content)}, *({"mediaType": MANIFEST, "digest": f"sha256:{n:064x}", "size": 4 * MIB} for n in range(20)), *own])


def _signature_of_another(stage: Stage) -> None:
    stage.push()
    other = stage.signed(tag="other", content=b"other")
    listed = stage.server.own_answer(Request("GET", f"/v2/team/app/referrers/{other}", {}, {}, b"")).body
    stage.answer(referrers, Answer(200, listed, {"content-type": INDEX}))


# --- changes between two reads ---------------------------------------------------------------------------------------


def _in_turn(endpoint: Callable[[Request], bool], *twists: Callable[[Request, Answer], Answer]) -> Callable[[Stage], None]:
    """The first answer by the first twist, and so on; the last one goes on."""

    def apply(stage: Stage) -> None:
        turns = iter(twists)
        last = [next(turns)]

        def twist(request: Request, own: Answer) -> Answer:
            now = last[0]
            last[0] = next(turns, now)
            return now(request, own)

        stage.twist(endpoint, twist)

    return apply


def _own(_request: Request, own: Answer) -> Answer:
    return own


def _gone(_request: Request, _own: Answer) -> Answer:
    return Answer(404, b"{}")


def _empty_list(_request: Request, _own: Answer) -> Answer:
    return _index({"manifests": []})


def _swapped(_request: Request, own: Answer) -> Answer:
    return Answer(own.status, own.body.swapcase(), own.headers)


def moving_tag(first_signed: bool) -> Script:
    """A tag that names one image when it is read first and another one from then on."""

    def script(stage: Stage) -> None:
        make = (stage.signed, stage.push) if first_signed else (stage.push, stage.signed)
        make[0](tag="a", content=b"first")
        make[1](tag="b", content=b"second")
        reads = itertools.count()

        def fault(request: Request) -> Answer | None:
            if not image_manifest(request):
                return None
            content, media_type = stage.server.manifest("team/app", "a" if next(reads) == 0 else "b")
            return Answer(200, content, {"content-type": media_type})

        stage.fault(fault)

    return script


def _late_referrers(stage: Stage) -> None:
    stage.push()
    first = itertools.count()
    stage.fault(lambda request: _index({"manifests": []}) if referrers(request) and next(first) == 0 else None)


def _changes() -> list[Hostility]:
    return [
        Hostility("tag-moves-to-an-unsigned-image", "A tag names a signed image at the first read and another one afterwards.", moving_tag(True), _UNPROVED, harmless=True),
        Hostility("tag-moves-to-a-signed-image", "A tag names an unsigned image at the first read and a signed one afterwards.", moving_tag(False), (NoSignatures,)),
        Hostility("list-becomes-empty", "The list of referrers is empty at the second read.", _with(_in_turn(referrers, _own, _empty_list)), (), harmless=True),
        Hostility("list-becomes-an-error", "The list of referrers is an error at the second read.", _with(_in_turn(referrers, _own, lambda _r, _o: Answer(418))), (), harmless=True),
        Hostility("list-is-empty-at-first", "The list of referrers is empty at the first read.", _with(_in_turn(referrers, _empty_list, _own)), (NoSignatures,)),
        Hostility("signature-manifest-is-deleted", "A listed signature is deleted before it is read.", _with(_in_turn(by_digest, _gone)), _UNPROVED),
        Hostility("signature-blob-is-deleted", "The blob of a signature is deleted before it is read.", _with(_in_turn(blob, _gone)), _UNPROVED),
        Hostility("signature-blob-changes", "The blob of a signature has other bytes at the second read.", _with(_in_turn(blob, _own, _swapped)), (), harmless=True),
        Hostility("signature-blob-is-wrong-at-first", "The blob of a signature has other bytes at the first read.", _with(_in_turn(blob, _swapped, _own)), _UNPROVED, harmless=True),
        Hostility("image-is-deleted", "The image is deleted after its tag was read.", _with(_in_turn(by_digest, _own, _gone)), (NotFound,), harmless=True),
        Hostility("image-was-never-there", "There is no such image.", lambda stage: (stage.signed(), stage.answer(image_manifest, Answer(404)))[1], (ImageNotFound,)),
        Hostility("everything-is-gone-after-the-tag", "Everything is gone after the tag was read.", _with(_in_turn(anything, _own, _gone)), (ImageNotFound,)),
        Hostility("everything-is-forbidden-after-the-tag", "Everything is forbidden after the tag was read.", _with(_in_turn(anything, _own, lambda _r, _o: Answer(403))), (Unauthorized,)),
        Hostility("no-api-and-no-fallback", "There is no referrers API, and the fallback tag fails.", _with(lambda stage: (stage.answer(referrers, Answer(404)), stage.answer(fallback, Answer(418)))), (UnexpectedResponse,)),
        Hostility("no-api-and-an-empty-fallback", "There is no referrers API and no fallback tag.", _with(lambda stage: stage.answer(referrers, Answer(404))), (NoSignatures,)),
    ]


def _lies() -> list[Hostility]:
    made = [
        Hostility(f"header-digest-{name}", f"The digest header of the manifest is none: {name}.", _digest_header(value.encode().decode("latin-1").replace("\n", "")), (DigestMismatch, Unreachable, UnexpectedResponse, DeadlineExceeded), harmless=True)
        for name, value in _DIGESTS.items()
    ]
    made += [
        Hostility(f"entry-{name}", f"The entry of the signature has {sentence}.", _entry(change), (*_UNPROVED, NoSignatures, DigestMismatch), harmless=name.startswith(("urls", "data", "type-", "annotations")))
        for name, (sentence, change) in _CHANGES.items()
    ]
    made += [
        Hostility(f"layer-{name}", f"The layer of the signature has {sentence}.", _layer(change), (*_UNPROVED, NoSignatures), harmless=name.startswith(("urls", "data", "annotations")))
        for name, (sentence, change) in _CHANGES.items()
    ]
    made += [
        Hostility(f"listed-layer-{name}", f"The layer of a signature that a tag lists has {sentence}.", _layer(change, "cosign"), _UNPROVED, harmless=name.startswith(("urls", "data")))
        for name, (sentence, change) in _CHANGES.items()
    ]
    made += [
        Hostility(f"manifest-says-{name}", f"The manifest comes as {sentence}.", _with(lambda stage, kind=kind: stage.twist(image_manifest, lambda _r, own: Answer(200, own.body, {**own.headers, "content-type": kind}))), (MalformedError, Unreachable, UnexpectedResponse, DeadlineExceeded), harmless=True)  # type: ignore[misc]
        for name, (sentence, kind) in {
            "index": ("an index", INDEX),
            "docker": ("Docker's manifest", "application/vnd.docker.distribution.manifest.v2+json"),
            "schema-1": ("Docker's first manifest", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
            "html": ("a page", "text/html"),
            "nothing": ("nothing", ""),
            "control": ("control characters", "a/\x1b[2J"),
            "long": ("60,000 characters", "a/" + "b" * 60_000),
        }.items()
    ]
    return [
        *made,
        Hostility("header-digest-of-another", "The digest header names other bytes.", _digest_header(_OTHER), (DigestMismatch,)),
        Hostility("manifest-by-digest-is-another", "Other bytes come for the digest that was asked for.", _pinned(_other_bytes(by_digest, _EVIL)), (DigestMismatch, *_UNPROVED), harmless=True),
        Hostility("manifest-by-digest-is-unsigned", "Other bytes come for the digest of an image without a signature.", _pinned(lambda stage: (stage.push(), stage.twist(by_digest, lambda _r, own: Answer(200, _EVIL, own.headers)))[1]), (NoSignatures, DigestMismatch)),
        Hostility("signature-is-another", "The blob of a signature has other bytes.", _other_bytes(blob), _UNPROVED),
        Hostility("signature-is-longer", "The blob of a signature is longer than its descriptor says.", _other_bytes(blob, b"x" * MIB), _UNPROVED),
        Hostility("signature-is-empty", "The blob of a signature is empty.", _other_bytes(blob, b""), _UNPROVED),
        Hostility("listed-signature-is-another", "The payload of a signature has other bytes.", _other_bytes(blob, None, "cosign"), _UNPROVED),
        Hostility("signature-manifest-by-digest-is-another", "The manifest of a signature has other bytes.", _other_bytes(by_digest, _EVIL), _UNPROVED),
        Hostility("signatures-of-another-kind", "The tag of signatures names an index.", _with(lambda stage: stage.store({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}, INDEX, stage.signature_tag), "cosign"), _UNPROVED),
        Hostility("signatures-without-layers", "The tag of signatures names a manifest without layers.", _with(lambda stage: stage.store({**stage.manifest(stage.signature_tag), "layers": []}, MANIFEST, stage.signature_tag), "cosign"), (*_UNPROVED, NoSignatures)),
        Hostility("signatures-1001", "The tag of signatures names 1,001 of them.", _with(lambda stage: _many_layers(stage, 1001), "cosign"), _UNPROVED, harmless=True),
        Hostility("signatures-15000", "The tag of signatures names 15,000 of them.", _with(lambda stage: _many_layers(stage, 15_000), "cosign"), _UNPROVED, harmless=True),
        Hostility("two-kinds-in-one", "The manifest is an index as well (CVE-2021-41190).", _both_kinds, (MalformedError,)),
        Hostility("signature-tag-is-a-login-page", "The tag of signatures is a login page.", _with(lambda stage: stage.answer(signature_manifest, Answer(200, b"<html>", {"content-type": "text/html"})), "cosign"), _UNPROVED),
    ]


def _many_layers(stage: Stage, count: int) -> None:
    document = stage.manifest(stage.signature_tag)
    (good,) = document["layers"]
    document["layers"] = [*({**good, "digest": f"sha256:{n:064x}", "annotations": {}} for n in range(count)), good]
    stage.store(document, MANIFEST, stage.signature_tag)


def _both_kinds(stage: Stage) -> None:
    stage.signed()
    stage.store({**stage.manifest(stage.digest), "manifests": []}, MANIFEST, "1.0")


LIES = [*_lies(), *_listings(), *_changes()]
