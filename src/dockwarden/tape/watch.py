"""A tape followed while it is recorded: what is durable first, then each segment as it becomes so, nothing twice and nothing left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import Frame, decode
from dockwarden.tape.read import opened_segments
from dockwarden.tape.recorder import Tape
from dockwarden.tape.segment import Flag, Segment

MOST_BEHIND = 256
"""Segments that a watcher may be behind; a slower one is let go of, so that nobody is held up by who looks on."""

Piece = tuple[int, Flag, list[Frame]]


async def follow(tape: Tape, folder: Path) -> AsyncIterator[list[Frame]]:
    """Yield the frames of `tape` by segments, from its first to its last, as they come.

    Raises:
        BadSegment: the watcher was too slow, or what is on the disk is not what was written.
    """
    loop = asyncio.get_running_loop()
    news: asyncio.Queue[Piece] = asyncio.Queue()

    def hear(segment: Segment, content: bytes) -> None:
        piece = segment.head.seq, segment.head.flags, list(decode(content, segment.head.mono_us))
        loop.call_soon_threadsafe(news.put_nowait, piece)

    tape.listeners.append(hear)  # INVARIANT: before the disk is read, so that no segment falls between
    try:
        last = 0
        history = await asyncio.to_thread(lambda: [(head, list(frames)) for head, frames in opened_segments(folder, tape.key)])
        for head, frames in history:
            last = head.seq
            yield frames
            if Flag.LAST in head.flags:
                return
        while True:
            seq, flags, frames = await _next(news, tape)
            if seq > last:
                yield frames
            if Flag.LAST in flags:
                return
    finally:
        tape.listeners.remove(hear)


async def _next(news: asyncio.Queue[Piece], tape: Tape) -> Piece:
    if news.qsize() > MOST_BEHIND:
        raise BadSegment("this watcher is too far behind; watch again")
    while True:
        try:
            return await asyncio.wait_for(news.get(), 1.0)
        except TimeoutError:
            if tape.is_over and news.empty():
                return 1 << 62, Flag.LAST, []
