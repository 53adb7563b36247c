"""What people do with sessions: `session/list`, `play`, `export`, `files`, `watch`, `kill`.

Each is decided about the session and in the ledger first.

Who may not even list a session hears that it is not there.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from dockwarden.access.rulebook import Rulebook
from dockwarden.doors.control.door import Call, Stream, Verb
from dockwarden.engine.finding import masked
from dockwarden.policy.decide import decide
from dockwarden.policy.schema import SESSION_ACTIONS
from dockwarden.tape.custody import Custody
from dockwarden.tape.exported import CASTS, Exported, FormName
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import Row, rows
from dockwarden.tape.frames import Frame, Kind
from dockwarden.tape.kept import Copy, contents, copies_of
from dockwarden.tape.keys import TapeKeys
from dockwarden.tape.marks import mark_killed
from dockwarden.tape.opening import Opening, unwrap
from dockwarden.tape.read import frames_of, opening_of
from dockwarden.tape.recorder import Recorder
from dockwarden.tape.sessions import Sessions
from dockwarden.tape.terms import State
from dockwarden.tape.watch import follow
from dockwarden.vault.keeper import KeepsSecrets
from dockwarden.words.ask import Ask, Resource
from dockwarden.words.ask import Kind as ResourceKind
from dockwarden.words.errors import Broken, Forbidden, Hidden, Malformed
from dockwarden.words.principal import Principal

LIST, PLAY, EXPORT, WATCH, KILL = SESSION_ACTIONS
LINES = b"application/x-ndjson"
BYTES = b"application/octet-stream"
AT_ONCE, BYTES_AT_ONCE = 64, 256 << 10
SHOWING = frozenset({PLAY, EXPORT, WATCH})
UNSEEN = frozenset({State.WAITING, State.PAUSED})

Followed = AsyncGenerator[list[Frame], None]
"""The frames of a session under way, by segments."""


class OfSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call about one session."""

    id: str


