"""What a session in a container is in, as the Engine describes it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dockwarden.doors.docker.lookups import Asked
from dockwarden.engine.call import Request
from dockwarden.engine.finding import masked
from dockwarden.tape.opening import Opening
from dockwarden.words.errors import Unavailable

COLUMNS, ROWS = 80, 24
"""A terminal's size until it says another."""

@dataclass(frozen=True, slots=True)
class Scene:
    """What a session is in: the container's description, and the exec's where it is one."""

    kind: str
    container: dict[str, Any]
    exec: dict[str, Any]

    @property
    def is_terminal(self) -> bool:
        """Whether the stream is that of a terminal, and not multiplexed."""
        if self.exec:
            return bool((self.exec.get("ProcessConfig") or {}).get("tty"))
        return bool((self.container.get("Config") or {}).get("Tty"))

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.container.get("Name") or "").removeprefix("/")

    @property
    def command(self) -> str:
        """What runs, secrets masked."""
        process = self.exec.get("ProcessConfig") or {}
        words = [process.get("entrypoint"), *(process.get("arguments") or ())] if self.exec else [
            self.container.get("Path"), *(self.container.get("Args") or ()),
        ]  # fmt: skip
        return masked(shlex.join(str(word) for word in words if word))

    @property
    def labels(self) -> Mapping[str, str]:
        """The container's labels."""
        return (self.container.get("Config") or {}).get("Labels") or {}

    @property
    def about(self) -> frozenset[str]:
        """The ids of what it is in."""
        return frozenset(filter(None, (str(self.container.get("Id") or ""), str(self.exec.get("ID") or ""))))

    def opening(self, person: str, call: str) -> Opening:
        """How its tape begins. The command is not there, since that is readable without a key: it is the first frame."""
        detail = {"container": str(self.container.get("Id") or ""), "image": str(self.container.get("Image") or "")}
        if self.exec:
            detail |= {"exec": str(self.exec.get("ID") or ""), "user": str((self.exec.get("ProcessConfig") or {}).get("user") or "")}
        columns, rows = (COLUMNS, ROWS) if self.is_terminal else (0, 0)
        return Opening(id="", at=0, person=person, kind=self.kind, target=self.name, call=call, columns=columns, rows=rows, detail=detail)


async def inspected(ask: Asked, target: str) -> dict[str, Any]:
    """What the Engine says of one thing.

    Raises:
        Unavailable: `tape.refused`; it does not.
    """
    answer = await ask(Request("GET", target, (), b""))
    try:
        if answer.status == 200:
            return msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.DecodeError:
        pass
    raise Unavailable("tape.refused", "the Engine does not say what this session is in, so it cannot be recorded, and does not begin")
