"""Proxies by Go's rules: the tables of golang.org/x/net/http/httpproxy's own tests, and what is refused here."""

from __future__ import annotations

import pytest

from imagesig.errors import InvalidArgument
from imagesig.http.proxies import Proxies, unused_entries
from imagesig.url import parse_url

# golang.org/x/net v0.56.0, http/httpproxy/proxy_test.go, UseProxyTests and noProxy.
NO_PROXY = (
    "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, 10.0.0.0/30, "
    "2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, 2002:db8:a::45/64"
)
USED = {
    "localhost": False, "127.0.0.1": False, "127.0.0.2": False, "[::1]": False, "[::2]": True,
    "192.168.1.1": False, "192.168.1.2": True, "192.168.1.3": False, "192.168.1.4": True, "10.0.0.2": False,
    "[2001:db8::52:0:1]": False, "[2001:db8::52:0:2]": True, "[2001:db8::52:0:3]": False, "[2002:db8:a::123]": False,
    "[fe80::424b:c8be:1643:a1b6]": True, "barbaz.net": True, "www.barbaz.net": False, "foobar.com": False,
    "www.foobar.com": False, "foofoobar.com": True, "baz.com": True, "localhost.net": True, "local.localhost": True,
    "barbarbaz.net": True, "wildcard.io": True, "nested.wildcard.io": False, "awildcard.io": True,
}  # fmt: skip


def find(proxies: Proxies, target: str) -> str:
    return str(proxies.find(parse_url(target)) or "")


@pytest.mark.parametrize(("host", "used"), USED.items(), ids=USED)
def test_gos_table_of_hosts(host: str, used: bool) -> None:
    proxies = Proxies({"http": "http://proxy"}, NO_PROXY)
    assert bool(find(proxies, f"http://{host}/")) is used
    assert not find(Proxies({"http": "http://proxy"}, "*"), f"http://{host}/")
    assert not find(Proxies({"http": "http://proxy"}, f"x, * ,{NO_PROXY}"), f"http://{host}/")


@pytest.mark.parametrize(
    ("http", "https", "bypass", "target", "proxy"),
    [
        ("127.0.0.1:8080", "", "", "http://example.com", "http://127.0.0.1:8080"),
        ("cache.corp.example.com:1234", "", "", "http://example.com", "http://cache.corp.example.com:1234"),
        ("cache.corp.example.com", "", "", "http://example.com", "http://cache.corp.example.com"),
        ("localhost", "", "", "http://example.com", "http://localhost"),
        ("https://cache.corp.example.com", "", "", "http://example.com", "https://cache.corp.example.com"),
        ("http.proxy.tld", "secure.proxy.tld", "", "http://insecure.tld/", "http://http.proxy.tld"),
        ("http.proxy.tld", "secure.proxy.tld", "", "https://secure.tld/", "http://secure.proxy.tld"),
        ("http.proxy.tld", "https://secure.proxy.tld", "", "https://secure.tld/", "https://secure.proxy.tld"),
        ("http.proxy.tld", "", "", "https://secure.tld/", ""),
        ("", "", "", "http://example.com", ""),
        ("proxy", "", "example.com", "http://example.com/", ""),
        ("proxy", "", ".example.com", "http://example.com/", "http://proxy"),
        ("proxy", "", "ample.com", "http://example.com/", "http://proxy"),
        ("proxy", "", "example.com", "http://foo.example.com/", ""),
        ("proxy", "", ".foo.com", "http://example.com/", "http://proxy"),
        ("proxy", "", "\u793a\u4f8b.com", "http://www.xn--fsq092h.com", ""),
        ("proxy", "", ".\u793a\u4f8b.com", "http://www.xn--fsq092h.com", ""),
    ],
)
def test_gos_table_of_proxies(http: str, https: str, bypass: str, target: str, proxy: str) -> None:
    assert find(Proxies({"http": http, "https": https}, bypass), target) == proxy


@pytest.mark.parametrize(
    ("target", "used"),
    [
        ("http://registry.example:5000", False),
        ("http://a.registry.example:5000", False),
        ("http://registry.example", True),
        ("http://registry.example:5001", True),
        ("http://10.1.2.3:81", False),
        ("http://10.1.2.3", True),
    ],
)
def test_a_port_that_is_listed_is_the_only_one_without_a_proxy(target: str, used: bool) -> None:
    proxies = Proxies({"http": "http://proxy"}, "registry.example:5000,10.1.2.3:81")
    assert bool(find(proxies, target)) is used


@pytest.mark.parametrize("entry", ["10.1.2.3/", "10.1.2.3/x", "10.1.2.3/33", "10.1.2.3/-1", f"10.1.2.3/{'1' * 21}"])
def test_what_is_no_network_matches_nothing(entry: str) -> None:
    assert find(Proxies({"http": "http://proxy"}, entry), "http://10.1.2.3/")


