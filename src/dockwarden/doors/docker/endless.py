"""Which calls have no end of their own: a door that closes does not wait for them."""

from __future__ import annotations

from dockwarden.doors.docker.grammar import RequestHead
from dockwarden.engine.read import read_head
from dockwarden.words.errors import Refused

ENDLESS = frozenset({"system.events", "container.wait"})
WHILE_FOLLOWED = frozenset({"container.logs", "service.logs", "task.logs"})
UNLESS_ONCE = frozenset({"container.stats"})


def is_endless(head: RequestHead) -> bool:
    """Whether the answer to `head` goes on until a container ends, or for ever. Total: what cannot be read ends by itself."""
    try:
        call = read_head(head.method, head.target, head.headers)
    except Refused:
        return False
    action, query = call.route.action, call.query
    if action in WHILE_FOLLOWED:
        return query.get("follow", ("0",))[-1] == "1"
    if action in UNLESS_ONCE:
        return query.get("stream", ("1",))[-1] == "1" and "one-shot" not in query
    return action in ENDLESS
