"""Streams through a door: byte for byte, with back-pressure, and with the ends that each side meant."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dockwarden.doors.docker.exchange import Exchange
from dockwarden.doors.docker.relay import Direction, Tunnel
from dockwarden.engine.call import Request
from dockwarden.upstream.engine import EngineLink
from dockwarden.upstream.stream import Hijacked
from dockwarden.words.errors import Broken
from fixtures.wire import STREAM_HEAD, Hang, Met, Wire, chunked, whole

Make = Callable[..., Awaitable[Wire]]
GET_STREAM = b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"
HIJACK = b"POST /hijack HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
RAW = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# --- downloads ---


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (STREAM_HEAD + chunked(b"a", b"bc" * 9000, b"d"), b"a" + b"bc" * 9000 + b"d"),
        (whole(b"x" * 300000), b"x" * 300000),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", b"to the end"),
        (whole(b""), b""),
        (STREAM_HEAD + b"0\r\n\r\n", b""),
    ],
    ids=["chunked", "length", "until close", "length 0", "no chunk"],
)
async def test_an_answer_is_relayed_whole_in_each_framing(wire: Make, said: bytes, body: bytes) -> None:
    async def script(met: Met) -> None:
        await met.say(said)
        if b"close" in said:
            raise Hang

    made = await wire(script)
    client = await made.client()

    assert [body] * 3 == [(await client.ask(GET_STREAM))[2] for _ in range(3)]


async def test_an_answer_cut_by_the_engine_never_ends_well(wire: Make) -> None:
    async def script(met: Met) -> None:
        await met.say(STREAM_HEAD + chunked(b"half", ends=False))
        raise Hang

    made = await wire(script)
    client = await made.client()
    await client.send(GET_STREAM)

    assert (await client.rest()).endswith(b"4\r\nhalf\r\n")
    assert ["engine.answer_cut"] == [error.code for error in made.failures]  # type: ignore[attr-defined]


async def test_a_broken_chunk_of_the_engine_is_not_passed_on(wire: Make) -> None:
    async def script(met: Met) -> None:
        await met.say(STREAM_HEAD)
        await asyncio.sleep(0.02)
        await met.say(b"zz\r\nspoof")

    made = await wire(script)
    client = await made.client()
    await client.send(GET_STREAM)

    assert b"spoof" not in await client.rest()
    assert ["engine.unreadable_answer"] == [error.code for error in made.failures]  # type: ignore[attr-defined]


async def test_an_idle_stream_stays_open_and_ends_at_once_when_its_client_goes(wire: Make) -> None:
    async def script(met: Met) -> None:
        await met.say(STREAM_HEAD + chunked(b"line", ends=False))
        assert b"" == await met.reader.read()  # what the Engine sees of a client that goes
        raise Hang

    made = await wire(script)
    client = await made.client()
    await client.send(GET_STREAM)
    assert b"line" in await client.reader.readuntil(b"line\r\n")
    await asyncio.sleep(0.1)
    assert 1 == made.engine.open
    client.close()

    assert await made.settled(lambda: made.engine.open == 0, 1)
    assert ["client.gone"] == [error.code for error in made.failures]  # type: ignore[attr-defined]


async def test_a_half_closed_client_still_gets_what_the_engine_will_say(wire: Make) -> None:
    """The Engine sees the same half-close that it would see directly, and decides itself."""
    async def script(met: Met) -> None:
        await met.say(STREAM_HEAD)
        await met.reader.read()
        await met.say(chunked(b"to the end"))
        raise Hang

    made = await wire(script)
    client = await made.client()
    await client.send(GET_STREAM)
    client.writer.write_eof()

    assert (await client.rest()).endswith(b"a\r\nto the end\r\n0\r\n\r\n")


async def test_a_large_download_to_a_slow_reader_takes_no_memory(wire: Make) -> None:
    size, piece = 128 << 20, b"z" * (1 << 16)
    sent = 0

    async def script(met: Met) -> None:
        nonlocal sent
        await met.say(STREAM_HEAD)
        for _ in range(size // len(piece)):
            await met.say(chunked(piece, ends=False))
            sent += len(piece)
        await met.say(b"0\r\n\r\n")

    made = await wire(script)
    client = await made.client()
    await client.send(GET_STREAM)
    await client.reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.2)
    assert sent < 4 << 20
    before, most, got = resident(), 0, 0
    while got < size:
        got += len(await client.reader.read(1 << 20))
        most = max(most, resident())
    assert most - before < 16 << 20


async def test_a_connection_that_was_held_back_serves_the_next_call(wire: Make) -> None:
    """A pooled connection is never left paused by a slow reader of the call before."""
    async def script(met: Met) -> None:
        await met.say(STREAM_HEAD + chunked(b"x" * 3_000_000))

    made = await wire(script)
    client = await made.client()

    assert [3_000_000] * 5 == [len((await client.ask(GET_STREAM))[2]) for _ in range(5)]
    assert 1 == made.engine.connections


# --- uploads ---


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 6000000"])
async def test_an_upload_arrives_whole_and_is_read_no_faster_than_it_is_taken(wire: Make, framing: str) -> None:
    go = asyncio.Event()
    got = b""

    async def script(met: Met) -> None:
        nonlocal got
        await go.wait()
        if "chunked" in framing:
            while size := int(await met.reader.readuntil(b"\r\n"), 16):
                got += (await met.reader.readexactly(size + 2))[:-2]
            await met.reader.readexactly(2)
        else:
            got = await met.reader.readexactly(6_000_000)
        await met.say(whole(b"{}"))

    made = await wire(script)
    made.engine.reads_uploads = False
    payload = os.urandom(6_000_000)
    client = await made.client()
    head = f"POST /upload HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode()
    if "Length" in framing:
        made.engine._body = _nothing  # type: ignore[method-assign]
    is_chunked = "chunked" in framing
    client.writer.write(head + (chunked(*(payload[i : i + 50000] for i in range(0, len(payload), 50000))) if is_chunked else payload))
    await asyncio.sleep(0.2)
    assert client.writer.transport.get_write_buffer_size() > 2_000_000
    go.set()

    assert 200 == (await client.answer())[0]
    assert payload == got


async def _nothing(*_: object) -> bytes:
    return b""


async def test_an_early_error_of_the_engine_ends_the_upload(wire: Make) -> None:
    async def script(met: Met) -> None:
        await met.say(whole(b'{"message":"no space"}', "500 Internal Server Error"))

    made = await wire(script)
    made.engine.reads_uploads = False
    client = await made.client()
    await client.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 1000, ends=False))

    assert (500, b'{"message":"no space"}') == (await client.answer())[::2]
    assert await made.settled(lambda: made.link.open_connections == 0)


async def test_progress_is_relayed_while_an_upload_is_under_way(wire: Make) -> None:
    async def script(met: Met) -> None:
        await met.say(STREAM_HEAD + chunked(b"one", ends=False))
        assert b"3\r\nabc\r\n0\r\n\r\n" == await met.reader.readexactly(13)
        await met.say(chunked(b"two"))

    made = await wire(script)
    made.engine.reads_uploads = False
    client = await made.client()
    await client.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert b"one" in await client.reader.readuntil(b"one\r\n")
    await client.send(chunked(b"abc"))

    assert b"3\r\ntwo\r\n0\r\n\r\n" == await client.reader.readexactly(13)


async def test_a_client_that_leaves_within_an_upload_leaves_no_whole_upload(wire: Make) -> None:
    made = await wire()
    client = await made.client()
    await client.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"half", ends=False))
    assert await made.settled(lambda: b"half" in made.engine.seen)
    client.close()

    assert await made.settled(lambda: made.engine.open == 0)
    assert not made.engine.seen.endswith(b"0\r\n\r\n")


# --- hijacked streams ---


async def echo(met: Met) -> None:
    """A container's `cat`: says what it hears, and ends when it hears no more."""
    await met.say(UPGRADED if b"Upgrade: tcp" in met.head else RAW)
    while data := await met.reader.read(1 << 16):
        met.body += data
        await met.say(data)
    await met.say(b"[end]")
    raise Hang


