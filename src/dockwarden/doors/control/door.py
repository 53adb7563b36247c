"""The socket: who calls, which verb, and how an answer or a refusal is written."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from dockwarden.doors.docker.exchange import Exchange
from dockwarden.doors.docker.server import Limits, Peer, Refusal, Server
from dockwarden.doors.docker.trail import Trail
from dockwarden.doors.operate.metrics import Metrics
from dockwarden.ledger.writer import Ledger
from dockwarden.words.errors import BadConfig, Malformed, Refused, Unavailable
from dockwarden.words.principal import Principal
from dockwarden.words.secret import Secret

CONTENT_TYPE = ((b"content-type", b"application/json"),)
LONGEST_BODY = 16 << 10
LONGEST_PUT = 4 << 20
"""Of the one call that brings a value."""
PUT = "secret/put"
LIMITS = Limits(connections_per_principal=64, idle_s=60.0, read_bytes=16 << 10)
TAKEN = Refusal("the control socket", "another dockwarden serves this folder; stop it first")
VERBS = "/v1/"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One call: who, the body as it came (it may hold a secret: it is not printed), and its record."""

    principal: Principal
    body: bytes
    trail: Trail

    def read(self, kind: type[T]) -> T:
        """The body as `kind`.

        Raises:
            Malformed: `control.body`; the message names the field, never a value.
        """
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except msgspec.DecodeError as error:
            what = str(error) if isinstance(error, msgspec.ValidationError) else "it is no JSON"
            raise Malformed("control.body", f"this call is of another form: {what}; use a dockwarden of the same version") from None

    def __repr__(self) -> str:
        return f"Call({self.principal.name!r}, ...)"


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that is sent as it comes: of this content type. `pieces` is closed when the caller is gone."""

    kind: bytes
    pieces: AsyncGenerator[bytes, None]


Verb = Callable[[Call], Awaitable[Mapping[str, Any] | Stream]]
"""Does one thing; it decides and records by `Call.trail` before anything moves. Raises: Refused."""


class ControlDoor:
    """Listens at one socket. Make it inside the running loop."""

    def __init__(self, socket: Path, verbs: Mapping[str, Verb], identify: Callable[[Peer], Principal], ledger: Ledger, metrics: Metrics) -> None:
        """`verbs` are named as in the path: `secret/put`."""
        self._socket, self._verbs = socket, verbs
        self._ledger, self._metrics = ledger, metrics
        self._server = Server(self._handle, identify, LIMITS)

    async def open(self) -> None:
        """Accept calls. Raises: BadConfig."""
        await self._server.listen(f"unix://{self._socket}", refusal=TAKEN)

    def refresh(self, fresh: Callable[[Principal], Principal]) -> None:
        """See `Server.refresh`."""
        self._server.refresh(fresh)

    async def close(self, seconds: float = 2.0) -> None:
        """Accept no more, let what is under way end."""
        await self._server.drain(seconds)

    async def _handle(self, exchange: Exchange) -> None:
        target = exchange.head.target.decode("latin-1")
        name = target.removeprefix(VERBS)
        trail = Trail(self._ledger, self._metrics, exchange.principal, f"unix://{self._socket}", target)
        verb, body = self._verbs.get(name), b""
        try:
            if verb is None or exchange.head.method != "POST" or not target.startswith(VERBS):
                raise Malformed("control.verb", "this dockwarden has no such call; use a dockwarden of the same version")
            body = await exchange.body(LONGEST_PUT if name == PUT else LONGEST_BODY)
            said = await verb(Call(exchange.principal, body, trail))
        except (Refused, BadConfig) as error:
            refused = error if isinstance(error, Refused) else Unavailable("control.config", str(error))
            trail.refused(refused)
            exchange.answer(refused.status, CONTENT_TYPE, msgspec.json.encode({"code": refused.code, "message": refused.message}))
            return
        finally:
            Secret(body).wipe()
            self._server.buffer.wipe()
        if isinstance(said, Stream):
            async with contextlib.aclosing(said.pieces):
                await exchange.send_chunks(200, ((b"content-type", said.kind),), said.pieces)
        else:
            exchange.answer(200, CONTENT_TYPE, msgspec.json.encode(said))
