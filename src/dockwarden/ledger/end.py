"""Where a segment ends that a crash may have left: after its last whole line."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from dockwarden.ledger.chain import GENESIS, HASH_CHARS, link, read_line
from dockwarden.words.errors import BadConfig


class End(NamedTuple):
    """Where a ledger goes on: hash, place and time of its last line, and the bytes of the segment up to it."""

    previous: bytes
    seq: int
    size: int
    at: int


def chained(file: Path) -> End:
    """Return where the whole lines of a segment end, its own chain checked line by line.

    Raises:
        BadConfig: it is broken.
    """
    first = int(file.stem)
    previous, seq, size, last = GENESIS, first - 1, 0, b""
    with file.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            if not size and first > 1:
                with contextlib.suppress(ValueError, KeyError, msgspec.DecodeError):
                    previous = bytes.fromhex(read_line(line[:-1])[1].detail["previous"])
            previous = link(previous, line[HASH_CHARS + 1 : -1])
            seq += 1
            if previous.hex().encode() != line[:HASH_CHARS]:
                mend = "look with dockwarden ledger verify; to go on, move the ledger's folder aside and run dockwarden init"
                raise BadConfig(f"{file}:{seq - first + 1}", f"the chain is broken at entry {seq}", mend)
            size += len(line)
            last = line
    return End(previous, seq, size, read_line(last[:-1])[1].at if last else 0)
