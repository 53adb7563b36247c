"""The recorder: sessions hand it frames in the loop, and `writer.py`'s threads write them, many tapes in turn.

Frames of a tape are gathered until there are `GATHER_BYTES` of them, the oldest is `GATHER_US` old, or somebody waits for them to be
durable. A tape whose frames cannot be written or synced, or not in time, is broken for good: it is ended where it is, and who owns the
session hears of it within a second. So is every tape if a thread is stuck or dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dockwarden.ledger.entry import Entry
from dockwarden.ledger.writer import Ledger
from dockwarden.tape.admission import Admitted
from dockwarden.tape.frames import Frame, Kind, encode
from dockwarden.tape.opening import Opening, hash_of, new_id, new_key, wrap
from dockwarden.tape.segment import FRONT_BYTES, NO_FLAG, Flag, Sealer
from dockwarden.tape.shelf import Shelf
from dockwarden.tape.track import Track
from dockwarden.tape.writer import GATHER_BYTES, Batch, Writer
from dockwarden.words.errors import Refused, Unavailable

FULL_BYTES = 4 << 20
"""With so many bytes that are not durable, who brings more has to wait."""
HEAD_US = 10_000_000
"""How often the head of a tape that grows is written into the ledger."""
WATCH_S = 0.2
PROBE_S = 1.0
STOPPED = "the recorder has stopped"
STALL_S = 0.75
"""How long frames may wait before the recorder counts as stuck."""

Listener = Callable[[int, int], None]
"""Hears, in a thread of the recorder's, up to which segment a tape is durable, and how many bytes that is."""


