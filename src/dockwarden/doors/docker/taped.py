"""Exec, attach and `run -it` on tape: it is open before the Engine is asked, and what is shown is what was recorded.

1. The tape's opening and first segment are durable, and in the ledger, before the call goes upstream; else the call is refused.
2. Of a terminal, output is durable before it is passed on; above a rate it is buffered, and at most 100 ms of it can be lost.
3. When the recorder fails, the stream ends with the reason on the person's screen, unless policy says that it goes on (`record=alarm`).
4. The exit status is asked for and recorded, and the end is the last segment.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from dockwarden.doors.docker.prepare import Prepared
from dockwarden.doors.docker.relay import Direction, Tunnel
from dockwarden.doors.volumes.door import VolumeDoor
from dockwarden.engine.call import Request
from dockwarden.engine.delivery import FOLDER
from dockwarden.engine.fields import read
from dockwarden.engine.finding import masked
from dockwarden.engine.multiplex import Demultiplexer, Stream, multiplexed
from dockwarden.engine.obligations import Recording, parse_obligations
from dockwarden.ledger.entry import Entry
from dockwarden.tape.frames import Kind as Frame
from dockwarden.tape.intake import Intake, News, no_news
from dockwarden.tape.opening import Opening
from dockwarden.tape.recorder import Recorder, Tape
from dockwarden.tape.sessions import Session, Sessions
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.container_process import end_tree
from dockwarden.words.errors import Refused, Unavailable
from dockwarden.words.secret import Secret

TAPED = frozenset({"exec.start", "container.attach"})
WEBSOCKET = "container.attach.ws"
MAKES = frozenset({"exec.create", "container.create"})
ATTACHES = ("AttachStdin", "AttachStdout", "AttachStderr")
WINDOW_US, CALM_BYTES = 100_000, 32 << 10
"""Of a terminal that shows more than so much in a window, output is not waited for any more."""
COLUMNS, ROWS = 80, 24

Asked = Callable[[Request], Awaitable[WholeAnswer]]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a session is in: the container's description, and the exec's where it is one."""

    kind: str
    container: dict[str, Any]
    exec: dict[str, Any]

    @property
    def is_terminal(self) -> bool:
        """Whether the stream is that of a terminal, and not multiplexed."""
        if self.exec:
            return bool((self.exec.get("ProcessConfig") or {}).get("tty"))
        return bool((self.container.get("Config") or {}).get("Tty"))

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.container.get("Name") or "").removeprefix("/")

    @property
    def command(self) -> str:
        """What runs, secrets masked."""
        process = self.exec.get("ProcessConfig") or {}
        words = [process.get("entrypoint"), *(process.get("arguments") or ())] if self.exec else [
            self.container.get("Path"), *(self.container.get("Args") or ()),
        ]  # fmt: skip
        return masked(shlex.join(str(word) for word in words if word))

    @property
    def about(self) -> frozenset[str]:
        """The ids of what it is in."""
        return frozenset(filter(None, (str(self.container.get("Id") or ""), str(self.exec.get("ID") or ""))))

    def opening(self, person: str, call: str) -> Opening:
        """How its tape begins. The command is not there, since that is readable without a key: it is the first frame."""
        detail = {"container": str(self.container.get("Id") or ""), "image": str(self.container.get("Image") or "")}
        if self.exec:
            detail |= {"exec": str(self.exec.get("ID") or ""), "user": str((self.exec.get("ProcessConfig") or {}).get("user") or "")}
        columns, rows = (COLUMNS, ROWS) if self.is_terminal else (0, 0)
        return Opening(id="", at=0, person=person, kind=self.kind, target=self.name, call=call, columns=columns, rows=rows, detail=detail)


