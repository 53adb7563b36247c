"""Who hangs up while something of theirs begins ends nothing but that."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest

from dockwarden.doors.ssh.crowd import messages as say
from dockwarden.doors.ssh.crowd.carrier import FarDesk, FarErrand, FarVisit, House
from dockwarden.doors.ssh.crowd.messages import Pieces
from dockwarden.doors.ssh.house import Beginning
from dockwarden.doors.ssh.names import Wanted
from dockwarden.words.errors import Forbidden, Refused

DEEDS: dict[str, Callable[[FarVisit, FarErrand], Awaitable[object]]] = {
    "keys": lambda visit, _: visit.keys(Wanted("alice")),
    "enter": lambda visit, _: visit.enter(),
    "code": lambda visit, _: visit.code("123456"),
    "still": lambda visit, _: visit.still(),
    "host_at": lambda visit, _: visit.host_at("web", 22),
    "places": lambda visit, _: visit.places(),
    "docker": lambda visit, _: visit.docker(),
    "place": lambda _, errand: errand.place(),
    "credential": lambda _, errand: errand.credential(),
    "open": lambda _, errand: errand.open(Beginning("true", reaches_engine=False), cast(Any, None)),
}


async def said_after(work: Callable[[FarVisit, FarErrand], Awaitable[object]]) -> list[Any]:
    """What the house hears of a client once it has left, if that is done then."""
    ours, theirs = socket.socketpair()
    house = House(ours)
    visit = FarDesk(house).visit("10.0.0.9", lambda _why: None)
    errand = visit.errand("ssh.exec")
    visit.leave()
    try:
        async with asyncio.timeout(0.2):
            await work(visit, errand)
    except Refused as error:
        assert "ssh.gone" == error.code  # noqa: PT017  some answer, others refuse
    await asyncio.sleep(0)
    theirs.setblocking(False)
    heard = [msgspec.msgpack.decode(body, type=say.FromCarrier) for body in Pieces().feed(theirs.recv(1 << 16))]
    house._wire.close()
    theirs.close()
    assert isinstance(heard[0], say.Leave)
    return heard[1:]


@pytest.mark.parametrize("deed", DEEDS)
async def test_nothing_is_asked_about_who_has_left(deed: str) -> None:
    """The house knows them no more, and would end the carrier, with everybody's sessions."""
    assert [] == await said_after(DEEDS[deed])


async def test_nothing_is_told_of_who_has_left_or_of_what_is_over() -> None:
    async def work(visit: FarVisit, errand: FarErrand) -> None:
        visit.not_open("x")
        errand.refused(Forbidden("policy.forbidden", "no"))
        errand._is_opened = True
        errand.over(0, 0, "")
        errand.refused(Forbidden("policy.forbidden", "no"))

    assert ["Over"] == [type(one).__name__ for one in await said_after(work)]
