"""A long tape is measured once, whoever asks, and no more of it is in memory than a few segments."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from dockwarden.tape import exported
from dockwarden.tape.exported import Exported, Measures
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import Kind
from dockwarden.tape.shelf import reels_of
from tape.conftest import Studio

MIB = 1 << 20


async def long_tape(studio: Studio, mib: int) -> Exported:
    tape = await studio.begin()
    for _ in range(mib * 16):
        tape.add(Kind.OUTPUT, b"0123456789abcde\n" * 4096)
        if tape.is_full:
            await tape.settle()
    key = tape.key
    await tape.end()
    return Exported(tape.opening, studio.path(tape), key, "v3")


async def test_memory_stays_flat_over_a_long_tape(studio: Studio) -> None:
    form = await long_tape(studio, 48)
    tracemalloc.start()
    measure = form.measure()
    size = sum(map(len, form.part(measure, 1, measure.length - 2)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (measure.length - 2, True) == (size, measure.length > 48 * MIB)
    assert peak < 12 * MIB


async def test_marks_are_few_however_long_it_is(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "STRIDE_BYTES", 1)
    monkeypatch.setattr(exported, "MOST_MARKS", 8)
    measure = (await long_tape(studio, 8)).measure()

    assert 4 <= len(measure.marks) <= 8
    assert sorted(mark.at for mark in measure.marks) == [mark.at for mark in measure.marks]


async def test_who_asks_at_the_same_time_shares_one_walk_and_a_few_are_kept(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    form, walks = await long_tape(studio, 1), []
    right = Exported.measure
    monkeypatch.setattr(Exported, "measure", lambda form: (walks.append(1), right(form))[1])
    monkeypatch.setattr(exported, "KEPT", 2)
    measures = Measures()
    found = await asyncio.gather(*(measures.of(form, b"head") for _ in range(10)))

    assert ([found[0]] * 10, 1) == (found, len(walks))
    await measures.of(form, b"head")
    assert 1 == len(walks)
    for head in (b"1", b"2", b"head"):
        await measures.of(form, head)
    assert 4 == len(walks)


async def test_a_walk_that_fails_is_not_kept_and_ends_for_all_who_wait(studio: Studio) -> None:
    form = await long_tape(studio, 1)
    (reel,) = reels_of(form.folder)
    whole = reel.read_bytes()
    measures = Measures()
    reel.write_bytes(whole[: len(whole) // 2])
    failed = await asyncio.gather(*(measures.of(form, b"head") for _ in range(3)), return_exceptions=True)
    reel.write_bytes(whole)

    assert [BadSegment] * 3 == [type(error) for error in failed]
    assert (await measures.of(form, b"head")).length > MIB
