"""`dockwarden doctor`: whether everything is as it should be, one line a part, and what to do about what is not."""

from __future__ import annotations

import asyncio
import grp
import json
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.text import Text

from dockwarden.access.host_files import check_roots
from dockwarden.access.people import parse_people
from dockwarden.cli.control import ask
from dockwarden.cli.options import USUAL_PLACE, Config
from dockwarden.cli.policy import load_policies
from dockwarden.doors.lock.prove import prove_lock
from dockwarden.engine.call import Request
from dockwarden.ledger.keys import PUBLIC, read_key, read_public_key
from dockwarden.ledger.segments import segments
from dockwarden.ledger.verify import Verifier
from dockwarden.ledger.witness import lag_of, read_place
from dockwarden.settings import Settings, load_settings
from dockwarden.tape.custody import LATE, WARN_S, unstored_in
from dockwarden.upstream.engine import EngineLink
from dockwarden.words.errors import BadConfig, Refused
from dockwarden.words.size import size_in_words

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON list")]
OK, WARN, BAD = "ok", "warn", "bad"
LEDGER_BYTES = 256 << 20
ASK_S = 5.0
SEE_LOCK = "see docs/operations.md, The second lock"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: `state` is ok, warn or bad; `mend` is what to do, "" where nothing."""

    part: str
    state: str
    what: str
    mend: str = ""


def doctor(config: Config = USUAL_PLACE, as_json: AsJson = False) -> None:
    """Look at settings, policies, people, keys, ledger, Engine, doors and the second lock; exit 1 if anything is bad.

    Example: dockwarden doctor
    """
    findings = list(examine(config))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        colours = {OK: "green", WARN: "yellow", BAD: "bold red"}
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            line = Text(f"{finding.state:<5}", style=colours[finding.state])
            line.append(f"{finding.part:<10} {finding.what}" + (f" -- {finding.mend}" if finding.mend else ""), style="default")
            console.print(line)
    raise typer.Exit(1 if any(finding.state == BAD for finding in findings) else 0)


def examine(config: Path) -> Iterator[Finding]:
    """Every finding, in the order of what depends on what."""
    try:
        settings = load_settings(config)
    except BadConfig as error:
        yield Finding("settings", BAD, f"{error.where}: {error.what}", error.mend)
        return
    observing = Finding("settings", WARN, "observe = true: NOTHING IS REFUSED", "set observe = false once you have seen enough")
    yield observing if settings.observe else Finding("settings", OK, str(config))
    yield from _files(settings)
    yield from _ledger(settings)
    yield from _vault(settings)
    yield from _tapes(settings)
    yield from _docker_group()
    yield from map(_root, settings.binds.roots)
    yield from asyncio.run(_sockets(settings))


def _files(settings: Settings) -> Iterator[Finding]:
    try:
        policies = load_policies(settings.policy_dir)
        mend = "" if policies.rules else "nothing is permitted: dockwarden init writes starters"
        yield Finding("policies", WARN if mend else OK, f"{len(policies.rules)} policies, version {policies.version}", mend)
    except BadConfig as error:
        yield Finding("policies", BAD, f"{error.where}: {error.what}", error.mend)
    try:
        people = parse_people(settings.people_file.read_text("utf-8"), str(settings.people_file))
        yield Finding("people", OK, f"{len(people.by_name)} known")
    except (OSError, BadConfig) as error:
        yield Finding("people", BAD, str(error), "mend people.toml")
    state_dir = settings.state_dir
    if state_dir.is_dir() and not stat.S_IMODE(state_dir.stat().st_mode) & 0o077:
        yield Finding("state", OK, str(state_dir))
    else:
        yield Finding("state", BAD, f"{state_dir} is missing, or others may look into it", f"run dockwarden init, or chmod 700 {state_dir}")


def _ledger(settings: Settings) -> Iterator[Finding]:
    folder = settings.ledger_dir
    try:
        read_key(folder)
        public = read_public_key(folder / PUBLIC)
    except BadConfig as error:
        yield Finding("ledger", BAD, f"{error.where}: {error.what}", error.mend)
        return
    if settings.ledger.witness:
        yield _witness(settings)
    size = sum(file.stat().st_size for file in segments(folder))
    if size > LEDGER_BYTES:
        yield Finding("ledger", OK, f"{size >> 20} MiB, too much to read here", "run dockwarden ledger verify")
        return
    found = Verifier(folder, public).run()
    if found.flaw is None:
        yield Finding("ledger", OK, f"{found.entries} entries in order, signed up to {found.signed}")
    elif found.flaw.line == 0 and not found.signed:
        yield Finding("ledger", OK, f"{found.entries} entries, none signed yet")
    else:
        yield Finding("ledger", BAD, f"broken at entry {found.flaw.seq}: {found.flaw.what}", "keep a copy, and find out who wrote to it")


def _witness(settings: Settings) -> Finding:
    try:
        lag = lag_of(settings.ledger_dir, read_place(settings.ledger.witness, settings.ledger.witness_key))
    except BadConfig as error:
        return Finding("witness", BAD, f"{error.where}: {error.what}", error.mend)
    mend = "search the ledger for ledger.unwitnessed: it says why" if lag.is_late else ""
    return Finding("witness", WARN if lag.is_late else OK, f"{settings.ledger.witness}: {lag}", mend)


def _vault(settings: Settings) -> Iterator[Finding]:
    if not settings.control_socket.exists():
        yield Finding("vault", WARN, "nobody serves it now", "dockwarden vault verify looks at it all the same")
        return
    try:
        said = ask(settings, "vault/status")
    except (BadConfig, Refused) as error:
        yield Finding("vault", BAD, str(error), "dockwarden vault status")
        return
    if said.get("sealed"):
        why = str(said.get("trouble") or "sealed")
        yield Finding("vault", BAD, f"sealed: containers that need a secret do not start ({why})", "dockwarden vault unseal")
    else:
        yield Finding("vault", OK, f"open, unsealed by {said['by']}" if said.get("by") else "open")


def _tapes(settings: Settings) -> Iterator[Finding]:
    yield _room(settings)
    if not settings.tapes.store:
        return
    try:
        lag = unstored_in(settings.tapes_dir)
    except OSError as error:
        yield Finding("tape store", BAD, f"{settings.tapes_dir} cannot be read ({error.strerror})", "see who owns it")
        return
    what = f"{lag.tapes} tapes are not in {settings.tapes.store} yet: {lag.bytes} bytes, the oldest {lag.age_s:.0f} s old"
    if lag.age_s > max(WARN_S, 10 * settings.tapes.store_every_s):
        yield Finding("tape store", WARN, what, f"see the log of dockwarden serve for: {LATE}")
    else:
        yield Finding("tape store", OK, what if lag.tapes else f"all are in {settings.tapes.store}")


def _room(settings: Settings) -> Finding:
    """Whether one person may record more than there is room for."""
    daily, quota, disk = settings.sessions.daily_bytes, settings.tapes.quota_bytes, os.statvfs(settings.state_dir)
    room = min(disk.f_bavail * disk.f_frsize, quota or math.inf)
    may = f"one person may record {size_in_words(daily) if daily else 'any number of bytes'} in a day"
    if 0 < daily <= room:
        return Finding("tapes", OK, may)
    mend = "set [sessions] daily_bytes well below that: where no tape finds room, nobody's session goes on"
    return Finding("tapes", WARN, f"{may}, and there is room for {size_in_words(int(room))}", mend)


def _root(root: str) -> Finding:
    if not Path(root).is_dir():
        return Finding("bind root", BAD, f"{root} is not there", f"mkdir -p {root}, or take it out of [binds] roots")
    try:
        check_roots([root])
    except BadConfig as error:
        return Finding("bind root", BAD, error.what, error.mend)
    return Finding("bind root", OK, root)


def _docker_group() -> Iterator[Finding]:
    try:
        members = grp.getgrnam("docker").gr_mem
    except KeyError:
        members = []
    if members:
        what = f"{', '.join(members)}: in group docker, so root without us"
        yield Finding("group", WARN, what, "gpasswd -d NAME docker; or turn on the second lock")
    else:
        yield Finding("group", OK, "nobody is in group docker")


async def _sockets(settings: Settings) -> list[Finding]:
    found = [await _engine(settings)]
    for door in settings.doors:
        found.append(await (_ssh(door.listen) if door.kind == "ssh" else _door(door.listen, "/sessions" if door.kind == "tapes" else "/_ping")))
    plugin = Path(settings.engine.plugin_dir) / f"{settings.engine.plugin}.sock"
    if settings.binds.roots:
        found.append(_socket("volumes", plugin))
    if settings.engine.lock:
        proof = await prove_lock(settings.engine.address, settings.engine.plugin)
        found.append(Finding("lock", OK if proof.is_on else BAD, f"{proof.call}: {proof.what}", "" if proof.is_on else SEE_LOCK))
    else:
        found.append(Finding("lock", WARN, "off: who reaches the Engine's own socket is root", SEE_LOCK))
    return found


def _socket(part: str, path: Path) -> Finding:
    if path.is_socket():
        return Finding(part, OK, str(path))
    return Finding(part, BAD, f"{path} is not there", "start dockwarden serve")


async def _engine(settings: Settings) -> Finding:
    address = settings.engine.address
    link = EngineLink(address, timeout_s=ASK_S)
    try:
        answer = await asyncio.wait_for(link.call(Request("GET", "/version", (), b"")), ASK_S)
    except (Refused, TimeoutError) as error:
        return Finding("engine", BAD, f"{address} does not answer ({getattr(error, 'message', 'in time')})", "start it, or mend [engine] address")
    finally:
        link.close()
    if answer.status == 403:
        return Finding("engine", OK, f"{address} is locked")
    try:
        said = json.loads(answer.body)
        return Finding("engine", OK, f"{said['Version']}, API {said['ApiVersion']}, at {address}")
    except (ValueError, KeyError):
        return Finding("engine", BAD, f"{address} is no Docker Engine", "mend [engine] address")


async def _ssh(address: str) -> Finding:
    """Whether an SSH door says what it is."""
    where = urlsplit(address)
    try:
        async with asyncio.timeout(ASK_S):
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
            said = await reader.readline()
            writer.close()
    except (OSError, TimeoutError) as error:
        return Finding("door", BAD, f"{address} does not answer ({type(error).__name__})", "see whether dockwarden serves, and its log")
    if not said.startswith(b"SSH-2.0-"):
        return Finding("door", BAD, f"{address} is no SSH server", "see what else listens there")
    return Finding("door", OK, address)


async def _door(address: str, target: str) -> Finding:
    if address.startswith("tcp://"):
        return Finding("door", OK, f"{address} (not called: it asks for a certificate)")
    there = _socket("door", Path(urlsplit(address).path))
    if there.state == BAD:
        return there
    link = EngineLink(address, timeout_s=ASK_S)
    try:
        answer = await asyncio.wait_for(link.call(Request("GET", target, (), b"")), ASK_S)
        return Finding("door", OK if answer.status == 200 else BAD, f"{address} answers {answer.status}")
    except (Refused, TimeoutError):
        return Finding("door", BAD, f"{address} does not answer", "see the log of dockwarden serve")
    finally:
        link.close()
