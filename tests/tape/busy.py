"""Busy sessions, to be killed at any moment, and what must be true of their tapes after each.

    busy.py FOLDER SEED COUNT [careless]    kill COUNT times; a line of JSON for each

A life is a process with the ledger, the recorder and the joints that a door has. Sessions begin and end in it, of several kinds: a terminal
that shows little (durable before it is shown), one that shows much, and some without a terminal (buffered). A pipe takes what is shown: the
process at its other end is the witness of it, sends SIGKILL at a random moment, and has a new process do what a restart does. `careless`
is a life that shows before it writes: the control.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import json
import os
import random
import select
import shutil
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyrage

from dockwarden.doors.ssh import joint as joints
from dockwarden.doors.ssh.joint import Ending, Joint
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.keys import PUBLIC, make_key, read_public_key
from dockwarden.ledger.verify import Verifier
from dockwarden.ledger.writer import Ledger
from dockwarden.policy.load import load
from dockwarden.tape import recorder as recorders
from dockwarden.tape.admission import Admissions, Wish
from dockwarden.tape.found import Row, rows
from dockwarden.tape.frames import Kind
from dockwarden.tape.intake import Intake
from dockwarden.tape.locks import Locks
from dockwarden.tape.opening import Opening, unwrap
from dockwarden.tape.read import frames_of, opening_of
from dockwarden.tape.recorder import Recorder
from dockwarden.tape.segment import Segment
from dockwarden.tape.sessions import Session
from dockwarden.tape.shelf import Place, Reels, Shelf
from dockwarden.tape.terms import Patience
from dockwarden.tape.verify import check_tape, known_tapes
from dockwarden.tape.vigil import Vigil
from dockwarden.wiring.tapes import end_found_tapes
from dockwarden.words.principal import Principal
from fixtures.crash import in_a_child

LATEST_S = 0.5
"""How long a life lasts at most. It needs some hundredths of a second to begin, and is killed in these, too."""
HEAD, OPENED, SHOWN = struct.Struct(">BHI"), 0, 1
STAMP = 20
PIPE_BYTES = 1 << 20
MOMENT = struct.Struct(">Q")
DISK_MS = 50.0
"""How long the disk may take its writes until what is lost meanwhile counts as the disk's."""
POLICIES = load({"all.cedar": '@id("all") permit (principal, action, resource);'})
IDENTITY = pyrage.x25519.Identity.generate()
Say = Callable[[int, int, bytes], None]


@dataclass(frozen=True)
class Program:
    """What runs in a session: how much it shows at a time, and how long it rests then."""

    name: str
    is_terminal: bool
    piece_bytes: tuple[int, int]
    rest_s: float


CALM = Program("calm", True, (20, 200), 0.002)
PROGRAMS = (
    CALM,
    Program("loud", True, (1 << 10, 16 << 10), 0.002),
    Program("plain", False, (20, 2000), 0.004),
    Program("bulk", False, (8 << 10, 64 << 10), 0.003),
)


class Screen:
    """The person's side of a session: what it shows is what the witness sees."""

    def __init__(self, program: Program, number: int, say: Say) -> None:
        self.is_terminal, self._number, self._say = program.is_terminal, number, say

    def show(self, data: bytes, *, is_error: bool) -> None:
        del is_error
        self._say(SHOWN, self._number, data)

    def show_eof(self) -> None: ...
    def hold(self) -> None: ...
    def go_on(self) -> None: ...
    def leave(self, ending: Ending) -> None: ...


class Host:
    """The other end of a session: it runs a program that heeds being held."""

    def __init__(self) -> None:
        self._free = asyncio.Event()
        self._free.set()

    def write(self, data: bytes) -> None: ...
    def write_eof(self) -> None: ...
    def close(self) -> None: ...

    def hold(self) -> None:
        self._free.clear()

    def go_on(self) -> None:
        self._free.set()

    async def run(self, program: Program, joint: Joint, chance: random.Random) -> None:
        """Show pieces that begin with their moment, for a while."""
        end = time.monotonic() + chance.uniform(0.02, 0.4)
        while time.monotonic() < end and not joint.is_over:
            await self._free.wait()
            joint.shown(b"%0*d" % (STAMP, time.monotonic_ns()) + chance.randbytes(chance.randint(*program.piece_bytes)))
            await asyncio.sleep(chance.uniform(0, program.rest_s))


