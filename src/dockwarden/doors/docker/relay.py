"""Bytes passed on: an answer to a client, or a hijacked stream both ways. Nothing is read from one side that the other cannot take."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from dockwarden.upstream.connection import EngineConnection
from dockwarden.upstream.stream import StreamAnswer

if TYPE_CHECKING:
    from dockwarden.doors.docker.connection import ClientConnection


class Direction(StrEnum):
    """Which way a piece of a hijacked stream goes."""

    IN = "in"
    OUT = "out"


Tap = Callable[[Direction, memoryview], Awaitable[None] | None]
"""Sees a piece before it is passed on. The view is good during the call only. If it returns an awaitable, that is awaited (and
that direction rests) before the piece goes on: so a recording can be written ahead."""


MOST_HELD = 64 << 10
"""What a client may send into a tunnel that is held before it is read no more: it is read so far, so that its going away is noticed."""


class Side(Protocol):
    """One end of a tunnel."""

    on_room: Callable[[bool], None] | None
    is_full: bool

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read on."""

    def send(self, data: bytes | bytearray | memoryview) -> bool:
        """Send; True if some of it waits in memory."""

    def end_sending(self) -> None:
        """Half-close."""


class Relay:
    """The Engine's answer, passed to one client as it comes."""

    wants_payload = False

    def __init__(self, client: ClientConnection, stream: StreamAnswer) -> None:
        self._client, self._stream = client, stream
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.size = 0

    @property
    def is_full(self) -> bool:
        """Whether the client takes no more for now."""
        return self._client.is_full

    async def run(self) -> None:
        """Return at the answer's end. Raises what it was cut with."""
        self._client.on_room = self._room
        try:
            self._stream.flow_to(self)
            if self._client.is_gone:
                self.client_gone()
            await self._done
        except BaseException:
            self._stream.close()
            self._client.cut()
            raise
        finally:
            self._client.on_room = None

    def feed(self, data: memoryview) -> bool:
        """Pass on."""
        self.size += len(data)
        return self._client.send(data)

    def finish(self) -> None:
        """The answer is complete."""
        if not self._done.done():
            self._done.set_result(None)

    def cut(self, error: Exception) -> None:
        """The answer ends here, incomplete."""
        if not self._done.done():
            self._done.set_exception(error)

    def client_gone(self) -> None:
        """The client hung up, or has sent all it will: the Engine is told the same, as it would have seen it itself."""
        if self._client.is_lost:
            self.cut(self._client.lost())
        elif not self._done.done():
            self._stream.connection.end_sending()

    def _room(self, has_room: bool) -> None:
        if self._done.done():  # INVARIANT: the connection may carry another call by now
            return
        if has_room:
            self._stream.connection.resume()
        else:
            self._stream.connection.pause()


