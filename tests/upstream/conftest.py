from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from dockwarden.doors.docker.server import Limits
from fixtures.wire import Handler, Script, Wire, make_wire, passes, says_ok


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


Make = Callable[..., Awaitable[Wire]]


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes a `Wire`, and takes it down again."""
    made: list[Wire] = []

    async def make(script: Script = says_ok, handler: Handler = passes, limits: Limits | None = None) -> Wire:
        made.append(await make_wire(tmp_path, script, handler, limits))
        return made[-1]

    yield make
    for one in made:
        await one.server.drain(0)
        one.link.close()
        assert one.engine.server is not None
        one.engine.server.close()
