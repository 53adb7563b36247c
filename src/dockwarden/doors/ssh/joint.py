"""A person and what is at the other end, joined through a tape.

1. What the person sends before the other end is there waits, in order, and no more of it than `MOST_EARLY`.
2. What is shown was recorded. Of a terminal that shows little it was durable before; above a rate it is buffered.
3. Each side is held while the other takes no more, and while the tape is full.
4. When recording fails, the stream ends and the person reads why; it goes on where policy says so (`record=alarm`).
5. While it is held, for want of a watcher, nothing passes and nothing is recorded as passed; then all of it does, in order.

A joint without a tape is one whose bytes another door of ours judges and records: the Docker API's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from dockwarden.doors.ssh.house import Recorded, Watch
from dockwarden.doors.ssh.sides import Ending, Far, Gate, Near, Through
from dockwarden.tape.frames import Kind
from dockwarden.tape.intake import Intake
from dockwarden.words.errors import Refused, Unavailable

CALM_BYTES, WINDOW_US = 32 << 10, 100_000
"""Of a terminal that shows more than so much in a window, output is not waited for any more."""
MOST_EARLY = 1 << 20
REFUSED_STATUS = 255
"""What `ssh` itself ends with where it could not do what was asked."""
EOF_AFTER_S = 0.3
"""How long the end of what is shown may wait for how it ended: a client that has seen one may hang up before it hears of the other."""
RECORDING, TAKING, SETTLING, WATCHING = "recording", "taking", "settling", "watching"
"""Why a side is held: its tape is full; the other side takes no more; what was shown is not durable yet; nobody watches who has to."""


class Joint:
    """One stream. `over` is called once, when all of it has ended and the tape is closed."""

    def __init__(self, near: Near, over: Callable[[], None]) -> None:
        self._near, self._over = near, over
        self._far: Far | None = None
        self.session: Recorded | None = None
        self.vigil: Watch | None = None
        self._is_strict = True
        self._is_held = False
        self._held: list[Callable[[], None]] = []
        self._through: Through | None = None
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._is_early_over = self._is_over = False
        self._eof: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[bytes, bool]] = []
        self._shower: asyncio.Task[None] | None = None
        self._ender: asyncio.Task[None] | None = None
        self.ending = Ending()
        self.bytes_in = self.bytes_out = 0
        self._window_us = self._in_window = 0
        self._in = Gate(near.hold, near.go_on)
        self._out = Gate(self._hold_far, self._far_goes_on)

    @property
    def inward(self) -> Gate:
        """What holds the person."""
        return self._in

    @property
    def outward(self) -> Gate:
        """What holds the other end."""
        return self._out

    @property
    def has_room(self) -> bool:
        """Whether its tape takes more now."""
        return self.session is None or not self.session.tape.is_full

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or is about to."""
        return self._ender is not None

    def kept(self, vigil: Watch) -> None:
        """Tell `vigil` of what passes."""
        self.vigil = vigil

    def taped(self, session: Recorded, *, is_strict: bool = True) -> None:
        """Record it, from now on: before anything passes. `is_strict`: it ends where recording does."""
        self.session, self._is_strict = session, is_strict

    def joined(self, far: Far, through: Through | None = None) -> None:
        """The other end is there: what the person has sent so far goes first."""
        if self.is_over:
            far.close()
            return
        self._far, self._through = far, through
        if self._out.is_shut:
            far.hold()
        early, self._early = self._early, []
        for data in early:
            self._send(far, data)
        if self._is_early_over:
            self.sent_all()
        self._in.open(TAKING)

    # --- the person's side ---

    def sent(self, data: bytes) -> None:
        """The person sends something."""
        if self._is_held:
            self._held.append(lambda: self.sent(data))
            return
        if self._far is not None:
            self._send(self._far, data)
            return
        self._early.append(data)
        self._early_bytes += len(data)
        if self._early_bytes > MOST_EARLY:
            self._in.shut(TAKING)

    def sent_all(self) -> None:
        """They send nothing more; what is shown may go on."""
        if self._is_held:
            self._held.append(self.sent_all)
        elif self._far is None:
            self._is_early_over = True
        elif self._through is not None:
            self._through.sent_all()
        else:
            self._far.write_eof()

    def full(self) -> None:
        """They take no more for now."""
        self._out.shut(TAKING)

    def ready(self) -> None:
        """They take more again."""
        self._out.open(TAKING)

    def gone(self) -> None:
        """They are gone."""
        if self.vigil is not None:
            self.vigil.close("the client is gone")
        self._end(Ending(), "")

    def said(self, kind: Kind, words: str) -> bool:
        """Record something that happened; whether that could be."""
        return self._record(lambda intake: intake.say(kind, words))

    def filed(self, data: bytes) -> bool:
        """Record that a file is copied whose contents are not kept; whether that could be."""
        return self._record(lambda intake: intake.file(data))

    def keep(self, data: bytes) -> None:
        """Record something of a file that is copied. Raises: Unavailable: it could not be, so it must not pass, whatever `record=` says."""
        if self.session is None:
            raise Unavailable("tape.broken", "this session is not recorded, and what is to be kept of files does not pass")
        self.session.intake.file(data)
        self._heed_fullness()

    def _send(self, far: Far, data: bytes) -> None:
        if self._through is not None:
            self._through.sent(data)
        elif not self._is_over and self._record(lambda intake: intake.input(data)):
            self.bytes_in += len(data)
            far.write(data)
            self._heed_fullness()

    # --- the other end's side ---

    def far_full(self) -> None:
        """The other end takes no more for now."""
        self._in.shut(TAKING)

    def far_ready(self) -> None:
        """It takes more again."""
        self._in.open(TAKING)

    def shown(self, data: bytes, *, is_error: bool = False) -> None:
        """It shows something."""
        if self._is_held:
            self._held.append(lambda: self.shown(data, is_error=is_error))
            return
        if self._through is not None and not is_error:
            if not self.is_over:
                self._through.shown(data)
            return
        if self._is_over or not self._record(lambda intake: intake.output(data, Kind.ERROR if is_error else Kind.OUTPUT)):
            return
        self.bytes_out += len(data)
        if self.session is None or (self._shower is None and not self._must_wait(self.session, len(data))):
            self._near.show(data, is_error=is_error)
            self._heed_fullness()
            return
        self._waiting.append((data, is_error))
        self._settle(self.session)

    def shown_all(self) -> None:
        """It shows nothing more."""
        if self._is_held:
            self._held.append(self.shown_all)
            return
        self._eof = asyncio.get_running_loop().call_later(EOF_AFTER_S, self._show_eof)

    def _show_eof(self) -> None:
        if self._shower is None and self._ender is None:
            self._near.show_eof()

    def far_gone(self, ending: Ending) -> None:
        """It is gone."""
        if self._is_held:
            self._held.append(lambda: self.far_gone(ending))
            return
        self._end(ending, "")

    # --- what stands between passes on ---

    def pass_on(self, data: bytes) -> None:
        """Send something to the other end that is recorded otherwise."""
        if self._far is not None and not self._is_over:
            self.bytes_in += len(data)
            self._moved()
            self._far.write(data)

    def pass_on_end(self) -> None:
        """Send nothing more there."""
        if self._far is not None and not self._is_over:
            self._far.write_eof()

    def show(self, data: bytes) -> None:
        """Show something that is recorded otherwise."""
        if not self._is_over:
            self.bytes_out += len(data)
            self._moved()
            self._near.show(data, is_error=False)

    def let_in(self, reason: str, *, is_open: bool) -> None:
        """Take more from the person, or hold them."""
        (self._in.open if is_open else self._in.shut)(reason)

    def let_out(self, reason: str, *, is_open: bool) -> None:
        """Take more from the other end, or hold it."""
        (self._out.open if is_open else self._out.shut)(reason)

    def _must_wait(self, session: Recorded, size: int) -> bool:
        if not self._near.is_terminal:
            return False
        now_us = session.tape.now_us
        if now_us - self._window_us > WINDOW_US:
            self._window_us, self._in_window = now_us, 0
        self._in_window += size
        return self._in_window <= CALM_BYTES

    def _heed_fullness(self) -> None:
        """Hold both sides until the tape has room again."""
        if self.session is not None and self.session.tape.is_full:
            self._settle(self.session)

    def _settle(self, session: Recorded) -> None:
        if self._shower is None:
            self._out.shut(SETTLING)
            if session.tape.is_full:
                self._in.shut(RECORDING)
            self._shower = asyncio.ensure_future(self._show_settled(session))

    async def _show_settled(self, session: Recorded) -> None:
        """Show what waits as soon as it is durable, until nothing does; or wait for room."""
        try:
            if not self._waiting:  # it is the tape that was full
                await self._unless_it_may_go_on(session.tape.room())
            while self._waiting and not self._is_over:
                ready, self._waiting = self._waiting, []  # not what comes while these settle
                await self._unless_it_may_go_on(session.tape.settle())
                for data, is_error in ready:
                    self._near.show(data, is_error=is_error)
        except Refused as error:
            self.stop(error.message)
        finally:
            self._shower = None
            self._in.open(RECORDING)
            self._out.open(SETTLING)
            if self._eof is not None and self._eof.when() <= asyncio.get_running_loop().time():
                self._show_eof()

    async def _unless_it_may_go_on(self, recorded: Awaitable[None]) -> None:
        """Wait for what is to be durable. Raises: Refused: it is not, and the stream ends with that."""
        try:
            await recorded
        except Refused:
            if self._is_strict:
                raise

    def _hold_far(self) -> None:
        if self._far is not None:
            self._far.hold()

    def _far_goes_on(self) -> None:
        if self._far is not None and not self._is_over:
            self._far.go_on()

    def _record(self, deed: Callable[[Intake], None]) -> bool:
        """Whether something was recorded, or need not be; the stream ends where it could not be."""
        self._moved()
        if self.session is None or (self.session.tape.broken and not self._is_strict):
            return True
        try:
            deed(self.session.intake)
        except Refused as error:
            if self._is_strict:
                self.stop(error.message)
            return not self._is_strict
        return True

    def _moved(self) -> None:
        if self.vigil is not None:
            self.vigil.moved()

    # --- its vigil (`vigil.Stream`) ---

    @property
    def is_terminal(self) -> bool:
        """Whether there is a terminal at the person's end."""
        return self._near.is_terminal

    def tell(self, words: str) -> None:
        """Put a line of ours on the person's screen."""
        self.say(words)

    def hold(self) -> None:
        """Hold both directions."""
        self._is_held = True
        self._in.shut(WATCHING)
        self._out.shut(WATCHING)

    def go_on(self) -> None:
        """Hold them no longer: what came meanwhile passes first."""
        self._is_held = False
        held, self._held = self._held, []
        for deed in held:
            deed()
        self._in.open(WATCHING)
        self._out.open(WATCHING)

    async def end(self, why: str) -> None:
        """End it from outside."""
        if self.session is not None:
            self.session.why = why
        if self.vigil is not None:
            self.vigil.close(why)
        self.stop(why)

    # --- the end ---

    def broken(self, why: str) -> None:
        """Recording failed."""
        if self._is_strict:
            self.stop(f"this session is recorded no more ({why}), so it ends here")

    def stop(self, words: str) -> None:
        """End it with `words` on the person's screen."""
        self._end(Ending(REFUSED_STATUS), words)

    def say(self, words: str) -> None:
        """Put a line of ours on the person's screen."""
        line = f"dockwarden: {words}"
        self._near.show((f"\r\n{line}\r\n" if self._near.is_terminal and self._far else f"{line}\n").encode(), is_error=True)

    def _end(self, ending: Ending, words: str) -> None:
        if self._ender is None:
            self.ending = ending
            if self._eof is not None:
                self._eof.cancel()
            self._ender = asyncio.ensure_future(self._ended(ending, words))

    async def _ended(self, ending: Ending, words: str) -> None:
        """Show what waits, close the tape, and tell the person how it ended."""
        if not words and self._shower is not None:
            with contextlib.suppress(Refused):
                await asyncio.shield(self._shower)
        if self._through is not None:
            self._through.over()
        self._is_over = True
        if self._far is not None:
            self._far.close()
        if words:
            self.say(words)
            self._near.leave(ending)
        if self.session is not None:
            with contextlib.suppress(Refused):
                self.session.intake.finish()
                if ending.words and not words:
                    self.session.intake.say(Kind.EXIT, ending.words)
            await self.session.tape.end(self.session.why)
        if not words:
            self._near.leave(ending)
        self._over()
