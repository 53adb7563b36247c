"""The composition root: the only place that builds adapters and joins them. `serving.py` gives what is joined its life.

1. Settings, then the ledger: nothing else is opened before what happens can be written down.
2. Owners: the last snapshot and the ledger's tail after it.
3. Rules: people and policies; a bad file refuses to start.
4. The Engine: its version and how it maps users. If it is away, calls are refused until it is back.
5. The vault, the volume driver's and the second lock's sockets, then the doors.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dockwarden.access.certificates import hosts_in, identify_certificate, server_context
from dockwarden.access.claims import Claims
from dockwarden.access.host_files import check_roots, describe_source, our_sockets
from dockwarden.access.owners import Owners, open_snapshot, read_snapshot
from dockwarden.access.peer import Peers, identify
from dockwarden.access.rulebook import Rulebook
from dockwarden.access.totp import SecondFactors
from dockwarden.doors.control.door import ControlDoor, Verb
from dockwarden.doors.control.hosts import HostVerbs
from dockwarden.doors.control.keeping import KeepingVerbs
from dockwarden.doors.control.locks import LockVerbs
from dockwarden.doors.control.outside import OutsideVerbs
from dockwarden.doors.control.quota import Quota
from dockwarden.doors.control.search import SearchVerbs
from dockwarden.doors.control.secrets import SecretVerbs
from dockwarden.doors.control.sessions import SessionVerbs
from dockwarden.doors.control.totp import TotpVerbs
from dockwarden.doors.control.vault import VaultVerbs
from dockwarden.doors.docker.carry import Carrier
from dockwarden.doors.docker.flow import Flow
from dockwarden.doors.docker.fresh import FreshVolumes
from dockwarden.doors.docker.look import Looks
from dockwarden.doors.docker.lookups import Lookups
from dockwarden.doors.docker.narrow import Narrower
from dockwarden.doors.docker.plain import PlainCalls
from dockwarden.doors.docker.prepare import Preparer
from dockwarden.doors.docker.resolve import HostView, Resolver
from dockwarden.doors.docker.server import Handler, Limits, Peer, Server
from dockwarden.doors.docker.shown import ShownAnswers
from dockwarden.doors.docker.sight import Sight
from dockwarden.doors.docker.taped import Taper
from dockwarden.doors.lock.door import LockDoor, new_tickets
from dockwarden.doors.lock.lock import JudgeRaw
from dockwarden.doors.lock.raw import RawJudge
from dockwarden.doors.lock.ticketed import TicketedLink
from dockwarden.doors.lock.tickets import Tickets
from dockwarden.doors.operate.metrics import Metrics
from dockwarden.doors.operate.server import OperateServer
from dockwarden.doors.ssh.house import SshHouse
from dockwarden.doors.ssh.server import SshDoor
from dockwarden.doors.volumes.door import VolumeDoor, VolumeSettings
from dockwarden.doors.volumes.seal import Sealer, read_sealer
from dockwarden.doors.volumes.uses import Uses
from dockwarden.doors.volumes.whereabouts import Whereabouts
from dockwarden.engine.call import Request
from dockwarden.engine.routes.table import NEWEST
from dockwarden.hosts.authority import Authority
from dockwarden.hosts.pinned import PinnedHosts
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.keys import PUBLIC, read_public_key
from dockwarden.ledger.segments import entries, newest
from dockwarden.ledger.witness import WITNESSED_AGAIN, Witness, read_place
from dockwarden.ledger.writer import Ledger
from dockwarden.logs import get_logger
from dockwarden.settings import DoorSettings, Settings, TapeSettings
from dockwarden.tape.admission import Admissions
from dockwarden.tape.custody import Custody
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.found import Ends, end_found
from dockwarden.tape.indexer import Indexer
from dockwarden.tape.keys import TapeKeys
from dockwarden.tape.locks import Locks
from dockwarden.tape.recorder import Recorder
from dockwarden.tape.retention import Rules
from dockwarden.tape.segment import Flag
from dockwarden.tape.sessions import Sessions
from dockwarden.tape.shelf import Shelf
from dockwarden.tape.store import Place, S3Store, StoreTrouble
from dockwarden.tape.terms import Patience
from dockwarden.upstream.about import EngineAbout, ask_about
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.upstream.engine import EngineLink
from dockwarden.upstream.engine_files import EngineFiles
from dockwarden.upstream.image_files import ImageAccounts
from dockwarden.upstream.shared import SharedReads
from dockwarden.vault.keeper import Keeper
from dockwarden.vault.log import OpenLog
from dockwarden.vault.outside_keeper import OutsideKeeper
from dockwarden.vault.outside_login import ByRole, ByToken
from dockwarden.vault.private import read_private
from dockwarden.words.ask import Kind, Verdict
from dockwarden.words.errors import BadConfig, Forbidden, Hidden, Missing, Refused
from dockwarden.words.principal import NOBODY, Principal
from dockwarden.words.secret import Secret

RUN_DIR = Path("/run/dockwarden")
"""Where the volume driver keeps its mounts: a file system that a boot empties."""
ENGINE_RETRY_S = 1.0
ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  names of no host, and not listened at here
PROBE_LABEL = ("dockwarden.probe", "accounts")


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
    ssh: list[SshDoor] = field(default_factory=list)
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


def api_version(house: House) -> str:
    """The version that calls without one are sent as: the Engine's own, or the newest that the tables know."""
    return ".".join(map(str, min(house.engine.api, NEWEST))) if house.engine else ""


