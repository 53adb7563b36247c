"""What people do with secrets: `secret/put`, `get`, `list`, `history`, `label`, `delete`, `undelete`, `destroy`.

Each is decided about the path, and in the ledger before a value moves. Who may not even know of a path hears that it is not there.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec

from dockwarden.access.rulebook import Rulebook
from dockwarden.doors.control.door import Call, Verb
from dockwarden.doors.control.quota import Quota
from dockwarden.doors.volumes.whereabouts import Whereabouts
from dockwarden.policy.decide import decide
from dockwarden.policy.load import PolicySet
from dockwarden.vault.keeper import KeepsSecrets, Secrets
from dockwarden.vault.paths import OURS, PEOPLE, resource_of
from dockwarden.vault.rows import CURRENT, LONGEST_PATH, Held, Record
from dockwarden.vault.vault import absent
from dockwarden.words.ask import Ask
from dockwarden.words.errors import Forbidden, Hidden
from dockwarden.words.principal import Principal
from dockwarden.words.secret import Secret

READ, WRITE, LIST, DESTROY, USE = "secret.read", "secret.write", "secret.list", "secret.destroy", "secret.use"
PAGE = 1000
MOST_TOLD = 5
Text = Annotated[str, msgspec.Meta(max_length=LONGEST_PATH)]
Versions = Annotated[frozenset[int], msgspec.Meta(max_length=1000)]


class OfPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call about one path, and maybe about some of its versions."""

    path: Text
    versions: Versions = frozenset()


