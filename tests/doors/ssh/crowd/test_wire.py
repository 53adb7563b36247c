"""A real socket pair: order, sockets beside messages, holding, and every way to end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import msgspec
import pytest

from dockwarden.doors.ssh.crowd import messages as say
from dockwarden.doors.ssh.crowd.messages import packed
from dockwarden.doors.ssh.crowd.wire import MOST_UNSENT, Wire
from dockwarden.tape.frames import Kind

decode = msgspec.msgpack.Decoder(say.FromCarrier | say.FromHouse).decode


class End:
    """One end, and what it heard."""

    def __init__(self, sock: socket.socket) -> None:
        self.heard: list[say.Message] = []
        self.lost: list[str] = []
        self.news = asyncio.Event()
        self.wire = Wire(sock, self._heard, self._lost, takes_sockets=True)

    def _heard(self, body: bytes) -> None:
        self.heard.append(decode(body))
        self.news.set()

    def _lost(self, why: str) -> None:
        self.lost.append(why)
        self.news.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.heard) < count and not self.lost:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    one, other = (End(sock) for sock in socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM))
    yield one, other
    one.wire.close()
    other.wire.close()


def frame(number: int) -> say.TapeFrame:
    return say.TapeFrame(number, number, Kind.OUTPUT, bytes(number % 9000))


async def test_many_messages_of_any_size_keep_their_order(ends: tuple[End, End]) -> None:
    one, other = ends
    for number in range(2000):
        one.wire.send(frame(number))
    await other.until(2000)
    assert [frame(number) for number in range(2000)] == other.heard
    await asyncio.wait_for(one.wire.drained.wait(), 5)


async def test_each_socket_comes_no_later_than_its_message(ends: tuple[End, End]) -> None:
    one, other = ends
    for number in range(40):
        given, ours = socket.socketpair()
        with ours:
            ours.send(bytes([number]))
        one.wire.send(frame(number * 400))
        one.wire.send(say.Socket(number), given)
    await other.until(80)
    assert list(range(40)) == [message.ask for message in other.heard if isinstance(message, say.Socket)]
    assert list(range(40)) == [sock.recv(1)[0] for sock in other.wire.sockets]


async def test_while_it_is_held_nothing_is_read(ends: tuple[End, End]) -> None:
    one, other = ends
    other.wire.hold()
    for number in range(300):
        one.wire.send(say.TapeFrame(number, 0, Kind.OUTPUT, bytes(8000)))
    for _ in range(50):
        await asyncio.sleep(0)
    assert ([], False) == (other.heard, one.wire.drained.is_set())
    other.wire.go_on()
    await other.until(300)
    assert 300 == len(other.heard)


async def test_what_was_said_before_the_end_is_heard(ends: tuple[End, End]) -> None:
    """Also by who did not read: a carrier that is killed was held, or its end is known before its last words are."""
    one, other = ends
    other.wire.hold()
    said = [frame(number) for number in range(20)]
    for message in said:
        one.wire.send(message)
    async with asyncio.timeout(10):
        await one.wire.drained.wait()
    one.wire.close()
    assert [] == other.heard
    other.wire.hear_out()
    assert (said, ["it hung up"]) == (other.heard, other.lost)
    other.wire.hear_out()


async def test_nobody_waits_for_words_of_who_is_still_there(ends: tuple[End, End]) -> None:
    one, other = ends
    other.wire.hold()
    one.wire.send(frame(7))
    async with asyncio.timeout(10):
        await one.wire.drained.wait()
    other.wire.hear_out()
    assert ([frame(7)], []) == (other.heard, other.lost)


async def test_who_has_much_to_say_knows_that_it_is_behind(ends: tuple[End, End]) -> None:
    one, other = ends
    other.wire.hold()
    while not one.wire.is_behind:
        one.wire.send(frame(8999))
        await asyncio.sleep(0)
    other.wire.go_on()
    async with asyncio.timeout(10):
        await one.wire.drained.wait()
    assert not one.wire.is_behind


async def test_who_takes_nothing_is_given_up(ends: tuple[End, End]) -> None:
    one, other = ends
    other.wire.hold()
    for number in range(MOST_UNSENT // (1 << 20) + 1):
        one.wire.send(say.TapeFrame(number, 0, Kind.OUTPUT, bytes(1 << 20)))
    assert ["it takes no answers"] == one.lost


async def test_an_end_is_heard_once_and_after_it_nothing(ends: tuple[End, End]) -> None:
    one, other = ends
    one.wire.send(frame(1))
    await other.until(1)
    one.wire.close()
    one.wire.send(frame(2))
    await other.until(2)
    other.wire.send(frame(3))
    assert ([frame(1)], ["it hung up"]) == (other.heard, other.lost)


async def test_what_cannot_be_taken_ends_it_and_nothing_behind_it_is_heard() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    lost: list[str] = []
    wire = Wire(ours, lambda _body: [][0], lost.append, takes_sockets=False)
    with theirs:
        theirs.send(packed(frame(1)) + packed(frame(2)))
        for _ in range(20):
            await asyncio.sleep(0)
    assert ["IndexError in what it said"] == lost
    wire.close()


async def test_what_is_no_message_ends_it(ends: tuple[End, End]) -> None:
    one, other = ends
    one.wire._sock.send(b"\xff" * 8)
    await other.until(1)
    assert ([], 1) == (other.heard, len(other.lost))
