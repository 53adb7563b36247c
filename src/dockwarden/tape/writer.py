"""The recorder's two threads: one seals and writes what many tapes have gathered, in turn, the other lets it be durable, and writes what
somebody waits for.

What is written outlives the process, so that nothing but its turn keeps a tape from that: no write waits for a sync, and one sync may be for
several segments. Whoever asked for what is durable is answered after it.

1. Frames that wait are taken, sealed, written. What cannot be written breaks its tape, which gets an end there.
2. What was written is synced. If that fails, nothing that was not durable before counts as there: it is taken away, and the tape gets an
   end after what is. So heads in the ledger, watchers and stores have no segment that may go.
3. The last segment is durable: files are closed, and the tape's key is forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate, takewhile
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from dockwarden.ledger.writer import call_in_loop
from dockwarden.tape.segment import NO_FLAG, Flag
from dockwarden.tape.shelf import Shelf
from dockwarden.tape.track import Written

if TYPE_CHECKING:
    from dockwarden.tape.frames import Frame
    from dockwarden.tape.recorder import Tape

GATHER_BYTES, GATHER_US = 256 << 10, 30_000
"""A third of the tenth of a second that a kill may cost: the rest is for other tapes whose turn it is, and for a busy machine."""


SEGMENT_BYTES = 1 << 20
"""Of frames in a segment, but for the last of them: who reads a tape has no more of it in memory than that."""


@dataclass(slots=True)
class Batch:
    """Frames that were taken together: how many, of how many bytes, the first one's moment, and what they became once it is written."""

    frames: int
    size: int
    since_us: int
    written: Written | None = None


