"""The volume driver put together: one object for who serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dockwarden.doors.plugin.socket import PluginSocket
from dockwarden.doors.volumes.binds import Binds
from dockwarden.doors.volumes.canary import CANARY, Asked, Canary
from dockwarden.doors.volumes.driver import Tell, VolumeDriver, tell_nobody
from dockwarden.doors.volumes.kinds import BIND, VolumeKind
from dockwarden.doors.volumes.mend import Mended, Mender
from dockwarden.doors.volumes.places import Places
from dockwarden.doors.volumes.protocol import IMPLEMENTS, VolumeProtocol
from dockwarden.doors.volumes.records import Records
from dockwarden.doors.volumes.seal import Sealer
from dockwarden.doors.volumes.secrets import Delivered, Fetch, Secrets
from dockwarden.engine.delivery import SECRETS, Delivery, read_delivery
from dockwarden.words.errors import Refused


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """Where and for what. `plugin_dir` is the Engine's, `run` ours on a file system that a boot empties, `state` ours for good."""

    plugin_dir: Path
    plugin: str
    run: Path
    state: Path
    roots: Sequence[str]


@dataclass(frozen=True, slots=True)
class Holder:
    """One file of one volume, the version it has now (0: nobody uses it now), and whose container it is."""

    volume: str
    file: str
    version: int
    used_by: str


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of a new version: the volumes that have it now, and why others do not."""

    changed: Sequence[tuple[str, Delivery]] = ()
    failed: Sequence[str] = ()


class VolumeDoor:
    """Serves one Engine's volume calls. Make it inside the running loop; `open` before anything waits for the Engine."""

    def __init__(self, settings: VolumeSettings, sealer: Sealer, fetch: Fetch, tell: Tell = tell_nobody) -> None:
        """`fetch` brings secrets; it and `tell` are called from worker threads."""
        run, self._tell = settings.run / settings.plugin, tell
        self._places = Places(run)
        self._secrets = Secrets(run / "secrets", fetch)
        kinds: dict[str, VolumeKind] = {BIND: Binds(settings.roots), CANARY: Canary(run / "canary"), SECRETS: self._secrets}
        self.driver = VolumeDriver(Records(settings.state / "volumes"), self._places, sealer, kinds, tell)
        self._mender = Mender(self.driver, settings.plugin)
        self._protocol = VolumeProtocol(self.driver)
        self._socket = PluginSocket(settings.plugin_dir, settings.plugin, IMPLEMENTS, self._protocol.answers())

    async def open(self) -> None:
        """Make the places and accept calls.

        Raises:
            BadConfig: the socket or the run folder cannot be had. Broken: `volume.mount`; we may not mount.
        """
        await asyncio.to_thread(self._places.open)
        await self._socket.open()

    async def mend(self, ask: Asked) -> Mended:
        """As `Mender.mend`: once the Engine answers, and from time to time."""
        return await self._mender.mend(ask)

    async def renew(self, path: str) -> Renewal:
        """Give running containers the current version of a secret. A failure keeps what is there."""
        return await asyncio.to_thread(self._renew, path)

    def holders(self, path: str) -> list[Holder]:
        """The volumes that a secret is delivered by, with the version that each has now (0: it is not in use)."""
        found = []
        for name, options in self.driver.of_kind(SECRETS):
            delivery, held = read_delivery(options), self._secrets.held(name)
            found += [Holder(name, file.name, held.get(file.name, 0), delivery.used_by) for file in delivery.files if file.path == path]
        return found

    def delivered(self, name: str) -> Delivered:
        """The values that a container has by the volume `name`. Raises: Malformed: `volume.name`."""
        return self._secrets.delivered(name)

    def following(self) -> dict[str, set[tuple[str, int]]]:
        """Of every secret that is in use and to be renewed: the label that is followed and the version that is there, for each file."""
        found: dict[str, set[tuple[str, int]]] = {}
        for name, options in self.driver.of_kind(SECRETS):
            held = self._secrets.held(name)
            for file in read_delivery(options).files if held else ():
                if not file.version:
                    found.setdefault(file.path, set()).add((file.label, held.get(file.name, 0)))
        return found

    def _renew(self, path: str) -> Renewal:
        changed, failed = [], []
        for name, options in self.driver.of_kind(SECRETS):
            try:
                if self._secrets.renew(name, options, path):
                    changed.append((name, read_delivery(options)))
            except Refused as error:
                self._tell("renew", name, options, error)
                failed.append(error.message)
        return Renewal(changed, failed)

    async def close(self) -> None:
        """Accept no more calls. What is mounted stays, since containers go on."""
        await self._socket.close()
        self._protocol.close()
