"""Forgetting what is gone without a call of anybody's: containers that removed themselves, things removed while we were away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dockwarden.access.owners import Deed, Owners
from dockwarden.doors.docker.lookups import Asked
from dockwarden.engine.call import Request
from dockwarden.words.ask import Kind
from dockwarden.words.errors import Refused

LISTED: Mapping[Kind, tuple[str, str]] = {
    Kind.CONTAINER: ("/containers/json?all=1", "Id"), Kind.NETWORK: ("/networks", "Id"), Kind.VOLUME: ("/volumes", "Name"),
}
"""Where all of a kind are listed, and which field of a row is what the index knows it by."""


async def sweep(owners: Owners, ask: Asked) -> None:
    """Forget what the Engine does not have any more; where it does not answer, nothing is forgotten."""
    for kind, (target, field) in LISTED.items():
        # INVARIANT: what is known is taken before the look, so that what is made meanwhile stays.
        known = {id for of, id in owners.owned if of == kind.value}
        with contextlib.suppress(Refused, msgspec.DecodeError, KeyError, TypeError):
            answer = await ask(Request("GET", target, (), b""))
            if answer.status == 200:
                there = {str(row[field]) for row in _rows(kind, msgspec.json.decode(answer.body))}
                owners.apply(Deed(gone=tuple((kind.value, id) for id in known - there)))


def _rows(kind: Kind, said: Any) -> Iterable[Mapping[str, Any]]:
    rows: Iterable[Mapping[str, Any]] = (said["Volumes"] or ()) if kind is Kind.VOLUME else said
    return rows