class Get(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version's value; 0 is the one that goes by `label`."""

    path: Text
    version: int = 0
    label: Text = CURRENT


class Put(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new version; `value` comes as base64."""

    path: Text
    value: bytes
    label: Literal["current", "pending"] = "current"

    def __repr__(self) -> str:
        return f"Put({self.path!r}, ...)"


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another version that goes by a label."""

    path: Text
    label: Text
    version: int


class List(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Paths that begin so, from the first after `after`."""

    prefix: Text = ""
    after: Text = ""


class SecretVerbs:
    """The verbs of noun `secret`."""

    def __init__(self, keeper: KeepsSecrets, rulebook: Rulebook, whereabouts: Whereabouts, quota: Quota) -> None:
        self._keeper, self._rulebook, self._whereabouts, self._quota = keeper, rulebook, whereabouts, quota

    def verbs(self) -> dict[str, Verb]:
        """Each verb by its name in the path."""
        return {
            "secret/put": self.put, "secret/get": self.get, "secret/list": self.list, "secret/history": self.history,
            "secret/label": self.label, "secret/delete": self.delete, "secret/undelete": self.undelete, "secret/destroy": self.destroy,
            "secret/where": self.where,
        }

    async def put(self, call: Call) -> Mapping[str, Any]:
        """Keep a new version; answers its number."""
        asked = call.read(Put)
        await self._judge(call, WRITE, asked.path, {"label": asked.label})
        await self._quota.check(asked.path, len(asked.value))
        value = Secret(asked.value)
        version = await self._keeper.run(lambda vault: vault.put(asked.path, value, call.principal.name, label=asked.label))
        value.wipe()
        return _done(call, {"path": asked.path, "version": version, **await self._renewed(asked.path)})

    async def get(self, call: Call) -> Mapping[str, Any]:
        """One value, as base64."""
        asked = call.read(Get)
        await self._judge(call, READ, asked.path, {"version": asked.version or asked.label})
        got = await self._keeper.run(lambda vault: vault.get(asked.path, asked.version, asked.label))
        _done(call, {"path": asked.path, "version": got.version})
        value = base64.b64encode(got.value.reveal()).decode()
        got.value.wipe()
        return {"path": asked.path, "version": got.version, "value": value}

    async def list(self, call: Call) -> Mapping[str, Any]:
        """A page of the paths that the caller may know of; `after` is where the next page begins, "" at the end."""
        asked = call.read(List)
        call.trail.action = LIST
        policies = self._rulebook.rules.policies
        paths = await self._keeper.run(lambda vault: vault.paths(asked.prefix, asked.after, PAGE))
        shown = [path for path in paths if may_know(call.principal, path, policies)]
        call.trail.outcome(200, detail={"prefix": asked.prefix, "shown": len(shown)}, changing=False)
        return {"paths": shown, "after": paths[-1] if len(paths) == PAGE else ""}

    async def history(self, call: Call) -> Mapping[str, Any]:
        """All that is known of a path but its values."""
        asked = call.read(OfPath)
        await self._judge(call, LIST, asked.path, {})
        record = await self._keeper.run(lambda vault: vault.record(asked.path))
        return _done(call, _told(record), {"path": asked.path})

    async def where(self, call: Call) -> Mapping[str, Any]:
        """Which containers hold which version of a path."""
        asked = call.read(OfPath)
        await self._judge(call, LIST, asked.path, {})
        rows = await self._whereabouts.where(asked.path)
        return _done(call, {"containers": rows}, {"path": asked.path})

    async def label(self, call: Call) -> Mapping[str, Any]:
        """Let a label name another version."""
        asked = call.read(Label)
        await self._judge(call, WRITE, asked.path, {"label": asked.label, "version": asked.version})
        await self._keeper.run(lambda vault: vault.label(asked.path, asked.label, asked.version))
        return _done(call, {"path": asked.path, "version": asked.version, **await self._renewed(asked.path)})

    async def _renewed(self, path: str) -> Mapping[str, Any]:
        """What became of running containers: how many have the new version, and why others do not."""
        renewal = await self._whereabouts.renew(path)
        return {"renewed": len(renewal.changed), "failed": list(dict.fromkeys(renewal.failed))[:MOST_TOLD]}

    async def delete(self, call: Call) -> Mapping[str, Any]:
        """Let versions not be read any more, until `undelete`."""
        return await self._versions(call, WRITE, "delete", lambda vault, asked: vault.delete(asked.path, asked.versions))

    async def undelete(self, call: Call) -> Mapping[str, Any]:
        """Bring deleted versions back."""
        return await self._versions(call, WRITE, "undelete", lambda vault, asked: vault.undelete(asked.path, asked.versions))

    async def destroy(self, call: Call) -> Mapping[str, Any]:
        """Take values away for good."""
        return await self._versions(call, DESTROY, "destroy", lambda vault, asked: vault.destroy(asked.path, asked.versions))

    async def _versions(self, call: Call, action: str, name: str, deed: Callable[[Secrets, OfPath], None]) -> Mapping[str, Any]:
        asked = call.read(OfPath)
        await self._judge(call, action, asked.path, {"deed": name, "versions": sorted(asked.versions)})

        def work(vault: Secrets) -> Record:
            deed(vault, asked)
            return vault.record(asked.path)

        return _done(call, _told(await self._keeper.run(work)), {"path": asked.path})

    async def _judge(self, call: Call, action: str, path: str, detail: Mapping[str, Any]) -> None:
        """Return once the caller may do `action`, and the ledger has that they are about to.

        Raises:
            Hidden: they may not even know whether there is such a path. Forbidden: they may, and this is not permitted.
            Malformed: `vault.path`. Unavailable: `ledger.unwritable`.
        """
        call.trail.action = action
        policies = self._rulebook.rules.policies
        verdict = decide(Ask(call.principal, action, resource_of(path)), policies)
        call.trail.judged(resource_of(path), verdict, None)
        if not verdict.is_allowed:
            if action in {READ, LIST} and not may_know(call.principal, path, policies):
                raise unseen(path)
            # Whether there is such a path does not show in what follows: it was not looked at.
            reasons = "; ".join(verdict.advice) or f"no policy permits it; below {PEOPLE}{call.principal.name}/ you may keep your own"
            raise Forbidden(verdict.why.value, f"{action} of {path} is refused for {call.principal.name}: {reasons}", policies=verdict.policies)
        await call.trail.intent(detail)


def may_know(principal: Principal, path: str, policies: PolicySet) -> bool:
    """Whether `principal` may hear that there is a secret at `path`."""
    if path.startswith(OURS):
        return False
    about = resource_of(path)
    return any(decide(Ask(principal, action, about), policies).is_allowed for action in (LIST, READ, WRITE))


def unseen(path: str) -> Hidden:
    """What is said of a path that is not there, and of one that the asker may not know of."""
    error = absent(path)
    return Hidden(error.code, f"{error.message}, or it is not for you to know")


def _done(call: Call, said: Mapping[str, Any], detail: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    call.trail.outcome(200, detail=said if detail is None else detail, changing=True)
    return said


def _told(record: Record) -> Mapping[str, Any]:
    """A record as it is shown: no hashes."""
    versions = [_version(record, held) for held in record.versions]
    return {"path": record.path, "keep": record.keep, "note": record.note, "versions": versions}


def _version(record: Record, held: Held) -> Mapping[str, Any]:
    labels = sorted(label for label, version in record.labels.items() if version == held.version)
    return {"version": held.version, "state": held.state.value, "at_us": held.at, "by": held.by, "bytes": held.size, "labels": labels}
