"""The ledger keeps what it said it kept, and says which entry was touched."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dockwarden.ledger.chain import read_line
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.keys import make_key, read_public_key
from dockwarden.ledger.segments import entries, newest, segments
from dockwarden.ledger.verify import Verified, Verifier
from dockwarden.ledger.writer import Ledger
from dockwarden.words.errors import BadConfig, Unavailable


def verify(folder: Path) -> Verified:
    return Verifier(folder, read_public_key(folder / "signing.pub")).run()


async def written(folder: Path, count: int, **options: int) -> None:
    ledger = Ledger(folder, **options)
    for number in range(count):
        ledger.append(Entry(kind="read", principal="alice", action="container.inspect", resource=f"Container:{number}"))
        if number % 50 == 0:
            await ledger.settle(ledger.last_seq)
    ledger.close()


async def test_what_was_appended_is_there_in_order_and_verifies(folder: Path) -> None:
    await written(folder, 200)

    reads = [entry for entry in entries(folder) if entry.kind == "read"]
    assert [f"Container:{number}" for number in range(200)] == [entry.resource for entry in reads]
    assert (None, 1) == (verify(folder).flaw, verify(folder).first)
    assert sorted(entry.at for entry in reads) == [entry.at for entry in reads]


async def test_segments_turn_over_and_the_chain_goes_on(folder: Path) -> None:
    await written(folder, 400, segment_bytes=8_000)

    assert len(segments(folder)) > 3
    assert verify(folder).flaw is None
    assert [entry.seq for entry in entries(folder)] == list(range(1, verify(folder).last + 1))
    assert [entry.seq for entry in newest(folder)] == [entry.seq for entry in reversed(list(entries(folder)))]


async def test_old_segments_leave_and_what_is_left_still_verifies(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await written(folder, 200, segment_bytes=8_000)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 40 * 86_400 * 10**9)

    await written(folder, 200, segment_bytes=8_000, retain_days=30)

    assert verify(folder).first > 1
    assert verify(folder).flaw is None
    assert any(entry.kind == "retired" for entry in entries(folder))


@pytest.mark.parametrize("text", ["a\nb", "a\r\nforged", "\u2028", "\x1b[31m", "\x00", "é\x85"])
async def test_control_characters_of_a_caller_never_begin_a_line(folder: Path, text: str) -> None:
    ledger = Ledger(folder)
    ledger.append(Entry(kind="refused", detail={"target": text}))
    ledger.close()

    lines = segments(folder)[0].read_bytes().split(b"\n")[:-1]
    assert len(lines) == verify(folder).entries
    assert [text] == [entry.detail["target"] for entry in entries(folder) if entry.kind == "refused"]


def flip(data: bytes) -> bytes:
    return data[:2000] + bytes([data[2000] ^ 1]) + data[2001:]


def drop_line(data: bytes) -> bytes:
    lines = data.split(b"\n")
    return b"\n".join(lines[:10] + lines[11:])


def swap_lines(data: bytes) -> bytes:
    lines = data.split(b"\n")
    lines[10], lines[11] = lines[11], lines[10]
    return b"\n".join(lines)


def cut_tail(data: bytes) -> bytes:
    return b"\n".join(data.split(b"\n")[:20]) + b"\n"


def cut_within_a_line(data: bytes) -> bytes:
    return data[:-5]


def double_line(data: bytes) -> bytes:
    lines = data.split(b"\n")
    return b"\n".join([*lines[:10], lines[9], *lines[10:]])


@pytest.mark.parametrize(
    ("damage", "seq", "says"),
    [(flip, None, "changed"), (drop_line, 11, "taken out"), (swap_lines, 11, "moved"), (cut_tail, None, "tail was cut"),
     (cut_within_a_line, None, "cut short"), (double_line, 11, "put in")],
)
async def test_each_kind_of_damage_is_named(folder: Path, damage: object, seq: int | None, says: str) -> None:
    await written(folder, 100)
    file = segments(folder)[0]

    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]  # each is a function of bytes

    flaw = verify(folder).flaw
    assert flaw is not None
    assert says in flaw.what
    assert seq in {None, flaw.seq}


async def test_a_missing_segment_and_another_key_are_named(folder: Path, tmp_path: Path) -> None:
    await written(folder, 400, segment_bytes=8_000)
    make_key(tmp_path / "other")

    other = Verifier(folder, read_public_key(tmp_path / "other" / "signing.pub")).run()
    segments(folder)[1].unlink()

    assert other.flaw is not None
    assert "not by this key" in other.flaw.what
    missing = verify(folder).flaw
    assert missing is not None
    assert "are missing" in missing.what


async def test_a_rewritten_chain_without_the_key_is_found_at_its_first_checkpoint(folder: Path) -> None:
    """Who recomputes every hash after a change still cannot sign."""
    from dockwarden.ledger.chain import line_of, link

    await written(folder, 50)
    file = segments(folder)[0]
    previous, lines = bytes(32), []
    for line in file.read_bytes().split(b"\n")[:-1]:
        body = line[65:].replace(b"alice", b"mallo")
        previous = link(previous, body)
        lines.append(line_of(previous, body))
    file.write_bytes(b"".join(lines))

    assert verify(folder).flaw is not None


async def test_a_torn_last_line_is_cut_said_and_nothing_else_lost(folder: Path) -> None:
    await written(folder, 20)
    file = segments(folder)[0]
    before = [entry.seq for entry in entries(folder)]
    with file.open("ab") as out:
        out.write(b"deadbeef")

    await written(folder, 1)

    after = list(entries(folder))
    assert before == [entry.seq for entry in after][: len(before)]
    assert any(entry.kind == "recovered" for entry in after)
    assert verify(folder).flaw is None


async def test_a_broken_chain_refuses_to_open(folder: Path) -> None:
    await written(folder, 50)
    file = segments(folder)[0]
    file.write_bytes(flip(file.read_bytes()))

    with pytest.raises(BadConfig, match="chain is broken"):
        Ledger(folder)


def test_a_key_that_others_may_read_is_refused(folder: Path) -> None:
    (folder / "signing.key").chmod(0o644)

    with pytest.raises(BadConfig, match="others may use it"):
        Ledger(folder)


async def test_a_full_disk_refuses_changes_and_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The intent is refused, outcomes of calls under way wait, and all of it is there when there is room again."""
    told: list[str] = []
    ledger = Ledger(folder, told=lambda kind, _detail: told.append(kind))
    await ledger.settle(ledger.append(Entry(kind="intent", call="before")))
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: _full(real, handle, data))

    with pytest.raises(Unavailable, match="no space"):
        await ledger.settle(ledger.append(Entry(kind="intent", call="refused")))
    with pytest.raises(Unavailable):
        ledger.append(Entry(kind="intent", call="refused at once"))
    ledger.append(Entry(kind="outcome", call="before"))
    monkeypatch.setattr(os, "write", real)
    for _ in range(100):
        if ledger.is_writable:
            break
        await asyncio.sleep(0.05)
    await ledger.settle(ledger.append(Entry(kind="intent", call="after")))
    ledger.close()

    kinds = [(entry.kind, entry.call) for entry in entries(folder) if entry.call]
    assert [("intent", "before"), ("intent", "refused"), ("outcome", "before"), ("intent", "after")] == kinds
    assert ["ledger.unwritable", "ledger.writable"] == told
    assert verify(folder).flaw is None