class Taped:
    """One stream that is recorded: the tap of its tunnel."""

    def __init__(self, scene: Scene, recording: Recording, ask: Asked) -> None:
        self._scene, self._recording, self._ask = scene, recording, ask
        self._reader = None if scene.is_terminal else Demultiplexer()
        self._window_us = self._shown = 0
        self.session: Session | None = None
        self.tunnel: Tunnel | None = None

    def __call__(self, direction: Direction, data: memoryview) -> Awaitable[None] | None:
        """Record a piece; see `relay.Tap`."""
        session = self.session
        if session is None or (session.tape.broken and self._recording is Recording.ALARM):
            return None
        try:
            return self._record(session, direction, piece := bytes(data))
        except Unavailable:
            if self._recording is Recording.ALARM:
                return None
            raise
        finally:
            if session.intake.is_masking:
                Secret(piece).wipe()

    def _record(self, session: Session, direction: Direction, data: bytes) -> Awaitable[None] | None:
        tape, intake = session.tape, session.intake
        if direction is Direction.IN:
            intake.input(data)
        elif self._reader is None:
            intake.output(data)
            if self._is_calm(tape, len(data)):
                return tape.settle()
        else:
            for stream, piece in self._reader.feed(data):
                intake.output(piece, Frame.OUTPUT if stream is Stream.STDOUT else Frame.ERROR)
                if intake.is_masking and piece is not data:
                    Secret(piece).wipe()
        return tape.settle() if tape.is_full else None

    def _is_calm(self, tape: Tape, size: int) -> bool:
        now_us = tape.now_us
        if now_us - self._window_us > WINDOW_US:
            self._window_us, self._shown = now_us, 0
        self._shown += size
        return self._shown <= CALM_BYTES

    def joined(self, tunnel: Tunnel) -> None:
        """Client and Engine are joined."""
        self.tunnel = tunnel

    def broken(self, why: str) -> None:
        """The recorder failed: end the stream, or let it go on where policy says so."""
        if self._recording is not Recording.ALARM:
            self.stop(f"this session is recorded no more ({why}), so it ends here")

    def stop(self, words: str) -> None:
        """End the stream with `words` on the person's screen."""
        if self.tunnel is None:
            return
        text = f"\r\ndockwarden: {words}\r\n".encode()
        if self._reader is None:
            self.tunnel.stop(text)
        else:
            self.tunnel.stop(multiplexed(Stream.STDERR, text.lstrip()) if self._reader.is_between else b"")

    async def end(self, why: str) -> None:
        """End the stream, and what runs in the container for it: the exec's process; the container, where it was started for this."""
        if self.session is not None:
            self.session.why = why
        self.stop(why)
        with contextlib.suppress(Refused):
            await self._end_process()

    async def _end_process(self) -> None:
        container = str(self._scene.container["Id"])
        if not self._scene.exec:
            if (self._scene.container.get("State") or {}).get("Status") == "created":
                await self._ask(Request("POST", f"/containers/{container}/kill", (), b""))
            return
        said = await inspected(self._ask, f"/exec/{self._scene.exec['ID']}/json")
        if said.get("Running") and (pid := int(said.get("Pid") or 0)):
            await asyncio.to_thread(end_tree, pid, container)

    async def finish(self) -> None:
        """Record how it ended."""
        session = self.session
        if session is None:
            return
        with contextlib.suppress(Refused):
            session.intake.finish()
            code = await self._exit_code()
            if code is not None:
                session.intake.say(Frame.EXIT, str(code))
        await session.tape.end(session.why)

    async def _exit_code(self) -> int | None:
        if self._scene.exec:
            said = await inspected(self._ask, f"/exec/{self._scene.exec['ID']}/json")
            return None if said.get("Running") else said.get("ExitCode")
        state = (await inspected(self._ask, f"/containers/{self._scene.container['Id']}/json")).get("State") or {}
        return None if state.get("Running") else state.get("ExitCode")


