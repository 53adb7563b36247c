"""The way to an Engine that is locked: every call of ours carries a ticket made for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dockwarden.doors.lock.tickets import Tickets
from dockwarden.engine.call import Request
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.engine import ANSWER_BYTES, EngineLink
from dockwarden.upstream.stream import Hijacked, StreamAnswer


class TicketedLink(EngineLink):
    """An `EngineLink` whose calls the second lock knows as ours."""

    def __init__(self, address: str, tickets: Tickets, *, pool: int = 64, timeout_s: float = 10.0) -> None:
        super().__init__(address, pool=pool, timeout_s=timeout_s)
        self._tickets = tickets

    async def call(self, request: Request, limit: int = ANSWER_BYTES) -> WholeAnswer:
        """As `EngineLink.call`, with a ticket."""
        return await super().call(self._tickets.stamp(request), limit)

    async def open(self, request: Request, upload: AsyncIterator[bytes] | None = None, length: int | None = None) -> StreamAnswer:
        """As `EngineLink.open`, with a ticket."""
        return await super().open(self._tickets.stamp(request, has_upload=upload is not None), upload, length)

    async def upgrade(self, request: Request, protocol: str = "tcp", limit: int = ANSWER_BYTES) -> Hijacked | WholeAnswer:
        """As `EngineLink.upgrade`, with a ticket."""
        return await super().upgrade(self._tickets.stamp(request), protocol, limit)
