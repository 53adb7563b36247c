"""The list of hosts: `host/list`, `host/add`, `host/remove`. Decided about the host, and in the ledger first."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from dockwarden.access.rulebook import Rulebook
from dockwarden.doors.control.door import Call, Verb
from dockwarden.hosts.hosts import Host, checked, written
from dockwarden.policy.decide import decide
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.errors import BadConfig, Forbidden, Hidden, Malformed
from dockwarden.words.principal import Principal

LIST, WRITE = "host.list", "host.write"


class Name(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call about one host."""

    name: str


class HostVerbs:
    """The verbs of noun `host`."""

    def __init__(self, file: Path, hosts: Callable[[], Mapping[str, Host]], rulebook: Rulebook) -> None:
        self._file, self._hosts, self._rulebook = file, hosts, rulebook

    def verbs(self) -> dict[str, Verb]:
        """Each verb by its name in the path."""
        return {"host/list": self.list, "host/add": self.add, "host/remove": self.remove}

    async def list(self, call: Call) -> Mapping[str, Any]:
        """Every host that the caller may know of."""
        call.trail.action = LIST
        shown = [msgspec.to_builtins(host) for host in self._hosts().values() if self._may(call.principal, LIST, host)]
        call.trail.outcome(200, detail={"shown": len(shown)}, changing=False)
        return {"hosts": shown}

    async def add(self, call: Call) -> Mapping[str, Any]:
        """A host, or another description of one that is there."""
        try:
            host = checked(call.read(Host), "host")
        except BadConfig as error:
            raise Malformed("host.bad", str(error)) from None
        await self._judge(call, host, {"address": host.address, "login": host.login, "host_keys": list(host.host_keys)})
        self._write({**self._hosts(), host.name: host})
        call.trail.outcome(200, changing=True)
        return {"name": host.name}

    async def remove(self, call: Call) -> Mapping[str, Any]:
        """A host is no longer reached."""
        name = call.read(Name).name
        host = self._hosts().get(name)
        if host is None:
            raise Hidden("host.absent", f"there is no host {name[:64]}; see dockwarden host list")
        await self._judge(call, host, {"removed": True})
        self._write({key: value for key, value in self._hosts().items() if key != name})
        call.trail.outcome(200, changing=True)
        return {"name": name}

    async def _judge(self, call: Call, host: Host, detail: Mapping[str, Any]) -> None:
        call.trail.action = WRITE
        about = _about(host)
        verdict = decide(Ask(call.principal, WRITE, about), self._rulebook.rules.policies)
        call.trail.judged(about, verdict, None)
        if not verdict.is_allowed:
            words = f"{WRITE} is refused for {call.principal.name}: admins write the list of hosts"
            raise Forbidden(verdict.why.value, words, policies=verdict.policies)
        await call.trail.intent(detail)

    def _may(self, principal: Principal, action: str, host: Host) -> bool:
        return decide(Ask(principal, action, _about(host)), self._rulebook.rules.policies).is_allowed

    def _write(self, hosts: Mapping[str, Host]) -> None:
        part = self._file.with_name(f".{self._file.name}.part")
        with part.open("w", encoding="utf-8") as out:
            out.write(written(hosts))
            out.flush()
            os.fsync(out.fileno())
        part.replace(self._file)


def _about(host: Host) -> Resource:
    return Resource(Kind.HOST, host.name, host.name, "", False, host.labels)
