"""Files on their way through a joint: each deed judged before it goes on, and in the ledger with what moved. See `files/`.

The tape of such a session has a mark for each deed, and what moved of each file; where policy obliges to it (`keep-files=`), its contents.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from dockwarden.doors.ssh.files.contents import Moved
from dockwarden.doors.ssh.files.events import (
    Allowed,
    Ask,
    Broke,
    Content,
    Cut,
    Denied,
    Event,
    Send,
    SendEnd,
    Side,
    TooLarge,
    Untaken,
    Verdict,
)
from dockwarden.doors.ssh.files.operations import MOVING, Deed, FileDone, FileOp, shown
from dockwarden.doors.ssh.files.packets import Flag
from dockwarden.doors.ssh.files.relay import Relay
from dockwarden.doors.ssh.files.scp import ScpRelay
from dockwarden.doors.ssh.joint import Joint
from dockwarden.tape import files
from dockwarden.tape.files import Begun, Ended, Sum
from dockwarden.tape.frames import Kind
from dockwarden.words.errors import Refused

COPYING = "copying"
ASIDE = frozenset({Deed.STAT, Deed.RESOLVE, Deed.READLINK, Deed.SPACE, Deed.NAMES})
"""What a client asks beside what it does: on the tape, and not in the ledger."""

Judge = Callable[[FileOp], Awaitable[Allowed]]
"""Returns if a deed may be done, and what of it is kept, its intent durable where it changes something. Raises: Refused."""
Told = Callable[[FileOp, dict[str, Any]], None]
"""Hears how a deed ended. Raises: Refused: it could not be written down."""


class Copying:
    """What stands between the two sides of a joint: `sides.Through`."""

    def __init__(self, joint: Joint, relay: Relay | ScpRelay, judge: Judge, told: Told) -> None:
        self._joint, self._relay, self._judge, self._told = joint, relay, judge, told
        self._asked: deque[Ask] = deque()
        self._judging: asyncio.Task[None] | None = None
        self._begun: dict[int, Begun] = {}
        self._is_stopped = False

    def sent(self, data: bytes) -> None:
        """The person's client sends something."""
        if not self._is_stopped:
            self._do(self._relay.client(data))

    def sent_all(self) -> None:
        """It sends nothing more."""
        if not self._is_stopped:
            self._do(self._relay.client_eof())

    def shown(self, data: bytes) -> None:
        """The server sends something."""
        if not self._is_stopped:
            self._do(self._relay.server(data))

    def over(self) -> None:
        """Either side is gone: what was under way is told as cut off."""
        if self._judging is not None:
            self._judging.cancel()
        for event in self._relay.over():
            with contextlib.suppress(Refused):
                self._do_one(event)

    def _do(self, events: list[Event]) -> None:
        try:
            for event in events:
                self._do_one(event)
        except Refused as error:  # what cannot be written down is the last thing, and does not pass
            self._is_stopped = True
            self._joint.stop(error.message)
        self._joint.let_in(COPYING, is_open=self._relay.wants_client)
        self._joint.let_out(COPYING, is_open=self._relay.wants_server)

    def _do_one(self, event: Event) -> None:
        match event:
            case Send(Side.SERVER, data):
                self._joint.pass_on(bytes(data))
            case Send(Side.CLIENT, data):
                self._joint.show(bytes(data))
            case SendEnd():
                self._joint.pass_on_end()
            case Ask():
                self._asked.append(event)
                if self._judging is None:
                    self._judging = asyncio.ensure_future(self._judge_asked())
            case Content(token, is_upload, offset, data):
                self._joint.keep(files.piece(token, offset, data, is_upload=is_upload))
            case Cut(token, size):
                self._joint.keep(files.cut(token, size))
            case Untaken(token, number):
                self._joint.keep(files.untaken(token, number))
            case TooLarge(op, words):
                self._refused(op, words)
            case FileDone():
                self._done(event)
            case Broke(by, words):
                self._joint.stop(f"the {by} sent what cannot be ({words})")

    async def _judge_asked(self) -> None:
        try:
            while self._asked:
                ask = self._asked.popleft()
                verdict: Verdict
                try:
                    verdict = await self._judge(ask.op)
                    self._begin(ask, verdict)
                except Refused as error:
                    verdict = Denied(error.message)
                    self._refused(ask.op, error.message)
                if not self._is_stopped:
                    self._do(self._relay.verdict(ask.token, verdict))
        except Exception as error:  # noqa: BLE001  a task's root: what cannot be judged does not go on
            self._joint.stop(f"dockwarden failed ({type(error).__name__}); please report this")
        finally:
            self._judging = None

    def _refused(self, op: FileOp, words: str) -> None:
        self._joint.said(Kind.MARK, f"refused: {_words(op)}: {words}")
        if isinstance(self._relay, Relay):  # clients of SFTP show no more than that it was denied
            self._joint.say(words)

    def _begin(self, ask: Ask, allowed: Allowed) -> None:
        """Have it on the tape that a file is about to be copied. Raises: Unavailable: it is to be kept, and cannot be."""
        op = ask.op
        if op.deed not in MOVING:
            return
        begun = Begun(
            deed=str(op.deed), path=shown(op.path), other=shown(op.other), canonical=shown(op.canonical), keep_bytes=allowed.keep_bytes,
            is_appended=bool(op.flags & Flag.APPEND),
        )  # fmt: skip
        self._tape(files.begun(ask.token, begun), is_kept=allowed.keep_bytes > 0)
        self._begun[ask.token] = begun

    def _tape(self, data: bytes, *, is_kept: bool) -> None:
        """Record where a copy begins or ends; of one that is not kept only where the session is recorded. Raises: Unavailable."""
        if is_kept:
            self._joint.keep(data)
        else:
            self._joint.filed(data)

    def _done(self, done: FileDone) -> None:
        told = detail(done)
        begun = self._begun.pop(done.token, None)
        self._joint.said(Kind.MARK, f"{_words(done.op)}: {_ended(done)}")
        try:
            if begun is not None:
                told |= {"kept": True} if begun.keep_bytes else {}
                self._tape(files.ended(done.token, _ending(done)), is_kept=begun.keep_bytes > 0)
        finally:  # INVARIANT: the ledger hears of every deed, also where the tape cannot
            if done.op.deed not in ASIDE:
                self._told(done.op, told)


