"""Witnesses online go through the proxy of this process; offline they know what is in the folder, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig.http.proxies import Proxies
from imagesig.trust.revocation import RevocationStatus
from imagesig.witnesses import CrlBytes, FileCrlCache, offline, online
from tests.authorities import Authority, Revoked
from tests.makers import NOW
from tests.witnesses.loopback import Said, serving

URL = "http://crl.example/1.crl"
ROOT = Authority()
LEAF = ROOT.leaf(crl=(URL,))
CHAIN = (LEAF.certificate, ROOT.certificate)


def test_requests_go_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Said(ROOT.crl(Revoked(LEAF)))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        witnesses = online()
        (found,) = witnesses.revocation.check(CHAIN, NOW)
        witnesses.close()

    assert found.status is RevocationStatus.REVOKED
    assert [asked.path for asked in proxy.asked] == [URL]


def test_proxies_are_read_in_lower_and_upper_case() -> None:
    found = Proxies.from_environment({"http_proxy": "http://a", "HTTPS_PROXY": "http://b", "NO_PROXY": "c.example"})

    assert found.for_url("http://x.example/") == "http://a"
    assert found.for_url("https://x.example/") == "http://b"
    assert found.for_url("http://c.example/") == ""


def test_lists_downloaded_online_are_used_offline(tmp_path: Path) -> None:
    with serving(lambda _: Said(ROOT.crl(Revoked(leaf)))) as server:
        leaf = ROOT.leaf(crl=(f"{server.url}/1.crl",))
        chain = (leaf.certificate, ROOT.certificate)
        witnesses = online(crl_folder=tmp_path, crl_seconds=30)
        witnesses.revocation.check(chain, NOW)
        witnesses.close()

    (found,) = offline(crl_folder=tmp_path).revocation.check(chain, NOW)

    assert found.status is RevocationStatus.REVOKED


def test_offline_witnesses_know_nothing_without_a_folder(tmp_path: Path) -> None:
    FileCrlCache(tmp_path).put(URL, CrlBytes(ROOT.crl()))

    assert offline(crl_folder=tmp_path).revocation.check(CHAIN, NOW)[0].status is RevocationStatus.OK
    assert offline().revocation.check(CHAIN, NOW)[0].status is RevocationStatus.UNKNOWN


def test_closing_offline_witnesses_is_nothing() -> None:
    offline().close()