class Tape:
    """One tape that is being recorded. `add`, `settle`, `room` and `end` are the loop's, the rest is the writer's."""

    def __init__(self, recorder: Recorder, opening: Opening, key: bytes, track: Track, on_broken: Callable[[str], None]) -> None:
        self.opening, self.key, self.track = opening, key, track
        self._recorder, self._on_broken = recorder, on_broken
        self.began_ns = time.monotonic_ns()
        self.broken = ""
        """Why nothing more is recorded, "" while all is well."""
        self.is_ended = False
        self.is_shut = self.is_lost = False
        """Whether it has all of the end that a broken one gets; whether a sync failed and nothing was done about it yet."""
        self.hand = threading.Lock()
        """Held by the thread that takes what waits and writes it: one at a time."""
        self.waiting: list[Frame] = []
        self.waiting_bytes = self.waiting_us = 0
        """How much waits to be taken, and since when."""
        self.taken: list[Batch] = []
        """What no longer waits, and is not durable yet."""
        self.undurable_bytes = self.undurable_us = 0
        """How much was added and is not durable, and since when."""
        self.is_urgent = False
        self.durable = self.added = 0
        self.waiters: list[tuple[int, asyncio.Future[None]]] = []
        self.ending = NO_FLAG
        self.told_us = 0
        self.told_seq = 0
        self.listeners: list[Listener] = []
        self._is_closed = False

    @property
    def id(self) -> str:
        """The tape's id."""
        return self.opening.id

    @property
    def head(self) -> tuple[int, bytes]:
        """Number and hash of the last segment that is durable; what stands before the first, while there is none."""
        return self.track.head

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
        """Whether who brings more should wait for `room` first."""
        return self.undurable_bytes >= FULL_BYTES

    async def settle(self) -> None:
        """Return when all that was added is durable.

        Raises:
            Unavailable: `tape.broken`; it is not.
        """
        await self._recorder.settle(self, self.added)

    async def room(self) -> None:
        """Return when half of what was added and is not durable is: the disk need not be waited for to its last byte.

        Raises:
            Unavailable: `tape.broken`.
        """
        await self._recorder.settle(self, (self.durable + self.added + 1) // 2)

    async def end(self, why: str = "") -> None:
        """Write what waits and the end, tell the ledger, and return. Never raises: what could not be written is in the ledger as such."""
        await self._recorder.end(self, why)

    def unavailable(self) -> Unavailable:
        """Why it takes nothing more, for who brings more."""
        return Unavailable("tape.broken", f"this session is recorded no more ({self.broken or 'it has ended'}), so it ends here; ask an operator")

    # --- the writer's side ---

    def write(self, frames: list[Frame], flags: Flag) -> int:
        """Seal `frames` and write them; return how many bytes that took. Raises: OSError: nothing was."""
        mono_us = frames[0].at_us if frames else self.now_us
        wall_us = time.time_ns() // 1000 - (self.now_us - mono_us)
        return FRONT_BYTES + self.track.write(encode(frames, mono_us), wall_us, mono_us, flags).head.length

    def count(self, durable: list[Batch]) -> None:
        """The first batches that were taken are durable. With the writer's lock."""
        del self.taken[: len(durable)]
        self.durable += sum(batch.frames for batch in durable)
        self.undurable_bytes -= sum(batch.size for batch in durable)
        self.undurable_us = self.taken[0].since_us if self.taken else self.waiting_us

    def close(self) -> None:
        """Let go of the files and the key."""
        self.track.close()
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
        self.shelf, self._ledger, self._recipients, self._stall_s = shelf, ledger, recipients, stall_s
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(shelf, told)
        self.tapes = self._writer.tapes
        self._unended: dict[str, str] = {}
        self.when_ended: list[Callable[[], None]] = []
        """Heard, in the loop, each time that a tape got its end."""
        self.no_room: Callable[[], str] = lambda: ""
        """Says why no tape may begin now though the disk would take it, "" if it may."""
        self._ending: set[asyncio.Task[None]] = set()
        self._probed = -PROBE_S
        self._watch: asyncio.Task[None] | None = None

    @property
    def written_bytes(self) -> int:
        """How much was written since it is open."""
        return self._writer.written_bytes

    def why_broken(self, id: str) -> str:
        """Why the tape `id` is broken, "" if it is not; also after its session, where not even its end could be written: the next start does."""
        tape = self.tapes.get(id)
        return tape.broken if tape else self._unended.get(id, "")

    async def open(self) -> None:
        """Make the folder, and begin. Raises: OSError."""
        await self._loop.run_in_executor(None, self.shelf.prepare)
        self._writer.start()
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
                await tape.settle()
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
            if not self._writer.is_alive:
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
        with self._writer.lock:
            if tape.broken or tape.is_ended:
                raise tape.unavailable()
            now_us = tape.now_us  # not the frame's own: it may have come from another process
            if tape.durable == tape.added:
                tape.undurable_us = now_us
            if not tape.waiting:
                tape.waiting_us = now_us
                if self._writer.is_resting:  # an echo is written by who is asked to hurry: to wake both would cost it a twentieth
                    self._writer.lock.notify()
            tape.waiting.append(frame)
            tape.added += 1
            tape.waiting_bytes += len(frame.data)
            tape.undurable_bytes += len(frame.data)
            if tape.waiting_bytes >= GATHER_BYTES and not tape.is_urgent:
                tape.is_urgent = True
                self._writer.lock.notify()

    async def settle(self, tape: Tape, upto: int) -> None:
        """Return when as many frames of `tape` are durable; see `Tape.settle`."""
        with self._writer.lock:
            if tape.broken:
                raise tape.unavailable()
            if tape.durable >= upto:
                return
            waiting = self._loop.create_future()
            tape.waiters.append((upto, waiting))
        self._writer.hurry(tape)
        await waiting

    async def end(self, tape: Tape, why: str) -> None:
        """See `Tape.end`."""
        with self._writer.lock:
            if tape.is_ended:
                return
            tape.is_ended = True
            tape.ending = Flag.LAST
            if tape.durable == tape.added:
                tape.undurable_us = tape.now_us  # nothing waited until now: the disk is not slow because the session was quiet
            tape.is_urgent = True
            gone = self._loop.create_future()
            tape.waiters.append((tape.added + 1, gone))  # behind every frame: for the end itself
            self._writer.lock.notify()
        with contextlib.suppress(Refused, TimeoutError):
            async with asyncio.timeout(self._stall_s + (5 if self._writer.is_alive else 0)):
                await gone
        with self._writer.lock:  # its thread may be looking through them
            self.tapes.pop(tape.id, None)
        if tape.broken and not tape.track.is_ended:
            self._unended[tape.id] = tape.broken
        seq, digest = tape.head
        detail = {"what": "tape.closed", "tape": tape.id, "segment": seq, "head": digest.hex(), "duration_us": tape.now_us}
        detail |= {"why": why} if why else {}
        detail |= {"broken": tape.broken} if tape.broken else {}
        with contextlib.suppress(Refused):
            self._ledger.append(Entry(kind="tape", resource=f"Tape:{tape.id}", principal=tape.opening.person, detail=detail))
        for hear in self.when_ended:
            hear()

    async def close(self) -> None:
        """End every tape, and the threads."""
        await asyncio.gather(*(self.end(tape, "dockwarden stopped") for tape in list(self.tapes.values())))
        if self._watch is not None:
            self._watch.cancel()
        await self._loop.run_in_executor(None, self._writer.stop)

    async def _watching(self) -> None:
        """Break tapes whose frames wait too long, and write the heads of those that grow into the ledger."""
        while True:
            await asyncio.sleep(WATCH_S)
            for tape in list(self.tapes.values()):
                if tape.broken:
                    continue
                is_dead = not self._writer.is_alive
                if is_dead or ((tape.durable < tape.added or tape.waiters) and tape.now_us - tape.undurable_us > self._stall_s * 1e6):
                    self._writer.fail(tape, STOPPED if is_dead else "the disk is too slow to record")
                elif tape.now_us - tape.told_us > HEAD_US and tape.head[0] != tape.told_seq:
                    tape.told_us, (tape.told_seq, digest) = tape.now_us, tape.head
                    detail = {"what": "tape.head", "tape": tape.id, "segment": tape.told_seq, "head": digest.hex()}
                    with contextlib.suppress(Refused):
                        self._ledger.append(Entry(kind="tape", resource=f"Tape:{tape.id}", principal=tape.opening.person, detail=detail))

    def _create(self, opening: Opening, on_broken: Callable[[str], None]) -> Tape:
        key, at = new_key(), time.time_ns() // 1000
        recipients = self._recipients()
        made = Opening(
            id=new_id(at), at=at, person=opening.person, kind=opening.kind, target=opening.target, call=opening.call, columns=opening.columns,
            rows=opening.rows, detail=opening.detail, recipients=recipients, wrapped=wrap(key, recipients),
        )  # fmt: skip
        reels = self.shelf.create(made)
        tape = Tape(self, made, key, Track(reels, Sealer(made.id, key, hash_of(made.stored()), self._ledger.vouch)), on_broken)
        with self._writer.lock:
            self.tapes[made.id] = tape
        tape.add(Kind.MARK, b"recording")
        return tape


def _refused(error: Exception) -> Unavailable:
    said = error.strerror if isinstance(error, OSError) and error.strerror else "the recorder does not answer"
    said = error.message if isinstance(error, Refused) else said
    return Unavailable("tape.refused", f"this session cannot be recorded ({said}), and what is not recorded does not begin; ask an operator")


def _with(entry: Entry, detail: dict[str, Any]) -> Entry:
    return msgspec.structs.replace(entry, kind="tape", resource=f"Tape:{detail['tape']}", detail=detail)