class OneWay:
    """One direction of a tunnel: a sink for `source` that sends to `target`."""

    wants_payload = False

    def __init__(self, direction: Direction, source: Side, target: Side, tunnel: Tunnel) -> None:
        self._direction, self._source, self._target, self._tunnel = direction, source, target, tunnel
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._must_end = False
        self.is_ended = False
        self.size = 0
        target.on_room = self._room

    @property
    def is_full(self) -> bool:
        """Whether nothing may be read yet: the tap is at work, the tunnel is held, or the target takes no more."""
        return not self.is_resting or self._must_rest or self._target.is_full

    @property
    def is_resting(self) -> bool:
        """Whether all that the tap has seen was passed on."""
        return self._task is None

    @property
    def _must_rest(self) -> bool:
        return self._tunnel.is_held and (self._direction is Direction.OUT or self._waiting_bytes >= MOST_HELD)

    def feed(self, data: memoryview) -> bool:
        """Show the piece to the tap, then pass it on."""
        self.size += len(data)
        tap = self._tunnel.tap
        if self._task is not None or self._tunnel.is_held:
            # INVARIANT: what is held was not shown to the tap, so that nothing counts as shown before it is
            self._waiting.append(bytes(data))
            self._waiting_bytes += len(data)
            self.hold()
            return False
        if tap is None:
            return self._target.send(data)
        try:
            shown = tap(self._direction, data)
        except Exception as error:  # noqa: BLE001  a tap that fails ends the stream: unrecorded bytes do not pass
            self._tunnel.cut(error)
            return False
        if shown is None:
            return self._target.send(data)
        self._source.pause()
        self._task = asyncio.ensure_future(self._after(shown, bytes(data)))
        return False

    def finish(self) -> None:
        """The source has sent all: say so to the target, which may still answer."""
        if self._task is not None or self._tunnel.is_held:
            self._must_end = True
            return
        self.is_ended = True
        self._target.end_sending()
        self._tunnel.one_ended()

    def cut(self, error: Exception) -> None:
        """The source is gone."""
        self._tunnel.cut(error)

    def hold(self) -> None:
        """The tunnel is held: read no more than so much."""
        if self._must_rest:
            self._source.pause()

    def go_on(self) -> None:
        """The tunnel is held no longer: what waits goes first, in its order."""
        if self._task is None and not self.is_ended:
            self._task = asyncio.ensure_future(self._catch_up())

    async def _after(self, shown: Awaitable[None], data: bytes) -> None:
        """Pass on what the tap has seen, as soon as it lets go of it, then what came meanwhile."""
        try:
            await shown
        except Exception as error:  # noqa: BLE001  a task's root: a tap that fails ends the stream
            self._tunnel.cut(error)
            return
        self._target.send(data)
        await self._catch_up()

    async def _catch_up(self) -> None:
        """Pass on what waits, as long as nobody holds it."""
        try:
            while self._waiting and not self._tunnel.is_held:
                data = self._waiting.pop(0)
                self._waiting_bytes -= len(data)
                shown = self._tunnel.tap(self._direction, memoryview(data)) if self._tunnel.tap is not None else None
                if inspect.isawaitable(shown):
                    await shown
                self._target.send(data)
        except Exception as error:  # noqa: BLE001  a task's root: a tap that fails ends the stream
            self._tunnel.cut(error)
            return
        self._task = None
        if self._tunnel.is_held:
            return
        if self._must_end:
            self.finish()
        elif not self._target.is_full:
            self._source.resume()

    def _room(self, has_room: bool) -> None:
        if not has_room:
            self._source.pause()
        elif self._task is None and not self._must_rest:
            self._source.resume()


class Tunnel:
    """Two directions that end apart and die together. `hold` keeps back what comes, either way, until `go_on`."""

    def __init__(self, client: ClientConnection, engine: EngineConnection, tap: Tap | None) -> None:
        self._client, self._engine, self.tap = client, engine, tap
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_held = False
        self.up = OneWay(Direction.IN, client, engine, self)
        self.down = OneWay(Direction.OUT, engine, client, self)

    async def run(self) -> None:
        """Return when both directions have ended. Raises what the tunnel was cut with."""
        try:
            self._engine.flow_to(self.down)
            self._client.flow_to(self.up)
            await self._done
        finally:
            self._engine.on_room = self._client.on_room = None
            self._engine.close()
            if self._done.done() and self._done.exception() is None:
                self._client.close()
            else:
                self._client.cut()

    def hold(self) -> None:
        """Pass nothing on for now. What is read already waits, unseen by the tap; a piece that the tap has seen still goes on."""
        self.is_held = True
        self.up.hold()
        self.down.hold()

    def go_on(self) -> None:
        """Pass on what waits, and what comes."""
        self.is_held = False
        self.up.go_on()
        self.down.go_on()

    def say(self, words: bytes) -> None:
        """Send the client something of our own."""
        if not self._done.done():
            self._client.send(words)

    def stop(self) -> None:
        """End it here; what was sent to the client is the last that it gets."""
        if not self._done.done():
            self._done.set_result(None)

    def one_ended(self) -> None:
        """One side has sent all it will."""
        if self.up.is_ended and self.down.is_ended and not self._done.done():
            self._done.set_result(None)

    def cut(self, error: Exception) -> None:
        """One side is gone, or a tap failed."""
        if not self._done.done():
            self._done.set_exception(error)
