"""Archives whose members attack: floods of them, headers that lie, links, names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from imagesig.testing.hostile.homes.home import Home
from imagesig.testing.hostile.homes.tars import (
    BOMB,
    END,
    INDEX_TWIN,
    archive_of,
    around,
    empty_file,
    header,
    hostile_archive,
    members,
    padded,
    pax,
    record,
)
from imagesig.testing.hostile.kinds import MIB


def _by_number(count: int, make: Callable[[int], bytes]) -> Callable[[Home], Iterable[bytes]]:
    def parts(home: Home) -> Iterator[bytes]:
        yield members(home.files())
        for number in range(count):
            yield make(number)
        yield END

    return parts


_SIZES = {
    "huge": header("x", size=0)[:124] + b"\x80" + b"\xff" * 11,
    "negative": header("x", size=0)[:124] + b"\xff" * 12,
    "no-number": header("x", size=0)[:124] + b"zzzzzzzzzzz\0",
    "octal-8-gib": header("x", size=0)[:124] + b"77777777777\0",
}


def _checked(start: bytes) -> bytes:
    """A header with this start and a correct checksum."""
    whole = start + header("x")[len(start) :]
    check = sum(whole[:148]) + 8 * 32 + sum(whole[156:])
    return whole[:148] + b"%06o\0 " % check + whole[156:]


TAR_MEMBERS = [
    hostile_archive("40000-members", "A tar has 40,000 members.", archive_of(_by_number(40_000, empty_file)), BOMB),
    hostile_archive(
        "24000-members",
        "A tar has nearly as many members as are read.",
        archive_of(_by_number(24_000, empty_file)),
        BOMB,
        harmless=True,
    ),
    hostile_archive(
        "20000-folders",
        "A tar has 20,000 folders.",
        archive_of(_by_number(20_000, lambda n: header(f"d/{n}", b"5"))),
        BOMB,
        harmless=True,
    ),
    hostile_archive(
        "pax-flood",
        "A tar has 20,000 global headers.",
        archive_of(_by_number(20_000, lambda _n: pax(record(b"comment", b"x"), b"g"))),
        BOMB,
        harmless=True,
    ),
    hostile_archive(
        "pax-comments",
        "Members have extended headers of 60 KiB.",
        archive_of(_by_number(500, lambda n: pax(record(b"comment", b"x" * 60_000)) + header(f"f{n}"))),
        BOMB,
        harmless=True,
    ),
    hostile_archive(
        "pax-of-64-mib",
        "An extended header has 64 MiB.",
        archive_of(lambda home: (pax(b"x" * 64 * MIB), members(home.files()), END)),
    ),
    hostile_archive(
        "pax-length-lies", "A record says another length than it has.", around(pax(b"99999 path=a\n") + header("x"))
    ),
    hostile_archive(
        "pax-length-long",
        "A record says a length of 5,000 digits.",
        around(pax(b"9" * 5000 + b" path=a\n") + header("x")),
    ),
    hostile_archive(
        "pax-size-huge",
        "An extended header says a size of 2^63.",
        around(pax(record(b"size", b"9223372036854775808")) + header("x")),
    ),
    hostile_archive(
        "pax-size-negative",
        "An extended header says a size below zero.",
        around(pax(record(b"size", b"-1")) + header("x")),
    ),
    hostile_archive(
        "pax-twice",
        "Two extended headers stand before one member.",
        around(pax(record(b"path", b"a")) * 2 + header("x")),
    ),
    hostile_archive(
        "pax-renames-index",
        "An extended header gives another member the name index.json.",
        around(after=pax(record(b"path", b"index.json")) + header("x", size=len(INDEX_TWIN)) + padded(INDEX_TWIN)),
    ),
    hostile_archive(
        "pax-global-renames",
        "A global header gives every member the same name.",
        around(pax(record(b"path", b"index.json"), b"g")),
    ),
    hostile_archive(
        "long-name-of-64-mib",
        "A member has a name of 64 MiB.",
        archive_of(
            lambda home: (
                header("././@LongLink", b"L", 64 * MIB) + b"a" * 64 * MIB + header("x"),
                members(home.files()),
                END,
            )
        ),
    ),
    hostile_archive(
        "long-name-of-60-kib",
        "A member has a name of 60 KiB.",
        around(header("././@LongLink", b"L", 60_000) + padded(b"a" * 60_000) + header("x")),
    ),
    hostile_archive(
        "deep-name",
        "A member lies 1,500 folders deep.",
        around(header("././@LongLink", b"L", 3000) + padded(b"a/" * 1500) + header("x")),
    ),
    *(
        hostile_archive(f"size-{name}", f"A member has a size that is wrong: {name}.", around(_checked(start)))
        for name, start in _SIZES.items()
    ),
    hostile_archive("checksum", "A header has a wrong checksum.", around(header("x").replace(b"0000644", b"0000777"))),
    *(
        hostile_archive(f"member-{name}", f"A tar has {words}.", around(header("x", kind, link="/etc/passwd")))
        for name, (kind, words) in {
            "hard-link": (b"1", "a hard link"),
            "link": (b"2", "a link"),
            "device": (b"3", "a device"),
            "block-device": (b"4", "a block device"),
            "fifo": (b"6", "a pipe"),
            "sparse": (b"S", "a sparse member"),
            "volume": (b"V", "a volume label"),
            "multi-volume": (b"M", "a part of a member"),
            "unknown": (b"!", "a member of an unknown kind"),
            "long-link": (b"K", "a link with a long name"),
        }.items()
    ),
    *(
        hostile_archive(f"name-{name}", f"A member's name is {words}.", around(header(text)))
        for name, (text, words) in {
            "up": ("../../etc/passwd", "a path out of the archive"),
            "absolute": ("/etc/passwd", "absolute"),
            "empty": ("", "empty"),
            "surrogate": ("a\udcff", "not UTF-8"),
        }.items()
    ),
    *(
        hostile_archive(f"name-{name}", f"A member's name is {words}.", around(header(text)), harmless=True)
        for name, (text, words) in {
            "line-break": ("a\nverified", "broken over lines"),
            "control": ("\x1b[2J", "of control characters"),
            "dot-inside": ("blobs/./sha256/a", "written in an odd way"),
            "backslash": ("..\\..\\a", "a path of another system"),
            "drive": ("C:\\a", "that of a drive"),
        }.items()
    ),
]
