"""Translates botocore's exceptions to ours. Texts of KMS and the SDK may contain secrets, so they are quoted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from imagesig.errors import (
    AccessDenied,
    ImagesigError,
    InvalidArgument,
    KeyProviderError,
    KeyProviderUnavailable,
    MissingExtra,
)
from imagesig.keys.awskms.environment import variable_of
from imagesig.keys.awskms.refusals import meaning_of, meaning_of_login
from imagesig.keys.tls_faults import TlsHints, system_reason, tls_failure
from imagesig.text import quote
from imagesig.url import redact

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError


class DryRunSucceeded(KeyProviderError):
    """KMS would perform the operation. Spec: AWS KMS Developer Guide, "Testing your permissions"."""


_STALE = ("UnrecognizedClient", "InvalidClientTokenId", "ExpiredToken")


def credentials_are_stale(error: AccessDenied) -> bool:
    """Whether AWS does not know the credentials, or they expired: others may have taken their place."""
    response = getattr(error.__cause__, "response", None)
    details = response.get("Error") if isinstance(response, Mapping) else None
    return isinstance(details, Mapping) and str(details.get("Code")).removesuffix("Exception") in _STALE


def refusal(what: str, operation: str, error: ClientError) -> KeyProviderError:
    """The error for a refusal by KMS, or by the service that issues credentials."""
    response = error.response
    details = response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    # A code in digits is the status of an answer that is not of AWS; the message is then a page.
    text = f"{what}: status {code}" if code.isdigit() else f"{what}: {code}: {quote(message)}"
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    name = "".join(part.capitalize() for part in operation.split("_"))
    asked = str(error.operation_name)
    if asked in _LOGINS:
        return meaning_of_login(code, status, asked).error(f"AWS credentials: {asked}: {text}")
    if code == "DryRunOperationException":
        return DryRunSucceeded(text)
    return meaning_of(code, status, message, f"kms:{name}").error(text)


_LOGINS = ("AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetRoleCredentials", "CreateToken")


def call_failed(what: str, operation: str, error: Exception) -> ImagesigError | None:
    """Explains an exception of one operation; None for an unknown one."""
    import botocore.exceptions
    import botocore.parsers

    if isinstance(error, botocore.exceptions.ClientError):
        return refusal(what, operation, error)
    if isinstance(error, botocore.exceptions.BotoCoreError):
        return _by_sdk(what, error)
    if failure := _by_system(what, error):
        return failure
    if not isinstance(error, (*_UNREADABLE, botocore.parsers.ResponseParserError)):
        return None
    return KeyProviderError(
        f"{what}: its answer does not follow the API of KMS ({type(error).__name__})",
        hint="check that AWS_ENDPOINT_URL_KMS, or the endpoint in the key's URI, is the address of KMS",
    )


_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What the SDK raises, beside its own exceptions, for an answer that it does not expect."""


def client_failed(error: Exception) -> ImagesigError | None:
    """Explains an exception while a client is made."""
    if isinstance(error, ImportError):
        return MissingExtra("AWS KMS", "aws")
    import botocore.exceptions

    if isinstance(error, botocore.exceptions.BotoCoreError | ValueError):
        # A decoder's message may contain the text of a file or variable.
        reason = type(error).__name__ if isinstance(error, UnicodeError) else quote(str(error))
        return InvalidArgument(f"KMS: no client ({reason})", hint=_client_hint(error))
    return _by_system("KMS", error)


def _client_hint(error: Exception) -> str:
    import botocore.exceptions

    if isinstance(error, botocore.exceptions.NoRegionError):
        return "set AWS_REGION, or give the key's ARN, which contains the region"
    if isinstance(error, botocore.exceptions.InvalidRegionError):
        return "correct AWS_REGION: it is the name of a region, such as eu-central-1"
    if isinstance(error, botocore.exceptions.ProfileNotFound):
        return _PROFILE
    return _FILE if isinstance(error, botocore.exceptions.ConfigParseError) else _SETTING


def credentials_failed(error: Exception) -> ImagesigError | None:
    """Explains an exception while the SDK looks for credentials in programs, files and services."""
    import botocore.exceptions

    if isinstance(error, botocore.exceptions.BotoCoreError):
        return _by_sdk("AWS credentials", error)
    if isinstance(error, botocore.exceptions.ClientError):
        return refusal("AWS credentials", "", error)
    if isinstance(error, ValueError | TypeError | LookupError | AttributeError):
        return AccessDenied(
            f"AWS credentials: a setting, or the output of a file or credential_process, cannot be read "
            f"({type(error).__name__})",
            hint="check credential_process in AWS_CONFIG_FILE, AWS_WEB_IDENTITY_TOKEN_FILE, and the variables "
            "AWS_CONTAINER_* and AWS_METADATA_*",
        )
    return _by_system("AWS credentials", error)


