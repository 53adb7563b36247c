"""The listener: the door's own key and certificates, and how many clients there may be."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncssh

from dockwarden.doors.docker.server import GONE_S
from dockwarden.doors.ssh.connection import Inner, SshConnection
from dockwarden.doors.ssh.house import SshHouse
from dockwarden.logs import get_logger
from dockwarden.upstream.ssh_wire import CURVES, GCM, WINDOW_BYTES
from dockwarden.words.errors import BadConfig, Refused
from dockwarden.words.principal import Principal

ALIVE_S, MOST_UNANSWERED = 15, 4
MOST_STRANGERS, MOST_CONNECTIONS = 64, 1024
"""Connections that are not logged in yet, and all of them."""
BACKLOG = 256
MOST_TOLD, TOLD_S, LONGEST_NAME = 20, 10.0, 100


class SshDoor:
    """Listens. Make it inside the running loop."""

    def __init__(self, key_file: Path, house: SshHouse) -> None:
        """Raises: BadConfig: `key_file` is not as it must be."""
        self._key, self._house = host_key(key_file), house
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._serving: set[asyncio.Future[None]] = set()
        self._told: deque[float] = deque()
        self._log = get_logger("dockwarden.ssh")
        self.connections: dict[SshConnection, None] = {}

    async def open(self) -> None:
        """Accept connections.

        Raises:
            BadConfig: the address cannot be had.
        """
        parts = urlsplit(self._house.listen)
        names = [parts.hostname or "", socket.gethostname()]
        try:
            self._acceptor = await asyncssh.listen(
                parts.hostname or "", parts.port or 22, backlog=BACKLOG, server_factory=lambda: SshConnection(self, self._house),
                **_options(await self._keys(names), self._house.login_s),
            )  # fmt: skip
        except OSError as error:
            raise BadConfig("[[door]] listen", f"{self._house.listen} cannot be had ({error.strerror or error})", "choose another port") from None

    async def close(self) -> None:
        """Accept no more, and end every session."""
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
        for connection in tuple(self.connections):
            connection.close()

    def refresh(self, fresh: Callable[[Principal], Principal]) -> None:
        """People are others now: who is no longer among them is told so and leaves, a moment after their sessions."""
        for connection in self.connections:
            now = fresh(connection.principal)
            if connection.principal.is_known and not now.is_known:
                asyncio.get_running_loop().call_later(GONE_S, connection.dismiss, now.why_not)

    # --- clients (`connection.Door`) ---

    def came(self, connection: SshConnection) -> None:
        """A client is there. Where there are too many that are not logged in, the oldest goes of the address that has most of them."""
        self.connections[connection] = None
        strangers = [one for one in self.connections if not one.principal.is_known]
        if len(strangers) > MOST_STRANGERS:
            greediest = Counter(one.source for one in strangers).most_common(1)[0][0]
            self._cut(next(one for one in strangers if one.source == greediest))
        elif len(self.connections) > MOST_CONNECTIONS:
            self._cut(connection)

    def _cut(self, connection: SshConnection) -> None:
        self.connections.pop(connection)  # at once: many may come before the library says that this one is gone
        connection.abort()

    def went(self, connection: SshConnection) -> None:
        """It is gone."""
        self.connections.pop(connection, None)

    def not_let_in(self, source: str, name: str) -> None:
        """Somebody did not prove who they are: the log has it, of many in a short time the first ones."""
        now = asyncio.get_running_loop().time()
        while self._told and self._told[0] < now - TOLD_S:
            self._told.popleft()
        if len(self._told) < MOST_TOLD:
            self._told.append(now)
            self._log.warning("ssh.not_let_in", source=source, name=name[:LONGEST_NAME])

    async def within(self, sock: socket.socket, inner: Inner, name: str) -> None:
        """Serve a connection within another's, with a certificate for the `name` that the client uses."""
        keys = await self._keys([name, inner.host.name])
        serving = asyncio.ensure_future(self._serve(sock, inner, keys))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, sock: socket.socket, inner: Inner, keys: list[Any]) -> None:
        with contextlib.suppress(OSError, asyncssh.Error):
            await asyncssh.run_server(sock, server_factory=lambda: SshConnection(self, self._house, inner), **_options(keys, self._house.login_s))

    async def _keys(self, names: list[str]) -> list[Any]:
        """The door's key, certified for `names`; the bare key where the vault does not let us sign."""
        with contextlib.suppress(Refused):
            return [(self._key, await self._house.authority.prove_host(self._key, names))]
        return [self._key]


def _options(keys: list[Any], login_s: float) -> dict[str, Any]:
    """How every connection is spoken: nothing but public keys, and nothing that is not asked for."""
    return {
        "server_host_keys": keys, "encoding": None, "login_timeout": login_s, "keepalive_interval": ALIVE_S, "keepalive_count_max": MOST_UNANSWERED,
        "allow_pty": True, "line_editor": False, "x11_forwarding": False, "agent_forwarding": False, "password_auth": False, "kbdint_auth": True,
        "host_based_auth": False, "gss_host": None, "sftp_factory": None, "allow_scp": False, "server_version": "dockwarden",
        "compression_algs": ["none"], "encryption_algs": GCM, "kex_algs": CURVES, "window": WINDOW_BYTES,
    }  # fmt: skip


def host_key(file: Path) -> asyncssh.SSHKey:
    """The door's own key; made where there is none. Raises: BadConfig."""
    try:
        if not file.exists():
            made = asyncssh.generate_private_key("ssh-ed25519", comment="dockwarden")
            file.touch(mode=0o600)
            file.write_bytes(made.export_private_key())
            file.with_suffix(".pub").write_bytes(made.export_public_key())
        if file.stat().st_mode & 0o077:
            raise BadConfig(str(file), "others may read it", f"chmod 600 {file}, and think about who has")
        return asyncssh.read_private_key(file)
    except (OSError, asyncssh.KeyImportError) as error:
        raise BadConfig(str(file), f"is no host key ({error})", "take it away: another is made at the next start") from None
