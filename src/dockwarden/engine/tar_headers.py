"""One tar header: read with the rules of Go's `archive/tar`, written in one canonical form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dockwarden.engine.mounts import clean
from dockwarden.words.errors import Malformed

BLOCK = 512
PERMISSIONS = 0o7777
LONGEST_PATH, MOST_PARTS, LONGEST_PART = 4096, 1024, 255
"""Bytes and parts of a name: what Linux can hold (PATH_MAX, NAME_MAX); a longer one would only cost time."""
XATTR = b"SCHILY.xattr."
_USTAR, _GNU, _STAR_TRAILER = b"ustar\0", b"ustar  \0", b"tar\0"
_TIME = re.compile(rb"-?[0-9]{1,18}(?:\.[0-9]*)?")
_SIZE = re.compile(rb"[0-9]{1,18}")


class Type(Enum):
    """What an entry is; the values are the type flags."""

    FILE = b"0"
    HARD_LINK = b"1"
    SYMLINK = b"2"
    CHARACTER_DEVICE = b"3"
    BLOCK_DEVICE = b"4"
    FOLDER = b"5"
    FIFO = b"6"


@dataclass(frozen=True, slots=True)
class Entry:
    """One header, as judged; `name` and `linkname` are cleaned and relative to the tree."""

    name: str
    type: Type
    mode: int
    uid: int
    gid: int
    size: int
    linkname: str
    records: Mapping[bytes, bytes]
    mtime: int
    uname: bytes
    gname: bytes
    device: tuple[int, int]


def padded(size: int) -> int:
    """Return how many bytes a content of `size` takes in the archive."""
    return -(-size // BLOCK) * BLOCK


class LongNames:
    """What extended headers said of the entry that follows them."""

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}
        self.name = self.linkname = b""
        self._flags: set[bytes] = set()

    @property
    def is_any(self) -> bool:
        """Whether an extended header came whose entry has not."""
        return bool(self._flags)

    def take(self, flag: bytes, content: bytes) -> None:
        """Note one extended header; a second of its kind is malformed. Global ones say nothing of an entry, as in Go."""
        if flag == b"g":
            read_records(content)
            return
        if flag in self._flags or (self._flags and b"x" in self._flags | {flag}):
            raise Malformed("tar.malformed", "an entry of the archive has two extended headers that could contradict each other")
        self._flags.add(flag)
        if flag == b"x":
            self.records = read_records(content)
        elif flag == b"L":
            self.name = content.partition(b"\0")[0]
        else:
            self.linkname = content.partition(b"\0")[0]


def read_records(content: bytes) -> dict[bytes, bytes]:
    """Return the records of a pax header; the last of a key counts.

    Raises:
        Malformed: `tar.malformed`; also for sparse files, which no reader here and there agrees on.
    """
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(content):
        space = content.find(b" ", at, at + 20)
        text = content[at:space] if space > 0 else b""
        stop = at + int(text) if text.isdigit() else 0
        key, equals, value = content[space + 1 : stop - 1].partition(b"=") if space < stop <= len(content) else (b"", b"", b"")
        if not (key and equals) or content[stop - 1 : stop] != b"\n" or b"\0" in key:
            raise Malformed("tar.malformed", "an extended header of the archive cannot be read")
        if b"\0" in value and not key.startswith(XATTR):
            raise Malformed("tar.malformed", "an extended header of the archive has a NUL in a text")
        if key.startswith(b"GNU.sparse"):
            raise Malformed("tar.sparse", "the archive has sparse files; pack it without --sparse")
        records[key] = value
        at = stop
    return records


class RawHeader:
    """The fields of one header block."""

    def __init__(self, block: bytes) -> None:
        total = sum(block) - sum(block[148:156]) + 8 * 32
        if _number(block[148:156]) != total:
            raise Malformed("tar.malformed", "a header of the archive has a wrong checksum")
        self.block = block
        self.flag = block[156:157]
        self.size = _number(block[124:136])

    def entry(self, long: LongNames) -> Entry:
        """Return what the header says together with the extended ones before it."""
        block, records = self.block, long.records
        name = long.name or records.get(b"path") or self._name()
        linkname = long.linkname or records.get(b"linkpath") or _text(block[157:257])
        _check_path(name)
        if len(linkname) > LONGEST_PATH:
            raise _too_long(linkname)
        kind = self._type(name)
        is_sized = kind is Type.FILE
        size = _record_number(records, b"size", self.size) if is_sized else 0
        is_extended = block[257:263] == _USTAR or block[257:265] == _GNU
        return Entry(
            name=clean(_decode(name)).lstrip("/") or ".",
            type=kind,
            mode=_number(block[100:108]) & PERMISSIONS,
            uid=_record_number(records, b"uid", _number(block[108:116])),
            gid=_record_number(records, b"gid", _number(block[116:124])),
            size=size,
            linkname=_link(kind, _decode(linkname)),
            records=_kept(records),
            mtime=_number(block[136:148], may_be_negative=True),
            uname=_text(block[265:297]) if is_extended else b"",
            gname=_text(block[297:329]) if is_extended else b"",
            device=(_number(block[329:337]), _number(block[337:345])) if is_extended else (0, 0),
        )

    def _name(self) -> bytes:
        block = self.block
        name = _text(block[0:100])
        if block[257:263] != _USTAR:
            return name
        prefix = _text(block[345:476] if block[508:512] == _STAR_TRAILER else block[345:500])
        return prefix + b"/" + name if prefix else name

    def _type(self, name: bytes) -> Type:
        """The type; the oldest flag of a file means a folder where the name ends in a slash, as in Go."""
        if self.flag == b"\0":
            return Type.FOLDER if name.endswith(b"/") else Type.FILE
        try:
            return Type(self.flag)
        except ValueError:
            message = f"the archive has an entry of a type ({self.flag!r}) that is not read here; pack plain files"
            raise Malformed("tar.malformed", message) from None


def _check_path(name: bytes) -> None:
    if len(name) > LONGEST_PATH or name.count(b"/") > MOST_PARTS or any(len(part) > LONGEST_PART for part in name.split(b"/")):
        raise _too_long(name)


def _too_long(name: bytes) -> Malformed:
    limits = f"{LONGEST_PATH} bytes, {MOST_PARTS} folders, {LONGEST_PART} bytes a folder"
    return Malformed("tar.malformed", f"a name in the archive, {_decode(name[:40])!r}…, is longer than a host can hold ({limits}); shorten it")


def _link(kind: Type, target: str) -> str:
    """The link's target: from the top of the tree for a hard link, as written for a symbolic one."""
    if kind is Type.HARD_LINK:
        return clean(target).lstrip("/")
    return target if kind is Type.SYMLINK else ""


