"""Sockets that a service manager opened for us, so that they are there before we are.

Source: sd_listen_fds(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

FIRST_FD = 3


def inherited(path: Path, environment: Mapping[str, str], pid: int) -> socket.socket | None:
    """Return the socket listening at `path` that was handed to this process, `None` if there is none.

    `environment` has LISTEN_PID and LISTEN_FDS where sockets were handed over; they are meant for the process `pid` alone.
    """
    if environment.get("LISTEN_PID") != str(pid):
        return None
    count = environment.get("LISTEN_FDS", "")
    for fd in range(FIRST_FD, FIRST_FD + (int(count) if count.isdecimal() else 0)):
        handed = _unix_socket(fd)
        if handed is None:
            continue
        if handed.getsockname() == str(path):
            os.set_inheritable(fd, False)
            return handed
        handed.detach()
    return None


def _unix_socket(fd: int) -> socket.socket | None:
    try:
        handed = socket.socket(fileno=fd)
    except OSError:
        return None
    if handed.family == socket.AF_UNIX and handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return handed
    handed.detach()
    return None
