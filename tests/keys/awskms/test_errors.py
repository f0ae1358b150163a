"""What each refusal and state of KMS becomes: its class, whether trying again helps, and what to do."""

from __future__ import annotations

import datetime
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from botocore.exceptions import ClientError, MissingDependencyException

from imagesig import diagnose
from imagesig.errors import (
    AccessDenied,
    InvalidArgument,
    KeyExists,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
)
from imagesig.keys import KeySettings, open_key, resolve_key
from imagesig.keys.awskms.errors import call_failed, credentials_failed
from imagesig.keys.awskms.provider import AwsKmsProvider
from imagesig.testing import Answer, Request, ScriptedKms
from tests.commands import run_here
from tests.makers import private_key

SECRET = "s3cret/access+key"


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedKms]:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    with ScriptedKms({"app": private_key(), "other": private_key(number=1)}) as running:
        variables = {
            "AWS_ENDPOINT_URL_KMS": running.address,
            "AWS_REGION": running.region,
            "AWS_ACCESS_KEY_ID": "AKIASCRIPTED",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
            monkeypatch.delenv(name, raising=False)
        yield running


def of(operation: str, answer: Answer) -> Callable[[Request], Answer | None]:
    """A fault: this answer to one operation."""
    return lambda request: answer if request.headers["x-amz-target"] == f"TrentService.{operation}" else None


def refused(code: str, message: str = "no", status: int = 400) -> Answer:
    return Answer(status, json.dumps({"__type": code, "message": message}).encode())


STATES: dict[str, tuple[bool, str]] = {
    "Creating": (True, "again"),
    "Disabled": (False, "enable-key"),
    "PendingDeletion": (False, "cancel-key-deletion"),
    "PendingReplicaDeletion": (False, "replica"),
    "PendingImport": (False, "import-key-material"),
    "Unavailable": (False, "custom key store"),
    "SomethingNew": (False, "describe-key"),
}


@pytest.mark.parametrize("state", ["Enabled", "Updating"])
def test_a_key_in_these_states_signs(kms: ScriptedKms, state: str) -> None:
    kms.states["app"] = state
    with open_key("awskms:///alias/app") as key:
        assert key.sign(b"message")
        assert "DryRun" in key.check()


@pytest.mark.parametrize("state", STATES)
def test_a_key_in_another_state_is_refused_with_what_to_do(kms: ScriptedKms, state: str) -> None:
    retryable, hint = STATES[state]
    kms.states["app"] = state
    with pytest.raises(KeyUnusable, match=state) as before:
        open_key("awskms:///alias/app")
    kms.states["app"] = "Enabled"
    with open_key("awskms:///alias/app") as key:
        kms.states["app"] = state
        with pytest.raises(KeyUnusable) as meanwhile:
            key.sign(b"message")
    for found in (before, meanwhile):
        assert hint in found.value.hint, found.value
        assert found.value.retryable is retryable


CLOCK = "clock"
CODES: list[tuple[str, int, type[KeyProviderError], bool, str]] = [
    ("AccessDeniedException", 400, AccessDenied, False, "kms:Sign"),
    ("AccessDenied", 403, AccessDenied, False, "kms:Sign"),
    ("NotAuthorized", 400, AccessDenied, False, "kms:Sign"),
    ("KMSAccessDeniedException", 400, AccessDenied, False, "kms:Sign"),
    ("InvalidGrantTokenException", 400, AccessDenied, False, "grant"),
    ("UnrecognizedClientException", 400, AccessDenied, False, "credentials"),
    ("InvalidClientTokenId", 403, AccessDenied, False, "credentials"),
    ("ExpiredTokenException", 400, AccessDenied, False, "credentials"),
    ("ExpiredToken", 403, AccessDenied, False, "credentials"),
    ("OptInRequired", 403, AccessDenied, False, "region"),
    ("SubscriptionRequiredException", 403, AccessDenied, False, "region"),
    ("SignatureDoesNotMatch", 403, AccessDenied, False, CLOCK),
    ("InvalidSignatureException", 400, AccessDenied, False, CLOCK),
    ("IncompleteSignatureException", 400, AccessDenied, False, CLOCK),
    ("IncompleteSignature", 400, AccessDenied, False, CLOCK),
    ("MissingAuthenticationTokenException", 400, AccessDenied, False, CLOCK),
    ("MissingAuthenticationToken", 403, AccessDenied, False, CLOCK),
    ("RequestExpired", 400, AccessDenied, False, CLOCK),
    ("RequestTimeTooSkewed", 403, AccessDenied, False, CLOCK),
    ("NotFoundException", 400, KeyNotFound, False, "region"),
    ("InvalidArnException", 400, KeyNotFound, False, "ARN"),
    ("DisabledException", 400, KeyUnusable, False, "enable-key"),
    ("InvalidKeyUsageException", 400, KeyUnusable, False, "SIGN_VERIFY"),
    ("UnsupportedOperationException", 400, KeyUnusable, False, "SIGN_VERIFY"),
    ("KMSInvalidStateException", 400, KeyUnusable, False, "describe-key"),
    ("CustomKeyStoreInvalidStateException", 400, KeyUnusable, False, "custom key store"),
    ("CustomKeyStoreNotFoundException", 400, KeyUnusable, False, "custom key store"),
    ("CloudHsmClusterInvalidConfigurationException", 400, KeyUnusable, False, "custom key store"),
    ("XksKeyInvalidConfigurationException", 400, KeyUnusable, False, "external key"),
    ("XksKeyNotFoundException", 400, KeyUnusable, False, "external key"),
    ("AlreadyExistsException", 400, KeyExists, False, "alias"),
    ("LimitExceededException", 400, KeyProviderError, False, "quota"),
    ("ThrottlingException", 400, KeyProviderUnavailable, True, "again"),
    ("RequestThrottled", 400, KeyProviderUnavailable, True, "again"),
    ("KeyUnavailableException", 500, KeyProviderUnavailable, True, "again"),
    ("KMSInternalException", 500, KeyProviderUnavailable, True, "again"),
    ("DependencyTimeoutException", 503, KeyProviderUnavailable, True, "again"),
    ("ServiceUnavailable", 503, KeyProviderUnavailable, True, "again"),
    ("InternalFailure", 500, KeyProviderUnavailable, True, "again"),
    ("RequestTimeoutException", 400, KeyProviderUnavailable, True, "again"),
    ("RequestAbortedException", 400, KeyProviderUnavailable, True, "again"),
    ("UnknownOperationException", 404, KeyProviderError, False, "endpoint"),
    ("ValidationException", 400, KeyProviderError, False, "report"),
    ("AuthFailure", 401, AccessDenied, False, "credentials"),
    ("InvalidAccessKeyId", 403, AccessDenied, False, "credentials"),
    ("TokenRefreshRequired", 400, AccessDenied, False, "credentials"),
    ("PendingVerification", 403, AccessDenied, False, "account"),
    ("TooManyRequestsException", 400, KeyProviderUnavailable, True, "again"),
    ("RequestLimitExceeded", 503, KeyProviderUnavailable, True, "again"),
    ("SlowDown", 400, KeyProviderUnavailable, True, "again"),
    ("SomethingBusy", 429, KeyProviderUnavailable, True, "again"),
    ("SomethingNew", 400, KeyProviderError, False, "AWS"),
]


def test_every_code_has_its_class_and_what_to_do(kms: ScriptedKms) -> None:
    wrong = []
    with open_key("awskms:///alias/app") as key:
        for code, status, kind, retryable, hint in CODES:
            kms.faults[:] = [of("Sign", refused(code, status=status))]
            with pytest.raises(KeyProviderError) as found:
                key.sign(b"message")
            error = found.value
            right = (type(error), error.retryable) == (kind, retryable) and code in str(error) and hint in error.hint
            if not right or SECRET in f"{error!r} {error.hint}":
                wrong.append(f"{error!r} {error.hint}")
    assert not wrong


@pytest.mark.parametrize(("status", "retryable"), [(400, False), (403, False), (407, False), (429, True), (502, True)])
@pytest.mark.parametrize("page", [b"<html>s3cret</html>", b"", b"{}"])
def test_an_answer_that_is_not_of_aws_says_so(kms: ScriptedKms, status: int, retryable: bool, page: bytes) -> None:
    with open_key("awskms:///alias/app") as key:
        kms.faults[:] = [of("Sign", Answer(status, page, {"content-type": "text/html"}))]
        with pytest.raises(KeyProviderError, match=str(status)) as found:
            key.sign(b"message")
    assert found.value.retryable is retryable
    assert "proxy or gateway" in found.value.hint
    assert "HTTPS_PROXY" in found.value.hint
    assert "html" not in str(found.value)


_METADATA = {"Arn": "arn", "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "KeyState": "Enabled"}
NO_ANSWERS: dict[str, tuple[str, int, object]] = {
    "a list": ("DescribeKey", 200, [1]),
    "text": ("DescribeKey", 200, "page"),
    "a number": ("GetPublicKey", 200, 1),
    "a list of metadata": ("DescribeKey", 200, {"KeyMetadata": [_METADATA]}),
    "several types": ("DescribeKey", 200, {"KeyMetadata": {**_METADATA, "KeySpec": ["ECC_NIST_P256"]}}),
    "no list of algorithms": ("GetPublicKey", 200, {"KeyId": "arn", "PublicKey": "", "SigningAlgorithms": 1}),
    "algorithms in lists": ("GetPublicKey", 200, {"KeyId": "arn", "PublicKey": "", "SigningAlgorithms": [[]]}),
    "a list of refusals": ("DescribeKey", 400, [{"__type": "NotFoundException"}]),
    "a refusal by number": ("DescribeKey", 400, {"__type": 5}),
    "a signature in a list": ("Sign", 200, {"KeyId": "arn", "Signature": [1]}),
}


@pytest.mark.parametrize(("operation", "status", "document"), NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_an_answer_that_does_not_follow_the_api_is_no_fault_of_ours(
    kms: ScriptedKms, operation: str, status: int, document: object
) -> None:
    answer = Answer(status, json.dumps(document).encode(), {"content-type": "application/x-amz-json-1.1"})
    kms.faults.append(of(operation, answer))
    with pytest.raises(KeyProviderError) as found, open_key("awskms:///alias/app") as key:
        key.sign(b"message")
    assert not found.value.retryable
    assert "report" not in found.value.hint


def test_an_answer_that_is_nested_without_end_is_no_fault_of_ours(kms: ScriptedKms) -> None:
    for status in (200, 400):
        kms.faults[:] = [of("DescribeKey", Answer(status, b"[" * 100_000))]
        with pytest.raises(KeyProviderError, match="KMS"):
            open_key("awskms:///alias/app")


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "AWS_ROLE_ARN"),
        ({"AWS_ROLE_ARN": "x"}, "ParamValidation"),
        ({"AWS_METADATA_SERVICE_TIMEOUT": "soon", "AWS_WEB_IDENTITY_TOKEN_FILE": ""}, "setting"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "nonsense", "AWS_WEB_IDENTITY_TOKEN_FILE": ""}, "setting"),
    ],
    ids=["no role", "odd role", "odd timeout", "odd address"],
)
def test_a_setting_of_the_sdk_that_is_wrong_is_no_fault_of_the_network(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    (tmp_path / "token").write_text("a.b.c")
    given = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": ""}
    for name, value in {**given, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises((AccessDenied, InvalidArgument)) as found:
        open_key("awskms:///alias/app")
    assert says in f"{found.value} {found.value.hint}"
    assert not found.value.retryable
    assert "network" not in found.value.hint


@pytest.mark.parametrize(
    ("operation", "action"),
    [("DescribeKey", "kms:DescribeKey"), ("GetPublicKey", "kms:GetPublicKey"), ("ListKeys", "kms:ListKeys")],
)
def test_the_hint_names_the_action_that_is_missing(kms: ScriptedKms, operation: str, action: str) -> None:
    kms.faults.append(of(operation, refused("AccessDeniedException")))
    found = list(diagnose("awskms://" if operation == "ListKeys" else "awskms:///alias/app"))
    if operation == "DescribeKey":  # signing works without it
        found = list(diagnose("awskms:///"))
    assert any(action in f"{item.detail} {item.hint}" for item in found)


def test_a_refusal_of_the_token_service_names_its_action_and_not_one_of_kms() -> None:
    response = {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    error = ClientError(response, "AssumeRole")  # type: ignore[arg-type]
    failure = call_failed("KMS sign", "sign", error)
    assert isinstance(failure, AccessDenied)
    assert "sts:AssumeRole" in failure.hint
    assert "kms:" not in failure.hint
    response["Error"]["Code"] = "InvalidIdentityToken"
    failure = call_failed("KMS sign", "sign", ClientError(response, "AssumeRoleWithWebIdentity"))  # type: ignore[arg-type]
    assert isinstance(failure, AccessDenied)
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in failure.hint


@pytest.mark.parametrize(
    ("variable", "value", "says", "region"),
    [
        ("AWS_REGION", "", "region", True),
        ("AWS_REGION", "eu central 1", "AWS_REGION", True),
        ("AWS_REGION", '"eu-central-1"', "AWS_REGION", True),
        ("AWS_REGION", "eu-central-1\nx", "AWS_REGION", True),
        ("AWS_PROFILE", "no-such-profile", "no-such-profile", False),
        ("AWS_ACCESS_KEY_ID", "AKIA\nx", "line break", False),
        ("AWS_SESSION_TOKEN", "a token\n", "line break", False),
        ("AWS_DEFAULTS_MODE", "s3cret-mode", "client", False),
    ],
)
def test_the_region_is_named_only_where_it_is_the_fault(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str, region: bool
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidArgument) as found:
        open_key(
            "awskms:///alias/app",
            settings=KeySettings({"AWS_REGION": value if variable == "AWS_REGION" else kms.region}),
        )
    assert says in str(found.value) or says in found.value.hint
    assert ("AWS_REGION" in f"{found.value} {found.value.hint}") is region
    assert not kms.requests


@pytest.mark.parametrize("around", [" {}", "{}\n", "{}\r\n"])
def test_a_region_may_have_blanks_around_it(kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch, around: str) -> None:
    monkeypatch.setenv("AWS_REGION", around.format(kms.region))
    with open_key("awskms:///alias/app") as key:
        assert key.sign(b"message")


@pytest.mark.parametrize("uri", ["awskms:///alias/app\n", "awskms:///alias/a\npp", "awskms:/// alias/app"])
def test_a_key_id_with_a_line_break_is_said_to_be_one(uri: str) -> None:
    with pytest.raises(InvalidArgument, match="line"):
        resolve_key(uri, KeySettings({}))


# --- TLS -----


@pytest.mark.parametrize(
    ("names", "trusted", "from_day", "says", "hint"),
    [
        (["127.0.0.1"], False, -1, "issuer", "AWS_CA_BUNDLE"),
        (["kms.example"], True, -1, "match", "AWS_ENDPOINT_URL_KMS"),
        (["127.0.0.1"], True, -9, "expired", "clock"),
        (["127.0.0.1"], True, -1, "", ""),
    ],
    ids=["issuer", "host", "expired", "good"],
)
def test_a_failure_of_tls_says_why(
    kms: ScriptedKms,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    names: list[str],
    trusted: bool,
    from_day: int,
    says: str,
    hint: str,
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    start = datetime.datetime.now(datetime.UTC) + from_day * datetime.timedelta(days=1)
    issued = authority.issue_cert(*names, not_before=start, not_after=start + datetime.timedelta(days=2))
    issued.configure_cert(context)
    if trusted:
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with ScriptedKms({"app": private_key()}, tls=context) as secure:
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", secure.address)
        if not says:
            with open_key("awskms:///alias/app") as key:
                assert key.sign(b"message")
            return
        with pytest.raises(KeyProviderUnavailable, match=says) as found:
            open_key("awskms:///alias/app")
        assert hint in found.value.hint
        assert not found.value.retryable


def test_https_to_a_port_without_tls_is_said(kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", kms.address.replace("http:", "https:"))
    with pytest.raises(KeyProviderUnavailable, match=r"wrong version number|record layer") as found:
        open_key("awskms:///alias/app")
    assert "http://" in found.value.hint


# --- listing -----------------------------------------------------------------------------------------------------


def listed(uri: str) -> list[tuple[str, str]]:
    return [(item.area, f"{item.state.value} {item.detail} {item.hint}") for item in diagnose(uri)]


@pytest.mark.parametrize("uri", ["awskms://", "awskms:///"])
def test_doctor_lists_the_keys_without_a_name(kms: ScriptedKms, uri: str) -> None:
    kms.states["other"] = "Disabled"
    keys = [detail for area, detail in listed(uri) if area == "key"]
    assert [detail.split(":")[0] for detail in keys] == ["ok awskms", "note awskms"]
    assert "alias/app" in keys[0]
    assert "Disabled" in keys[1]


@pytest.mark.parametrize("operation", ["ListAliases", "ListKeys", "DescribeKey"])
def test_doctor_lists_what_it_can_see_and_names_the_missing_permission(kms: ScriptedKms, operation: str) -> None:
    kms.faults.append(of(operation, refused("AccessDeniedException")))
    found = listed("awskms://")
    keys = [detail for area, detail in found if area == "key"]
    assert len(keys) == 2
    assert any(f"kms:{operation}" in detail for _, detail in found)


def test_doctor_names_both_permissions_where_nothing_may_be_listed(kms: ScriptedKms) -> None:
    def deny(request: Request) -> Answer | None:
        return refused("AccessDeniedException") if ".List" in request.headers["x-amz-target"] else None

    kms.faults.append(deny)
    text = str(listed("awskms://"))
    assert "kms:ListKeys" in text
    assert "kms:ListAliases" in text


# --- credentials that change -------------------------------------------------------------------------------------


def test_credentials_that_were_replaced_meanwhile_are_used_by_the_next_call(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_key("awskms:///alias/app") as key:
        kms.access_keys = {"AKIANEXT"}
        with pytest.raises(AccessDenied, match="UnrecognizedClient") as found:
            key.sign(b"message")
        assert "credentials" in found.value.hint
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEXT")
        assert key.sign(b"message")


@pytest.mark.parametrize("kind", ["file", "process", "process with an end"])
def test_credentials_in_files_and_of_programs_are_read_again(
    kms: ScriptedKms, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    def write(access_key: str) -> None:
        if kind == "file":
            text = f"[default]\naws_access_key_id = {access_key}\naws_secret_access_key = x\n"
            (folder / "credentials").write_text(text)
            return
        document = {"Version": 1, "AccessKeyId": access_key, "SecretAccessKey": "x", "SessionToken": "t"}
        document |= {"Expiration": "2099-01-01T00:00:00Z"} if kind.endswith("end") else {}
        (folder / "made.json").write_text(json.dumps(document))
        (folder / "config").write_text(f"[default]\ncredential_process = cat {folder}/made.json\n")

    write("AKIASCRIPTED")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    with open_key("awskms:///alias/app") as key:
        assert key.sign(b"message")
        write("AKIANEXT")
        kms.access_keys = {"AKIANEXT"}
        assert key.sign(b"message")


def test_a_session_of_the_caller_is_not_replaced(kms: ScriptedKms) -> None:
    import boto3

    session = boto3.Session(aws_access_key_id="AKIASCRIPTED", aws_secret_access_key="x", region_name=kms.region)
    with AwsKmsProvider(session=session, endpoint=kms.address) as provider:
        key = provider.open("alias/app")
        kms.access_keys = {"AKIANEXT"}
        with pytest.raises(AccessDenied):
            key.sign(b"message")


ROLE_WITH_CODE = """[default]
role_arn = arn:aws:iam::111122223333:role/signer
source_profile = person
mfa_serial = arn:aws:iam::111122223333:mfa/person
[profile person]
aws_access_key_id = AKIASCRIPTED
aws_secret_access_key = x
"""
SETTINGS: dict[str, tuple[bytes, type[Exception], str]] = {
    "an MFA code": (ROLE_WITH_CODE.encode(), AccessDenied, "export-credentials"),
    "a program that fails": (b"[default]\ncredential_process = false\n", AccessDenied, "credential_process"),
    "a byte order mark": (b"\xef\xbb\xbf[default]\nregion = eu-central-1\n", InvalidArgument, "byte order mark"),
    "a section twice": (b"[default]\na = 1\n[default]\na = 1\n", InvalidArgument, "only once"),
    "no section": (b"aws_access_key_id = x\n", InvalidArgument, "[profile NAME]"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_gives_no_credentials_says_what_to_do(
    kms: ScriptedKms, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, kind, hint = SETTINGS[name]
    (tmp_path / "config").write_bytes(content)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    done = run_here("key", "check", "awskms:///alias/app")
    assert isinstance(done.exception, kind)
    assert hint in getattr(done.exception, "hint", "")


def test_a_login_of_the_sdk_without_its_package_names_the_package() -> None:
    error = MissingDependencyException(msg="Using the login credential provider requires an additional dependency.")
    found = credentials_failed(error)
    assert found is not None
    assert "botocore[crt]" in found.hint


@pytest.mark.parametrize(
    ("variables", "said", "hint"),
    [
        ({"AWS_ENDPOINT_URL_KMS": "https://kms.invalid"}, "https://kms.invalid", "endpoint"),
        ({"AWS_ENDPOINT_URL_KMS": "", "AWS_REGION": "eu-centrl-1", "NO_PROXY": "*"}, "kms.eu-centrl-1.", "region"),
        (
            {"AWS_ENDPOINT_URL_KMS": "https://kms.invalid", "HTTPS_PROXY": "http://me:s3cret@127.0.0.1:1"},
            "http://127.0.0.1:1",
            "HTTPS_PROXY",
        ),
    ],
    ids=["endpoint", "region", "proxy"],
)
def test_an_address_that_does_not_answer_is_named(
    kms: ScriptedKms, variables: dict[str, str], said: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(KeyProviderUnavailable) as unavailable:
        open_key("awskms:///alias/app")
    assert said in str(unavailable.value)
    assert hint in unavailable.value.hint
    assert "s3cret" not in f"{unavailable.value} {unavailable.value.hint}"


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("mark", ["'", '"'], ids=["single", "double"])
def test_credentials_in_quotation_marks_are_not_sent(
    kms: ScriptedKms, name: str, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"{mark}AKIASCRIPTED{mark}")
    with pytest.raises(InvalidArgument, match=f"{name}: it has a quotation mark") as refused:
        open_key("awskms:///alias/app")
    assert "AKIASCRIPTED" not in f"{refused.value} {refused.value.hint}"
    assert kms.requests == []
