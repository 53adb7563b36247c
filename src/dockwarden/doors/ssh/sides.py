"""The two sides of a joint, what may stand between them, and how a stream ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Near(Protocol):
    """The person's side."""

    @property
    def is_terminal(self) -> bool:
        """Whether it is a terminal: errors are not apart, and lines end with a carriage return."""

    def show(self, data: bytes, *, is_error: bool) -> None:
        """Show something."""

    def show_eof(self) -> None:
        """Nothing more is shown."""

    def hold(self) -> None:
        """Take nothing from the person for now."""

    def go_on(self) -> None:
        """Take it again."""

    def leave(self, ending: Ending) -> None:
        """Tell how it ended, and close."""


class Far(Protocol):
    """The other end."""

    def write(self, data: bytes) -> None:
        """Send."""

    def write_eof(self) -> None:
        """Nothing more is sent."""

    def hold(self) -> None:
        """Show no more for now."""

    def go_on(self) -> None:
        """Show it again."""

    def close(self) -> None:
        """End it."""


class Through(Protocol):
    """What stands between the two sides, where what passes is read and written afresh. It uses `pass_on`, `show`, `let_in`, `let_out`."""

    def sent(self, data: bytes) -> None:
        """The person sends something."""

    def sent_all(self) -> None:
        """They send nothing more."""

    def shown(self, data: bytes) -> None:
        """The other end shows something."""

    def over(self) -> None:
        """One of them is gone."""


class Ending:
    """How a stream ended: with a status, by a signal, or just so."""

    def __init__(self, status: int | None = None, signal: str = "", *, core_dumped: bool = False, message: str = "") -> None:
        self.status, self.signal, self.core_dumped, self.message = status, signal, core_dumped, message

    @property
    def words(self) -> str:
        """What the tape says of it; "" where there is nothing to say."""
        return self.signal or ("" if self.status is None else str(self.status))


class Gate:
    """Holds one side for as long as there is any reason to."""

    def __init__(self, hold: Callable[[], None], go_on: Callable[[], None]) -> None:
        self._hold, self._go_on = hold, go_on
        self._reasons: set[str] = set()

    @property
    def is_shut(self) -> bool:
        """Whether there is a reason."""
        return bool(self._reasons)

    def shut(self, reason: str) -> None:
        """There is a reason to hold."""
        if not self._reasons:
            self._hold()
        self._reasons.add(reason)

    def open(self, reason: str) -> None:
        """That reason is gone."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if not self._reasons:
                self._go_on()
