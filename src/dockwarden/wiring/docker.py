"""What stands before the Engine: the Docker doors, the volume driver, and the second lock."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from dockwarden.access.certificates import identify_certificate, server_context
from dockwarden.access.host_files import describe_source, our_sockets
from dockwarden.access.peer import identify
from dockwarden.doors.docker.carry import Carrier
from dockwarden.doors.docker.flow import Flow
from dockwarden.doors.docker.fresh import FreshVolumes
from dockwarden.doors.docker.look import Looks
from dockwarden.doors.docker.lookups import Lookups
from dockwarden.doors.docker.narrow import Narrower
from dockwarden.doors.docker.plain import PlainCalls
from dockwarden.doors.docker.prepare import Preparer
from dockwarden.doors.docker.resolve import HostView, Resolver
from dockwarden.doors.docker.server import Limits, Peer, Server
from dockwarden.doors.docker.shown import ShownAnswers
from dockwarden.doors.docker.sight import Sight
from dockwarden.doors.docker.taped import Taper
from dockwarden.doors.lock.door import LockDoor
from dockwarden.doors.lock.lock import JudgeRaw
from dockwarden.doors.lock.raw import RawJudge
from dockwarden.doors.volumes.door import VolumeDoor, VolumeSettings
from dockwarden.engine.routes.table import NEWEST
from dockwarden.ledger.entry import Entry
from dockwarden.settings import DoorSettings, Settings
from dockwarden.upstream.engine_files import EngineFiles
from dockwarden.upstream.image_files import ImageAccounts
from dockwarden.upstream.shared import SharedReads
from dockwarden.wiring.house import House
from dockwarden.wiring.tapes import admitting, build_tapes_door
from dockwarden.words.ask import Verdict
from dockwarden.words.errors import Forbidden, Hidden, Missing, Refused
from dockwarden.words.principal import NOBODY, Principal

PROBE_LABEL = ("dockwarden.probe", "accounts")
RUN_DIR = Path("/run/dockwarden")
"""Where the volume driver keeps its mounts: a file system that a boot empties."""


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
    taper = Taper(house.recorder, house.sessions, *admitting(house), house.ask, lambda: house.volumes)
    carrier = Carrier(house.link, lookups, house.owners, house.claims, fresh, build_resolver(house), preparer, sight, taper, answer_bytes, observe)
    limit, drops_unknown = settings.limits.body_bytes, engine.unknown == "drop"
    return Flow(door.listen, house.rulebook, looks, carrier, house.uses, house.ledger, house.metrics, limit, drops_unknown, observe)


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


async def open_lock(house: House) -> None:
    """Answer the Engine's own question about every call, where the second lock is on."""
    engine = house.settings.engine
    if house.tickets is None:
        return
    raw = RawJudge(house.rulebook, build_resolver(house), house.ledger, house.metrics)
    house.lock = LockDoor(Path(engine.plugin_dir), engine.plugin, house.tickets, _naming_a_door(raw.judge, house.settings))
    await house.lock.open()


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
