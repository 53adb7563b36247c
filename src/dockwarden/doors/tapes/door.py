"""The door: who asks, what of which session, whether they may, and the bytes.

1. The host is one of the door's own names, and no page of another origin had a part in it.
2. The question is read from a closed list of paths and queries, asked by GET or HEAD.
3. Policy decides about the session (a cast is played, a raw stream exported, a session under way watched), and what it says is in the
   ledger before a byte goes out. Who may not know of a session hears what is heard of one that is not there.
4. A tape that has ended has a length, a strong tag, and ranges. One that is still recorded has none of them: it is sent up to the present.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping

import msgspec

from dockwarden.doors.control.door import Call
from dockwarden.doors.control.sessions import EXPORT, PLAY, WATCH, SessionVerbs, streamed, unreadable
from dockwarden.doors.docker.exchange import ClientGone, Exchange
from dockwarden.doors.docker.trail import Trail
from dockwarden.doors.operate.metrics import Metrics
from dockwarden.doors.tapes.asked import Asked, WrongMethod, check_site, read_asked
from dockwarden.doors.tapes.ranges import RANGE, Selected, select
from dockwarden.doors.tapes.websocket import Lines, WebSocket, read_handshake
from dockwarden.ledger.writer import Ledger
from dockwarden.tape.cast import Caster
from dockwarden.tape.exported import EDITION, Exported, Measures
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import tail_of
from dockwarden.tape.segment import Flag
from dockwarden.upstream.framing import NO_BODY
from dockwarden.words.errors import Malformed, Refused

Fields = tuple[tuple[bytes, bytes], ...]

HARMLESS: Fields = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
"""On every answer: kept nowhere, taken for nothing that it is not, run and framed nowhere, read by no other site."""
JSON: Fields = ((b"content-type", b"application/json"), *HARMLESS)
TYPES = {"cast": b"application/x-asciicast", "raw": b"application/octet-stream"}
ACTIONS = {"cast": PLAY, "raw": EXPORT}
PROTOCOLS = {"v3.asciicast": 3, "v2.asciicast": 2}
"""How a session is told by WebSocket: each line of a cast is a message. The names are asciinema-player's."""


