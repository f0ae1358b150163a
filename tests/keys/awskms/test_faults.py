"""What a KMS that refuses, throttles or lies does to us; the client is a strict double of boto3's."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from imagesig.crypto.algorithms import ECDSA_SHA256, KeyType, ToSign
from imagesig.errors import (
    AccessDenied,
    BadSignature,
    KeyExists,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
)
from imagesig.keys.awskms.provider import AwsKmsProvider
from tests.makers import private_key

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def refusal(code: str, status: int = 400) -> ClientError:
    response = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Sign")  # type: ignore[arg-type]


class Client:
    """One P-256 key. `raises` maps an operation to what it raises; other operations and arguments are errors."""

    def __init__(self) -> None:
        self.raises: dict[str, Exception] = {}
        self.metadata = {"Arn": ARN, "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "KeyState": "Enabled"}
        self.signed_by, self.answers_as = 1, ARN
        self.knows_dry_run = True
        self.calls: list[str] = []

    def _begin(self, operation: str) -> None:
        self.calls.append(operation)
        if operation in self.raises:
            raise self.raises[operation]

    def describe_key(self, *, KeyId: str) -> dict[str, Any]:
        self._begin("describe_key")
        return {"KeyMetadata": self.metadata}

    def get_public_key(self, *, KeyId: str) -> dict[str, Any]:
        self._begin("get_public_key")
        return {
            "KeyId": ARN,
            "PublicKey": private_key(number=1).public_key.spki,
            "SigningAlgorithms": ["ECDSA_SHA_256"],
        }

    def sign(self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str, DryRun: bool = False) -> Any:
        self._begin("sign")
        assert (KeyId, MessageType, SigningAlgorithm, len(Message)) == (ARN, "DIGEST", "ECDSA_SHA_256", 32)
        if DryRun and self.knows_dry_run:
            raise refusal("DryRunOperationException", 412)
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
        from cryptography.hazmat.primitives.hashes import SHA256

        loaded = private_key(number=self.signed_by).loaded
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return {"KeyId": self.answers_as, "Signature": loaded.sign(Message, ec.ECDSA(Prehashed(SHA256())))}

    def create_key(self, *, KeySpec: str, KeyUsage: str) -> dict[str, Any]:
        self._begin("create_key")
        return {"KeyMetadata": self.metadata}

    def create_alias(self, *, AliasName: str, TargetKeyId: str) -> None:
        self._begin("create_alias")

    def schedule_key_deletion(self, *, KeyId: str, PendingWindowInDays: int) -> None:
        self._begin("schedule_key_deletion")


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_key_signs_by_its_arn_and_with_a_digest(client: Client) -> None:
    key = AwsKmsProvider(client=client).open("alias/app")
    assert key.sign_batch([ToSign(b"a", ECDSA_SHA256), ToSign(b"b", ECDSA_SHA256)])
    assert client.calls == ["describe_key", "get_public_key", "sign", "sign"]


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("ThrottlingException", 400, KeyProviderUnavailable),
        ("KMSInternalException", 500, KeyProviderUnavailable),
        ("DependencyTimeoutException", 503, KeyProviderUnavailable),
        ("DisabledException", 400, KeyUnusable),
        ("KMSInvalidStateException", 400, KeyUnusable),
        ("InvalidKeyUsageException", 400, KeyUnusable),
        ("AccessDeniedException", 400, AccessDenied),
        ("ExpiredTokenException", 400, AccessDenied),
        ("NotFoundException", 400, KeyNotFound),
        ("SomethingNew", 400, KeyProviderError),
    ],
)
def test_every_refusal_has_its_place_in_the_tree(
    client: Client, code: str, status: int, error: type[KeyProviderError]
) -> None:
    key = AwsKmsProvider(client=client).open(ARN)
    client.raises["sign"] = refusal(code, status)
    with pytest.raises(error, match=code) as refused:
        key.sign(b"message")
    assert type(refused.value) is error


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (NoCredentialsError(), AccessDenied),
        (EndpointConnectionError(endpoint_url="https://kms.example"), KeyProviderUnavailable),
    ],
)
def test_errors_of_the_sdk_stop_here(client: Client, raised: Exception, error: type[KeyProviderError]) -> None:
    client.raises |= {"describe_key": raised, "get_public_key": raised}
    with pytest.raises(error):
        AwsKmsProvider(client=client).open(ARN)


def test_a_signature_of_another_key_never_leaves(client: Client) -> None:
    key = AwsKmsProvider(client=client).open(ARN)
    client.signed_by = 2
    with pytest.raises(BadSignature):
        key.sign(b"message")


def test_an_answer_in_the_name_of_another_key_is_refused(client: Client) -> None:
    key = AwsKmsProvider(client=client).open(ARN)
    client.answers_as = ARN.replace("1234abcd", "ffffffff")
    with pytest.raises(BadSignature, match="from the key"):
        key.sign(b"message")


def test_without_the_right_to_describe_a_key_it_still_signs(client: Client) -> None:
    client.raises["describe_key"] = refusal("AccessDeniedException")
    assert AwsKmsProvider(client=client).open(ARN).sign(b"message")


def test_an_alias_that_cannot_be_made_leaves_no_key_without_a_name(client: Client) -> None:
    client.raises["describe_key"] = refusal("NotFoundException")
    client.raises["create_alias"] = refusal("AlreadyExistsException")
    with pytest.raises(KeyExists):
        AwsKmsProvider(client=client).generate("alias/app", KeyType.ECDSA_P256)
    assert client.calls[-1] == "schedule_key_deletion"


def test_check_makes_no_signature(client: Client) -> None:
    assert "DryRun" in AwsKmsProvider(client=client).open(ARN).check()


def test_without_dry_run_check_signs_and_reports_that(client: Client) -> None:
    client.knows_dry_run = False
    assert AwsKmsProvider(client=client).open(ARN).check() == "signed and verified a test message"


def test_check_says_which_right_is_missing(client: Client) -> None:
    client.raises["sign"] = refusal("AccessDeniedException")
    with pytest.raises(AccessDenied) as denied:
        AwsKmsProvider(client=client).open(ARN).check()
    assert "kms:Sign" in denied.value.hint


@pytest.mark.parametrize(
    "raised",
    [
        CredentialRetrievalError(provider="sso", error_msg="expired"),
        UnauthorizedSSOTokenError(),
        TokenRetrievalError(provider="sso", error_msg="expired"),
    ],
)
def test_a_login_that_expired_is_access_denied_and_no_network_error(client: Client, raised: Exception) -> None:
    client.raises["describe_key"] = client.raises["get_public_key"] = raised
    with pytest.raises(AccessDenied) as denied:
        AwsKmsProvider(client=client).open(ARN)
    assert "aws sso login" in denied.value.hint
