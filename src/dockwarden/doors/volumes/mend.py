"""Bring our records and mounts in line with what the Engine really has, after any kind of end: ours or its own.

Each step can be repeated and cut off anywhere:

1. A volume that a container of the Engine still has, and we have no record of, is recorded again from the container's own
   configuration; the seal says whether it is ours. So a lost state folder costs no container.
2. Mounts of volumes whose containers do not run are taken down: a killed Engine never said `Unmount`.
3. Volumes whose containers are gone are removed through the Engine: `docker rm` without `-v` keeps them, and since our driver
   lists nothing, `docker volume prune` would never find them.
4. Containers that the Engine wanted to restart while we were away are started: it gives up on them for good, whatever their restart
   policy says. So are those that found the vault sealed, once it is open. Nothing new is decided; it is the start that their owner
   asked for when the container was made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import msgspec

from dockwarden.doors.plugin.socket import in_our_words
from dockwarden.doors.volumes.canary import Asked
from dockwarden.doors.volumes.driver import VolumeDriver
from dockwarden.engine.call import Request
from dockwarden.vault.faults import Sealed
from dockwarden.words.errors import Refused, Unavailable

RESTARTING = frozenset({"always", "unless-stopped"})
LIVE = frozenset({"running", "paused", "restarting", "removing"})


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done: volumes by name, and containers by id."""

    restored: tuple[str, ...] = ()
    taken_down: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    started: tuple[str, ...] = ()


class Mender:
    """Mends one Engine. Remembers which ended containers it looked into, so that each is inspected once."""

    def __init__(self, driver: VolumeDriver, plugin: str) -> None:
        self._driver, self._plugin = driver, plugin
        self._looked: set[str] = set()

    async def mend(self, ask: Asked) -> Mended:
        """Do the four steps once.

        Raises:
            Unavailable: the Engine cannot be asked, or does not answer as it should; nothing was taken down then.
        """
        driver, wanted, live, ended = self._driver, dict[str, str](), set[str](), list[str]()
        for container in await _get(ask, "/containers/json?all=1"):
            names = [point["Name"] for point in container.get("Mounts") or () if point.get("Driver") == self._plugin]
            wanted |= dict.fromkeys(names, container["Id"])
            if container.get("State") in LIVE:
                live.update(names)
            elif names:
                ended.append(container["Id"])
        restored = [name for name, container in wanted.items() if await _restore(driver, ask, self._plugin, name, container)]
        swept = await asyncio.to_thread(driver.sweep, live)
        removed = [name for name in await asyncio.to_thread(driver.strays, wanted.keys()) if await _remove(driver, ask, name)]
        found = {container: await _start(ask, self._plugin, container) for container in ended if container not in self._looked}
        started = [container for container, end in found.items() if end is Start.STARTED]
        self._looked = set(ended) - {container for container, end in found.items() if end is Start.WAITS}
        return Mended(tuple(restored), tuple(swept), tuple(removed), tuple(started))


class Start(Enum):
    """What became of a container that had ended: started, left as it is, or to be tried again later."""

    STARTED = auto()
    LEFT = auto()
    WAITS = auto()


async def _start(ask: Asked, plugin: str, container: str) -> Start:
    """Start the container if the Engine would have, had we been there, or had the vault been open; that one may take a while longer."""
    try:
        inspected = await _get(ask, f"/containers/{container}/json")
    except Unavailable:
        return Start.LEFT  # it went away meanwhile
    policy = ((inspected.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name")
    error = str((inspected.get("State") or {}).get("Error") or "")
    was_away, was_sealed = f'plugin "{plugin}" not found' in error or f"/{plugin}.sock" in error, in_our_words(Sealed()) in error
    if policy not in RESTARTING or not (was_away or was_sealed):
        return Start.LEFT
    if (await ask(Request("POST", f"/containers/{container}/start", (), b""))).status == 204:
        return Start.STARTED
    return Start.WAITS if was_sealed else Start.LEFT


async def _restore(driver: VolumeDriver, ask: Asked, plugin: str, name: str, container: str) -> bool:
    if await asyncio.to_thread(driver.has, name):
        return False
    try:
        inspected = await _get(ask, f"/containers/{container}/json")
    except Unavailable:
        return False  # it went away meanwhile
    for options in _options_of(inspected, plugin, name):
        await asyncio.to_thread(driver.restore, name, options)
    return await asyncio.to_thread(driver.has, name)


def _options_of(inspected: Mapping[str, Any], plugin: str, name: str) -> Iterator[dict[str, str]]:
    """The options that `name` was made with: the mount that asked for it has no name of it, so the target joins them."""
    targets = {point.get("Destination") for point in inspected.get("Mounts") or () if point.get("Name") == name}
    for entry in (inspected.get("HostConfig") or {}).get("Mounts") or ():
        config = (entry.get("VolumeOptions") or {}).get("DriverConfig") or {}
        if entry.get("Target") in targets and config.get("Name") == plugin:
            yield config.get("Options") or {}


async def _remove(driver: VolumeDriver, ask: Asked, name: str) -> bool:
    answer = await ask(Request("DELETE", f"/volumes/{name}", (), b""))
    if answer.status == 404:
        try:
            await asyncio.to_thread(driver.remove, name)
        except Refused:
            return False
    return answer.status in {204, 404}


async def _get(ask: Asked, target: str) -> Any:
    answer = await ask(Request("GET", target, (), b""))
    try:
        if answer.status == 200:
            return msgspec.json.decode(answer.body)
    except msgspec.MsgspecError:
        pass
    raise Unavailable("volume.unmended", f"the Engine answered {answer.status} when it was asked which containers use our volumes")