def _kept(records: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The records that pass on: times and extended attributes."""
    kept = {}
    for key, value in records.items():
        if key in {b"mtime", b"atime", b"ctime"}:
            if value and not _TIME.fullmatch(value):
                raise Malformed("tar.malformed", "an extended header of the archive has a time that is none")
            kept[key] = value
        elif key.startswith(XATTR):
            kept[key] = value
    return kept


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(field_: bytes) -> bytes:
    return field_.partition(b"\0")[0]


def _number(field_: bytes, may_be_negative: bool = False) -> int:
    """A numeric field: octal digits, or base 256 where the first bit is set."""
    if field_[0] & 0x80:
        is_negative = bool(field_[0] & 0x40)
        number = int.from_bytes(field_, "big", signed=is_negative)
        if not is_negative:
            number &= ~(0x80 << 8 * (len(field_) - 1))
        if (is_negative and not may_be_negative) or abs(number) >> 62:
            raise Malformed("tar.malformed", "a header of the archive has a number out of range")
        return number
    digits = _text(field_.strip(b" \0"))
    if not digits:
        return 0
    try:
        return int(digits, 8) if digits.isdigit() else _raise_bad_number()
    except ValueError:
        return _raise_bad_number()


def _raise_bad_number() -> int:
    raise Malformed("tar.malformed", "a header of the archive has a number that is none") from None


def _record_number(records: Mapping[bytes, bytes], key: bytes, default: int) -> int:
    value = records.get(key)
    if not value:
        return default
    return int(value) if _SIZE.fullmatch(value) else _raise_bad_number()


def write_header(entry: Entry) -> bytes:
    """Return the canonical header blocks of `entry`: ustar, with a pax header before it for what does not fit."""
    name = _encode(entry.name) + (b"/" if entry.type is Type.FOLDER else b"")
    linkname = _encode(entry.linkname)
    records = {key: value for key, value in entry.records.items() if value}
    if len(name) > 100:
        records[b"path"] = name
    if len(linkname) > 100:
        records[b"linkpath"] = linkname
    for key, value, digits in ((b"uid", entry.uid, 7), (b"gid", entry.gid, 7), (b"size", entry.size, 11)):
        if value >= 8**digits:
            records[key] = b"%d" % value
    if not 0 <= entry.mtime < 8**11:
        records.setdefault(b"mtime", b"%d" % entry.mtime)
    header = _ustar(
        name[:100], entry.mode, entry.uid, entry.gid, entry.size, entry.mtime, entry.type.value, linkname[:100],
        entry.uname, entry.gname, entry.device,
    )
    if not records:
        return header
    payload = b"".join(map(_record, records, records.values()))
    special = _ustar(b"PaxHeaders.0/x", 0o644, 0, 0, len(payload), 0, b"x", b"", b"", b"", (0, 0))
    return special + payload + bytes(padded(len(payload)) - len(payload)) + header


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + len(str(len(rest)))
    if len(rest) + len(str(length)) != length:
        length = len(rest) + len(str(length))
    return b"%d" % length + rest


def _ustar(
    name: bytes, mode: int, uid: int, gid: int, size: int, mtime: int, flag: bytes, linkname: bytes,
    uname: bytes, gname: bytes, device: tuple[int, int],
) -> bytes:
    def octal(value: int, digits: int) -> bytes:
        return b"%0*o\0" % (digits, value if 0 <= value < 8**digits else 0)

    parts = (
        name.ljust(100, b"\0"), octal(mode, 7), octal(uid, 7), octal(gid, 7), octal(size, 11), octal(mtime, 11), b" " * 8, flag,
        linkname.ljust(100, b"\0"), b"ustar\x0000", uname.ljust(32, b"\0"), gname.ljust(32, b"\0"), octal(device[0], 7),
        octal(device[1], 7), bytes(167),
    )
    block = b"".join(parts)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
