"""Reads that many ask for at once: few calls, and never an answer older than its question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from dockwarden.engine.call import Request
from dockwarden.upstream import shared
from dockwarden.upstream.engine import EngineLink
from dockwarden.upstream.shared import SharedReads
from dockwarden.words.errors import Unavailable
from fixtures.wire import FakeEngine, Hang, Met, whole

LIST = Request("GET", "/containers/json", (), b"")


class Slow:
    """An Engine that answers with a count, once a test says so."""

    def __init__(self) -> None:
        self.calls = 0
        self.gate = asyncio.Event()
        self.fails = False

    async def __call__(self, met: Met) -> None:
        self.calls += 1
        said = b"%d" % self.calls
        await self.gate.wait()
        if self.fails:
            raise Hang
        await met.say(whole(said))


Made = Callable[[], Awaitable[tuple[SharedReads, Slow]]]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Made]:
    ends: list[Callable[[], None]] = []

    async def put_up() -> tuple[SharedReads, Slow]:
        slow = Slow()
        engine = FakeEngine(tmp_path / "engine.sock", slow)
        await engine.start()
        link = EngineLink(engine.address)
        assert engine.server is not None
        ends.extend((link.close, engine.server.close))
        return SharedReads(link, 1000), slow

    yield put_up
    for end in ends:
        end()


async def crowd(reads: SharedReads, slow: Slow, count: int) -> list[asyncio.Task[bytes]]:
    """One caller, whose call is with the Engine by now, and `count` more who ask meanwhile."""

    async def ask() -> bytes:
        return (await reads.call(LIST)).body

    tasks = [asyncio.ensure_future(ask())]
    while not slow.calls:
        await asyncio.sleep(0.005)
    tasks += [asyncio.ensure_future(ask()) for _ in range(count)]
    await asyncio.sleep(0.05)
    return tasks


async def test_who_asks_while_a_call_is_under_way_shares_the_next_one_and_not_that_one(make: Made) -> None:
    reads, slow = await make()
    tasks = await crowd(reads, slow, 20)
    assert 1 == slow.calls
    slow.gate.set()

    assert [b"1", *[b"2"] * 20] == await asyncio.gather(*tasks)
    assert b"3" == (await reads.call(LIST)).body  # nothing is remembered


async def test_other_targets_do_not_wait(make: Made) -> None:
    reads, slow = await make()
    tasks = await crowd(reads, slow, 1)
    other = asyncio.ensure_future(reads.call(Request("GET", "/images/json", (), b"")))
    await asyncio.sleep(0.05)

    assert 2 == slow.calls
    slow.gate.set()
    await asyncio.gather(*tasks, other)


async def test_a_failure_is_everybody_s_who_shared_it_and_the_next_call_is_a_new_one(make: Made) -> None:
    reads, slow = await make()
    tasks = await crowd(reads, slow, 3)
    slow.fails = True
    slow.gate.set()

    assert 4 == sum(isinstance(failed, Unavailable) for failed in await asyncio.gather(*tasks, return_exceptions=True))
    slow.fails = False
    assert (await reads.call(LIST)).body.isdigit()


async def test_one_who_goes_away_takes_nobody_along(make: Made) -> None:
    reads, slow = await make()
    first, second, third = await crowd(reads, slow, 2)
    first.cancel()
    second.cancel()
    slow.gate.set()

    assert b"2" == await third


async def test_a_call_that_hangs_holds_nobody_for_longer_than_patience_lasts(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "PATIENCE_S", 0.05)
    reads, slow = await make()
    tasks = await crowd(reads, slow, 2)
    await asyncio.sleep(0.1)

    assert 2 == slow.calls
    slow.gate.set()
    assert [b"1", b"2", b"2"] == await asyncio.gather(*tasks)
