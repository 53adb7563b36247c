"""What a carrier says of a file that is kept comes to the house whole, or the file does not pass."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from dockwarden.doors.ssh.crowd import messages as say
from dockwarden.doors.ssh.crowd.carrier import FRAME_BYTES, FarTape, House
from dockwarden.doors.ssh.crowd.messages import Message, Pieces, packed
from dockwarden.doors.ssh.crowd.reception import FarStream, Held, Reception
from dockwarden.tape import files
from dockwarden.tape.frames import Frame, Kind
from dockwarden.words.errors import Unavailable

PIECE = files.piece(7, 3, bytes(FRAME_BYTES), is_upload=True)


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.001)


async def heard(sock: socket.socket, count: int) -> list[Any]:
    """The first messages that a carrier sends."""
    pieces, found, loop = Pieces(), list[Any](), asyncio.get_running_loop()
    sock.setblocking(False)
    async with asyncio.timeout(5):
        while len(found) < count:
            found += [msgspec.msgpack.decode(body, type=say.FromCarrier) for body in pieces.feed(await loop.sock_recv(sock, 1 << 20))]
    return found


def test_a_frame_of_a_file_is_never_cut() -> None:
    """A half of it would have no place in the file. What a stream shows is cut, and is what it was."""

    async def work() -> None:
        ours, theirs = socket.socketpair()
        tape = FarTape(House(ours), 1, time.monotonic_ns())
        tape.add(Kind.FILE, PIECE)
        tape.add(Kind.OUTPUT, PIECE)
        whole, first, rest, *_ = await heard(theirs, 3)

        assert (Kind.FILE, PIECE) == (whole.kind, whole.data)
        assert (FRAME_BYTES, PIECE) == (len(first.data), first.data + rest.data)

    asyncio.run(work())


@pytest.mark.parametrize("is_gone", [True, False], ids=["the house is gone", "recording failed"])
def test_where_the_house_records_no_more_the_carrier_takes_no_more(*, is_gone: bool) -> None:
    """Also with `record=alarm`, where a joint goes on without a tape: what is to be kept is refused by the tape itself."""

    async def work() -> None:
        ours, theirs = socket.socketpair()
        house = House(ours)
        house.streams[1] = cast(Any, SimpleNamespace(broken=lambda _why: None))
        tape = FarTape(house, 1, time.monotonic_ns())
        if is_gone:
            theirs.close()
        else:
            theirs.sendall(packed(say.Broken(1, "the disk is full")))
        await until(lambda: tape.broken)

        with pytest.raises(Unavailable, match="hung up" if is_gone else "the disk is full"):
            tape.add(Kind.FILE, PIECE)
        house.ended(1)
        assert {} == house.broken

    asyncio.run(work())


class Carried:
    """A reception with one errand under way, whose tape is a list."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.frames, self.over = list[Frame](), list[str]()
        desk = SimpleNamespace(recorder=SimpleNamespace(take=lambda _tape, frame: self.frames.append(frame)))
        reception = Reception(cast(Any, desk), ours, self.over.append, lambda: None)
        stream = FarStream(reception, 1, is_terminal=False)
        stream.session = cast(Any, SimpleNamespace(tape=SimpleNamespace(now_us=9, undurable_bytes=0)))
        self.held = reception._errands[1] = Held(1, cast(Any, None), stream)

    def say(self, *messages: Message) -> None:
        self.theirs.sendall(b"".join(map(packed, messages)))


def test_what_moved_of_files_is_counted_by_its_way_and_without_what_is_said_of_it() -> None:
    async def work() -> None:
        carried = Carried()
        said = [
            files.begun(7, files.Begun(deed="read-write", path="/f", keep_bytes=100)), files.piece(7, 0, b"up", is_upload=True),
            files.piece(7, 50, b"down", is_upload=False), files.cut(7, 90), files.untaken(7, 0), files.ended(7, files.Ended(status=0)),
        ]  # fmt: skip
        carried.say(*(say.TapeFrame(1, number, Kind.FILE, data) for number, data in enumerate(said)))
        await until(lambda: len(carried.frames) == len(said))

        assert said == [frame.data for frame in carried.frames]
        assert (2, 4) == (carried.held.bytes_in, carried.held.bytes_out)

    asyncio.run(work())


@pytest.mark.parametrize("data", [b"", b"\x07" + bytes(16), b"\x01" + bytes(8) + b"{", PIECE[:16], files.cut(7, 1) + b"x"])
def test_what_nobody_could_read_ends_the_carrier_and_is_on_no_tape(data: bytes) -> None:
    async def work() -> None:
        carried = Carried()
        carried.say(say.TapeFrame(1, 0, Kind.FILE, data))
        await until(lambda: carried.over)

        assert [] == carried.frames

    asyncio.run(work())
