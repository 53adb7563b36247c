"""Which containers hold a secret, and what becomes of them when it changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from dockwarden.doors.volumes.canary import Asked
from dockwarden.doors.volumes.door import Renewal, VolumeDoor
from dockwarden.engine.call import Request
from dockwarden.engine.delivery import Delivery, words_of
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.writer import Ledger
from dockwarden.upstream.container_process import number_of, signal_in_container
from dockwarden.vault.keeper import KeepsSecrets
from dockwarden.words.errors import Refused, Unavailable

JSON = (("content-type", "application/json"),)
PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)
"""When it is looked whether a command that follows a renewal has failed; one that takes longer is left alone."""


class Whereabouts:
    """Asks our driver which volumes a secret is in, and the Engine whose those are."""

    def __init__(self, volumes: Callable[[], VolumeDoor | None], ask: Asked, owner_of: Callable[[str], str], ledger: Ledger) -> None:
        """`volumes` is the driver, `None` where it does not serve this Engine; `owner_of` says whose a container is, by its full id."""
        self._volumes, self._ask, self._owner_of, self._ledger = volumes, ask, owner_of, ledger

    async def renew(self, path: str) -> Renewal:
        """Give running containers the current version of `path`, and do what each asked for then."""
        volumes = self._volumes()
        renewal = await volumes.renew(path) if volumes is not None else Renewal()
        failed = list(renewal.failed)
        for volume, delivery in renewal.changed:
            if delivery.then:
                for container in await self._containers(volume):
                    failed += await self._follow(str(container["Id"]), delivery, path)
        return replace(renewal, failed=failed)

    async def catch_up(self, keeper: KeepsSecrets) -> None:
        """Renew what has changed while nobody told: after a kill between a new version and its delivery, for one."""
        volumes = self._volumes()
        following = await asyncio.to_thread(volumes.following) if volumes is not None else {}
        for path, held in following.items():
            with contextlib.suppress(Refused):
                labels = await keeper.run(lambda vault, path=path: vault.record(path).labels)  # type: ignore[misc]  # a default
                if any(labels.get(label, version) != version for label, version in held):
                    await self.renew(path)

    async def _follow(self, container: str, delivery: Delivery, path: str) -> list[str]:
        """Send the signal, or run the command as the container's user; return what went wrong. One that has ended meanwhile needs neither.

        Only in a container of who asked for it: another's may have the same mount, by `--volumes-from`.
        """
        if self._owner_of(container) != delivery.used_by:
            return []
        kind, _, what = delivery.then.partition(":")
        action = "container.kill" if kind == "signal" else "exec.start"
        entry = Entry(
            kind="intent", principal=delivery.used_by, via="renewal", action=action, resource=f"Container:{container}",
            detail={"what": "secret.renewed", "path": path},
        )  # fmt: skip
        await self._ledger.settle(self._ledger.append(entry))
        failed = await (self._signal(container, what) if kind == "signal" else self._run(container, what, delivery))
        said = {"what": "secret.renewed", "path": path, **({"failed": failed} if failed else {})}
        self._ledger.append(msgspec.structs.replace(entry, kind="outcome", status=500 if failed else 200, detail=said))
        return [f"container {container[:12]} has the new version, but {failed}"] if failed else []

    async def _signal(self, container: str, name: str) -> str:
        """Why the signal was not sent, "" if it was."""
        answer = await self._ask(Request("GET", f"/containers/{container}/json", (), b""))
        state = msgspec.json.decode(answer.body, type=dict[str, Any]).get("State") or {} if answer.status == 200 else {}
        pid, number = int(state.get("Pid") or 0), number_of(name)
        is_sent = pid > 0 and number > 0 and await asyncio.to_thread(signal_in_container, pid, container, number)
        return "" if is_sent else "its main process could not be signalled"

    async def _run(self, container: str, command: str, delivery: Delivery) -> str:
        """Why the command was not run to a good end, "" if it was, or still runs."""
        body = msgspec.json.encode({"Cmd": words_of(command), "User": f"{delivery.uid}:{delivery.gid}"})
        made = await self._ask(Request("POST", f"/containers/{container}/exec", JSON, body))
        if made.status != 201:
            return f"the Engine made no exec of it (status {made.status})"
        id = msgspec.json.decode(made.body, type=dict[str, Any])["Id"]
        started = await self._ask(Request("POST", f"/exec/{id}/start", JSON, b'{"Detach":true}'))
        if started.status != 200:
            return f"the command could not be started (status {started.status})"
        for pause_s in PAUSES_S:
            await asyncio.sleep(pause_s)
            said = await self._ask(Request("GET", f"/exec/{id}/json", (), b""))
            state = msgspec.json.decode(said.body, type=dict[str, Any]) if said.status == 200 else {}
            if not state.get("Running", True):
                return f"the command ended with {state.get('ExitCode')}" if state.get("ExitCode") else ""
        return ""

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
