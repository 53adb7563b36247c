from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from dockwarden.engine.call import Request
from dockwarden.upstream.engine import EngineLink
from dockwarden.upstream.stream import Hijacked
from dockwarden.words.errors import Broken, Forbidden, Unavailable, Withheld
from fixtures.wire import STREAM_HEAD, FakeEngine, Hang, Met, Script, chunked, says_ok, whole

GET = Request("GET", "/a", (), b"")
POST = Request("POST", "/a", (("Content-Type", "application/json"),), b"{}")
Make = Callable[..., Awaitable[tuple[EngineLink, FakeEngine]]]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[tuple[EngineLink, FakeEngine]] = []

    async def put_up(script: Script = says_ok, pool: int = 64) -> tuple[EngineLink, FakeEngine]:
        engine = FakeEngine(tmp_path / "engine.sock", script)
        await engine.start()
        made.append((EngineLink(engine.address, pool=pool, timeout_s=1), engine))
        return made[-1]

    yield put_up
    for link, engine in made:
        link.close()
        assert engine.server is not None
        engine.server.close()


def says(*answers: bytes, ends: bool = False) -> Script:
    """Says each of `answers` in turn, the last again and again."""
    left = list(answers)

    async def script(met: Met) -> None:
        await met.say(left.pop(0) if len(left) > 1 else left[0])
        if ends:
            raise Hang

    return script


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (whole(b"abc"), 200, b"abc"),
        (whole(b""), 200, b""),
        (whole(b'{"message":"x"}', "404 Not Found"), 404, b'{"message":"x"}'),
        (STREAM_HEAD + chunked(b"ab", b"c"), 200, b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, b""),
    ],
)
async def test_a_whole_answer_is_read_and_its_connection_used_again(make: Make, said: bytes, status: int, body: bytes) -> None:
    link, engine = await make(says(said))
    answers = [await link.call(POST) for _ in range(3)]

    assert [(status, body)] * 3 == [(answer.status, answer.body) for answer in answers]
    assert 1 == engine.connections


async def test_an_answer_in_many_pieces_is_the_same_answer(make: Make) -> None:
    async def script(met: Met) -> None:
        for byte in STREAM_HEAD + chunked(b"ab", b"c"):
            await met.say(bytes([byte]))
            await asyncio.sleep(0)

    link, _ = await make(script)

    assert b"abc" == (await link.call(GET)).body


async def test_an_answer_that_ends_with_its_connection_is_whole(make: Make) -> None:
    link, engine = await make(says(b"HTTP/1.1 200 OK\r\n\r\nabc", ends=True))

    assert [b"abc", b"abc"] == [(await link.call(GET)).body for _ in range(2)]
    assert 2 == engine.connections


async def test_the_answer_to_a_head_has_no_body(make: Make) -> None:
    link, engine = await make(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"))

    assert [b"", b""] == [(await link.call(Request("HEAD", "/a", (), b""))).body for _ in range(2)]
    assert 1 == engine.connections


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"HTTP/1.1 301 Moved Permanently\r\nLocation: /containers/json\r\nContent-Length: 0\r\n\r\n", "engine.redirected"),
        (b"HTTP/1.1 307 x\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n", "engine.redirected"),
        (b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n", "engine.unexpected_upgrade"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "engine.unreadable_answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "engine.unreadable_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "engine.unreadable_answer"),
        (STREAM_HEAD + b"zz\r\n", "engine.unreadable_answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000, "engine.unreadable_answer"),
        (whole(b"x" * 1001), "engine.answer_too_large"),
        (STREAM_HEAD + chunked(b"x" * 600, b"x" * 600), "engine.answer_too_large"),
    ],
)
async def test_what_cannot_be_judged_is_withheld_and_its_connection_ended(make: Make, said: bytes, code: str) -> None:
    link, engine = await make(says(said))
    with pytest.raises(Withheld) as caught:
        await link.call(GET, 1000)

    assert (code, 0) == (caught.value.code, link.open_connections)
    await asyncio.wait_for(engine.ended.wait(), 3)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", "engine.answer_lost"),
        (b"HTTP/1.1 2", "engine.answer_lost"),
        (whole(b"abc")[:-1], "engine.answer_cut"),
        (STREAM_HEAD, "engine.answer_cut"),
    ],
)
async def test_a_lost_answer_says_that_the_call_was_sent(make: Make, said: bytes, code: str) -> None:
    link, engine = await make(says(said, ends=True))
    with pytest.raises(Unavailable) as caught:
        await link.call(GET)

    assert code == caught.value.code
    assert "was sent" in caught.value.message
    assert 1 == engine.connections


