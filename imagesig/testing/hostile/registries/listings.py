"""Lists of referrers that are too long, lie, or have no last page."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

from imagesig.errors import DeadlineExceeded, NoSignatures, TransportError, UnexpectedResponse, Unreachable
from imagesig.testing.hostile.kinds import MIB, Hostility, Script
from imagesig.testing.hostile.registries.endpoints import referrers
from imagesig.testing.hostile.registries.stage import BUNDLE, INDEX, MANIFEST, Stage, index_of, signed_with, stranger
from imagesig.testing.hostile.registries.wire import FLOOD, UNVERIFIED
from imagesig.testing.loopback_server import Answer, Request


def _floods(count: int, size: int = 0, *, types: bool = True, good: bool = True) -> Script:
    """So many foreign referrers beside the good signature; the registry has those that can be fetched."""

    def script(stage: Stage) -> None:
        stage.signed() if good else stage.push()
        own = stage.listed()
        kept = min(count, 1100)
        entries = []
        for number in range(kept):
            content = json.dumps(stage.foreign(number, size)).encode()
            entry = {"mediaType": MANIFEST, "digest": stage.store(content), "size": len(content)}
            entries.append(entry | ({"artifactType": "application/vnd.example.sbom"} if types else {}))
        entries += [
            {"mediaType": MANIFEST, "digest": f"sha256:{number:064x}", "size": 1} for number in range(count - kept)
        ]
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
    entries = [
        {
            "mediaType": MANIFEST,
            "digest": f"sha256:{number:064x}",
            "size": 1,
            "annotations": {str(n): "x" for n in range(40)},
        }
        for number in range(4000)
    ]
    stage.lists(entries)


def _one_entry(text: str) -> Script:
    return signed_with(lambda stage: stage.lists([text]))


def _saying(link: str) -> Script:
    return _pages(lambda _number: link, good=True)


def _malformed(count: int) -> Script:
    def script(stage: Stage) -> None:
        stage.push()
        for number in range(count):
            document = {**stage.foreign(number, 120_000, BUNDLE), "layers": "none"}
            stage.store(document)
        stage.lists([entry | {"artifactType": BUNDLE} for entry in stage.listed()])

    return script


def _huge_referrers(stage: Stage) -> None:
    stage.signed()
    own = stage.listed()
    content = json.dumps(stage.foreign(0, 4 * MIB - 100)).encode()
    stored = stage.store(content)
    stage.lists(
        [
            {"mediaType": MANIFEST, "digest": stored, "size": len(content)},
            *({"mediaType": MANIFEST, "digest": f"sha256:{n:064x}", "size": 4 * MIB} for n in range(20)),
            *own,
        ]
    )


def _signature_of_another(stage: Stage) -> None:
    stage.push()
    other = stage.signed(tag="other", content=b"other")
    listed = stage.server.own_answer(Request("GET", f"/v2/team/app/referrers/{other}", {}, {}, b"")).body
    stage.answer(referrers, Answer(200, listed, {"content-type": INDEX}))


LISTINGS = [
    Hostility(
        "referrers-1001-foreign",
        "1,001 foreign referrers hide one signature.",
        _floods(1001),
        FLOOD,
        harmless=True,
    ),
    Hostility(
        "referrers-1001-untyped",
        "1,001 foreign referrers without a type hide one signature.",
        _floods(1001, types=False),
        FLOOD,
        harmless=True,
    ),
    Hostility(
        "referrers-3000-missing",
        "3,000 referrers are listed, most of them not there.",
        _floods(3000),
        (*FLOOD, TransportError),
        harmless=True,
    ),
    Hostility(
        "referrers-20000", "20,000 referrers are listed.", _floods(20_000), (*FLOOD, TransportError), harmless=True
    ),
    Hostility(
        "referrers-100000",
        "100,000 referrers are listed.",
        _floods(100_000),
        (*FLOOD, TransportError),
        harmless=True,
    ),
    Hostility("referrers-1001-unsigned", "1,001 foreign referrers and no signature.", _floods(1001, good=False), FLOOD),
    Hostility("referrers-of-4-mib", "Foreign referrers of 4 MiB each.", _huge_referrers, (), harmless=True),
    Hostility(
        "referrers-of-120-kib",
        "700 foreign referrers of 120 KiB each.",
        _floods(700, 120_000, types=False),
        FLOOD,
        harmless=True,
    ),
    Hostility("referrers-malformed", "600 signatures of 120 KiB are malformed at their end.", _malformed(600), FLOOD),
    Hostility(
        "referrers-with-annotations",
        "4,000 entries with 40 annotations each.",
        _only_found_by_asking,
        (*FLOOD, TransportError),
    ),
    Hostility(
        "referrers-null",
        "The list of referrers is null.",
        signed_with(lambda stage: stage.answer(referrers, index_of({"manifests": None}))),
        (NoSignatures,),
    ),
    Hostility(
        "referrers-object",
        "The list of referrers is an object.",
        signed_with(lambda stage: stage.answer(referrers, index_of({"manifests": {}}))),
        (UnexpectedResponse,),
    ),
    Hostility(
        "referrers-missing",
        "An index has no list of referrers.",
        signed_with(lambda stage: stage.answer(referrers, index_of({}))),
        (UnexpectedResponse,),
    ),
    Hostility(
        "referrers-twins",
        "The list of referrers has a second one in another case.",
        signed_with(lambda stage: stage.answer(referrers, index_of({"manifests": [], "Manifests": stage.listed()}))),
        (UnexpectedResponse,),
    ),
    Hostility(
        "referrers-of-a-manifest",
        "The list of referrers calls itself a manifest.",
        signed_with(lambda stage: stage.answer(referrers, index_of({"mediaType": MANIFEST, "manifests": []}))),
        (UnexpectedResponse,),
    ),
    *(
        Hostility(
            f"referrers-entry-{name}",
            f"The list of referrers has {text} for an entry.",
            _one_entry(text),
            UNVERIFIED,
        )
        for name, text in {
            "null": "null",
            "number": "1",
            "list": "[]",
            "empty": "{}",
            "text": '"x"',
            "deep": "[" * 30 + "]" * 30,
        }.items()
    ),
    Hostility(
        "referrers-of-another-image",
        "The list has the signature of another image.",
        _signature_of_another,
        UNVERIFIED,
    ),
    Hostility(
        "referrers-of-a-stranger",
        "The image is signed by a key that nobody trusts.",
        lambda stage: (stage.signed(key=stranger()), None)[1],
        UNVERIFIED,
    ),
    Hostility(
        "pages-without-end",
        "Pages of referrers never end.",
        _pages(lambda number: f"<?page={number}>; rel=next"),
        UNVERIFIED,
    ),
    Hostility(
        "pages-without-end-hide-nothing",
        "Pages never end, and the first has a signature.",
        _pages(lambda number: f"<?page={number}>; rel=next", good=True),
        UNVERIFIED,
        harmless=True,
    ),
    Hostility(
        "pages-in-a-loop",
        "Two pages of referrers name each other.",
        _pages(lambda number: f"<?page={number % 2}>; rel=next"),
        UNVERIFIED,
    ),
    Hostility(
        "pages-to-themselves",
        "A page of referrers names itself.",
        _pages(lambda _number: "<>; rel=next"),
        (*UNVERIFIED, UnexpectedResponse),
    ),
    Hostility(
        "pages-that-grow",
        "The addresses of pages grow.",
        _pages(lambda number: f"<?page={'9' * number * 90}>; rel=next"),
        (*UNVERIFIED, UnexpectedResponse),
    ),
    *(
        Hostility(
            f"link-{name}",
            f"The Link header of referrers is malformed: {name}.",
            _saying(text),
            (UnexpectedResponse, Unreachable, DeadlineExceeded),
            harmless=name.endswith("parameters"),
        )
        for name, text in _LINKS.items()
    ),
]
