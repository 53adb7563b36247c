"""The life of one dockwarden: what is joined by `wiring` opened, looked after, and closed. `python -m dockwarden.serving FILE` serves.

First of all comes the lock on D/state: another process that serves the same folder refuses us before anything is opened, read or
written. Last of all comes the line `ready`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop

from dockwarden import __version__
from dockwarden.access.owners import write_snapshot
from dockwarden.doors.docker.sweep import sweep
from dockwarden.doors.operate.server import OperateServer
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.hold import STOPPING, Hold, hold
from dockwarden.logs import configure_logs
from dockwarden.settings import Settings, load_settings
from dockwarden.vault.keeper import Keeper
from dockwarden.vault.process import keep_memory_to_ourselves
from dockwarden.vault.vault import Vault
from dockwarden.wiring.control import open_control, open_vault
from dockwarden.wiring.docker import build_flow, open_door, open_lock, open_volumes
from dockwarden.wiring.house import House, learn_engine, open_house
from dockwarden.wiring.ssh import open_ssh
from dockwarden.wiring.tapes import open_tapes, prepare_tape_keys
from dockwarden.words.errors import BadConfig, Refused

SNAPSHOT_S = 10.0
MEND_S = 60.0
SWEEP_S = 600.0
BANNER_S = 60.0
TAPE_KEY_S = 5.0
REAFFIRM_S = 6 * 3600.0
AFTER_DRAIN_S = 5.0
"""How long a process that stops may take from the end of its drain to its own."""
YOUNG_OBJECTS, OLDER_GENERATIONS = 20_000, (10, 50)
"""What the garbage collector waits for; the objects of one call are mostly freed without it."""
BANNER = "OBSERVING ONLY: decisions are recorded and NOTHING IS REFUSED; set observe = false"


def hold_state(settings: Settings) -> Hold:
    """Take D/state for this process alone; a process before us that is stopping is waited for.

    Raises:
        BadConfig: another serves it.
    """
    mend = f"end it with: kill PID, or serve another folder; dockwarden doctor --config {settings.file} looks at the one that runs"
    patience_s = settings.limits.drain_s + AFTER_DRAIN_S
    return hold(settings.serve_lock, mend, patience_s=patience_s, said=lambda line: print(f"dockwarden: {line}", file=sys.stderr, flush=True))


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    held = hold_state(settings)  # INVARIANT: first of all; what follows reads and writes the state of whoever holds it
    try:
        await _serve(settings, held)
    finally:
        held.release()


async def _serve(settings: Settings, held: Hold) -> None:
    house = open_house(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks: list[asyncio.Task[None]] = []
    try:
        await open_vault(house)
        await open_tapes(house)
        await open_control(house)
        await open_volumes(house)
        await house.whereabouts.catch_up(house.uses.keeper)
        await open_lock(house)
        learning = asyncio.ensure_future(learn_engine(house))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(learning), settings.engine.timeout_s)
        for door in settings.doors:
            await (open_ssh(house, door) if door.kind == "ssh" else open_door(house, door))
        if settings.operate.listen:
            house.operate = OperateServer(settings.operate.listen, house.metrics, lambda: _health(house))
        loop.add_signal_handler(signal.SIGHUP, lambda: _reload(house))
        works = (_watch, _snapshots, _sweep, _mend, _banner, _reaffirm, _tape_keys, _custody)
        lasting = (_learned_late(house, learning), *(work(house) for work in works))
        tasks = [asyncio.ensure_future(work) for work in lasting]
        _say_ready(house)
        await stop.wait()
    finally:
        held.say(STOPPING)
        for task in tasks:
            task.cancel()
        await _close(house)


def _say_ready(house: House) -> None:
    gc.collect()
    gc.freeze()  # what is here by now stays; it need not be looked at again
    doors = " ".join(door.listen for door in house.settings.doors)
    about = house.engine
    engine = f"Engine {about.version} (API {about.api[0]}.{about.api[1]})" if about else "Engine not reachable yet"
    banner = f" -- {BANNER}" if house.settings.observe else ""
    sys.stdout.write(f"ready dockwarden {__version__}: {engine}; {doors}{banner}\n")
    sys.stdout.flush()
    house.log.info("ready", version=__version__, doors=[door.listen for door in house.settings.doors], policies=house.rulebook.rules.policies.version)


def _health(house: House) -> Mapping[str, bool]:
    return {"ledger": house.ledger.is_writable, "engine": house.engine is not None, "doors": bool(house.servers or house.ssh)}


def _reload(house: House) -> None:
    if house.rulebook.reload():
        _refresh(house)


def _refresh(house: House) -> None:
    """Give connections that are open the people as they stand now, and end what is open to who is not among them any more."""
    for ask, why in house.sessions.heed_people():
        with contextlib.suppress(Refused):
            said = {"what": "session.unseen", "action": ask.action, "because": why}
            house.ledger.append(Entry(kind="event", resource=f"Session:{ask.resource.id}", principal=ask.principal.name, detail=said))
    fresh = house.rulebook.rules.people.fresh
    for server in (*house.servers, *house.inside.values()):
        server.refresh(fresh)
    for desk in house.desks:
        desk.refresh(fresh)
    if house.control is not None:
        house.control.refresh(fresh)


async def _learned_late(house: House, learning: asyncio.Future[None]) -> None:
    """Let doors that were opened before the Engine was known judge by what it is, from the next call on."""
    if house.engine is None:
        await learning
        doors = [door for door in house.settings.doors if door.kind != "ssh"]
        for door, server in zip(doors, house.servers, strict=True):
            if door.kind == "docker":
                server.handler = build_flow(house, door).handle
        by_listen = {door.listen: door for door in house.settings.doors}
        for (listen, _), server in house.inside.items():
            server.handler = build_flow(house, by_listen[listen]).handle


async def _watch(house: House) -> None:
    async for _ in house.rulebook.changes():
        _refresh(house)


async def _mend(house: House) -> None:
    """Put right what an Engine and a driver that were not there at the same time left behind, now and again."""
    while house.volumes is not None:
        try:
            mended = await house.volumes.mend(house.ask)
            await house.whereabouts.catch_up(house.uses.keeper)
            house.log.debug("mended", what=str(mended))
        except (Refused, OSError) as error:
            house.log.warning("volumes not mended", because=str(error))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(house.mend_now.wait(), MEND_S)
        house.mend_now.clear()


async def _sweep(house: House) -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        await sweep(house.owners, house.ask)


async def _snapshots(house: House) -> None:
    while True:
        await asyncio.sleep(SNAPSHOT_S)
        _snapshot(house)


def _snapshot(house: House) -> None:
    """Write the owners down; the ledger has everything after it, so a crash in between loses nothing."""
    seq = house.ledger.last_seq
    if house.snapshot_seq != seq:
        try:
            write_snapshot(house.store, house.owners, seq)
            house.snapshot_seq = seq
        except sqlite3.Error as error:
            house.log.error("snapshot failed", because=str(error))


async def _reaffirm(house: House) -> None:
    """Let the ledger's newest days know where the vault stands, however long ago it last changed."""
    while isinstance(house.keeper, Keeper):
        await asyncio.sleep(REAFFIRM_S)
        with contextlib.suppress(Refused):
            await house.keeper.run(Vault.reaffirm)


