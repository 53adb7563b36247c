"""Signals to a process in a container, from the host it runs on, and to no other process: a number may be somebody else's by now.

The Engine's own way to send one takes a signal of the container's main process for the wish to end it: it forgets the restart policy, and
wakes what is paused.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

MOST_PROCESSES = 4096


def signal_in_container(pid: int, container: str, number: int) -> bool:
    """Send signal `number` to the host's process `pid` if it is in the container with this full id; whether it was sent.

    The process is held by a descriptor first and looked at then, so that it cannot become another one in between.
    """
    try:
        held = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if container not in Path(f"/proc/{pid}/cgroup").read_text("ascii", "replace"):
            return False
        signal.pidfd_send_signal(held, number)
    except OSError:
        return False
    finally:
        os.close(held)
    return True


def end_tree(pid: int, container: str) -> int:
    """Kill a process in a container and all that it started there, the youngest last; how many there were.

    Each is stopped from starting more before its children are looked at, as far as they stay its children.
    """
    ended, left = 0, [pid]
    while left and ended < MOST_PROCESSES:
        one = left.pop(0)
        signal_in_container(one, container, signal.SIGSTOP)
        try:
            left += [int(word) for file in Path(f"/proc/{one}/task").glob("*/children") for word in file.read_text("ascii").split()]
        except (OSError, ValueError):
            continue
        ended += signal_in_container(one, container, signal.SIGKILL)
    return ended


def number_of(name: str) -> int:
    """The number of a signal as people write it: `HUP`, `SIGHUP`, `1`, `RTMIN+3`; 0 for none that there is."""
    text = name.upper().removeprefix("SIG")
    base, _, more = text.partition("+") if text.startswith("RTMIN") else (text, "", "")
    if text.isascii() and text.isdecimal():
        return int(text) if int(text) in set(signal.valid_signals()) else 0
    found = getattr(signal, f"SIG{base}", None)
    if not isinstance(found, signal.Signals) or (more and not (more.isascii() and more.isdecimal())):
        return 0
    number = int(found) + int(more or "0")
    return number if number in set(signal.valid_signals()) else 0
