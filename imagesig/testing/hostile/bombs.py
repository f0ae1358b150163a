"""Documents that cost more than they say, in each place where a registry keeps a document."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from imagesig.errors import (
    DeadlineExceeded,
    ImageNotFound,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    UnexpectedResponse,
)
from imagesig.testing.hostile.kinds import Hostility, Script
from imagesig.testing.hostile.stage import (
    BUNDLE,
    INDEX,
    MANIFEST,
    NAME,
    NOTATION,
    Stage,
    referrers,
)
from imagesig.testing.hostile.wire import Errors
from imagesig.testing.registry import Answer

MIB = 1024 * 1024


def filled(start: bytes, unit: bytes, end: bytes, size: int) -> bytes:
    return start + unit * ((size - len(start) - len(end)) // len(unit)) + end


FILLINGS: dict[str, tuple[bytes, bytes, bytes]] = {
    "arrays": (b'"x":[', b"[],", b"[]]"),
    "objects": (b'"x":[', b'{"a":1},', b"0]"),
    "numbers": (b'"x":[', b"1.5,", b"0]"),
    "strings": (b'"x":[', b'"ab",', b'""]'),
    "depth": (b'"x":', b"[", b""),
    "nested-objects": (b'"x":', b'{"a":', b""),
    "long-string": (b'"x":"', b"a", b'"'),
    "long-name": (b'"', b"a", b'":0'),
    "long-number": (b'"x":', b"9", b""),
    "long-fraction": (b'"x":0.', b"9", b""),
    "long-exponent": (b'"x":1e', b"9", b""),
    "astral-character": ('"x":"\U0001f600'.encode(), b"a", b'"'),
    "astral-characters": (b'"x":"', "\U0001f600".encode(), b'"'),
    "astral-escapes": (b'"x":"', b"\\ud83d\\ude00", b'"'),
    "wide-characters": (b'"x":"', "\u0416".encode(), b'"'),
    "escapes": (b'"x":"', b"\\u0000", b'"'),
    "backslashes": (b'"x":"', b"\\\\", b'"'),
    "duplicates": (b'"x":0,', b'"a":1,', b'"a":1'),
    "blanks": (b"", b" ", b'"x":0'),
    "open-string": (b'"x":"', b"a", b""),
}
"""How a document is filled up, by name: the bytes before, again and again, and after."""
_ODDITIES: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"schemaVersion":2,',
    "twice": b"{}{}",
    "list": b"[]",
    "null": b"null",
    "text": b'"x"',
    "byte-order-mark": b"\xef\xbb\xbf{}",
    "utf-16": "{}".encode("utf-16"),
    "utf-32": "{}".encode("utf-32"),
    "not-utf-8": b'{"a":"\xff"}',
    "surrogate-bytes": b'{"a":"\xed\xa0\x80"}',
    "lone-surrogate": b'{"a":"\\ud800"}',
    "nul": b"\0" * 100,
    "nan": b'{"a":NaN}',
    "single-quotes": b"{'a':1}",
    "comment": b"{}//",
}
"""Whole documents that are none."""

_REJECTED: Errors = (NoSignatureAccepted, LimitExceeded)
_PLACES: dict[str, tuple[str, int, Errors]] = {
    "manifest": ("manifest of the image", 4 * MIB, (MalformedError,)),
    "referrers": ("list of referrers", 4 * MIB, (UnexpectedResponse, LimitExceeded)),
    "referrer": ("manifest of a signature", 120 * 1024, _REJECTED),
    "signature-manifest": ("manifest that lists signatures", 4 * MIB, _REJECTED),
    "fallback-index": ("index that takes the place of the referrers API", 4 * MIB, _REJECTED),
    "bundle": ("bundle", 250 * 1024, _REJECTED),
    "statement": ("statement in a bundle", 180 * 1024, _REJECTED),
    "payload": ("signed payload", 120 * 1024, _REJECTED),
    "jws": ("JWS envelope", 250 * 1024, _REJECTED),
    "error": ("error that a registry sends", 60 * 1024, (UnexpectedResponse,)),
}


def _put(place: str, content: bytes) -> Script:
    """Puts a document where another one belongs."""

    def script(stage: Stage) -> None:
        if place in ("payload", "signature-manifest"):
            stage.signed("cosign")
        else:
            stage.push()
        _put_there(stage, place, content)

    return script


def _put_there(stage: Stage, place: str, content: bytes) -> None:
    if place == "manifest":
        stage.store(content, MANIFEST, "1.0")
    elif place == "referrers":
        stage.answer(referrers, Answer(200, content, {"content-type": INDEX}))
    elif place == "error":
        stage.answer(referrers, Answer(418, content, {"content-type": "application/json"}))
    elif place == "referrer":
        digest = stage.store(content)
        stage.lists([{"mediaType": MANIFEST, "digest": digest, "size": len(content), "artifactType": BUNDLE}])
    elif place == "signature-manifest":
        stage.store(content, MANIFEST, stage.signature_tag)
    elif place == "fallback-index":
        stage.answer(referrers, Answer(404))
        stage.store(content, INDEX, stage.digest.replace(":", "-"))
    elif place == "payload":
        listed = stage.manifest(stage.signature_tag)
        listed["layers"] = [listed["layers"][0] | stage.blob(content)]
        stage.store(listed, MANIFEST, stage.signature_tag)
    elif place == "jws":
        stage.certified = True
        stage.referrer(b"", NOTATION, layers=[{"mediaType": "application/jose+json", **stage.blob(content)}])
    elif place == "statement":
        stage.referrer(bundle_of(content))
    else:
        stage.referrer(content)


def bundle_of(statement: bytes, **members: object) -> bytes:
    """A bundle with this statement and a signature that no key verifies."""
    envelope = {
        "payload": base64.b64encode(statement).decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": "AAAA"}],
    }
    document = {"mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": ""}}, "dsseEnvelope": envelope}
    return json.dumps(document | members).encode()


_HEADS = {
    "manifest": {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []},
    "referrers": {"schemaVersion": 2, "mediaType": INDEX, "manifests": []},
    "referrer": {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE, "layers": []},
    "fallback-index": {"schemaVersion": 2, "mediaType": INDEX, "manifests": []},
    "signature-manifest": {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []},
    "bundle": {"mediaType": BUNDLE},
    "statement": {"_type": "https://in-toto.io/Statement/v1"},
    "payload": {"critical": {}},
    "jws": {"payload": ""},
    "error": {"errors": [{"code": "X", "message": "x"}]},
}


def filled_document(place: str, filling: str) -> bytes:
    head = json.dumps(_HEADS[place])[:-1].encode() + b","
    start, unit, end = FILLINGS[filling]
    return filled(head + start, unit, end + b"}", _PLACES[place][1])


def _bombs() -> list[Hostility]:
    made: list[Hostility] = []
    for place, (words, size, expected) in _PLACES.items():
        # Members that nobody knows do no harm, and then the image is simply unsigned.
        right = (*expected, NoSignatures, NoSignatureAccepted, MalformedError, DeadlineExceeded)
        made += [
            Hostility(
                f"{place}-of-{filling}",
                f"The {words} has {size // 1024} KiB of {filling.replace('-', ' ')}.",
                _later(place, filling),
                right,
            )
            for filling in FILLINGS
        ]
        made += [
            Hostility(
                f"{place}-is-{oddity}",
                f"The {words} is no document: {oddity.replace('-', ' ')}.",
                _put(place, content),
                (*expected, ImageNotFound),
            )
            for oddity, content in _ODDITIES.items()
        ]
    return made


def _later(place: str, filling: str) -> Script:
    """Made when it is needed: all of them together have hundreds of MiB."""
    return lambda stage: _put(place, filled_document(place, filling))(stage)


# --- envelopes -------------------------------------------------------------------------------------------------------


def _envelope(media_type: str, content: bytes) -> Script:
    def script(stage: Stage) -> None:
        stage.certified = True
        stage.push()
        layers = [{"mediaType": media_type, **stage.blob(content)}]
        stage.store({**stage.foreign(kind=NOTATION), "layers": layers})

    return script


COSE = "application/cose"
_KIB_240 = 240 * 1024


def _cose_with(header: bytes) -> bytes:
    """COSE_Sign1 whose unprotected header is these bytes."""
    return b"\xd2\x84\x40" + header + b"\x41\x00\x41\x00"


_CBOR: dict[str, tuple[str, bytes]] = {
    "empty-arrays": ("an array of empty arrays", b"\x9a" + (_KIB_240).to_bytes(4, "big") + b"\x80" * _KIB_240),
    "empty-maps": ("an array of empty maps", b"\x9a" + (_KIB_240).to_bytes(4, "big") + b"\xa0" * _KIB_240),
    "depth": ("arrays in arrays", b"\x81" * _KIB_240 + b"\x00"),
    "tags": ("tags in tags", b"\xc1" * _KIB_240 + b"\x00"),
    "tags-of-signatures": ("tags of COSE in each other", b"\xd2" * _KIB_240 + b"\x84\x40\xa0\x41\x00\x41\x00"),
    "huge-array": ("an array of 2^63 items", b"\x9b\x7f" + b"\xff" * 7),
    "huge-map": ("a map of 2^63 members", b"\xbb\x7f" + b"\xff" * 7),
    "huge-bytes": ("a byte string of 2^63 bytes", b"\x5b\x7f" + b"\xff" * 7),
    "huge-text": ("a text of 2^40 bytes", b"\x7b\x00\x00\x01" + b"\0" * 5),
    "endless-array": ("an array without an end", b"\x9f" + b"\x00" * _KIB_240),
    "endless-bytes": ("a byte string of pieces without an end", b"\x5f" + b"\x40" * _KIB_240),
    "bignum": ("a number of 240 KiB", b"\xc2\x5a" + (_KIB_240 - 9).to_bytes(4, "big") + b"\xff" * (_KIB_240 - 9)),
    "decimal": ("a decimal fraction with a huge exponent", b"\xc4\x82\x1b" + b"\x7f" * 8 + b"\x01"),
    "shared": ("a value that holds itself", b"\xd8\x1c\x81\xd8\x1d\x00"),
    "regex": ("a regular expression", b"\xd8\x23\x78\x28" + b"(a+)+b" * 6 + b"aaaa"),
    "date": ("a date in the year 10^300", b"\xc1\xfb" + bytes.fromhex("7e37e43c8800759c")),
    "nan": ("not a number", b"\xfb\x7f\xf8\0\0\0\0\0\0"),
    "float-keys": ("a map with the key 1 three times", b"\xa3\x01\x00\xf9\x3c\x00\x00\xfb\x3f\xf0\0\0\0\0\0\0\x00"),
    "break": ("a break alone", b"\xff"),
    "nothing": ("nothing", b""),
    "simple-values": ("simple values that nobody knows", b"\x98\xff" + b"\xf8\xfe" * 255),
    "header-of-arrays": (
        "a header of 100,000 empty arrays",
        _cose_with(b"\xa1\x18\x21\x9a" + (100_000).to_bytes(4, "big") + b"\x80" * 100_000),
    ),
    "thousands-of-certificates": (
        "a chain of 60,000 empty certificates",
        _cose_with(b"\xa1\x18\x21\x99\xea\x60" + b"\x41\x30" * 60_000),
    ),
    "certificate-of-240-kib": (
        "one certificate of 240 KiB",
        _cose_with(b"\xa1\x18\x21\x5a" + (_KIB_240).to_bytes(4, "big") + b"\x30" * _KIB_240),
    ),
}


def _good_notation(change: Callable[[dict[str, object]], None]) -> Script:
    """A real JWS envelope whose unprotected header is changed: the signature itself still holds."""

    def script(stage: Stage) -> None:
        stage.certified = True
        stage.signed("notation")
        manifest, digest = stage.signature()
        content = stage.server.blob(NAME, manifest["layers"][0]["digest"])
        document = json.loads(content)
        change(document)
        manifest["layers"] = [manifest["layers"][0] | stage.blob(json.dumps(document).encode())]
        stored = stage.store(manifest)
        stage.lists(
            [
                entry | {"digest": stored, "size": len(json.dumps(manifest))}
                for entry in stage.listed()
                if entry["digest"] == digest
            ]
        )

    return script


def _header(name: str, make: Callable[[object], object]) -> Callable[[dict[str, object]], None]:
    def change(document: dict[str, object]) -> None:
        header = document["header"]
        assert isinstance(header, dict)
        header[name] = make(header.get(name))

    return change


def _repeated(count: int) -> Callable[[object], object]:
    return lambda chain: (chain if isinstance(chain, list) else []) * count


_TINY = base64.b64encode(bytes.fromhex("30030201")).decode()
_TIMESTAMP = "io.cncf.notary.timestampSignature"


def _token(content: bytes) -> Callable[[object], object]:
    return lambda _old: base64.b64encode(content).decode()


_JWS: dict[str, tuple[str, Callable[[dict[str, object]], None]]] = {
    "chain-of-the-same-certificate": ("the same certificate 300 times", _header("x5c", _repeated(300))),
    "chain-of-nothing": ("20,000 certificates that are none", _header("x5c", lambda _: [_TINY] * 19_000)),
    "chain-of-objects": ("objects for certificates", _header("x5c", lambda _: [{}] * 5000)),
    "chain-missing": ("no certificates", _header("x5c", lambda _: [])),
    "chain-number": ("a number for its certificates", _header("x5c", lambda _: 1)),
    "chain-of-nulls": (
        "a certificate of 200 KiB of NULs",
        _header("x5c", lambda _: [base64.b64encode(b"\0" * 150_000).decode()]),
    ),
    "timestamp-of-180-kib": ("a timestamp of 180 KiB", _header(_TIMESTAMP, _token(b"\x30" * 135_000))),
    "timestamp-of-sequences": (
        "a timestamp of 60,000 empty sequences",
        _header(_TIMESTAMP, _token(b"\x30\x82\xea\x60" + b"\x30\x00" * 30_000)),
    ),
    "timestamp-of-depth": ("a timestamp of sequences in sequences", _header(_TIMESTAMP, _token(b"\x30\x80" * 30_000))),
    "timestamp-number": ("a number for its timestamp", _header(_TIMESTAMP, lambda _: 1)),
}


def _bundles() -> list[Hostility]:
    subjects = [{"name": str(n), "digest": {"sha256": "0" * 64}} for n in range(2500)]
    many = json.dumps({"_type": "https://in-toto.io/Statement/v1", "subject": subjects}).encode()
    wide = json.dumps({"subject": [{"digest": {str(n): "0" * 64 for n in range(2000)}}]}).encode()
    signatures = {
        "dsseEnvelope": {
            "payload": "e30=",
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": "AAAA"}] * 9000,
        }
    }
    certificates = {"verificationMaterial": {"x509CertificateChain": {"certificates": [{"rawBytes": _TINY}] * 7000}}}
    entries = {"verificationMaterial": {"publicKey": {"hint": ""}, "tlogEntries": [{"logIndex": "1"}] * 9000}}
    made = {
        "bundle-of-2500-subjects": ("A bundle's statement has 2,500 subjects.", bundle_of(many)),
        "bundle-of-2000-digests": ("A bundle's subject has 2,000 digests.", bundle_of(wide)),
        "bundle-of-9000-signatures": ("A bundle has 9,000 signatures.", bundle_of(b"{}", **signatures)),
        "bundle-of-7000-certificates": ("A bundle has 7,000 certificates.", bundle_of(b"{}", **certificates)),
        "bundle-of-9000-log-entries": ("A bundle has 9,000 log entries.", bundle_of(b"{}", **entries)),
        "bundle-of-no-base64": (
            "A bundle's payload is no base64.",
            bundle_of(b"{}").replace(b'"e30="', b'"' + b"!" * 200_000 + b'"'),
        ),
        "bundle-of-a-mebibyte": ("A bundle has a MiB.", bundle_of(b"x" * MIB)),
    }
    return [Hostility(name, sentence, _put("bundle", content), _REJECTED) for name, (sentence, content) in made.items()]


def _envelopes() -> list[Hostility]:
    made = [
        Hostility(
            f"cose-{name}",
            f"A COSE envelope is or holds {sentence}.",
            _envelope(COSE, content),
            _REJECTED,
        )
        for name, (sentence, content) in _CBOR.items()
    ]
    made += [
        Hostility(
            f"jws-{name}",
            f"A JWS envelope of a good signature has {sentence}.",
            _good_notation(change),
            _REJECTED,
            harmless=name.startswith("timestamp"),
        )
        for name, (sentence, change) in _JWS.items()
    ]
    return made


BOMBS = [*_bombs(), *_envelopes(), *_bundles()]
