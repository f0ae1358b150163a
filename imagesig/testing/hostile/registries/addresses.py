"""Addresses to which no registry may lead a program."""

from __future__ import annotations

from imagesig.errors import DeadlineExceeded, UnexpectedResponse, Unreachable
from imagesig.testing.hostile.kinds import Errors

REFUSED: Errors = (UnexpectedResponse,)
_GARBLED: Errors = (UnexpectedResponse, Unreachable, DeadlineExceeded)
"""The header itself is not HTTP."""
_CLOUD = "169.254.169.254"
ADDRESSES = {
    "file": "file:///etc/passwd",
    "ftp": "ftp://127.0.0.1/",
    "data": "data:application/json,{}",
    "javascript": "javascript:alert(1)",
    "gopher": "gopher://127.0.0.1:6379/_INFO",
    "unix": "http+unix://%2Frun%2Fdocker.sock/",
    "metadata-service": f"http://{_CLOUD}/latest/meta-data/",
    "metadata-service-ipv6": "http://[fd00:ec2::254]/latest/",
    "metadata-service-mapped": f"http://[::ffff:{_CLOUD}]/",
    "metadata-service-nat64": "http://[64:ff9b::a9fe:a9fe]/",
    "metadata-service-decimal": "http://2852039166/",
    "metadata-service-hexadecimal": "http://0xa9fea9fe/",
    "metadata-service-octal": "http://0251.0376.0251.0376/",
    "metadata-service-short": "http://169.254.43518/",
    "metadata-of-another-cloud": "http://100.100.100.200/latest/meta-data/",
    "link-local": "http://[fe80::1]/",
    "link-local-zone": "http://[fe80::1%25eth0]/",
    "open-bracket": "http://[::1",
    "bracket-inside": "http://a[::1]b/",
    "no-host": "http:///v2/",
    "port-too-large": "http://127.0.0.1:99999/",
    "port-zero": "http://127.0.0.1:0/",
    "port-no-number": "http://127.0.0.1:x/",
    "port-of-5000-digits": "http://127.0.0.1:" + "9" * 5000 + "/",
    "control": "http://127.0.0.1/\x01\x1b[2J",
    "tab": "http://127.0.0.1/\ta",
    "not-ascii": "http://127.0.0.1/\u00e9".encode().decode("latin-1"),
    "full-width": "http://\uff11\uff12\uff17.0.0.1/".encode().decode("latin-1"),
    "backslash": "http:\\\\127.0.0.1\\",
    "long": "http://127.0.0.1/" + "a" * 20_000,
    "with-a-login": "http://user:password@127.0.0.1/",
    "empty": "",
    "slashes": "//",
    "question-mark": "http://?",
}
"""Addresses to which no registry may lead a program, by name."""


def errors_for(name: str) -> Errors:
    return _GARBLED if name == "control" else REFUSED