def build_resolver(house: House) -> Resolver:
    """What asks the Engine and the host about a call."""
    settings, engine = house.settings, house.settings.engine
    about = house.engine
    remaps, cpus = (about.remaps_users, about.cpus) if about else (False, 0)
    host = HostView(settings.binds.roots, our_sockets(settings), engine.plugin, remaps, cpus)
    images = ImageAccounts(house.ask, PROBE_LABEL)
    return Resolver(lookups=Lookups(house.ask, house.owners), owners=house.owners, images=images, describe=describe_source, host=host)


def build_flow(house: House, door: DoorSettings) -> Flow:
    """The flow of one door."""
    settings, engine = house.settings, house.settings.engine
    lookups = Lookups(house.ask, house.owners)
    version = api_version(house)
    seal = house.sealer.seal if house.volumes is not None else None
    preparer = Preparer(ask=house.ask, lookups=lookups, plugin=engine.plugin, seal=seal, version=version)
    answer_bytes, observe = settings.limits.answer_bytes, settings.observe
    sight = Sight(house.owners, frozenset(settings.veil.env_shown), engine.plugin)
    looks = Looks(
        house.link, SharedReads(house.link, answer_bytes), house.ask, lookups, PlainCalls(version), Narrower(house.owners, version), ShownAnswers(),
        sight, answer_bytes, observe,
    )
    fresh = FreshVolumes(lookups, house.owners, EngineFiles(engine.address))
    assert house.recorder is not None  # noqa: S101  tapes are opened before the doors
    taper = Taper(house.recorder, house.sessions, *_admitting(house), house.ask, lambda: house.volumes)
    carrier = Carrier(house.link, lookups, house.owners, house.claims, fresh, build_resolver(house), preparer, sight, taper, answer_bytes, observe)
    limit, drops_unknown = settings.limits.body_bytes, engine.unknown == "drop"
    return Flow(door.listen, house.rulebook, looks, carrier, house.uses, house.ledger, house.metrics, limit, drops_unknown, observe)


def _admitting(house: House) -> tuple[Admissions, Patience]:
    """Who admits sessions, and how long those wait that need a watcher."""
    settings = house.settings
    admissions = Admissions(house.sessions.locks, is_observing=settings.observe)
    return admissions, Patience(settings.sessions.watcher_wait_s, settings.sessions.watcher_gone_s)


async def open_door(house: House, door: DoorSettings) -> Server:
    """Listen at one door."""
    tls = server_context(*(house.settings.dir / name for name in (door.certificate, door.key, door.client_ca))) if door.certificate else None
    handle = build_tapes_door(house, door) if door.kind == "tapes" else build_flow(house, door).handle
    limits = house.settings.limits

    def who(peer: Peer) -> Principal:
        people = house.rulebook.rules.people
        if door.as_:
            return people.by_door(door.as_)
        if peer.is_unix:
            principal = identify(peer.socket, house.peers, people)
        else:
            principal = identify_certificate(peer.certificate, people) if peer.certificate else NOBODY
        if not principal.is_known:
            house.log.info("stranger", door=door.listen, because=principal.why_not)
        return principal

    server = Server(handle, who, Limits(limits.header_bytes, limits.connections, limits.header_timeout_s, limits.idle_s))
    await server.listen(door.listen, mode=int(door.mode, 8), tls=tls)
    house.servers.append(server)
    return server


