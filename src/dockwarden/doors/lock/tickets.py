"""Tickets: one for each call that we send to the Engine, good for just that call and just once. Pure: clock and chance are given."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from dockwarden.doors.lock.handed_over import is_handed_over
from dockwarden.engine.call import Request
from dockwarden.words.errors import Forbidden, Refused

HEADER = "x-dockwarden-ticket"
TICKET_BYTES = 16
LIFE_S = 30.0
"""How long a ticket is good. The Engine asks as soon as it has read the request's head."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What one call may be. `body_digest` is `None` where the Engine does not hand the body over."""

    method: str
    target: str
    body_digest: bytes | None
    ends_at: float


def digest_of(body: bytes) -> bytes:
    """The digest that `issue` takes; of `b""` for a call without a body."""
    return hashlib.sha256(body).digest()


class Tickets:
    """The tickets that are out. In memory alone: after a restart of ours none is good any more."""

    def __init__(self, clock: Callable[[], float], draw: Callable[[int], bytes]) -> None:
        """`clock` gives monotonic seconds; `draw(n)` gives n bytes that nobody can guess."""
        self._clock, self._draw = clock, draw
        self._out: OrderedDict[str, Ticket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._out)

    def issue(self, method: str, target: str, body_digest: bytes | None) -> str:
        """Return a new ticket for one call; `target` exactly as it will stand in the request line."""
        now = self._clock()
        while self._out and next(iter(self._out.values())).ends_at <= now:
            self._out.popitem(last=False)
        text = self._draw(TICKET_BYTES).hex()
        self._out[text] = Ticket(method, target, body_digest, now + LIFE_S)
        return text

    def stamp(self, request: Request, *, has_upload: bool = False) -> Request:
        """Return `request` with a ticket made for it; `has_upload` says that its body streams behind it."""
        content_type = next((value for name, value in request.headers if name.lower() == "content-type"), "")
        is_seen = not request.body or is_handed_over(request.target, content_type, len(request.body))
        ticket = self.issue(request.method, request.target, digest_of(request.body) if is_seen and not has_upload else None)
        kept = tuple((name, value) for name, value in request.headers if name.lower() != HEADER)
        return Request(request.method, request.target, (*kept, (HEADER, ticket)), request.body)

    def redeem(self, text: str, method: str, target: str, body: bytes) -> Ticket | Refused:
        """Take the ticket back, whatever comes of it, and say whether this call is the one it was made for.

        `body` is what the Engine handed over, empty where it handed over nothing.
        """
        ticket = self._out.pop(text, None)
        if ticket is None or ticket.ends_at <= self._clock():
            return Forbidden("lock.ticket", "the call carries a ticket that is not good; call at a dockwarden door, which makes its own")
        if (method, target) != (ticket.method, ticket.target):
            return Forbidden("lock.changed", "the Engine received another call than dockwarden sent")
        if ticket.body_digest is not None and not hmac.compare_digest(ticket.body_digest, digest_of(body)):
            what = "another body than dockwarden sent" if body else "no body, or did not show it"
            return Forbidden("lock.changed", f"the Engine received {what}")
        return ticket
