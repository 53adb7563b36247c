"""The Engine's own files, where it is on this machine: seen through the eyes of its process, whatever mount namespace that is in."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from dockwarden.access.peer import UCRED

CONNECT_S = 1.0
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class EngineFiles:
    """Blocks: call it beside the loop."""

    def __init__(self, address: str) -> None:
        """`address` is the Engine's; of one that is reached by TCP no file can be seen."""
        parts = urlsplit(address)
        self._socket = parts.path if parts.scheme == "unix" else ""

    def give(self, folder: str, uid: int, gid: int) -> bool:
        """Give `folder` to `uid`:`gid` if it is an empty folder of root's; return whether it was done.

        `folder` is absolute, as the Engine names it, and only root can change what is on the way to it.
        """
        pid = self._engine_pid()
        if pid <= 0:
            return False
        try:
            fd = os.open(f"/proc/{pid}/root{folder}", FOLDER)
        except OSError:
            return False
        try:
            found = os.fstat(fd)
            with os.scandir(fd) as entries:
                if (found.st_uid, found.st_gid) != (0, 0) or any(entries):
                    return False
            os.fchown(fd, uid, gid)
            return True
        finally:
            os.close(fd)

    def _engine_pid(self) -> int:
        """Who listens at the Engine's socket: itself, or the service manager that opened the socket for it; 0 where it cannot be told."""
        if not self._socket:
            return 0
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
                asked.settimeout(CONNECT_S)
                asked.connect(self._socket)
                pid: int = UCRED.unpack(asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))[0]
                return pid
        except OSError:
            return 0
