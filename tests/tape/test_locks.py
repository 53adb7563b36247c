"""Locks on sessions: which they are about, and how long they count."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from dockwarden.tape.locks import Lock, Locks, new_lock
from dockwarden.words.errors import BadConfig, Forbidden, Unavailable

NOON = 1_800_000_000
ID = "0123456789ab" + "c" * 52


class Clocks:
    """A clock that nobody sets, and one that everybody does."""

    def __init__(self) -> None:
        self.now, self.wall = 50.0, float(NOON)

    def open(self, folder: Path) -> Locks:
        return Locks(folder / "locks.db", now=lambda: self.now, wall=lambda: self.wall)


def lock(person: str = "", target: str = "", for_s: int = 0) -> Lock:
    made = new_lock(person, target, "a reason", "olga", for_s)
    return dataclasses.replace(made, at=NOON, until=NOON + for_s if for_s else 0)


@pytest.mark.parametrize(
    ("made", "person", "targets", "fits"),
    [
        (lock("alice"), "alice", {"web"}, True),
        (lock("alice"), "bob", {"web"}, False),
        (lock("", "web"), "bob", {"web", ID}, True),
        (lock("", "web"), "bob", {"web2"}, False),
        (lock("", ID[:12]), "bob", {"web", ID}, True),
        (lock("", ID[:11]), "bob", {"web", ID}, False),
        (lock("alice", "web"), "alice", {"db"}, False),
        (lock("alice", "web"), "bob", {"web"}, False),
        (lock("alice", "web"), "alice", {"web"}, True),
    ],
)
def test_a_lock_is_about_whom_and_what_it_names(made: Lock, person: str, targets: set[str], fits: bool) -> None:
    assert fits == made.fits(person, frozenset(targets))


async def test_a_lock_outlives_the_process_and_its_time_is_over_by_itself(tmp_path: Path) -> None:
    clocks = Clocks()
    first = clocks.open(tmp_path)
    await first.add(lock("alice", for_s=60))
    await first.add(dataclasses.replace(lock("bob"), at=NOON + 1))
    # what is durable is there for who opens it next, though nobody closed it
    clocks.now, clocks.wall = 5.0, NOON + 20.0
    again = clocks.open(tmp_path)
    with pytest.raises(Forbidden, match=r"sessions of alice are locked until 2027-01-15 08:01 UTC \(by olga\): a reason"):
        again.check("alice", frozenset({"web"}))
    clocks.wall += 86_400  # a clock that is set changes nothing
    assert ["alice", "bob"] == [one.person for one in again.every()]
    clocks.now += 41
    assert ["bob"] == [one.person for one in again.every()]
    again.check("alice", frozenset({"web"}))
    with pytest.raises(Forbidden, match="until somebody unlocks them"):
        again.check("bob", frozenset({"web"}))
    await again.remove(again.every()[0].id)
    again.close()
    assert [] == clocks.open(tmp_path).every()
    first.close()


async def test_what_cannot_be_written_does_not_count(tmp_path: Path) -> None:
    locks = Clocks().open(tmp_path)
    made = lock("alice")
    await locks.add(made)
    locks.close()
    with pytest.raises(Unavailable, match="nothing was changed"):
        await locks.add(lock("bob"))
    with pytest.raises(Unavailable, match="nothing was changed"):
        await locks.remove(made.id)
    assert ["alice"] == [one.person for one in locks.every()]


async def test_locks_that_cannot_be_read_are_the_operator_s_to_mend(tmp_path: Path) -> None:
    await asyncio.to_thread((tmp_path / "locks.db").write_bytes, b"no database at all, but long enough to be looked at" * 30)
    with pytest.raises(BadConfig, match="the locks on sessions cannot be read"):
        Clocks().open(tmp_path)