async def live(folder: Path, chance: random.Random, say: Say) -> None:
    """Record until the end of this process."""
    ledger = Ledger(folder / "ledger")
    recorder = Recorder(Shelf(folder / "tapes"), ledger, lambda: (str(IDENTITY.to_public()),))
    await recorder.open()
    admissions, numbers = Admissions(Locks(folder / "locks.db")), iter(range(1 << 16))
    await asyncio.gather(*(sessions_of(program, recorder, admissions, numbers, chance, say) for program in PROGRAMS))


async def sessions_of(
    program: Program, recorder: Recorder, admissions: Admissions, numbers: Iterator[int], chance: random.Random, say: Say
) -> None:  # fmt: skip
    """One session after the other, each as the SSH door has them."""
    while True:
        number, over, host = next(numbers), asyncio.Event(), Host()
        joint = Joint(Screen(program, number, say), over.set)
        sides = (80, 24) if program.is_terminal else (0, 0)
        opening = Opening(id="", at=0, person="alice", kind="ssh.shell", target=program.name, columns=sides[0], rows=sides[1])
        admitted = admissions.admit(Wish(Principal("alice"), opening), POLICIES)
        tape = await recorder.begin(admitted, joint.broken, entry=Entry(kind="tape", principal="alice", action="ssh.shell"))
        vigil = Vigil(admitted.whose, admitted.terms, Patience(), joint)
        joint.taped(Session(tape, Intake(tape, is_terminal=program.is_terminal), frozenset(), joint.end, vigil))
        say(OPENED, number, tape.id.encode())
        joint.joined(host)
        await host.run(program, joint, chance)
        joint.far_gone(Ending(0))
        await over.wait()


# --- the witness ---


@dataclass
class Seen:
    """What was shown of one session, piece by piece."""

    id: str
    shown: bytearray = field(default_factory=bytearray)
    pieces: list[tuple[int, int]] = field(default_factory=list)
    """Where each piece ends, and its moment (ns)."""


@dataclass(frozen=True)
class Killed:
    """A life that was ended after `after_s`, at `at_ns`. `writes` are when the recorder's thread began and ended each write (ns)."""

    after_s: float
    at_ns: int
    sessions: tuple[Seen, ...]
    writes: tuple[tuple[int, int], ...]

    def ours_ms(self, lost_ms: float) -> float:
        """Of what is lost, how much is not the disk's, which had more than `DISK_MS` of it for writes."""
        since_ns = self.at_ns - int(lost_ms * 1e6)
        at_disk_ns = sum(max(end - max(begin, since_ns), 0) for begin, end in self.writes)
        return lost_ms - max(at_disk_ns / 1e6 - DISK_MS, 0.0)


def killed(folder: Path, chance: random.Random) -> Killed:
    """Let a life begin, and end it at a random moment."""
    (heard, told), (timed, times) = os.pipe(), os.pipe()
    for pipe in (told, times):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    after_s, of_life = chance.uniform(0, LATEST_S), random.Random(chance.random())
    end, child = time.monotonic() + after_s, os.fork()
    if child == 0:
        _run(folder, of_life, told, times)
    os.close(told)
    os.close(times)
    said = bytearray()
    while (left := end - time.monotonic()) > 0:
        if select.select([heard], [], [], left)[0]:
            if not (piece := os.read(heard, PIPE_BYTES)):
                break
            said += piece
    os.kill(child, signal.SIGKILL)
    at_ns = time.monotonic_ns()
    while piece := os.read(heard, PIPE_BYTES):
        said += piece
    os.close(heard)
    _, status = os.waitpid(child, 0)
    assert signal.SIGKILL == status, f"it ended by itself: {status}"
    with os.fdopen(timed, "rb") as moments:
        found = [moment for (moment,) in MOMENT.iter_unpack(moments.read())]
    writes = itertools.zip_longest(found[::2], found[1::2], fillvalue=at_ns)
    return Killed(after_s, at_ns, tuple(_seen(bytes(said))), tuple(writes))


def _run(folder: Path, chance: random.Random, told: int, times: int) -> None:
    append = Reels.append

    def timed(reels: Reels, segment: Segment) -> Place:
        os.write(times, MOMENT.pack(time.monotonic_ns()))
        place = append(reels, segment)
        os.write(times, MOMENT.pack(time.monotonic_ns()))
        return place

    def say(what: int, number: int, data: bytes) -> None:
        view = memoryview(HEAD.pack(what, number, len(data)) + data)
        while view:
            view = view[os.write(told, view) :]

    Reels.append = timed  # type: ignore[method-assign]  # of this process
    try:
        asyncio.run(live(folder, chance, say))
    except BaseException:  # noqa: BLE001  a process's root
        traceback.print_exc()
    finally:
        os._exit(1)