class Taper:
    """Puts the streams of one Engine on tape."""

    def __init__(self, recorder: Recorder, sessions: Sessions, ask: Asked, volumes: Callable[[], VolumeDoor | None]) -> None:
        self._recorder, self._sessions, self._ask, self._volumes = recorder, sessions, ask, volumes

    async def probe(self, prepared: Prepared, *, is_observing: bool) -> None:
        """Return unless a create makes what will be attached to, and no session could be recorded now.

        Clients show the words of a refused create, and only the number of a refused attach.
        Raises:
            Unavailable: `tape.refused`.
        """
        body = prepared.call.body
        if prepared.call.route.action not in MAKES or not any(read(body, name, False) for name in ATTACHES):
            return
        if _recording(prepared, is_observing=is_observing) is Recording.STRICT:
            await self._recorder.probe()

    async def begin(self, prepared: Prepared, entry: Entry, *, is_observing: bool) -> Taped | None:
        """The recording of a call that hijacks its connection, open; `None` if policy wants none (`record=off`).

        Raises:
            Unavailable: `tape.refused`, `ledger.unwritable`; it cannot be recorded, so it must not begin.
        """
        recording = _recording(prepared, is_observing=is_observing)
        if prepared.call.route.action == WEBSOCKET and recording is Recording.STRICT:
            raise Unavailable("tape.refused", "an attach by WebSocket is not recorded, so it does not begin; attach by docker attach")
        if prepared.call.route.action not in TAPED:
            return None
        if recording is Recording.OFF:
            return None
        scene = await self._scene(prepared)
        taped = Taped(scene, recording, self._ask)
        try:
            tape = await self._recorder.begin(scene.opening(entry.principal, entry.call), taped.broken, entry=entry)
        except Unavailable:
            if recording is Recording.ALARM:
                return None
            raise
        intake = Intake(tape, is_terminal=scene.is_terminal, news=self._news(scene))
        taped.session = Session(tape, intake, scene.about, taped.end)
        self._sessions.add(taped.session)
        with contextlib.suppress(Unavailable):  # the next piece ends the session, if recording has failed by now
            intake.say(Frame.MARK, f"{scene.kind}: {scene.command}")
        return taped

    async def over(self, taped: Taped) -> None:
        """The stream has ended: so does the tape."""
        try:
            await taped.finish()
        finally:
            if taped.session is not None:
                self._sessions.remove(taped.session)

    def resized(self, id: str, columns: str, rows: str) -> None:
        """A terminal in the exec or container `id` has another size."""
        for session in self._sessions.about(id):
            with contextlib.suppress(Refused):
                session.intake.say(Frame.RESIZE, f"{columns}x{rows}")

    async def _scene(self, prepared: Prepared) -> Scene:
        seen = prepared.resolved.subject
        assert seen is not None  # noqa: S101  a stream is always about what its path names
        if prepared.call.route.action == "container.attach":
            return Scene("attach", await inspected(self._ask, f"/containers/{seen.id}/json"), {})
        said = await inspected(self._ask, f"/exec/{seen.id}/json")
        container = await inspected(self._ask, f"/containers/{said.get('ContainerID', '')}/json")
        return Scene("exec", container, said)

    def _news(self, scene: Scene) -> News:
        """The secrets that the container has, as they come and go."""
        volumes = self._volumes()
        mounts = scene.container.get("Mounts") or ()
        name = next((str(mount.get("Name") or "") for mount in mounts if mount.get("Destination") == FOLDER), "")
        if volumes is None or not name:
            return no_news
        try:
            return volumes.delivered(name).news
        except Refused:
            return no_news


def _recording(prepared: Prepared, *, is_observing: bool) -> Recording:
    return Recording.ALARM if is_observing else parse_obligations(prepared.judgement.verdict.harden).recording or Recording.STRICT


async def inspected(ask: Asked, target: str) -> dict[str, Any]:
    """What the Engine says of one thing.

    Raises:
        Unavailable: `tape.refused`; it does not.
    """
    answer = await ask(Request("GET", target, (), b""))
    try:
        if answer.status == 200:
            return msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.DecodeError:
        pass
    raise Unavailable("tape.refused", "the Engine does not say what this session is in, so it cannot be recorded, and does not begin")
