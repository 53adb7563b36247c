"""A session is told by WebSocket from its first byte to its last, gapless, to whoever may watch it and keeps up with the protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from dockwarden.doors.tapes import websocket
from dockwarden.tape import watch
from dockwarden.tape.frames import Kind
from dockwarden.words.errors import Malformed
from doors.tapes.conftest import Door, Got, policies, read_answer

KEY = base64.b64encode(bytes(16)).decode()
HANDSHAKE = ("Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")


@dataclass
class Client:
    """The other end of a WebSocket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: Connection = field(default_factory=lambda: Connection(ConnectionType.CLIENT))
    texts: list[str] = field(default_factory=list)
    rest: str = ""
    pings: int = 0
    pongs: int = 0
    code: int | None = None

    def say(self, event: Event) -> None:
        self.writer.write(self.frames.send(event))

    async def hear(self, until: Callable[[], bool] = lambda: False) -> list[Any]:
        """Every message so far, once `until` holds or the other side has closed."""
        async with asyncio.timeout(20):
            while not until() and self.code is None and (data := await self.reader.read(1 << 16)):
                self.frames.receive_data(data)
                for event in self.frames.events():
                    self._take(event)
        return [json.loads(text) for text in self.texts]

    def _take(self, event: Event) -> None:
        match event:
            case TextMessage():
                self.rest += event.data
                if event.message_finished:
                    self.texts.append(self.rest)
                    self.rest = ""
            case Ping():
                self.pings += 1
                self.say(event.response())
            case Pong():
                self.pongs += 1
            case CloseConnection():
                self.code = event.code

    def shown(self) -> str:
        return "".join(event[2] for event in map(json.loads, self.texts[1:]) if event[1] == "o")


async def opened(door: Door, id: str, *headers: str, who: str = "audra") -> tuple[Got, Client]:
    reader, writer = await door.connect(who)
    writer.write("\r\n".join((f"GET /sessions/{id}/live HTTP/1.1", "Host: d", *HANDSHAKE, *headers)).encode() + b"\r\n\r\n")
    return await read_answer(reader), Client(reader, writer)


@asynccontextmanager
async def watching(door: Door, id: str, protocols: str = "v1.alis, v2.asciicast, v3.asciicast, raw") -> AsyncIterator[Client]:
    got, client = await opened(door, id, f"Sec-WebSocket-Protocol: {protocols}")
    assert (101, "websocket", "icx+yqv66kxgm0fcwalwlflwtai=") == (got.status, got.headers["upgrade"], got.headers["sec-websocket-accept"])
    yield client
    client.writer.close()


async def test_history_and_what_comes_are_one_cast(door: Door) -> None:
    session = await door.begin()
    session.tape.add(Kind.OUTPUT, b"before ")
    await session.tape.settle()
    async with watching(door, session.id) as client:
        await client.hear(lambda: "before" in client.shown())
        for number in range(50):
            session.tape.add(Kind.OUTPUT, f"{number} ".encode())
            await (session.tape.settle() if number % 3 else asyncio.sleep(0))
        session.tape.add(Kind.EXIT, b"3")
        await door.over(session)
        said = await client.hear()
    told = await door.ask(f"/sessions/{session.id}/cast")

    assert [json.loads(line) for line in told.body.splitlines()] == said
    assert "before " + "".join(f"{number} " for number in range(50)) == client.shown()
    assert (1000, [[3, {"cols": 80, "rows": 24, "type": "xterm-256color"}], ["m", "watched by audra"], ["x", "3"]]) == (
        client.code, [[said[0]["version"], said[0]["term"]], *[event[1:] for event in said[1:] if event[1] in "mx" and event[2] != "recording"]],
    )  # fmt: skip
    assert [("intent", "session.watch", 0), ("outcome", "session.watch", 101)] == (await door.said(session.id))[:2]


async def test_version_2_is_told_to_who_knows_no_other(door: Door) -> None:
    session = await door.begin()
    async with watching(door, session.id, "v2.asciicast") as client:
        await client.hear(lambda: len(client.texts) > 1)
    await door.over(session)

    assert 2 == json.loads(client.texts[0])["version"]


