"""What is gone is forgotten; what was not listed for another reason is not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dockwarden.access.owners import Deed, Owners
from dockwarden.doors.docker.sweep import sweep
from dockwarden.engine.call import Request
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.words.errors import Unavailable

MADE = (("Container", "a" * 64, "alice", ""), ("Network", "b" * 64, "alice", ""), ("Volume", "data", "alice", "m"), ("Container", "c" * 64, "bob", ""))
THERE: dict[str, Any] = {"/containers/json?all=1": [{"Id": "c" * 64}], "/networks": [], "/volumes": {"Volumes": None}}


def swept(said: dict[str, Any]) -> set[str]:
    owners = Owners()
    owners.apply(Deed(made=MADE))

    async def ask(request: Request) -> WholeAnswer:
        if request.target not in said:
            raise Unavailable("engine.unreachable", "away")
        body = said[request.target]
        return WholeAnswer(500 if body == 500 else 200, (), json.dumps(body).encode())

    asyncio.run(sweep(owners, ask))
    return {id[0] for _, id in owners.owned}


def test_what_the_engine_does_not_have_any_more_is_forgotten() -> None:
    assert {"c"} == swept(THERE)


@pytest.mark.parametrize("said", [{}, dict.fromkeys(THERE, 500), {target: [{}] for target in THERE}, dict.fromkeys(THERE)])
def test_nothing_is_forgotten_on_a_doubtful_answer(said: dict[str, Any]) -> None:
    assert {"a", "b", "c", "d"} == swept(said)
