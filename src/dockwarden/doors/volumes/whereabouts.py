"""Which containers hold a secret, and what becomes of them when it changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from dockwarden.doors.volumes.canary import Asked
from dockwarden.doors.volumes.door import Renewal, VolumeDoor
from dockwarden.engine.call import Request
from dockwarden.engine.delivery import Delivery, words_of
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.writer import Ledger
from dockwarden.vault.keeper import KeepsSecrets
from dockwarden.words.errors import Refused, Unavailable

JSON = (("content-type", "application/json"),)


class Whereabouts:
    """Asks our driver which volumes a secret is in, and the Engine whose those are."""

    def __init__(self, volumes: Callable[[], VolumeDoor | None], ask: Asked, owner_of: Callable[[str], str], ledger: Ledger) -> None:
        """`volumes` is the driver, `None` where it does not serve this Engine; `owner_of` says whose a container is, by its full id."""
        self._volumes, self._ask, self._owner_of, self._ledger = volumes, ask, owner_of, ledger

    async def renew(self, path: str) -> Renewal:
        """Give running containers the current version of `path`, and do what each asked for then."""
        volumes = self._volumes()
        renewal = await volumes.renew(path) if volumes is not None else Renewal()
        for volume, delivery in renewal.changed:
            if delivery.then:
                for container in await self._containers(volume):
                    await self._follow(str(container["Id"]), delivery, path)
        return renewal

    async def catch_up(self, keeper: KeepsSecrets) -> None:
        """Renew what has changed while nobody told: after a kill between a new version and its delivery, for one."""
        volumes = self._volumes()
        following = await asyncio.to_thread(volumes.following) if volumes is not None else {}
        for path, held in following.items():
            with contextlib.suppress(Refused):
                labels = await keeper.run(lambda vault, path=path: vault.record(path).labels)  # type: ignore[misc]  # a default
                if any(labels.get(label, version) != version for label, version in held):
                    await self.renew(path)

    async def _follow(self, container: str, delivery: Delivery, path: str) -> None:
        """Send the signal, or run the command as the container's user. One that has ended meanwhile needs neither.

        Only in a container of who asked for it: another's may have the same mount, by `--volumes-from`.
        """
        if self._owner_of(container) != delivery.used_by:
            return
        kind, _, what = delivery.then.partition(":")
        action = "container.kill" if kind == "signal" else "exec.start"
        entry = Entry(
            kind="intent", principal=delivery.used_by, via="renewal", action=action, resource=f"Container:{container}",
            detail={"what": "secret.renewed", "path": path},
        )  # fmt: skip
        await self._ledger.settle(self._ledger.append(entry))
        if kind == "signal":
            await self._ask(Request("POST", f"/containers/{container}/kill?signal={quote(what)}", (), b""))
            return
        body = msgspec.json.encode({"Cmd": words_of(what), "User": f"{delivery.uid}:{delivery.gid}"})
        made = await self._ask(Request("POST", f"/containers/{container}/exec", JSON, body))
        if made.status == 201:
            id = msgspec.json.decode(made.body, type=dict[str, Any])["Id"]
            await self._ask(Request("POST", f"/exec/{id}/start", JSON, b'{"Detach":true}'))

    async def where(self, path: str) -> list[Mapping[str, Any]]:
        """Each file of each container that is made to hold `path`, with the version it has now (0: the container does not run).

        Raises:
            Unavailable: the Engine cannot be asked.
        """
        volumes = self._volumes()
        holders = await asyncio.to_thread(volumes.holders, path) if volumes is not None else []
        rows: list[Mapping[str, Any]] = []
        for holder in holders:
            given = {"file": holder.file, "version": holder.version, "for": holder.used_by}
            for container in await self._containers(holder.volume):
                name = str((container.get("Names") or [""])[0]).removeprefix("/")
                rows.append({"container": name, "id": container["Id"], "state": container.get("State", ""), **given})
        return rows

    async def _containers(self, volume: str) -> list[dict[str, Any]]:
        filters = quote(msgspec.json.encode({"volume": [volume]}).decode())
        answer = await self._ask(Request("GET", f"/containers/json?all=1&filters={filters}", (), b""))
        try:
            if answer.status == 200:
                return msgspec.json.decode(answer.body, type=list[dict[str, Any]])
        except msgspec.DecodeError:
            pass
        raise Unavailable("secret.where", f"the Engine answered {answer.status} when it was asked which containers hold a secret; ask again")
