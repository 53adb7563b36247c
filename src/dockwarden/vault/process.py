"""What the serving process, and those that it starts, do so that their memory is nobody else's to read, and none is left behind."""

from __future__ import annotations

import ctypes
import resource
import signal

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4


def keep_memory_to_ourselves() -> None:
    """No core is written of this process, and no other account may trace it or read its memory. Root still may."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def end_with_parent() -> None:
    """The kernel kills this process when the one that started it is gone, however that ended."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
