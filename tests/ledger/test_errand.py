"""An errand is run for who does not wait: the newest thing, again where it failed, and what was asked for before the end."""

from __future__ import annotations

import threading

from dockwarden.ledger.errand import Errand

LONG_S = 60.0


class Doer:
    """Does things when it is let, and fails as often as it is told to."""

    def __init__(self, fails: int = 0, *, every_s: float = 0.0) -> None:
        self.fails, self.done = fails, list[int]()
        self.begun, self.may = threading.Semaphore(0), threading.Semaphore(0)
        self.errand = Errand("test", self.do, every_s=every_s, retry_s=0.0)
        self.errand.start()

    def do(self, wanted: int) -> bool:
        self.begun.release()
        assert self.may.acquire(timeout=LONG_S)
        self.done.append(wanted)
        self.fails -= 1
        return self.fails < 0


def test_of_what_is_asked_meanwhile_the_newest_is_done() -> None:
    doer = Doer()
    doer.errand.ask(1)
    assert doer.begun.acquire(timeout=LONG_S)
    for number in (2, 3, 4):
        doer.errand.ask(number)
    doer.may.release(2)
    doer.errand.close(LONG_S)

    assert [1, 4] == doer.done


def test_what_failed_is_done_again_unless_something_newer_was_asked_for() -> None:
    doer = Doer(fails=2)
    doer.errand.ask(1)
    doer.may.release()
    assert doer.begun.acquire(timeout=LONG_S)
    assert doer.begun.acquire(timeout=LONG_S)
    doer.errand.ask(2)
    doer.may.release(2)
    doer.errand.close(LONG_S)

    assert [1, 1, 2] == doer.done


def test_at_the_end_what_was_asked_for_is_done_at_once() -> None:
    doer = Doer(every_s=10 * LONG_S)
    doer.errand.ask(1)
    assert doer.begun.acquire(timeout=LONG_S)
    doer.errand.ask(2)
    doer.may.release(2)
    doer.errand.close(LONG_S)

    assert [1, 2] == doer.done


def test_at_the_end_what_was_asked_for_may_be_dropped_and_nobody_waits_for_what_is_begun() -> None:
    doer = Doer()
    doer.errand.ask(1)
    assert doer.begun.acquire(timeout=LONG_S)
    doer.errand.ask(2)
    doer.errand.close(0, is_dropped=True)
    assert [] == doer.done
    doer.may.release(2)
    doer.errand.close(LONG_S)

    assert [1] == doer.done