async def _tape_keys(house: House) -> None:
    """Make the key of tapes as soon as the vault lets us: one that was sealed at our first start had no place for it."""
    while not house.tape_keys.is_made:
        await asyncio.sleep(TAPE_KEY_S)
        await prepare_tape_keys(house)


async def _custody(house: House) -> None:
    """Copy tapes into the store, and let go what the settings ask for."""
    await house.custody.run()


async def _banner(house: House) -> None:
    while house.settings.observe:
        house.log.warning(BANNER)
        await asyncio.sleep(BANNER_S)


async def _close(house: House) -> None:
    """End everything in the order that loses nothing; what fails to end keeps nothing else from it, and is raised when all has."""
    async with contextlib.AsyncExitStack() as last_first:
        last_first.callback(house.store.close)
        last_first.callback(house.ledger.close)
        if house.witness is not None:
            last_first.callback(house.witness.close)
        last_first.callback(_snapshot, house)
        last_first.callback(house.link.close)
        if house.operate is not None:
            last_first.callback(house.operate.close)
        for service in (house.keeper, house.control, house.lock, house.volumes, house.indexer):
            if service is not None:
                last_first.push_async_callback(service.close)
        if house.recorder is not None:
            last_first.callback(house.sessions.locks.close)
            last_first.push_async_callback(house.recorder.close)
        last_first.push_async_callback(_drain, house)
        for door in house.ssh:
            last_first.push_async_callback(door.close)


async def _drain(house: House) -> None:
    for drained in await asyncio.gather(*(server.drain(house.settings.limits.drain_s) for server in house.servers)):
        house.log.info("drained", cut_calls=drained.calls, cut_streams=drained.streams)


def main() -> None:
    """Serve by the settings file named on the command line."""
    try:
        settings = load_settings(Path(sys.argv[1]))
        configure_logs(settings.operate.log_level)
        os.umask(0o077)
        keep_memory_to_ourselves()
        gc.set_threshold(YOUNG_OBJECTS, *OLDER_GENERATIONS)
        uvloop.run(serve(settings))
    except BadConfig as error:
        sys.stderr.write(f"dockwarden: {error}\n")
        sys.exit(3)


if __name__ == "__main__":
    main()
