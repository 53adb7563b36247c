"""Short lives of a vault, to be ended at any moment, and what must be true after each.

    lives.py FOLDER COUNT SHARE OF    end each life at COUNT moments (0: at every one), of these every OFth, from the SHAREth on

A life is a coroutine over a folder, as `init` and `serve` have it, which acknowledges what is done. After it was ended, a new process
does what a restart does, and looks: the right state, every acknowledged version, a ledger and a vault that verify, and one more change.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import random
import shutil
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dockwarden.access.people import parse_people
from dockwarden.cli.vault import _restored
from dockwarden.doors.control.vault import _rekey_to_file
from dockwarden.doors.volumes.secrets import Secrets
from dockwarden.doors.volumes.uses import Uses
from dockwarden.engine.delivery import Delivery, File
from dockwarden.ledger.keys import PUBLIC, make_key, read_public_key
from dockwarden.ledger.segments import entries
from dockwarden.ledger.verify import Verifier
from dockwarden.ledger.writer import Ledger
from dockwarden.policy.load import load
from dockwarden.settings import Settings, parse_settings
from dockwarden.vault import migrate, sql
from dockwarden.vault.backup import copy
from dockwarden.vault.begin import make_vault
from dockwarden.vault.faults import WrongKey
from dockwarden.vault.keeper import Keeper
from dockwarden.vault.keyring import open_keyring
from dockwarden.vault.log import OpenLog, ReadLog
from dockwarden.vault.rows import State
from dockwarden.vault.seals import new_key_file, read_key_file
from dockwarden.vault.vault import Vault
from dockwarden.vault.verify import verify
from dockwarden.words.errors import BadConfig, Hidden, Malformed
from dockwarden.words.secret import Secret
from fixtures.crash import in_a_child, killed_at

PATHS = ("people/alice/db", "people/alice/token", "prod/a", "prod/b")
FULL = "prod/full"
VOLUME = "dw0451"
SEGMENT_BYTES = 6 << 10
SEED = 451
Ack = Callable[[str], None]
PEOPLE = '[people.alice]\nuid = 20001\ngroups = ["developers"]\n'


@dataclass(frozen=True)
class Home:
    """Where a life is lived."""

    folder: Path

    @property
    def settings(self) -> Settings:
        return parse_settings('[engine]\naddress = "unix:///nowhere"\n[[door]]\nkind = "docker"\nlisten = "unix:///nowhere2"\n', self.folder / "dockwarden.toml")

    @property
    def run(self) -> Path:
        return self.folder / "run" / "secrets"

    @property
    def backup(self) -> Path:
        return self.folder / "backup.db"

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[tuple[Keeper, Ledger]]:
        """The ledger and the vault as `serve` opens and closes them."""
        settings = self.settings
        ledger = Ledger(settings.ledger_dir, segment_bytes=SEGMENT_BYTES)
        keeper = Keeper(settings.vault_url, settings.vault_key, OpenLog(settings.ledger_dir, ledger, asyncio.get_running_loop()))
        try:
            await keeper.open()
            assert not keeper.trouble, keeper.trouble
            yield keeper, ledger
        finally:
            await keeper.close()
            await asyncio.to_thread(ledger.close)


def text(path: str, version: int) -> str:
    """The value that a version of a path always has."""
    return f"{path} has this as version {version}"


async def put(keeper: Keeper, path: str, ack: Ack = lambda _: None) -> None:
    """Keep the next version of `path`, and acknowledge it."""
    def deed(vault: Vault) -> int:
        try:
            number = vault.record(path).newest + 1
        except Hidden:
            number = 1
        return vault.put(path, Secret(text(path, number).encode()), "alice")

    ack(f"put {path} {await keeper.run(deed)}")


# --- lives ---


async def nothing(home: Home, ack: Ack) -> None:
    """Before there is a vault."""


async def begin(home: Home, ack: Ack) -> None:
    """What `init` does for ledger and vault."""
    (home.folder / "state").mkdir(mode=0o700, exist_ok=True)
    make_key(home.settings.ledger_dir)
    await make_vault(home.settings.vault_url, home.settings.vault_key, home.settings.ledger_dir)
    ack("begun")


async def furnished(home: Home, ack: Ack) -> None:
    """A vault with some secrets, one of them with as many versions as are kept."""
    await begin(home, ack)
    async with home.serving() as (keeper, _):
        for path in PATHS:
            await put(keeper, path)
        for _ in range(10):
            await put(keeper, FULL)


async def with_backup(home: Home, ack: Ack) -> None:
    """A furnished vault, a backup of it, and a newer state."""
    await furnished(home, ack)
    async with home.serving() as (keeper, _):
        await backed_up(home, keeper)
        for path in PATHS:
            await put(keeper, path)


async def backed_up(home: Home, keeper: Keeper) -> None:
    snapshot = await keeper.run(lambda vault: vault.store.snapshot())
    try:
        await asyncio.to_thread(copy, snapshot, home.backup)
    finally:
        snapshot.close()


async def puts(home: Home, ack: Ack) -> None:
    """A new version, a new path, and a version that takes the place of the oldest; one of them is destroyed."""
    async with home.serving() as (keeper, _):
        for path in ("prod/a", "prod/new", FULL):
            await put(keeper, path, ack)
        await keeper.run(lambda vault: vault.destroy("prod/b"))
        ack("destroyed prod/b")


async def delivery(home: Home, ack: Ack) -> None:
    """A container starts with two secrets, one of them changes while it runs, and the container ends."""
    async with home.serving() as (keeper, ledger):
        secrets = driver(home, keeper, ledger)
        os.close(int(await asyncio.to_thread(lambda: secrets.open(VOLUME, OPTIONS).fd)))
        ack("mounted")
        await put(keeper, PATHS[0], ack)
        assert await asyncio.to_thread(secrets.renew, VOLUME, OPTIONS, PATHS[0])
        ack("renewed")
        await asyncio.to_thread(secrets.forget, VOLUME)
        ack("forgotten")


async def rekey(home: Home, ack: Ack) -> None:
    """Two new unseal keys in the key file, one after the other."""
    async with home.serving() as (keeper, _):
        for key in (b"1" * 32, b"2" * 32):
            await keeper.run(lambda vault, key=key: _rekey_to_file(vault, key, home.settings.vault_key))  # type: ignore[misc]  # run at once
            ack(f"rekeyed {key.hex()}")
        await put(keeper, PATHS[0], ack)


async def careless(home: Home, ack: Ack) -> None:
    """A re-key in the wrong order, which must be found: the key file first, then the vault."""
    async with home.serving() as (keeper, _):
        home.settings.vault_key.write_text((b"1" * 32).hex())
        await keeper.run(lambda vault: vault.rekey(b"1" * 32, vault.how()))
        ack(f"rekeyed {(b'1' * 32).hex()}")


async def rotate(home: Home, ack: Ack) -> None:
    """A new term, all rows brought after in small steps, the old term gone."""
    async with home.serving() as (keeper, _):
        await keeper.run(Vault.rotate)
        ack("rotated")
        await rewrap(keeper)
        ack("retired")


async def rewrap(keeper: Keeper) -> None:
    after = await keeper.run(lambda vault: vault.rewrap("", 2))
    while after:
        after = await keeper.run(lambda vault, after=after: vault.rewrap(after, 2))  # type: ignore[misc]  # run at once
    await keeper.run(Vault.retire_terms)


async def backup(home: Home, ack: Ack) -> None:
    """A copy, while a secret changes."""
    async with home.serving() as (keeper, _):
        await asyncio.gather(backed_up(home, keeper), put(keeper, PATHS[0], ack))
        ack("copied")


async def restore(home: Home, ack: Ack) -> None:
    """A backup in the place of what is there."""
    await _restored(home.settings, home.backup)
    ack("restored")


# --- what must be true after ---


async def after_begin(home: Home, acks: list[str]) -> None:
    await begin(home, lambda _: None)  # `init` again does what is left
    await usable(home, {})


async def after_puts(home: Home, acks: list[str]) -> None:
    await usable(home, at_least(acks, {**dict.fromkeys(PATHS, 1), FULL: 10, "prod/new": 0}))
    if "destroyed prod/b" in acks:
        async with home.serving() as (keeper, _):
            assert State.DESTROYED is (await keeper.run(lambda vault: vault.record("prod/b"))).versions[0].state


async def after_delivery(home: Home, acks: list[str]) -> None:
    """What is in memory is whole, right and in the ledger; the next start gets all of it, and nothing is left after."""
    spot = home.run / VOLUME
    there = {file.name: file for file in spot.iterdir() if not file.name.startswith(".")} if spot.is_dir() else {}
    used = {str(entry.resource) for entry in entries(home.settings.ledger_dir) if entry.action == "secret.use"}
    for file in FILES:
        if file.name in there:
            assert f"SecretPath:{file.path}" in used, f"{file.path} was given before the ledger had it"
            assert there[file.name].read_text() in {text(file.path, number) for number in (1, 2)}, f"{file.name} is not whole"
    running = "mounted" in acks and "renewed" not in acks
    assert not running or set(there) == {file.name for file in FILES}
    if "renewed" in acks and len(there) == len(FILES):
        assert text(PATHS[0], 2) == there[FILES[0].name].read_text()
    assert "forgotten" not in acks or not spot.exists()
    await usable(home, at_least(acks, {**dict.fromkeys(PATHS, 1), FULL: 10}))
    async with home.serving() as (keeper, ledger):
        secrets = driver(home, keeper, ledger)
        newest = await keeper.run(lambda vault: {file.path: vault.record(file.path).newest for file in FILES})
        os.close(int(await asyncio.to_thread(lambda: secrets.open(VOLUME, OPTIONS).fd)))
        assert {file.name for file in FILES} == {file.name for file in spot.iterdir()}
        for file in FILES:
            status = (spot / file.name).stat()
            assert (text(file.path, newest[file.path]), 0o400, 20001) == ((spot / file.name).read_text(), status.st_mode & 0o777, status.st_uid)
        assert {file.name: newest[file.path] for file in FILES} == secrets.held(VOLUME)
        await asyncio.to_thread(secrets.forget, VOLUME)
        assert [] == list(home.run.iterdir())


async def after_rekey(home: Home, acks: list[str]) -> None:
    """One key opens it: the one before or the one after; once that was acknowledged, the one after, and the one before no more."""
    first = read_key_file(home.settings.vault_key) if not acks else b""
    await usable(home, at_least(acks, {**dict.fromkeys(PATHS, 1), FULL: 10}))
    key = read_key_file(home.settings.vault_key)
    order = [first, b"1" * 32, b"2" * 32]
    done = sum(ack.startswith("rekeyed") for ack in acks)
    assert key in order[done : done + 2]
    store = sql.open_store(home.settings.vault_url)
    head, rows = store.head(), store.keyring()
    store.close()
    assert head is not None
    for old in order[: order.index(key)]:
        with contextlib.suppress(WrongKey):
            open_keyring(head.vault, rows, old)
            raise AssertionError("an old key opens it")
    async with home.serving() as (keeper, _):
        await keeper.run(lambda vault: _rekey_to_file(vault, b"3" * 32, home.settings.vault_key))
    assert not new_key_file(home.settings.vault_key).exists()
    await usable(home, {})


async def after_rotate(home: Home, acks: list[str]) -> None:
    await usable(home, {**dict.fromkeys(PATHS, 1), FULL: 10})
    async with home.serving() as (keeper, _):
        terms = {row.name for row in await keeper.run(lambda vault: vault.store.keyring())}
        assert "retired" not in acks or "term 1" not in terms
        assert not acks or "term 2" in terms
        await keeper.run(Vault.rotate)
        await rewrap(keeper)
        assert 3 == len(await keeper.run(lambda vault: vault.store.keyring()))
    await usable(home, {})


async def after_backup(home: Home, acks: list[str]) -> None:
    """A copy that was broken off is no vault; a whole one is the vault that it was copied from."""
    await usable(home, at_least(acks, {**dict.fromkeys(PATHS, 1), FULL: 10}))
    if home.backup.exists():
        store = sql.open_store(f"sqlite://{home.backup}")
        head = store.head()
        found = verify(store, ReadLog(home.settings.ledger_dir), read_key_file(home.settings.vault_key)).findings
        store.close()
        assert head is None or not [finding for finding in found if finding.place != "head"], found
        assert head is not None or "copied" not in acks
        with contextlib.nullcontext() if head is not None else contextlib.suppress(Malformed, BadConfig):
            await _restored(home.settings, home.backup)
            assert head is not None
    await usable(home, {})


async def after_restore(home: Home, acks: list[str]) -> None:
    settings = home.settings
    async with home.serving() as (keeper, _):
        newest = {path: await keeper.run(lambda vault, path=path: vault.record(path).newest) for path in PATHS}  # type: ignore[misc]  # run at once
    assert newest in ([dict.fromkeys(PATHS, 1)] if acks else [dict.fromkeys(PATHS, 1), dict.fromkeys(PATHS, 2)])
    await usable(home, {**newest, FULL: 10})
    await _restored(settings, home.backup)
    await usable(home, {**dict.fromkeys(PATHS, 1), FULL: 10})


def at_least(acks: list[str], known: dict[str, int]) -> dict[str, int]:
    """The version that each path must have, or the one after."""
    put_there = (ack.split()[1:] for ack in acks if ack.startswith("put "))
    return {**known, **{path: int(version) for path, version in put_there}}


async def usable(home: Home, expected: dict[str, int]) -> None:
    """Everything that must hold after any crash. `expected`: the newest version of each path, or that before it; 0 is none."""
    async with home.serving() as (keeper, _):
        for path, number in expected.items():
            await keeper.run(lambda vault, path=path, number=number: right(vault, path, number))  # type: ignore[misc]  # run at once
        looked_at(home, await keeper.run(lambda vault: vault.store.snapshot()))
        await put(keeper, "prod/after")
        last = await keeper.run(lambda vault: vault.get("prod/after"))
        assert text("prod/after", last.version) == last.value.reveal().decode()
    looked_at(home, sql.open_store(home.settings.vault_url))
    flaw = Verifier(home.settings.ledger_dir, read_public_key(home.settings.ledger_dir / PUBLIC)).run().flaw
    assert flaw is None, flaw


def right(vault: Vault, path: str, number: int) -> None:
    """Every live version of `path` has its value, and the newest is `number` or the one after."""
    try:
        record = vault.record(path)
    except Hidden:
        assert number == 0, f"{path} is gone"
        return
    assert number <= record.newest <= number + 1, f"{path} stands at {record.newest}, not {number}"
    for held in record.versions:
        if held.state is State.LIVE:
            assert text(path, held.version) == vault.get(path, held.version).value.reveal().decode()


def looked_at(home: Home, store: sql.SqlStore) -> None:
    """`vault verify`."""
    found = verify(store, ReadLog(home.settings.ledger_dir), read_key_file(home.settings.vault_key))
    store.close()
    assert not found.findings, found.findings


# --- running ---

FILES = (File("DB_PASSWORD", PATHS[0]), File("TOKEN", PATHS[1]))
OPTIONS = Delivery(FILES, "alice", "{}", 20001, 20001).options()
STARTERS = {file.name: file.read_text() for file in (resources.files("dockwarden.policy") / "starter").iterdir() if file.name.endswith(".cedar")}
RULES: Any = SimpleNamespace(rules=SimpleNamespace(policies=load(STARTERS), people=parse_people(PEOPLE, "people.toml")))


def driver(home: Home, keeper: Keeper, ledger: Ledger) -> Secrets:
    """What puts secrets in memory, with the starter policies."""
    uses = Uses(keeper, RULES, ledger, frozenset(), asyncio.get_running_loop())
    return Secrets(home.run, uses.fetch)


Living = Callable[[Home, Ack], Coroutine[Any, Any, None]]
After = Callable[[Home, list[str]], Coroutine[Any, Any, None]]
LIVES: dict[str, tuple[Living, Living, After]] = {
    "begin": (nothing, begin, after_begin),
    "put": (furnished, puts, after_puts),
    "delivery": (furnished, delivery, after_delivery),
    "rekey": (furnished, rekey, after_rekey),
    "rotate": (furnished, rotate, after_rotate),
    "backup": (furnished, backup, after_backup),
    "restore": (with_backup, restore, after_restore),
    "careless": (furnished, careless, after_rekey),
}


def lived(name: str, base: Path, folder: Path, number: int) -> dict[str, Any]:
    """One life in `folder`, which is as `base` at first, ended at its call `number`: what call that was, and what is wrong after."""
    shutil.copytree(base, folder)
    _, life, after = LIVES[name]
    home = Home(folder)
    try:
        ended = killed_at(number, folder, lambda ack: asyncio.run(life(home, ack)))
        wrong = in_a_child(lambda say: checked(after, home, list(ended.acknowledged), say)) if ended.call or not number else []
        return {"life": name, "at": number, "calls": ended.count, "call": ended.call, "acknowledged": ended.acknowledged, "wrong": wrong}
    finally:
        ctypes.CDLL(None).umount2(str(home.run).encode(), 2)
        shutil.rmtree(folder)


def checked(after: After, home: Home, acks: list[str], say: Ack) -> None:
    try:
        asyncio.run(after(home, acks))
    except BaseException:  # noqa: BLE001  a process's root
        say(traceback.format_exc().replace("\n", " | "))


def main(root: Path, most: int, share: int, of: int) -> None:
    """Live every life again and again; a line of JSON for each."""
    sql._migrate = lambda url: migrate.migrate(url)  # type: ignore[assignment]  # in the process that is ended, not in one that outlives it
    for name, (prepare, _, _) in LIVES.items():
        base = root / f"base-{name}-{share}"
        base.mkdir(mode=0o755)
        said = in_a_child(lambda _say, prepare=prepare, base=base: asyncio.run(prepare(Home(base), lambda _: None)))  # type: ignore[misc]  # run at once
        assert not said, said
        whole = lived(name, base, root / f"life-{share}", 0)
        print(json.dumps(whole), flush=True)
        moments = list(range(1, whole["calls"] + 1))
        if most and most < len(moments):
            moments = sorted(random.Random(SEED).sample(moments, most))
        for number in moments[share::of]:
            print(json.dumps(lived(name, base, root / f"life-{share}", number)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
