"""The second lock put together: one object for who serves it."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from dockwarden.doors.lock.lock import IMPLEMENTS, JudgeRaw, Lock
from dockwarden.doors.lock.tickets import Tickets
from dockwarden.doors.plugin.socket import PluginSocket


def lock_name(plugin: str) -> str:
    """The name under which the Engine must be told of the lock: `authorization-plugins` in its daemon.json."""
    return f"{plugin}-lock"


def new_tickets() -> Tickets:
    """Tickets by this machine's clock and chance."""
    return Tickets(time.monotonic, secrets.token_bytes)


class LockDoor:
    """Serves one Engine's questions. Make it inside the running loop; `open` before anything waits for the Engine."""

    def __init__(self, plugin_dir: Path, plugin: str, tickets: Tickets, judge_raw: JudgeRaw) -> None:
        self._socket = PluginSocket(plugin_dir, lock_name(plugin), IMPLEMENTS, Lock(tickets, judge_raw).answers())

    async def open(self) -> None:
        """Answer from now on.

        Raises:
            BadConfig: the socket cannot be had.
        """
        await self._socket.open()

    async def close(self) -> None:
        """Answer no more; an Engine that asks refuses everything from now on."""
        await self._socket.close()
