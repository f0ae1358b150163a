"""The table of key URIs: awskms:// as sigstore parses it, pkcs11: as RFC 7512 defines it."""

from __future__ import annotations

import json

from imagesig.errors import InvalidArgument
from imagesig.keys.awskms.uri import parse_awskms_uri
from imagesig.keys.pkcs11.uri import parse_pkcs11_uri
from tests.vectors import report, vectors


def test_awskms_uris() -> None:
    cases = json.loads((vectors("key-uris") / "cases.json").read_text())["awskms"]
    for case in cases:
        try:
            parsed = parse_awskms_uri(case["in"])
        except InvalidArgument:
            assert case.get("wantErr"), case
        else:
            assert not case.get("wantErr"), case
            assert parsed.endpoint == (case.get("wantEndpoint") or ""), case
            assert parsed.key_id == case["wantKeyID"], case
            assert parsed.alias == (case.get("wantAlias") or ""), case
    report("key-uris awskms", len(cases), {})


def test_pkcs11_uris() -> None:
    cases = json.loads((vectors("key-uris") / "cases.json").read_text())["pkcs11_rfc7512"]
    ungraded = 0
    for case in cases:
        try:
            parse_pkcs11_uri(case["uri"])
        except InvalidArgument:
            accepted = False
        else:
            accepted = True
        ungraded += case["ok"] is None
        assert case["ok"] in (None, accepted), case
    report("key-uris pkcs11", len(cases) - ungraded, {"not graded, must only not crash": ungraded})
