"""Files that hold what nobody but their owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dockwarden.words.errors import BadConfig

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
MOST_BYTES = 5000


def read_private(file: Path, wrong: str, mend: str) -> bytes:
    """Return the first `MOST_BYTES` of `file`.

    Raises:
        BadConfig: it is not there (`mend` says what to do), or is no plain file of root's or our own that is closed to others (`wrong`).
    """
    try:
        fd = os.open(file, READ)
    except OSError as error:
        raise BadConfig(str(file), f"cannot be read ({error.strerror})", mend) from None
    with os.fdopen(fd, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in {0, os.geteuid()} or stat.S_IMODE(status.st_mode) & 0o077:
            raise BadConfig(str(file), wrong, f"run: chown root: {file} && chmod 600 {file}")
        return stream.read(MOST_BYTES)