_TLS = TlsHints(
    authority="name the authority of the server's certificate: AWS_CA_BUNDLE=FILE",
    host="correct the endpoint: AWS_ENDPOINT_URL_KMS, or the one in the key's URI",
    client="the server wants a client certificate, which KMS never does: correct AWS_ENDPOINT_URL_KMS",
    plain="the endpoint speaks HTTP without TLS: correct its port, or use http:// in AWS_ENDPOINT_URL_KMS",
)
_SETTING = (
    "correct this setting of the AWS SDK in the environment or in AWS_CONFIG_FILE; a token file needs AWS_ROLE_ARN too"
)
_CREDENTIALS_HINT = "configure AWS credentials: aws configure, aws sso login, or a role"
_SOURCES = {
    "custom-process": "run the program of credential_process in AWS_CONFIG_FILE yourself, and correct it",
    "container-role": "check AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI, and the service at this address",
    "iam-role": "check the metadata service of this machine, and its role",
}
"""What to do about each source of credentials that failed, by the SDK's name for it."""
_PROFILE = "check AWS_PROFILE and AWS_CONFIG_FILE"
_FILE = (
    "correct this file (AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE): UTF-8 without a byte order mark, "
    "[profile NAME] before settings, and each name only once"
)
_CODE = "get credentials first, where somebody can type the code: aws configure export-credentials --format env"
_PROXY = "check HTTPS_PROXY and NO_PROXY, and that the proxy runs"


def _by_sdk(what: str, error: BotoCoreError) -> ImagesigError:
    import botocore.exceptions

    if found := _by_setting(what, error):
        return found
    network = (
        botocore.exceptions.HTTPClientError,
        botocore.exceptions.ConnectionError,
        botocore.exceptions.IncompleteReadError,
        botocore.exceptions.MetadataRetrievalError,
    )
    if not isinstance(error, network):
        return InvalidArgument(f"{what}: {type(error).__name__}: {quote(str(error))}", hint=_SETTING)
    if failure := tls_failure(what, error, _TLS):
        return failure
    reason = system_reason(error)
    by_proxy = isinstance(error, botocore.exceptions.ProxyConnectionError)
    where = redact(str(error.kwargs.get("proxy_url" if by_proxy else "endpoint_url") or ""))
    return KeyProviderUnavailable(
        f"{what}: {type(error).__name__}{f' {quote(where)}' if where else ''}{f' ({reason})' if reason else ''}",
        hint=_PROXY if by_proxy else "check the endpoint, the region and the network",
    )


def _by_setting(what: str, error: BotoCoreError) -> ImagesigError | None:
    """The error for missing credentials, a code or a package, or for an unreadable file; None for others."""
    import botocore.exceptions

    missing = (
        botocore.exceptions.NoCredentialsError,
        botocore.exceptions.PartialCredentialsError,
        botocore.exceptions.CredentialRetrievalError,
        botocore.exceptions.SSOError,
        botocore.exceptions.TokenRetrievalError,
        botocore.exceptions.NoAuthTokenError,
        # of `aws login`; the oldest supported version does not have it
        getattr(botocore.exceptions, "LoginError", botocore.exceptions.SSOError),
    )
    text = f"{what}: {quote(str(error))}"
    if isinstance(error, missing):
        return AccessDenied(text, hint=_SOURCES.get(str(error.kwargs.get("provider")), _CREDENTIALS_HINT))
    if isinstance(error, botocore.exceptions.RefreshWithMFAUnsupportedError):
        return _needs_code(what)
    if isinstance(error, botocore.exceptions.ConfigParseError):
        return InvalidArgument(text, hint=_FILE)
    if isinstance(error, botocore.exceptions.ProfileNotFound):
        return InvalidArgument(text, hint=_PROFILE)
    if isinstance(error, botocore.exceptions.MissingDependencyException):  # for credentials of `aws login`
        return InvalidArgument(text, hint='install it: pip install "botocore[crt]"')
    return None


def _needs_code(what: str) -> AccessDenied:
    return AccessDenied(f"{what}: the role needs an MFA code, and nobody can type it here", hint=_CODE)


def _by_system(what: str, error: Exception) -> ImagesigError | None:
    if isinstance(error, RuntimeError) and "still expired" in str(error):  # botocore has no class for this
        return AccessDenied(
            f"{what}: the AWS credentials that were fetched for this call have expired already",
            hint="correct this machine's clock, or the program, file or service that AWS credentials come from",
        )
    # The SDK asks on the terminal for the code of `mfa_serial`; `getpass` warns if there is none.
    if isinstance(error, EOFError) or type(error).__name__ == "GetPassWarning":
        return _needs_code(what)
    if not isinstance(error, OSError):
        return None
    path = error.filename if isinstance(error.filename, str) else ""
    variable = variable_of(path, os.environ)
    reason = error.strerror or type(error).__name__
    if variable:
        return InvalidArgument(f"{variable} {quote(path)}: {reason}", hint=f"correct or unset {variable}")
    return InvalidArgument(
        f"{what}: {quote(path) if path else 'a file or program'}: {reason}",
        hint="check credential_process, web_identity_token_file and ca_bundle in the AWS configuration",
    )
