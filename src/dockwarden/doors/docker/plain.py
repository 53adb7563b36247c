"""Calls that are their request line alone: the same words mean the same call, so each is read and written once."""

from __future__ import annotations

from dataclasses import dataclass, field

from dockwarden.doors.docker.grammar import RequestHead
from dockwarden.engine.call import EngineCall, Request
from dockwarden.engine.read import CONTENT, read_call, read_head
from dockwarden.engine.routes.table import ROUTES
from dockwarden.engine.write import write_call
from dockwarden.upstream.framing import NO_BODY

KEPT = 1_024
KEPT_BYTES = 512
MEANING = frozenset(name.encode() for name in CONTENT.union(*(route.headers for route in ROUTES)))
"""The headers that say something to some route; a head that has one is read afresh each time, so that no login is kept."""


@dataclass(slots=True)
class PlainCalls:
    """Remembers at most `KEPT` of them, with the canonical request of each; `version` stands where the caller wrote none."""

    version: str
    _known: dict[bytes, tuple[EngineCall, Request]] = field(default_factory=dict)

    def read(self, head: RequestHead) -> tuple[EngineCall, Request] | None:
        """The call that `head` is and its request; `None` where a body or a header has its say.

        Raises: as `read_head` and `read_call`; what is refused is not remembered.
        """
        if head.method != "GET" or head.framing is not NO_BODY:
            return None
        for name, _ in head.headers:
            if name in MEANING:
                return None
        known = self._known.get(head.target)
        if known is None:
            call = read_call(read_head(head.method, head.target, ()), b"")
            known = call, write_call(call, self.version)
            if len(head.target) <= KEPT_BYTES:
                if len(self._known) >= KEPT:
                    self._known.clear()
                self._known[head.target] = known
        return known
