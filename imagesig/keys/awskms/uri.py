"""The URI of a KMS key: `awskms://[ENDPOINT]/KEY`. Pure.

Spec: cosign's grammar, where KEY is a key id, an alias, or the ARN of either; imagesig accepts every AWS partition.
"""

from __future__ import annotations

import re

from msgspec import Struct

from imagesig.errors import InvalidArgument
from imagesig.patterns import regex
from imagesig.text import quote

_UUID = r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
_MULTI_REGION = r"mrk-[0-9A-Fa-f]{32}"
_ALIAS = r"alias/[A-Za-z0-9/_-]{1,250}"
_ID = rf"(?:{_UUID}|{_MULTI_REGION})"
_ARN = regex(rf"arn:aws(?:-[a-z-]+)?:kms:(?P<region>[a-z0-9-]+):[0-9]{{12}}:(?:key/{_ID}|(?P<alias>{_ALIAS}))")
_KEY = regex(rf"{_ID}|(?P<alias>{_ALIAS})")
_URI = regex(r"awskms://(?P<endpoint>[^/?#@]*)(?:(?P<slash>/)(?P<key>[^?#]*))?", re.IGNORECASE)
_ENDPOINT = regex(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")


class AwsKmsUri(Struct, frozen=True):
    """`key_id` is in KMS's form. `region` comes from an ARN, `alias` is `alias/NAME`; both may be empty."""

    endpoint: str
    key_id: str
    alias: str = ""
    region: str = ""


def parse_key_id(key_id: str) -> AwsKmsUri:
    """A key id, alias or ARN. Raises `InvalidArgument` for anything else."""
    match = _ARN.fullmatch(key_id)
    if match:
        return AwsKmsUri("", key_id, match["alias"] or "", match["region"])
    match = _KEY.fullmatch(key_id)
    if any(character.isspace() for character in key_id):
        raise InvalidArgument(
            f"KMS key {quote(key_id)}: it has a line break or a blank", hint="write it without blanks and line breaks"
        )
    if not match:
        raise InvalidArgument(
            f"KMS key {quote(key_id)}: a key id, alias/NAME or an ARN is needed", hint="write awskms:///alias/NAME"
        )
    return AwsKmsUri("", key_id, match["alias"] or "")


def region_of(key_id: str) -> str:
    """The region in an ARN; empty for anything else."""
    match = _ARN.fullmatch(key_id)
    return match["region"] if match else ""


def parse_awskms_uri(uri: str) -> AwsKmsUri:
    """The parts of the URI. The key may be empty, for listing: `awskms://` or `awskms://ENDPOINT/`.

    Raises:
        InvalidArgument: not an `awskms://` URI.
    """
    match = _URI.fullmatch(uri)
    endpoint = "" if match is None else match["endpoint"]
    if match is None or (endpoint and not (match["slash"] and _ENDPOINT.fullmatch(endpoint))):
        shown = uri.rpartition("@")[2]  # the part before it may be a password
        raise InvalidArgument(
            f"key URI {quote(shown)}: awskms://[ENDPOINT]/KEY is needed",
            hint="without an endpoint: awskms:///alias/NAME",
        )
    if not match["key"]:
        return AwsKmsUri(match["endpoint"], "")
    parsed = parse_key_id(match["key"])
    return AwsKmsUri(match["endpoint"], parsed.key_id, parsed.alias, parsed.region)
