"""A tapes door at a unix socket in front of a real recorder and ledger; people are told apart by the socket they come by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dockwarden.doors.control.sessions import SessionVerbs
from dockwarden.doors.docker.server import Server
from dockwarden.doors.operate.metrics import Metrics
from dockwarden.doors.tapes.door import TapesDoor
from dockwarden.ledger.segments import entries
from dockwarden.policy.load import PolicySet, load
from dockwarden.tape.frames import Kind
from dockwarden.tape.intake import Intake
from dockwarden.tape.locks import Locks
from dockwarden.tape.sessions import Session, Sessions
from dockwarden.tape.terms import Patience, Terms
from dockwarden.tape.vigil import Vigil, Whose
from dockwarden.words.principal import Principal
from tape.conftest import Studio
from tape.conftest import studio as studio  # the fixture below stands on it

STARTERS = Path(__file__).resolve().parents[3] / "src" / "dockwarden" / "policy" / "starter"
WHO = {
    "audra": Principal("audra", frozenset({"auditors"}), None, "peer"), "alice": Principal("alice", frozenset({"developers"}), None, "peer"),
    "bob": Principal("bob", frozenset({"developers"}), None, "peer"), "olga": Principal("olga", frozenset({"operators"}), None, "peer"),
}  # fmt: skip


@dataclass(frozen=True)
class Got:
    """An answer. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Door:
    """A door that is open, and what is behind it."""

    studio: Studio
    sessions: Sessions
    rules: SimpleNamespace
    sockets: dict[str, Path]
    servers: list[Server]

    async def begin(self) -> Session:
        tape = await self.studio.begin()
        intake = Intake(tape, is_terminal=True)
        vigil = Vigil(Whose("alice", frozenset({"web"})), Terms(), Patience(), Quiet(), tape.id, lambda words: intake.say(Kind.MARK, words))
        session = Session(tape, intake, frozenset(), self._end, vigil)
        self.sessions.add(session)
        self.sessions.attend(vigil)
        return session

    async def record(self, *frames: tuple[Kind, bytes]) -> str:
        """The id of a session of alice's that is over, with these frames."""
        session = await self.begin()
        for kind, data in frames:
            session.tape.add(kind, data)
            if session.tape.is_full:
                await session.tape.settle()
        return await self.over(session)

    async def over(self, session: Session) -> str:
        await session.tape.end()
        self.sessions.leave(session.vigil)
        return session.id

    async def connect(self, who: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.sockets[who], limit=1 << 16)

    async def ask(self, target: str, *headers: str, who: str = "audra", method: str = "GET") -> Got:
        reader, writer = await self.connect(who)
        lines = [f"{method} {target} HTTP/1.1", *(() if any(line.startswith("Host:") for line in headers) else ("Host: d",)), "Connection: close", *headers]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        got = await read_answer(reader, method)
        writer.close()
        return got

    async def said(self, id: str) -> list[tuple[str, str, int]]:
        """What the ledger has of deeds about a session: kind, action, status."""
        await self.studio.ledger.settle(self.studio.ledger.last_seq)
        return [(entry.kind, entry.action, entry.status) for entry in entries(self.studio.folder / "ledger", 0) if entry.resource == f"Session:{id}"]

    async def _end(self, why: str) -> None:
        raise AssertionError(why)


async def read_answer(reader: asyncio.StreamReader, method: str = "GET") -> Got:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) if not line.lower().startswith("etag") else ("etag", line[6:]) for line in head[1:-2])
    body = b""
    status = int(head[0].split(" ")[1])
    if method == "HEAD" or status in {101, 304}:
        pass
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    else:
        while size := int((await reader.readline()).strip(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
    return Got(status, headers, body)


class Here:
    """Every tape is on this disk."""

    async def bring(self, _id: str) -> None:
        """It is here."""


class Quiet:
    """A session's stream that nothing is asked of."""

    is_terminal = False

    def tell(self, words: str) -> None:
        raise AssertionError(words)

    def hold(self) -> None:
        raise AssertionError

    def go_on(self) -> None:
        raise AssertionError

    async def end(self, why: str) -> None:
        raise AssertionError(why)


class Keys:
    """The tapes' key, which the vault would have."""

    def __init__(self, identity: str) -> None:
        self._identity = identity

    async def identity(self, _keeper: Any) -> str:
        return self._identity


def policies(more: str = "") -> PolicySet:
    """The starters' word on sessions, and `more`."""
    return load({"sessions.cedar": (STARTERS / "sessions.cedar").read_text(), "more.cedar": more})


@pytest.fixture
async def door(studio: Studio) -> AsyncIterator[Door]:
    rules = SimpleNamespace(policies=policies())
    sessions = Sessions(Locks(studio.folder / "door-locks.db"))
    rulebook: Any = SimpleNamespace(rules=rules)
    keys: Any = Keys(studio.identity)
    custody: Any = Here()
    keeper: Any = None
    verbs = SessionVerbs(studio.recorder, sessions, keys, keeper, rulebook, custody)
    metrics, servers, sockets = Metrics(), list[Server](), dict[str, Path]()
    for name, principal in WHO.items():
        socket = sockets[name] = studio.folder / f"{name}.sock"
        server = Server(TapesDoor(f"unix://{socket}", None, verbs, studio.ledger, metrics).handle, lambda _peer, who=principal: who)
        await server.listen(f"unix://{socket}")
        servers.append(server)
    yield Door(studio, sessions, rules, sockets, servers)
    for server in servers:
        await server.drain(1, 0)
    sessions.locks.close()
