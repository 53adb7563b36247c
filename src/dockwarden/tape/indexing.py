"""The process that reads tapes for the search index: `python -m dockwarden.tape.indexing`, started by `indexer.py`.

What sessions showed is hostile, and an emulator in Python is slow; so this is done beside the process that serves, at the lowest priority and
with bounded memory. It is given, over its standard input, the index's key and the key of one tape at a time: never the key that opens all
tapes, nor a way to the vault. It tells of what it read by numbers and ids alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dockwarden.tape.faults import BadIndex, BadSegment
from dockwarden.tape.found import tail_of
from dockwarden.tape.frames import Frame
from dockwarden.tape.index import Index, discard
from dockwarden.tape.orders import Begin, Done, Order
from dockwarden.tape.read import frames_of, opening_of
from dockwarden.tape.reading import see
from dockwarden.tape.seen import Seen
from dockwarden.vault.process import keep_memory_to_ourselves

MEMORY_BYTES = 1 << 30
SPENT_S = 20.0
"""Seconds of a processor that reading the screen of one tape may take."""
PR_SET_PDEATHSIG = 1
LOWEST = 19
NOTHING = Seen(lines=(), commands=(), exit="", read_bytes=0, is_whole=False)


def main() -> None:
    """Do what is ordered until nothing more comes."""
    os.umask(0o077)
    os.nice(LOWEST)
    keep_memory_to_ourselves()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # whoever started us may be killed, and then nobody waits for this
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    begin = msgspec.json.decode(sys.stdin.buffer.readline(), type=Begin)
    try:
        if begin.is_anew:
            discard(Path(begin.file))
        index = Index(Path(begin.file), begin.key, makes=True)
    except BadIndex as error:
        _answer(Done(wrong=str(error)))
        return
    _answer(Done())
    try:
        for line in sys.stdin.buffer:
            _answer(_done(index, msgspec.json.decode(line, type=Order)))
    finally:
        index.close()


def _done(index: Index, order: Order) -> Done:
    try:
        if order.gone:
            index.remove(order.gone)
        else:
            _take_in(index, order)
    except Exception as error:  # noqa: BLE001  the process's root: one tape that cannot be read keeps no other from it
        return Done(wrong=str(error) if isinstance(error, BadSegment | BadIndex) else type(error).__name__)
    return Done()


def _take_in(index: Index, order: Order) -> None:
    folder = Path(order.folder)
    opening = opening_of(folder)
    head, _, _ = tail_of(folder)
    ended_us = head.wall_us if head else opening.at
    if order.why_not:
        index.put(opening, ended_us, NOTHING, order.why_not)
        return
    frames = _Frames(folder, order.key)
    until = time.process_time() + SPENT_S
    seen = see(opening, frames, lambda: time.process_time() > until)
    said = [] if seen.is_whole else [f"only the first {seen.read_bytes / (1 << 20):.1f} MiB were read"]
    said += [f"{seen.undrawn} pieces of what was shown could not be drawn"] if seen.undrawn else []
    index.put(opening, ended_us, seen, "; ".join([*said, *frames.broken]))


class _Frames:
    """A tape's frames up to where it is broken, if it is."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder, self._key = folder, key
        self.broken: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        try:
            yield from frames_of(self._folder, self._key)
        except BadSegment as error:
            self.broken.append(f"it is broken: {error}")


def _answer(done: Done) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