def _seen(said: bytes) -> Iterator[Seen]:
    """What the witness saw; of a piece that came in part, that part was shown."""
    found: dict[int, Seen] = {}
    at = 0
    while at + HEAD.size <= len(said):
        what, number, size = HEAD.unpack_from(said, at)
        data = said[at + HEAD.size : at + HEAD.size + size]
        at += HEAD.size + size
        if what == OPENED and len(data) == size:
            found[number] = Seen(data.decode())
        elif what == SHOWN and len(data) >= STAMP:
            one = found[number]
            one.shown += data
            one.pieces.append((len(one.shown), int(data[:STAMP])))
    return iter(found.values())


# --- what must be true after ---


def after(folder: Path, life: Killed) -> dict[str, Any]:
    """What a restart finds, and what is wrong with it."""
    shelf, wrong = Shelf(folder / "tapes"), list[str]()
    began = time.monotonic()
    ledger = Ledger(folder / "ledger")
    shelf.prepare()
    log = SimpleNamespace(error=lambda what, **more: wrong.append(f"{what}: {more}"))
    end_found_tapes(cast(Any, SimpleNamespace(ledger=ledger, log=log, settings=SimpleNamespace(ledger_dir=folder / "ledger"))), shelf)
    listed = {row.id: row for row in rows(shelf)}
    listed_ms = (time.monotonic() - began) * 1e3
    ledger.close()
    public, known = read_public_key(folder / "ledger" / PUBLIC), known_tapes(folder / "ledger")
    flaw = Verifier(folder / "ledger", public).run().flaw
    wrong += [f"ledger: {flaw}"] if flaw else []
    seen = {one.id: one for one in life.sessions}
    wrong += [f"{id}: it was begun, and is not listed" for id in {**known, **seen} if id not in listed]
    lost, ours = dict[str, float](), dict[str, float]()
    for id, row in listed.items():
        checked = check_tape(shelf.path(id), public, known.get(id))
        if checked.wrong or row.state not in {"ended", "cut off"} or id not in known or not known[id].is_closed:
            wrong.append(f"{id}: {row.state}, {checked.wrong}, {known.get(id)}")
            continue
        missing_ms = _missing_ms(shelf.path(id), row, seen.get(id, Seen(id)), life.at_ns, wrong)
        if row.state == "cut off" and id in seen:
            lost[row.target], ours[row.target] = missing_ms, life.ours_ms(missing_ms)
    states = [row.state for row in listed.values()]
    return {"after_ms": round(life.after_s * 1e3), "listed_ms": listed_ms, "states": states, "lost_ms": lost, "ours_ms": ours, "wrong": wrong}


def _missing_ms(folder: Path, row: Row, seen: Seen, at_ns: int, wrong: list[str]) -> float:
    """How long before the kill the first piece came that was shown and is not on tape; 0 where all is."""
    frames = list(frames_of(folder, unwrap(opening_of(folder), str(IDENTITY))))
    kept = b"".join(frame.data for frame in frames if frame.kind is Kind.OUTPUT)
    if (row.state == "cut off") != (frames[-1].kind is Kind.LOST):
        wrong.append(f"{row.id}: {row.state}, and its last frame is {frames[-1].kind}")
    size = min(len(kept), len(seen.shown))
    if kept[:size] != seen.shown[:size]:
        wrong.append(f"{row.id}: on tape is something else than was shown")
    missing = [moment for end, moment in seen.pieces if end > len(kept)]
    if missing and (row.state == "ended" or row.target == CALM.name):
        wrong.append(f"{row.id}: {len(seen.shown) - len(kept)} bytes are missing of {row.target}, {row.state}")
    return (at_ns - missing[0]) / 1e6 if missing else 0.0


def main(root: Path, seed: int, count: int, *careless: str) -> None:
    """Kill again and again."""
    recorders.HEAD_US, recorders.WATCH_S = 20_000, 0.01  # so that heads of tapes that grow come into the ledger at most moments, too
    if careless:
        joints.CALM_BYTES = 0
    for number in range(count):
        folder, chance = root / str(number), random.Random(seed * 1_000_003 + number)
        folder.mkdir()
        make_key(folder / "ledger")
        life = killed(folder, chance)
        (found,) = in_a_child(lambda say, folder=folder, life=life: say(json.dumps(after(folder, life))))  # type: ignore[misc]  # run at once
        print(json.dumps({"number": number, **json.loads(found)}), flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:4]), *sys.argv[4:])
