"""Translates botocore's exceptions to ours. Texts of KMS and the SDK may contain secrets, so they are quoted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from imagesig.errors import (
    AccessDenied,
    ImagesigError,
    InvalidArgument,
    KeyExists,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
    MissingExtra,
)
from imagesig.keys.awskms.environment import variable_of
from imagesig.text import quote


class DryRunSucceeded(KeyProviderError):
    """KMS would perform the operation. Spec: AWS KMS Developer Guide, "Testing your permissions"."""


_BAD_CREDENTIALS = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "ExpiredTokenException",
    "SignatureDoesNotMatch",
)


def refusal(what: str, operation: str, response: Mapping[str, Any]) -> KeyProviderError:
    error = response.get("Error", {})
    code = str(error.get("Code", ""))
    text = f"{what}: {code}: {quote(error.get('Message', ''))}"
    action = "kms:" + "".join(part.capitalize() for part in operation.split("_"))
    if code == "DryRunOperationException":
        return DryRunSucceeded(text)
    if code in ("NotFoundException", "NotFound"):
        return KeyNotFound(text, hint="check the key, its region and the account")
    if code in ("AccessDeniedException", "AccessDenied", "KMSAccessDeniedException"):
        return AccessDenied(text, hint=f"the caller needs {action} on this key, in IAM or in the key's policy")
    if code in _BAD_CREDENTIALS:
        return AccessDenied(text, hint="renew or correct the AWS credentials")
    if code in ("DisabledException", "KMSInvalidStateException"):
        return KeyUnusable(text, hint="enable the key: aws kms enable-key")
    if code in ("InvalidKeyUsageException", "UnsupportedOperationException"):
        return KeyUnusable(text, hint="name a key whose usage is SIGN_VERIFY")
    if code == "AlreadyExistsException":
        return KeyExists(text, hint="choose another alias")
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if status >= 500 or "Throttl" in code or code in ("LimitExceededException", "KMSInternalException"):
        return KeyProviderUnavailable(text, hint="KMS is busy or throttles this account: try again later")
    return KeyProviderError(text)


def call_failed(what: str, operation: str, error: Exception) -> ImagesigError | None:
    """Explains an exception of one operation; None for an unknown one."""
    import botocore.exceptions

    if isinstance(error, botocore.exceptions.ClientError):
        return refusal(what, operation, error.response)
    if isinstance(error, botocore.exceptions.BotoCoreError):
        return _by_sdk(what, error)
    return _by_system(what, error)


def client_failed(error: Exception) -> ImagesigError | None:
    """Explains an exception while a client is made."""
    if isinstance(error, ImportError):
        return MissingExtra("AWS KMS", "aws")
    import botocore.exceptions

    if isinstance(error, botocore.exceptions.BotoCoreError | ValueError):
        # A decoder's message may contain the text of a file or variable.
        reason = type(error).__name__ if isinstance(error, UnicodeError) else quote(str(error))
        return InvalidArgument(
            f"KMS: no client ({reason})",
            hint="set AWS_REGION, or give the key's ARN, which contains the region",
        )
    return _by_system("KMS", error)


def credentials_failed(error: Exception) -> ImagesigError | None:
    """Explains an exception while the SDK looks for credentials in programs, files and services."""
    import botocore.exceptions

    if isinstance(error, botocore.exceptions.BotoCoreError):
        return _by_sdk("AWS credentials", error)
    if isinstance(error, botocore.exceptions.ClientError):
        return AccessDenied(f"AWS credentials: {quote(str(error))}", hint=_CREDENTIALS_HINT)
    if isinstance(error, ValueError | TypeError | LookupError | AttributeError):
        return AccessDenied(
            f"AWS credentials: the output of a file or credential_process cannot be read ({type(error).__name__})",
            hint="check credential_process in AWS_CONFIG_FILE, and AWS_WEB_IDENTITY_TOKEN_FILE",
        )
    return _by_system("AWS credentials", error)


_CREDENTIALS_HINT = "configure AWS credentials: aws configure, aws sso login, or a role"


def _by_sdk(what: str, error: Exception) -> ImagesigError:
    import botocore.exceptions

    missing = (
        botocore.exceptions.NoCredentialsError,
        botocore.exceptions.PartialCredentialsError,
        botocore.exceptions.CredentialRetrievalError,
        botocore.exceptions.SSOError,
        botocore.exceptions.TokenRetrievalError,
    )
    if isinstance(error, missing):
        return AccessDenied(f"{what}: {quote(str(error))}", hint=_CREDENTIALS_HINT)
    if isinstance(error, botocore.exceptions.ConfigParseError | botocore.exceptions.ProfileNotFound):
        return InvalidArgument(f"{what}: {quote(str(error))}", hint="check AWS_PROFILE and AWS_CONFIG_FILE")
    return KeyProviderUnavailable(
        f"{what}: {type(error).__name__}", hint="check the endpoint, the region and the network"
    )


def _by_system(what: str, error: Exception) -> ImagesigError | None:
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
