"""A tape in a form that others read, and any part of it: a cast, or one stream's bytes.

The bytes of a form follow from the tape alone, so those of a tape that has ended are always the same: they have a length, a strong tag,
and ranges. Where in them a segment begins is learnt by one walk through the tape, and kept (`Measures`): a range at the far end of a long
tape is then read from a little before its first byte on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from dockwarden.tape.cast import Caster, Heard
from dockwarden.tape.frames import Frame, Kind
from dockwarden.tape.opening import Opening
from dockwarden.tape.reader import Place, Reader, read_ended
from dockwarden.tape.segment import Flag

EDITION = 1
"""To be raised by whoever changes what bytes a form has: they are told apart by it."""
STRIDE_BYTES, MOST_MARKS = 1 << 20, 256
KEPT = 64
AT_ONCE = 2
"""So many tapes are walked through at the same time."""

FormName = Literal["v3", "v2", "out", "err", "in", "both"]
CASTS: Mapping[str, FormName] = {"asciicast": "v3", "asciicast-v2": "v2"}
STREAMS = {"out": (Kind.OUTPUT,), "err": (Kind.ERROR,), "in": (Kind.INPUT,), "both": (Kind.OUTPUT, Kind.ERROR)}


class Form(Protocol):
    """Makes a form's bytes of frames, some at a time; `heard` is all that it remembers."""

    heard: Heard

    def begin(self) -> bytes:
        """What comes first."""

    def feed(self, frames: Iterable[Frame]) -> Iterator[bytes]:
        """What these frames are."""

    def end(self) -> Iterator[bytes]:
        """What comes last."""


class Bare:
    """One stream's bytes and nothing else."""

    def __init__(self, kinds: tuple[Kind, ...]) -> None:
        self._kinds, self.heard = kinds, Heard()

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def feed(self, frames: Iterable[Frame]) -> Iterator[bytes]:
        """The data of those that belong to it."""
        return (frame.data for frame in frames if frame.kind in self._kinds)

    def end(self) -> Iterator[bytes]:
        """Nothing."""
        return iter(())


class Mark(NamedTuple):
    """A place in a tape, where in the form it is, and what was remembered there."""

    at: int
    place: Place
    heard: Heard


@dataclass(frozen=True, slots=True)
class Measure:
    """How long a form is, and marks in it, the first at the tape's first segment. At most `MOST_MARKS`."""

    length: int
    marks: tuple[Mark, ...]

    def before(self, at: int) -> Mark | None:
        """The last mark that is not behind `at`."""
        return next((mark for mark in reversed(self.marks) if mark.at <= at), None)


@dataclass(frozen=True, slots=True)
class Exported:
    """One form of one tape, for who has its key."""

    opening: Opening
    folder: Path
    key: bytes
    form: FormName

    def pieces(self) -> Iterator[bytes]:
        """Yield all of it, of a tape that is still recorded up to what is durable. Raises: BadSegment, OSError."""
        return self._from(None)

    def measure(self) -> Measure:
        """Walk through a tape that has ended. Raises: BadSegment, OSError."""
        form = self._form(Heard())
        length, marks, stride = len(form.begin()), list[Mark](), STRIDE_BYTES
        with contextlib.closing(Reader(self.folder, self.key)) as reader:
            is_last = False
            while not is_last:
                if not marks or length - marks[-1].at >= stride:
                    marks.append(Mark(length, reader.place, form.heard))
                    if len(marks) > MOST_MARKS:
                        marks, stride = marks[::2], 2 * stride
                head, frames = read_ended(reader)
                length += sum(map(len, form.feed(frames)))
                is_last = Flag.LAST in head.flags
        return Measure(length + sum(map(len, form.end())), tuple(marks))

    def part(self, measure: Measure, first: int, last: int) -> Iterator[bytes]:
        """Yield the bytes from number `first` to number `last`, of a tape that has ended and is so long. Raises: BadSegment, OSError."""
        mark = measure.before(first)
        at = mark.at if mark else 0
        for piece in self._from(mark):
            start, at = at, at + len(piece)
            if at > first:
                yield piece[max(first - start, 0) : last + 1 - start]
            if at > last:
                return

    def _from(self, mark: Mark | None) -> Iterator[bytes]:
        form = self._form(mark.heard if mark else Heard())
        if mark is None:
            yield form.begin()
        with contextlib.closing(Reader(self.folder, self.key, mark.place if mark else None)) as reader:
            while (found := reader.next()) is not None:
                _, frames = found
                yield b"".join(form.feed(frames))
        yield b"".join(form.end())

    def _form(self, heard: Heard) -> Form:
        if self.form in STREAMS:
            return Bare(STREAMS[self.form])
        return Caster(self.opening, 2 if self.form == "v2" else 3, heard)


Known = tuple[str, bytes, FormName]
"""Whose measure it is: a tape's id, the hash of its last segment, a form."""


class Measures:
    """Measures of tapes that have ended, the latest `KEPT` that were asked for. Who asks while one is taken shares it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Known, Measure] = OrderedDict()
        self._under_way: dict[Known, asyncio.Task[Measure]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def of(self, exported: Exported, head: bytes) -> Measure:
        """The measure of a form of a tape whose last segment has the hash `head`. Raises: BadSegment, OSError."""
        known = (exported.opening.id, head, exported.form)
        kept = self._kept.get(known)
        if kept is not None:
            self._kept.move_to_end(known)
            return kept
        task = self._under_way.get(known)
        if task is None:
            task = self._under_way[known] = asyncio.create_task(self._take(exported))
            task.add_done_callback(lambda done: self._taken(known, done))
        return await asyncio.shield(task)

    async def _take(self, exported: Exported) -> Measure:
        async with self._turns:
            return await asyncio.to_thread(exported.measure)

    def _taken(self, known: Known, task: asyncio.Task[Measure]) -> None:
        del self._under_way[known]
        if not task.cancelled() and task.exception() is None:
            self._kept[known] = task.result()
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
