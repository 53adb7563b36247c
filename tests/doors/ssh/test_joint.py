"""Two sides joined: order, holding, early input, recording before showing, and every way to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from dockwarden.doors.ssh.joint import MOST_EARLY, Joint
from dockwarden.doors.ssh.sides import Ending
from dockwarden.tape.frames import Kind
from dockwarden.tape.sessions import Session
from dockwarden.tape.terms import Patience, Terms
from dockwarden.tape.vigil import Vigil, Whose
from dockwarden.words.errors import Unavailable


@dataclass
class Side:
    """One side, in memory: what it was told, in order."""

    is_terminal: bool = False
    told: list[Any] = field(default_factory=list)
    is_held: bool = False

    def show(self, data: bytes, *, is_error: bool) -> None:
        self.told.append(("err" if is_error else "out", data))

    def show_eof(self) -> None:
        self.told.append("eof")

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def write_eof(self) -> None:
        self.told.append("eof")

    def hold(self) -> None:
        self.is_held = True

    def go_on(self) -> None:
        self.is_held = False

    def close(self) -> None:
        self.told.append("closed")

    def leave(self, ending: Ending) -> None:
        self.told.append(("left", ending.words))


@dataclass
class Reel:
    """A tape and its intake, in memory."""

    frames: list[tuple[Kind, bytes]] = field(default_factory=list)
    durable: asyncio.Event = field(default_factory=asyncio.Event)
    broken: str = ""
    is_full: bool = False
    is_ended: bool = False
    now_us: int = 0

    def output(self, data: bytes, kind: Kind = Kind.OUTPUT) -> None:
        self.add(kind, data)

    def input(self, data: bytes) -> None:
        self.add(Kind.INPUT, data)

    def say(self, kind: Kind, words: str) -> None:
        self.add(kind, words.encode())

    def file(self, data: bytes) -> None:
        self.add(Kind.FILE, data)

    def add(self, kind: Kind, data: bytes) -> None:
        if self.broken:
            raise Unavailable("tape.broken", self.broken)
        self.frames.append((kind, data))

    def finish(self) -> None:
        pass

    async def settle(self) -> None:
        await self.durable.wait()
        if self.broken:
            raise Unavailable("tape.broken", self.broken)

    async def room(self) -> None:
        await self.settle()

    async def end(self, why: str = "") -> None:
        del why
        self.is_ended = True


def run(work: Callable[[], Any]) -> None:
    asyncio.run(work())


def made(*, is_terminal: bool = False) -> tuple[Joint, Side, Side, Reel, list[str]]:
    near, far, reel, over = Side(is_terminal), Side(), Reel(), list[str]()
    joint = Joint(near, lambda: over.append("over"))
    vigil = Vigil(Whose("alice", frozenset({"web"})), Terms(), Patience(), joint)
    joint.kept(vigil)
    joint.taped(Session(cast(Any, reel), cast(Any, reel), frozenset(), joint.end, vigil))
    return joint, near, far, reel, over


async def passes() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_is_sent_before_the_other_end_is_there_goes_first_and_is_recorded() -> None:
    async def work() -> None:
        joint, near, far, reel, _ = made()
        joint.sent(b"one")
        joint.sent(b"two")
        joint.sent_all()
        assert [] == reel.frames
        joint.joined(far)
        assert [b"one", b"two", "eof"] == far.told
        assert [(Kind.INPUT, b"one"), (Kind.INPUT, b"two")] == reel.frames
        assert not near.is_held

    run(work)


def test_no_more_is_kept_early_than_a_bound() -> None:
    async def work() -> None:
        joint, near, far, _, _ = made()
        joint.sent(b"x" * (MOST_EARLY + 1))
        assert near.is_held
        joint.joined(far)
        assert not near.is_held

    run(work)


def test_a_terminal_shows_nothing_that_is_not_durable() -> None:
    async def work() -> None:
        joint, near, far, reel, over = made(is_terminal=True)
        joint.joined(far)
        joint.shown(b"a")
        joint.shown(b"b", is_error=True)
        joint.shown_all()
        joint.far_gone(Ending(0))
        await passes()
        assert ([], True) == (near.told, far.is_held)
        reel.durable.set()
        await passes()
        assert [("out", b"a"), ("err", b"b"), ("left", "0")] == near.told
        assert [(Kind.OUTPUT, b"a"), (Kind.ERROR, b"b"), (Kind.EXIT, b"0")] == reel.frames
        assert (True, ["over"], ["closed"]) == (reel.is_ended, over, far.told)

    run(work)


def test_output_above_a_rate_and_without_a_terminal_is_shown_at_once() -> None:
    async def work() -> None:
        joint, near, far, reel, _ = made()
        joint.joined(far)
        joint.shown(b"a")
        assert [("out", b"a")] == near.told
        reel.is_full = True
        joint.shown(b"b")
        assert (True, True) == (far.is_held, near.is_held)  # both wait until the tape has room
        reel.is_full = False
        reel.durable.set()
        await passes()
        assert (False, False) == (far.is_held, near.is_held)

    run(work)


@pytest.mark.parametrize("first", ["full", "settle"])
def test_a_side_is_held_as_long_as_there_is_any_reason(first: str) -> None:
    async def work() -> None:
        joint, _, far, reel, _ = made(is_terminal=True)
        joint.joined(far)
        joint.full()
        joint.shown(b"a")
        if first == "full":
            joint.ready()
            assert far.is_held
            reel.durable.set()
        else:
            reel.durable.set()
            await passes()
            assert far.is_held
            joint.ready()
        await passes()
        assert not far.is_held

    run(work)


@pytest.mark.parametrize("when", ["in", "out", "settle"])
def test_a_recorder_that_fails_ends_it_with_the_reason(when: str) -> None:
    async def work() -> None:
        joint, near, far, reel, over = made(is_terminal=when == "settle")
        joint.joined(far)
        if when == "settle":
            joint.shown(b"not durable")
        reel.broken = "no space"
        reel.durable.set()
        if when == "in":
            joint.sent(b"x")
        elif when == "out":
            joint.shown(b"x")
        await passes()
        assert [] == [one for one in near.told if one in {("out", b"x"), ("out", b"not durable")}]
        assert b"no space" in near.told[0][1]
        assert (("left", "255"), ["closed"], ["over"]) == (near.told[-1], far.told, over)

    run(work)


def test_whoever_ends_it_first_ends_it_once() -> None:
    async def work() -> None:
        joint, near, far, _, over = made()
        joint.joined(far)
        joint.far_gone(Ending(None, "TERM"))
        joint.gone()
        joint.stop("too late")
        await passes()
        assert ([("left", "TERM")], ["over"]) == (near.told, over)
        late = Side()
        joint.joined(late)
        assert ["closed"] == late.told

    run(work)


def test_what_is_held_passes_later_in_its_order_and_is_recorded_then() -> None:
    async def work() -> None:
        joint, near, far, reel, over = made()
        joint.joined(far)
        joint.hold()
        joint.sent(b"in")
        joint.shown(b"out")
        joint.shown_all()
        joint.far_gone(Ending(3))
        await passes()
        assert ([], [], [], []) == (near.told, far.told, reel.frames, over)
        assert (True, True) == (near.is_held, far.is_held)
        joint.go_on()
        await passes()
        assert [(Kind.INPUT, b"in"), (Kind.OUTPUT, b"out"), (Kind.EXIT, b"3")] == reel.frames
        assert [("out", b"out"), ("left", "3")] == near.told

    run(work)


def test_where_policy_lets_it_go_on_it_is_passed_on_unrecorded() -> None:
    async def work() -> None:
        joint, near, far, reel, over = made()
        assert joint.session is not None
        joint.taped(joint.session, is_strict=False)
        joint.joined(far)
        reel.broken = "no space"
        joint.broken("no space")
        joint.sent(b"in")
        joint.shown(b"out")
        assert ([b"in"], [("out", b"out")], []) == (far.told, near.told, over)

    run(work)


def test_so_it_is_in_a_terminal_with_what_waited_to_be_durable_and_all_after_it() -> None:
    async def work() -> None:
        joint, near, far, reel, over = made(is_terminal=True)
        assert joint.session is not None
        joint.taped(joint.session, is_strict=False)
        joint.joined(far)
        joint.shown(b"one")
        await passes()
        assert [] == near.told
        reel.broken = "no space"
        reel.durable.set()
        await passes()
        joint.shown(b"two")
        await passes()
        assert ([("out", b"one"), ("out", b"two")], []) == (near.told, over)

    run(work)


def test_the_end_of_output_waits_a_moment_for_the_status_and_no_longer() -> None:
    async def work() -> None:
        joint, near, far, _, _ = made()
        joint.joined(far)
        joint.shown_all()
        assert [] == near.told
        while not near.told:
            await asyncio.sleep(0.02)
        assert ["eof"] == near.told

    run(work)
