"""A door that judges nothing: what the wire alone costs, and a way to try it with real clients. Never for use.

    python bench/bare_door.py unix:///run/docker.sock unix:///tmp/door.sock
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys

import uvloop

from dockwarden.doors.docker.exchange import Exchange
from dockwarden.doors.docker.server import Limits, Server
from dockwarden.engine.call import Request
from dockwarden.upstream.engine import EngineLink
from dockwarden.upstream.stream import Hijacked
from dockwarden.words.principal import Principal

HIJACKED = re.compile(r"(/v[\d.]+)?/(containers/[^/]+/attach(/ws)?|exec/[^/]+/start)(\?.*)?")
UPLOADED = re.compile(r"(/v[\d.]+)?/(containers/[^/]+/archive|build|images/load|images/create|up)(\?.*)?")
STREAMED = re.compile(r"(/v[\d.]+)?/(.*/(logs|export|get|archive|stats|wait|push)|images/get|events|down)(\?.*)?")
PASSED = frozenset({b"content-type", b"x-registry-auth", b"origin"})


class BareDoor:
    """Passes every call on."""

    def __init__(self, link: EngineLink) -> None:
        self._link = link

    async def handle(self, exchange: Exchange) -> None:
        head = exchange.head
        target = head.target.decode()
        if head.method == "GET" and not HIJACKED.fullmatch(target) and not STREAMED.fullmatch(target):
            exchange.answer_with(await self._link.call(Request("GET", target, (), b"")))
            return
        headers = tuple(
            (name.decode(), value.decode("latin-1")) for name, value in head.headers if name in PASSED or name.startswith(b"sec-websocket")
        )
        if HIJACKED.fullmatch(target):
            await self._hijack(exchange, target, headers)
        elif head.method in {"PUT", "POST"} and UPLOADED.fullmatch(target):
            length = head.framing.length if head.framing.bound.value == "length" else None
            await exchange.relay(await self._link.open(Request(head.method, target, headers, b""), exchange.chunks(), length))
        elif STREAMED.fullmatch(target):
            await exchange.relay(await self._link.open(Request(head.method, target, headers, await exchange.body(1 << 20))))
        else:
            exchange.answer_with(await self._link.call(Request(head.method, target, headers, await exchange.body(1 << 20))))

    async def _hijack(self, exchange: Exchange, target: str, headers: tuple[tuple[str, str], ...]) -> None:
        head = exchange.head
        protocol = next((value.decode() for name, value in head.headers if name == b"upgrade"), "")
        answer = await self._link.upgrade(Request(head.method, target, headers, await exchange.body(1 << 20)), protocol)
        if isinstance(answer, Hijacked):
            await exchange.hijack(answer)
        else:
            exchange.answer_with(answer)


async def serve(engine: str, address: str) -> None:
    """Serve until SIGTERM."""
    anyone = Principal("anyone")
    server = Server(BareDoor(EngineLink(engine)).handle, lambda _: anyone, Limits(connections_per_principal=10_000))
    await server.listen(address)
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    print("ready", flush=True)
    await done.wait()
    await server.drain(0)


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:3]))
