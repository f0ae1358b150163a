"""Throttling as boto3 meets it over HTTP: retried, and a bounded number of times."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import boto3
import pytest

from imagesig.errors import KeyProviderUnavailable
from imagesig.keys.awskms.provider import AwsKmsProvider
from imagesig.testing.loopback_server import ThreadedServer

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
METADATA = {
    "Arn": ARN,
    "KeyId": ARN.rpartition("/")[2],
    "KeySpec": "ECC_NIST_P256",
    "KeyUsage": "SIGN_VERIFY",
    "KeyState": "Enabled",
}


class Busy:
    """A KMS that lists one key, and first throttles so many requests in the way that `status` and `code` say."""

    def __init__(self) -> None:
        self.throttles, self.status, self.code = 0, 400, "ThrottlingException"
        self.requests: list[str] = []
        busy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                status, document = busy.answer(self.headers["x-amz-target"].removeprefix("TrentService."))
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Keeps quiet."""

        self.server = ThreadedServer(("127.0.0.1", 0), Handler)
        self.server.start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, operation: str) -> tuple[int, dict[str, Any]]:
        self.requests.append(operation)
        if self.throttles:
            self.throttles -= 1
            return self.status, {"__type": self.code, "message": "Rate exceeded"}
        return 200, {
            "ListAliases": {"Aliases": []},
            "ListKeys": {"Keys": [{"KeyId": METADATA["KeyId"], "KeyArn": ARN}]},
            "DescribeKey": {"KeyMetadata": METADATA},
        }[operation]


@pytest.fixture
def busy() -> Iterator[Busy]:
    running = Busy()
    yield running
    running.server.stop()


@pytest.fixture
def provider(busy: Busy, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsKmsProvider]:
    # The SDK waits between attempts; how long is its own affair.
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-central-1")
    with AwsKmsProvider(session=session, endpoint=busy.endpoint) as opened:
        yield opened


FAULTS = [(400, "ThrottlingException"), (500, "KMSInternalException"), (503, "DependencyTimeoutException")]


@pytest.mark.parametrize(("status", "code"), FAULTS)
def test_a_busy_kms_is_asked_again(busy: Busy, provider: AwsKmsProvider, status: int, code: str) -> None:
    busy.throttles, busy.status, busy.code = 2, status, code
    assert [info.uri for info in provider.list()] == [f"awskms:///{ARN}"]
    assert busy.requests == ["ListAliases"] * 3 + ["ListKeys", "DescribeKey"]


@pytest.mark.parametrize(("status", "code"), FAULTS)
def test_a_kms_that_stays_busy_is_given_up_after_three_attempts(
    busy: Busy, provider: AwsKmsProvider, status: int, code: str
) -> None:
    busy.throttles, busy.status, busy.code = 100, status, code
    with pytest.raises(KeyProviderUnavailable, match=code) as refused:
        provider.open("alias/app")
    assert refused.value.retryable
    assert busy.requests == ["DescribeKey"] * 3