def _full(real: object, handle: int, data: bytes) -> int:
    if len(data) > 10:
        real(handle, data[:10])  # type: ignore[operator]  # a part reaches the disk, as when it fills up
    raise OSError(errno.ENOSPC, "no space left on device")


CRASHER = """
import asyncio, sys
from pathlib import Path
from dockwarden.ledger.entry import Entry
from dockwarden.ledger.writer import Ledger
async def main():
    ledger = Ledger(Path(sys.argv[1]), segment_bytes=20_000)
    while True:
        seq = ledger.append(Entry(kind="intent", call="x" * 50))
        ledger.append(Entry(kind="read", call="y"))
        await ledger.settle(seq)
        sys.stdout.write(f"{seq}\\n"); sys.stdout.flush()
asyncio.run(main())
"""


def test_no_acknowledged_entry_is_lost_by_kill_9_at_random_points(folder: Path) -> None:
    """Thirty lives of one ledger, each ended in the middle of its work."""
    acknowledged: set[int] = set()
    for _ in range(30):
        life = subprocess.Popen([sys.executable, "-c", CRASHER, str(folder)], stdout=subprocess.PIPE, text=True)
        assert life.stdout is not None
        acknowledged.add(int(life.stdout.readline()))
        time.sleep(random.random() * 0.1)
        life.send_signal(signal.SIGKILL)
        acknowledged |= {int(line) for line in life.stdout.read().split("\n")[:-1]}
        life.wait(10)

    Ledger(folder).close()
    kept = {entry.seq for entry in entries(folder)}
    assert set() == acknowledged - kept
    assert verify(folder).flaw is None


async def test_every_line_is_json_that_other_tools_read(folder: Path) -> None:
    await written(folder, 3)

    for line in segments(folder)[0].read_bytes().split(b"\n")[:-1]:
        digest, entry = read_line(line)
        assert (64, entry.seq) == (len(digest), json.loads(line[65:])["seq"])
