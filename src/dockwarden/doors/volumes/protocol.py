"""The Engine's VolumeDriver calls, word for word, and which verb of the driver answers each.

Source: Docker Engine 20.10, `volume/drivers/proxy.go` and `adapter.go`; seen live: `Get` before every use and before `Create`, which is
skipped if `Get` succeeds; `Mount` and `Unmount` with one id a use, kept over a kill of the Engine, and given again by `docker cp`
into a running container.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from dockwarden.doors.plugin.socket import Answer, PluginCall, in_our_words
from dockwarden.doors.volumes.driver import VolumeDriver
from dockwarden.logs import get_logger
from dockwarden.words.errors import Refused

IMPLEMENTS = ("VolumeDriver",)
WORKERS = 8
"""How many calls may wait for the host's file systems at once; a hung one holds a worker, not the loop."""


class Named(msgspec.Struct):
    """What the Engine sends: `Opts` with Create, `ID` with Mount and Unmount."""

    Name: str
    ID: str = ""
    Opts: dict[str, str] | None = None


Verb = Callable[[Named, PluginCall], dict[str, Any]]


class VolumeProtocol:
    """Answers the Engine's calls; every no is an `Err` in our words, and never an exception."""

    def __init__(self, driver: VolumeDriver) -> None:
        self._driver = driver
        self._pool = ThreadPoolExecutor(WORKERS, "volumes")
        self._log = get_logger("dockwarden.volumes")

    def answers(self) -> Mapping[str, Answer]:
        """One for each call of the protocol."""
        verbs: dict[str, Verb] = {
            "Create": self._create, "Get": self._get, "Path": self._path, "Mount": self._mount, "Unmount": self._unmount,
            "Remove": self._remove,
        }  # fmt: skip
        answers: dict[str, Answer] = {f"/VolumeDriver.{name}": self._answer(name, verb) for name, verb in verbs.items()}
        return {**answers, "/VolumeDriver.List": _nothing_to_list, "/VolumeDriver.Capabilities": _capabilities}

    def close(self) -> None:
        """Let the workers end; a hung one is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _answer(self, name: str, verb: Verb) -> Answer:
        async def answer(call: PluginCall) -> object:
            try:
                asked = msgspec.json.decode(call.document, type=Named)
                return await asyncio.get_running_loop().run_in_executor(self._pool, verb, asked, call)
            except Refused as error:
                self._log.log(_level(error), "volume call refused", call=name, code=error.code)
                return {"Err": in_our_words(error)}
            except msgspec.MsgspecError:
                return {"Err": "dockwarden: that is no volume call"}
            except Exception as error:  # noqa: BLE001  the root of a call: whatever fails, the Engine hears no and the container does not start
                self._log.error("volume call failed", call=name, kind=type(error).__name__)
                return {"Err": f"dockwarden: an internal failure ({type(error).__name__}); the operator's log has more"}

        return answer

    def _create(self, asked: Named, _: PluginCall) -> dict[str, Any]:
        self._driver.create(asked.Name, asked.Opts or {})
        return {"Err": ""}

    def _get(self, asked: Named, _: PluginCall) -> dict[str, Any]:
        self._driver.get(asked.Name)
        return {"Volume": {"Name": asked.Name, "Mountpoint": "", "Status": {}}, "Err": ""}

    def _path(self, asked: Named, _: PluginCall) -> dict[str, Any]:
        """No path outside of a mount: each use has its own, and none is anybody's business."""
        self._driver.get(asked.Name)
        return {"Mountpoint": "", "Err": ""}

    def _mount(self, asked: Named, call: PluginCall) -> dict[str, Any]:
        return {"Mountpoint": str(self._driver.mount(asked.Name, asked.ID, call.engine.pid)), "Err": ""}

    def _unmount(self, asked: Named, _: PluginCall) -> dict[str, Any]:
        self._driver.unmount(asked.Name, asked.ID)
        return {"Err": ""}

    def _remove(self, asked: Named, _: PluginCall) -> dict[str, Any]:
        self._driver.remove(asked.Name)
        return {"Err": ""}


async def _nothing_to_list(_: PluginCall) -> object:
    return {"Volumes": [], "Err": ""}


async def _capabilities(_: PluginCall) -> object:
    return {"Capabilities": {"Scope": "local"}}


def _level(error: Refused) -> int:
    """Asking for a volume that is not there is how the Engine begins every create; any other refusal is worth a look."""
    return 10 if error.code == "volume.absent" else 30
