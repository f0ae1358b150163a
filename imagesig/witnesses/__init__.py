"""External services for verification: revocation of certificates (OCSP, CRL) and timestamps (RFC 3161)."""

from imagesig.witnesses.crl_cache import CrlBytes, CrlCache, FileCrlCache, MemoryCrlCache
from imagesig.witnesses.revocation import RevocationChecker
from imagesig.witnesses.timestamping import request_timestamp
from imagesig.witnesses.web import Fetcher, Offline, Query, Web
from imagesig.witnesses.witnesses import Witnesses, offline, online

__all__ = [
    "CrlBytes",
    "CrlCache",
    "Fetcher",
    "FileCrlCache",
    "MemoryCrlCache",
    "Offline",
    "Query",
    "RevocationChecker",
    "Web",
    "Witnesses",
    "offline",
    "online",
    "request_timestamp",
]
