"""One process at a time: a lock on a file, held for as long as the process lives.

The kernel lets go of it when the process ends, however it ends: a lock is never stale, and its file is never removed (who removed
it would let a second process lock a new file of the same name beside the first). The file says who holds it, for people to read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from dockwarden.words.errors import BadConfig

POLL_S = 0.1
BRIEF_S = 1.0
"""How long a holder that may be about to stop is waited for: it has perhaps just been told to."""
STOPPING = "stopping"

Said = Callable[[str], None]
"""Called once with a line for whoever waits at the terminal."""


class Hold:
    """A lock that is held. `release` lets go of it before the process ends."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def say(self, doing: str) -> None:
        """Write down who holds it and what they do; a full disk is no reason not to hold it."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()} {doing}\n".encode(), 0)

    def release(self) -> None:
        """Let go. Safe to call twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def hold(file: Path, mend: str, *, patience_s: float = 0.0, said: Said = lambda _line: None) -> Hold:
    """Return the lock on `file`, which no other holds now.

    Nothing beside `file` is touched. A holder that is stopping is waited for, `patience_s` at most, and `said` hears that once.
    Raises:
        BadConfig: another process holds it (its pid is in the text; `mend` is what to do), or the file cannot be had.
    """
    begun, is_told = time.monotonic(), False
    while (taken := _taken(file)) is None:
        pid, doing = holder(file)
        allowed_s = patience_s if doing == STOPPING else min(patience_s, BRIEF_S)
        if time.monotonic() - begun >= allowed_s:
            raise BadConfig(str(file.parent), f"process {pid or 'unknown'} has it open already ({doing or 'no word of what it does'})", mend)
        if doing == STOPPING and not is_told:
            is_told = True
            said(f"waiting for process {pid}, which is {STOPPING} (at most {patience_s:.0f} s)")
        time.sleep(POLL_S)
    taken.say("serving")
    return taken


def holder(file: Path) -> tuple[int, str]:
    """Who last said to hold `file`, and what they do; (0, "") where it does not say."""
    try:
        pid, _, doing = file.read_text("ascii", "replace").strip().partition(" ")
    except OSError:
        return 0, ""
    return int(pid) if pid.isdecimal() else 0, doing


def _taken(file: Path) -> Hold | None:
    """The lock, or `None` while another has it."""
    try:
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadConfig(str(file), f"cannot be opened ({error.strerror})", "run dockwarden init, or make its folder root's own") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), file.stat()):
            return Hold(fd)
    except BlockingIOError:
        pass
    except FileNotFoundError:  # somebody removed the file between opening and locking it: a lock on it would keep nobody out
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None
