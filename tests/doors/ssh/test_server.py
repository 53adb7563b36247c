"""How many clients there may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from dockwarden.doors.ssh.house import SshHouse
from dockwarden.doors.ssh.server import MOST_STRANGERS, SshDoor


@dataclass(eq=False)
class Client:
    source: str
    is_known: bool = False
    is_cut: bool = False

    def abort(self) -> None:
        """As the library does it: that it is gone is told later."""
        self.is_cut = True


def test_a_burst_of_strangers_stays_within_the_limit_and_takes_from_its_own() -> None:
    door = SshDoor("tcp://127.0.0.1:0", cast(Any, None), SshHouse(cast(Any, None)))
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