class Export(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tape in a form that others read: a cast of version 3 or 2, or one stream's bytes; or the contents of one of its files, by its number.

    `with_untaken`: of a file, also what the server was sent and did not take.
    """

    id: str
    format: Literal["asciicast", "asciicast-v2", "raw"] = "asciicast"
    stream: Literal["out", "err", "in", "both"] = "both"
    file: int = 0
    with_untaken: bool = False


class Kill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An end to a session; `why` is told to the person."""

    id: str
    why: str = ""


class SessionVerbs:
    """The verbs of noun `session`."""

    def __init__(
        self, recorder: Recorder, sessions: Sessions, keys: TapeKeys, keeper: KeepsSecrets, rulebook: Rulebook, custody: Custody
    ) -> None:
        self._recorder, self._sessions, self._keys, self._keeper, self._rulebook = recorder, sessions, keys, keeper, rulebook
        self._custody = custody

    def verbs(self) -> dict[str, Verb]:
        """Each verb by its name in the path."""
        return {
            "session/list": self.list, "session/play": self.play, "session/export": self.export, "session/watch": self.watch,
            "session/kill": self.kill, "session/files": self.files,
        }

    async def list(self, call: Call) -> Mapping[str, Any]:
        """Every session that the caller may know of, the oldest first."""
        call.trail.action = LIST
        found = await asyncio.to_thread(lambda: rows(self._recorder.shelf))
        shown = [msgspec.to_builtins(self._now(row)) for row in found if self._may(call.principal, LIST, row.id, row.person, row.target)]
        call.trail.outcome(200, detail={"shown": len(shown)}, changing=False)
        return {"sessions": shown}

    async def play(self, call: Call) -> Stream:
        """The frames of a tape, with their moments, for who plays it in a terminal."""
        asked = call.read(OfSession)
        opening, key = await self.opened(call, PLAY, asked.id, {})
        folder = self._recorder.shelf.path(opening.id)
        return Stream(LINES, streamed(lambda: _frame_lines(opening, filter(_is_played, frames_of(folder, key))), asked.id))

    async def export(self, call: Call) -> Stream:
        """A tape as a file of another kind."""
        asked = call.read(Export)
        if asked.file:
            return await self._file(call, asked)
        opening, key = await self.opened(call, EXPORT, asked.id, {"format": asked.format, "stream": asked.stream})
        form: FormName = asked.stream if asked.format == "raw" else CASTS[asked.format]
        return Stream(BYTES if asked.format == "raw" else LINES, streamed(self.form(opening, key, form).pieces, asked.id))

    async def files(self, call: Call) -> Mapping[str, Any]:
        """Which files were copied, and what is kept of them: that is a part of exporting them."""
        asked = call.read(OfSession)
        found = await self._copies(*await self.opened(call, EXPORT, asked.id, {"files": True}))
        call.trail.outcome(200, detail={"shown": len(found)}, changing=False)
        return {"files": msgspec.to_builtins(found)}

    async def _file(self, call: Call, asked: Export) -> Stream:
        """The contents of one file."""
        detail = {"file": asked.file} | ({"with_untaken": True} if asked.with_untaken else {})
        opening, key = await self.opened(call, EXPORT, asked.id, detail)
        copy = next((one for one in await self._copies(opening, key) if one.number == asked.file), None)
        if copy is None or not copy.keep_bytes:
            words = "has no file of that number" if copy is None else "does not have the contents of that file, since no policy asked to keep them"
            raise Malformed("session.no_file", f"session {asked.id} {words}; see dockwarden session files {asked.id}")
        folder = self._recorder.shelf.path(opening.id)
        return Stream(BYTES, streamed(lambda: contents(lambda: frames_of(folder, key), copy, with_untaken=asked.with_untaken), asked.id))

    async def _copies(self, opening: Opening, key: bytes) -> tuple[Copy, ...]:
        """Raises: Broken: `session.unreadable`."""
        folder = self._recorder.shelf.path(opening.id)
        try:
            return await asyncio.to_thread(lambda: copies_of(frames_of(folder, key)))
        except (BadSegment, OSError) as error:
            raise unreadable(opening.id, error) from None

    async def watch(self, call: Call) -> Stream:
        """The frames of a session under way: from its first, and on as they come."""
        asked = call.read(OfSession)
        opening, followed = await self.followed(call, asked.id, {})

        async def pieces() -> AsyncGenerator[bytes, None]:
            yield _first_line(opening)
            async with contextlib.aclosing(followed):
                async for frames in followed:
                    yield b"".join(map(_frame_line, filter(_is_played, frames)))

        return Stream(LINES, pieces())

    def _now(self, row: Row) -> Row:
        """A row with what only we know: why its tape is broken, if that could not be written; whether it waits or is paused, and who watches."""
        if row.state == "open" and (why := self._recorder.why_broken(row.id)):
            row = msgspec.structs.replace(row, state=f"broken: {why}")
        session = self._sessions.live.get(row.id)
        if session is None:
            return row
        state = session.vigil.state
        return msgspec.structs.replace(row, state=state.value if state in UNSEEN else row.state, watchers=tuple(session.vigil.watchers))

    async def kill(self, call: Call) -> Mapping[str, Any]:
        """End a session: its stream, and what runs behind it."""
        asked = call.read(Kill)
        why = asked.why[:200]
        await self.judge(call, KILL, asked.id, {"why": masked(why)})
        session = self._sessions.live.get(asked.id)
        if session is None:
            raise Malformed("session.over", f"session {asked.id} is over already")
        await session.end(f"ended by {call.principal.name}" + (f": {why}" if why else ""))
        await asyncio.to_thread(mark_killed, self._recorder.shelf.path(asked.id), call.principal.name, masked(why))
        call.trail.outcome(200, changing=True)
        return {"id": asked.id}

    # --- what the tapes door asks, too ---

    async def opened(self, call: Call, action: str, id: str, detail: Mapping[str, Any]) -> tuple[Opening, bytes]:
        """A tape that the caller may do `action` with, here, and its key; the ledger has that they are about to.

        Raises: as `judge`, `_key`; Unavailable: `session.away`.
        """
        opening = await self.judge(call, action, id, detail)
        await self._custody.bring(opening.id)
        return opening, await self._key(opening)

    def form(self, opening: Opening, key: bytes, name: FormName) -> Exported:
        """A tape in another form."""
        return Exported(opening, self._recorder.shelf.path(opening.id), key, name)

    async def followed(self, call: Call, id: str, detail: Mapping[str, Any]) -> tuple[Opening, Followed]:
        """A session under way that the caller may watch, and its frames from the first on. They watch it as long as they take them.

        Raises:
            Malformed: `session.over`. Forbidden: `session.own`. Otherwise as `judge`; of the frames: Broken: `session.unreadable`.
        """
        opening = await self.judge(call, WATCH, id, detail)
        session = self._sessions.live.get(id)
        if session is None:
            raise Malformed("session.over", f"session {id} is over; see it with: dockwarden session play {id}")
        name = call.principal.name
        session.vigil.check_watcher(name)

        async def frames() -> Followed:
            with session.vigil.watched_by(name):  # a session that waits for a watcher begins now
                try:
                    async with contextlib.aclosing(follow(session.tape, self._recorder.shelf.path(id))) as followed:
                        async for some in followed:
                            yield some
                except (BadSegment, OSError) as error:
                    raise unreadable(id, error) from None

        return opening, frames()

    def may(self, principal: Principal, action: str, opening: Opening) -> bool:
        """Whether `principal` may do `action` with this session, as policies stand now."""
        return self._may(principal, action, opening.id, opening.person, opening.target)

    # --- within ---

    async def _key(self, opening: Opening) -> bytes:
        """The tape's key. Raises: Refused: the vault is sealed, or does not have it."""
        try:
            return unwrap(opening, await self._keys.identity(self._keeper))
        except BadSegment as error:
            raise unreadable(opening.id, error) from None

    async def judge(self, call: Call, action: str, id: str, detail: Mapping[str, Any]) -> Opening:
        """The opening of a session that the caller may do `action` with; the ledger has that they are about to.

        Raises:
            Hidden: it is not there, or not for them to know. Forbidden: this is not permitted.
        """
        call.trail.action = action
        try:
            opening = await asyncio.to_thread(lambda: opening_of(self._recorder.shelf.path(id)))
        except BadSegment:
            raise _unseen(id) from None
        about = _resource(id, opening.person, opening.target)
        policies = self._rulebook.rules.policies
        ask = Ask(call.principal, action, about)
        verdict = decide(ask, policies)
        call.trail.judged(about, verdict, None)
        if not verdict.is_allowed:
            if not self._may(call.principal, LIST, id, opening.person, opening.target):
                raise _unseen(id)
            own = "nobody watches a session of their own; ask a colleague" if action == WATCH and opening.person == call.principal.name else ""
            reasons = "; ".join(verdict.advice) or own or "no policy permits it"
            raise Forbidden(verdict.why.value, f"{action} of {id} is refused for {call.principal.name}: {reasons}", policies=verdict.policies)
        if action in SHOWING:
            self._sessions.read_by_us(ask)  # INVARIANT: before anything is awaited, or people could change unheeded
        await call.trail.intent({"tape": id, **detail})
        return opening

    def _may(self, principal: Principal, action: str, id: str, person: str, target: str) -> bool:
        return decide(Ask(principal, action, _resource(id, person, target)), self._rulebook.rules.policies).is_allowed


def _resource(id: str, person: str, target: str) -> Resource:
    return Resource(ResourceKind.SESSION, id, target, person)


def _unseen(id: str) -> Hidden:
    return Hidden("session.absent", f"there is no session {id[:40]}, or it is not for you to know; see dockwarden session list")


def unreadable(id: str, error: Exception) -> Broken:
    """A tape that is not as it was written."""
    return Broken("session.unreadable", f"session {id}: {error}; see dockwarden session verify {id}")


def _is_played(frame: Frame) -> bool:
    """Whether it is for who may play or watch a session; what it copied is for who may export it."""
    return frame.kind is not Kind.FILE


def _first_line(opening: Opening) -> bytes:
    return msgspec.json.encode({"opening": opening}) + b"\n"


def _frame_line(frame: Frame) -> bytes:
    return msgspec.json.encode([frame.at_us, frame.kind, base64.b64encode(frame.data).decode()]) + b"\n"


def _frame_lines(opening: Opening, frames: Iterator[Frame]) -> Iterator[bytes]:
    yield _first_line(opening)
    yield from map(_frame_line, frames)


async def streamed(make: Callable[[], Iterator[bytes]], id: str) -> AsyncGenerator[bytes, None]:
    """What an iterator of a thread's yields of tape `id`, some at a time. Raises: Broken: `session.unreadable`."""
    try:
        pieces = await asyncio.to_thread(make)
        while some := await asyncio.to_thread(_some, pieces):
            yield b"".join(some)
    except (BadSegment, OSError) as error:
        raise unreadable(id, error) from None


def _some(pieces: Iterator[bytes]) -> list[bytes]:
    some, size = list[bytes](), 0
    for piece in pieces:
        some.append(piece)
        size += len(piece)
        if size >= BYTES_AT_ONCE or len(some) >= AT_ONCE:
            break
    return some
