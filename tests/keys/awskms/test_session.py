"""A provider that lives for weeks: the credentials of its role end, and those that it assumes the role with change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.client import BaseClient

from imagesig.crypto.algorithms import KeyType
from imagesig.errors import AccessDenied, ImagesigError
from imagesig.keys.awskms.provider import AwsKmsProvider
from imagesig.keys.awskms.session import Sessions
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.uri import open_key
from imagesig.testing import ScriptedKms, ScriptedSts

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")

ROLE = "arn:aws:iam::111122223333:role/app"


class Cloud:
    """KMS and STS, and the folder with the files that name the credentials."""

    def __init__(self, kms: ScriptedKms, sts: ScriptedSts, folder: Path) -> None:
        self.kms, self.sts, self.folder = kms, sts, folder
        self.rounds = 0

    def source(self, number: int) -> None:
        """The files have the credentials of this round."""
        (self.folder / "credentials").write_text(
            f"[base]\naws_access_key_id = AKIASOURCE{number}\naws_secret_access_key = {'x' * 40}\n"
        )
        (self.folder / "token").write_text(f"token-{number}")

    def accepts(self, number: int) -> None:
        """AWS accepts the credentials of this round only."""
        self.sts.access_keys, self.sts.tokens = {f"AKIASOURCE{number}"}, {f"token-{number}"}
        self.sts.gives = f"ASIAROLE{number}"
        self.kms.access_keys = {self.sts.gives}


def by_profile(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    (cloud.folder / "config").write_text(f"[profile app]\nrole_arn = {ROLE}\nsource_profile = base\n")
    monkeypatch.setenv("AWS_PROFILE", "app")


def by_web_identity(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(cloud.folder / "token"))


WAYS: dict[str, Callable[[Cloud, pytest.MonkeyPatch], None]] = {"profile": by_profile, "web-identity": by_web_identity}


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with ScriptedKms({"app": PrivateKey.generate(KeyType.ECDSA_P256)}) as kms, ScriptedSts() as sts:
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.address)
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", kms.address)
        made = Cloud(kms, sts, tmp_path)
        made.source(1)
        made.accepts(1)
        yield made


@pytest.mark.parametrize("seconds", [3600, 60], ids=["revoked", "ending"])
@pytest.mark.parametrize("way", WAYS)
def test_the_next_call_uses_the_new_credentials_of_a_role(
    way: str, seconds: int, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    WAYS[way](cloud, monkeypatch)
    cloud.sts.seconds = seconds
    with AwsKmsProvider(region="eu-central-1") as provider:
        key = provider.open("alias/app")
        for number in (2, 3):
            assert key.sign(b"message")
            cloud.source(number)
            cloud.accepts(number)
        assert key.sign(b"message")


@pytest.mark.parametrize("seconds", [3600, 60], ids=["revoked", "ending"])
@pytest.mark.parametrize("way", WAYS)
def test_credentials_that_ended_are_an_error_that_says_what_to_renew(
    way: str, seconds: int, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    WAYS[way](cloud, monkeypatch)
    cloud.sts.seconds = seconds
    with AwsKmsProvider(region="eu-central-1") as provider:
        key = provider.open("alias/app")
        cloud.accepts(2)
        with pytest.raises(AccessDenied) as refused:
            key.sign(b"message")
        wanted = "AWS_WEB_IDENTITY_TOKEN_FILE" if way == "web-identity" else "renew or correct the AWS credentials"
        assert wanted in refused.value.hint
        cloud.source(2)
        assert key.sign(b"message")


@pytest.mark.parametrize("way", WAYS)
def test_credentials_that_are_expired_when_they_are_fetched_are_refused(
    way: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine whose clock is fast."""
    WAYS[way](cloud, monkeypatch)
    cloud.sts.seconds = -60
    with AwsKmsProvider(region="eu-central-1") as provider, pytest.raises(AccessDenied) as refused:
        provider.open("alias/app")
    assert "have expired already" in str(refused.value)
    assert "clock" in refused.value.hint


def test_sessions_after_a_rotation_share_the_descriptions_of_the_sdk(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one parsed them again, and memory grew with the rotations."""
    from botocore.loaders import JSONFileLoader

    read: list[str] = []
    load = JSONFileLoader.load_file

    def counted(self: JSONFileLoader, path: str) -> object:
        found = load(self, path)
        if found is not None:
            read.append(path)
        return found

    monkeypatch.setattr(JSONFileLoader, "load_file", counted)
    by_profile(cloud, monkeypatch)
    with AwsKmsProvider(region="eu-central-1") as provider:
        key = provider.open("alias/app")
        assert read
        for number in (2, 3, 4):
            cloud.source(number)
            cloud.accepts(number)
            key.sign(b"message")
    assert len(read) == len(set(read))


@pytest.mark.parametrize(
    "name",
    [
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_CA_BUNDLE",
        "AWS_DEFAULTS_MODE",
        "AWS_METADATA_SERVICE_TIMEOUT",
    ],
)
def test_an_empty_variable_is_as_good_as_a_missing_one(
    name: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cosign, with AWS's SDK for Go, reads them so. CI systems set a variable that has no value to the empty string."""
    by_web_identity(cloud, monkeypatch)
    monkeypatch.setenv(name, "")
    with open_key("awskms:///alias/app") as key:
        assert key.sign(b"x")


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_an_empty_variable_leaves_the_default_authorities(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(name, "")
    core = Sessions().new("eu-west-1")._session
    assert core.get_config_variable("ca_bundle") is (True if name == "REQUESTS_CA_BUNDLE" else None)
    assert core.create_client("kms", region_name="eu-west-1")


def test_an_empty_variable_does_not_hide_the_setting_of_the_file(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    by_web_identity(cloud, monkeypatch)
    (tmp_path / "config").write_text("[default]\ndefaults_mode = nonsense\n")
    monkeypatch.setenv("AWS_DEFAULTS_MODE", "")
    with pytest.raises(ImagesigError, match="InvalidDefaultsMode"), open_key("awskms:///alias/app"):
        pass


def test_the_clients_of_credentials_that_ended_are_closed(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    WAYS["web-identity"](cloud, monkeypatch)
    with AwsKmsProvider(region="eu-central-1") as provider:
        key = provider.open("alias/app")
        closed: list[object] = []
        close = BaseClient.close
        monkeypatch.setattr(BaseClient, "close", lambda client: (closed.append(client), close(client))[1])
        cloud.source(2)
        cloud.accepts(2)
        assert key.sign(b"message")
        assert len(closed) == 1
    assert len(closed) == 2
