"""Filters of a list that name a thing: one that is hidden filters as one that is not there, in the Engine's own words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from dockwarden.doors.docker.absent import nobody, put_back
from dockwarden.doors.docker.lookups import Lookups
from dockwarden.engine.call import EngineCall, Request
from dockwarden.engine.query import written
from dockwarden.engine.write import write_call
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.words.ask import Kind, Resource
from dockwarden.words.errors import Hidden

NAMING: Mapping[str, Mapping[str, Kind]] = {
    "container.list": {
        "before": Kind.CONTAINER, "since": Kind.CONTAINER, "ancestor": Kind.IMAGE, "network": Kind.NETWORK, "volume": Kind.VOLUME,
    },
    "image.list": {"before": Kind.IMAGE, "since": Kind.IMAGE},
}
"""Filters whose value the Engine looks up, whoever's it is. All others only pick among rows, of which each is judged."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A list with nothing in place of what is hidden; `words` say what was there."""

    call: EngineCall
    words: Mapping[str, str] = field(default_factory=dict)

    async def asked(self, version: str, send: Callable[[Request], Awaitable[WholeAnswer]]) -> WholeAnswer:
        """The Engine's answer, with the caller's own words in it."""
        answer = await send(write_call(self.call, version))
        if answer.status == 200:
            return answer
        said = answer.body.decode("utf-8", "replace")
        for word, text in self.words.items():
            said = put_back(said, word, msgspec.json.encode(text).decode()[1:-1])
        headers = tuple((name, value) for name, value in answer.headers if name != b"content-length")
        return WholeAnswer(answer.status, headers, said.encode())


async def without_unseen(call: EngineCall, lookups: Lookups, asker: str, sees: Callable[[Resource], bool]) -> Unseen | None:
    """`call` with nothing in place of each thing that its filters name and that is hidden; `None` where there is no such thing."""
    kinds = NAMING.get(call.route.action, {})
    filters: dict[str, dict[str, bool]] = msgspec.json.decode(call.first("filters") or "{}") if kinds else {}
    words: dict[str, str] = {}
    for name, kind in kinds.items():
        changed: dict[str, bool] = {}
        for text, is_so in filters.get(name, {}).items():
            try:
                is_seen = sees((await lookups.look(kind, text, asker)).resource)
            except Hidden:
                is_seen = True
            word = text if is_seen else nobody()
            changed[word] = is_so
            if not is_seen:
                words[word] = text
        if changed:
            filters[name] = changed
    return Unseen(replace(call, query={**call.query, "filters": (written(filters),)}), words) if words else None
