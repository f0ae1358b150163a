"""Tars that two readers may read differently, made at random but with every header whole unless it shall not be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from imagesig.testing.hostile.homes.tars import record

_NAMES = [b"a", b"b", b"a/b", b"./a", b"a//b", b"A", b"index.json", b"a/", b"", b".", b"./", b"/a", b"../a", b"a\\b"]
_LONG = [b"n" * 99, b"n" * 100, b"d/" * 60 + b"f", b"\xff", "é".encode(), "e\u0301".encode(), b"c\x00d", b"a\n"]
_MAGICS = [b"ustar\x0000", b"ustar  \x00", bytes(8), b"ustar\x00  ", b"ustar 00", b"junk\x00\x00\x00\x00"]
_KINDS = b"0\x005271346SKVAXDM\xff"
_KEYS = [b"path", b"size", b"mtime", b"linkpath", b"comment", b"uid", b"uname", b"GNU.sparse.map", b"SCHILY.xattr.a"]
_NUMBERS = [b"0", b"00000000001", b" 1", b"\x001", b"1 ", b"1\x002", b"9", b"-1", b"", b"\x80\x01", b"\xff\xff"]
_VALUES = [b"", b"1", b"3", b"0", b"512", b"-1", b"1.5", b"+1", b"01", b"x", b"1\x00", b"1_0", b"99999999999999999999"]


def make_tar(random: Random) -> bytes:
    """Up to six parts: members, extended and global headers, blocks of zeros; then, mostly, an end."""
    parts = [_rarely(random, _odd_part, _member)(random) for _ in range(random.randint(1, 6))]
    whole = b"".join([*parts, random.choice([bytes(1024), bytes(1024), bytes(1024), b"", bytes(512), bytes(3000)])])
    if random.random() < 0.1:
        at = random.randrange(len(whole) or 1)
        whole = random.choice([whole[:at], whole[:at] + bytes([random.randrange(256)]) + whole[at + 1 :]])
    return whole


def _rarely(random: Random, odd: Callable[..., bytes], usual: Callable[..., bytes]) -> Callable[..., bytes]:
    return odd if random.random() < 0.4 else usual


def _odd_part(random: Random) -> bytes:
    return random.choice([_pax, _pax, _gnu, _global, _zeros, _extended_member])(random)


def _extended_member(random: Random) -> bytes:
    return random.choice([_pax, _gnu])(random) + _member(random)


def _member(random: Random) -> bytes:
    content = random.choice([b"", b"x", b"{}", b"y" * 513, block(b"hidden", 0)])
    kind = b"0" if random.random() < 0.8 else bytes([random.choice(_KINDS)])
    return _with_content(random, _name(random), kind, content)


def _with_content(random: Random, name: bytes, kind: bytes, content: bytes) -> bytes:
    head = bytearray(block(name, len(content), kind))
    if random.random() < 0.3:
        head[257:265] = random.choice(_MAGICS)
    if random.random() < 0.15:
        _change_field(random, head)
    return bytes(sealed(head)) + content + bytes(-len(content) % 512)


def _change_field(random: Random, head: bytearray) -> None:
    """Another number, mode, link, prefix or end of a header."""
    at, length = random.choice([(100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (329, 8), (337, 8), (345, 12)])
    choice = random.random()
    if choice < 0.6:
        head[at : at + length] = random.choice(_NUMBERS).ljust(length, random.choice([b"\0", b" "]))
    elif choice < 0.75:
        head[100:108] = b"%07o\0" % random.choice([0o100644, 0o120777, 0o40755, 0o20644, 0o644, 0o10644])
        head[157:167] = b"index.json"
    elif choice < 0.9:
        head[345:355] = random.choice([b"prefix", b"12345", b"a/b", b"\x01"]).ljust(10, b"\0")
    else:
        head[508:512] = random.choice([b"tar\0", b"junk"])


def _pax(random: Random) -> bytes:
    records = b"".join(_record(random) for _ in range(random.choice([0, 1, 1, 1, 2, 3])))
    return _with_content(random, b"PaxHeaders/x", b"x", records)


def _global(random: Random) -> bytes:
    name = random.choice([b"pax_global_header", b"pax_global_header", b"index.json", b"a"])
    records = random.choice([record(b"comment", b"x"), _record(random), b""])
    return _with_content(random, name, b"g", records)


def _gnu(random: Random) -> bytes:
    name = _name(random) + random.choice([b"\0", b"\0", b"", b"\0x"])
    return _with_content(random, b"././@LongLink", b"L" if random.random() < 0.9 else b"K", name)


def _zeros(random: Random) -> bytes:
    return bytes(random.choice([512, 1024]))


def _record(random: Random) -> bytes:
    key = random.choice(_KEYS)
    values: Sequence[bytes] = [*_NAMES, *_LONG] if key in (b"path", b"linkpath") else _VALUES
    written = record(key, random.choice(values))
    if random.random() < 0.05:
        written = random.choice([b"0" + written, b"+" + written, written[:-1], written.replace(b"=", b" "), b"5 =\n"])
    return written


def _name(random: Random) -> bytes:
    return random.choice(_LONG if random.random() < 0.15 else _NAMES)


def block(name: bytes, size: int, kind: bytes = b"0") -> bytes:
    """A header of ustar that is whole."""
    head = bytearray(512)
    head[:100] = name[:100].ljust(100, b"\0")
    head[100:108], head[108:116], head[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    head[124:136], head[136:148] = b"%011o\0" % size, b"00000000000\0"
    head[156:157] = kind
    head[257:265] = b"ustar\x0000"
    return bytes(sealed(head))


def sealed(head: bytearray) -> bytearray:
    """The header with the checksum that it needs."""
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return head
