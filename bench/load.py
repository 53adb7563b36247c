"""A bounded load: N connections, each with one call at a time, for a number of seconds. Prints one line of JSON.

    python bench/load.py unix:///PATH '/_ping' 16 3.0
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array

import uvloop


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, request: bytes, until: float, spent: array[float], done: asyncio.Future[None]) -> None:
        self._request, self._until, self._spent, self._done = request, until, spent, done
        self._data = b""
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._begun = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        data = self._data + data if self._data else data
        if not is_whole(data):
            self._data = data
            return
        self._data = b""
        now = time.perf_counter()
        if not data.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201", b"HTTP/1.1 204")):
            self._done.set_exception(SystemExit(f"not answered as hoped: {data[:200]!r}"))
            return
        self._spent.append(now - self._begun)
        if now < self._until:
            self._ask()
        elif not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the loop's signature
        if not self._done.done():
            self._done.set_exception(SystemExit("the connection was lost"))


def is_whole(data: bytes) -> bool:
    """Whether an answer is complete."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return False
    head = data[:end].lower()
    at = head.find(b"content-length: ")
    if at >= 0:
        return len(data) >= end + int(head[at + 16 : head.index(b"\r", at)])
    return data.endswith(b"0\r\n\r\n") if b"transfer-encoding: chunked" in head else True


async def load(address: str, target: str, connections: int, seconds: float) -> dict[str, float]:
    """Return calls/s and the times in microseconds."""
    loop = asyncio.get_running_loop()
    spent: array[float] = array("d")
    begun = time.perf_counter()
    until = begun + seconds
    request = f"GET {target} HTTP/1.1\r\nHost: docker\r\nUser-Agent: bench\r\n\r\n".encode()
    dones = [loop.create_future() for _ in range(connections)]
    for done in dones:
        await loop.create_unix_connection(lambda done=done: Client(request, until, spent, done), address.removeprefix("unix://"))
    await asyncio.gather(*dones)
    took = time.perf_counter() - begun
    times = sorted(spent)
    return {
        "calls_s": round(len(times) / took, 1),
        "p50_us": round(times[len(times) // 2] * 1e6, 1),
        "p99_us": round(times[len(times) * 99 // 100] * 1e6, 1),
    }


if __name__ == "__main__":
    address, target, connections, seconds = sys.argv[1:5]
    print(json.dumps(uvloop.run(load(address, target, int(connections), float(seconds)))))
