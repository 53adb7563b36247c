"""Whether a container may have the secrets it names: asked when it is made, and again at every start, in the ledger before a value moves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dockwarden.access.peer import host_groups
from dockwarden.access.rulebook import Rulebook
from dockwarden.doors.volumes.secrets import Given
from dockwarden.engine.delivery import NO_VARIABLES, Delivery, File
from dockwarden.engine.obligations import parse_obligations
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.writer import Ledger
from dockwarden.policy.decide import evaluate
from dockwarden.policy.load import NO_FACTS, PolicySet
from dockwarden.vault.keeper import KeepsSecrets, Secrets
from dockwarden.vault.paths import resource_of
from dockwarden.words.ask import Ask, Verdict
from dockwarden.words.errors import Forbidden, Hidden, Missing
from dockwarden.words.principal import Principal
from dockwarden.words.secret import Secret

USE = "secret.use"


class Uses:
    """Judges uses of secrets. `may_use` is the loop's, `fetch` is for the volume driver's threads."""

    def __init__(self, keeper: KeepsSecrets, rulebook: Rulebook, ledger: Ledger, tools: frozenset[str], loop: asyncio.AbstractEventLoop) -> None:
        """`tools` are the names of doors that stand for somebody who is no person."""
        self.keeper, self._rulebook, self._ledger, self._tools, self._loop = keeper, rulebook, ledger, tools, loop

    async def may_use(
        self, principal: Principal, files: Sequence[File], facts: Mapping[str, Any], policies: PolicySet
    ) -> Mapping[str, Secret]:
        """Return if `principal` may have a container with `files`, and all of them are there to be given.

        What comes back are the values that policy lets be variables, too, by name; that is in the ledger then.

        Raises:
            Missing: `secret.absent`: one is not there, or not for them to use; which of both is not said.
            Unavailable: the vault is sealed, or the ledger cannot be written.
        """
        verdicts = [_verdict(principal, file.path, facts, policies) for file in files]
        for file, verdict in zip(files, verdicts, strict=True):
            if not verdict.is_allowed:
                raise _absent(file)
        await self.keeper.run(lambda vault: _look(vault, files))
        plain = [(file, verdict) for file, verdict in zip(files, verdicts, strict=True) if parse_obligations(verdict.harden).as_variable]
        if not plain:
            return NO_VARIABLES
        await self._record([_entry(principal, file, verdict, "create", is_variable=True) for file, verdict in plain])
        return await self.keeper.run(lambda vault: {file.name: _given(vault, file).value for file, _ in plain})

    def fetch(self, delivery: Delivery, files: Sequence[File]) -> Sequence[Given]:
        """What a container is given as it starts, or as a secret it holds is renewed.

        Raises:
            Forbidden: `secret.no_more`: its maker may not use one any more, or is gone. Hidden: it is not there any more.
            Unavailable: the vault is sealed, or the ledger cannot be written.
        """
        policies, people = self._rulebook.rules.policies, self._rulebook.rules.people
        person = people.by_name.get(delivery.used_by)
        if person is not None and person.uid is not None:
            principal = people.by_uid(person.uid, host_groups)
        else:
            principal = people.by_door(delivery.used_by) if person is not None or delivery.used_by in self._tools else None
        if principal is None:
            raise Forbidden("secret.no_more", f"{delivery.used_by}, who made this container, is no longer in people.toml; make it again")
        facts = completed(msgspec.json.decode(delivery.facts))
        verdicts = [_verdict(principal, file.path, facts, policies) for file in files]
        for file, verdict in zip(files, verdicts, strict=True):
            if not verdict.is_allowed:
                what = f"{principal.name} may not use the secret {file.path} any more"
                raise Forbidden("secret.no_more", f"{what}; ask an operator, or make the container without it")
        entries = [_entry(principal, file, verdict, "start") for file, verdict in zip(files, verdicts, strict=True)]
        asyncio.run_coroutine_threadsafe(self._record(entries), self._loop).result()
        return self.keeper.run_here(lambda vault: [_given(vault, file) for file in files])

    async def _record(self, entries: Sequence[Entry]) -> None:
        """Write all, and return when they are durable."""
        last = 0
        for entry in entries:
            last = self._ledger.append(entry)
        await self._ledger.settle(last)


def completed(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts of a create of some time ago, with what a call without facts has in the place of those that there were not yet."""
    return {
        name: {**usual, **facts.get(name, {})} if isinstance(usual, Mapping) else facts.get(name, usual) for name, usual in NO_FACTS.items()
    }


def _verdict(principal: Principal, path: str, facts: Mapping[str, Any], policies: PolicySet) -> Verdict:
    return evaluate(Ask(principal, USE, resource_of(path), facts), policies)


def _look(vault: Secrets, files: Sequence[File]) -> None:
    for file in files:
        try:
            record = vault.record(file.path)
            held = record.held(file.version or record.labels.get(file.label, 0))
        except Hidden:
            held = None
        if held is None or held.state != "live":
            raise _absent(file)


def _given(vault: Secrets, file: File) -> Given:
    got = vault.get(file.path, file.version, file.label)
    return Given(got.version, got.value)


def _absent(file: File) -> Missing:
    what = f"{file.name}: there is no secret {file.path} that you may use so"
    return Missing("secret.absent", f"{what}; see dockwarden secret list, or ask an operator")


def _entry(principal: Principal, file: File, verdict: Verdict, when: str, *, is_variable: bool = False) -> Entry:
    detail = {"file": file.name, "version": file.version or file.label}
    return Entry(
        kind="intent", principal=principal.name, groups=tuple(sorted(principal.groups)), via=when, action=USE, resource=f"SecretPath:{file.path}",
        why=verdict.why.value, policies=verdict.policies, detail={**detail, "variable": True} if is_variable else detail,
    )
