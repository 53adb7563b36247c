"""The recorder: sessions hand it frames, one thread seals and writes them, many tapes in turn.

Frames of a tape are gathered until there are `GATHER_BYTES` of them, the oldest is `GATHER_US` old, or somebody waits for them to be
durable. A tape whose frames cannot be written, or not in time, is broken for good: it is ended where it is, and who owns the session hears
of it within a second. So is every tape if the thread is stuck or dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dockwarden.ledger.entry import Entry
from dockwarden.ledger.writer import Ledger, call_in_loop
from dockwarden.tape.admission import Admitted
from dockwarden.tape.frames import Frame, Kind, encode
from dockwarden.tape.opening import Opening, hash_of, new_id, new_key, wrap
from dockwarden.tape.segment import FRONT_BYTES, NO_FLAG, Flag, Sealer, Segment
from dockwarden.tape.shelf import Reels, Shelf
from dockwarden.words.errors import Refused, Unavailable

GATHER_BYTES, GATHER_US = 256 << 10, 30_000
"""A third of the tenth of a second that a kill may cost: the rest is for the disk, and for the other tapes whose turn it is."""
FULL_BYTES = 1 << 20
"""With so many bytes waiting, who brings more has to wait."""
HEAD_US = 10_000_000
"""How often the head of a tape that grows is written into the ledger."""
WATCH_S = 0.2
PROBE_S = 1.0
STOPPED = "the recorder has stopped"
STALL_S = 0.75
"""How long frames may wait before the recorder counts as stuck."""

Listener = Callable[[Segment, bytes], None]
"""Hears, in the recorder's thread, of a segment that is durable, and the bytes of its frames."""


class Tape:
    """One tape that is being recorded. `add`, `settle` and `end` are the loop's, the rest is the thread's."""

    def __init__(self, recorder: Recorder, opening: Opening, key: bytes, reels: Reels, sealer: Sealer, on_broken: Callable[[str], None]) -> None:
        self.opening, self.key = opening, key
        self._recorder, self._reels, self._sealer, self._on_broken = recorder, reels, sealer, on_broken
        self.began_ns = time.monotonic_ns()
        self.broken = ""
        """Why nothing more is recorded, "" while all is well."""
        self.is_ended = False
        self.is_shut = False
        self.waiting: list[Frame] = []
        self.waiting_bytes = 0
        self.oldest_us = 0
        self.is_urgent = False
        self.durable = self.added = 0
        self.waiters: list[tuple[int, asyncio.Future[None]]] = []
        self.ending: Flag | None = None
        self.told_us = 0
        self.told_seq = 0
        self.head = sealer.seq, sealer.hash
        """Number and hash of the last segment that is durable; what stands before the first, while there is none. One value, set at once."""
        self.listeners: list[Listener] = []
        self._is_closed = False

    @property
    def id(self) -> str:
        """The tape's id."""
        return self.opening.id

    @property
    def is_over(self) -> bool:
        """Whether nothing more is written to it."""
        return self.is_shut or self._is_closed

    @property
    def now_us(self) -> int:
        """Microseconds since the opening."""
        return (time.monotonic_ns() - self.began_ns) // 1000

    def add(self, kind: Kind, data: bytes) -> None:
        """Take what just happened.

        Raises:
            Unavailable: `tape.broken`; it is not recorded.
        """
        self._recorder.take(self, Frame(self.now_us, kind, data))

    @property
    def is_full(self) -> bool:
        """Whether who brings more should `settle` first."""
        return self.waiting_bytes >= FULL_BYTES

    async def settle(self) -> None:
        """Return when all that was added is durable.

        Raises:
            Unavailable: `tape.broken`; it is not.
        """
        await self._recorder.settle(self)

    async def end(self, why: str = "") -> None:
        """Write what waits and the end, tell the ledger, and return. Never raises: what could not be written is in the ledger as such."""
        await self._recorder.end(self, why)

    # --- the thread's side ---

    def write(self, frames: list[Frame], flags: Flag) -> None:
        """Seal `frames` and let them be durable. Raises: OSError: nothing was."""
        mono_us = frames[0].at_us if frames else self.now_us
        content = encode(frames, mono_us)
        wall_us = self.opening.at + mono_us + self._recorder.drift_us(self)
        segment = self._append(content, wall_us, mono_us, flags)
        self._recorder.written_bytes += FRONT_BYTES + segment.head.length
        for listener in list(self.listeners):
            listener(segment, content)

    def shut(self, flags: Flag) -> None:
        """Write an end without content. Raises: OSError."""
        self._append(b"", self.opening.at + self.now_us, self.now_us, flags)

    def _append(self, content: bytes, wall_us: int, mono_us: int, flags: Flag) -> Segment:
        try:
            segment = self._sealer.seal(content, wall_us, mono_us, flags)
            self._reels.append(segment)
        except BaseException:
            # INVARIANT: no number is given to two contents: after this only an end follows, which has none
            self._sealer.seq, self._sealer.hash = self.head
            raise
        # INVARIANT: not before: the loop writes the head into the ledger, which must have no segment that a crash takes away
        self.head = segment.head.seq, segment.head.hash
        return segment

    def close(self) -> None:
        """Let go of the files and the key."""
        self._reels.close()
        self.key = b""
        self._is_closed = True

    def break_off(self, why: str) -> None:
        """Tell the session's owner, in the loop, once."""
        self._on_broken(why)


