"""Files on a tape: what the data of a `FILE` frame says. Pure.

    byte      what it is
    u64       token: which copy of this tape, big-endian as all numbers here
    rest      BEGUN, ENDED: a JSON object; READ, WRITTEN: u64, the offset, and the contents; CUT: u64, the size; UNTAKEN: u64, a number

WRITTEN and CUT of one copy are numbered together, from 0, in their order; UNTAKEN names one that the server did not take. A copy without
`keep_bytes` has a beginning and an end alone.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

import msgspec

from dockwarden.tape.faults import BadSegment

_HEAD, _PLACED = struct.Struct(">BQ"), struct.Struct(">BQQ")


class What(IntEnum):
    """What a frame says of a copy."""

    BEGUN = 1
    READ = 2
    WRITTEN = 3
    CUT = 4
    UNTAKEN = 5
    ENDED = 6


class Begun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """It was allowed. Paths are as `operations.shown` writes them; with `keep_bytes` its contents follow, up to so large a file."""

    deed: str
    path: str
    other: str = ""
    canonical: str = ""
    keep_bytes: int = 0
    is_appended: bool = False


class Sum(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What moved in one direction, as the ledger has it."""

    bytes: int = 0
    sha256: str = ""
    ranges: int = 0


class Ended(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it ended; without a `status` there was no answer."""

    status: int | None = None
    read: Sum = Sum()
    written: Sum = Sum()
    is_complete: bool = False


class Piece(NamedTuple):
    """Some of its contents."""

    is_upload: bool
    offset: int
    data: memoryview


class Cut(NamedTuple):
    """It was given a size."""

    size: int


class Untaken(NamedTuple):
    """Piece `number` was not taken."""

    number: int


Said = Begun | Piece | Cut | Untaken | Ended


def begun(token: int, begun: Begun) -> bytes:
    """The data of a frame: a copy begins."""
    return _HEAD.pack(What.BEGUN, token) + msgspec.json.encode(begun)


def ended(token: int, ended: Ended) -> bytes:
    """It has ended."""
    return _HEAD.pack(What.ENDED, token) + msgspec.json.encode(ended)


def piece(token: int, offset: int, data: bytes | memoryview, *, is_upload: bool) -> bytes:
    """Some of its contents moves."""
    return _PLACED.pack(What.WRITTEN if is_upload else What.READ, token, offset) + data


def cut(token: int, size: int) -> bytes:
    """It is given a size."""
    return _PLACED.pack(What.CUT, token, size)


def untaken(token: int, number: int) -> bytes:
    """A piece was not taken."""
    return _PLACED.pack(What.UNTAKEN, token, number)


def read(data: bytes) -> tuple[int, Said]:
    """Return whose frame it is, and what it says. Raises: BadSegment: it is none."""
    try:
        kind, token = _HEAD.unpack_from(data)
        what = What(kind)
        if what is What.BEGUN:
            return token, msgspec.json.decode(memoryview(data)[_HEAD.size :], type=Begun)
        if what is What.ENDED:
            return token, msgspec.json.decode(memoryview(data)[_HEAD.size :], type=Ended)
        number = _PLACED.unpack_from(data)[2]
    except (struct.error, ValueError, msgspec.MsgspecError):
        raise BadSegment("a frame of a file cannot be read") from None
    rest = memoryview(data)[_PLACED.size :]
    if what in (What.CUT, What.UNTAKEN):
        if rest:
            raise BadSegment("a frame of a file is too long")
        return token, Cut(number) if what is What.CUT else Untaken(number)
    return token, Piece(what is What.WRITTEN, number, rest)
