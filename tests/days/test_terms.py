"""Sessions in containers are kept to the terms that policy sets: so long, not idle, watched; and locks keep them from being."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from days.test_secrets import cli
from days.test_sessions import Terminal, container, ended, events, listed
from fixtures.engine import PrivateEngine
from fixtures.warden import ALICE, AUDITOR, OPS, Warden

pytestmark = pytest.mark.timeout(240)

TERMS = """
@id("terms-timed")
@harden("longest=5s")
permit (principal, action == Action::"session.start", resource) when { resource.owner == principal.name && resource.name == "timed" };
@id("terms-idle")
@harden("idle=2s")
permit (principal, action == Action::"session.start", resource) when { resource.owner == principal.name && resource.name == "idle" };
@id("terms-spent")
@harden("most=2m, daily=5m")
permit (principal, action == Action::"session.start", resource) when { resource.owner == principal.name && resource.name == "spent" };
@id("terms-watched")
@harden("watched")
permit (principal, action == Action::"session.start", resource)
when { resource.owner == principal.name && resource.hasTag("watched") };
@id("terms-nobody-from-here")
@advice("come by the network")
forbid (principal, action == Action::"session.start", resource)
when { context.address.isLoopback() && context.source == "unix" && resource.hasTag("far") && context.hour >= 0 };
"""


@pytest.fixture
def strict(engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warden]:
    """A dockwarden whose policy sets terms; a session waits 6 s for its watcher, and is paused for 8 s without."""
    folder = Path("/var/tmp") / f"dwterms{os.getpid()}{tmp_path_factory.getbasetemp().name}"
    folder.mkdir(mode=0o755)
    made = Warden(folder, engine.address, extra="\n[sessions]\nwatcher_wait_s = 6\nwatcher_gone_s = 8\n")
    made.init()
    (folder / "policies" / "terms.cedar").write_text(TERMS)
    made.start()
    yield made
    made.stop()
    made.remove()


@contextlib.contextmanager
def watching(warden: Warden, id: str, uid: int = AUDITOR) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody watches, and goes away."""
    watcher = subprocess.Popen(
        ["curl", "-sN", "--unix-socket", str(warden.dir / "control.sock"), "-d", json.dumps({"id": id}), "http://d/v1/session/watch"],
        stdout=subprocess.PIPE, user=uid, group=uid, extra_groups=[],
    )  # fmt: skip
    try:
        yield watcher
    finally:
        watcher.kill()
        watcher.wait()


def answer(warden: Warden, uid: int, verb: str, body: dict[str, Any]) -> bytes:
    return subprocess.run(
        ["curl", "-s", "--unix-socket", str(warden.dir / "control.sock"), "-d", json.dumps(body), f"http://d/v1/session/{verb}"],
        capture_output=True, check=False, user=uid, group=uid, extra_groups=[],
    ).stdout  # fmt: skip


def said(warden: Warden, uid: int, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(answer(warden, uid, verb, body)))


def row_when(warden: Warden, target: str, state: str) -> dict[str, Any]:
    """The newest session on `target`, once it is in `state`."""
    end = time.monotonic() + 10
    while True:
        rows = [row for row in said(warden, 0, "list", {})["sessions"] if row["target"] == target]
        if rows and rows[-1]["state"] == state:
            return rows[-1]
        assert time.monotonic() < end, rows
        time.sleep(0.05)


def marks(warden: Warden, id: str) -> list[str]:
    return [data for _, code, data in events(warden, id) if code == "m"]


def test_a_session_ends_when_it_has_lasted_as_long_as_it_may(strict: Warden) -> None:
    with container(strict, "timed"):
        terminal = Terminal(strict, "exec", "-it", "timed", "sh")
        terminal.until(b"$ ")
        terminal.until(b"dockwarden: this session ends in 1s: it may last 5s")
        terminal.until(b"dockwarden: this session has lasted 5s, which is as long as it may")
        terminal.end()
        done = strict.docker("exec", "timed", "sh", "-c", "echo begun; sleep 60")
    assert "begun\n" == done.stdout
    assert "dockwarden: this session has lasted 5s, which is as long as it may\n" == done.stderr  # and no warning: it is no terminal
    first, second = (row["id"] for row in listed(strict) if row["target"] == "timed")
    assert {"this session ends in 1s: it may last 5s"} < set(marks(strict, first))
    assert "this session has lasted 5s, which is as long as it may" in marks(strict, second)
    (closed,) = [e for e in strict.entries() if e["kind"] == "tape" and e["detail"].get("what") == "tape.closed" and first == e["detail"]["tape"]]  # type: ignore[attr-defined,index]
    assert "this session has lasted 5s, which is as long as it may" == closed["detail"]["why"]  # type: ignore[index]