def build_tapes_door(house: House, door: DoorSettings) -> Handler:
    """What answers at a door for tapes."""
    from dockwarden.doors.tapes.door import TapesDoor  # its WebSockets need a library that a house without such a door need not carry

    names = None
    if door.certificate:
        at = frozenset({urlsplit(door.listen).hostname or ""}) - ANYWHERE
        names = at | hosts_in((house.settings.dir / door.certificate).read_bytes())
    assert house.session_verbs is not None  # noqa: S101  the control socket is opened before the doors
    return TapesDoor(door.listen, names, house.session_verbs, house.ledger, house.metrics).handle


async def open_vault(house: House) -> None:
    """Open the vault, and what gives containers its secrets."""
    settings = house.settings
    log = OpenLog(settings.ledger_dir, house.ledger, asyncio.get_running_loop())
    keeper = house.keeper = _outside(settings) if settings.vault.outside else Keeper(settings.vault_url, settings.vault_key, log)
    await keeper.open()
    if keeper.trouble:
        house.log.warning("the vault is sealed" if isinstance(keeper, Keeper) else "no outside vault", because=keeper.trouble)

    tools = frozenset(door.as_ for door in settings.doors if door.as_)
    house.uses = Uses(keeper, house.rulebook, house.ledger, tools, asyncio.get_running_loop())
    house.whereabouts = Whereabouts(lambda: house.volumes, house.ask, lambda id: house.owners.owner_of_id(Kind.CONTAINER, id), house.ledger)


async def open_control(house: House) -> None:
    """Listen at the socket at which our command line asks: for secrets, for the vault, for sessions."""
    settings, keeper, recorder = house.settings, house.keeper, house.recorder
    assert keeper is not None  # noqa: S101  the vault is opened before
    assert recorder is not None  # noqa: S101  and the recorder
    assert house.indexer is not None  # noqa: S101  with what indexes its tapes

    def who(peer: Peer) -> Principal:
        return identify(peer.socket, house.peers, house.rulebook.rules.people)

    house.hosts = PinnedHosts(settings.hosts_file, lambda why: house.log.warning("hosts.kept", because=why))
    hosts = HostVerbs(settings.hosts_file, house.hosts.fresh, house.rulebook)
    sessions = SessionVerbs(recorder, house.sessions, house.tape_keys, keeper, house.rulebook, house.custody)
    house.session_verbs = sessions
    locks = LockVerbs(house.sessions, house.rulebook)
    keeping = KeepingVerbs(house.custody, sessions)
    search = SearchVerbs(house.indexer, recorder.shelf, keeper, house.rulebook)
    quota = Quota(keeper, settings.vault.person_paths, settings.vault.person_bytes)
    secrets = SecretVerbs(keeper, house.rulebook, house.whereabouts, quota)
    vault: Mapping[str, Verb]
    if isinstance(keeper, Keeper):
        vault = VaultVerbs(keeper, house.rulebook, settings.vault_key, settings.state_dir / "backups", house.mend_now.set).verbs()
    else:
        vault = OutsideVerbs(keeper, lambda: house.rulebook.rules.policies).verbs()
    house.factors = SecondFactors(keeper)
    totp = TotpVerbs(house.factors, house.rulebook)
    of_sessions = {**sessions.verbs(), **locks.verbs(), **keeping.verbs(), **search.verbs()}
    verbs = {**secrets.verbs(), **vault, **of_sessions, **hosts.verbs(), **totp.verbs()}
    house.control = ControlDoor(settings.control_socket, verbs, who, house.ledger, house.metrics)
    await house.control.open()


def _outside(settings: Settings) -> OutsideKeeper:
    from dockwarden.vault.outside_kv import Kv, Place  # its libraries are loaded only where there is such a vault: they cost 6 MiB

    vault = settings.vault
    by = ByRole(vault.role_id, settings.dir / vault.secret_id_file) if vault.role_id else ByToken(settings.dir / vault.token_file)
    ca = settings.dir / vault.ca if vault.ca else None
    return OutsideKeeper(Kv(Place(vault.outside, vault.mount, vault.prefix, vault.namespace, ca, vault.timeout_s), by))