class TapesDoor:
    """One door's handler."""

    def __init__(self, listen: str, names: frozenset[str] | None, verbs: SessionVerbs, ledger: Ledger, metrics: Metrics) -> None:
        """`names` are the door's own, `None` at a unix socket."""
        self._listen, self._names, self._verbs, self._ledger, self._metrics = listen, names, verbs, ledger, metrics
        self._measures = Measures()

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        trail = Trail(self._ledger, self._metrics, exchange.principal, self._listen, exchange.head.target.decode("latin-1"))
        headers = _joined(exchange)
        try:
            check_site(headers, self._names)
            asked = read_asked(exchange.head.method, exchange.head.target)
            if exchange.head.framing is not NO_BODY:
                raise Malformed("tapes.body", "a question here has no body; send none")
            await self._answer(exchange, Call(exchange.principal, b"", trail), asked, headers)
        except Refused as error:
            if exchange.is_answered or isinstance(error, ClientGone):  # nothing more can be said, and what was sent is in the outcome
                raise
            trail.refused(error)
            allow = ((b"allow", b"GET, HEAD"),) if isinstance(error, WrongMethod) else ()
            exchange.answer(error.status, (*JSON, *allow), msgspec.json.encode({"code": error.code, "message": error.message}))

    async def _answer(self, exchange: Exchange, call: Call, asked: Asked, headers: Mapping[str, str]) -> None:
        if asked.what == "sessions":
            exchange.answer(200, JSON, msgspec.json.encode((await self._verbs.list(call))["sessions"]))
        elif asked.what == "live":
            await self._live(exchange, call, asked.id, headers)
        else:
            await self._form(exchange, call, asked, headers)

    async def _form(self, exchange: Exchange, call: Call, asked: Asked, headers: Mapping[str, str]) -> None:
        part = headers.get("range", "")
        detail = {"form": asked.form, "method": exchange.head.method, **({"range": part} if RANGE.fullmatch(part) else {})}
        opening, key = await self._verbs.opened(call, ACTIONS[asked.what], asked.id, detail)
        exported = self._verbs.form(opening, key, asked.form)
        fields = ((b"content-type", TYPES[asked.what]), *HARMLESS)
        with _outcome(exchange, call.trail, asked.id):
            head, _, _ = await asyncio.to_thread(tail_of, exported.folder)
            if head is None or Flag.LAST not in head.flags:
                await exchange.send_chunks(200, (*fields, (b"accept-ranges", b"none")), streamed(exported.pieces, asked.id))
            else:
                await self._ended(exchange, exported, head.hash, headers, fields)

    async def _ended(self, exchange: Exchange, exported: Exported, head: bytes, headers: Mapping[str, str], fields: Fields) -> None:
        measure = await self._measures.of(exported, head)
        etag = f'"{head.hex()}-{exported.form}-{EDITION}"'
        chosen = select(headers if exchange.head.method == "GET" else _without_range(headers), etag, measure.length)
        fields = (*fields, (b"etag", etag.encode()), (b"accept-ranges", b"bytes"), *_content_range(chosen, measure.length))
        if chosen.status not in {200, 206}:
            exchange.answer(chosen.status, fields)
            return
        pieces = streamed(lambda: exported.part(measure, chosen.first, chosen.last), exported.opening.id)
        await exchange.send_chunks(chosen.status, fields, pieces, length=chosen.last + 1 - chosen.first)

    async def _live(self, exchange: Exchange, call: Call, id: str, headers: Mapping[str, str]) -> None:
        accept, protocol = read_handshake(headers, PROTOCOLS)
        opening, followed = await self._verbs.followed(call, id, {"form": protocol or "v3.asciicast"})
        caster = Caster(opening, 2 if PROTOCOLS.get(protocol) == 2 else 3)

        async def lines() -> Lines:
            yield (caster.begin(),)
            async with contextlib.aclosing(followed):
                async for frames in followed:
                    yield filter(None, caster.feed(frames))
            yield filter(None, caster.end())

        with _outcome(exchange, call.trail, id):
            await WebSocket(exchange, accept, protocol).tell(lines(), lambda: self._verbs.may(exchange.principal, WATCH, opening))


@contextlib.contextmanager
def _outcome(exchange: Exchange, trail: Trail, id: str) -> Iterator[None]:
    """Write down how much of tape `id` was sent, and why no more, once anything was. Raises: Broken: `session.unreadable`, in place of its faults."""
    cut = {}
    try:
        yield
    except (BadSegment, OSError) as error:
        cut = {"cut": unreadable(id, error).code}
        raise unreadable(id, error) from None
    except Refused as error:
        cut = {"cut": error.code}
        raise
    finally:
        if exchange.is_answered:
            trail.outcome(exchange.status, bytes_out=exchange.bytes_out, detail={"tape": id, **cut}, changing=True)


def _joined(exchange: Exchange) -> dict[str, str]:
    """The request's headers by name; several of one name are one list (RFC 9110 §5.3)."""
    found: dict[str, list[str]] = {}
    for name, value in exchange.head.headers:
        found.setdefault(name.decode(), []).append(value.decode("latin-1"))
    return {name: ", ".join(values) for name, values in found.items()}


def _without_range(headers: Mapping[str, str]) -> Mapping[str, str]:
    """A range counts for GET alone (RFC 9110 §14.2)."""
    return {name: value for name, value in headers.items() if name != "range"}


def _content_range(chosen: Selected, length: int) -> Fields:
    if chosen.status == 206:
        return ((b"content-range", b"bytes %d-%d/%d" % (chosen.first, chosen.last, length)),)
    return ((b"content-range", b"bytes */%d" % length),) if chosen.status == 416 else ()
