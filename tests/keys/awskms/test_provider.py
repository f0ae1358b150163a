"""AWS KMS over HTTP, against the corrected emulator."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from imagesig.crypto.algorithms import Algorithm, KeyType, Scheme
from imagesig.deadlines import deadline
from imagesig.errors import (
    AccessDenied,
    DeadlineExceeded,
    InvalidArgument,
    KeyNotFound,
    KeyProviderUnavailable,
    KeyUnusable,
    UnsupportedAlgorithm,
)
from imagesig.keys import KeySettings, open_key, open_public_keys, resolve_key
from imagesig.keys.awskms.key import MESSAGE_BYTES
from imagesig.keys.awskms.provider import AwsKmsProvider
from imagesig.testing import ProviderContract
from tests.peers.kms import KmsServer

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="s3cret-key", region_name="us-east-1")


@pytest.fixture
def provider(kms: KmsServer, session: boto3.Session) -> Iterator[AwsKmsProvider]:
    with AwsKmsProvider(session=session, endpoint=kms.endpoint) as opened:
        yield opened


@pytest.fixture
def client(kms: KmsServer, session: boto3.Session) -> Any:
    return session.client("kms", endpoint_url=kms.endpoint)


def alias() -> str:
    return f"alias/key-{uuid.uuid4().hex[:10]}"


class TestContract(ProviderContract):
    key_types = tuple(KeyType)
    secrets = ("s3cret-key",)

    @pytest.fixture
    def provider(self, kms: KmsServer, session: boto3.Session) -> Iterator[AwsKmsProvider]:
        with AwsKmsProvider(session=session, endpoint=kms.endpoint) as opened:
            yield opened

    def unreachable(self) -> AwsKmsProvider:
        return AwsKmsProvider(
            session=boto3.Session("any", "any", region_name="us-east-1"), endpoint="http://127.0.0.1:1"
        )

    def fresh_name(self, key_type: KeyType) -> str:
        return alias()

    def missing_name(self) -> str:
        return "alias/missing"

    def max_message(self, algorithm: Algorithm) -> int:
        return MESSAGE_BYTES if algorithm.scheme is Scheme.ED25519 else super().max_message(algorithm)

    def min_message(self, algorithm: Algorithm) -> int:
        return 1 if algorithm.scheme is Scheme.ED25519 else 0


def test_the_id_of_a_key_opened_by_alias_is_its_arn(provider: AwsKmsProvider) -> None:
    name = alias()
    provider.generate(name, KeyType.ECDSA_P256)
    assert provider.open(name).info.key_id.startswith("arn:aws:kms:us-east-1:")


def test_an_alias_moved_meanwhile_does_not_change_an_open_key(provider: AwsKmsProvider, client: Any) -> None:
    name = alias()
    key = provider.generate(name, KeyType.ECDSA_P256)
    other = provider.generate(alias(), KeyType.ECDSA_P256)
    client.update_alias(AliasName=name, TargetKeyId=other.info.key_id)
    assert key.sign(b"message")
    assert provider.open(name).info.public_key == other.info.public_key


def test_a_disabled_key_is_refused_with_what_to_do(provider: AwsKmsProvider, client: Any) -> None:
    name = alias()
    key = provider.generate(name, KeyType.ECDSA_P256)
    client.disable_key(KeyId=key.info.key_id.rpartition("/")[2])
    with pytest.raises(KeyUnusable, match="Disabled") as refused:
        provider.open(name)
    assert "enable-key" in refused.value.hint
    with pytest.raises(KeyUnusable, match="Disabled"):
        key.sign(b"message")


def test_a_key_that_waits_for_deletion_is_refused(provider: AwsKmsProvider, client: Any) -> None:
    name = alias()
    key = provider.generate(name, KeyType.ECDSA_P256)
    client.schedule_key_deletion(KeyId=key.info.key_id.rpartition("/")[2], PendingWindowInDays=7)
    with pytest.raises(KeyUnusable, match="PendingDeletion"):
        provider.open(key.info.key_id)
    with pytest.raises(KeyUnusable):
        key.sign(b"message")


def test_a_key_for_encryption_is_refused(provider: AwsKmsProvider, client: Any) -> None:
    arn = client.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
    with pytest.raises(KeyUnusable, match="ENCRYPT_DECRYPT"):
        provider.open(arn)
    assert any(info.key_type is None and arn in info.uri for info in provider.list())


def test_a_curve_that_images_do_not_use_is_refused(provider: AwsKmsProvider, client: Any) -> None:
    arn = client.create_key(KeySpec="ECC_SECG_P256K1", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    with pytest.raises(KeyUnusable, match="ECC_SECG_P256K1"):
        provider.open(arn)


def test_a_message_over_4096_bytes_is_refused_for_ed25519_before_the_call(provider: AwsKmsProvider) -> None:
    key = provider.generate(alias(), KeyType.ED25519)
    with pytest.raises(UnsupportedAlgorithm, match="4096"):
        key.sign(b"m" * (MESSAGE_BYTES + 1))


def test_a_key_is_checked_without_a_signature(provider: AwsKmsProvider) -> None:
    assert "DryRun" in provider.generate(alias(), KeyType.RSA_2048).check()


def test_a_missing_key_says_where_to_look(provider: AwsKmsProvider) -> None:
    with pytest.raises(KeyNotFound) as missing:
        provider.open("alias/none")
    assert "region" in missing.value.hint


def test_an_endpoint_that_does_not_answer_is_unavailable(session: boto3.Session) -> None:
    provider = AwsKmsProvider(session=session, endpoint="http://127.0.0.1:9")
    with provider, pytest.raises(KeyProviderUnavailable):
        provider.open("alias/app")


def test_an_injected_client_is_used(provider: AwsKmsProvider, client: Any) -> None:
    name = alias()
    made = provider.generate(name, KeyType.ECDSA_P384)
    assert AwsKmsProvider(client=client).open(name).info == made.info


def test_the_region_comes_from_an_arn() -> None:
    arn = "arn:aws:kms:eu-west-3:111122223333:alias/app"
    provider, name = resolve_key(f"awskms:///{arn}", KeySettings({"AWS_REGION": "us-east-1"}))
    assert name == arn
    assert "eu-west-3" in repr(provider)


def test_an_arn_is_asked_for_in_its_own_region(kms: KmsServer, session: boto3.Session) -> None:
    elsewhere = session.client("kms", endpoint_url=kms.endpoint, region_name="eu-west-3")
    arn = elsewhere.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    with AwsKmsProvider(session=session, endpoint=kms.endpoint) as provider:  # of us-east-1
        assert provider.open(arn).sign(b"message")
        assert provider.public_keys(arn)
        with pytest.raises(KeyNotFound):
            provider.open(arn.rpartition("/")[2])


@pytest.fixture
def environment(kms: KmsServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where the SDK looks by itself: this process's variables, and no files of the developer's."""
    variables = {
        "AWS_ENDPOINT_URL": kms.endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "s3cret-key",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def test_a_key_is_opened_by_uri_and_environment(environment: dict[str, str], provider: AwsKmsProvider) -> None:
    name = alias()
    made = provider.generate(name, KeyType.RSA_3072).info
    settings = KeySettings({"AWS_REGION": "us-east-1"})
    for uri in (f"awskms:///{name}", f"awskms:///{made.key_id}"):
        with open_key(uri, expect=made.public_key, settings=settings) as key:
            assert key.info == made
            assert key.sign(b"message")
        assert open_public_keys(uri, settings=settings) == (made.public_key,)


def test_without_a_region_the_hint_says_where_it_comes_from(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidArgument, match="region") as missing:
        open_key("awskms:///alias/app", settings=KeySettings({}))
    assert "AWS_REGION" in missing.value.hint


def test_a_profile_that_does_not_exist_is_our_error(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(InvalidArgument, match="no-such-profile"):
        open_key("awskms:///alias/app", settings=KeySettings({"AWS_REGION": "us-east-1"}))


def test_without_credentials_access_is_denied(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccessDenied, match="credentials"):
        open_key("awskms:///alias/app", settings=KeySettings({"AWS_REGION": "us-east-1"}))


def test_a_closed_key_is_not_checked(provider: AwsKmsProvider) -> None:
    key = provider.generate(alias(), KeyType.ECDSA_P256)
    key.close()
    with pytest.raises(KeyUnusable, match="closed"):
        key.check()


def test_nothing_is_asked_for_after_the_deadline(provider: AwsKmsProvider) -> None:
    key = provider.generate(alias(), KeyType.ECDSA_P256)
    with pytest.raises(DeadlineExceeded), deadline(0):
        key.sign(b"message")


def test_more_keys_than_a_page_are_listed(provider: AwsKmsProvider, client: Any) -> None:
    made = {client.create_key()["KeyMetadata"]["Arn"] for _ in range(105)}
    assert made <= {info.uri.removeprefix("awskms:///") for info in provider.list()}
