"""Files on their way through a joint: each deed judged before it goes on, and in the ledger with what moved. See `files/`.

The tape of such a session has a mark for each deed, and not the contents.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from dockwarden.doors.ssh.files.contents import Moved
from dockwarden.doors.ssh.files.events import Allowed, Ask, Broke, Denied, Event, Send, SendEnd, Side, Verdict
from dockwarden.doors.ssh.files.operations import Deed, FileDone, FileOp, shown
from dockwarden.doors.ssh.files.relay import Relay
from dockwarden.doors.ssh.files.scp import ScpRelay
from dockwarden.doors.ssh.joint import Joint
from dockwarden.tape.frames import Kind
from dockwarden.words.errors import Refused

COPYING = "copying"
ASIDE = frozenset({Deed.STAT, Deed.RESOLVE, Deed.READLINK, Deed.SPACE, Deed.NAMES})
"""What a client asks beside what it does: on the tape, and not in the ledger."""

Judge = Callable[[FileOp], Awaitable[None]]
"""Returns if a deed may be done, its intent durable where it changes something. Raises: Refused."""
Told = Callable[[FileOp, dict[str, Any]], None]
"""Hears how a deed ended. Raises: Refused: it could not be written down."""


class Copying:
    """What stands between the two sides of a joint: `sides.Through`."""

    def __init__(self, joint: Joint, relay: Relay | ScpRelay, judge: Judge, told: Told) -> None:
        self._joint, self._relay, self._judge, self._told = joint, relay, judge, told
        self._asked: deque[Ask] = deque()
        self._judging: asyncio.Task[None] | None = None

    def sent(self, data: bytes) -> None:
        """The person's client sends something."""
        self._do(self._relay.client(data))

    def sent_all(self) -> None:
        """It sends nothing more."""
        self._do(self._relay.client_eof())

    def shown(self, data: bytes) -> None:
        """The server sends something."""
        self._do(self._relay.server(data))

    def over(self) -> None:
        """Either side is gone: what was under way is told as cut off."""
        if self._judging is not None:
            self._judging.cancel()
        self._do(self._relay.over())

    def _do(self, events: list[Event]) -> None:
        try:
            for event in events:
                self._do_one(event)
        except Refused as error:  # a deed that cannot be written down is the last one
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
            case FileDone():
                self._done(event)
            case Broke(by, words):
                self._joint.stop(f"the {by} sent what cannot be ({words})")

    async def _judge_asked(self) -> None:
        try:
            while self._asked:
                ask = self._asked.popleft()
                verdict: Verdict = Allowed()
                try:
                    await self._judge(ask.op)
                except Refused as error:
                    verdict = Denied(error.message)
                    self._joint.said(Kind.MARK, f"refused: {_words(ask.op)}: {error.message}")
                    if isinstance(self._relay, Relay):  # clients of SFTP show no more than that it was denied
                        self._joint.say(error.message)
                self._do(self._relay.verdict(ask.token, verdict))
        except Exception as error:  # noqa: BLE001  a task's root: what cannot be judged does not go on
            self._joint.stop(f"dockwarden failed ({type(error).__name__}); please report this")
        finally:
            self._judging = None

    def _done(self, done: FileDone) -> None:
        told = detail(done)
        self._joint.said(Kind.MARK, f"{_words(done.op)}: {_ended(done)}")
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

