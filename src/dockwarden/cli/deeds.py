"""Deeds on hosts, as `dockwarden policy explain` takes them: an action of SSH and what it is done to. No host is asked.

    ssh.shell [LOGIN%]HOST              ssh.sftp.read [LOGIN%]HOST PATH
    ssh.exec [LOGIN%]HOST               ssh.sftp.write [LOGIN%]HOST PATH
    ssh.sftp [LOGIN%]HOST               ssh.forward.local [LOGIN%]HOST PLACE:PORT
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dockwarden.cli.supposed import Judged
from dockwarden.doors.docker.judge import Judgement
from dockwarden.doors.ssh.files.operations import Deed, plain, shown
from dockwarden.doors.ssh.names import CONTAINER, SEPARATOR
from dockwarden.engine.facts import Facts
from dockwarden.hosts.hosts import LOGIN, Host
from dockwarden.policy.explain import explain
from dockwarden.policy.load import PolicySet
from dockwarden.policy.schema import SSH_ACTIONS, SSH_FORWARD, SSH_READ, SSH_WRITE
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.errors import BadConfig
from dockwarden.words.principal import Principal

FILE_DEEDS = {SSH_READ: Deed.READ, SSH_WRITE: Deed.WRITE}
CLIENTS = frozenset({"ssh", "scp", "sftp"})


@dataclass(frozen=True, slots=True)
class HostDeed:
    """One deed, and what is known of where: `host` is as `hosts.toml` has it, `None` where it has none of that name."""

    action: str
    name: str
    host: Host | None
    facts: Facts

    def __str__(self) -> str:
        return f"{self.name} as {self.facts.login or 'its login'}"


def is_deed(words: Sequence[str]) -> bool:
    """Whether a line is about a host, not about the Docker API."""
    return bool(words) and (words[0] in CLIENTS or words[0].startswith("ssh."))


def read_deed(words: Sequence[str], hosts: Mapping[str, Host], *, door: str = "", reaches_engine: bool = False) -> HostDeed:
    """Return what `words` say. Raises: BadConfig: nothing that can be meant."""
    action, where, *rest = (*words, "") if len(words) == 1 else words
    if action not in SSH_ACTIONS:
        mend = f"name the action and the host: {' or '.join(SSH_ACTIONS)} [LOGIN%]HOST"
        raise BadConfig(action, "is no action on a host", mend)
    needed = "PLACE:PORT" if action == SSH_FORWARD else "PATH" if action in FILE_DEEDS else ""
    login, _, name = where.rpartition(SEPARATOR)
    if not name or len(rest) != bool(needed):
        raise BadConfig(action, "does not say what it is done to, or says more", f"write {action} [LOGIN%]HOST {needed}".rstrip())
    if name.startswith(CONTAINER):
        raise BadConfig(action, f"{name} is a container, and going into it is an exec", f"write -- docker exec -it {name.removeprefix(CONTAINER)} sh")
    if login and not LOGIN.fullmatch(login):
        raise BadConfig(action, f"{login!r} is no account's name", f"write {action} LOGIN%{name}")
    host = hosts.get(name)
    facts = Facts(via="ssh", door=door, login=login or (host.login if host else ""), reaches_engine=reaches_engine)
    if action in FILE_DEEDS:
        facts = replace(facts, file=(str(FILE_DEEDS[action]), plain(shown(os.fsencode(rest[0]))), ""))
    elif needed:
        facts = replace(facts, forward=_place(rest[0]))
    return HostDeed(action, name, host, facts)


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadConfig(SSH_FORWARD, f"{text!r} is no place", "write PLACE:PORT, as db.internal:5432")
    return host.strip("[]"), int(port)


def judge_deed(deed: HostDeed, principal: Principal, policies: PolicySet) -> Judged:
    """Return how `deed` would come out for `principal`, the host being there."""
    about = Resource(Kind.HOST, deed.name, deed.name, labels=deed.host.labels if deed.host else {})
    ask = Ask(replace(principal, via="ssh"), deed.action, about, deed.facts.context())
    found = explain(ask, policies)
    if found.verdict.is_allowed:
        return Judged(deed, "permit", deed.action, "", Judgement(ask, deed.facts, found.verdict), found)
    reasons = "; ".join(found.verdict.advice) or "no policy permits it; ask an admin"
    words = f"{deed.action} on {deed} is refused for {principal.name or 'a caller nobody knows'}: {reasons}"
    return Judged(deed, "refuse", deed.action, words, Judgement(ask, deed.facts, found.verdict), found)


def supposed_of(deed: HostDeed) -> Iterator[str]:
    """What was not asked, in lines."""
    if deed.host is None:
        yield f"supposed, as hosts.toml has no {deed.name}: a host without labels; at the door one that is not there is not there"
    if not deed.facts.reaches_engine:
        yield "supposed, as no host was asked: the Engine's own socket cannot be reached from there (--reaches-engine says otherwise)"
    yield "before it ssh.login is asked, and session.start as a session begins (place, time); locks are not looked at"
