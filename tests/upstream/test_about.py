"""What an Engine says of itself, and what says something else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dockwarden.engine.call import Request
from dockwarden.upstream.about import EngineAbout, ask_about
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.words.errors import Withheld


def about(version: Any, info: Any) -> EngineAbout:
    async def ask(request: Request) -> WholeAnswer:
        return WholeAnswer(200, (), json.dumps({"/version": version, "/info": info}[request.target]).encode())

    return asyncio.run(ask_about(ask))


def test_an_engine_says_its_api_its_cpus_and_whether_it_maps_users() -> None:
    said = about({"Version": "28.0.1", "ApiVersion": "1.48", "Os": "linux"}, {"NCPU": 4, "SecurityOptions": ["name=seccomp", "name=userns"]})

    assert EngineAbout("28.0.1", (1, 48), remaps_users=True, cpus=4) == said


def test_security_options_may_be_null() -> None:
    assert not about({"Version": "20.10", "ApiVersion": "1.41"}, {"SecurityOptions": None}).remaps_users


@pytest.mark.parametrize("version", [{}, [], None, {"Version": "1"}, {"Version": "1", "ApiVersion": "1.41.1"}, {"Version": "1", "ApiVersion": "\u0663.\u0661"}])
def test_what_is_no_engine_is_not_taken_for_one(version: Any) -> None:
    with pytest.raises(Withheld, match="does not say what an Engine says"):
        about(version, {})
