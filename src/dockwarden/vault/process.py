"""What the serving process does so that its memory is nobody else's to read."""

from __future__ import annotations

import ctypes
import resource

PR_SET_DUMPABLE = 4


def keep_memory_to_ourselves() -> None:
    """No core is written of this process, and no other account may trace it or read its memory. Root still may."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
