"""Changes of a tar archive's envelope: members, headers, order, ends."""

from __future__ import annotations

import gzip
import tarfile
from dataclasses import dataclass
from random import Random

from tests.mutations.material import Base

Part = tuple[tarfile.TarInfo, bytes]


@dataclass(frozen=True)
class ChangeTar:
    """How the archive is made otherwise: the `kind` of change at a `member`, with `content` where it needs some."""

    kind: str
    member: str
    content: bytes = b""
    first: bool = False
    share: float = 0.0


_KINDS = (
    *("twice", "twice-other", "twice-dot", "twice-absolute", "dot", "absolute", "up", "other-case", "directory"),
    *("symbolic-link", "hard-link", "device", "pax-path", "gnu-name", "gnu-then-pax", "global-path", "pax-size"),
    *("removed", "cut", "cut-at-end", "no-end", "junk-after", "second-archive", "gzip", "checksum", "mode", "owner"),
    *("reversed", "old-type", "backslash", "slash-after", "long-size", "zeros-between", "sparse", "contiguous"),
)


def tar_change(random: Random, base: Base) -> ChangeTar:
    files = members_of(base.store.files, base.store.blobs)
    member = random.choice(sorted(files)) if random.random() < 0.5 else random.choice(sorted(base.store.files))
    evil = members_of(base.evil.files, base.evil.blobs)
    content = evil.get(member) or random.choice([evil[name] for name in sorted(evil)])
    return ChangeTar(random.choice(_KINDS), member, content, random.random() < 0.5, random.random())


def members_of(files: dict[str, bytes], blobs: dict[str, bytes]) -> dict[str, bytes]:
    """What a layout's archive holds, by name."""
    named = {f"blobs/sha256/{digest[7:]}": content for digest, content in sorted(blobs.items())}
    return {**dict(sorted(files.items())), **named}


def tar_of(files: dict[str, bytes], change: ChangeTar | None) -> bytes:
    parts = [_part(name, content) for name, content in files.items()]
    if change is None:
        return _written(parts)
    at = next((number for number, (info, _) in enumerate(parts) if info.name == change.member), 0)
    info, content = parts[at]
    other, kind = change.content, change.kind
    renamed = {
        "dot": f"./{info.name}",
        "absolute": f"/{info.name}",
        "up": f"x/../{info.name}",
        "other-case": info.name.upper(),
        "backslash": info.name.replace("/", "\\") if "/" in info.name else f".\\{info.name}",
        "slash-after": f"{info.name}/",
    }
    more = {
        "twice": info.name,
        "twice-other": info.name,
        "twice-dot": f"./{info.name}",
        "twice-absolute": f"/{info.name}",
    }
    types = {
        "directory": tarfile.DIRTYPE,
        "device": tarfile.CHRTYPE,
        "old-type": tarfile.AREGTYPE,
        "contiguous": tarfile.CONTTYPE,
        "sparse": tarfile.GNUTYPE_SPARSE,
    }
    if kind in renamed:
        parts[at] = _part(renamed[kind], content)
    elif kind in more:
        added = _part(more[kind], content if kind == "twice" else other)
        parts.insert(at if change.first else len(parts), added)
    elif kind in types:
        parts[at] = _part(info.name, content, types[kind])
    elif kind in ("symbolic-link", "hard-link"):
        moved = _part("moved", other if change.first else content)
        linked = _part(info.name, b"", tarfile.SYMTYPE if kind == "symbolic-link" else tarfile.LNKTYPE)
        linked[0].linkname = "../" * info.name.count("/") + "moved" if kind == "symbolic-link" else "moved"
        parts[at : at + 1] = [moved, linked]
    elif kind == "removed":
        del parts[at]
    elif kind == "reversed":
        parts.reverse()
    elif kind in ("mode", "owner"):
        info.mode, info.uid = (0, 0) if kind == "mode" else (0o644, 2**40)
    if kind in _BY_BLOCKS:
        return _by_blocks(parts, at, change)
    return _whole(_written(parts), change, at, parts)


_BY_BLOCKS = frozenset(
    {"pax-path", "gnu-name", "gnu-then-pax", "global-path", "pax-size", "checksum", "zeros-between", "long-size"}
)


def _by_blocks(parts: list[Part], at: int, change: ChangeTar) -> bytes:
    """Headers that `tarfile` does not write."""
    out = []
    for number, (info, content) in enumerate(parts):
        if number != at:
            out.append(_block(info, content))
            continue
        name = info.name.encode()
        hidden = replace_name(info, "hidden")
        pax, gnu = _pax({b"path": name}), _gnu(name)
        evil = _block(replace_name(info, info.name), change.content, size=True)
        blocks = {
            "pax-path": pax + _block(hidden, content),
            "gnu-name": gnu + _block(hidden, content),
            "gnu-then-pax": gnu
            + _pax({b"path": b"elsewhere"})
            + _block(hidden, change.content, size=True)
            + _block(info, content),
            "global-path": _pax({b"path": name}, b"g")
            + _block(hidden, change.content, size=True)
            + _block(info, content),
            "pax-size": _pax({b"size": str(len(content)).encode()}) + _block(info, content),
            "checksum": _broken(_block(info, content)),
            "zeros-between": bytes(512) + _block(info, content)
            if change.first
            else bytes(1024) + evil + _block(info, content),
            "long-size": _base256(_block(info, content), len(content)),
        }
        out.append(blocks[change.kind])
    return b"".join(out) + bytes(1024)


def _whole(tar: bytes, change: ChangeTar, at: int, parts: list[Part]) -> bytes:
    kind, share = change.kind, change.share
    if kind == "cut":
        return tar[: int(len(tar) * share)]
    if kind == "cut-at-end":
        return tar[:-512]
    if kind == "no-end":
        return b"".join(_block(info, content) for info, content in parts)
    if kind == "junk-after":
        return tar + b"junk" * 128
    if kind == "second-archive":
        second = _written([_part(change.member, change.content)])
        return second + tar if change.first else tar + second
    return gzip.compress(tar, mtime=0) if kind == "gzip" else tar


def replace_name(info: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.mode = info.size, info.type, info.mode
    return made


def _part(name: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> Part:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    return info, content


def _written(parts: list[Part]) -> bytes:
    return b"".join(_block(info, content) for info, content in parts) + bytes(1024)


def _block(info: tarfile.TarInfo, content: bytes, *, size: bool = False) -> bytes:
    if size:
        info.size = len(content)
    return info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512)


def _pax(records: dict[bytes, bytes], kind: bytes = b"x") -> bytes:
    body = b""
    for key, value in records.items():
        length = len(key) + len(value) + 3
        length += len(str(length + len(str(length))))
        body += b"%d %s=%s\n" % (length, key, value)
    return _block(*_part("PaxHeaders/x", body, kind))


def _gnu(name: bytes) -> bytes:
    return _block(*_part("././@LongLink", name + b"\0", b"L"))


def _broken(block: bytes) -> bytes:
    return block[:148] + b"0000000\0" + block[156:]


def _base256(block: bytes, size: int) -> bytes:
    head = bytearray(block[:512])
    head[124:136] = b"\x80" + size.to_bytes(11, "big")
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + block[512:]
