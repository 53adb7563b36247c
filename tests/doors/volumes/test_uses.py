"""Containers made by an older version start: facts that there were not yet are those of a call that has none."""

from __future__ import annotations

import msgspec

from dockwarden.doors.volumes.uses import completed
from dockwarden.engine.facts import Facts
from dockwarden.policy.load import NO_FACTS


def test_facts_of_some_time_ago_are_completed() -> None:
    now = msgspec.json.decode(msgspec.json.encode(Facts(binds=2, escape=frozenset({"privileged"})).context()))
    old = {name: value for name, value in now.items() if name != "env_secrets"}
    old["image"] = {name: value for name, value in old["image"].items() if name != "state"}

    found = completed(old)
    assert set(NO_FACTS) == set(found)
    assert (2, ["privileged"], "") == (found["binds"], found["escape"], found["image"]["state"])
    assert now == msgspec.json.decode(msgspec.json.encode(completed(now)))
