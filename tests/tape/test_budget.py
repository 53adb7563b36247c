"""What one person may record: counted as it becomes durable, ended at the limit, refused after it, and known again after a restart."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockwarden.ledger.entry import Entry
from dockwarden.tape.admission import Admissions, Wish
from dockwarden.tape.budget import DAY_S, TAPE_BYTES, Budget, recorded_since
from dockwarden.tape.found import came_to
from dockwarden.tape.frames import Kind
from dockwarden.tape.intake import Intake
from dockwarden.tape.locks import Locks
from dockwarden.tape.marks import DELETED, STORED, Deleted, Stored, write_mark
from dockwarden.tape.recorder import Tape
from dockwarden.tape.sessions import Session, Sessions
from dockwarden.tape.terms import Allowance, Patience, Terms
from dockwarden.tape.vigil import Vigil
from dockwarden.words.errors import Forbidden
from dockwarden.words.principal import Principal
from tape.conftest import NO_TAPE, PERMISSIVE, Studio
from tape.test_vigil import Screen

MIDNIGHT = int(time.time()) // DAY_S * DAY_S
ALLOWED = Allowance(session_bytes=2 << 20, daily_bytes=5 << 20)


class House:
    """Sessions with a budget over a studio's tapes."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.sessions = Sessions(Locks(studio.folder / "budget-locks.db"))
        self.admissions = Admissions(self.sessions.locks, self.sessions.budget, ALLOWED)

    async def begin(self) -> tuple[Session, Screen]:
        admitted = self.admissions.admit(Wish(Principal("alice"), NO_TAPE), PERMISSIVE)
        tape = await self.studio.recorder.begin(admitted, self.studio.heard.append, entry=Entry(kind="tape", principal="alice"))
        screen, intake = Screen(), Intake(tape, is_terminal=True)
        vigil = Vigil(admitted.whose, admitted.terms, Patience(), screen, tape.id, lambda words: intake.say(Kind.MARK, words))
        session = Session(tape, intake, frozenset(), screen.end, vigil)
        self.sessions.attend(vigil)
        self.sessions.add(session)
        return session, screen


async def record(tape: Tape, size: int, screen: Screen | None = None) -> None:
    """Put so much on tape that no compression makes less, or what there is room for until it is ended."""
    for _ in range(size >> 16):
        tape.add(Kind.OUTPUT, os.urandom(1 << 16))
        await tape.settle()
        if screen is not None and screen.ended.is_set():
            return


async def end(house: House, session: Session) -> None:
    await session.tape.end(session.why)
    house.sessions.leave(session.vigil)


async def test_a_session_that_records_too_much_is_warned_and_ends_and_its_person_begins_another_until_the_day_is_spent(studio: Studio) -> None:
    house, ends = House(studio), list[str]()
    for _ in range(3):
        session, screen = await house.begin()
        await record(session.tape, 3 << 20, screen)
        await screen.ended.wait()
        ends.append(screen.deeds[-1])
        assert "nine tenths" in screen.deeds[0]
        await end(house, session)
    assert 2 * ["END this session has recorded 2 MiB, which is as much as it may"] == ends[:2]
    assert ends[2].startswith("END you have recorded 5 MiB today")
    with pytest.raises(Forbidden, match="begin again at 00:00 UTC") as refused:
        await house.begin()

    assert "session.spent" == refused.value.code
    assert house.admissions.admit(Wish(Principal("bob"), replace(NO_TAPE, person="bob")), PERMISSIVE)
    house.sessions.locks.close()


async def test_what_was_recorded_today_is_known_again_from_the_tapes(studio: Studio) -> None:
    house = House(studio)
    session, _ = await house.begin()
    await record(session.tape, 1 << 20)
    await end(house, session)
    again = Budget()
    again.count(studio.recorder.shelf)

    assert abs(again.add("alice", 0) - house.sessions.budget.add("alice", 0)) < 4096  # the first segment and the last count only now
    assert 1 << 20 < again.add("alice", 0)
    house.sessions.locks.close()


async def test_a_tape_counts_after_its_contents_have_gone_and_of_an_older_one_what_was_written_since(studio: Studio) -> None:
    tape = await studio.begin()
    await record(tape, 1 << 20)
    await tape.end()
    folder, shelf = studio.path(tape), studio.recorder.shelf
    tail = came_to(folder)
    whole = {"alice": tail.bytes + TAPE_BYTES}
    assert whole == recorded_since(shelf, MIDNIGHT)
    for mark in (STORED, DELETED):
        kept = Stored(tail=tail, is_away=True) if mark == STORED else Deleted(id=tape.id, at=0, by="", why="", entry=0, tail=tail)
        write_mark(folder, mark, kept)
        for reel in folder.glob("*.reel"):
            reel.unlink()
        assert whole == recorded_since(shelf, MIDNIGHT)

    assert {} == recorded_since(shelf, MIDNIGHT + DAY_S)


async def test_of_a_tape_that_was_opened_before_only_what_came_since_counts(studio: Studio) -> None:
    tape = await studio.begin()
    await record(tape, 1 << 20)
    await asyncio.sleep(1.1)
    since = int(time.time())
    await record(tape, 2 << 20)
    await tape.end()

    (size,) = recorded_since(studio.recorder.shelf, since).values()
    assert 2 << 20 < size < (2 << 20) + 65536


def test_a_new_day_is_a_new_budget() -> None:
    times = [0.0, 1.0, DAY_S - 1.0, DAY_S + 0.0]
    budget = Budget(lambda: times.pop(0))

    assert [5, 10, 15, 5] == [budget.add("alice", 5) for _ in range(4)]


async def test_what_is_not_recorded_costs_nothing(tmp_path: Path) -> None:
    locks, budget = Locks(tmp_path / "locks.db"), Budget()
    budget.add("alice", ALLOWED.daily_bytes)
    admissions = Admissions(locks, budget, ALLOWED)
    unrecorded = Wish(Principal("alice"), NO_TAPE, obligations=("record=off",))

    assert Terms(0, 0, False, ALLOWED.session_bytes, ALLOWED.daily_bytes) == admissions.admit(unrecorded, PERMISSIVE).terms
    raised = Wish(Principal("alice"), NO_TAPE, obligations=("daily=6m",))
    assert 6 << 20 == admissions.admit(raised, PERMISSIVE).terms.daily_bytes
    with pytest.raises(Forbidden):
        admissions.admit(Wish(Principal("alice"), NO_TAPE), PERMISSIVE)
    locks.close()
