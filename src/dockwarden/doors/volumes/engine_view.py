"""Does the Engine see what we mounted?

An Engine may live in a mount namespace of its own. Where our mounts don't propagate into it, it finds the empty folder that lies
under the mount, and starts the container with that: no error, no files, and what the container writes is lost. So after each
mount the place is looked at through the eyes of the very process that asked (`/proc/PID/root`), and must be the same file.
"""

from __future__ import annotations

import os
from pathlib import Path

from dockwarden.words.errors import Unavailable


def must_see(engine_pid: int, place: Path, wanted: os.stat_result) -> None:
    """Return if the process `engine_pid` sees at `place` the file that `wanted` describes.

    Raises:
        Unavailable: `volume.unseen`; it sees another, or none, or we may not look.
    """
    if engine_pid <= 0:
        raise _unseen("its process is in a PID namespace that cannot be seen from here")
    try:
        seen = Path(f"/proc/{engine_pid}/root{place}").stat()
    except PermissionError:
        raise _unseen("it cannot be told what it sees; the service needs CAP_SYS_PTRACE") from None
    except OSError as error:
        raise _unseen(f"there is nothing ({error.strerror})") from None
    if (seen.st_dev, seen.st_ino) != (wanted.st_dev, wanted.st_ino):
        raise _unseen("it is in a mount namespace that our mounts do not reach; let the run folder's mount propagate to it (rslave)")


def _unseen(why: str) -> Unavailable:
    return Unavailable("volume.unseen", f"the Engine does not see what was mounted for it: {why}")
