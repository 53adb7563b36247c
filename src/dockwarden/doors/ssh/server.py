"""The listener: the door's own key and certificates, and how many clients there may be. A carrier's listens nowhere, and is handed its clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter, deque
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncssh

from dockwarden.doors.ssh.connection import Inner, SshConnection
from dockwarden.doors.ssh.house import SshHouse
from dockwarden.logs import get_logger
from dockwarden.upstream.ssh_wire import CURVES, GCM, WINDOW_BYTES
from dockwarden.words.errors import BadConfig

ALIVE_S, MOST_UNANSWERED = 15, 4
MOST_STRANGERS, MOST_CONNECTIONS = 64, 1024
"""Connections that are not logged in yet, and all of them."""
BACKLOG = 256
MOST_TOLD, TOLD_S, LONGEST_NAME = 20, 10.0, 100


class SshDoor:
    """Serves clients at `address`, the URL of the door. Make it inside the running loop."""

    def __init__(self, address: str, key: asyncssh.SSHKey, house: SshHouse) -> None:
        self._address, self._key, self._house = urlsplit(address), key, house
        self._most_strangers, self._most = MOST_STRANGERS // house.processes, MOST_CONNECTIONS // house.processes
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
        try:
            self._acceptor = await asyncssh.listen(
                self._address.hostname or "", self._address.port or 22, backlog=BACKLOG, server_factory=lambda: SshConnection(self, self._house),
                **_options(await self._keys(self._names), self._house.login_s),
            )  # fmt: skip
        except OSError as error:
            raise not_had(self._address.geturl(), error) from None

    async def serve(self, sock: socket.socket) -> None:
        """Serve one client that somebody else accepted, until it is gone."""
        await self._serve(sock, None, await self._keys(self._names))

    @property
    def _names(self) -> list[str]:
        return [self._address.hostname or "", socket.gethostname()]

    async def close(self) -> None:
        """Accept no more, and end every session."""
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
        for connection in tuple(self.connections):
            connection.close()

    # --- clients (`connection.Door`) ---

    def came(self, connection: SshConnection) -> None:
        """A client is there. Where there are too many that are not logged in, the oldest goes of the address that has most of them."""
        self.connections[connection] = None
        strangers = [one for one in self.connections if not one.is_known]
        if len(strangers) > self._most_strangers:
            greediest = Counter(one.source for one in strangers).most_common(1)[0][0]
            self._cut(next(one for one in strangers if one.source == greediest))
        elif len(self.connections) > self._most:
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

    async def _serve(self, sock: socket.socket, inner: Inner | None, keys: list[Any]) -> None:
        factory = partial(SshConnection, self, self._house, inner)
        with contextlib.suppress(OSError, asyncssh.Error):
            connection = await asyncssh.run_server(sock, server_factory=factory, **_options(keys, self._house.login_s))
            await connection.wait_closed()

    async def _keys(self, names: list[str]) -> list[Any]:
        """The door's key, certified for `names`; the bare key where the vault does not let us sign."""
        certificate = await self._house.desk.certify(names)
        return [(self._key, asyncssh.import_certificate(certificate))] if certificate else [self._key]


def _options(keys: list[Any], login_s: float) -> dict[str, Any]:
    """How every connection is spoken: nothing but public keys, and nothing that is not asked for."""
    return {
        "server_host_keys": keys, "encoding": None, "login_timeout": login_s, "keepalive_interval": ALIVE_S, "keepalive_count_max": MOST_UNANSWERED,
        "allow_pty": True, "line_editor": False, "x11_forwarding": False, "agent_forwarding": False, "password_auth": False, "kbdint_auth": True,
        "host_based_auth": False, "gss_host": None, "sftp_factory": None, "allow_scp": False, "server_version": "dockwarden",
        "compression_algs": ["none"], "encryption_algs": GCM, "kex_algs": CURVES, "window": WINDOW_BYTES,
    }  # fmt: skip


def not_had(address: str, error: OSError) -> BadConfig:
    """What the operator reads where a door cannot listen."""
    return BadConfig("[[door]] listen", f"{address} cannot be had ({error.strerror or error})", "choose another port")


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