def test_nobody_records_more_than_they_may_in_a_session_and_in_a_day_and_a_restart_forgets_nothing(strict: Warden) -> None:
    """What cannot be compressed, as fast as it goes: the disk is everybody's."""
    flood = ("sh", "-c", "head -c 20000000 /dev/urandom | base64")
    paced = ("sh", "-c", "while head -c 50000 /dev/urandom | base64; do sleep 0.1; done")  # a warning has its time
    with container(strict, "spent"):
        terminal = Terminal(strict, "exec", "-it", "spent", *paced)
        terminal.until(b"dockwarden: this session ends when it has recorded 2 MiB; nine tenths of that it has", seconds=60)
        terminal.until(b"dockwarden: this session has recorded ")
        terminal.end()
        ends = [strict.docker("exec", "spent", *flood) for _ in range(2)]
        refused = strict.docker("exec", "spent", "true")
        assert re.search(r"this session has recorded [23]", ends[0].stderr)
        assert re.search(r"dockwarden: you have recorded [5-7]", ends[1].stderr)
        assert "which is as much as you may: your sessions begin again at 00:00 UTC" in refused.stderr
        tapes = [row for row in listed(strict) if row["target"] == "spent"]
        assert [True, True] == [(2 << 20) <= row["bytes"] < (4 << 20) for row in tapes[:2]]
        assert any(words.startswith("this session has recorded ") for words in marks(strict, tapes[0]["id"]))
        strict.stop()
        strict.start()
        assert re.search(r"you have recorded [5-7]", strict.docker("exec", "spent", "true").stderr)
        policies = strict.dir / "policies" / "terms.cedar"
        policies.write_text(policies.read_text().replace("daily=5m", "daily=50m"))
        assert strict.wait_for_log("policy.loaded")
        assert 0 == strict.docker("exec", "spent", "true").returncode


def test_a_session_ends_when_nothing_happens_in_it_and_what_is_shown_keeps_it(strict: Warden) -> None:
    with container(strict, "idle"):
        began = time.monotonic()
        done = strict.docker("exec", "idle", "sh", "-c", "for i in 1 2 3 4; do echo $i; sleep 1; done; sleep 60")
        assert time.monotonic() - began > 5
        left = strict.docker("top", "idle", "-o", "pid,args").stdout
    assert "1\n2\n3\n4\n" == done.stdout
    assert "dockwarden: nothing was typed or shown for 2s, so it ends\n" == done.stderr
    assert ["sleep 600"] == [line.split(None, 1)[1] for line in left.splitlines()[1:]]


def test_a_session_that_needs_a_watcher_begins_pauses_goes_on_and_ends_with_one(strict: Warden) -> None:
    with container(strict, "seen", "--label", "watched="):
        terminal = Terminal(strict, "exec", "-it", "seen", "sh")
        terminal.until(b"waiting for somebody to watch this session (dockwarden session watch ")
        row = row_when(strict, "seen", "waiting")
        assert "$ " not in terminal.shown.decode()
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
        os.kill(terminal.process.pid, signal.SIGWINCH)
        time.sleep(0.5)
        with watching(strict, row["id"]) as watcher:
            terminal.until(b"$ ")
            terminal.type(b"stty size; echo first-$((1 + 1)); i=0; while [ $((i += 1)) -lt 31 ]; do sleep 0.3; echo tick-$i; done; echo all-$((1 + 2))\r")
            terminal.until(b"first-2")
            assert b"33 111" in terminal.shown
            assert ["audra"] == row_when(strict, "seen", "open")["watchers"]
            terminal.until(b"tick-1")
            watcher.kill()
            seen, _ = watcher.communicate()
        terminal.until(b"nobody watches this session any more: it is paused")
        before = terminal.shown
        assert [] == row_when(strict, "seen", "paused")["watchers"]
        terminal.type(b"echo held-$((3 + 3))\r")
        time.sleep(1)
        assert b"held" not in terminal.shown[len(before) :]
        shown = answer(strict, 0, "export", {"id": row["id"], "format": "raw"})
        assert shown.count(b"tick-") == terminal.shown.count(b"tick-") < 30  # nothing counts as shown that is held back
        with watching(strict, row["id"], OPS):
            terminal.until(b"somebody watches again: it goes on")
            terminal.until(b"all-3")
            terminal.until(b"held-6")
        terminal.until(b"nobody watched this session for 8s, so it ends")
        terminal.end()
        left = strict.docker("top", "seen", "-o", "pid,args").stdout
    assert [f"tick-{n}".encode() for n in range(1, 31)] == [word for word in terminal.shown.split() if word.startswith(b"tick-") and word != b"tick-$i;"]
    assert b"first-2" in b"".join(_outputs(seen))
    assert ["sleep 600"] == [line.split(None, 1)[1] for line in left.splitlines()[1:]]
    ended(strict, row["id"])
    found = marks(strict, row["id"])
    for words in ("waiting for a watcher", "watched by audra", "no longer watched by audra", "watched by olga", "nobody watched this session for 8s, so it ends"):
        assert words in found, found
    assert 0 == cli(strict, "session", "verify", row["id"]).returncode


def _outputs(lines: bytes) -> Iterator[bytes]:
    for line in lines.splitlines()[1:]:
        _, kind, data = json.loads(line)
        if kind == 1:
            yield base64.b64decode(data)


