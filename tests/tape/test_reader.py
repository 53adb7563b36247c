"""Segments are read in their order from any place on, while they are written, and from no tape that was changed."""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest

from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import Kind
from dockwarden.tape.read import frames_of
from dockwarden.tape.reader import Place, Reader
from dockwarden.tape.recorder import Tape
from dockwarden.tape.shelf import reels_of
from dockwarden.tape.watch import follow
from tape.conftest import Studio


async def grow(tape: Tape, times: int, size: int = 100) -> None:
    for _ in range(times):
        tape.add(Kind.OUTPUT, os.urandom(size))
        await tape.settle()


async def test_what_grows_is_read_as_far_as_it_is_there(studio: Studio) -> None:
    tape = await studio.begin()
    with contextlib.closing(Reader(studio.path(tape), tape.key)) as reader:
        assert (1, [b"recording"]) == ((found := reader.next()) is not None and (found[0].seq, [frame.data for frame in found[1]]))
        assert reader.next() is None
        await grow(tape, 2)
        assert [2, 3, None] == [found and found[0].seq for found in (reader.next(), reader.next(), reader.next())]
    await tape.end()


async def test_from_any_place_the_same_segments_follow_over_the_files_too(studio: Studio) -> None:
    tape = await studio.begin()
    await grow(tape, 40, 1 << 20)
    key = tape.key
    await tape.end()
    folder, places = studio.path(tape), list[tuple[int, Place]]()
    with contextlib.closing(Reader(folder, key)) as reader:
        while True:
            place = reader.place
            if (found := reader.next()) is None:
                break
            places.append((found[0].seq, place))

    assert len(reels_of(folder)) > 1
    assert list(range(1, len(places) + 1)) == [seq for seq, _ in places]
    for seq, place in places:
        with contextlib.closing(Reader(folder, key, place)) as again:
            found = again.next()
            assert found is not None
            assert seq == found[0].seq


async def test_a_file_that_is_gone_from_the_middle_is_noticed(studio: Studio) -> None:
    tape = await studio.begin()
    await grow(tape, 40, 1 << 20)
    key = tape.key
    await tape.end()
    reels_of(studio.path(tape))[1].unlink()
    with pytest.raises(BadSegment):
        list(frames_of(studio.path(tape), key))


async def test_what_is_torn_is_not_there_yet(studio: Studio) -> None:
    tape = await studio.begin()
    await grow(tape, 1)
    key = tape.key
    await tape.end()
    (reel,) = reels_of(studio.path(tape))
    whole = reel.read_bytes()
    for size in range(0, len(whole), 17):
        reel.write_bytes(whole[:size])
        with contextlib.closing(Reader(studio.path(tape), key)) as reader:
            while reader.next() is not None:
                pass
            seen = reader.place.at
            reel.write_bytes(whole)
            while reader.next() is not None:
                pass
            assert (True, len(whole)) == (seen <= size, reader.place.at)


async def test_who_follows_sees_all_of_it_once_whenever_they_come(studio: Studio) -> None:
    tape = await studio.begin()

    async def all_of_it() -> list[bytes]:
        return [frame.data async for frames in follow(tape, studio.path(tape)) for frame in frames]

    watchers = []
    for number in range(100):
        if number % 20 == 0:
            watchers.append(asyncio.create_task(all_of_it()))
        tape.add(Kind.OUTPUT, b"%d" % number)
        await (tape.settle() if number % 4 else asyncio.sleep(0.001))
    while len(tape.listeners) < len(watchers):
        await asyncio.sleep(0.01)
    await tape.end()

    assert [[b"recording", *(b"%d" % number for number in range(100))]] * 5 == await asyncio.gather(*watchers)
    assert [] == tape.listeners
    with pytest.raises(BadSegment, match="over"):
        await all_of_it()
