"""Resolves `awskms://` URIs, with the environment, to a provider."""

from __future__ import annotations

from imagesig.keys.awskms.environment import PLAIN_HTTP
from imagesig.keys.awskms.provider import AwsKmsProvider
from imagesig.keys.awskms.uri import parse_awskms_uri
from imagesig.keys.uri import KeySettings


def provider_from_uri(uri: str, settings: KeySettings) -> tuple[AwsKmsProvider, str]:
    """See `imagesig.keys.uri.ProviderFactory`. An endpoint in the URI is reached by HTTPS."""
    parsed = parse_awskms_uri(uri)
    region = parsed.region or settings.environ.get("AWS_REGION") or settings.environ.get("AWS_DEFAULT_REGION") or ""
    provider = AwsKmsProvider(
        region=region,
        endpoint=f"https://{parsed.endpoint}" if parsed.endpoint else "",
        plain_http=settings.environ.get(PLAIN_HTTP, "").lower() in ("1", "t", "true"),
    )
    return provider, parsed.key_id
