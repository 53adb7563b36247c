"""Volumes of a container that was just made: who owns those that nobody named, and who may write into those that are new.

The Engine gives a new volume to root, and a person's container does not run as root: without this it could not write into a volume
of its own. Only an empty folder of root's, of a volume that is the caller's alone, changes hands; what an image put there stays as
the image has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dockwarden.access.owners import Deed, Owners
from dockwarden.doors.docker.lookups import Lookups
from dockwarden.doors.docker.prepare import Prepared
from dockwarden.engine.runs import Run
from dockwarden.engine.users import numbers_of
from dockwarden.upstream.engine_files import EngineFiles
from dockwarden.words.ask import Kind
from dockwarden.words.errors import Refused

ANONYMOUS = re.compile(r"[0-9a-f]{64}")
"""What the Engine calls a volume that nobody named."""


@dataclass(frozen=True, slots=True)
class FreshVolumes:
    """Looks after the volumes of new containers."""

    lookups: Lookups
    owners: Owners
    files: EngineFiles

    async def settle(self, prepared: Prepared, container: str) -> Deed:
        """Return the anonymous volumes that came with `container`, as its owner's; new volumes are given to its user before it starts.

        A failure leaves a volume as the Engine made it.
        """
        run = prepared.run
        if run is None or not _may_have_volumes(prepared, run):
            return Deed()
        owner = prepared.resolved.known.principal.name
        with contextlib.suppress(Refused):
            said = (await self.lookups.look(Kind.CONTAINER, container)).answer
            points = [point for point in said.get("Mounts") or () if point.get("Type") == "volume" and point.get("Driver") == "local"]
            names = [str(point.get("Name")) for point in points]
            asked = {mount.source for mount in run.mounts}
            came = () if run.volumes_from else tuple(name for name in names if ANONYMOUS.fullmatch(name) and name not in asked)
            user = numbers_of(run.user)
            if user is not None and user[0] != 0:
                held = (name for name in names if self.owners.owner_of_id(Kind.VOLUME, name) == owner)
                theirs = {*came, *prepared.volumes, *held}
                for point in _writable(points, theirs):
                    await self._give(str(point["Name"]), str(point.get("Source") or ""), *user)
            return Deed(made=tuple((Kind.VOLUME.value, name, owner, "") for name in came))
        return Deed()

    async def _give(self, name: str, folder: str, uid: int, gid: int) -> None:
        """Give the volume's folder away, unless it has options: such a volume is a place of the host's."""
        volume = (await self.lookups.look(Kind.VOLUME, name)).answer
        if volume.get("Options") or volume.get("Mountpoint") != folder or not folder.endswith(f"/volumes/{name}/_data"):
            return
        await asyncio.to_thread(self.files.give, folder, uid, gid)


def _may_have_volumes(prepared: Prepared, run: Run) -> bool:
    image = next((thing.answer for reference, thing in prepared.resolved.seen.items() if reference.kind is Kind.IMAGE), {})
    return any(mount.kind == "volume" for mount in run.mounts) or bool((image.get("Config") or {}).get("Volumes"))


def _writable(points: list[dict[str, Any]], names: set[str]) -> Iterator[Mapping[str, Any]]:
    return (point for point in points if point.get("RW") and str(point.get("Name")) in names)
