"""The files of an edition: byte for byte as notary writes them, from verified files or for a new repository."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from imagesig.content_trust.editing import Edition
from imagesig.content_trust.key import TrustKey
from imagesig.content_trust.metadata import FileHash, serialized
from imagesig.content_trust.update_request import UpdateRequest
from imagesig.errors import MalformedError
from tests.content_trust.repository import NOW, Delegation, Key, TrustRepository, fetched, p256, tag

AT = datetime(2026, 11, 28, 12, 30, 15, 999_999, UTC)
MANIFEST = FileHash(418, bytes(range(32)))


def seeded(number: int) -> TrustKey:
    return TrustKey.of(Key(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)).public)


def written(edition: Edition, **floors: int) -> dict[str, bytes]:
    return {item.role: serialized(item.signed, ()) for item in edition.unsigned(AT, floors)}


def test_a_new_repository_has_exactly_these_bytes() -> None:
    roles = ("root", "targets", "snapshot", "timestamp")
    edition = Edition.new({role: seeded(number) for number, role in enumerate(roles, 1)})
    edition.delegate("targets/alice", [seeded(5)])
    edition.put("targets", "1.0", MANIFEST)
    edition.put("targets", "a&b", MANIFEST)
    files = written(edition)

    signer, root = seeded(5).id, seeded(1).id
    entry = '{"hashes":{"sha256":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},"length":418}'
    key = '{"keytype":"ed25519","keyval":{"private":null,"public":"bnoc3Smwt4/ROvTFWY/v9O8qlxZuPKby5Pv8zYBQW/E="}}'
    assert files["targets"].decode() == (
        '{"signed":{"_type":"Targets","delegations":{"keys":{"SIGNER":KEY},"roles":[{"keyids":["SIGNER"],'
        '"name":"targets/alice","paths":[""],"threshold":1}]},"expires":"2029-11-27T12:30:15Z",'
        '"targets":{"1.0":ENTRY,"a\\u0026b":ENTRY},"version":1},"signatures":[]}'
    ).replace("SIGNER", signer).replace("KEY", key).replace("ENTRY", entry)
    head = b'{"signed":{"_type":"Root","consistent_snapshot":false,"expires":"2036-11-25T12:30:15Z","keys":{"'
    assert files["root"].startswith(head)
    assert f'"roles":{{"root":{{"keyids":["{root}"],"threshold":1}},"snapshot":'.encode() in files["root"]


def test_present_files_are_written_again_with_only_what_notary_knows() -> None:
    def odd(signed: dict[str, object]) -> None:
        signed["unknown"] = 1
        signed["targets"]["v2"] = {**tag(), "custom": {"b": 1, "a": [None]}, "more": 2}  # type: ignore[index]

    made = TrustRepository(delegations={"targets/alice": Delegation([p256()], {}, paths=[])}, change={"targets": odd})
    view = fetched(made.files(), UpdateRequest(made.name, (), NOW))
    assert view is not None
    edition = Edition.of(view)
    edition.sign_again("targets")
    text = written(edition)["targets"].decode()

    assert '"unknown"' not in text
    assert '"more"' not in text  # with quotes: a key in base64 may contain the word
    assert '"custom":{"a":[null],"b":1}' in text
    assert '"name":"targets/alice","threshold":1' in text, "empty paths are left out"
    assert '"version":2' in text


def test_versions_that_are_used_up_are_skipped() -> None:
    made = TrustRepository(delegations={"targets/alice": Delegation([p256()], {"1.0": tag()}, version=7)})
    view = fetched(made.files(), UpdateRequest(made.name, (), NOW))
    assert view is not None
    edition = Edition.of(view)
    edition.delegate("targets/bob", [seeded(1)])
    for role in ("targets/alice", "targets/bob"):
        edition.put(role, "2.0", MANIFEST)
    found = {item.role: item.signed["version"] for item in edition.unsigned(AT, {"targets/bob": 4}, 2)}
    assert found == {"targets": 4, "targets/alice": 10, "targets/bob": 7}


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "\x1b[0m"], ids=["line", "nul", "escape"])
def test_a_name_that_notary_cannot_write_is_refused(name: str) -> None:
    made = TrustRepository()
    view = fetched(made.files(), UpdateRequest(made.name, (), NOW))
    assert view is not None
    edition = Edition.of(view)
    edition.put("targets", name, MANIFEST)
    with pytest.raises(MalformedError, match="control character"):
        written(edition)
