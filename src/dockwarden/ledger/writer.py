"""The open ledger: entries are queued by the loop and written by one thread, many with one flush.

`append` costs the loop a few microseconds and gives the entry its place; `settle` waits until everything up to a place is on the disk.
If the disk takes no more, waiting and coming changing calls are refused, nothing half-written stays, and the thread tries again until
it does. What was queued by calls already under way is written then.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dockwarden.ledger.begin import begin_tree
from dockwarden.ledger.chain import GENESIS, body_of, line_of, link, read_line
from dockwarden.ledger.checkpoint import NOTE, Checkpoint, Signed, ledger_key
from dockwarden.ledger.durable import sync_folder
from dockwarden.ledger.end import chained
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.hold import hold
from dockwarden.ledger.keys import read_key
from dockwarden.ledger.merkle import leaf_hash
from dockwarden.ledger.note import sign
from dockwarden.ledger.publisher import Publisher
from dockwarden.ledger.segments import segment_path, segments
from dockwarden.words.errors import Unavailable

LAZY_S = 0.05
RETRY_S = 0.5
CHECKPOINT_ENTRIES = 2_000
CHECKPOINT_S = 10.0
MOST_QUEUED = 100_000
DAY_US = 86_400 * 10**6
LOCK = "lock"

Told = Callable[[str, dict[str, Any]], None]


class Ledger:
    """One open ledger. `append` and `settle` are the loop's, the rest is the thread's."""

    def __init__(
        self, folder: Path, *, segment_bytes: int = 64 << 20, retain_days: int = 0, told: Told = lambda _kind, _detail: None,
        published: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the ledger in `folder` for this process alone, mending a torn last line.

        `published` is called by a thread whenever a new checkpoint stands beside the tiles.
        Raises:
            BadConfig: no key, another process has it open, the last segment's chain is broken, or it does not go on from what was signed.
        """
        self._folder, self._segment_bytes, self._retain_days, self._told = folder, segment_bytes, retain_days, told
        self._key: Ed25519PrivateKey = read_key(folder)
        name = ledger_key(self._key.public_key())
        self._seq = self._written = self._durable = 0
        self._previous = GENESIS
        self._durable_end = (0, GENESIS)
        self._last_at = 0
        self._size = 0
        self._file = -1
        self._since_checkpoint = 0
        self._checkpointed_at = -CHECKPOINT_S  # the first batch is signed at once, so that there is a head from the beginning
        self._broken = ""
        self._queue: list[Entry] = []
        self._unsynced = False
        self._wake = threading.Condition()
        self._is_urgent = self._is_closing = self._is_idle = False
        self._waiters: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        # INVARIANT: whoever reads or writes the segments from here on is alone; two writers would fork the chain
        self._hold = hold(folder / LOCK, "stop that process first; to read or verify a ledger that is open, use dockwarden ledger")
        try:
            cut = self._recover()
            begun = begin_tree(folder, name, self._seq)
        except BaseException:
            self._hold.release()
            raise
        self._origin, self._edge = name.name, begun.edge
        self._unhashed: list[bytes] = []
        self._signed: Signed | None = None
        self._publisher = Publisher(folder, begun, told, published)
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()
        self.opened_seq = self.append(Entry(kind="opened", detail={"pid": os.getpid()}))
        """The first entry of this opening: those before are of others."""
        if cut:
            self.append(Entry(kind="recovered", detail={"cut_bytes": cut, "why": "the last line was torn"}))

    # --- the loop's side ---

    @property
    def is_writable(self) -> bool:
        """Whether entries reach the disk now."""
        return not self._broken

    @property
    def last_seq(self) -> int:
        """The place of the newest entry, written or not."""
        return self._seq

    @property
    def durable_end(self) -> tuple[int, bytes]:
        """Place and hash of the last entry that is surely on the disk."""
        return self._durable_end

    def vouch(self, message: bytes) -> bytes:
        """The signature of the ledger's key over `message`, which begins with a purpose of its own. Thread-safe."""
        return self._key.sign(message)

    def append(self, entry: Entry) -> int:
        """Give `entry` the next place and the time, and queue it; return the place.

        Raises:
            Unavailable: `ledger.unwritable`; the disk takes no more, and this entry is not about a call already under way.
        """
        if self._broken and (entry.kind in {"intent", "read"} or len(self._queue) >= MOST_QUEUED):
            raise self._unavailable()
        with self._wake:
            self._seq += 1
            self._last_at = max(self._last_at + 1, time.time_ns() // 1000)
            self._queue.append(msgspec.structs.replace(entry, seq=self._seq, at=self._last_at))
            if self._is_idle:
                self._wake.notify()
            return self._seq

    async def settle(self, seq: int) -> None:
        """Return when entry `seq` is durable.

        Raises:
            Unavailable: `ledger.unwritable`; it is not.
        """
        if seq <= self._durable:
            return
        loop = asyncio.get_running_loop()
        waiting = loop.create_future()
        with self._wake:
            if self._broken:
                raise self._unavailable()
            self._waiters.append((seq, loop, waiting))
            self._is_urgent = True
            self._wake.notify()
        await waiting

    def close(self) -> None:
        """Write what is queued, sign the end, and end the thread."""
        self.append(Entry(kind="closed"))
        with self._wake:
            self._is_closing = self._is_urgent = True
            self._wake.notify()
        self._thread.join(10)
        self._publisher.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if not self._thread.is_alive():
            self._hold.release()

    def _unavailable(self) -> Unavailable:
        return Unavailable("ledger.unwritable", f"the ledger cannot be written ({self._broken}), and what is not recorded is not done; "
                           "ask an operator to make room on its disk")

    # --- the thread's side ---

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._is_urgent, timeout=LAZY_S)
                if not self._queue and not self._is_urgent:  # nothing came for a while: sleep until something does
                    self._is_idle = True
                    self._wake.wait_for(lambda: self._queue or self._is_urgent, timeout=CHECKPOINT_S)
                    self._is_idle = False
                batch, self._queue = self._queue, []
                is_urgent, self._is_urgent = self._is_urgent, False
                is_closing = self._is_closing
            try:
                self._write_out(batch, is_urgent, is_closing)
            except OSError as error:
                self._fail(batch, error)
                if is_closing:
                    return
                time.sleep(RETRY_S)
                with self._wake:
                    self._is_urgent = True
                continue
            if is_closing:
                return

    def _write_out(self, batch: list[Entry], is_urgent: bool, is_closing: bool) -> None:
        if batch:
            self._write(batch)
        if is_urgent or self._unsynced:
            os.fdatasync(self._file)
            self._unsynced = False
        if self._broken:
            self._told("ledger.writable", {"was": self._broken})
            self._broken = ""
        self._durable, self._durable_end = self._written, (self._written, self._previous)
        self._release()
        self._grow()
        is_due = self._since_checkpoint >= CHECKPOINT_ENTRIES or time.monotonic() - self._checkpointed_at >= CHECKPOINT_S
        if self._since_checkpoint and (is_due or is_closing):
            self._checkpoint()
        if self._size >= self._segment_bytes and not is_closing:
            self._turn_over()

    def _write(self, batch: list[Entry]) -> None:
        """Write whole lines, or leave the file as it was."""
        if self._file < 0:
            self._open_segment(batch[0].seq)
        previous, lines = self._previous, []
        for entry in batch:
            body = body_of(entry)
            previous = link(previous, body)
            lines.append(line_of(previous, body))
        data = b"".join(lines)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
                os.lseek(self._file, self._size, os.SEEK_SET)
            raise
        self._previous, self._written = previous, batch[-1].seq
        self._unhashed += lines
        self._size += len(data)
        self._since_checkpoint += len(batch)
        self._unsynced = True

    def _fail(self, batch: list[Entry], error: OSError) -> None:
        """Keep what was not written, in its place, and refuse who waits."""
        with self._wake:
            left = [entry for entry in batch if entry.seq > self._written]
            self._queue = left + self._queue
            first = not self._broken
            self._broken = error.strerror or "write failed"
            waiters, self._waiters = self._waiters, []
        if first:
            self._told("ledger.unwritable", {"because": self._broken})
        for _, loop, waiting in waiters:
            call_in_loop(loop, _refuse, waiting, self._unavailable())

    def _release(self) -> None:
        with self._wake:
            ready = [waiter for waiter in self._waiters if waiter[0] <= self._durable]
            if ready:
                self._waiters = [waiter for waiter in self._waiters if waiter[0] > self._durable]
                if self._waiters:
                    self._is_urgent = True
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for _, loop, waiting in ready:
            by_loop.setdefault(loop, []).append(waiting)
        for loop, futures in by_loop.items():
            call_in_loop(loop, _resolve, futures)

    def _own(self, kind: str, detail: Callable[[], dict[str, Any]]) -> None:
        """Write an entry of the ledger's own: the queue first, which has its places already, then `detail` of the chain as it is then."""
        with self._wake:
            batch, self._queue = self._queue, []
            self._seq += 1
            self._last_at = max(self._last_at + 1, time.time_ns() // 1000)
            place = Entry(kind=kind, seq=self._seq, at=self._last_at)
        try:
            if batch:
                self._write(batch)
            self._write([msgspec.structs.replace(place, detail=detail())])
            os.fdatasync(self._file)
        except OSError:
            with self._wake:
                left = [entry for entry in (*batch, msgspec.structs.replace(place, kind="event")) if entry.seq > self._written]
                self._queue = left + self._queue
            raise
        self._durable, self._durable_end = self._written, (self._written, self._previous)
        self._release()

    def _checkpoint(self) -> None:
        self._own("checkpoint", self._sign)
        assert self._signed is not None  # noqa: S101  the entry was made of it
        self._publisher.offer(self._signed)
        self._since_checkpoint, self._checkpointed_at = 0, time.monotonic()

    def _sign(self) -> dict[str, Any]:
        """Vouch for every entry that is written. INVARIANT: what is signed is handed on only when the entries are durable."""
        self._grow()
        checkpoint = Checkpoint(self._origin, self._edge.size, self._edge.root())
        self._signed = Signed(sign(checkpoint.text(), self._origin, self._key), checkpoint)
        return {NOTE: self._signed.note.written()}

    def _grow(self) -> None:
        """Take what was written into the tree; nobody waits for that."""
        for line in self._unhashed:
            self._edge.add(leaf_hash(line[:-1]))
        self._unhashed.clear()

    def _turn_over(self) -> None:
        self._checkpoint()
        self._own("segment", self._next_segment)
        self._retire()

    def _next_segment(self) -> dict[str, Any]:
        """Go over to a new file; everything that has a place before its first entry is in the old one."""
        os.fdatasync(self._file)
        os.close(self._file)
        self._file = -1
        return {"previous": self._previous.hex()}

    def _open_segment(self, first_seq: int) -> None:
        self._file = os.open(segment_path(self._folder, first_seq), os.O_RDWR | os.O_CREAT, 0o600)
        self._size = 0
        sync_folder(self._folder)

    def _retire(self) -> None:
        """Let segments go that are older than the ledger keeps; the entry that says so is written first."""
        if not self._retain_days:
            return
        oldest_kept = self._last_at - self._retain_days * DAY_US
        files = segments(self._folder)
        for file, following in itertools.pairwise(files):
            with following.open("rb") as lines:
                if read_line(lines.readline().rstrip(b"\n"))[1].at >= oldest_kept:
                    return
            upto = int(following.stem) - 1
            if upto > self._publisher.upto:  # its tiles are not there yet
                return
            gone = {"segment": file.name, "upto": upto}
            self._own("retired", lambda gone=gone: gone)  # type: ignore[misc]  # it is called before the loop goes on
            file.unlink()

    def _recover(self) -> int:
        """Go on from the last segment; return how many bytes of a torn last line were cut."""
        files = segments(self._folder)
        if not files:
            return 0
        last = files[-1]
        size = last.stat().st_size
        end = chained(last)
        if not end.size and len(files) > 1:
            last.unlink()
            return self._recover() + size
        self._file = os.open(last, os.O_RDWR)
        if end.size < size:
            os.ftruncate(self._file, end.size)
        os.lseek(self._file, end.size, os.SEEK_SET)
        self._previous, self._seq, self._size, self._last_at = end.previous, end.seq, end.size, end.at
        self._written = self._durable = end.seq
        self._durable_end = (end.seq, end.previous)
        self._since_checkpoint = 1
        return size - end.size


def call_in_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *words: Any) -> None:
    """Let `loop` call `function` soon, from any thread; a loop that is closed needs it no more."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *words)


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for waiting in futures:
        if not waiting.done():
            waiting.set_result(None)


def _refuse(waiting: asyncio.Future[None], error: Exception) -> None:
    if not waiting.done():
        waiting.set_exception(error)
