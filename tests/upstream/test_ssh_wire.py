"""What is sent over SSH connections of ours, and how."""

from __future__ import annotations

from typing import Any

import asyncssh
from asyncssh.constants import MSG_IGNORE

from dockwarden.upstream.ssh_wire import CURVES, GCM, WINDOW_BYTES, without_padding_packets


class Bare(asyncssh.SSHServer):
    """Lets everybody in, and pads nothing."""

    is_bare = True

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        if self.is_bare:
            without_padding_packets(conn)

    def begin_auth(self, username: str) -> bool:
        return False


class Padding(Bare):
    """As the library does."""

    is_bare = False


class Counting(asyncssh.SSHClient):
    """Knows what kinds of packets came."""

    def __init__(self) -> None:
        self.kinds: list[int] = []

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        conn.log_received_packet = lambda kind, *_: self.kinds.append(kind)  # type: ignore[method-assign,misc,assignment]  # of this one connection


async def ignored(server: type[Bare]) -> int:
    """How many empty packets come while a megabyte does."""

    async def answer(process: asyncssh.SSHServerProcess[bytes]) -> None:
        process.stdout.write(b"x" * (1 << 20))
        process.exit(0)

    options: dict[str, Any] = {"kex_algs": CURVES, "encryption_algs": GCM, "window": WINDOW_BYTES}
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    acceptor = await asyncssh.listen("127.0.0.1", 0, server_factory=server, server_host_keys=[host_key], process_factory=answer, encoding=None, **options)
    try:
        connection, client = await asyncssh.create_connection(
            Counting, "127.0.0.1", acceptor.get_port(), username="x", known_hosts=([host_key.convert_to_public()], [], []), config=None, agent_path=None,
            client_keys=None, **options,
        )  # fmt: skip
        async with connection:
            done = await connection.run("", encoding=None)
            assert 1 << 20 == len(done.stdout or b"")
            return client.kinds.count(MSG_IGNORE)
    finally:
        acceptor.close()
        await acceptor.wait_closed()


async def test_nothing_is_sent_that_was_not_asked_for() -> None:
    """The library's own padding is there without it, so this test sees it."""
    assert 0 < await ignored(Padding)
    assert 0 == await ignored(Bare)
