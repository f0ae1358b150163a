"""The external services for signing and verifying, as one value: online, offline, or made by the caller."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from imagesig import limits
from imagesig.arguments import check_fields, checks_arguments
from imagesig.http.client import HttpClient
from imagesig.http.proxies import Proxies
from imagesig.signature import TimestampRequest
from imagesig.version import __version__
from imagesig.witnesses.crl_cache import CrlCache, FileCrlCache, Layered, MemoryCrlCache
from imagesig.witnesses.revocation import RevocationChecker
from imagesig.witnesses.timestamping import request_timestamp
from imagesig.witnesses.web import Fetcher, Offline, Web


class Witnesses(Struct, frozen=True):
    """Access to OCSP responders, CRLs and timestamp services.

    Make it with `online` or `offline`, or with your own `Fetcher` and `RevocationChecker`. Thread-safe. Reuse one
    object to use its caches.
    """

    fetcher: Fetcher
    revocation: RevocationChecker
    timestamp_seconds: float = limits.TIMESTAMP_SECONDS

    def __post_init__(self) -> None:
        check_fields(self)

    def timestamp(self, request: TimestampRequest, signature: bytes, now: datetime) -> bytes:
        """A timestamp token for a signature; see `request_timestamp`."""
        return request_timestamp(
            request,
            signature,
            fetcher=self.fetcher,
            revocation=self.revocation,
            now=now,
            seconds=self.timestamp_seconds,
        )

    def close(self) -> None:
        """Closes idle connections, if the fetcher has any."""
        close = getattr(self.fetcher, "close", None)
        if close is not None:
            close()


@checks_arguments
def online(
    *,
    crl_folder: Path | None = None,
    ca_file: Path | None = None,
    ocsp_seconds: float = limits.OCSP_SECONDS,
    crl_seconds: float = limits.CRL_SECONDS,
    timestamp_seconds: float = limits.TIMESTAMP_SECONDS,
) -> Witnesses:
    """Access over the network, through this process's proxies. It contacts nothing yet.

    Args:
        crl_folder: folder for CRLs in notation's format; without it CRLs are cached in memory only.
        ca_file: PEM file with the authorities for timestamp services on HTTPS, instead of the system's.
        ocsp_seconds: time limit for each OCSP request.
        crl_seconds: time limit for each download of a CRL.
        timestamp_seconds: time limit for each timestamp.
    """
    proxies = Proxies.from_environment(os.environ)
    fetcher = Web(
        HttpClient(
            ca_files=() if ca_file is None else (ca_file,), proxies=proxies, user_agent=f"imagesig/{__version__}"
        )
    )
    checker = RevocationChecker(
        fetcher, crl_cache=_cache(crl_folder), ocsp_seconds=ocsp_seconds, crl_seconds=crl_seconds
    )
    return Witnesses(fetcher, checker, timestamp_seconds)


@checks_arguments
def offline(*, crl_folder: Path | None = None) -> Witnesses:
    """No access to the network: only CRLs in the folder show revocations.

    A revocable certificate without such a CRL has the status "unknown", which a strict policy refuses.
    """
    fetcher = Offline()
    return Witnesses(fetcher, RevocationChecker(fetcher, crl_cache=_cache(crl_folder)))


def _cache(folder: Path | None) -> CrlCache:
    memory = MemoryCrlCache()
    return memory if folder is None else Layered(memory, FileCrlCache(folder))
