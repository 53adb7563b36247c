"""What each volume was made with: one small file a volume, since the Engine tells its options only once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dockwarden.doors.volumes.kinds import Options
from dockwarden.doors.volumes.places import NAME
from dockwarden.ledger.durable import sync_folder
from dockwarden.words.errors import Broken, Malformed

SUFFIX = ".json"
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class Records:
    """The records in one folder; what is written is on disk before `keep` returns."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made, for us alone, when it is not there."""
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, name: str, options: Options) -> None:
        """Write the record of `name` in one step.

        Raises:
            Malformed: `volume.name`. Broken: `volume.record`; it could not be written.
        """
        file = self._file(name)
        part = file.with_suffix(".part")
        try:
            with os.fdopen(os.open(part, WRITE, 0o600), "wb") as out:
                out.write(msgspec.json.encode(dict(options)))
                out.flush()
                os.fsync(out.fileno())
            part.rename(file)
            sync_folder(self._folder)
        except OSError as error:
            raise Broken("volume.record", f"the volume could not be recorded ({error.strerror})") from None

    def of(self, name: str) -> Options | None:
        """The options of `name`, `None` where there is no such volume, or no name is so.

        Raises:
            Broken: `volume.record`; its record cannot be read.
        """
        if NAME.fullmatch(name) is None:
            return None
        try:
            return msgspec.json.decode(self._file(name).read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            raise Broken("volume.record", "the record of this volume cannot be read; make the container again") from None

    def drop(self, name: str) -> None:
        """Forget `name`; one that is not there is forgotten already."""
        with contextlib.suppress(FileNotFoundError):
            self._file(name).unlink()

    def names(self) -> Iterator[str]:
        """Every volume that has a record, sorted."""
        yield from sorted(file.name.removesuffix(SUFFIX) for file in self._folder.iterdir() if file.name.endswith(SUFFIX))

    def age_s(self, name: str, now: float) -> float:
        """How long ago, at `now` (seconds since the epoch), the record of `name` was written; 0 where it is gone."""
        try:
            return now - self._file(name).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def _file(self, name: str) -> Path:
        if NAME.fullmatch(name) is None:
            raise Malformed("volume.name", "the volume has a name that the Engine would not give")
        return self._folder / f"{name}{SUFFIX}"
