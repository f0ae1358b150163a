"""Resolves `awskms://` URIs, with the environment, to a provider."""

from __future__ import annotations

import re
from collections.abc import Mapping

from imagesig.errors import InvalidArgument
from imagesig.keys.awskms.environment import PLAIN_HTTP
from imagesig.keys.awskms.provider import AwsKmsProvider
from imagesig.keys.awskms.uri import parse_awskms_uri
from imagesig.keys.uri import KeySettings
from imagesig.text import quote


def provider_from_uri(uri: str, settings: KeySettings) -> tuple[AwsKmsProvider, str]:
    """See `imagesig.keys.uri.ProviderFactory`. An endpoint in the URI is reached by HTTPS."""
    parsed = parse_awskms_uri(uri)
    region = parsed.region or _region(settings.environ)
    provider = AwsKmsProvider(
        region=region,
        endpoint=f"https://{parsed.endpoint}" if parsed.endpoint else "",
        plain_http=settings.environ.get(PLAIN_HTTP, "").lower() in ("1", "t", "true"),
    )
    return provider, parsed.key_id


def _region(environ: Mapping[str, str]) -> str:
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if region := environ.get(variable, "").strip():
            if not re.fullmatch(r"[A-Za-z0-9-]+", region):
                raise InvalidArgument(
                    f"{variable} {quote(region)}: the name of a region is needed",
                    hint="write eu-central-1, for example",
                )
            return region
    return ""
