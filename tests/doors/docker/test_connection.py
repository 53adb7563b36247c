"""A door on a real socket, an Engine behind it that counts every byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockwarden.doors.docker.connection import ClientConnection
from dockwarden.doors.docker.exchange import Exchange
from dockwarden.doors.docker.server import Limits, Peer, Server
from dockwarden.upstream.engine import EngineLink
from dockwarden.words.errors import Forbidden
from dockwarden.words.principal import NOBODY, Principal
from fixtures.smuggling import BAD_HEADS
from fixtures.wire import ALICE, Wire, chunked

Make = Callable[..., Awaitable[Wire]]
TAIL = b"GET /tail HTTP/1.1\r\nHost: docker\r\n\r\n"
PING = b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"
BAD_BODIES = [
    b"g\r\n", b"1;x\r\na\r\n0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"1\na\n0\n\n", b"-1\r\n", b"0x1\r\na\r\n0\r\n\r\n", b"1\r\naa\r\n0\r\n\r\n",
]  # fmt: skip


def pieces_of(raw: bytes, how: str) -> list[bytes]:
    return {"whole": [raw], "with a tail": [raw + TAIL], "byte by byte": [raw[i : i + 1] for i in range(len(raw))]}[how]


async def feed(wire: Wire, pieces: list[bytes]) -> bytes:
    """All that a door says to these pieces until it closes."""
    client = await wire.client()
    try:
        for piece in pieces:
            client.writer.write(piece)
            await asyncio.sleep(0)
    except (ConnectionError, RuntimeError):  # closed before all was sent; the loop at hand says it in one of two ways
        pass
    said = await client.rest()
    client.close()
    return said


@pytest.mark.parametrize("how", ["whole", "byte by byte", "with a tail"])
async def test_every_smuggling_trick_is_answered_once_then_closed_and_reaches_nobody(wire: Make, how: str) -> None:
    """However it is cut: one 400, no handler, no upstream byte, and what follows is never read as a request."""
    made = await wire()
    for name, raw in BAD_HEADS.items():
        said = await feed(made, pieces_of(raw, how))

        assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n"), (name, said)
        assert 1 == said.count(b"HTTP/1.1 "), name
        body = msgspec.json.decode(said.partition(b"\r\n\r\n")[2])
        assert "http.malformed" == body["code"], name
        assert body["message"].startswith("dockwarden: malformed request: "), name
        assert b"Connection: close\r\n" in said, name
    assert [] == made.heard
    assert b"" == made.engine.seen


@pytest.mark.parametrize("how", ["whole", "byte by byte", "with a tail"])
@pytest.mark.parametrize("body", BAD_BODIES)
@pytest.mark.parametrize("target", ["/containers/create", "/upload"])
async def test_a_broken_body_is_never_passed_on_as_whole(wire: Make, target: str, body: bytes, how: str) -> None:
    made = await wire()
    raw = f"POST {target} HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + body

    said = await feed(made, pieces_of(raw, how))

    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n"), said
    assert 1 == said.count(b"HTTP/1.1 ")
    assert not made.engine.seen.endswith(b"0\r\n\r\n")
    if target != "/upload":
        assert b"" == made.engine.seen


async def test_any_bytes_are_exchanges_or_one_400(wire: Make) -> None:
    """Never an exception, never an answer after the refusal, and upstream sees only whole requests of ours."""
    made = await wire()
    words = [PING, b"GET ", b"/ ", b"HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n", b"Content-Length: 3\r\n", b"abc", b"\n", b"\x00", b":"]

    @settings(max_examples=150, deadline=None)
    @given(st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(words), max_size=8).map(b"".join)), st.integers(1, 30))
    def run(raw: bytes, step: int) -> None:
        raw += b"\r\n\r\n\x00"
        said = hear(made.server, [raw[i : i + step] for i in range(0, len(raw), step)])
        assert 1 == said.count(b"HTTP/1.1 400 ")
        assert said.rindex(b"HTTP/1.1 400 ") == said.rindex(b"HTTP/1.1 ")

    run()
    assert b"" == made.engine.seen


class HeardTransport(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.said = b""

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.said += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return False


def hear(server: Server, pieces: list[bytes]) -> bytes:
    """Feed a connection without a loop between the pieces; requests are answered by nobody, so only a first one can be heard of."""
    transport = HeardTransport()
    connection = ClientConnection(server)
    connection._transport = transport
    for piece in pieces:
        if connection.is_busy:
            connection._task.cancel()
            transport.said += b"HTTP/1.1 400 (heard)"
            break
        server.buffer.view[: len(piece)] = piece
        connection.buffer_updated(len(piece))
    else:
        if connection.is_busy:
            connection._task.cancel()
            transport.said += b"HTTP/1.1 400 (heard)"
    return transport.said


async def test_pipelined_requests_are_handled_one_by_one_and_answered_in_order(wire: Make) -> None:
    under_way = 0
    most = 0

    async def handler(exchange: Exchange, link: EngineLink) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01 if exchange.head.target == b"/1" else 0)
        exchange.answer(200, (), await exchange.body(100) + exchange.head.target)
        under_way -= 1

    made = await wire(handler=handler)
    client = await made.client()
    await client.send(
        b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
        b"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"c", b"d") + b"GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"
    )

    assert [b"ab/1", b"cd/2", b"/3"] == [(await client.answer())[2] for _ in range(3)]
    assert 1 == most


async def test_a_connection_serves_many_calls_over_one_connection_to_the_engine(wire: Make) -> None:
    made = await wire()
    client = await made.client()

    assert {b"GET /_ping HTTP/1.1"} == {(await client.ask(PING))[2] for _ in range(50)}
    assert 1 == made.engine.connections


async def test_a_head_answer_has_no_body(wire: Make) -> None:
    async def script(met: object) -> None:
        await met.say(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 7\r\n\r\n")  # type: ignore[attr-defined]

    made = await wire(script)
    client = await made.client()
    await client.send(b"HEAD /_ping HTTP/1.1\r\nHost: a\r\n\r\n")
    head = await client.reader.readuntil(b"\r\n\r\n")

    assert b"Api-Version: 1.41\r\n" in head
    assert b"Content-Length: 7\r\n" in head


async def test_continue_is_said_when_the_body_is_asked_for_and_not_before(wire: Make) -> None:
    made = await wire()
    client = await made.client()
    await client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")

    assert b"HTTP/1.1 100 Continue\r\n\r\n" == await client.reader.readuntil(b"\r\n\r\n")
    assert b"POST /a HTTP/1.1" == (await client.ask(b"abc"))[2]


async def test_a_refusal_spares_a_waiting_client_its_body_and_closes(wire: Make) -> None:
    async def handler(exchange: Exchange, link: EngineLink) -> None:
        raise Forbidden("policy.forbidden", "no", policies=("a",))

    made = await wire(handler=handler)
    client = await made.client()
    await client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    said = await client.rest()

    assert said.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert {"message": "dockwarden: no", "code": "policy.forbidden", "policy": ["a"]} == msgspec.json.decode(said.partition(b"\r\n\r\n")[2])
    assert 1 == said.count(b"HTTP/1.1")


async def test_an_unread_body_is_never_read_as_a_request(wire: Make) -> None:
    async def handler(exchange: Exchange, link: EngineLink) -> None:
        raise Forbidden("policy.forbidden", "no")

    made = await wire(handler=handler)
    said = await feed(made, [b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n", PING, PING])

    assert (1, ["POST /a"]) == (said.count(b"HTTP/1.1 "), made.heard)


async def test_a_refused_call_whose_body_was_sent_keeps_its_connection(wire: Make) -> None:
    async def handler(exchange: Exchange, link: EngineLink) -> None:
        raise Forbidden("policy.forbidden", "no")

    made = await wire(handler=handler)
    client = await made.client()

    assert [403, 403] == [(await client.ask(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"))[0] for _ in range(2)]


LARGE = [b"Content-Length: 2000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 1100000, ends=False)]


@pytest.mark.parametrize("raw", LARGE, ids=["announced", "chunked"])
async def test_a_body_past_the_limit_is_refused_without_reading_on(wire: Make, raw: bytes) -> None:
    made = await wire()
    client = await made.client()
    client.writer.write(b"POST /a HTTP/1.1\r\nHost: a\r\n" + raw)

    assert (413, b"") == ((await client.answer())[0], bytes(made.engine.seen))


async def test_a_head_past_the_limit_is_refused(wire: Make) -> None:
    made = await wire(limits=Limits(header_bytes=1000))
    for raw in (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1000, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1000 + b"\r\n\r\n"):
        assert (await feed(made, [raw])).startswith(b"HTTP/1.1 431 ")


async def test_a_failure_of_ours_refuses_and_tells_no_secret(wire: Make) -> None:
    async def handler(exchange: Exchange, link: EngineLink) -> None:
        raise ValueError("hunter2")

    made = await wire(handler=handler)
    said = await feed(made, [PING])

    assert said.startswith(b"HTTP/1.1 500 ")
    assert b"hunter2" not in said
    assert b'"door.failed"' in said


async def test_a_handler_that_answers_nothing_is_a_failure(wire: Make) -> None:
    async def handler(exchange: Exchange, link: EngineLink) -> None:
        return

    made = await wire(handler=handler)

    assert b'"door.unanswered"' in (await (await made.client()).ask(PING))[2]


async def test_a_failure_within_an_answer_cuts_the_connection(wire: Make) -> None:
    async def handler(exchange: Exchange, link: EngineLink) -> None:
        async def pieces():  # type: ignore[no-untyped-def]
            yield b"half"
            raise Forbidden("a", "b")

        await exchange.send_chunks(200, (), pieces())

    made = await wire(handler=handler)
    said = await feed(made, [PING])

    assert said.endswith(b"4\r\nhalf\r\n")


async def test_a_principal_may_hold_so_many_connections(wire: Make) -> None:
    made = await wire(limits=Limits(connections_per_principal=2))
    clients = [await made.client() for _ in range(3)]

    assert [200, 200, 429] == [(await client.ask(PING))[0] for client in clients]
    clients[0].close()
    assert await made.settled(lambda: made.server.connections < 3)
    assert 200 == (await (await made.client()).ask(PING))[0]


async def test_a_slow_head_is_refused_and_an_idle_connection_closed(wire: Make) -> None:
    made = await wire(limits=Limits(header_timeout_s=0.1, idle_s=0.1))
    slow, idle = await made.client(), await made.client()
    await slow.send(b"GET / HTTP")
    await idle.ask(PING)

    assert (await slow.rest()).startswith(b"HTTP/1.1 408 ")
    assert b"" == await idle.rest()


async def test_http_1_0_is_answered_and_closed_but_gets_no_streams(wire: Make) -> None:
    made = await wire()

    assert b"Connection: close" in await feed(made, [b"GET /_ping HTTP/1.0\r\n\r\n"])
    assert (await feed(made, [b"GET /stream HTTP/1.0\r\n\r\n"])).startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_leaves_a_whole_call_cancels_it(wire: Make) -> None:
    async def script(met: object) -> None:
        await asyncio.sleep(30)

    made = await wire(script)
    client = await made.client()
    await client.send(b"POST /wait HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await made.settled(lambda: bool(made.engine.seen))
    client.close()

    assert await made.settled(lambda: made.link.open_connections == 0)
    assert ["client.gone"] == [error.code for error in made.failures]  # type: ignore[attr-defined]


async def test_a_reader_that_stalls_holds_no_more_than_one_answer(wire: Make) -> None:
    """Pipelined calls wait while the answer before them waits for its reader."""
    answered = 0

    async def handler(exchange: Exchange, link: EngineLink) -> None:
        nonlocal answered
        answered += 1
        exchange.answer(200, (), b"x" * (1 << 20))

    made = await wire(handler=handler)
    client = await made.client()
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    client.writer.write(PING * 50)
    await asyncio.sleep(0.2)

    assert 1 == answered
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    assert [200] * 50 == [(await client.answer())[0] for _ in range(50)]


async def test_the_principal_is_proven_once_a_connection(wire: Make) -> None:
    seen = []

    async def handler(exchange: Exchange, link: EngineLink) -> None:
        seen.append(exchange.principal)
        exchange.answer(204)

    made = await wire(handler=handler)
    client = await made.client()
    await client.ask(PING + PING)
    await client.answer()

    assert [ALICE, ALICE] == seen
    assert NOBODY not in seen


async def test_a_peer_that_cannot_be_proven_is_told_so_and_heard_no_further(wire: Make) -> None:
    def identify(peer: Peer) -> Principal:
        raise OSError("proc is gone")

    made = await wire()
    made.server._identify = identify
    said = await feed(made, [PING + PING])

    assert said.startswith(b"HTTP/1.1 500 ")
    assert (1, [], b"") == (said.count(b"HTTP/1.1 "), made.heard, bytes(made.engine.seen))
