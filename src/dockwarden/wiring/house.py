"""What serves, joined: the record first, since nothing else is opened before what happens can be written down."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dockwarden.access.claims import Claims
from dockwarden.access.host_files import check_roots
from dockwarden.access.owners import Owners, open_snapshot, read_snapshot
from dockwarden.access.peer import Peers
from dockwarden.access.rulebook import Rulebook
from dockwarden.access.totp import SecondFactors
from dockwarden.doors.control.door import ControlDoor
from dockwarden.doors.control.sessions import SessionVerbs
from dockwarden.doors.docker.server import Server
from dockwarden.doors.lock.door import LockDoor, new_tickets
from dockwarden.doors.lock.ticketed import TicketedLink
from dockwarden.doors.lock.tickets import Tickets
from dockwarden.doors.operate.metrics import Metrics
from dockwarden.doors.operate.server import OperateServer
from dockwarden.doors.ssh.crowd.door import CrowdDoor
from dockwarden.doors.ssh.desk import OwnDesk
from dockwarden.doors.ssh.server import SshDoor
from dockwarden.doors.volumes.door import VolumeDoor
from dockwarden.doors.volumes.seal import Sealer, read_sealer
from dockwarden.doors.volumes.uses import Uses
from dockwarden.doors.volumes.whereabouts import Whereabouts
from dockwarden.engine.call import Request
from dockwarden.hosts.pinned import PinnedHosts
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.segments import entries
from dockwarden.ledger.witness import WITNESSED_AGAIN, Witness, read_place
from dockwarden.ledger.writer import Ledger
from dockwarden.logs import get_logger
from dockwarden.settings import Settings
from dockwarden.tape.custody import Custody
from dockwarden.tape.indexer import Indexer
from dockwarden.tape.keys import TapeKeys
from dockwarden.tape.recorder import Recorder
from dockwarden.tape.sessions import Sessions
from dockwarden.upstream.about import EngineAbout, ask_about
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.engine import EngineLink
from dockwarden.vault.keeper import Keeper
from dockwarden.vault.outside_keeper import OutsideKeeper
from dockwarden.words.errors import Refused

ENGINE_RETRY_S = 1.0


@dataclass
class House:
    """Everything that serves, joined. Made by `open_house`; `close` ends it in the order that loses nothing."""

    settings: Settings
    ledger: Ledger
    owners: Owners
    store: sqlite3.Connection
    rulebook: Rulebook
    metrics: Metrics
    link: EngineLink
    tickets: Tickets | None
    sealer: Sealer
    peers: Peers = field(default_factory=Peers)
    claims: Claims = field(default_factory=Claims)
    log: Any = field(default_factory=lambda: get_logger("dockwarden"))
    servers: list[Server] = field(default_factory=list)
    hosts: PinnedHosts = field(init=False)
    factors: SecondFactors = field(init=False)
    ssh: list[SshDoor | CrowdDoor] = field(default_factory=list)
    desks: list[OwnDesk] = field(default_factory=list)
    """Of the SSH doors."""
    inside: dict[tuple[str, str], Server] = field(default_factory=dict)
    """Docker doors that listen nowhere: of people who came by SSH, by door and name."""
    keeper: Keeper | OutsideKeeper | None = None
    control: ControlDoor | None = None
    volumes: VolumeDoor | None = None
    lock: LockDoor | None = None
    operate: OperateServer | None = None
    sessions: Sessions = field(init=False)
    session_verbs: SessionVerbs | None = None
    recorder: Recorder | None = None
    indexer: Indexer | None = None
    tape_keys: TapeKeys = field(init=False)
    custody: Custody = field(init=False)
    uses: Uses = field(init=False)
    whereabouts: Whereabouts = field(init=False)
    engine: EngineAbout | None = None
    engine_trouble: str = ""
    witness: Witness | None = None
    snapshot_seq: int = 0
    mend_now: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where containers that could not start before may start now."""

    async def ask(self, request: Request) -> WholeAnswer:
        """Send a call of our own."""
        return await self.link.call(request, self.settings.limits.answer_bytes)


def open_house(settings: Settings) -> House:
    """Open what serves, without listening yet.

    Raises:
        BadConfig: something of the operator's must be mended first.
    """
    check_roots(settings.binds.roots)
    log = get_logger("dockwarden")
    witness = _witness(settings, lambda kind, detail: tell(kind, detail))
    ledger = Ledger(
        settings.ledger_dir, segment_bytes=settings.ledger.segment_bytes, retain_days=settings.ledger.retain_days,
        told=lambda kind, detail: log.error(kind, **detail), published=witness.wake if witness else lambda: None,
    )

    def tell(kind: str, detail: Mapping[str, Any]) -> None:
        log.info(kind, **detail) if kind == WITNESSED_AGAIN else log.error(kind, **detail)
        with contextlib.suppress(Refused):
            ledger.append(Entry(kind="event", detail={"what": kind, **detail}))

    def told(kind: str, detail: Mapping[str, str]) -> None:
        log.warning(kind, **detail) if kind == "policy.kept" else log.info(kind, **detail)
        metrics.reloads.labels("kept" if kind == "policy.kept" else "loaded").inc()
        with contextlib.suppress(Refused):
            ledger.append(Entry(kind="event", detail={"what": kind, **detail}))

    metrics = Metrics()
    metrics.ledger_ok.set_function(lambda: 1 if ledger.is_writable else 0)
    try:
        rulebook = Rulebook(settings.people_file, settings.policy_dir, told)
        ledger.append(Entry(kind="event", detail={"what": "policy.loaded", "version": rulebook.rules.policies.version}))
        owners, store = _open_owners(settings, rulebook)
        owners.replay(entries(settings.ledger_dir, owners.applied))
        tickets = new_tickets() if settings.engine.lock else None
        link = _link(settings, tickets)
        sealer = read_sealer(settings.state_dir / "seal.key")
        house = House(settings, ledger, owners, store, rulebook, metrics, link, tickets, sealer, witness=witness)
        if witness is not None:
            witness.start()
        return house
    except BaseException:
        ledger.close()
        raise


def _witness(settings: Settings, told: Callable[[str, dict[str, Any]], None]) -> Witness | None:
    named = settings.ledger
    return Witness(settings.ledger_dir, read_place(named.witness, named.witness_key, named.witness_ca), told) if named.witness else None


def _link(settings: Settings, tickets: Tickets | None) -> EngineLink:
    engine = settings.engine
    if tickets is None:
        return EngineLink(engine.address, pool=engine.pool, timeout_s=engine.timeout_s)
    return TicketedLink(engine.address, tickets, pool=engine.pool, timeout_s=engine.timeout_s)


def _open_owners(settings: Settings, rulebook: Rulebook) -> tuple[Owners, sqlite3.Connection]:
    sharing = frozenset(settings.images.shared_from)

    def is_sharing(name: str) -> bool:
        person = rulebook.rules.people.by_name.get(name)
        return bool(person and person.groups and person.groups & sharing)

    owners = Owners(is_sharing)
    store = open_snapshot(settings.state_dir / "owners.db")
    read_snapshot(store, owners)
    return owners, store


async def learn_engine(house: House) -> None:
    """Ask the Engine what it is, as often as it takes; until then calls are refused as unreachable by the wire itself."""
    while house.engine is None:
        try:
            house.engine = await ask_about(house.ask)
        except Refused as error:
            house.metrics.up.set(0)
            if error.code != house.engine_trouble:
                house.engine_trouble = error.code
                house.log.warning("engine not known yet", code=error.code, because=error.message)
            await asyncio.sleep(ENGINE_RETRY_S)
    house.metrics.up.set(1)
