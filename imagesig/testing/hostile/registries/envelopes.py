"""Bundles, COSE and JWS envelopes that are costly to read or invalid."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from imagesig.testing.hostile.kinds import MIB, Hostility, Script
from imagesig.testing.hostile.registries.documents import bundle_of, put
from imagesig.testing.hostile.registries.stage import NAME, NOTATION, Stage
from imagesig.testing.hostile.registries.wire import UNVERIFIED

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


def _envelope(media_type: str, content: bytes) -> Script:
    def script(stage: Stage) -> None:
        stage.certified = True
        stage.push()
        layers = [{"mediaType": media_type, **stage.blob(content)}]
        stage.store({**stage.foreign(kind=NOTATION), "layers": layers})

    return script


def _good_notation(change: Callable[[dict[str, object]], None]) -> Script:
    """A real JWS envelope whose unprotected header is changed: the signature is still valid."""

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
    return [Hostility(name, sentence, put("bundle", content), UNVERIFIED) for name, (sentence, content) in made.items()]


ENVELOPES = [
    *(
        Hostility(
            f"cose-{name}",
            f"A COSE envelope is or holds {sentence}.",
            _envelope("application/cose", content),
            UNVERIFIED,
        )
        for name, (sentence, content) in _CBOR.items()
    ),
    *(
        Hostility(
            f"jws-{name}",
            f"A JWS envelope of a good signature has {sentence}.",
            _good_notation(change),
            UNVERIFIED,
            harmless=name.startswith("timestamp"),
        )
        for name, (sentence, change) in _JWS.items()
    ),
    *_bundles(),
]
