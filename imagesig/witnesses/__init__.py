"""Services that testify: about certificates (OCSP, CRL) and about the time of a signature (RFC 3161).

Public names load on first use.
"""

from imagesig.lazy import lazy

PUBLIC = {
    "imagesig.witnesses.witnesses": "Witnesses offline online",
    "imagesig.witnesses.revocation": "RevocationChecker",
    "imagesig.witnesses.timestamping": "request_timestamp",
    "imagesig.witnesses.crl_cache": "CrlBytes CrlCache FileCrlCache MemoryCrlCache",
    "imagesig.witnesses.web": "Fetcher Offline Query Web",
    "imagesig.http.client": "Response",
}

__getattr__, __dir__, __all__ = lazy(__name__, PUBLIC)
