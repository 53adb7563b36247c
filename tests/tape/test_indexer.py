"""Tapes come into the index when they have ended, and leave it when they are gone, whatever became of who reads them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dockwarden.tape import indexer as module
from dockwarden.tape.custody import Custody
from dockwarden.tape.index import Index, Wanted
from dockwarden.tape.indexer import PATH, Indexer, search_key
from dockwarden.tape.keys import PATH as TAPES
from dockwarden.tape.marks import stored_of
from dockwarden.tape.phrases import read_phrases
from dockwarden.tape.recorder import Kind, Tape
from dockwarden.tape.retention import Rules
from dockwarden.tape.segment import FRONT_BYTES
from dockwarden.tape.shelf import heads, reels_of
from dockwarden.words.errors import Hidden, Unavailable
from dockwarden.words.secret import Secret
from fixtures.bucket import Memory

from .conftest import Studio

T = TypeVar("T")


@dataclass(frozen=True)
class Held:
    value: Secret


@dataclass
class OpenVault:
    """As much of a vault as is asked for here."""

    held: dict[str, Secret] = field(default_factory=dict)
    is_sealed: bool = False

    def get(self, path: str) -> Held:
        if path not in self.held:
            raise Hidden("vault.absent_path", "no such path")
        return Held(self.held[path])

    def put(self, path: str, value: Secret, _by: str) -> int:
        self.held[path] = value
        return 1

    async def run(self, deed: Callable[[Any], T]) -> T:
        if self.is_sealed:
            raise Unavailable("vault.sealed", "the vault is sealed")
        return deed(self)


@dataclass
class Desk:
    """An indexer beside a recorder."""

    studio: Studio
    vault: OpenVault
    indexer: Indexer
    told: list[tuple[str, Any]]
    custody: Custody
    store: Memory

    async def tape(self, text: bytes) -> Tape:
        tape = await self.studio.begin()
        tape.add(Kind.OUTPUT, text)
        await tape.end()
        return tape

    async def found(self, text: str) -> list[str]:
        key = await search_key(self.vault)  # type: ignore[arg-type]  # as much of it as is needed
        index = Index(self.indexer.file, key)
        try:
            return [f"{row.id} {row.said}".strip() for row in index.find(Wanted(text=read_phrases(text)), None)[0]]
        finally:
            index.close()

    async def until(self, text: str, ids: list[str]) -> None:
        """Return once these are found. A machine that runs many tests at once may take its time."""
        async with asyncio.timeout(60):
            while not self.indexer.file.exists() or ids != await self.found(text):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def working(studio: Studio, vault: OpenVault) -> AsyncIterator[Desk]:
    told: list[tuple[str, Any]] = []
    recorder = studio.recorder
    store = Memory()
    custody = Custody(recorder, studio.ledger, studio.folder / "ledger", studio.public, rules=Rules(has_store=True), store=store)
    made = Indexer(
        studio.folder / "search.db", recorder.shelf, vault, recorder.tapes.keys, lambda what, detail: told.append((what, detail)), custody.at_hand  # type: ignore[arg-type]  # as above
    )  # fmt: skip
    custody.when_deleted.append(made.look)
    recorder.when_ended.append(made.look)
    made.open()
    try:
        yield Desk(studio, vault, made, told, custody, store)
    finally:
        recorder.when_ended.remove(made.look)
        await made.close()


@pytest.fixture
def vault(studio: Studio) -> OpenVault:
    return OpenVault({TAPES: Secret(studio.identity.encode())})


@pytest.fixture
async def desk(studio: Studio, vault: OpenVault) -> AsyncIterator[Desk]:
    async with working(studio, vault) as made:
        yield made


async def test_a_tape_is_found_once_it_has_ended_and_no_more_once_it_is_gone(desk: Desk, tmp_path: Path) -> None:
    first = await desk.tape(b"the wombat")
    await desk.until("wombat", [first.id])
    second = await desk.studio.begin()
    second.add(Kind.OUTPUT, b"the quokka")
    third = await desk.tape(b"a wombat, too")
    await desk.until("wombat", [third.id, first.id])
    assert [] == await desk.found("quokka")
    await second.end()
    await desk.until("quokka", [second.id])
    desk.studio.path(first).rename(tmp_path / "gone")
    desk.indexer.look()
    await desk.until("wombat", [third.id])
    assert [] == desk.told


async def test_what_was_there_before_is_read_at_the_start_and_only_then_when_the_vault_is_open(studio: Studio, vault: OpenVault) -> None:
    vault.is_sealed = True
    async with working(studio, vault) as desk:
        tapes = [await desk.tape(b"wombat %d" % number) for number in range(5)]
        async with asyncio.timeout(10):
            while not desk.told:
                await asyncio.sleep(0.05)
        assert ("the search index is behind", {"because": "the vault is sealed"}) == desk.told[0]
        assert not desk.indexer.file.exists()
        vault.is_sealed = False
        desk.indexer.look()
        await desk.until("wombat", [tape.id for tape in reversed(tapes)])
    async with working(studio, vault) as desk:
        last = await desk.tape(b"wombat again")
        await desk.until("again", [last.id])
        async with asyncio.timeout(60):
            while desk.indexer.waiting:  # its reader's answer comes after what it wrote
                await asyncio.sleep(0.05)
        assert 1 == desk.indexer.done


async def test_it_is_made_anew_from_the_tapes(desk: Desk) -> None:
    tapes = [await desk.tape(b"wombat %d" % number) for number in range(3)]
    await desk.until("wombat", [tape.id for tape in reversed(tapes)])
    progress = [step async for step in desk.indexer.rebuild()]

    assert (3, 3, 0) == progress[-1]
    await desk.until("wombat", [tape.id for tape in reversed(tapes)])


async def test_a_tape_that_is_deleted_leaves_it_at_once(desk: Desk) -> None:
    """The folder of tapes is looked at once a minute; this is not waited for."""
    first, second = [await desk.tape(b"wombat %d" % number) for number in range(2)]
    await desk.until("wombat", [second.id, first.id])
    await desk.custody.delete(first.id, "adam", "a customer's data")

    async with asyncio.timeout(module.LOOK_S / 2):
        await desk.until("wombat", [second.id])


async def test_what_is_in_the_store_alone_is_fetched_to_be_read_and_let_go_again(desk: Desk) -> None:
    tapes = [await desk.tape(b"wombat %d" % number) for number in range(3)]
    await desk.until("wombat", [tape.id for tape in reversed(tapes)])
    for tape in tapes[:2]:
        await desk.custody.copy_round(desk.store)
        await desk.custody._let_go(tape.id)
    desk.store.refuses = (tapes[0].id,)
    progress = [step async for step in desk.indexer.rebuild()]

    assert (3, 3, 1) == progress[-1]
    await desk.until("wombat", [tape.id for tape in reversed(tapes[1:])])
    assert f"{tapes[0].id} it could not be read: session {tapes[0].id} is in the store alone, which does not give it now" in " ".join(await desk.found(""))
    assert [True, True, False] == [stored_of(desk.studio.path(tape)).is_away and not reels_of(desk.studio.path(tape)) for tape in tapes]


async def test_a_lost_key_and_a_damaged_file_make_it_anew(desk: Desk) -> None:
    tape = await desk.tape(b"wombat")
    await desk.until("wombat", [tape.id])
    await desk.indexer.close()
    desk.vault.held.pop(PATH)
    async with working(desk.studio, desk.vault) as again:
        async with asyncio.timeout(60):
            while not again.indexer.done:
                await asyncio.sleep(0.05)
        await again.until("wombat", [tape.id])
        assert "the search index is made anew" in [what for what, _ in again.told]


async def test_a_broken_tape_is_read_up_to_where_it_is_broken(studio: Studio, vault: OpenVault) -> None:
    tape = await studio.begin()
    tape.add(Kind.OUTPUT, b"the wombat\r\n")
    await tape.settle()
    tape.add(Kind.OUTPUT, b"the quokka")
    await tape.end()
    (reel,) = studio.path(tape).glob("*.reel")
    data = bytearray(reel.read_bytes())
    _, second, *_ = [at for _, at, head in heads(studio.path(tape)) if head.seq > 1 and head.length]
    data[second + FRONT_BYTES] ^= 1
    reel.write_bytes(data)
    async with working(studio, vault) as desk:
        async with asyncio.timeout(60):
            while not desk.indexer.file.exists() or not (rows := await desk.found("wombat")):
                await asyncio.sleep(0.05)
        assert rows[0].startswith(f"{tape.id} it is broken: it cannot be opened")
        assert [] == await desk.found("quokka")


async def test_a_tape_that_ends_its_reader_is_passed_over_and_said_to_be(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a session shows keeps the others out of the index."""
    ask, killed = module.Reader.ask, []

    async def killing(reader: module.Reader, order: Any) -> str:
        if getattr(order, "key", b"") and isinstance(order, module.Order) and not killed:
            killed.append(reader._process.pid)
            os.kill(reader._process.pid, signal.SIGKILL)
        return await ask(reader, order)

    monkeypatch.setattr(module.Reader, "ask", killing)
    first = await desk.tape(b"the wombat")
    second = await desk.tape(b"the wombat, too")
    async with asyncio.timeout(60):
        while not desk.indexer.file.exists() or 2 != len(rows := await desk.found("")):
            await asyncio.sleep(0.05)
    assert sorted(["its reader ended, or did not answer", ""]) == sorted(row.partition(" ")[2] for row in rows)
    assert {first.id, second.id} == {row.partition(" ")[0] for row in rows}


def readers() -> list[str]:
    """The reading processes that this one started."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in children if b"dockwarden.tape.indexing" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def test_the_reader_ends_when_nothing_more_comes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_S", 0.1)
    tape = await desk.tape(b"the wombat")
    await desk.until("wombat", [tape.id])
    async with asyncio.timeout(30):
        while readers():
            await asyncio.sleep(0.05)