def detail(done: FileDone) -> dict[str, Any]:
    """How a deed ended, for the ledger: what is empty is left out."""
    found = {
        "deed": str(done.op.deed), "path": shown(done.op.path), "other": shown(done.op.other), "canonical": shown(done.op.canonical),
        "status": done.status, "read": _moved(done.read), "written": _moved(done.written), "entries": done.entries, "size": done.size,
        "complete": done.is_complete,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value not in ("", None, {}) and not (name == "entries" and not value)}


def _ending(done: FileDone) -> Ended:
    read, written = (Sum(bytes=one.bytes, sha256=one.sha256, ranges=one.ranges) for one in (done.read, done.written))
    return Ended(status=done.status, read=read, written=written, is_complete=done.is_complete)


def _moved(moved: Moved) -> dict[str, Any]:
    if not moved.bytes and not moved.sha256:
        return {}
    return {"bytes": moved.bytes} | ({"sha256": moved.sha256} if moved.sha256 else {"ranges": moved.ranges})


def _words(op: FileOp) -> str:
    return f"{op.deed} {shown(op.path)}" + (f" {shown(op.other)}" if op.other else "")


def _ended(done: FileDone) -> str:
    size = max(done.read.bytes, done.written.bytes)
    status = "no answer" if done.status is None else "done" if not done.status else f"status {done.status}"
    return f"{status}, {size} bytes" if size else status

