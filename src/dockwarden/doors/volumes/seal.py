"""The seal on what our driver is told: options that we wrote, and nobody else."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path

import msgspec

from dockwarden.doors.volumes.kinds import Options
from dockwarden.words.errors import BadConfig

SEAL = "dockwarden.seal"
KEY_BYTES = 32
PURPOSE = b"dockwarden volume options, 1\0"


class Sealer:
    """Seals options and knows its own seals again. Shows its key to nobody."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Sealer(...)"

    def seal(self, options: Options) -> str:
        """Return the seal over all of `options` but the seal itself: HMAC-SHA256 over their sorted pairs, in hex."""
        pairs = sorted((name, value) for name, value in options.items() if name != SEAL)
        return hmac.new(self._key, PURPOSE + msgspec.json.encode(pairs), hashlib.sha256).hexdigest()

    def is_ours(self, options: Options) -> bool:
        """Whether these options, all of them, were sealed by us."""
        return hmac.compare_digest(self.seal(options).encode(), options.get(SEAL, "").encode("utf-8", "surrogatepass"))


def read_sealer(file: Path) -> Sealer:
    """Read the key that `dockwarden init` made.

    Raises:
        BadConfig: it is not there, not for its owner alone, or no key.
    """
    where = str(file)
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise BadConfig(where, f"cannot be read ({error.strerror})", "make it with: dockwarden init") from None
    with os.fdopen(fd, "rb") as stream:
        if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & 0o077:
            raise BadConfig(where, "others may use this key", f"run: chmod 600 {file}")
        key = stream.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        mend = "put the real one back; with a new one, containers made before do not start"
        raise BadConfig(where, f"is no key of {KEY_BYTES} bytes", mend)
    return Sealer(key)
