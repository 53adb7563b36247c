"""The SSH doors."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from dockwarden.doors.docker.server import Limits, Server
from dockwarden.doors.ssh.crowd.door import CrowdDoor
from dockwarden.doors.ssh.crowd.messages import Start
from dockwarden.doors.ssh.desk import OwnDesk
from dockwarden.doors.ssh.house import SshHouse
from dockwarden.doors.ssh.server import SshDoor, host_key
from dockwarden.hosts.authority import Authority
from dockwarden.ledger.entry import Entry
from dockwarden.settings import DoorSettings, Settings
from dockwarden.wiring.docker import build_flow
from dockwarden.wiring.house import House
from dockwarden.wiring.tapes import admitting
from dockwarden.words.errors import Refused
from dockwarden.words.principal import NOBODY, Principal


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
    key = host_key(settings.state_dir / "ssh_host_ed25519")
    desk = OwnDesk(
        door.listen, key, house.rulebook, house.ledger, house.metrics, recorder, house.sessions, keeper, house.hosts, authority,
        lambda principal: _docker_inside(house, door, principal), *admitting(house), house.factors, settings.ssh.user_ca,
    )  # fmt: skip
    ssh, sockets = settings.ssh, _engine_sockets(settings)
    made: SshDoor | CrowdDoor
    if ssh.processes == 1:
        made = SshDoor(door.listen, key, SshHouse(desk, ssh.login_s, sockets))
    else:
        start = Start(door.listen, key.export_private_key(), ssh.login_s, sockets, ssh.processes, settings.operate.log_level)
        made = CrowdDoor(desk, start, lambda what, detail: _told(house, what, detail))
    house.desks.append(desk)
    house.ssh.append(made)
    await made.open()


def _told(house: House, what: str, detail: Mapping[str, Any]) -> None:
    house.log.error(what, **detail)
    with contextlib.suppress(Refused):
        house.ledger.append(Entry(kind="event", detail={"what": what, **detail}))


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