async def test_many_watch_one_session_and_see_the_same(door: Door) -> None:
    session = await door.begin()
    found = []

    async def look() -> None:
        async with watching(door, session.id) as client:
            await client.hear()
            found.append(client.shown())

    lookers = [asyncio.create_task(look()) for _ in range(5)]
    for number in range(30):
        session.tape.add(Kind.OUTPUT, f"{number},".encode())
        await session.tape.settle()
    while len(session.tape.listeners) < 5:
        await asyncio.sleep(0.01)
    await door.over(session)
    await asyncio.gather(*lookers)

    assert ["".join(f"{number}," for number in range(30))] * 5 == found
    assert 1 == len(session.tape.listeners)  # what counts it


@pytest.mark.parametrize(("who", "status"), [("alice", 403), ("bob", 404), ("olga", 101)])
async def test_who_may_watch(door: Door, who: str, status: int) -> None:
    session = await door.begin()
    got, client = await opened(door, session.id, who=who)
    client.writer.close()
    await door.over(session)

    assert status == got.status


async def test_what_is_over_is_played_and_not_watched(door: Door) -> None:
    id = await door.record((Kind.OUTPUT, b"x"))
    got, _ = await opened(door, id, who="olga")

    assert (400, "session.over") == (got.status, json.loads(got.body)["code"])


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        ({}, "wss://"),
        ({"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": "8"}, "version 13"),
        ({"upgrade": "h2c", "connection": "upgrade", "sec-websocket-version": "13"}, "wss://"),
        ({"upgrade": "websocket", "connection": "close", "sec-websocket-version": "13"}, "wss://"),
        ({"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": "c2hvcnQ="}, "key"),
        ({"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": "?" * 24}, "key"),
        ({"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": "é" * 24}, "key"),
        ({"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": KEY, "sec-websocket-protocol": "raw"}, "offer one"),
    ],
)
def test_what_is_no_handshake_is_refused(headers: dict[str, str], what: str) -> None:
    with pytest.raises(Malformed, match=what):
        websocket.read_handshake(headers, ["v3.asciicast"])


async def test_a_page_of_another_origin_is_refused_before_anything_is_told(door: Door) -> None:
    session = await door.begin()
    got, _ = await opened(door, session.id, "Origin: https://evil.example")
    await door.over(session)

    assert (403, "tapes.cross_site") == (got.status, json.loads(got.body)["code"])


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (CloseConnection(code=1001), 1001), (CloseConnection(code=4000, reason="enough"), 4000), (TextMessage(data="rm -rf /"), 1003), (BytesMessage(data=b"\0" * 99), 1003),
        (None, 1002),
    ],
)  # fmt: skip
async def test_a_client_that_closes_or_talks_is_answered_so(door: Door, event: Event | None, code: int) -> None:
    session = await door.begin()
    async with watching(door, session.id) as client:
        await client.hear(lambda: len(client.texts) > 1)
        if event is None:
            client.writer.write(b"\xff" * 8)  # no frame of RFC 6455
        else:
            client.say(event)
        await client.hear()
        assert code == client.code
        assert b"" == await client.reader.read()
    await door.over(session)

    assert 1 == len(session.tape.listeners)  # what counts it


async def test_what_a_client_sends_with_its_handshake_is_heard(door: Door) -> None:
    session = await door.begin()
    reader, writer = await door.connect("audra")
    early = Connection(ConnectionType.CLIENT).send(Ping(payload=b"early"))
    writer.write("\r\n".join((f"GET /sessions/{session.id}/live HTTP/1.1", "Host: d", *HANDSHAKE)).encode() + b"\r\n\r\n" + early)
    assert 101 == (await read_answer(reader)).status
    client = Client(reader, writer)
    heard: list[Event] = []
    client._take = heard.append  # type: ignore[method-assign]  # the frames themselves are looked at
    await client.hear(lambda: any(isinstance(event, Pong) for event in heard))
    writer.close()
    await door.over(session)

    assert b"early" in [bytes(event.payload) for event in heard if isinstance(event, Pong)]


