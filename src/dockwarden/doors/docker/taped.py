"""Exec, attach and `run -it` on tape: it is open before the Engine is asked, and what is shown is what was recorded.

1. The tape's opening and first segment are durable, and in the ledger, before the call goes upstream; else the call is refused.
2. Of a terminal, output is durable before it is passed on; above a rate it is buffered, and at most 100 ms of it can be lost to a kill.
3. When the recorder fails, the stream ends with the reason on the person's screen, unless policy says that it goes on (`record=alarm`).
4. The exit status is asked for and recorded, and the end is the last segment.
5. Who has to be watched waits for a watcher before anything begins, and is held while nobody watches (`tape/vigil.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from dockwarden.doors.docker.lookups import Asked
from dockwarden.doors.docker.prepare import Prepared
from dockwarden.doors.docker.relay import Direction, Tunnel
from dockwarden.doors.docker.scene import COLUMNS, ROWS, Scene, inspected
from dockwarden.doors.docker.trail import Trail
from dockwarden.doors.volumes.door import VolumeDoor
from dockwarden.engine.call import Request
from dockwarden.engine.delivery import FOLDER
from dockwarden.engine.fields import read
from dockwarden.engine.multiplex import Demultiplexer, Stream, multiplexed
from dockwarden.engine.obligations import Recording
from dockwarden.policy.load import PolicySet
from dockwarden.tape.admission import Admissions, Admitted, Wish
from dockwarden.tape.frames import Kind as Frame
from dockwarden.tape.intake import Intake, News, no_news
from dockwarden.tape.opening import Opening
from dockwarden.tape.recorder import Recorder, Tape
from dockwarden.tape.sessions import Session, Sessions
from dockwarden.tape.terms import Patience, State
from dockwarden.tape.vigil import Vigil
from dockwarden.upstream.container_process import end_tree
from dockwarden.words.errors import Forbidden, Refused, Unavailable
from dockwarden.words.principal import Principal
from dockwarden.words.secret import Secret

WEBSOCKET = "container.attach.ws"
SESSIONS = frozenset({"exec.start", "container.attach", WEBSOCKET})
MAKES = frozenset({"exec.create", "container.create"})
ATTACHES = ("AttachStdin", "AttachStdout", "AttachStderr")
WINDOW_US, CALM_BYTES = 100_000, 32 << 10
"""Of a terminal that shows more than so much in a window, output is not waited for any more."""
MOST_UNBEGUN = 1_000


class Taped:
    """One stream that is recorded and kept to its terms: the tap of its tunnel, and what its vigil holds, tells and ends."""

    def __init__(self, scene: Scene, admitted: Admitted, patience: Patience, ask: Asked) -> None:
        self._scene, self._recording, self._ask = scene, admitted.recording, ask
        self._reader = None if scene.is_terminal else Demultiplexer()
        self._window_us = self._shown = 0
        self.vigil = Vigil(admitted.whose, admitted.terms, patience, self)
        self.session: Session | None = None
        self.tunnel: Tunnel | None = None
        self.say_early: Callable[[bytes], None] | None = None
        """Puts something on the person's screen while the Engine is not joined yet."""
        self.size: tuple[str, str] | None = None
        """What the terminal of an exec was resized to while that was not there yet."""
        self._unsaid = b""
        self._why = ""
        self._late: set[asyncio.Future[Any]] = set()

    @property
    def is_terminal(self) -> bool:
        """See `vigil.Stream`."""
        return self._scene.is_terminal

    @property
    def exec_id(self) -> str:
        """The exec's id, "" for an attach."""
        return str(self._scene.exec.get("ID") or "")

    @property
    def must_wait(self) -> bool:
        """Whether the Engine is not to be asked before somebody watches. An attach is asked for at once and held, since what is started
        after it would be missed; an exec begins with its stream."""
        return self.vigil.state is State.WAITING and bool(self._scene.exec)

    def __call__(self, direction: Direction, data: memoryview) -> Awaitable[None] | None:
        """Record a piece; see `relay.Tap`."""
        self.vigil.moved()
        session = self.session
        if direction is Direction.OUT:
            self._say_unsaid()
        if session is None or (session.tape.broken and self._recording is Recording.ALARM):
            self._follow(direction, data)
            return None
        try:
            return self._record(session, direction, data)
        except Unavailable:
            if self._recording is Recording.ALARM:
                return None
            raise

    def _follow(self, direction: Direction, data: memoryview) -> None:
        """Keep up with where frames begin in a stream that is not recorded: words of ours stand between them."""
        if direction is Direction.OUT and self._reader is not None:
            self._reader.feed(data)

    def _record(self, session: Session, direction: Direction, data: memoryview) -> Awaitable[None] | None:
        tape, intake = session.tape, session.intake
        for kind, piece in self._pieces(direction, data):
            try:
                intake.input(piece) if kind is Frame.INPUT else intake.output(piece, kind)
            finally:
                if intake.is_masking:
                    Secret(piece).wipe()
        if direction is Direction.OUT and self._reader is None and self._is_calm(tape, len(data)):
            return tape.settle()
        return tape.room() if tape.is_full else None

    def _pieces(self, direction: Direction, data: memoryview) -> list[tuple[Frame, bytes]]:
        """`data` as it is kept, each byte copied once."""
        if direction is Direction.IN:
            return [(Frame.INPUT, bytes(data))]
        if self._reader is None:
            return [(Frame.OUTPUT, bytes(data))]
        return [(Frame.OUTPUT if stream is Stream.STDOUT else Frame.ERROR, piece) for stream, piece in self._reader.feed(data)]

    def _is_calm(self, tape: Tape, size: int) -> bool:
        now_us = tape.now_us
        if now_us - self._window_us > WINDOW_US:
            self._window_us, self._shown = now_us, 0
        self._shown += size
        return self._shown <= CALM_BYTES

    def joined(self, tunnel: Tunnel) -> None:
        """Client and Engine are joined."""
        self.tunnel = tunnel
        if self._why:  # it was ended while the Engine was asked
            self.stop(self._why)
            self._later(self._end_process())
        elif self.vigil.state is not State.RUNNING:
            tunnel.hold()
            if self.vigil.state is State.WAITING:
                self.tell(self.vigil.waiting_words)
        if self.size is not None:
            columns, rows = self.size
            self._later(self._ask(Request("POST", f"/exec/{self.exec_id}/resize?h={quote(rows)}&w={quote(columns)}", (), b"")))

    def _later(self, work: Awaitable[object]) -> None:
        """Do something beside the stream; what fails of it is nobody's."""

        async def done() -> None:
            with contextlib.suppress(Refused):
                await work

        self._late.add(task := asyncio.ensure_future(done()))
        task.add_done_callback(self._late.discard)

    def broken(self, why: str) -> None:
        """The recorder failed: end the stream, or let it go on where policy says so."""
        if self._recording is not Recording.ALARM:
            self._why = self._why or f"this session is recorded no more ({why}), so it ends here"
            self.vigil.close(self._why)
            self.stop(self._why)

    def hold(self) -> None:
        """See `vigil.Stream`."""
        if self.tunnel is not None:
            self.tunnel.hold()

    def go_on(self) -> None:
        """See `vigil.Stream`."""
        if self.tunnel is not None:
            self.tunnel.go_on()

    def tell(self, words: str) -> None:
        """Put a line on the person's screen; into a multiplexed stream as a piece of its errors, as soon as one may begin."""
        line = f"dockwarden: {words}"
        self._unsaid += f"\r\n{line}\r\n".encode() if self._reader is None else multiplexed(Stream.STDERR, f"{line}\n".encode())
        self._say_unsaid()

    def _say_unsaid(self) -> None:
        say = self.tunnel.say if self.tunnel is not None else self.say_early
        is_whole = self.tunnel is None or self.tunnel.down.is_resting  # what the reader has seen, the client has
        if self._unsaid and say is not None and (self._reader is None or (is_whole and self._reader.is_between)):
            say(self._unsaid)
            self._unsaid = b""

    def stop(self, words: str) -> None:
        """End the stream with `words` on the person's screen."""
        if self.tunnel is not None:
            self.tell(words)
            self.tunnel.stop()

    async def end(self, why: str) -> None:
        """End the stream, and what runs in the container for it: the exec's process; the container, where it was started for this."""
        self._why = self._why or why
        if self.session is not None:
            self.session.why = why
        self.vigil.close(why)
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


