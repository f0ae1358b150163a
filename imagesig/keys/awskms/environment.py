"""Checks of the AWS SDK's environment variables before the SDK reads them.

The SDK opens the files that they name: a pipe blocks it for ever, and its errors do not name the variable. Missing
values are no error here, because the SDK has further sources.
"""

from __future__ import annotations

from collections.abc import Mapping

from imagesig import limits
from imagesig.errors import InvalidArgument
from imagesig.keys.tls_files import authorities_in
from imagesig.reading import check_file
from imagesig.text import quote, redact_keys
from imagesig.url import parse_url

FILES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
AUTHORITIES = "AWS_CA_BUNDLE"
SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
ENDPOINTS = ("AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL")
_QUOTES = ('"', "'")
PLAIN_HTTP = "IMAGESIG_AWS_PLAIN_HTTP"


def check_environment(environ: Mapping[str, str]) -> None:
    """Refuses values that would block the SDK, or for which its error would not name the variable.

    Raises:
        InvalidArgument, LimitExceeded: an unusable file, credential or endpoint; the message shows no secret.
    """
    for name in FILES:
        if environ.get(name):
            check_file(environ[name], name, limit=limits.CLOUD_TOKEN_BYTES, may_be_missing=True)
    if environ.get(AUTHORITIES):
        authorities_in(environ[AUTHORITIES], AUTHORITIES, may_be_folder=False)
    for name in SECRETS:
        if name != "AWS_ACCESS_KEY_ID":  # a name
            redact_keys(environ.get(name, ""))
        if not all("!" <= character <= "~" and character not in _QUOTES for character in environ.get(name, "")):
            raise InvalidArgument(
                f"{name}: it has a quotation mark, a line break, a blank or another character that credentials "
                "cannot have",
                hint="copy it again, without quotation marks, blanks and line breaks: docker's --env-file keeps them",
            )
    for name in ENDPOINTS:
        if environ.get(name):
            parse_url(environ[name], name)


def check_endpoint(endpoint: str, environ: Mapping[str, str], *, plain_http: bool) -> None:
    """Refuses an endpoint without TLS, unless it is on this machine or plain HTTP is allowed.

    Raises:
        InvalidArgument: the endpoint is refused; the message names its variable.
    """
    named_by = next((name for name in ENDPOINTS if environ.get(name) == endpoint), "KMS endpoint")
    url = parse_url(endpoint, named_by)
    if url.has_login:
        raise InvalidArgument(f"{named_by} {quote(url.netloc)}: it has a user or a password, which KMS does not accept")
    if url.scheme == "http" and not url.is_loopback and not plain_http:
        raise InvalidArgument(
            f"{named_by} {quote(f'http://{url.netloc}')}: credentials would travel unencrypted",
            hint=f"use https://, or set {PLAIN_HTTP}=1",
        )


def variable_of(path: str, environ: Mapping[str, str]) -> str:
    """The variable that names this file, or an empty string."""
    return next((name for name in (*FILES, AUTHORITIES) if path and environ.get(name) == path), "")