async def test_who_does_not_answer_is_cut(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "ASKED_EVERY_S", 0.1)
    session = await door.begin()
    _, silent = await opened(door, session.id)
    async with watching(door, session.id) as client:
        async with asyncio.timeout(10):
            while await silent.reader.read(1 << 16):
                pass
        await client.hear(lambda: client.pings > 3)
        assert client.code is None
    await door.over(session)


async def test_who_may_no_longer_watch_is_told_no_more(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "ASKED_EVERY_S", 0.1)
    session = await door.begin()
    async with watching(door, session.id) as client:
        await client.hear(lambda: client.pings > 1)
        door.rules.policies = policies('@id("no-more") forbid (principal, action == Action::"session.watch", resource);')
        await client.hear()
    await door.over(session)

    assert 1008 == client.code


async def test_a_watcher_that_takes_nothing_holds_nobody_up_and_sees_all_when_it_does(door: Door) -> None:
    session = await door.begin()
    text = os.urandom(1 << 15).hex().encode()
    async with watching(door, session.id) as client:
        for _ in range(200):
            session.tape.add(Kind.OUTPUT, text)
            await session.tape.settle()
        await door.over(session)
        await client.hear()

    assert (1000, 200 * len(text)) == (client.code, len(client.shown()))


async def test_what_is_said_in_between_never_lands_within_a_message(door: Door) -> None:
    """The client asks while it has taken a part of a message: the answer comes after it."""
    session = await door.begin()
    text = os.urandom(1 << 19).hex().encode()
    async with watching(door, session.id) as client:
        for number in range(4):
            session.tape.add(Kind.OUTPUT, text)
            await session.tape.settle()
            await asyncio.sleep(0.1)
            client.say(Ping(payload=b"%d" % number))
            await client.hear(lambda: client.pongs > number)  # noqa: B023  it is asked within this round
        await door.over(session)
        await client.hear()

    assert (1000, 4 * len(text)) == (client.code, len(client.shown()))


async def test_who_takes_nothing_for_long_is_cut(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "STALLED_S", 0.2)
    session = await door.begin()
    async with watching(door, session.id):
        for _ in range(100):
            session.tape.add(Kind.OUTPUT, bytes(1 << 18))
            await session.tape.settle()
        async with asyncio.timeout(20):
            while ("outcome", "session.watch", 101) not in await door.said(session.id):
                await asyncio.sleep(0.05)
    await door.over(session)

    assert 1 == len(session.tape.listeners)  # what counts it


async def test_a_door_that_closes_says_so(door: Door) -> None:
    session = await door.begin()
    async with watching(door, session.id) as client:
        await client.hear(lambda: len(client.texts) > 1)
        draining = asyncio.create_task(door.servers[0].drain(5))
        await client.hear()
        client.say(CloseConnection(code=1001))
        await draining
    await door.over(session)

    assert 1001 == client.code


async def test_a_tape_that_breaks_ends_what_is_told(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_S", 0.1)
    session = await door.begin()
    async with watching(door, session.id) as client:
        session.tape.add(Kind.OUTPUT, b"shown")
        await client.hear(lambda: "shown" in client.shown())
        door.studio.recorder._writer.fail(session.tape, "the disk is on fire")
        await door.over(session)
        said = await client.hear()

    assert (1000, ["m", "something is missing here"]) == (client.code, said[-1][1:])


async def test_who_is_taken_out_is_told_no_more_at_once(door: Door) -> None:
    session = await door.begin()
    async with watching(door, session.id) as client:
        await client.hear(lambda: client.pings > 0)
        door.sessions.no_longer = lambda ask: f"{ask.principal.name} is gone"
        assert [("audra", "session.watch", session.id, "audra is gone")] == [
            (ask.principal.name, ask.action, ask.resource.id, why) for ask, why in door.sessions.heed_people()
        ]  # fmt: skip
        await client.hear()
    async with asyncio.timeout(10):
        while door.sessions.readers:
            await asyncio.sleep(0.01)
    await door.over(session)

    assert 1008 == client.code
