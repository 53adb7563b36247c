"""What a carrier may say, and when: everything else ends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from dockwarden.doors.ssh.crowd import messages as say
from dockwarden.doors.ssh.crowd.messages import packed
from dockwarden.doors.ssh.crowd.reception import Reception
from dockwarden.doors.ssh.house import Beginning
from dockwarden.doors.ssh.names import Wanted
from dockwarden.tape.frames import Kind
from dockwarden.words.errors import Forbidden
from dockwarden.words.principal import NOBODY, Principal


@dataclass
class Visitor:
    """A client whom the desk knows once it has entered, and who may do nothing."""

    principal: Principal = NOBODY

    async def keys(self, wanted: Wanted | None) -> tuple[str, ...]:
        del wanted
        return ("a key",)

    async def enter(self) -> bool:
        self.principal = Principal("alice")
        return True

    def errand(self, action: str, forward: tuple[str, int]) -> Visitor:
        del action, forward
        return self

    async def place(self) -> None:
        raise Forbidden("policy.forbidden", "no")

    def refused(self, error: Forbidden) -> None:
        assert error.code in {"policy.forbidden", "ssh.gone"}

    def leave(self) -> None:
        pass


@dataclass
class Carrier:
    """The other end, that says what it likes."""

    sock: socket.socket
    reception: Reception
    ended: list[str] = field(default_factory=list)

    async def says(self, *messages: say.Message) -> list[str]:
        """Why it is ended, once the house has heard all."""
        for message in messages:
            if self.ended:
                break
            self.sock.send(packed(message))
            for _ in range(20):
                await asyncio.sleep(0)
        return self.ended


def carrier() -> Carrier:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    desk: Any = type("Desk", (), {"visit": lambda *_more: Visitor()})()
    made = Carrier(theirs, cast(Any, None))
    made.reception = Reception(desk, ours, made.ended.append, lambda: None)
    return made


@pytest.fixture
async def one() -> AsyncIterator[Carrier]:
    made = carrier()
    yield made
    await made.reception.lost()
    made.sock.close()


IN = (say.Keys(1, 7, "10.0.0.9", Wanted("alice")), say.Enter(2, 7))


async def test_what_is_refused_is_refused_and_over(one: Carrier) -> None:
    assert [] == await one.says(*IN)
    assert [] == await one.says(say.Run(3, 7, 9, "ssh.exec", ("", 0)))
    assert [] == await one.says(say.NotDone(9, "Forbidden", "policy.forbidden", "no"), say.Leave(7), say.Ready())
    assert one.reception.is_ready


@pytest.mark.parametrize("message", [
    say.Enter(3, 8), say.Docker(3, 8), say.NotOpen(8, "x"), say.Run(3, 8, 9, "ssh.exec", ("", 0)), say.Run(3, 7, 9, "container.create", ("", 0)),
    say.Credential(3, 9), say.Open(3, 9, Beginning("", reaches_engine=False)), say.Wait(3, 9), say.Moved(9), say.CloseWatch(9, ""),
    say.TapeFrame(9, 1, Kind.OUTPUT, b"x"), say.Settle(3, 9), say.EndTape(3, 9, ""), say.NotDone(9, "Forbidden", "a", "b"), say.Over(9, 0, 0, ""),
    say.Stop(), say.Tell(9, "x"),
], ids=lambda one: type(one).__name__)  # fmt: skip
async def test_what_is_not_its_own_or_cannot_be_ends_it(one: Carrier, message: say.Message) -> None:
    assert 1 == len(await one.says(*IN, message))


async def test_who_has_not_come_in_asks_for_nothing(one: Carrier) -> None:
    assert 1 == len(await one.says(IN[0], say.Run(3, 7, 9, "ssh.exec", ("", 0))))


@pytest.mark.parametrize("message", [say.Settle(3, 9), say.TapeFrame(9, 1, Kind.OUTPUT, b"x"), say.Wait(3, 9), say.CloseWatch(9, "")])
async def test_an_errand_that_is_not_open_is_not_recorded(one: Carrier, message: say.Message) -> None:
    assert [] == await one.says(*IN, say.Run(3, 7, 9, "ssh.exec", ("", 0)))
    assert 1 == len(await one.says(message))


async def test_the_errand_of_another_carrier_s_is_none(one: Carrier) -> None:
    other = carrier()
    assert [] == await one.says(*IN, say.Run(3, 7, 9, "ssh.exec", ("", 0)))
    assert 1 == len(await other.says(*IN, say.Over(9, 0, 0, "")))
    await other.reception.lost()
    other.sock.close()
