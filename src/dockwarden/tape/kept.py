"""The files that were copied in a session, as its tape has them: which, and the contents of those that are kept.

The contents are pieces and sizes, laid one over the other in the order in which they moved. Of an upload they are what the server took; what
it was sent and did not take is left out, or laid as well where that is asked for. Nothing is put on a disk, and no more than `WINDOW_BYTES`
of a file that did not move in order is in memory: the tape is walked through once for each window of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from dockwarden.tape import files
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import Frame, Kind

WINDOW_BYTES = 32 << 20
WRITES = frozenset({"write", "read-write"})

Walk = Callable[[], Iterable[Frame]]
"""Walks through a tape from its first frame. Raises: BadSegment, OSError."""


class Copy(msgspec.Struct, kw_only=True):
    """One file in one direction. `number` counts them from 1, in order; `token` is the tape's own number of what was opened.

    `bytes`, `sha256`, `ranges`, `status` and `is_complete` are the ledger's. `end` is how much is kept, whatever its place; `is_run`: one piece
    begins where the one before ended. `untaken` are the pieces that the server did not take.
    """

    number: int
    token: int
    is_upload: bool
    at_us: int
    path: str
    canonical: str
    keep_bytes: int
    is_appended: bool
    has_ended: bool = False
    is_complete: bool = False
    status: int | None = None
    bytes: int = 0
    sha256: str = ""
    ranges: int = 0
    end: int = 0
    is_run: bool = True
    untaken: list[int] = []


class _Copies:
    """All copies of a tape, so far."""

    def __init__(self) -> None:
        self.rows: list[Copy] = []
        self._begun: dict[int, tuple[int, files.Begun]] = {}
        self._by_token: dict[tuple[int, bool], Copy] = {}

    def feed(self, frame: Frame) -> None:
        """Take the next frame about files."""
        token, said = files.read(frame.data)
        if isinstance(said, files.Begun):
            if token in self._begun:
                raise BadSegment("a copy begins twice")
            self._begun[token] = frame.at_us, said
            self._row(token, is_upload=said.deed in WRITES)
        elif token not in self._begun:
            raise BadSegment("something is said of a copy that did not begin")
        elif isinstance(said, files.Ended):
            self._end(token, said)
        elif isinstance(said, files.Piece):
            row = self._row(token, is_upload=said.is_upload)
            row.is_run = row.is_run and said.offset == row.end
            row.end += len(said.data)
        elif isinstance(said, files.Cut):
            row = self._row(token, is_upload=True)
            row.is_run = row.is_run and said.size == row.end
        else:
            self._row(token, is_upload=True).untaken.append(said.number)

    def _row(self, token: int, *, is_upload: bool) -> Copy:
        found = self._by_token.get((token, is_upload))
        if found is None:
            at_us, begun = self._begun[token]
            found = self._by_token[token, is_upload] = Copy(
                number=len(self.rows) + 1, token=token, is_upload=is_upload, at_us=at_us, path=begun.path, canonical=begun.canonical,
                keep_bytes=begun.keep_bytes, is_appended=begun.is_appended,
            )  # fmt: skip
            self.rows.append(found)
        return found

    def _end(self, token: int, ended: files.Ended) -> None:
        for is_upload, moved in ((False, ended.read), (True, ended.written)):
            if moved.bytes or (token, is_upload) in self._by_token:
                row = self._row(token, is_upload=is_upload)
                row.has_ended, row.status, row.is_complete = True, ended.status, ended.is_complete
                row.bytes, row.sha256, row.ranges = moved.bytes, moved.sha256, moved.ranges


def copies_of(frames: Iterable[Frame]) -> tuple[Copy, ...]:
    """Return what was copied, in the order in which it began. Raises: BadSegment, and what `frames` does."""
    found = _Copies()
    for frame in frames:
        if frame.kind is Kind.FILE:
            found.feed(frame)
    return tuple(found.rows)


def contents(walk: Walk, copy: Copy, *, with_untaken: bool = False) -> Iterator[bytes]:
    """Yield the contents of a copy that is kept. Where there is a digest of them it was compared before the first byte.

    Raises:
        BadSegment: they are not those of which the digest is, or the tape is not as it was written. OSError.
    """
    left_out = frozenset[int]() if with_untaken else frozenset(copy.untaken)
    if copy.sha256 and not with_untaken:
        digest = hashlib.sha256()
        for data in _laid(walk, copy, left_out):
            digest.update(data)
        if digest.hexdigest() != copy.sha256:
            raise BadSegment(f"what is kept of file {copy.number} has another SHA-256 than what moved")
    yield from _laid(walk, copy, left_out)


def _laid(walk: Walk, copy: Copy, left_out: frozenset[int]) -> Iterator[bytes]:
    if copy.is_run and not left_out:
        yield from (bytes(step.data) for step in _steps(walk, copy, left_out) if isinstance(step, files.Piece))
        return
    size, touched = _measure(walk, copy, left_out)
    for start in range(0, size, WINDOW_BYTES):
        window = bytearray(min(WINDOW_BYTES, size - start))
        if start // WINDOW_BYTES in touched:
            _lay(_steps(walk, copy, left_out), window, start)
        yield bytes(window)


def _measure(walk: Walk, copy: Copy, left_out: frozenset[int]) -> tuple[int, set[int]]:
    """How large it is in the end, and which windows have anything in them but zeros."""
    size, touched = 0, set[int]()
    for step in _steps(walk, copy, left_out):
        if isinstance(step, files.Cut):
            size = step.size
        elif step.data:
            last = step.offset + len(step.data)
            touched.update(range(step.offset // WINDOW_BYTES, (last - 1) // WINDOW_BYTES + 1))
            size = max(size, last)
    return size, touched


def _lay(steps: Iterator[files.Piece | files.Cut], window: bytearray, start: int) -> None:
    """Lay what falls into `window`, which begins at `start`; what is cut off reads as zeros if the file grows again."""
    for step in steps:
        if isinstance(step, files.Cut):
            kept = min(max(step.size - start, 0), len(window))
            window[kept:] = bytes(len(window) - kept)
            continue
        first, last = max(step.offset, start), min(step.offset + len(step.data), start + len(window))
        if first < last:
            window[first - start : last - start] = step.data[first - step.offset : last - step.offset]


def _steps(walk: Walk, copy: Copy, left_out: frozenset[int]) -> Iterator[files.Piece | files.Cut]:
    """What was done to the file, in order, without the pieces of these numbers. Raises: BadSegment: it goes beyond what may be kept."""
    number = -1
    for frame in walk():
        if frame.kind is not Kind.FILE:
            continue
        token, said = files.read(frame.data)
        if token != copy.token or not isinstance(said, files.Piece | files.Cut):
            continue
        if isinstance(said, files.Piece) and not said.is_upload:
            if not copy.is_upload:
                yield _within(said, copy)
            continue
        number += 1
        if copy.is_upload and number not in left_out:
            yield _within(said, copy)


def _within(step: files.Piece | files.Cut, copy: Copy) -> files.Piece | files.Cut:
    if (step.offset + len(step.data) if isinstance(step, files.Piece) else step.size) > copy.keep_bytes:
        raise BadSegment(f"file {copy.number} is larger than it may be")
    return step