async def open_tapes(house: House) -> None:
    """Give tapes that were cut off their end, and record from now on, but for what is locked.

    Raises:
        BadConfig: an auditor is no age recipient, or the locks cannot be read.
    """
    settings = house.settings
    house.sessions = Sessions(Locks(settings.state_dir / "locks.db"))
    keys = house.tape_keys = TapeKeys(settings.state_dir / "tapes.pub", settings.tapes.recipients)
    shelf = Shelf(settings.tapes_dir)
    house.recorder = Recorder(
        shelf, house.ledger, keys.recipients, stall_s=settings.tapes.stall_s, told=lambda what, detail: house.log.error(what, **detail)
    )
    await prepare_tape_keys(house)
    await house.recorder.open()
    await asyncio.to_thread(_end_found, house, shelf)
    house.custody = _custody(house, house.recorder)
    await house.custody.settle()
    open_index(house, house.recorder)


def _custody(house: House, recorder: Recorder) -> Custody:
    """What looks after the tapes that were made."""
    tapes, metrics, folder = house.settings.tapes, house.metrics, house.settings.ledger_dir
    rules = Rules(tapes.retain_days, tapes.quota_bytes, tapes.quota_keep_days, tapes.local_days, has_store=bool(tapes.store))
    custody = Custody(
        recorder, house.ledger, folder, read_public_key(folder / PUBLIC), rules=rules, store=_store(house, tapes) if tapes.store else None,
        every_s=tapes.store_every_s, told=lambda what, detail: house.log.warning(what, **detail),
    )  # fmt: skip
    metrics.tape_bytes.set_function(lambda: custody.used_bytes)
    metrics.unstored.set_function(lambda: custody.lag.tapes)
    metrics.unstored_bytes.set_function(lambda: custody.lag.bytes)
    metrics.unstored_age.set_function(lambda: custody.lag.age_s)
    return custody


def _store(house: House, tapes: TapeSettings) -> S3Store:
    def credentials() -> Secret:
        assert house.keeper is not None  # noqa: S101  the vault is opened before
        try:
            if tapes.store_secret:
                return house.keeper.run_here(lambda vault: vault.get(tapes.store_secret).value)
            file = house.settings.dir / tapes.store_key_file
            return Secret(read_private(file, "may be read by others", "write the store's credentials into it"))
        except (Refused, BadConfig) as error:
            raise StoreTrouble(f"no credentials for the store: {error}") from None

    ca = house.settings.dir / tapes.store_ca if tapes.store_ca else None
    return S3Store(Place(tapes.store, tapes.store_endpoint, tapes.store_region, ca), credentials)


def open_index(house: House, recorder: Recorder) -> None:
    """Keep the search index up with what is recorded."""
    assert house.keeper is not None  # noqa: S101  the vault is opened before
    file, live = house.settings.state_dir / "search.db", recorder.tapes.keys()
    house.indexer = Indexer(file, recorder.shelf, house.keeper, lambda: live, lambda what, detail: house.log.warning(what, **detail))
    recorder.when_ended.append(house.indexer.look)
    house.indexer.open()


async def prepare_tape_keys(house: House) -> None:
    """See to the key of tapes, as far as the vault lets us now."""
    assert house.keeper is not None  # noqa: S101  the vault is opened before
    try:
        await house.tape_keys.prepare(house.keeper)
    except Refused as error:
        what = "tapes can be recorded, and not be read" if house.tape_keys.is_made else "nothing can be recorded yet"
        house.log.warning(what, because=error.message)


