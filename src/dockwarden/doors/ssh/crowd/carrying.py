"""One carrier's process: it serves clients for the dockwarden that started it, and ends with it. `-m dockwarden.doors.ssh.crowd.carrying NUMBER`.

NUMBER is that of the socket over which the two speak. Nothing else is told on the command line, and nothing in the environment.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys

import uvloop

from dockwarden.doors.ssh.crowd.carrier import carry
from dockwarden.vault.process import end_with_parent, keep_memory_to_ourselves

OURS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that may come to all processes of a unit or a terminal at once: it is the house that decides what they mean."""
YOUNG_OBJECTS = 20_000
"""What the garbage collector waits for, as in the serving process."""


def main() -> None:
    """Carry."""
    for number in OURS:
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    keep_memory_to_ourselves()
    end_with_parent()
    gc.set_threshold(YOUNG_OBJECTS)
    uvloop.run(carry(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