class Recorder:
    """Records tapes. Make it inside the running loop, and `open` it."""

    def __init__(
        self, shelf: Shelf, ledger: Ledger, recipients: Callable[[], tuple[str, ...]], *, stall_s: float = STALL_S,
        told: Callable[[str, Mapping[str, Any]], None] = lambda _what, _detail: None,
    ) -> None:
        """`recipients` says who may open a tape that is made now."""
        self.shelf, self._ledger, self._recipients, self._stall_s, self._told = shelf, ledger, recipients, stall_s, told
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Condition()
        self.tapes: dict[str, Tape] = {}
        self.when_ended: list[Callable[[], None]] = []
        """Heard, in the loop, each time that a tape got its end."""
        self._is_closing = False
        self.written_bytes = 0
        self.no_room: Callable[[], str] = lambda: ""
        """Says why no tape may begin now though the disk would take it, "" if it may."""
        self._ending: set[asyncio.Task[None]] = set()
        self._probed = -PROBE_S
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._watch: asyncio.Task[None] | None = None

    # --- the loop's side ---

    async def open(self) -> None:
        """Make the folder, and begin. Raises: OSError."""
        await self._loop.run_in_executor(None, self.shelf.prepare)
        self._thread.start()
        self._watch = asyncio.create_task(self._watching())

    async def begin(self, admitted: Admitted, on_broken: Callable[[str], None], *, entry: Entry) -> Tape:
        """Return a tape whose opening and first segment are on the disk and in the ledger.

        What was admitted needs no id, time or keys; they are given here. `on_broken` is called in the loop when recording fails later. `entry`
        says whose deed it is.
        Raises:
            Unavailable: `tape.refused`: it cannot be recorded, so it must not begin.
        """
        self._see_room()
        making = self._loop.run_in_executor(None, self._create, admitted.opening, on_broken)
        try:
            async with asyncio.timeout(self._stall_s + 1):
                tape = await asyncio.shield(making)
                await self.settle(tape)
        except (OSError, Refused, TimeoutError) as error:
            making.add_done_callback(self._abandon)
            raise _refused(error) from None
        seq, digest = tape.head
        detail = {**entry.detail, "what": "tape.opened", "tape": tape.id, "head": digest.hex(), "segment": seq}
        detail |= {"start": list(admitted.verdict.policies)} if admitted.verdict.policies else {}
        try:
            await self._ledger.settle(self._ledger.append(_with(entry, detail)))
        except Refused:
            await self.end(tape, "the ledger cannot be written")
            raise
        return tape

    def _abandon(self, making: asyncio.Future[Tape]) -> None:
        """End a tape that was made and is nobody's: it came too late."""
        if not making.cancelled() and making.exception() is None:
            self._ending.add(task := asyncio.ensure_future(self.end(making.result(), "it did not begin")))
            task.add_done_callback(self._ending.discard)

    async def probe(self) -> None:
        """Return if a tape could be made now, as far as a small file shows it; a good answer counts for a second.

        Raises:
            Unavailable: `tape.refused`.
        """
        self._see_room()
        if time.monotonic() - self._probed < PROBE_S:
            return
        try:
            self._recipients()
            if not self._thread.is_alive():
                raise OSError(0, STOPPED)
            async with asyncio.timeout(self._stall_s):
                await self._loop.run_in_executor(None, self.shelf.probe)
        except (OSError, Refused, TimeoutError) as error:
            raise _refused(error) from None
        self._probed = time.monotonic()

    def _see_room(self) -> None:
        if why := self.no_room():
            raise _refused(OSError(0, why))

    def take(self, tape: Tape, frame: Frame) -> None:
        """A frame for `tape`; see `Tape.add`."""
        with self._lock:
            if tape.broken or tape.is_ended:
                raise _broken(tape)
            if not tape.waiting:
                tape.oldest_us = tape.now_us  # not the frame's own: it may have come from another process
            tape.waiting.append(frame)
            tape.added += 1
            tape.waiting_bytes += len(frame.data)
            if tape.waiting_bytes >= GATHER_BYTES:
                tape.is_urgent = True
                self._lock.notify()
            elif len(tape.waiting) == 1:
                self._lock.notify()

    async def settle(self, tape: Tape) -> None:
        """See `Tape.settle`."""
        with self._lock:
            if tape.broken:
                raise _broken(tape)
            if tape.durable >= tape.added:
                return
            waiting = self._loop.create_future()
            tape.waiters.append((tape.added, waiting))
            tape.is_urgent = True
            self._lock.notify()
        await waiting

    async def end(self, tape: Tape, why: str) -> None:
        """See `Tape.end`."""
        with self._lock:
            if tape.is_ended:
                return
            tape.is_ended = True
            tape.ending = Flag.LAST
            if not tape.waiting_bytes:
                tape.oldest_us = tape.now_us  # nothing waited until now: the disk is not slow because the session was quiet
            tape.is_urgent = True
            gone = self._loop.create_future()
            tape.waiters.append((tape.added + 1, gone))  # behind every frame: for the end itself
            self._lock.notify()
        with contextlib.suppress(Refused, TimeoutError):
            async with asyncio.timeout(self._stall_s + (5 if self._thread.is_alive() else 0)):
                await gone
        with self._lock:  # the thread may be looking through them
            self.tapes.pop(tape.id, None)
        seq, digest = tape.head
        detail = {"what": "tape.closed", "tape": tape.id, "segment": seq, "head": digest.hex(), "duration_us": tape.now_us}
        detail |= {"why": why} if why else {}
        detail |= {"broken": tape.broken} if tape.broken else {}
        with contextlib.suppress(Refused):
            self._ledger.append(Entry(kind="tape", resource=f"Tape:{tape.id}", principal=tape.opening.person, detail=detail))
        for hear in self.when_ended:
            hear()

    async def close(self) -> None:
        """End every tape, and the thread."""
        await asyncio.gather(*(self.end(tape, "dockwarden stopped") for tape in list(self.tapes.values())))
        if self._watch is not None:
            self._watch.cancel()
        with self._lock:
            self._is_closing = True
            self._lock.notify()
        await self._loop.run_in_executor(None, self._thread.join, 10)

    async def _watching(self) -> None:
        """Break tapes whose frames wait too long, and write the heads of those that grow into the ledger."""
        while True:
            await asyncio.sleep(WATCH_S)
            for tape in list(self.tapes.values()):
                if tape.broken:
                    continue
                is_dead = not self._thread.is_alive()
                if is_dead or ((tape.waiting_bytes or tape.waiters) and tape.now_us - tape.oldest_us > self._stall_s * 1e6):
                    self._fail(tape, STOPPED if is_dead else "the disk is too slow to record")
                elif tape.now_us - tape.told_us > HEAD_US and tape.head[0] != tape.told_seq:
                    tape.told_us, (tape.told_seq, digest) = tape.now_us, tape.head
                    detail = {"what": "tape.head", "tape": tape.id, "segment": tape.told_seq, "head": digest.hex()}
                    with contextlib.suppress(Refused):
                        self._ledger.append(Entry(kind="tape", resource=f"Tape:{tape.id}", principal=tape.opening.person, detail=detail))

    def drift_us(self, tape: Tape) -> int:
        """By how much the wall clock has moved against the monotonic one since `tape` was opened, in microseconds."""
        return time.time_ns() // 1000 - tape.opening.at - tape.now_us

    # --- the thread's side ---

    def _create(self, opening: Opening, on_broken: Callable[[str], None]) -> Tape:
        key, at = new_key(), time.time_ns() // 1000
        recipients = self._recipients()
        made = Opening(
            id=new_id(at), at=at, person=opening.person, kind=opening.kind, target=opening.target, call=opening.call, columns=opening.columns,
            rows=opening.rows, detail=opening.detail, recipients=recipients, wrapped=wrap(key, recipients),
        )  # fmt: skip
        reels = self.shelf.create(made)
        tape = Tape(self, made, key, reels, Sealer(made.id, key, hash_of(made.stored()), self._ledger.vouch), on_broken)
        with self._lock:
            self.tapes[made.id] = tape
        tape.add(Kind.MARK, b"recording")
        return tape

    def _run(self) -> None:
        while True:
            with self._lock:
                due, sleep_s = self._due()
                if not due:
                    if self._is_closing:
                        return
                    self._lock.wait(sleep_s)
                    due, _ = self._due()
                taken = [(tape, *self._take_out(tape)) for tape in due]
            for tape, frames, flags in taken:
                self._write(tape, frames, flags)

    def _due(self) -> tuple[list[Tape], float | None]:
        """The tapes that want writing now, and how long until the next does."""
        due, sleep_us = [], None
        for tape in self.tapes.values():
            if tape.is_urgent:
                due.append(tape)
            elif tape.waiting:
                left = GATHER_US - (tape.now_us - tape.oldest_us)
                if left <= 0:
                    due.append(tape)
                else:
                    sleep_us = left if sleep_us is None else min(sleep_us, left)
        return due, None if sleep_us is None else sleep_us / 1e6

    @staticmethod
    def _take_out(tape: Tape) -> tuple[list[Frame], Flag]:
        """What waits, and whether it is the last: an end that is asked for after this is another turn's."""
        frames, tape.waiting = tape.waiting, []
        tape.is_urgent = False
        return frames, tape.ending or NO_FLAG

    def _write(self, tape: Tape, frames: list[Frame], flags: Flag) -> None:
        if not tape.broken:
            try:
                if frames or flags:
                    tape.write(frames, flags)
            except Exception as error:  # noqa: BLE001  a thread's root: whatever it was, it was not recorded
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    self.shelf.give_reserve()
                self._fail(tape, error.strerror or "write failed" if isinstance(error, OSError) else f"{type(error).__name__} in the recorder")
        if tape.broken and not tape.is_shut:
            tape.is_shut = True
            with contextlib.suppress(OSError):
                tape.shut(Flag.BROKEN | Flag.LAST)
        if flags:  # not `tape.ending`, which may have come since, and whose segment is not written then
            tape.close()
        with self._lock:
            if not tape.broken:
                tape.durable += len(frames)
                tape.waiting_bytes -= sum(len(frame.data) for frame in frames)
                tape.oldest_us = tape.waiting[0].at_us if tape.waiting else tape.now_us
            is_last = bool(flags or tape.broken)
            ready = [waiting for upto, waiting in tape.waiters if upto <= tape.durable or is_last]
            tape.waiters = [] if is_last else [(upto, waiting) for upto, waiting in tape.waiters if upto > tape.durable]
        if flags:
            tape.close()
        call_in_loop(self._loop, _answer, ready, _broken(tape) if tape.broken else None)

    def _fail(self, tape: Tape, why: str) -> None:
        with self._lock:
            if tape.broken:
                return
            tape.broken = why
            waiters, tape.waiters = tape.waiters, []
            tape.waiting, tape.waiting_bytes = [], 0
        self._told("tape.broken", {"tape": tape.id, "because": why})
        call_in_loop(self._loop, _answer, [waiting for _, waiting in waiters], _broken(tape))
        call_in_loop(self._loop, tape.break_off, why)


def _refused(error: Exception) -> Unavailable:
    said = error.strerror if isinstance(error, OSError) and error.strerror else "the recorder does not answer"
    said = error.message if isinstance(error, Refused) else said
    return Unavailable("tape.refused", f"this session cannot be recorded ({said}), and what is not recorded does not begin; ask an operator")


def _broken(tape: Tape) -> Unavailable:
    return Unavailable("tape.broken", f"this session is recorded no more ({tape.broken or 'it has ended'}), so it ends here; ask an operator")


def _with(entry: Entry, detail: dict[str, Any]) -> Entry:
    return msgspec.structs.replace(entry, kind="tape", resource=f"Tape:{detail['tape']}", detail=detail)


def _answer(waiting: list[asyncio.Future[None]], error: Exception | None) -> None:
    for one in waiting:
        if not one.done():
            one.set_exception(error) if error else one.set_result(None)
