"""The vigil over a session: what a door is told to do with its stream, and when."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from dockwarden.tape.locks import Locks, new_lock
from dockwarden.tape.sessions import Sessions
from dockwarden.tape.terms import Patience, State, Terms
from dockwarden.tape.vigil import Vigil, Whose
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.errors import Forbidden, Unavailable
from dockwarden.words.principal import Principal

ALICE = Whose("alice", frozenset({"web"}))


class Screen:
    """A stream that writes down what is done to it."""

    def __init__(self, *, is_terminal: bool = True) -> None:
        self.is_terminal = is_terminal
        self.deeds: list[str] = []
        self.ended = asyncio.Event()

    def tell(self, words: str) -> None:
        self.deeds.append(words)

    def hold(self) -> None:
        self.deeds.append("HOLD")

    def go_on(self) -> None:
        self.deeds.append("GO ON")

    async def end(self, why: str) -> None:
        self.deeds.append(f"END {why}")
        self.ended.set()


def vigil(terms: Terms, screen: Screen, *, before_s: float = 60, after_s: float = 60) -> tuple[Vigil, list[str]]:
    marks: list[str] = []
    made = Vigil(ALICE, terms, Patience(before_s, after_s), screen, id="a-tape")
    made.mark = marks.append
    return made, marks


async def test_one_that_needs_no_watcher_begins_at_once_and_its_own_person_may_look() -> None:
    one, marks = vigil(Terms(), Screen())
    one.open()
    await one.begin()
    with one.watched_by("alice"):
        assert ["alice"] == one.watchers

    assert ["watched by alice", "no longer watched by alice"] == marks
    one.close()


async def test_a_watcher_is_somebody_else_and_held_is_what_nobody_watches() -> None:
    screen = Screen()
    one, marks = vigil(Terms(is_watched=True), screen, after_s=0.05)
    one.open()
    beginning = asyncio.ensure_future(one.begin())
    with pytest.raises(Forbidden, match="somebody else"), one.watched_by("alice"):
        pass
    await asyncio.sleep(0)
    assert (False, State.WAITING, []) == (beginning.done(), one.state, one.watchers)
    with one.watched_by("olga"):
        await beginning
        with one.watched_by("olga"):
            pass
        assert (State.RUNNING, ["olga"]) == (one.state, one.watchers)
    assert "HOLD" == screen.deeds[1]
    assert State.PAUSED is one.state
    await screen.ended.wait()

    assert "END nobody watched this session for 1s, so it ends" == screen.deeds[-1]
    assert ["waiting for a watcher", "watched by olga"] == marks[:2]
    assert State.OVER is one.state


async def test_who_waits_in_vain_is_refused_with_the_reason() -> None:
    screen = Screen()
    one, _ = vigil(Terms(is_watched=True), screen, before_s=0.02)
    one.open()

    with pytest.raises(Forbidden, match="nobody came to watch") as refused:
        await one.begin()
    assert "session.unwatched" == refused.value.code
    await screen.ended.wait()


async def test_one_that_is_closed_while_it_waits_is_refused_and_does_nothing_more() -> None:
    screen = Screen()
    one, _ = vigil(Terms(is_watched=True), screen, before_s=0.02)
    one.open()
    one.close("ended by root")
    with pytest.raises(Forbidden, match="ended by root"):
        await one.begin()
    await asyncio.sleep(0.05)

    assert [] == screen.deeds


@pytest.mark.parametrize("is_terminal", [True, False])
async def test_the_warning_is_on_terminals_and_their_tape_alone(is_terminal: bool) -> None:
    screen = Screen(is_terminal=is_terminal)
    one, marks = vigil(Terms(longest_s=0.2), screen)
    one.open()
    await screen.ended.wait()

    assert 1 + is_terminal == len(screen.deeds)
    assert is_terminal == any("this session ends in" in words for words in marks)
    assert any("as long as it may" in words for words in marks)


async def test_what_moves_is_not_idle() -> None:
    screen = Screen()
    one, _ = vigil(Terms(idle_s=0.1), screen)
    one.open()
    began = asyncio.get_running_loop().time()
    for _ in range(10):
        await asyncio.sleep(0.02)
        one.moved()
    last = asyncio.get_running_loop().time()
    await screen.ended.wait()

    assert last - began >= 0.2
    assert asyncio.get_running_loop().time() - last >= 0.09


async def test_a_tape_that_takes_no_mark_stops_nobody() -> None:
    def refuses(_words: str) -> None:
        raise Unavailable("tape.broken", "no")

    one, _ = vigil(Terms(is_watched=True), Screen())
    one.mark = refuses
    one.open()
    with contextlib.ExitStack() as watching:
        watching.enter_context(one.watched_by("olga"))
        await one.begin()
    one.close()


async def test_a_lock_ends_whom_it_is_about_and_whoever_begins_after_it_is_refused(tmp_path: Path) -> None:
    sessions = Sessions(Locks(tmp_path / "locks.db"))
    screens = [Screen(), Screen()]
    alice, _ = vigil(Terms(), screens[0])
    bob = Vigil(Whose("bob", frozenset({"web"})), Terms(), Patience(), screens[1])
    for one in (alice, bob):
        sessions.attend(one)
    lock = new_lock("alice", "", "a rest", "olga", 0)

    assert 1 == len(await sessions.lock(lock))
    assert ([f"END {lock.words}"], []) == (screens[0].deeds, screens[1].deeds)
    sessions.leave(alice)
    late, _ = vigil(Terms(), Screen())
    with pytest.raises(Forbidden, match="a rest"):
        sessions.attend(late)
    assert {bob} == sessions.vigils
    sessions.leave(bob)
    sessions.locks.close()


async def test_who_is_gone_is_ended_with_the_reason_and_whoever_was_just_let_in_does_not_begin(tmp_path: Path) -> None:
    sessions = Sessions(Locks(tmp_path / "locks.db"))
    screens, marks = [Screen(), Screen()], list[str]()
    asks = [Ask(Principal(name), "exec.start", Resource(Kind.SESSION, "", "web", name)) for name in ("alice", "bob")]
    alice, bob, late = (
        Vigil(Whose(ask.principal.name, frozenset(), (ask,)), Terms(), Patience(), screen, mark=marks.append)
        for ask, screen in zip([*asks, asks[0]], [*screens, Screen()], strict=True)
    )
    for one in (alice, bob):
        sessions.attend(one)
    sessions.no_longer = lambda ask: f"{ask.principal.name} is gone" if ask.principal.name == "alice" else ""
    assert [] == sessions.heed_people()
    await screens[0].ended.wait()

    assert (["END alice is gone"], [], ["alice is gone"]) == (screens[0].deeds, screens[1].deeds, marks)
    with pytest.raises(Forbidden, match="alice is gone") as refused:
        sessions.attend(late)
    assert "session.changed" == refused.value.code
    for one in (alice, bob):
        sessions.leave(one)
    sessions.locks.close()
