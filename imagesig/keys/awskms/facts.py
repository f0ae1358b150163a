"""How KMS is reached, for `imagesig doctor`."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from imagesig.external import external_call
from imagesig.keys.awskms.environment import AUTHORITIES
from imagesig.keys.awskms.errors import client_failed
from imagesig.keys.endpoint import Endpoint


def endpoint_of(url: str, environ: Mapping[str, str]) -> Endpoint:
    """See `HasEndpoint.endpoint`. The SDK trusts its own authorities, unless a variable names others."""
    if not url.lower().startswith("https:"):
        return Endpoint("KMS", url, None)
    named = environ.get(AUTHORITIES, "")
    with external_call("KMS", client_failed):
        from botocore.httpsession import get_cert_path

        file = named or str(get_cert_path(True))
        context = ssl.create_default_context(cafile=file)
    return Endpoint("KMS", url, context, (AUTHORITIES if named else "botocore", file))
