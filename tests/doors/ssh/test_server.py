"""How many clients there may be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dockwarden.doors.ssh.server import MOST_STRANGERS, SshDoor
from dockwarden.words.principal import NOBODY, Principal


@dataclass(eq=False)
class Client:
    source: str
    principal: Principal = NOBODY
    is_cut: bool = False

    def abort(self) -> None:
        """As the library does it: that it is gone is told later."""
        self.is_cut = True


def test_a_burst_of_strangers_stays_within_the_limit_and_takes_from_its_own(tmp_path: Path) -> None:
    door = SshDoor(tmp_path / "key", cast(Any, None))
    few = [Client("b") for _ in range(3)]
    crowd = [Client("a") for _ in range(300)]
    for one in (*few, *crowd):
        door.came(cast(Any, one))
    assert MOST_STRANGERS == len(door.connections)
    assert [False] * 3 == [one.is_cut for one in few]
    assert [True] * (300 - MOST_STRANGERS + 3) + [False] * (MOST_STRANGERS - 3) == [one.is_cut for one in crowd]
    for one in crowd:
        door.went(cast(Any, one))
    assert few == list(door.connections)