def test_without_a_watcher_nothing_begins(strict: Warden) -> None:
    with container(strict, "unseen", "--label", "watched="):
        done = strict.docker("exec", "unseen", "touch", "/tmp/begun")
        assert "nobody came to watch this session within 6s, so it does not begin" in done.stderr, done
        assert 126 == done.returncode
        detached = strict.docker("exec", "-d", "unseen", "touch", "/tmp/begun")
        assert (True, True) == (detached.returncode != 0, "--detach" in detached.stderr), detached.stderr
        assert 1 == strict.docker("cp", "unseen:/tmp/begun", "/nonexistent", uid=0).returncode
    run = strict.docker("run", "--rm", "--name", "never", "--label", "watched=", "busybox", "echo", "begun")
    assert (True, "") == (run.returncode != 0, run.stdout), run
    assert "nobody came to watch this session" in run.stderr


def test_run_waits_for_its_watcher_and_is_seen_from_its_first_byte(strict: Warden) -> None:
    words = ["docker", "-H", f"unix://{strict.socket}", "run", "--name", "later", "--label", "watched=", "busybox", "echo", "first byte"]
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=ALICE, group=ALICE, extra_groups=[])
    row = row_when(strict, "later", "waiting")
    with watching(strict, row["id"]) as watcher:
        out, err = run.communicate(timeout=20)
        seen, _ = watcher.communicate(timeout=10)
    assert (0, b"first byte\n") == (run.returncode, out), err
    assert b"waiting for somebody to watch" in err
    assert b"first byte\n" == b"".join(_outputs(seen))
    strict.docker("rm", "-f", "later")


def test_a_lock_ends_refuses_survives_a_kill_and_is_taken_away(strict: Warden) -> None:
    with container(strict, "locked"):
        terminal = Terminal(strict, "exec", "-it", "locked", "sh")
        terminal.until(b"$ ")
        for body, code in (({"reason": "x"}, "lock.everybody"), ({"person": "alice", "reason": "\x1b[2J"}, "lock.reason")):
            assert code == said(strict, OPS, "lock", body)["code"]
        assert "policy.none_permits" == said(strict, ALICE, "lock", {"person": "bob", "reason": "spite"})["code"]
        assert "policy.forbidden" == said(strict, OPS, "lock", {"person": "olga", "reason": "a rest"})["code"]
        lock = said(strict, OPS, "lock", {"person": "alice", "for_s": 7200, "reason": "her laptop was stolen"})
        assert 1 == lock["ended"]
        terminal.end()
        assert b"sessions of alice are locked until " in terminal.shown
        assert [("olga", "her laptop was stolen")] == [(row["killed"]["by"], row["killed"]["why"]) for row in listed(strict) if row["killed"]]
        for words in (("exec", "locked", "true"), ("exec", "-d", "locked", "true"), ("run", "--rm", "busybox", "true")):
            done = strict.docker(*words)
            assert done.returncode != 0
            assert "(by olga): her laptop was stolen" in done.stderr, done.stderr
        assert 0 == strict.docker("exec", "locked", "true", uid=0).returncode  # root's sessions are not alice's
        strict.stop(signal.SIGKILL)
        strict.start()
        assert "her laptop was stolen" in strict.docker("exec", "locked", "true").stderr
        listed_locks = cli(strict, "session", "locks", "--json")
        assert [lock["id"]] == [row["id"] for row in json.loads(listed_locks.stdout)]
        assert [lock["id"]] == [row["id"] for row in said(strict, ALICE, "locks", {})["locks"]]
        assert "policy.forbidden" == said(strict, ALICE, "unlock", {"id": lock["id"]})["code"]
        assert "lock.absent" == said(strict, OPS, "unlock", {"id": "lock-00000000"})["code"]
        unlocked = cli(strict, "session", "unlock", lock["id"])
        assert (0, f"{lock['id']} is gone\n") == (unlocked.returncode, unlocked.stdout)
        assert 0 == strict.docker("exec", "locked", "true").returncode
        short = cli(strict, "session", "lock", "--target", "locked", "--for", "1s", "--reason", "for a second")
        assert 0 == short.returncode, short.stderr
        end = time.monotonic() + 10
        while strict.docker("exec", "locked", "true").returncode:
            assert time.monotonic() < end
    about = [entry for entry in strict.entries() if entry.get("resource") == f"Session:{lock['id']}"]
    assert [("intent", "olga"), ("outcome", "olga"), ("refused", "alice"), ("intent", "root"), ("outcome", "root")] == [
        (entry["kind"], entry["principal"]) for entry in about
    ]


def test_policy_says_where_and_when_a_session_begins(strict: Warden) -> None:
    with container(strict, "distant", "--label", "far="):
        done = strict.docker("exec", "distant", "true")
    assert done.returncode != 0
    assert "a session (exec on distant) of alice does not begin: come by the network; refused by terms-nobody-from-here" in done.stderr
    with container(strict, "near"):
        assert 0 == strict.docker("exec", "near", "true").returncode
    opened = [entry["detail"] for entry in strict.entries() if entry["kind"] == "tape" and entry["detail"].get("what") == "tape.opened"]  # type: ignore[attr-defined]
    assert ["sessions-may-begin"] == opened[-1]["start"]  # type: ignore[index]