class Writer:
    """Writes the tapes in `tapes`. `lock` guards what of a tape both sides change, and its `notify` wakes who writes."""

    def __init__(self, shelf: Shelf, told: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Make it inside the running loop."""
        self._loop, self._shelf, self._told = asyncio.get_running_loop(), shelf, told
        self.lock = threading.Condition()
        self.tapes: dict[str, Tape] = {}
        self.written_bytes = 0
        self.is_resting = False
        """Whether the thread that writes sleeps until it is woken: else it looks again before anything that comes now is due."""
        self._is_closing = False
        self._unsynced: SimpleQueue[Tape | None] = SimpleQueue()
        roots = {"recorder": self._write_all, "recorder-sync": self._sync_all}
        self._threads = tuple(threading.Thread(target=root, name=name, daemon=True) for name, root in roots.items())

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether anything is still written, and synced."""
        return all(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """End both threads, in another one than the loop's, once nothing waits."""
        with self.lock:
            self._is_closing = True
            self.lock.notify()
        for thread in self._threads:
            thread.join(10)

    def hurry(self, tape: Tape) -> None:
        """Let what waits of `tape` be written and durable soon."""
        self._unsynced.put(tape)

    def fail(self, tape: Tape, why: str) -> None:
        """Break `tape`, from any thread: who waits for frames and who owns the session are told, and it gets its end if that can be written."""
        with self.lock:
            if tape.broken:
                return
            tape.broken = why
            waiters, tape.waiters = tape.waiters, [waiter for waiter in tape.waiters if waiter[0] > tape.added]
            tape.waiting, tape.taken, tape.waiting_bytes, tape.undurable_bytes = [], [], 0, 0
            tape.is_urgent = True
            self.lock.notify()
        self._told("tape.broken", {"tape": tape.id, "because": why})
        call_in_loop(self._loop, _answer, [waiting for upto, waiting in waiters if upto <= tape.added], tape.unavailable())
        call_in_loop(self._loop, tape.break_off, why)

    def _failed(self, tape: Tape, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            self._shelf.give_reserve()
        self.fail(tape, error.strerror or "write failed" if isinstance(error, OSError) else f"{type(error).__name__} in the recorder")

    # --- the thread that writes ---

    def _write_all(self) -> None:
        while True:
            with self.lock:
                due, sleep_s = self._due()
                if not due:
                    if self._is_closing:
                        break
                    self.is_resting = sleep_s is None
                    self.lock.wait(sleep_s)
                    self.is_resting = False
                    due, _ = self._due()
            for tape in due:
                self._write(tape)
                self._unsynced.put(tape)
        self._unsynced.put(None)

    def _due(self) -> tuple[list[Tape], float | None]:
        """The tapes that want writing now, and how long until the next does."""
        due, sleep_us = [], None
        for tape in self.tapes.values():
            if tape.is_urgent:
                due.append(tape)
            elif tape.waiting:
                left = GATHER_US - (tape.now_us - tape.waiting_us)
                if left <= 0:
                    due.append(tape)
                else:
                    sleep_us = left if sleep_us is None else min(sleep_us, left)
        return due, None if sleep_us is None else sleep_us / 1e6

    def _write(self, tape: Tape) -> None:
        with tape.hand:
            self._write_in_hand(tape)

    def _write_in_hand(self, tape: Tape) -> None:
        with self.lock:  # INVARIANT: frames and end are taken at once: an end that is asked for after this is another turn's
            since_us = tape.waiting_us if tape.waiting else tape.now_us
            frames, size, flags = self._take_out(tape)
            batch = Batch(len(frames), size, since_us)
            if is_due := bool(frames or flags) and not tape.broken and not tape.track.written.is_last:
                tape.taken.append(batch)
        if is_due:
            try:
                self.written_bytes += tape.write(frames, flags)
                batch.written = tape.track.written
            except Exception as error:  # noqa: BLE001  a thread's root: whatever it was, it was not recorded
                self._failed(tape, error)
        if tape.broken and self.is_alive:  # else nobody syncs its end, and the ledger would not have it: the next start ends it
            self._shut(tape)

    def _take_out(self, tape: Tape) -> tuple[list[Frame], int, Flag]:
        """What is to be in the next segment, of how many bytes, and whether that is the last. What is too much waits for the next turn."""
        frames, size, flags = tape.waiting, tape.waiting_bytes, tape.ending
        tape.waiting, tape.waiting_bytes, tape.is_urgent = [], 0, False
        if size > SEGMENT_BYTES:
            upto = next(count for count, taken in enumerate(accumulate(len(frame.data) for frame in frames), 1) if taken >= SEGMENT_BYTES)
            frames, tape.waiting = frames[:upto], frames[upto:]
        if tape.waiting:
            tape.waiting_bytes = sum(len(frame.data) for frame in tape.waiting)
            tape.waiting_us = tape.now_us
            size, flags, tape.is_urgent = size - tape.waiting_bytes, NO_FLAG, True
            self.lock.notify()
        return frames, size, flags

    def _shut(self, tape: Tape) -> None:
        """Give a tape that is broken its end: after all that was written, or, if a sync failed, after what is durable."""
        with self.lock:
            is_lost, tape.is_lost = tape.is_lost, False
            if tape.is_shut and not is_lost:
                return
        with contextlib.suppress(OSError):
            if is_lost:
                tape.track.go_back()
            if not tape.is_shut and not tape.track.written.is_last:
                tape.write([], Flag.BROKEN | Flag.LAST)
        with self.lock:
            tape.is_shut, tape.taken = True, [Batch(0, 0, tape.now_us, tape.track.written)]

    # --- the thread that syncs ---

    def _sync_all(self) -> None:
        while (tape := self._unsynced.get()) is not None:
            if tape.waiting:  # somebody waits for these: no need to wake the other thread
                self._write(tape)
            self._sync(tape)

    def _sync(self, tape: Tape) -> None:
        with self.lock:
            written = [] if tape.is_lost else list(takewhile(lambda batch: batch.written is not None, tape.taken))
        if written and (last := written[-1].written) is not None:
            try:
                tape.track.sync(last)
            except Exception as error:  # noqa: BLE001  a thread's root: whatever it was, nobody knows what is on the disk
                with self.lock:
                    tape.is_lost = tape.is_urgent = True
                    self.lock.notify()
                self._failed(tape, error)
                return
            for listener in list(tape.listeners):
                listener(last.seq, last.size)
        self._settle(tape, written)

    def _settle(self, tape: Tape, durable: list[Batch]) -> None:
        """Answer who waited for the frames that are durable now; everybody, where nothing follows."""
        with self.lock:
            if durable and tape.taken[:1] == durable[:1]:  # not if it was broken meanwhile
                tape.count(durable)
            is_over = not tape.taken and not tape.is_lost and (tape.is_shut or tape.track.written.is_last)
            ready = [waiting for upto, waiting in tape.waiters if upto <= tape.durable or is_over]
            tape.waiters = [] if is_over else [(upto, waiting) for upto, waiting in tape.waiters if upto > tape.durable]
        if is_over and tape.ending:
            tape.close()
        if ready:
            call_in_loop(self._loop, _answer, ready, tape.unavailable() if tape.broken else None)


def _answer(waiting: list[asyncio.Future[None]], error: Exception | None) -> None:
    for one in waiting:
        if not one.done():
            one.set_exception(error) if error else one.set_result(None)
