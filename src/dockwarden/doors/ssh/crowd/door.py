"""An SSH door with several processes: it accepts clients, gives each to the carrier that has fewest, and starts another where one ended.

There is one socket that listens, and it is the house's: nobody shares the port, and what a carrier takes with it when it dies are its own
clients alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from dockwarden.doors.ssh.crowd.messages import Start, Stop
from dockwarden.doors.ssh.crowd.reception import Reception
from dockwarden.doors.ssh.desk import OwnDesk
from dockwarden.doors.ssh.server import BACKLOG, not_had
from dockwarden.words.errors import BadConfig

WORDS = (sys.executable, "-I", "-m", "dockwarden.doors.ssh.crowd.carrying")
FIRST_S, LONGEST_S, CALM_S = 0.2, 30.0, 60.0
"""How long a carrier that ended is not there: at first, at most, and after how long a life it is the first again."""
START_S, STOP_S = 30.0, 5.0
"""How long a carrier may take to begin, and to end."""

Told = Callable[[str, Mapping[str, Any]], None]


class CrowdDoor:
    """Serves clients at one address by several processes. Make it inside the running loop."""

    def __init__(self, desk: OwnDesk, start: Start, told: Told) -> None:
        """`start` is what carriers are told first; `told` hears of those that ended."""
        self._desk, self._start, self._told = desk, start, told
        self._loop = asyncio.get_running_loop()
        self._carriers: dict[Reception, Process] = {}
        self._news = asyncio.Event()
        """Set where a carrier has become ready."""
        self._keeping: list[asyncio.Task[None]] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._sockets: list[socket.socket] = []
        self._is_closing = False

    async def open(self) -> None:
        """Start the carriers, and accept connections once they are there.

        Raises:
            BadConfig: the address cannot be had, or a carrier does not begin.
        """
        try:
            self._sockets = _listening(self._start.address)
        except OSError as error:
            raise not_had(self._start.address, error) from None
        self._keeping = [asyncio.ensure_future(self._keep()) for _ in range(self._start.processes)]
        try:
            async with asyncio.timeout(START_S):
                while len(self._ready()) < self._start.processes:
                    await self._more()
        except TimeoutError:
            await self.close()
            raise BadConfig("[ssh] processes", "the processes of the SSH door do not begin", "look at what the log says of them") from None
        self._accepting = [asyncio.ensure_future(self._accept(one)) for one in self._sockets]

    async def close(self) -> None:
        """Accept no more, and end every session."""
        self._is_closing = True
        for task in self._accepting:
            task.cancel()
        for one in self._sockets:
            one.close()
        for carrier in self._carriers:
            carrier.tell(Stop())
        _, late = await asyncio.wait(self._keeping, timeout=STOP_S)
        if late:
            for process in self._carriers.values():
                _kill(process)
            await asyncio.wait(late)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = await self._loop.sock_accept(listener)
            except OSError:  # the client hung up, or we have no more descriptors
                await asyncio.sleep(FIRST_S)
                continue
            while not (ready := self._ready()):
                await self._more()
            min(ready, key=lambda one: one.clients).hand(client)

    def _ready(self) -> list[Reception]:
        return [one for one in self._carriers if one.is_ready]

    async def _more(self) -> None:
        """Return when one more is ready."""
        self._news.clear()
        await self._news.wait()

    # --- carriers ---

    async def _keep(self) -> None:
        """Keep one carrier there."""
        pause_s = FIRST_S
        while not self._is_closing:
            began = self._loop.time()
            why = await self._run()
            if self._is_closing:
                return
            pause_s = FIRST_S if self._loop.time() - began > CALM_S else min(pause_s * 2, LONGEST_S)
            self._told("ssh.carrier_ended", {"because": why, "next_in_s": pause_s})
            await asyncio.sleep(pause_s)

    async def _run(self) -> str:
        """Run one carrier to its end, and return why that was."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with theirs:
                number = theirs.fileno()
                process = await asyncio.create_subprocess_exec(
                    *WORDS, str(number), stdin=DEVNULL, stdout=DEVNULL, cwd="/", env={}, pass_fds=(number,)
                )
        except OSError as error:
            ours.close()
            return f"it cannot be started ({error.strerror})"
        said = ""

        def over(why: str) -> None:
            nonlocal said
            said = said or why
            _kill(process)

        carrier = Reception(self._desk, ours, over, self._news.set)
        self._carriers[carrier] = process
        carrier.tell(self._start)
        if self._is_closing:
            carrier.tell(Stop())
        status = await process.wait()
        del self._carriers[carrier]
        await carrier.lost()
        return f"process {process.pid}: {said or 'it ended'} (status {status})"


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


def _listening(address: str) -> list[socket.socket]:
    """Sockets that listen at `address`, the URL of a door. Raises: OSError."""
    parts, made = urlsplit(address), list[socket.socket]()
    try:
        for family, kind, protocol, _, place in dict.fromkeys(
            socket.getaddrinfo(parts.hostname or None, parts.port or 22, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        ):
            made.append(one := socket.socket(family, kind, protocol))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.setblocking(False)
            one.bind(place)
            one.listen(BACKLOG)
    except OSError:
        for one in made:
            one.close()
        raise
    return made
