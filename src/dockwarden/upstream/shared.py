"""Reads that many ask for at once: one call is under way, and whoever asks meanwhile shares the next one.

A crowd that polls the same list costs the Engine one call at a time, not one each.

INVARIANT: an answer goes only to those who asked before its call was sent. So nobody gets an answer older than their question, and
nothing is remembered.
"""

from __future__ import annotations

import asyncio

from dockwarden.engine.call import Request
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.engine import EngineLink

PATIENCE_S = 1.0
"""How long somebody waits for the call before theirs; after that theirs is sent beside it."""


class _Waiting:
    """Those who share the next call of one target."""

    __slots__ = ("askers", "patience")

    def __init__(self) -> None:
        self.askers: list[asyncio.Future[WholeAnswer]] = []
        self.patience: asyncio.TimerHandle | None = None


class SharedReads:
    """Sends reads that are their target alone: no body, no headers, nothing changed by asking."""

    def __init__(self, link: EngineLink, limit: int) -> None:
        """`limit` is the most bytes of an answer."""
        self._link, self._limit = link, limit
        self._under_way: dict[str, _Waiting] = {}

    async def call(self, request: Request) -> WholeAnswer:
        """Send `request`, or share with others who ask the same. Raises: as `EngineLink.call`."""
        waiting = self._under_way.get(request.target)
        if waiting is None:
            waiting = self._under_way[request.target] = _Waiting()
            try:
                return await self._link.call(request, self._limit)
            finally:
                self._depart(request)
        loop = asyncio.get_running_loop()
        if waiting.patience is None:
            waiting.patience = loop.call_later(PATIENCE_S, self._depart, request)
        asker: asyncio.Future[WholeAnswer] = loop.create_future()
        waiting.askers.append(asker)
        return await asker

    def _depart(self, request: Request) -> None:
        """Send the next call, if somebody waits for it."""
        waiting = self._under_way.pop(request.target, None)
        if waiting is None or waiting.patience is None:
            return
        waiting.patience.cancel()
        self._under_way[request.target] = _Waiting()
        asyncio.ensure_future(self._carry(request, waiting.askers)).add_done_callback(_ended)

    async def _carry(self, request: Request, askers: list[asyncio.Future[WholeAnswer]]) -> None:
        try:
            answer = await self._link.call(request, self._limit)
        except BaseException as error:
            for asker in askers:
                if not asker.done():
                    asker.cancel() if isinstance(error, asyncio.CancelledError) else asker.set_exception(error)
            raise
        finally:
            self._depart(request)
        for asker in askers:
            if not asker.done():
                asker.set_result(answer)


def _ended(task: asyncio.Task[None]) -> None:
    """Those who asked were told; nobody else needs to hear of it."""
    if not task.cancelled():
        task.exception()