@pytest.mark.parametrize("upgrade", [b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n", b"\r\n"], ids=["101", "200"])
async def test_a_hijacked_stream_ends_its_input_and_still_gives_its_output(wire: Make, upgrade: bytes) -> None:
    made = await wire(echo)
    client = await made.client()
    await client.send(HIJACK + upgrade)
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 UPGRADED\r\n" if b"tcp" in upgrade else b"HTTP/1.1 200 OK\r\n")
    await client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert b"GET / HTTP/1.1\r\n\r\n" == await client.reader.readexactly(18)
    client.writer.write_eof()

    assert b"[end]" == await client.rest()
    assert await made.settled(lambda: made.link.open_connections == 0 and made.server.connections == 0)
    assert [] == made.failures


async def test_input_sent_early_is_kept_until_the_engine_has_changed_over(wire: Make) -> None:
    async def script(met: Met) -> None:
        await asyncio.sleep(0.05)
        assert b"" == bytes(met.reader._buffer)  # type: ignore[attr-defined]
        await echo(met)

    made = await wire(script)
    client = await made.client()
    await client.send(HIJACK + b"Upgrade: tcp\r\n\r\nearly")
    await client.reader.readuntil(b"\r\n\r\n")

    assert b"early" == await client.reader.readexactly(5)


async def test_an_engine_that_ends_first_still_hears_the_client(wire: Make) -> None:
    async def script(met: Met) -> None:
        await met.say(UPGRADED + b"bye")
        met.writer.write_eof()
        made.engine.seen += await met.reader.read()
        raise Hang

    made = await wire(script)
    client = await made.client()
    await client.send(HIJACK + b"Upgrade: tcp\r\n\r\n")
    assert (await client.rest()).endswith(b"\r\n\r\nbye")
    await client.send(b"last words")
    client.writer.write_eof()

    assert await made.settled(lambda: made.engine.seen.endswith(b"last words"))
    assert await made.settled(lambda: made.server.connections == 0)


async def test_an_engine_that_will_not_hijack_is_quoted(wire: Make) -> None:
    async def script(met: Met) -> None:
        await met.say(whole(b'{"message":"No such container"}', "404 Not Found"))

    made = await wire(script)
    client = await made.client()

    assert [404, 404] == [(await client.ask(HIJACK + b"Upgrade: tcp\r\n\r\n"))[0] for _ in range(2)]


async def test_a_client_that_hangs_up_ends_the_engines_side(wire: Make) -> None:
    async def script(met: Met) -> None:
        await met.say(UPGRADED)
        await met.reader.read()
        raise Hang

    made = await wire(script)
    client = await made.client()
    await client.send(HIJACK + b"Upgrade: tcp\r\n\r\n")
    await client.reader.readuntil(b"\r\n\r\n")
    client.close()

    assert await made.settled(lambda: made.engine.open == 0 and made.server.connections == 0)


async def test_a_stalled_side_stops_the_other(wire: Make) -> None:
    """However much one side would say, only some hundred KiB of it are in memory while the other does not listen."""
    said = 0

    async def script(met: Met) -> None:
        nonlocal said
        await met.say(UPGRADED)
        for _ in range(1000):
            await met.say(b"y" * 65536)
            said += 65536

    made = await wire(script)
    client = await made.client()
    await client.send(HIJACK + b"Upgrade: tcp\r\n\r\n")
    await asyncio.sleep(0.2)
    assert said < 4 << 20
    got = 0
    while got < 65536 * 1000:
        got += len(await client.reader.read(1 << 20))
    assert await made.settled(lambda: said == 65536 * 1000)


def tapping(tap: Callable[[Direction, memoryview], Awaitable[None] | None]) -> Callable[[Exchange, EngineLink], Awaitable[None]]:
    async def handler(exchange: Exchange, link: EngineLink) -> None:
        hijacked = await link.upgrade(Request("POST", "/hijack", (), b""))
        assert isinstance(hijacked, Hijacked)
        await exchange.hijack(hijacked, tap)

    return handler


@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_tap_sees_every_byte_before_it_is_passed_on(wire: Make, is_slow: bool) -> None:
    seen: dict[str, bytes] = {"in": b"", "out": b""}

    def tap(direction: Direction, data: memoryview) -> Awaitable[None] | None:
        seen[direction] += bytes(data)
        return asyncio.sleep(0.001) if is_slow else None

    made = await wire(echo, handler=tapping(tap))
    client = await made.client()
    await client.send(HIJACK + b"Upgrade: tcp\r\n\r\n")
    await client.reader.readuntil(b"\r\n\r\n")
    payload = os.urandom(2_000_000)
    client.writer.write(payload)
    client.writer.write_eof()

    assert payload + b"[end]" == await client.rest()
    assert {"in": payload, "out": payload + b"[end]"} == seen


@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_tap_that_fails_ends_the_stream_and_passes_nothing(wire: Make, is_slow: bool) -> None:
    async def fails() -> None:
        raise Broken("tape.full", "no room")

    def tap(direction: Direction, data: memoryview) -> Awaitable[None] | None:
        if is_slow:
            return fails()
        raise Broken("tape.full", "no room")

    made = await wire(echo, handler=tapping(tap))
    client = await made.client()
    await client.send(HIJACK + b"Upgrade: tcp\r\n\r\nsecret")
    await client.reader.readuntil(b"\r\n\r\n")

    assert b"" == await client.rest()
    assert b"secret" not in made.engine.seen
    assert ["tape.full"] == [error.code for error in made.failures]  # type: ignore[attr-defined]


# --- the end of a door ---


async def test_a_drain_lets_calls_end_and_tells_streams_apart(wire: Make) -> None:
    async def script(met: Met) -> None:
        if b"/hijack" in met.head:
            await echo(met)
        await asyncio.sleep(0.1 if b"/soon" in met.head else 30)
        await met.say(whole(b"done"))

    made = await wire(script)
    soon, late, hijacked, idle = [await made.client() for _ in range(4)]
    await soon.send(b"GET /soon HTTP/1.1\r\nHost: a\r\n\r\n")
    await late.send(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
    await hijacked.send(HIJACK + b"Upgrade: tcp\r\n\r\n")
    await hijacked.reader.readuntil(b"\r\n\r\n")
    drained = await made.server.drain(0.3)

    assert (1, 1) == (drained.calls, drained.streams)
    status, head, body = await soon.answer()
    assert (200, b"done", True) == (status, body, b"Connection: close" in head)
    assert b"" == await idle.rest()
    with pytest.raises((ConnectionError, FileNotFoundError)):
        await made.client()


@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_tunnel_that_is_held_shows_the_tap_nothing_and_loses_nothing(wire: Make, is_slow: bool) -> None:
    """Held and let go again and again, in the middle of a stream both ways: every byte comes, in its order, and none is recorded early."""
    tunnels: list[Tunnel] = []
    seen: dict[str, bytes] = {"in": b"", "out": b""}
    early: list[Direction] = []

    def tap(direction: Direction, data: memoryview) -> Awaitable[None] | None:
        early.extend([direction] if tunnels[0].is_held else [])
        seen[direction] += bytes(data)
        return asyncio.sleep(0.0005) if is_slow else None

    async def handler(exchange: Exchange, link: EngineLink) -> None:
        hijacked = await link.upgrade(Request("POST", "/hijack", (), b""))
        assert isinstance(hijacked, Hijacked)

        def joined(tunnel: Tunnel) -> None:
            tunnels.append(tunnel)
            tunnel.hold()

        await exchange.hijack(hijacked, tap, joined)

    made = await wire(echo, handler=handler)
    client = await made.client()
    await client.send(HIJACK + b"Upgrade: tcp\r\n\r\nearly")
    await client.reader.readuntil(b"\r\n\r\n")
    payload = os.urandom(2_000_000)
    client.writer.write(payload)
    client.writer.write_eof()
    await asyncio.sleep(0.05)
    assert {"in": b"", "out": b""} == seen
    assert b"early" not in made.engine.seen

    async def wobble() -> None:
        while True:
            tunnels[0].go_on()
            await asyncio.sleep(0.002)
            tunnels[0].hold()
            await asyncio.sleep(0.001)

    wobbling = asyncio.ensure_future(wobble())
    got = await client.rest()
    wobbling.cancel()

    assert b"early" + payload + b"[end]" == got
    assert {"in": b"early" + payload, "out": b"early" + payload + b"[end]"} == seen
    assert [] == early


async def test_a_client_that_goes_while_its_tunnel_is_held_ends_it(wire: Make) -> None:
    async def handler(exchange: Exchange, link: EngineLink) -> None:
        hijacked = await link.upgrade(Request("POST", "/hijack", (), b""))
        assert isinstance(hijacked, Hijacked)
        await exchange.hijack(hijacked, lambda *_: None, lambda tunnel: tunnel.hold())

    made = await wire(echo, handler=handler)
    client = await made.client()
    await client.send(HIJACK + b"Upgrade: tcp\r\n\r\nearly")
    await client.reader.readuntil(b"\r\n\r\n")
    client.writer.close()

    assert await made.settled(lambda: made.link.open_connections == 0 and made.server.connections == 0)
