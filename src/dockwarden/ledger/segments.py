"""The files of a ledger: segments named after their first entry. `tree.py` has those of its tree."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dockwarden.ledger.chain import HASH_CHARS, read_line
from dockwarden.ledger.checkpoint import ChainCheckpoint
from dockwarden.ledger.entry import Entry

SUFFIX = ".ledger"
CHAIN_HEAD = "head.json"
BLOCK = 1 << 20


def segments(folder: Path) -> list[Path]:
    """Every segment, oldest first."""
    return sorted(file for file in folder.glob(f"*{SUFFIX}") if file.stem.isdecimal())


def segment_path(folder: Path, first_seq: int) -> Path:
    """Where the segment that begins with entry `first_seq` is."""
    return folder / f"{first_seq:012d}{SUFFIX}"


def read_chain_head(folder: Path) -> ChainCheckpoint | None:
    """The head in the form before; `None` where there is none that can be read."""
    try:
        return msgspec.json.decode((folder / CHAIN_HEAD).read_bytes(), type=ChainCheckpoint)
    except (OSError, msgspec.DecodeError):
        return None


class Lines:
    """Stored lines in their order, without their ends; it follows a ledger that grows. Not for two threads."""

    def __init__(self, folder: Path, after: int) -> None:
        """Begin with the line of entry `after` + 1. Raises: FileNotFoundError: it is in no segment that is here."""
        self._folder, self.seq, self._at = folder, after, 0
        holding = [file for file in segments(folder) if int(file.stem) <= after + 1][-1:]
        self._file = holding[0] if holding else segment_path(folder, after + 1)
        with self._file.open("rb") as lines:
            for line in itertools.islice(lines, after + 1 - int(self._file.stem)):
                self._at += len(line)

    def upto(self, seq: int) -> Iterator[bytes]:
        """Yield what comes next, up to the line of entry `seq`, which is whole on the disk. Raises: OSError: a segment is missing."""
        while self.seq < seq:
            # INVARIANT: opened afresh, so that nothing that was half written, and taken back since, is in a buffer
            with self._file.open("rb") as lines:
                lines.seek(self._at)
                while self.seq < seq and (line := lines.readline()).endswith(b"\n"):
                    self._at += len(line)
                    self.seq += 1
                    yield line[:-1]
            if self.seq < seq:
                self._file, self._at = segment_path(self._folder, self.seq + 1), 0


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
