"""KMS key URIs."""

from __future__ import annotations

import pytest

from imagesig.errors import InvalidArgument
from imagesig.keys.awskms.uri import parse_awskms_uri


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc"])
def test_every_partition_is_accepted(partition: str) -> None:
    parsed = parse_awskms_uri(f"awskms:///arn:{partition}:kms:some-region-1:111122223333:alias/app")
    assert (parsed.alias, parsed.region) == ("alias/app", "some-region-1")


@pytest.mark.parametrize(
    "uri",
    [
        "awskms:",
        "awskms://endpoint?",
        "awskms:///alias/",
        "awskms://user@host/alias/a",
        "awskms:///alias/a?x=1",
        "awskms:///alias/a\n",
        "kms:///a",
    ],
)
def test_an_invalid_key_id_is_refused(uri: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_awskms_uri(uri)


def test_a_password_in_a_uri_is_not_shown() -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_awskms_uri("awskms://user:s3cret@host/alias/a")
    assert "s3cret" not in str(refused.value)