@pytest.mark.parametrize("entry", ["10.1.2.3/32", "10.9.9.9/8", "::ffff:10.0.0.0/104", "10.1.2.3"])
def test_an_address_is_matched_however_its_network_is_written(entry: str) -> None:
    proxies = Proxies({"http": "http://proxy"}, entry)
    assert not find(proxies, "http://10.1.2.3/")
    assert not find(proxies, "http://[::ffff:10.1.2.3]/")
    assert find(proxies, "http://11.1.2.3/")


def test_what_a_web_server_was_sent_is_no_setting() -> None:
    proxies = Proxies.from_environment({"HTTP_PROXY": "http://10.1.2.3:8080", "REQUEST_METHOD": "PUT"})
    with pytest.raises(InvalidArgument, match="REQUEST_METHOD"):
        find(proxies, "http://example.com")
    assert (
        find(Proxies.from_environment({"HTTPS_PROXY": "p", "REQUEST_METHOD": "PUT"}), "https://a.example") == "http://p"
    )


def test_upper_case_comes_first_and_what_is_empty_is_not_set() -> None:
    environ = {"HTTPS_PROXY": "", "https_proxy": "http://low", "NO_PROXY": "up.example", "no_proxy": "low.example"}
    proxies = Proxies.from_environment(environ)
    assert [find(proxies, f"https://{host}.example") for host in ("up", "low")] == ["", "http://low"]


@pytest.mark.parametrize(
    ("login", "authorization"),
    [
        ("", ""),
        ("me:p%40s%2Fs@", "Basic bWU6cEBzL3M="),
        ("me@", "Basic bWU6"),
        ("me:p@ss@", "Basic bWU6cEBzcw=="),
        ("%C3%A4:x@", "Basic w6Q6eA=="),
    ],
)
def test_a_login_is_decoded(login: str, authorization: str) -> None:
    proxies = Proxies({"https": f"http://{login}proxy:3128"})
    proxy = proxies.find(parse_url("https://a.example"))
    assert proxy is not None
    assert proxy.authorization == authorization
    assert str(proxy) == "http://proxy:3128"
    assert "bWU" not in repr(proxy)
    assert proxies.for_url("https://a.example").replace("%40", "@") == f"http://{login.replace('%40', '@')}proxy:3128"


@pytest.mark.parametrize(
    "setting",
    [
        "http://me:s3/cret@h", "http://me:s3#cret@h", "http://me:s3?cret@h", "http://me:s3%zzcret@h", "socks5://me:s3cret@h",
        "http://me:s3cret@", "http://me:s3cret@h:x", "http://me:s3cret@h:0", "http://me:s3 cret@h", "http:///me:s3cret@h",
        "http://me:s3[cret@h", "me:s3/cret@h", "http://me:s3cret@[::1", "://me:s3cret@h", "http://me:s3\u20accret@h",
    ],
)  # fmt: skip
def test_an_unreadable_setting_is_named_and_not_shown(setting: str) -> None:
    with pytest.raises(InvalidArgument, match="HTTPS_PROXY") as refused:
        find(Proxies({"https": setting}), "https://a.example")
    assert "cret" not in f"{refused.value}{refused.value.hint}{refused.value.__cause__}"
    assert "cret" not in repr(Proxies({"https": setting}))


@pytest.mark.parametrize("host", ["[]:80", ":80", "\u00e4" * 70 + ".example", "\u00e4" * 70 + ".example:80"])
def test_a_host_without_a_name_or_without_a_form_in_ascii_bypasses_nothing(host: str) -> None:
    assert find(Proxies({"http": "http://proxy"}, host), "http://registry.example/") == "http://proxy"


BLANKS = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_what_gos_trim_space_removes_is_removed_around_a_host(blank: str) -> None:
    proxies = Proxies({"http": "http://proxy"}, f"other.example,{blank}registry.example{blank}")
    assert not find(proxies, "http://registry.example/")


@pytest.mark.parametrize("other", "\u1fff\x1c", ids=ascii)
def test_another_character_is_part_of_the_host(other: str) -> None:
    assert find(Proxies({"http": "http://proxy"}, f"{other}registry.example"), "http://registry.example/")


@pytest.mark.parametrize(
    ("bypass", "unused"),
    [
        ("", ()),
        ("*, .corp.example ,*.x.example,host:81,[fd00::1]:443,10.0.0.0/8,fd00::/8,::ffff:10.0.0.0/104", ()),
        ("https://r.example", ("https://r.example",)),
        ("r.example/path,10.0.0.0/33,10.0.0.0/", ("r.example/path", "10.0.0.0/33", "10.0.0.0/")),
        ("a.example b.example, c.example", ("a.example b.example",)),
    ],
)
def test_entries_that_name_no_host_are_found(bypass: str, unused: tuple[str, ...]) -> None:
    assert unused_entries(bypass) == unused
