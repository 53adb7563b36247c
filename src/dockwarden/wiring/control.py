"""The vault, and the socket at which our own command line asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from dockwarden.access.peer import identify
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
from dockwarden.doors.docker.server import Peer
from dockwarden.doors.volumes.uses import Uses
from dockwarden.doors.volumes.whereabouts import Whereabouts
from dockwarden.hosts.pinned import PinnedHosts
from dockwarden.settings import Settings
from dockwarden.vault.keeper import Keeper
from dockwarden.vault.log import OpenLog
from dockwarden.vault.outside_keeper import OutsideKeeper
from dockwarden.vault.outside_login import ByRole, ByToken
from dockwarden.wiring.house import House
from dockwarden.words.ask import Kind
from dockwarden.words.principal import Principal


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


def _outside(settings: Settings) -> OutsideKeeper:
    from dockwarden.vault.outside_kv import Kv, Place  # its libraries are loaded only where there is such a vault: they cost 6 MiB

    vault = settings.vault
    by = ByRole(vault.role_id, settings.dir / vault.secret_id_file) if vault.role_id else ByToken(settings.dir / vault.token_file)
    ca = settings.dir / vault.ca if vault.ca else None
    return OutsideKeeper(Kv(Place(vault.outside, vault.mount, vault.prefix, vault.namespace, ca, vault.timeout_s), by))


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
    locks = LockVerbs(house.sessions, recorder.shelf, house.rulebook)
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
