"""The care of tapes that were made: copies to the store, what the settings let go, holds, and deletions. Serves no one; decides nothing.

Everything it knows is in the tapes' folders and in the ledger. One tape that gives trouble is tried again later, and holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dockwarden.ledger.entry import Entry
from dockwarden.ledger.segments import newest
from dockwarden.ledger.writer import Ledger
from dockwarden.tape import copies, deletion
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import came_to
from dockwarden.tape.marks import DELETED, HOLDS, Hold, Stored, Tail, absent, holds_of, stored_of, write_mark
from dockwarden.tape.read import opening_of
from dockwarden.tape.recorder import Recorder
from dockwarden.tape.retention import Kept, Rules, due, is_full
from dockwarden.tape.shelf import Shelf, reels_of
from dockwarden.tape.store import Store, StoreTrouble
from dockwarden.words.errors import Broken, Forbidden, Malformed, Refused, Unavailable

TICK_S = 1.0
RULES_S = 60.0
SOON_BYTES = 1 << 20
"""So much of a session under way is copied at once, however young."""
TRY_AGAIN_S, LONGEST_S = 5.0, 60.0
MANY, MEASURE_S = 500, 5.0
"""With so many tapes to be copied, how far behind it is is looked at so seldom."""
MOST_TROUBLE = 3
"""After so many refusals in a row the store is left alone until the next round."""
WARN_S = 300.0
"""How old what is not in the store may become before the log says so, and how often it does."""
KEEP_FREE = 64 << 20
OURSELVES = "dockwarden"
LATE = "tapes are not in the store yet"

Told = Callable[[str, Mapping[str, Any]], None]
"""Hears what an operator should know."""


@dataclass(frozen=True, slots=True)
class Lag:
    """What is not in the store: tapes, bytes, and how old the oldest of it is."""

    tapes: int = 0
    bytes: int = 0
    age_s: float = 0.0


class Custody:
    """Looks after the tapes of one recorder. Make it inside the running loop; `settle` what was left half-done, then `run` it."""

    def __init__(
        self, recorder: Recorder, ledger: Ledger, folder: Path, public: Ed25519PublicKey, *, rules: Rules, store: Store | None = None,
        every_s: float = 10.0, told: Told = lambda _what, _detail: None,
    ) -> None:
        """`folder` is the ledger's, `public` its key. `every_s`: how long a segment of a session under way may wait to be copied."""
        self._recorder, self._ledger, self._folder, self._public = recorder, ledger, folder, public
        self._shelf, self._rules, self._store, self._every_s, self._told = recorder.shelf, rules, store, every_s, told
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tails: dict[str, Tail] = {}
        self._copied: set[str] = set()
        self._later: dict[str, tuple[float, float]] = {}
        self._used = self._written = 0
        self._room_now = asyncio.Event()
        self._warned, self._measured = -WARN_S, -MEASURE_S
        self._lent: set[str] = set()
        self.lag = Lag()
        self.when_deleted: list[Callable[[], None]] = []
        """Heard, in the loop, each time that a tape was deleted."""
        recorder.no_room = self.no_room

    @property
    def used_bytes(self) -> int:
        """How many bytes of this disk tapes have."""
        return self._used + self._recorder.written_bytes - self._written

    def no_room(self) -> str:
        """Why no tape may begin now, "" if it may."""
        if not is_full(self.used_bytes, self._rules):
            return ""
        self._room_now.set()
        why = "none may leave it yet" if self._rules.has_store else "none that may be deleted is old enough"
        return f"tapes have all of quota_bytes = {self._rules.quota_bytes}, and {why}"

    # --- what people ask for ---

    async def hold(self, id: str, by: str, reason: str) -> None:
        """Keep a tape, whatever the rules say. Raises: Refused: it is deleted, or cannot be written on."""
        async with self._lock(id):
            folder = self._present(id)
            held = Hold(by=by, at=_now(), reason=reason)
            await self._mark_holds(id, (*self._holds(folder), held))

    async def release(self, id: str, reason: str = "") -> Hold:
        """Let a hold go: the one there is, or the one with this reason. Raises: Refused: there is none, or several."""
        async with self._lock(id):
            folder = self._present(id)
            holds = self._holds(folder)
            found = [one for one in holds if reason in {"", one.reason}]
            if len(found) != 1:
                there = "; ".join(f"{one.reason} ({one.by})" for one in holds)
                what = f"name one by --reason: {there}" if found else f"it has {there or 'none'}"
                raise Malformed("session.not_held", f"session {id} has {len(found)} such holds; {what}")
            await self._mark_holds(id, tuple(one for one in holds if one is not found[0]))
            return found[0]

    async def delete(self, id: str, by: str, why: str, rule: str = "") -> None:
        """Delete a tape for good; the ledger has it first. Raises: Refused: it is held, under way, deleted, or the ledger cannot be written."""
        await asyncio.shield(self._delete(id, by, why, rule))  # a caller who hangs up leaves nothing half-done

    async def bring(self, id: str) -> None:
        """See that a tape's contents are on this disk. Raises: Refused: they are deleted, or the store does not give them."""
        async with self._lock(id):
            self._lent.discard(id)  # somebody wants it here, not only who has borrowed it
            await self._bring(id)

    @contextlib.asynccontextmanager
    async def at_hand(self, id: str) -> AsyncIterator[None]:
        """See that a tape's contents are here as long as this lasts: what was in the store alone is so again. Raises: as `bring`."""
        folder = self._shelf.path(id)
        async with self._lock(id):
            if absent(folder):
                await self._bring(id)
                self._lent.add(id)
        try:
            yield
        finally:
            async with self._lock(id):
                if id in self._lent and not absent(folder):
                    await self._leave_to_store(folder)
                self._lent.discard(id)

    async def _bring(self, id: str) -> None:
        folder = self._present(id)
        if not absent(folder):
            return
        if self._store is None:
            raise Unavailable("session.away", f"session {id} is in the store alone, and [tapes] store is empty")
        try:
            await asyncio.to_thread(copies.bring_back, self._store, folder, _now(), self._has_room)
        except StoreTrouble as error:
            raise Unavailable("session.away", f"session {id} is in the store alone, which does not give it now ({error}); try again") from None
        except (BadSegment, OSError) as error:
            raise Broken("session.unreadable", f"session {id} cannot be brought back from the store: {error}") from None
        self._used += came_to(folder).bytes

    async def _delete(self, id: str, by: str, why: str, rule: str) -> None:
        async with self._lock(id):
            folder = self._present(id)
            intent = deletion.Intent(id=id, at=_now(), by=by, why=why, rule=rule, tail=self._deletable(id, folder))
            try:
                await asyncio.to_thread(deletion.announce, folder, intent)
            except OSError as error:
                raise _not_written(id, error) from None
            seq = self._ledger.append(intent.entry())
            try:
                await self._ledger.settle(seq)
                await asyncio.to_thread(deletion.carry_out, folder, intent, seq, self._ledger.vouch)
            except (Refused, OSError) as error:
                await self._not_deleted(folder, intent, error)
            self._used -= 0 if stored_of(folder).is_away else intent.tail.bytes
            self._forget(id)
        for hear in self.when_deleted:
            hear()

    async def _not_deleted(self, folder: Path, intent: deletion.Intent, error: Refused | OSError) -> None:
        """Take a deletion back that has no mark; one that has is finished at the next start. Raises: Unavailable."""
        if (folder / DELETED).exists():
            self._told("a tape's deletion is not done yet", {"tape": intent.id, "because": str(error)})
            return
        # What the ledger was given it writes as soon as it can, so it is given this, too. `deleting.json` stays: the next start reads both.
        kept = self._ledger.append(intent.entry(deletion.KEPT))
        with contextlib.suppress(Refused):
            await self._ledger.settle(kept)
        raise error if isinstance(error, Refused) else _not_written(intent.id, error)

    def _deletable(self, id: str, folder: Path) -> Tail:
        """What the tape came to. Raises: Refused: it must stay."""
        if holds := self._holds(folder):
            said = "; ".join(f"{one.reason} (by {one.by})" for one in holds)
            raise Forbidden("session.held", f"session {id} is held: {said}; it is deleted by nobody until an auditor releases it")
        try:
            stored = stored_of(folder)
            tail = stored.tail if stored.tail and stored.is_away else came_to(folder)
        except (BadSegment, OSError) as error:
            raise Broken("session.unreadable", f"session {id}: {error}; see dockwarden session verify {id}") from None
        if id in self._recorder.tapes or not tail.ended:
            raise Malformed("session.live", f"session {id} is under way; end it first: dockwarden session kill {id}")
        return tail

    def _present(self, id: str) -> Path:
        """The folder of a tape that is not deleted. Raises: Malformed."""
        folder = self._shelf.path(id)
        if (folder / DELETED).exists():
            raise Malformed("session.deleted", f"session {id} was deleted; what is left of it: dockwarden session verify {id}")
        return folder

    def _holds(self, folder: Path) -> tuple[Hold, ...]:
        try:
            return holds_of(folder)
        except (BadSegment, OSError) as error:
            raise Broken("session.unreadable", f"session {folder.name}: {error}, so it counts as held; mend that file") from None

    async def _mark_holds(self, id: str, holds: tuple[Hold, ...]) -> None:
        try:
            await asyncio.to_thread(write_mark, self._shelf.path(id), HOLDS, holds)
        except OSError as error:
            raise _not_written(id, error) from None
        self._copied.discard(id)

    # --- by itself ---

    async def settle(self) -> None:
        """Finish what was cut off. Never raises: a tape that cannot be read stays as it is."""
        await asyncio.to_thread(self._settle)
        await self.measure()

    async def run(self) -> None:
        """Copy, and go by the rules, for ever."""
        looked = -RULES_S
        while True:
            try:
                if time.monotonic() - looked >= RULES_S or self._room_now.is_set():
                    looked = time.monotonic()
                    self._room_now.clear()
                    await self.go_by_rules()
                if self._store is not None:
                    await self.copy_round(self._store)
            except Exception as error:  # noqa: BLE001  a task's root: what was not done is seen at the next round
                self._told("the care of tapes failed", {"because": f"{type(error).__name__}: {error}"[:300]})
            await asyncio.sleep(TICK_S)

    async def measure(self) -> list[Kept]:
        """Every tape whose contents are kept, counted."""
        written = self._recorder.written_bytes
        kept = await asyncio.to_thread(self._survey)
        self._used, self._written = sum(tape.bytes for tape in kept), written
        return kept

    async def go_by_rules(self) -> None:
        """Let go what the settings ask for, each by itself."""
        for one in due(await self.measure(), self._rules, _now()):
            try:
                await (self._let_go(one.id) if one.is_local else self.delete(one.id, OURSELVES, "the settings ask for it", one.rule))
            except (Refused, BadSegment, StoreTrouble, OSError) as error:
                self._told("a tape stays that the settings would let go", {"tape": one.id, "rule": one.rule, "because": str(error)})

    async def copy_round(self, store: Store) -> None:
        """Bring into the store what is due, tape by tape, the longest waiting first; then say how far behind it is."""
        trouble, because = 0, ""
        ids = await asyncio.to_thread(self._uncopied)
        for id in sorted(ids, key=lambda id: self._later.get(id, (0.0, 0.0))[0]):
            if trouble == MOST_TROUBLE:
                break
            if self._later.get(id, (0.0, 0.0))[0] > time.monotonic():
                continue
            try:
                await self._copy(store, id)
                trouble = 0
                self._later.pop(id, None)
            except (StoreTrouble, BadSegment, OSError) as error:
                trouble, because = trouble + isinstance(error, StoreTrouble), str(error)
                wait_s = min(self._later.get(id, (0.0, TRY_AGAIN_S / 2))[1] * 2, LONGEST_S)
                self._later[id] = time.monotonic() + wait_s, wait_s
        if len(ids) < MANY or time.monotonic() - self._measured >= MEASURE_S:
            self.lag = await asyncio.to_thread(unstored_in, self._shelf.folder, frozenset(self._copied))
            self._measured = time.monotonic()
        self._say_lag(because)

    async def _copy(self, store: Store, id: str) -> None:
        async with self._lock(id):
            folder, live = self._shelf.path(id), self._recorder.tapes.get(id)
            left = await asyncio.to_thread(lambda: copies.left_of(folder, opening_of(folder).at))
            if left is None:
                self._copied.add(id)
            elif live is None:
                is_over = absent(folder) or (await asyncio.to_thread(came_to, folder)).ended
                await asyncio.to_thread(copies.copy, store, folder, copies.NO_END if is_over else 0)
            elif left.bytes >= SOON_BYTES or (left.is_due and _now() - left.since >= self._every_s * 1e6):
                await asyncio.to_thread(copies.copy, store, folder, live.head[0])

    async def _let_go(self, id: str) -> None:
        """Keep a tape in the store alone, once the store has shown that it has all of it."""
        assert self._store is not None  # noqa: S101  no rule is about copies without one
        async with self._lock(id):
            folder = self._shelf.path(id)
            wrong = await asyncio.to_thread(copies.look_through, self._store, folder)
            if wrong:
                detail = {"what": "tape.store_damaged", "tape": id, "because": wrong}
                self._ledger.append(Entry(kind="event", resource=f"Tape:{id}", detail=detail))
                await asyncio.to_thread(copies.copy_again, self._store, folder)
                self._copied.discard(id)
                raise StoreTrouble(f"{wrong}; it is copied again")
            await self._leave_to_store(folder)

    async def _leave_to_store(self, folder: Path) -> None:
        size = (await asyncio.to_thread(came_to, folder)).bytes
        await asyncio.to_thread(copies.let_go, folder)
        self._used -= size

    def _say_lag(self, because: str) -> None:
        now = time.monotonic()
        if self.lag.age_s > max(WARN_S, 10 * self._every_s):
            if now - self._warned >= WARN_S:
                self._warned = now
                lag = {"tapes": self.lag.tapes, "bytes": self.lag.bytes, "oldest_s": round(self.lag.age_s)}
                self._told(LATE, {**lag, "because": because or "see the lines before"})
        elif self._warned > 0:
            self._warned = -WARN_S
            self._told("tapes are in the store again", {"tapes": self.lag.tapes})

    # --- in a thread ---

    def _settle(self) -> None:
        for id in self._shelf.ids():
            folder = self._shelf.path(id)
            try:
                if deletion.is_half_done(folder):
                    done = deletion.finish(folder, newest(self._folder), self._ledger.vouch, self._public)
                    self._told("a deletion was finished" if done else "a deletion was not begun", {"tape": id})
                elif stored_of(folder).is_away and reels_of(folder):
                    copies.sweep(folder)
            except (BadSegment, OSError) as error:
                self._told("a tape cannot be read", {"tape": id, "because": str(error)})

    def _survey(self) -> list[Kept]:
        found = []
        for id in self._shelf.ids():
            folder = self._shelf.path(id)
            with contextlib.suppress(OSError):
                try:
                    if not (folder / DELETED).exists():
                        found.append(self._kept(id, folder))
                except BadSegment:  # nobody knows what it is: it counts, and stays
                    found.append(Kept(id, 0, sum(reel.stat().st_size for reel in reels_of(folder))))
        return found

    def _kept(self, id: str, folder: Path) -> Kept:
        stored = stored_of(folder)
        tail = stored.tail or self._tails.get(id) or came_to(folder)
        if tail.ended:
            self._tails[id] = tail
        ended = 0 if id in self._recorder.tapes else tail.ended
        size = 0 if stored.is_away else tail.bytes
        return Kept(id, ended, size, is_held=bool(holds_of(folder)), is_safe=_is_safe(folder, stored), here_since=stored.back)

    def _uncopied(self) -> list[str]:
        return [id for id in self._shelf.ids() if id not in self._copied]

    def _forget(self, id: str) -> None:
        self._tails.pop(id, None)
        self._copied.discard(id)

    def _lock(self, id: str) -> asyncio.Lock:
        return self._locks.setdefault(id, asyncio.Lock())

    def _has_room(self, size: int) -> None:
        room = os.statvfs(self._shelf.folder)
        if room.f_bavail * room.f_frsize < size + KEEP_FREE:
            raise OSError(0, f"the disk has no room for its {size} bytes")


def unstored_in(tapes: Path, copied: frozenset[str] = frozenset()) -> Lag:
    """How far the store is behind what is in the folder of tapes; those of `copied` are in it. From the disk alone."""
    shelf, now = Shelf(tapes), _now()
    found = [left for id in shelf.ids() if id not in copied and (left := _left(shelf.path(id), now)) and left.is_due]
    since = min((left.since for left in found), default=now)
    return Lag(len(found), sum(left.bytes for left in found), max(0.0, (now - since) / 1e6))


def _left(folder: Path, now: int) -> copies.Left | None:
    """What is to be copied, if anything; a tape that cannot be read cannot be copied either, so it is."""
    try:
        return copies.left_of(folder, opening_of(folder).at)
    except (BadSegment, OSError):
        return copies.Left(sum(reel.stat().st_size for reel in reels_of(folder)), now)


def _is_safe(folder: Path, stored: Stored) -> bool:
    return stored.tail is not None and not stored.is_away and not (folder / DELETED).exists()


def _not_written(id: str, error: OSError) -> Unavailable:
    return Unavailable("session.unwritable", f"session {id}: its folder cannot be written ({error.strerror}); nothing was done")


def _now() -> int:
    return time.time_ns() // 1000