def _end_found(house: House, shelf: Shelf) -> None:
    ends = Ends(entry for entry in newest(house.settings.ledger_dir) if entry.seq < house.ledger.opened_seq)
    for id in shelf.ids():
        try:
            done = end_found(shelf, id, house.ledger.vouch, time.time_ns() // 1000, ends)
        except (BadSegment, OSError) as error:
            house.log.error("a tape cannot be read", tape=id, because=str(error))
            continue
        if done is not None:
            head, torn = done
            detail = {"what": "tape.closed", "tape": id, "segment": head.seq, "head": head.hash.hex(), "torn_bytes": torn}
            detail |= {"why": "cut off"} if Flag.FOUND in head.flags else {}
            with contextlib.suppress(Refused):
                house.ledger.append(Entry(kind="tape", resource=f"Tape:{id}", detail=detail))


async def open_ssh(house: House, door: DoorSettings) -> None:
    """Listen at an SSH door."""
    settings, keeper, recorder = house.settings, house.keeper, house.recorder
    assert keeper is not None  # noqa: S101  the vault is opened before
    assert recorder is not None  # noqa: S101  and the recorder
    authority = Authority(settings.authority_dir, keeper)
    try:
        await authority.prepare()
    except Refused as error:
        house.log.warning("no authority for SSH yet", because=error.message)
    own = SshHouse(
        door.listen, house.rulebook, house.ledger, house.metrics, recorder, house.sessions, keeper, house.hosts, authority,
        lambda principal: _docker_inside(house, door, principal), *_admitting(house), house.factors, settings.ssh.user_ca,
        settings.ssh.login_s, engine_sockets=_engine_sockets(settings),
    )  # fmt: skip
    made = SshDoor(settings.state_dir / "ssh_host_ed25519", own)
    await made.open()
    house.ssh.append(made)


def _engine_sockets(settings: Settings) -> tuple[str, ...]:
    """Where the Engine of this machine listens, if it is at a path."""
    address = urlsplit(settings.engine.address)
    return (address.path,) if address.scheme == "unix" else ()


def _docker_inside(house: House, door: DoorSettings, principal: Principal) -> Server:
    """The Docker door of a person who came by SSH; it listens nowhere."""
    key = door.listen, principal.name
    server = house.inside.get(key)
    if server is None:
        limits = house.settings.limits
        server = house.inside[key] = Server(
            build_flow(house, door).handle, lambda _peer: house.rulebook.rules.people.by_ssh(principal.name) or NOBODY,
            Limits(limits.header_bytes, limits.connections, limits.header_timeout_s, limits.idle_s),
        )  # fmt: skip
    return server


async def open_volumes(house: House) -> None:
    """Serve the Engine's volume driver calls, where that is wanted and the Engine is on this machine."""
    settings, engine = house.settings, house.settings.engine
    if not engine.volumes or not engine.address.startswith("unix:"):
        return
    where = VolumeSettings(Path(engine.plugin_dir), engine.plugin, RUN_DIR, settings.state_dir, settings.binds.roots)
    house.volumes = VolumeDoor(where, house.sealer, house.uses.fetch, lambda verb, name, _options, error: _volume_said(house, verb, name, error))
    await house.volumes.open()


def _volume_said(house: House, verb: str, name: str, error: Refused | None) -> None:
    """Write down what the driver did or refused; a start that it stops must be found in the record."""
    if error is None and verb not in {"mount", "unmount"}:
        return
    said = {"what": f"volume.{verb}", "volume": name, **({"code": error.code, "message": error.message} if error else {})}
    with contextlib.suppress(Refused):
        house.ledger.append(Entry(kind="event", resource=f"Volume:{name}", status=error.status if error else 0, detail=said))


def _naming_a_door(judge: JudgeRaw, settings: Settings) -> JudgeRaw:
    """`judge`, whose refusals end with where to go instead: who calls the raw socket may never have heard of us."""
    address = next((door.listen for door in settings.doors if door.kind == "docker" and not door.as_), "")

    async def judged(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Verdict | Refused:
        found = await judge(method, target, headers, body)
        if address and isinstance(found, Forbidden | Hidden | Missing):
            message = f"{found.message.removesuffix('; use a dockwarden door')}; this is the Engine's own socket: come by DOCKER_HOST={address}"
            return Forbidden(found.code, message, policies=found.policies)
        return found

    return judged


async def open_lock(house: House) -> None:
    """Answer the Engine's own question about every call, where the second lock is on."""
    engine = house.settings.engine
    if house.tickets is None:
        return
    raw = RawJudge(house.rulebook, build_resolver(house), house.ledger, house.metrics)
    house.lock = LockDoor(Path(engine.plugin_dir), engine.plugin, house.tickets, _naming_a_door(raw.judge, house.settings))
    await house.lock.open()
