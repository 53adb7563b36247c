"""The files of a ledger: segments named after their first entry, and the signed head."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dockwarden.ledger.chain import HASH_CHARS, read_line
from dockwarden.ledger.checkpoint import Checkpoint
from dockwarden.ledger.entry import Entry

SUFFIX = ".ledger"
HEAD = "head.json"
BLOCK = 1 << 20


def segments(folder: Path) -> list[Path]:
    """Every segment, oldest first."""
    return sorted(file for file in folder.glob(f"*{SUFFIX}") if file.stem.isdecimal())


def segment_path(folder: Path, first_seq: int) -> Path:
    """Where the segment that begins with entry `first_seq` is."""
    return folder / f"{first_seq:012d}{SUFFIX}"


def read_head(folder: Path) -> Checkpoint | None:
    """The last checkpoint as it stands beside the segments; `None` where there is none that can be read."""
    try:
        return msgspec.json.decode((folder / HEAD).read_bytes(), type=Checkpoint)
    except (OSError, msgspec.DecodeError):
        return None


def write_head(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the head, whole or not at all."""
    new = folder / f"{HEAD}.new"
    with new.open("wb") as out:
        out.write(msgspec.json.encode(checkpoint))
        out.flush()
        os.fdatasync(out.fileno())
    new.replace(folder / HEAD)


def entries(folder: Path, since: int = 0) -> Iterator[Entry]:
    """Every entry after `since`, oldest first; lines that cannot be read are passed over (verification names them)."""
    files = segments(folder)
    later = [file for file in files if int(file.stem) > since]
    begun = [file for file in files if int(file.stem) <= since][-1:]
    for file in begun + later:
        with file.open("rb") as lines:
            for line in lines:
                try:
                    _, entry = read_line(line.rstrip(b"\n"))
                except (ValueError, msgspec.DecodeError):
                    continue
                if entry.seq > since:
                    yield entry


def newest(folder: Path) -> Iterator[Entry]:
    """Every entry, newest first."""
    for file in reversed(segments(folder)):
        for line in _lines_backwards(file):
            try:
                yield read_line(line)[1]
            except (ValueError, msgspec.DecodeError):
                continue


def hash_at(folder: Path, seq: int) -> str | None:
    """The hash of entry `seq` as it stands in its line; `None` if it is not there."""
    holding = [file for file in segments(folder) if int(file.stem) <= seq][-1:]
    for file in holding:
        with file.open("rb") as lines:
            for line in itertools.islice(lines, seq - int(file.stem), None):
                return line[:HASH_CHARS].decode("ascii", "replace")
    return None


def _lines_backwards(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        place = source.seek(0, os.SEEK_END)
        tail = b""
        while place > 0:
            step = min(BLOCK, place)
            place -= step
            source.seek(place)
            lines = (source.read(step) + tail).split(b"\n")
            tail = lines[0]
            yield from (line for line in reversed(lines[1:]) if line)
        if tail:
            yield tail
