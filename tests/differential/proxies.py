"""Generated settings of proxies, each with a target: what people write, what is nearly that, and what is not."""

from __future__ import annotations

import json
from random import Random

NAMES = ["example.com", "www.example.com", "a.b.example.com", "example.org", "ample.com", "registry", "localhost"]
NAMES += ["app.localhost", "localhost.net", "xn--fsq092h.com", "example.com.", "EXAMPLE.com", "a_b.example.com"]
ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.1.2.3", "192.168.1.1", "127.0.0.1", "127.8.9.1", "8.8.8.8", "0.0.0.0"]
ADDRESSES6 = [
    "::1",
    "::2",
    "2001:db8::1",
    "2001:DB8::1",
    "::ffff:10.0.0.1",
    "::ffff:7f00:1",
    "fe80::1",
    "64:ff9b::a00:1",
]
PORTS = ["", "", ":80", ":443", ":5000", ":81", ":65535", ":65536", ":0", ":x"]
LENGTHS = ["0", "1", "8", "24", "30", "31", "32", "33", "64", "95", "96", "104", "128", "129", "08", "+8", "-1"]
LENGTHS += ["255.0.0.0", "", "8/8"]
CHANGES = [":", ".", "*", "/", "[", "]", "@", "%", " ", "0", "x", "\0"]
BLANKS = ["", "", "", " ", "  ", "\t", "\n", "\xa0", "\u2003", "\x1f"]
LOGINS = ["", "", "", "me@", "me:secret@", "me:@", ":secret@", "@", "me:p%40ss@", "me:p%2Fss@", "me:p/ss@", "me:p#ss@"]
LOGINS += ["me:p@ss@", "me:p%zzss@", "me:p ss@", "m e:x@", "me:a:b@", "%6De:x@", "me:p?ss@", "me:\xe4@", "me:[@"]
SCHEMES = ["http://", "http://", "https://", "", "", "HTTP://", "socks5://", "foo://", "http:", "//", "://", "http:/"]


def make_question(random: Random) -> bytes:
    """One question for the Go reader `proxy`, as JSON."""
    return json.dumps(
        {
            "http": _proxy(random) if random.random() < 0.8 else "",
            "https": _proxy(random) if random.random() < 0.8 else "",
            "bypass": ",".join(_entry(random) for _ in range(random.randrange(5))),
            "cgi": random.random() < 0.05,
            "target": random.choice(["http://", "https://"]) + _host(random) + random.choice(PORTS) + "/x?y=http://z",
        }
    ).encode()


def _host(random: Random) -> str:
    kind = random.random()
    if kind < 0.5:
        return random.choice(NAMES)
    return random.choice(ADDRESSES) if kind < 0.75 else f"[{random.choice(ADDRESSES6)}]"


def _proxy(random: Random) -> str:
    scheme = random.choice(SCHEMES[:5] if random.random() < 0.8 else SCHEMES)
    login = random.choice(LOGINS[:6] if random.random() < 0.7 else LOGINS)
    host = "proxy.example" if random.random() < 0.6 else _host(random)
    tail = random.choice(["", "", "", "/", "/path", "?q", "#f", " ", "/a@b"])
    return scheme + login + host + random.choice([*PORTS, ":3128", ":3128", ":"]) + tail


def _entry(random: Random) -> str:
    blank = random.choice(BLANKS)
    return blank + random.choice(_ENTRIES)(random) + random.choice(BLANKS)


def _domain(random: Random) -> str:
    name = random.choice([*NAMES, "com", "\u793a\u4f8b.com", "*", ""])
    return random.choice(["", "", ".", "*.", "*", "..", "."]) + name + random.choice(PORTS)


def _address(random: Random) -> str:
    address = random.choice([*ADDRESSES, "10.0.0.01", "10.0.0", "010.0.0.1"])
    return address + random.choice(PORTS)


def _address6(random: Random) -> str:
    address = random.choice([*ADDRESSES6, "::1%eth0", "2001:db8::g", ""])
    return random.choice(
        [address, f"[{address}]", f"[{address}]{random.choice(PORTS)}", f"{address}{random.choice(PORTS)}"]
    )


def _block(random: Random) -> str:
    address = random.choice([*ADDRESSES, *ADDRESSES6, "::", "::ffff:10.0.0.0", "10.0.0", "example.com", ""])
    return f"{address}/{random.choice(LENGTHS)}"


def _mutated(random: Random) -> str:
    text = list(random.choice([_domain, _address, _address6, _block])(random))
    for _ in range(random.randrange(1, 3)):
        at = random.randrange(len(text) + 1)
        text[at : at + random.randrange(2)] = random.choice(
            [":", ".", "*", "/", "[", "]", "@", "%", " ", "0", "x", "\0"]
        )
    return "".join(text).replace(",", "")


def _little(random: Random) -> str:
    return random.choice(["*", "", "."])


_ENTRIES = [
    _domain,
    _domain,
    _address,
    _address6,
    _block,
    _block,
    _mutated,
    lambda random: random.choice(["*", "", "."]),
]