@dataclass(frozen=True, slots=True)
class Taper:
    """Puts the streams of one Engine on tape."""

    recorder: Recorder
    sessions: Sessions
    admissions: Admissions
    patience: Patience
    ask: Asked
    volumes: Callable[[], VolumeDoor | None]
    unbegun: dict[str, None] = field(default_factory=dict)
    """Execs whose streams have begun, and that have not: the last `MOST_UNBEGUN` of them."""

    async def probe(self, prepared: Prepared, policies: PolicySet, source: str) -> None:
        """Return unless a create makes what will be attached to, and its session could not begin now.

        Clients show the words of a refused create, and only the number of a refused attach.
        Raises:
            Forbidden: `session.locked`, `policy.…`. Unavailable: `tape.refused`.
        """
        body, route = prepared.call.body, prepared.call.route
        is_attached = any(read(body, name, False) for name in ATTACHES)
        if route.action not in MAKES or not (is_attached or route.action == "exec.create"):
            return
        admitted = self.admissions.admit(_wish_of_create(prepared, source), policies)
        if is_attached and admitted.recording is Recording.STRICT:
            await self.recorder.probe()

    async def begin(self, prepared: Prepared, policies: PolicySet, trail: Trail, source: str) -> Taped | None:
        """The recording of a call that hijacks its connection, open, and its vigil; `None` for one that is no session.

        Raises:
            Forbidden: `session.locked`, `policy.…`. Unavailable: `tape.refused`, `ledger.unwritable`; it cannot be recorded. So it must
                not begin.
        """
        if prepared.call.route.action not in SESSIONS:
            return None
        scene = await self._scene(prepared)
        admitted = self.admissions.admit(_wish(prepared, scene, trail, source), policies)
        if admitted.observed is not None:
            trail.observed(admitted.observed)
        if prepared.call.route.action == WEBSOCKET:
            if admitted.recording is Recording.STRICT or admitted.terms.are_for_unrecorded:
                message = "an attach by WebSocket is neither recorded nor kept to terms, so it does not begin; attach by docker attach"
                raise Unavailable("tape.refused", message)
            return None
        taped = Taped(scene, admitted, self.patience, self.ask)
        if admitted.recording is not Recording.OFF:
            await self._record(taped, scene, admitted, trail)
        try:
            self.sessions.attend(taped.vigil)
        except Forbidden:
            await self.over(taped)
            raise
        return taped

    async def _record(self, taped: Taped, scene: Scene, admitted: Admitted, trail: Trail) -> None:
        try:
            tape = await self.recorder.begin(admitted, taped.broken, entry=trail.entry_of_tape())
        except Unavailable:
            if admitted.recording is Recording.ALARM:
                return
            raise
        intake = Intake(tape, is_terminal=scene.is_terminal, news=self._news(scene), finds=self.sessions.masks_found)
        taped.vigil.id, taped.vigil.mark = tape.id, lambda words: intake.say(Frame.MARK, words)
        taped.session = Session(tape, intake, scene.about, taped.end, taped.vigil)
        self.sessions.add(taped.session)
        with contextlib.suppress(Unavailable):  # the next piece ends the session, if recording has failed by now
            intake.say(Frame.MARK, f"{scene.kind}: {scene.command}")

    async def admit_unseen(self, prepared: Prepared, policies: PolicySet, trail: Trail, source: str) -> None:
        """Return if an exec may begin that nobody is attached to, so that there is nothing to record.

        Raises:
            Forbidden: `session.locked`, `session.detached`, `policy.…`.
        """
        admitted = self.admissions.admit(_wish(prepared, await self._scene(prepared), trail, source), policies)
        if admitted.observed is not None:
            trail.observed(admitted.observed)
        if admitted.terms.is_watched:
            raise Forbidden("session.detached", "this session needs somebody to watch it, and of a detached one nothing is seen; leave out --detach")

    async def over(self, taped: Taped) -> None:
        """The stream has ended: so does the tape."""
        try:
            await taped.finish()
        finally:
            self.sessions.leave(taped.vigil)

    async def may_start(self, principal: Principal, id: str) -> None:
        """Return once no session of `principal` in the container `id` waits for a watcher: what is started is seen from its first byte.

        Raises:
            Forbidden: `session.unwatched`; nobody came.
        """
        for session in self.sessions.about(id):
            if session.vigil.whose.person == principal.name:
                try:
                    await session.vigil.begin()
                except Forbidden:
                    await self._forsake(id)
                    raise

    async def _forsake(self, id: str) -> None:
        """Remove a container that is not to be started, where it was to go at its end: as the Engine does with one that does not start."""
        with contextlib.suppress(Refused):
            said = await inspected(self.ask, f"/containers/{id}/json")
            if (said.get("HostConfig") or {}).get("AutoRemove") and (said.get("State") or {}).get("Status") == "created":
                await self.ask(Request("DELETE", f"/containers/{id}?v=1", (), b""))

    def not_begun(self, taped: Taped, why: str) -> None:
        """A session does not begin whose stream has: say why there, and remember it for who asks how the exec ended."""
        taped.tell(why)
        self.unbegun[taped.exec_id] = None
        while len(self.unbegun) > MOST_UNBEGUN:
            del self.unbegun[next(iter(self.unbegun))]

    def has_not_begun(self, id: str) -> bool:
        """Whether the exec `id` was one that did not begin."""
        return id in self.unbegun

    def is_waiting(self, id: str) -> bool:
        """Whether a session in the exec `id` has not begun yet."""
        return any(session.vigil.state is State.WAITING for session in self.sessions.about(id))

    def resized(self, id: str, columns: str, rows: str) -> None:
        """A terminal in the exec or container `id` has another size; of one that waits, it will have."""
        for session in self.sessions.about(id):
            stream = session.vigil.stream
            if isinstance(stream, Taped) and stream.exec_id == id and stream.tunnel is None:
                stream.size = columns, rows
            with contextlib.suppress(Refused):
                session.intake.say(Frame.RESIZE, f"{columns}x{rows}")

    async def _scene(self, prepared: Prepared) -> Scene:
        seen = prepared.resolved.subject
        assert seen is not None  # noqa: S101  a stream is always about what its path names
        if prepared.call.route.action in {"container.attach", WEBSOCKET}:
            return Scene("attach", await inspected(self.ask, f"/containers/{seen.id}/json"), {})
        said = await inspected(self.ask, f"/exec/{seen.id}/json")
        container = await inspected(self.ask, f"/containers/{said.get('ContainerID', '')}/json")
        return Scene("exec", container, said)

    def _news(self, scene: Scene) -> News:
        """The secrets that the container has, as they come and go."""
        volumes = self.volumes()
        mounts = scene.container.get("Mounts") or ()
        name = next((str(mount.get("Name") or "") for mount in mounts if mount.get("Destination") == FOLDER), "")
        if volumes is None or not name:
            return no_news
        try:
            return volumes.delivered(name).news
        except Refused:
            return no_news


def _wish(prepared: Prepared, scene: Scene, trail: Trail, source: str) -> Wish:
    """The session that a call asks for."""
    judgement, who = prepared.judgement, prepared.resolved.known.principal
    opening = scene.opening(who.name, trail.call_id)
    return Wish(who, opening, source, scene.about, scene.labels, judgement.ask.context, judgement.verdict.harden, judgement.ask)


def _wish_of_create(prepared: Prepared, source: str) -> Wish:
    """The session that what a create makes would be for, as far as it is known: in a container that is there, or in a new one."""
    judgement, body, who = prepared.judgement, prepared.call.body, prepared.resolved.known.principal
    seen = prepared.resolved.subject
    kind, name, labels = ("exec", seen.name, seen.labels) if seen else ("attach", prepared.call.first("name"), read(body, "Labels", {}))
    columns, rows = (COLUMNS, ROWS) if read(body, "Tty", False) else (0, 0)
    opening = Opening(id="", at=0, person=who.name, kind=kind, target=name.removeprefix("/"), columns=columns, rows=rows)
    ids = frozenset(filter(None, (seen.id if seen else "",)))
    return Wish(who, opening, source, ids, labels or {}, judgement.ask.context, judgement.verdict.harden)
