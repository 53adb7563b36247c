"""The way out to a host: one SSH connection, to the key that is pinned and no other, as a login, with a credential that no person sees."""

from __future__ import annotations

import asyncio
import shlex

import asyncssh

from dockwarden.upstream.ssh_wire import CURVES, GCM, INTEGERS, WINDOW_BYTES, without_padding_packets
from dockwarden.words.errors import Unavailable
from dockwarden.words.secret import Secret

CONNECT_S, PROBE_S = 15.0, 10.0
KEEPALIVE_S = 30.0
CIPHERS = (*GCM, "chacha20-poly1305@openssh.com", "aes256-ctr")
SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")
PROBE = """for socket in {sockets}; do [ -w "$socket" ] && exit 10; done
id -Gn 2>/dev/null | tr " " "\\n" | grep -qx docker && exit 10
command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1 && exit 10
exit 11"""
REACHES, REACHES_NOT = 10, 11


class _Client(asyncssh.SSHClient):
    """Our side of a connection to a host."""

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """It begins."""
        without_padding_packets(conn)


async def connect(
    place: tuple[str, int], login: str, host_keys: tuple[str, ...], credential: Secret, certificate: str = ""
) -> asyncssh.SSHClientConnection:
    """Return a connection to `place` as `login`.

    `credential` is a private key (with `certificate`, if it has one) or a password.
    Raises:
        Unavailable: `ssh.host_key`: it shows another key than the pinned ones; `ssh.unreachable`, `ssh.not_let_in`.
    """
    pinned = [asyncssh.import_public_key(key) for key in host_keys]
    try:
        options = _credentials(credential, certificate)
        async with asyncio.timeout(CONNECT_S):
            return await asyncssh.connect(
                place[0], place[1], username=login, known_hosts=(pinned, [], []), config=None, agent_path=None, agent_forwarding=False,
                x11_forwarding=False, gss_host=None, encryption_algs=CIPHERS, kex_algs=(*CURVES, *INTEGERS), compression_algs=None,
                client_factory=_Client, keepalive_interval=KEEPALIVE_S, host_based_auth=False, kbdint_auth=False, window=WINDOW_BYTES, **options,
            )  # fmt: skip
    except asyncssh.HostKeyNotVerifiable:
        raise Unavailable("ssh.host_key", "that host shows another key than the one that is pinned, so it may be another: ask an operator") from None
    except asyncssh.PermissionDenied:
        raise Unavailable("ssh.not_let_in", f"that host does not let us in as {login}; name an account that is there, or ask an operator") from None
    except (OSError, asyncssh.Error, TimeoutError) as error:
        raise Unavailable("ssh.unreachable", f"that host cannot be reached ({type(error).__name__}); ask an operator") from None


def _credentials(credential: Secret, certificate: str) -> dict[str, object]:
    text = credential.reveal()
    if b"PRIVATE KEY-----" not in text:
        return {"password": text.decode("utf-8", "replace"), "client_keys": None, "public_key_auth": False}
    key = asyncssh.import_private_key(text)
    keys: object = [(key, asyncssh.import_certificate(certificate))] if certificate else [key]
    return {"client_keys": keys, "password_auth": False}


async def reaches_engine(connection: asyncssh.SSHClientConnection, sockets: tuple[str, ...] = ()) -> bool | None:
    """Whether the Engine's own socket can be reached from that login, by itself or as root; `None` if that cannot be found out.

    Asked are the usual sockets of engines and `sockets`, the group `docker`, and sudo without a password. It is the login that answers: one
    whose shell was told to lie does.
    """
    probe = PROBE.format(sockets=" ".join(map(shlex.quote, (*SOCKETS, *sockets))))
    try:
        async with asyncio.timeout(PROBE_S):
            done = await connection.run(f"sh -c {shlex.quote(probe)}", stdin=asyncssh.DEVNULL, stdout=asyncssh.DEVNULL, stderr=asyncssh.DEVNULL)
    except (OSError, asyncssh.Error, TimeoutError):
        return None
    return {REACHES: True, REACHES_NOT: False}.get(done.exit_status if done.exit_status is not None else -1)
