"""What records sessions, keeps the tapes, finds things in them, and shows them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from urllib.parse import urlsplit

from dockwarden.access.certificates import hosts_in
from dockwarden.access.rulebook import no_longer
from dockwarden.doors.docker.server import Handler
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.keys import PUBLIC, read_public_key
from dockwarden.ledger.segments import newest
from dockwarden.settings import DoorSettings, TapeSettings
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
from dockwarden.tape.terms import Allowance, Patience
from dockwarden.vault.private import read_private
from dockwarden.wiring.house import House
from dockwarden.words.errors import BadConfig, Refused
from dockwarden.words.secret import Secret

ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  names of no host, and not listened at here


async def open_tapes(house: House) -> None:
    """Give tapes that were cut off their end, and record from now on, but for what is locked.

    Raises:
        BadConfig: an auditor is no age recipient, or the locks cannot be read.
    """
    settings = house.settings
    house.sessions = Sessions(Locks(settings.state_dir / "locks.db"), masks_found=settings.tapes.mask_found)
    house.sessions.no_longer = lambda ask: no_longer(ask, house.rulebook.rules)
    keys = house.tape_keys = TapeKeys(settings.state_dir / "tapes.pub", settings.tapes.recipients)
    shelf = Shelf(settings.tapes_dir)
    house.recorder = Recorder(
        shelf, house.ledger, keys.recipients, stall_s=settings.tapes.stall_s, told=lambda what, detail: house.log.error(what, **detail)
    )
    await prepare_tape_keys(house)
    await house.recorder.open()
    await asyncio.to_thread(end_found_tapes, house, shelf)
    await asyncio.to_thread(house.sessions.budget.count, shelf)
    house.custody = _custody(house, house.recorder)
    await house.custody.settle()
    open_index(house, house.recorder)


async def prepare_tape_keys(house: House) -> None:
    """See to the key of tapes, as far as the vault lets us now."""
    assert house.keeper is not None  # noqa: S101  the vault is opened before
    try:
        await house.tape_keys.prepare(house.keeper)
    except Refused as error:
        what = "tapes can be recorded, and not be read" if house.tape_keys.is_made else "nothing can be recorded yet"
        house.log.warning(what, because=error.message)


def end_found_tapes(house: House, shelf: Shelf) -> None:
    """Give the tapes that a process before us left open their end, and write that into the ledger."""
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
    house.indexer = Indexer(
        file, recorder.shelf, house.keeper, lambda: live, lambda what, detail: house.log.warning(what, **detail), house.custody.at_hand
    )
    for heard in (recorder.when_ended, house.custody.when_deleted):
        heard.append(house.indexer.look)
    house.indexer.open()


def admitting(house: House) -> tuple[Admissions, Patience]:
    """Who admits sessions, and how long those wait that need a watcher."""
    settings, sessions = house.settings.sessions, house.sessions
    allowance = Allowance(settings.session_bytes, settings.daily_bytes)
    admissions = Admissions(sessions.locks, sessions.budget, allowance, is_observing=house.settings.observe)
    return admissions, Patience(settings.watcher_wait_s, settings.watcher_gone_s)


def build_tapes_door(house: House, door: DoorSettings) -> Handler:
    """What answers at a door for tapes."""
    from dockwarden.doors.tapes.door import TapesDoor  # its WebSockets need a library that a house without such a door need not carry

    names = None
    if door.certificate:
        at = frozenset({urlsplit(door.listen).hostname or ""}) - ANYWHERE
        names = at | hosts_in((house.settings.dir / door.certificate).read_bytes())
    assert house.session_verbs is not None  # noqa: S101  the control socket is opened before the doors
    return TapesDoor(door.listen, names, house.session_verbs, house.ledger, house.metrics).handle
