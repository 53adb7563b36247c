"""One plugin socket: the Engine's calls in, our answers out."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dockwarden.access.peer import UCRED
from dockwarden.doors.docker.exchange import Exchange
from dockwarden.doors.docker.server import Limits, Peer, Refusal, Server
from dockwarden.doors.plugin.activation import inherited
from dockwarden.logs import get_logger
from dockwarden.words.errors import BadConfig, Forbidden, Refused
from dockwarden.words.principal import Principal

CONTENT_TYPE = ((b"content-type", b"application/vnd.docker.plugins.v1.2+json"),)
BODY_BYTES = 32 << 20
"""The longest document: a body and an answer of a few MiB each, in base64."""

FOR_EVER_S = 365 * 86_400.0
LIMITS = Limits(connections_per_principal=4096, idle_s=FOR_EVER_S, read_bytes=16 << 10)
"""An Engine keeps its connections; one that we cut while it calls costs it a second's pause."""

TAKEN = Refusal("[engine] plugin", "stop that, or choose another name: each dockwarden of a machine needs its own")


@dataclass(frozen=True, slots=True)
class EngineProcess(Principal):
    """The process that asks. `pid` is the Engine's own as we see it, 0 where it cannot be seen from here."""

    pid: int = 0


@dataclass(frozen=True, slots=True)
class PluginCall:
    """One call of the Engine: what it asked, and which process it is."""

    document: bytes
    engine: EngineProcess


Answer = Callable[[PluginCall], Awaitable[object]]
"""Answers one call with a JSON value. It never raises: whoever gives it knows the shape in which its protocol says no."""


class PluginSocket:
    """Listens for the Engine under one plugin name. Make it inside the running loop."""

    def __init__(self, folder: Path, name: str, implements: Sequence[str], answers: Mapping[str, Answer]) -> None:
        """`answers` has a path (`/VolumeDriver.Mount`) for each call that is known; any other is a 404."""
        self.path = folder / f"{name}.sock"
        self._answers = {**answers, "/Plugin.Activate": _activate(implements)}
        self._server = Server(self._handle, _identify, LIMITS)
        self._log = get_logger("dockwarden.plugin")

    async def open(self, environment: Mapping[str, str] = os.environ) -> None:
        """Accept calls, on the socket a service manager opened for us if there is one.

        Raises:
            BadConfig: the socket cannot be had.
        """
        handed = inherited(self.path, environment, os.getpid())
        if handed is None:
            _make_folder(self.path.parent)
            await self._server.listen(f"unix://{self.path}", mode=0o600, refusal=TAKEN)
        else:
            await self._server.listen_on(handed)

    async def close(self, seconds: float = 2.0) -> None:
        """Accept no more, let what is under way end, and take away the socket file if we made it."""
        await self._server.drain(seconds)

    async def _handle(self, exchange: Exchange) -> None:
        document = await exchange.body(BODY_BYTES)
        answer = self._answers.get(exchange.head.target.decode("latin-1"))
        if exchange.head.method != "POST" or answer is None or not isinstance(exchange.principal, EngineProcess):
            exchange.answer(404, CONTENT_TYPE, msgspec.json.encode({"Err": "dockwarden: this plugin has no such call"}))
            return
        value = await answer(PluginCall(document, exchange.principal))
        exchange.answer(200, CONTENT_TYPE, msgspec.json.encode(value))


def _activate(implements: Sequence[str]) -> Answer:
    async def answer(_: PluginCall) -> object:
        return {"Implements": list(implements)}

    return answer


def _identify(peer: Peer) -> Principal:
    pid, uid, _ = UCRED.unpack(_credentials(peer))
    if uid not in {0, os.geteuid()}:
        raise Forbidden("plugin.not_root", "only the Engine, which is root, asks here")
    return EngineProcess("engine", via="plugin", pid=pid)


def _credentials(peer: Peer) -> bytes:
    said = peer.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size)
    if not isinstance(said, bytes):
        raise Forbidden("plugin.not_root", "the kernel does not say who asks")
    return said


def _make_folder(folder: Path) -> None:
    """Make the Engine's plugin folder as the Engine would: for root alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        what = f"{folder} cannot be made ({error.strerror})"
        raise BadConfig("[engine] plugin_dir", what, "run as root, or choose another folder") from None


def in_our_words(error: Refused) -> str:
    """What the Engine shall tell its caller."""
    return f"dockwarden: {error.message}"
