"""JSON documents for programs, and untrusted words in lines for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from imagesig.cli.output.terminal import document
from imagesig.patterns import regex
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.crypto.certificate import Certificate

JSON_VERSION = 1
_RESULTS = {"doctor": "findings", "attest-blob": "blobs", "sign-blob": "blobs", "verify-blob": "blobs"}
"""The member with the results of a command; `images` of the others."""
_WITHOUT_LISTS = ("key", "policy")
"""Groups of commands with other results: they are missing if the command fails."""
_WORD = regex(r"[A-Za-z0-9][A-Za-z0-9._+/:@-]*")


def write_json(command: str, members: Mapping[str, object]) -> None:
    """Writes one document to stdout: `{"imagesig": 1, "command": …, …}`. Members are added, never changed."""
    content = {"imagesig": JSON_VERSION, "command": command, **members}
    # The encoder escapes untrusted text.
    document(json.dumps(content, indent=2, ensure_ascii=True) + "\n")


def write_json_error(command: str, error: dict[str, object]) -> None:
    """Writes the document of a command that failed before it had results: the error takes their place."""
    has_list = not set(_WITHOUT_LISTS) & set(command.split()[:-1])
    no_results: dict[str, object] = {_RESULTS.get(command, "images"): []} if has_list else {}
    write_json(command, {**no_results, **error})


def word(untrusted: str) -> str:
    """One word of a line, such as a platform or a media type. Anything but a plain word is quoted."""
    return untrusted if _WORD.fullmatch(untrusted) else quote(untrusted)


def certificate_line(certificate: Certificate) -> str:
    return f"{certificate.subject}, until {certificate.not_after:%Y-%m-%d}, {certificate.fingerprint}"
