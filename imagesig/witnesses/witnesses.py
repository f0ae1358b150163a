"""The witnesses that signing and verifying turn to, as one value: online, offline, or made by the caller."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from imagesig import limits
from imagesig.http.client import HttpClient
from imagesig.http.proxies import Proxies
from imagesig.signature import TimestampRequest
from imagesig.version import __version__
from imagesig.witnesses.crl_cache import CrlCache, FileCrlCache, Layered, MemoryCrlCache
from imagesig.witnesses.revocation import RevocationChecker
from imagesig.witnesses.timestamping import request_timestamp
from imagesig.witnesses.web import Fetcher, Offline, Web


class Witnesses(Struct, frozen=True):
    """Outside services that testify: OCSP responders and CRLs about certificates, timestamp services about signatures.

    Make one with `online` or `offline`, or with a `Fetcher` and a `RevocationChecker` of your own. Thread-safe; keep
    one to keep what it remembers.
    """

    fetcher: Fetcher
    revocation: RevocationChecker
    timestamp_seconds: float = limits.TIMESTAMP_SECONDS

    def timestamp(self, request: TimestampRequest, signature: bytes, now: datetime) -> bytes:
        """A token over a signature; see `request_timestamp`."""
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


def online(
    *,
    crl_folder: Path | None = None,
    ca_file: Path | None = None,
    ocsp_seconds: float = limits.OCSP_SECONDS,
    crl_seconds: float = limits.CRL_SECONDS,
    timestamp_seconds: float = limits.TIMESTAMP_SECONDS,
) -> Witnesses:
    """Witnesses that are asked over the network, through this process's proxies. Nothing is contacted yet.

    Args:
        crl_folder: where CRLs are kept for the next process, in notation's form; without it they are in memory only.
        ca_file: PEM file of the authorities to trust for timestamp services on HTTPS, instead of the system's.
        ocsp_seconds: for each OCSP request.
        crl_seconds: for each download of a CRL.
        timestamp_seconds: for each timestamp.
    """
    proxies = Proxies.from_environment(os.environ)
    fetcher = Web(HttpClient(ca_file=ca_file, proxies=proxies, user_agent=f"imagesig/{__version__}"))
    checker = RevocationChecker(
        fetcher, crl_cache=_cache(crl_folder), ocsp_seconds=ocsp_seconds, crl_seconds=crl_seconds
    )
    return Witnesses(fetcher, checker, timestamp_seconds)


def offline(*, crl_folder: Path | None = None) -> Witnesses:
    """Nobody is asked: what a certificate's issuer says of it is known only from CRLs in the folder.

    A certificate that could be revoked and is in none of them has the status "unknown", which a strict policy refuses.
    """
    fetcher = Offline()
    return Witnesses(fetcher, RevocationChecker(fetcher, crl_cache=_cache(crl_folder)))


def _cache(folder: Path | None) -> CrlCache:
    memory = MemoryCrlCache()
    return memory if folder is None else Layered(memory, FileCrlCache(folder))
