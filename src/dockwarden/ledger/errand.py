"""A thread that does one kind of thing for others, who never wait for it: the newest that was asked for, and again where it failed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Errand(Generic[T]):
    """Does what it is asked, one at a time, with a pause of `every_s` after each, or `retry_s` where it was not done.

    `do` is called in the thread and says whether it is done; what is not is done again, unless something newer was asked for meanwhile.
    """

    def __init__(self, name: str, do: Callable[[T], bool], *, every_s: float, retry_s: float) -> None:
        self._do, self._every_s, self._retry_s = do, every_s, retry_s
        self._wake = threading.Condition()
        self._asked: T | None = None
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin. Call once."""
        self._thread.start()

    def ask(self, wanted: T) -> None:
        """Let this be done soon, in the place of what was asked for before and is not begun."""
        with self._wake:
            self._asked = wanted
            self._wake.notify()

    def close(self, wait_s: float, *, is_dropped: bool = False) -> None:
        """End the thread: once what was asked for is done, or at once where that `is_dropped`; wait no longer than `wait_s` for it."""
        with self._wake:
            self._is_closing = True
            self._asked = None if is_dropped else self._asked
            self._wake.notify()
        self._thread.join(wait_s)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._asked is not None or self._is_closing)
                wanted, self._asked = self._asked, None
            if wanted is None:
                return
            if not (is_done := self._do(wanted)):
                self._ask_again(wanted)
            with self._wake:
                self._wake.wait_for(lambda: self._is_closing, self._every_s if is_done else self._retry_s)

    def _ask_again(self, wanted: T) -> None:
        with self._wake:
            if self._asked is None and not self._is_closing:
                self._asked = wanted
