"""What each error code and key state of KMS means: the class of the error, whether trying again helps, what to do.

Spec: AWS KMS API Reference, "Common Errors" and the errors of each operation; Developer Guide, "Key states".
"""

from __future__ import annotations

from msgspec import Struct

from imagesig.errors import (
    AccessDenied,
    KeyExists,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
)


class Meaning(Struct, frozen=True):
    """The class and the hint of an error; `passes` says that trying again can help."""

    kind: type[KeyProviderError]
    hint: str
    passes: bool = False

    def error(self, message: str) -> KeyProviderError:
        """The error with this message."""
        error = self.kind(message, hint=self.hint)
        error.retryable = error.retryable or self.passes
        return error


SIGNING_STATES = ("Enabled", "Updating")
_DESCRIBE = "see why with aws kms describe-key, or name another key"
_STORE = "connect its custom key store: aws kms connect-custom-key-store"
STATES = {
    "Creating": Meaning(KeyUnusable, "KMS is still creating it: try again in a minute", True),
    "Disabled": Meaning(KeyUnusable, "enable it: aws kms enable-key"),
    "PendingDeletion": Meaning(KeyUnusable, "cancel the deletion: aws kms cancel-key-deletion, then enable-key"),
    "PendingReplicaDeletion": Meaning(KeyUnusable, "it waits for the deletion of its replica keys: name another key"),
    "PendingImport": Meaning(KeyUnusable, "import its key material: aws kms import-key-material"),
    "Unavailable": Meaning(KeyUnusable, _STORE),
}
OTHER_STATE = Meaning(KeyUnusable, _DESCRIBE)

_CLOCK = Meaning(AccessDenied, "check the AWS secret key and this machine's clock")
_CREDENTIALS = Meaning(AccessDenied, "renew or correct the AWS credentials")
_REGION = Meaning(AccessDenied, "enable the region, or KMS in it, for this account")
_AGAIN = Meaning(KeyProviderUnavailable, "KMS is busy or throttles this account: try again later")
_USAGE = Meaning(KeyUnusable, "name a key whose usage is SIGN_VERIFY")
_EXTERNAL = Meaning(KeyUnusable, "correct the external key of this KMS key in its external key manager")
_OTHER = Meaning(KeyProviderError, "AWS's documentation of this error code says what to do")

_CODES = {
    "InvalidGrantToken": Meaning(AccessDenied, "wait until the grant is active, or create the grant again"),
    "UnrecognizedClient": _CREDENTIALS,
    "AuthFailure": _CREDENTIALS,
    "InvalidAccessKeyId": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "TokenRefreshRequired": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "OptInRequired": _REGION,
    "SubscriptionRequired": _REGION,
    "PendingVerification": _REGION,
    "SignatureDoesNotMatch": _CLOCK,
    "InvalidSignature": _CLOCK,
    "IncompleteSignature": _CLOCK,
    "MissingAuthenticationToken": _CLOCK,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "NotFound": Meaning(KeyNotFound, "check the key, its region and the account"),
    "InvalidArn": Meaning(KeyNotFound, "check the ARN of the key"),
    "Disabled": STATES["Disabled"],
    "InvalidKeyUsage": _USAGE,
    "UnsupportedOperation": _USAGE,
    "CustomKeyStoreInvalidState": Meaning(KeyUnusable, _STORE),
    "CustomKeyStoreNotFound": Meaning(KeyUnusable, _STORE),
    "CloudHsmClusterInvalidConfiguration": Meaning(KeyUnusable, f"correct its CloudHSM cluster, then {_STORE}"),
    "XksKeyInvalidConfiguration": _EXTERNAL,
    "XksKeyNotFound": _EXTERNAL,
    "AlreadyExists": Meaning(KeyExists, "choose another alias"),
    "LimitExceeded": Meaning(KeyProviderError, "ask AWS for a higher quota, or delete unused keys and aliases"),
    "KeyUnavailable": _AGAIN,
    "KMSInternal": _AGAIN,
    "DependencyTimeout": _AGAIN,
    "RequestTimeout": _AGAIN,
    "RequestAborted": _AGAIN,
    "UnknownOperation": Meaning(KeyProviderError, "the endpoint is not AWS KMS: check AWS_ENDPOINT_URL_KMS"),
    "Validation": Meaning(KeyProviderError, "please report this request, with the message"),
}
_BUSY = frozenset({"TooManyRequests", "SlowDown", "RequestLimitExceeded", "PriorRequestNotComplete"})
"""Codes of AWS services, and of gateways before them, for too many requests. Others have Throttl in their name."""
_FRONT = "a proxy or gateway answered in the place of AWS: check HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_KMS"
"""For an answer that is not in AWS's form: the SDK gives its status as the code."""
_DENIED = ("AccessDenied", "KMSAccessDenied", "NotAuthorized")
_LISTS = ("kms:ListKeys", "kms:ListAliases", "kms:CreateKey")
"""Actions on the account, not on a key."""
_TOKENS = ("InvalidIdentityToken", "ExpiredToken", "IDPRejectedClaim")


def meaning_of(code: str, status: int, message: str, action: str) -> Meaning:
    """The meaning of a refusal by KMS. `action` is what was asked for, such as `kms:Sign`."""
    name = code.removesuffix("Exception")
    if name in _DENIED:
        where = "on this account, in IAM" if action in _LISTS else "on this key, in IAM or in the key's policy"
        return Meaning(AccessDenied, f"the caller needs {action} {where}")
    if name == "KMSInvalidState":
        return _state_in(message)
    if name.isdigit():
        kind = KeyProviderUnavailable if status >= 500 or status in (408, 429) else AccessDenied
        return Meaning(kind, _FRONT)
    found = _CODES.get(name)
    if found is None:
        is_busy = status >= 500 or status == 429 or "Throttl" in name or name in _BUSY
        found = _AGAIN if is_busy else _OTHER
    return found


def meaning_of_login(code: str, status: int, operation: str) -> Meaning:
    """The meaning of a refusal by the service that issues credentials (STS, SSO)."""
    name = code.removesuffix("Exception")
    if name in _TOKENS:
        return Meaning(AccessDenied, "renew the token in AWS_WEB_IDENTITY_TOKEN_FILE")
    if name in _DENIED:
        return Meaning(AccessDenied, f"allow sts:{operation} in the trust policy of the role")
    if status >= 500 or "Throttl" in name or name == "IDPCommunicationError":
        return Meaning(KeyProviderUnavailable, "the AWS service that issues credentials is busy: try again later")
    found = _CODES.get(name)
    return found if found is _CLOCK or found is _REGION else _CREDENTIALS


def _state_in(message: str) -> Meaning:
    """The state that a message names: `… is pending deletion.`"""
    words = "".join(character for character in message.lower() if character.isalpha())
    return next((meaning for state, meaning in STATES.items() if words.endswith(state.lower())), OTHER_STATE)
