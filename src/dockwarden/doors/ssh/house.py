"""What the SSH door stands on, and what it remembers between connections."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import asyncssh

from dockwarden.access.rulebook import Rulebook
from dockwarden.access.totp import SecondFactors
from dockwarden.doors.docker.server import Server
from dockwarden.doors.operate.metrics import Metrics
from dockwarden.hosts.authority import Authority
from dockwarden.hosts.hosts import Host
from dockwarden.ledger.writer import Ledger
from dockwarden.tape.admission import Admissions
from dockwarden.tape.recorder import Recorder
from dockwarden.tape.sessions import Sessions
from dockwarden.tape.terms import Patience
from dockwarden.upstream.ssh import reaches_engine
from dockwarden.vault.keeper import KeepsSecrets
from dockwarden.words.principal import Principal

REMEMBERED_S = 300.0


class Pinned(Protocol):
    """The hosts as they are now."""

    def get(self, name: str) -> Host | None:
        """One host."""

    def names(self) -> tuple[str, ...]:
        """All of them."""

    def at(self, address: str, port: int) -> Host | None:
        """The one that is called so, or is there."""


@dataclass
class Reaches:
    """From which logins the Engine's own socket can be reached. Asked on the host, and believed for `REMEMBERED_S`."""

    known: dict[tuple[str, tuple[str, ...], str], tuple[bool, float]] = field(default_factory=dict)

    async def ask(self, host: Host, login: str, connection: asyncssh.SSHClientConnection, sockets: tuple[str, ...]) -> bool:
        """Whether it can from there; a doubt counts as yes, and is not remembered."""
        where = host.address, host.host_keys, login
        found, until = self.known.get(where, (True, 0.0))
        if time.monotonic() < until:
            return found
        answer = await reaches_engine(connection, sockets)
        if answer is None:
            return True
        self.known[where] = answer, time.monotonic() + REMEMBERED_S
        return answer


@dataclass(frozen=True)
class SshHouse:
    """Everything that a connection may need."""

    listen: str
    rulebook: Rulebook
    ledger: Ledger
    metrics: Metrics
    recorder: Recorder
    sessions: Sessions
    keeper: KeepsSecrets
    hosts: Pinned
    authority: Authority
    docker: Callable[[Principal], Server]
    admissions: Admissions
    patience: Patience
    factors: SecondFactors
    user_ca: tuple[str, ...] = ()
    login_s: float = 60.0
    engine_sockets: tuple[str, ...] = ()
    """Of the Engine that is protected here: a host may be this one."""
    reaches: Reaches = field(default_factory=Reaches)
