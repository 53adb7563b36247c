"""A tape followed while it is recorded: what is durable first, then each segment as it becomes so, nothing twice and nothing left out.

All of it is read from the disk, one segment at a time, and only as fast as the watcher takes it: the recorder waits for nobody who looks
on, and a watcher who is slow, or came late to a long session, costs no memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from dockwarden.ledger.writer import call_in_loop
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import Frame
from dockwarden.tape.reader import Reader
from dockwarden.tape.recorder import Tape
from dockwarden.tape.segment import Flag

LOOK_S = 1.0
"""How often a tape is asked whether it is over: one that broke may have no last segment."""


class _News:
    """How far a tape is durable, as its recorder says."""

    def __init__(self, tape: Tape) -> None:
        self._loop, self._come, self.durable = asyncio.get_running_loop(), asyncio.Event(), tape.head[0]

    def hear(self, seq: int, _size: int) -> None:
        """In a thread of the recorder's: segments are durable up to `seq`."""
        call_in_loop(self._loop, self._learn, seq)

    def _learn(self, seq: int) -> None:
        self.durable = max(self.durable, seq)
        self._come.set()

    async def wait(self) -> None:
        """Return when there is some, or it is time to look."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._come.wait(), LOOK_S)
        self._come.clear()


async def follow(tape: Tape, folder: Path) -> AsyncGenerator[list[Frame], None]:
    """Yield the frames of `tape` by segments, from its first to its last, as they come.

    Raises:
        BadSegment: what is on the disk is not what was written, or the session is over already. OSError.
    """
    key, news = tape.key, _News(tape)
    if tape.is_over or not key:
        raise BadSegment("it is over")
    tape.listeners.append(news.hear)
    try:
        with contextlib.closing(await asyncio.to_thread(Reader, folder, key)) as reader:
            last, is_ended = 0, False
            while not is_ended:
                is_ended = tape.is_over  # INVARIANT: before the disk is read, so that nothing is written after the last look
                while (is_ended or last < news.durable) and (found := await asyncio.to_thread(reader.next)) is not None:
                    head, frames = found
                    yield frames
                    last = head.seq
                    is_ended = is_ended or Flag.LAST in head.flags
                if not is_ended:
                    await news.wait()
    finally:
        tape.listeners.remove(news.hear)