async def test_an_engine_that_is_not_there_was_never_sent_a_thing(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        await EngineLink(f"unix://{tmp_path}/none").call(POST)

    assert ("engine.unreachable", True) == (caught.value.code, "never sent" in caught.value.message)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PUT"])
async def test_only_a_read_is_sent_again_over_a_connection_that_had_ended(make: Make, method: str) -> None:
    """The Engine ends the kept connection as the next call comes: nobody knows whether it did the call."""
    async def script(met: Met) -> None:
        if engine.connections == 1 and b"/second" in met.head:
            raise Hang
        await met.say(b"HTTP/1.1 204 No Content\r\n\r\n")

    link, engine = await make(script)
    await link.call(Request(method, "/first", (), b""))
    second = link.call(Request(method, "/second", (), b""))
    if method in {"GET", "HEAD"}:
        assert 204 == (await second).status
        return
    with pytest.raises(Unavailable) as caught:
        await second
    assert "engine.answer_lost" == caught.value.code
    assert 1 == engine.seen.count(b"/second")


async def test_a_kept_connection_that_says_something_unasked_is_ended(make: Make) -> None:
    async def script(met: Met) -> None:
        await met.say(whole(b"a"))
        await asyncio.sleep(0.01)
        await met.say(whole(b"spoof"))

    link, engine = await make(script)
    await link.call(GET)
    await asyncio.sleep(0.05)

    assert 0 == link.open_connections
    assert b"a" == (await link.call(GET)).body
    assert 2 == engine.connections


async def test_bytes_behind_an_answer_end_its_connection(make: Make) -> None:
    link, engine = await make(says(whole(b"a") + whole(b"spoof")))

    assert [b"a", b"a"] == [(await link.call(GET)).body for _ in range(2)]
    assert 2 == engine.connections


async def test_no_more_idle_connections_are_kept_than_told(make: Make) -> None:
    link, engine = await make(pool=2)
    await asyncio.gather(*(link.call(GET) for _ in range(10)))
    await asyncio.sleep(0.01)

    assert (10, 2) == (engine.connections, link.open_connections)


async def test_a_cancelled_call_ends_its_connection_at_once(make: Make) -> None:
    async def script(met: Met) -> None:
        await met.reader.read()
        raise Hang

    link, engine = await make(script)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(link.call(GET), 0.05)

    await asyncio.wait_for(engine.ended.wait(), 3)
    assert 0 == link.open_connections


async def pieces(*given: bytes | Exception) -> AsyncIterator[bytes]:
    for piece in given:
        await asyncio.sleep(0)
        if isinstance(piece, Exception):
            raise piece
        yield piece


@pytest.mark.parametrize("length", [None, 5])
async def test_an_upload_is_sent_in_the_framing_asked_for(make: Make, length: int | None) -> None:
    async def script(met: Met) -> None:
        await met.say(whole(met.body))

    link, engine = await make(script)
    stream = await link.open(Request("PUT", "/a", (), b""), pieces(b"abc", b"", b"de"), length)

    assert b"abcde" == (await stream.whole(100)).body
    assert (b"Content-Length: 5\r\n" if length else b"Transfer-Encoding: chunked\r\n") in engine.seen


@pytest.mark.parametrize("length", [None, 5])
@pytest.mark.parametrize("error", [Forbidden("upload.device", "no"), ValueError("x")])
async def test_an_upload_that_fails_is_never_whole_and_its_error_is_raised(make: Make, error: Exception, length: int | None) -> None:
    link, engine = await make()
    with pytest.raises(type(error)):
        await link.open(Request("PUT", "/a", (), b""), pieces(b"abc", error), length)

    await asyncio.wait_for(engine.ended.wait(), 3)
    assert not engine.seen.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("sent", [b"abcd", b"abcdef"])
async def test_an_upload_of_another_length_than_announced_is_cut(make: Make, sent: bytes) -> None:
    link, _ = await make()
    with pytest.raises(Broken, match="announced"):
        await link.open(Request("PUT", "/a", (), b""), pieces(sent), 5)


async def test_an_upload_that_fails_after_the_answer_began_is_raised_to_its_reader(make: Make) -> None:
    go = asyncio.Event()

    async def upload() -> AsyncIterator[bytes]:
        yield b"abc"
        await go.wait()
        raise Forbidden("upload.device", "no")

    async def script(met: Met) -> None:
        await met.say(STREAM_HEAD + chunked(b"one", ends=False))
        await met.reader.read()
        raise Hang

    link, engine = await make(script)
    engine.reads_uploads = False
    stream = await link.open(Request("POST", "/a", (), b""), upload())
    got = stream.chunks()
    assert b"one" == await anext(got)
    go.set()
    with pytest.raises(Forbidden):
        await anext(got)


async def test_chunks_wait_for_their_reader(make: Make) -> None:
    said = 0

    async def script(met: Met) -> None:
        nonlocal said
        await met.say(STREAM_HEAD)
        for _ in range(400):
            await met.say(chunked(b"x" * 65536, ends=False))
            said += 65536
        await met.say(b"0\r\n\r\n")

    link, _ = await make(script)
    stream = await link.open(GET)
    got = stream.chunks()
    size = len(await anext(got))
    await asyncio.sleep(0.1)
    assert said < 4 << 20
    async for piece in got:
        size += len(piece)

    assert 400 * 65536 == size


async def test_a_reader_that_leaves_tells_the_engine(make: Make) -> None:
    async def script(met: Met) -> None:
        await met.say(STREAM_HEAD + chunked(b"one", ends=False))
        await met.reader.read()
        raise Hang

    link, engine = await make(script)
    got = (await link.open(GET)).chunks()
    assert b"one" == await anext(got)
    await got.aclose()  # type: ignore[attr-defined]

    await asyncio.wait_for(engine.ended.wait(), 3)


async def test_a_stream_that_is_cut_never_ends_well(make: Make) -> None:
    link, _ = await make(says(STREAM_HEAD + chunked(b"one", ends=False), ends=True))
    stream = await link.open(GET)
    with pytest.raises(Unavailable) as caught:
        await stream.whole(100)

    assert "engine.answer_cut" == caught.value.code


@pytest.mark.parametrize(("protocol", "asked"), [("tcp", b"Connection: Upgrade\r\nUpgrade: tcp\r\n"), ("", b"")])
async def test_a_hijack_asks_for_what_the_caller_asked_for(make: Make, protocol: str, asked: bytes) -> None:
    link, engine = await make(says(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n" if protocol else b"HTTP/1.1 200 OK\r\n\r\n"))
    hijacked = await link.upgrade(POST, protocol)

    assert isinstance(hijacked, Hijacked)
    assert asked in engine.seen
    assert (b"Upgrade" in engine.seen) is bool(protocol)
    hijacked.close()
    await asyncio.wait_for(engine.ended.wait(), 3)


@pytest.mark.parametrize("is_hijack", [False, True])
async def test_a_body_that_nobody_takes_keeps_no_connection(make: Make, is_hijack: bool) -> None:
    """A handler that fails between an answer's head and its body leaves nothing behind."""
    link, engine = await make(says(b"HTTP/1.1 200 OK\r\n\r\nabc" if is_hijack else STREAM_HEAD + chunked(b"abc", ends=False)))
    answer = await (link.upgrade(POST, "") if is_hijack else link.open(GET))
    assert 1 == link.open_connections
    del answer

    await asyncio.wait_for(engine.ended.wait(), 3)
    assert 0 == link.open_connections
