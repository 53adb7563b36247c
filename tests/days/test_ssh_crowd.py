"""One SSH port, two processes behind it, one house: who is where is nobody's business but the kernel's."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncssh
import pytest

from days.test_secrets import cli
from days.test_sessions import events, exported
from days.test_ssh import totp
from days.test_terms import said, watching
from fixtures.engine import PrivateEngine
from fixtures.ssh import Bastion, openssh_server, ssh_door
from fixtures.warden import Warden

T = TypeVar("T")
PIDFD_GETFD = 438
CARRYING = b"dockwarden.doors.ssh.crowd.carrying"
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def bastion(engine: PrivateEngine) -> Iterator[Bastion]:
    with openssh_server() as target, ssh_door(engine.address, target, processes=2) as made:
        yield made


def soon(look: Callable[[], T], *, within_s: float = 15.0) -> T:
    """What `look` finds as soon as it finds something."""
    end = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def listed(warden: Warden) -> list[dict[str, Any]]:
    return list(said(warden, 0, "list", {})["sessions"])


def ended(warden: Warden, id: str) -> dict[str, Any]:
    """The session, once it is over."""
    return soon(lambda: next((row for row in listed(warden) if row["id"] == id and row["state"] != "open"), {}))


def carriers(bastion: Bastion) -> set[int]:
    """The ids of the processes that carry."""
    assert bastion.warden.process is not None
    ours = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and CARRYING in (entry / "cmdline").read_bytes():
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == bastion.warden.process.pid:
                    ours.add(int(entry.name))
    return ours


def two(bastion: Bastion) -> set[int]:
    return soon(lambda: found if len(found := carriers(bastion)) == 2 else set())


class Cat:
    """A client that says a line and is echoed it."""

    def __init__(self, bastion: Bastion) -> None:
        before = {row["id"] for row in listed(bastion.warden)}
        self.client = subprocess.Popen([*bastion.words("olga", "%web"), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.says("here")
        (self.id,) = {row["id"] for row in listed(bastion.warden) if row["kind"] == "ssh.exec"} - before

    def says(self, line: str) -> None:
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        self.client.stdin.write(f"{line}\n".encode())
        self.client.stdin.flush()
        assert f"{line}\n".encode() == self.client.stdout.readline()

    def leave(self) -> tuple[int, bytes]:
        """How it ends, and what it said."""
        _, words = self.client.communicate(timeout=15)
        return self.client.returncode, words


@contextlib.contextmanager
def both(bastion: Bastion) -> Iterator[tuple[Cat, Cat]]:
    """Two clients at a time, one in each process; where a process has only just begun, not at the first try."""
    end = time.monotonic() + 30
    while True:
        pair = Cat(bastion), Cat(bastion)
        try:
            if {1} == {connected(pid, bastion.port) for pid in two(bastion)}:
                yield pair
                return
        finally:
            for cat in pair:
                cat.client.kill()
                cat.client.communicate()
        assert time.monotonic() < end


def connected(pid: int, port: int) -> int:
    """How many clients of `port` a process has."""
    held = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            held.add(entry.readlink().name)
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return len([row for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01" and f"socket:[{row[9]}]" in held])


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def verified(bastion: Bastion, id: str) -> None:
    done = cli(bastion.warden, "session", "verify", id)
    assert 0 == done.returncode, done.stdout + done.stderr


def test_each_process_has_its_share_and_knows_no_more_than_it_needs(bastion: Bastion) -> None:
    with both(bastion) as (one, other):
        assert [1, 1] == [connected(pid, bastion.port) for pid in two(bastion)]
        assert {"open"} == {row["state"] for row in listed(bastion.warden) if row["id"] in {one.id, other.id}}
        for pid in two(bastion):
            words, environment = (Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
            assert b"" == environment
            assert CARRYING == words.split(b"\0")[-3]
            assert words.split(b"\0")[-2].isdigit()
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert ["0", "0"] == next(line for line in limits.splitlines() if line.startswith("Max core")).split()[4:6]
    for cat in (one, other):
        assert "here\n" == exported(bastion.warden, ended(bastion.warden, cat.id)["id"], "--format", "raw", "--stream", "out")
        verified(bastion, cat.id)


def test_a_process_that_dies_takes_its_own_sessions_alone(bastion: Bastion) -> None:
    with both(bastion) as (one, other):
        before = two(bastion)
        (dead,) = list(before)[:1]
        os.kill(dead, signal.SIGKILL)
        gone, stays = soon(lambda: (one, other) if one.client.poll() is not None else (other, one) if other.client.poll() is not None else ())
        stays.says("still here")
        row = ended(bastion.warden, gone.id)
        assert "ended" == row["state"]
        verified(bastion, gone.id)
        log = cli(bastion.warden, "ledger", "search", "--json").stdout
        assert "the process that carried it ended" in log
        assert "ssh.carrier_ended" in log
        assert len(before - two(bastion)) == 1  # another is there
        assert [0, 0] == [bastion.run("olga", "%web", "true").returncode for _ in range(2)]


def test_who_hangs_up_while_something_begins_takes_nobody_with_them_and_leaves_no_way_open(bastion: Bastion) -> None:
    assert bastion.warden.process is not None
    pids = two(bastion)

    async def hasty(place: str, wait_s: float) -> None:
        options: dict[str, Any] = {"username": f"olga{place}", "client_keys": [str(bastion.keys / "olga")], "known_hosts": None, "config": None}
        with contextlib.suppress(OSError, asyncssh.Error):
            client = await asyncssh.connect("127.0.0.1", bastion.port, **options)
            asking = asyncio.gather(*(client.create_process("true") for _ in range(3)), return_exceptions=True)
            await asyncio.sleep(wait_s)
            client.abort()
            await asking

    async def many() -> None:
        for wait_s in (0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06) * 2:
            await asyncio.gather(*(hasty(place, wait_s) for place in ("%web", "%web", "%prod", "%nohost", "%container.x", "")))

    with both(bastion) as pair:
        before = {pid: descriptors(pid) for pid in pids}
        asyncio.run(many())
        for cat in pair:
            cat.says("still here")
        assert pids == carriers(bastion)
        soon(lambda: all(descriptors(pid) <= before[pid] + 2 for pid in pids))


def test_who_looks_on_and_who_ends_one_sees_them_all(bastion: Bastion) -> None:
    with both(bastion) as pair:
        for cat in pair:
            with watching(bastion.warden, cat.id) as watch:
                soon(lambda cat=cat: next(row for row in listed(bastion.warden) if row["id"] == cat.id)["watchers"])  # type: ignore[misc]  # a default
                cat.says("seen by somebody")
                assert watch.stdout is not None
                shown = (json.loads(line)[1:] for line in watch.stdout if line.startswith(b"["))
                assert next(data for kind, data in shown if kind == 1 and b64decode(data) == b"seen by somebody\n")
            assert 0 == cli(bastion.warden, "session", "kill", cat.id, "--why", "for a test").returncode
            code, words = cat.leave()
            assert (255, True) == (code, b"ended by root: for a test" in words), words
            assert "ended by root: for a test" in cli(bastion.warden, "ledger", "search", "--json").stdout
            verified(bastion, cat.id)


def test_a_lock_is_for_both(bastion: Bastion) -> None:
    with both(bastion) as pair:
        made = cli(bastion.warden, "session", "lock", "--person", "olga", "--for", "10m", "--reason", "a lock for two")
        assert 0 == made.returncode, made.stderr
        try:
            for cat in pair:
                assert b"a lock for two" in cat.leave()[1]
            for _ in range(2):
                refused = bastion.run("olga", "%web", "true")
                assert (255, True) == (refused.returncode, b"a lock for two" in refused.stderr), refused
        finally:
            for lock in json.loads(cli(bastion.warden, "session", "locks", "--json").stdout):
                assert 0 == cli(bastion.warden, "session", "unlock", lock["id"]).returncode
    assert 0 == bastion.run("olga", "%web", "true").returncode


def test_a_code_that_let_in_at_one_lets_in_at_none(bastion: Bastion, tmp_path: Path) -> None:
    warden = bastion.warden
    policy = warden.dir / "policies" / "ssh.cedar"
    before = policy.read_text()
    uri = cli(warden, "totp", "enroll", "olga").stdout.strip()
    policy.write_text(before.replace('@id("ssh-people-come-in")', '@id("ssh-people-come-in")\n@harden("second-factor")'))
    try:
        soon(lambda: 255 == bastion.run("olga", "%web", "true", options=("-o", "BatchMode=yes")).returncode)
        (tmp_path / "code").write_text(totp(uri))
        (ask := tmp_path / "ask").write_text(f"#!/bin/sh\ncat {tmp_path / 'code'}\n")
        ask.chmod(0o755)
        asking = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        words = bastion.words("olga", "%web", "-o", "NumberOfPasswordPrompts=1")
        first = subprocess.Popen([*words, "echo in; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=asking)
        assert first.stdout is not None
        assert b"in\n" == first.stdout.readline()
        second = subprocess.run([*words, "echo in"], capture_output=True, timeout=20, check=False, env=asking)  # the first holds a process
        assert (255, b"") == (second.returncode, second.stdout)
        first.communicate(timeout=15)
    finally:
        policy.write_text(before)
        cli(warden, "totp", "remove", "olga")
        soon(lambda: 0 == bastion.run("olga", "%web", "true", options=("-o", "BatchMode=yes")).returncode)


def test_a_new_policy_is_asked_by_both(bastion: Bastion) -> None:
    policy = bastion.warden.dir / "policies" / "no-olga.cedar"
    with both(bastion) as pair:
        policy.write_text('@id("no-olga-now")\n@advice("not today")\nforbid (principal == User::"olga", action == Action::"ssh.exec", resource);\n')
        try:
            assert bastion.warden.process is not None
            bastion.warden.process.send_signal(signal.SIGHUP)
            soon(lambda: b"not today" in bastion.run("olga", "%web", "true").stderr)
            assert [True] * 3 == [b"not today" in bastion.run("olga", "%web", "true").stderr for _ in range(3)]
            for cat in pair:
                cat.says("what is open goes on")
        finally:
            policy.unlink()
            soon(lambda: 0 == bastion.run("olga", "%web", "true").returncode)


def test_what_is_no_message_ends_who_said_it(bastion: Bastion) -> None:
    """Found by its descriptor, a carrier's end of the pair is written to as a broken or bad one might."""
    before = two(bastion)
    victim = min(before)
    words = Path(f"/proc/{victim}/cmdline").read_bytes().split(b"\0")
    pidfd = os.pidfd_open(victim)
    stolen = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, int(words[-2]), 0)
    os.close(pidfd)
    assert stolen >= 0, os.strerror(ctypes.get_errno())
    with socket.socket(fileno=stolen) as one:
        one.setblocking(True)
        one.sendall(b"\xff" * 64)
    soon(lambda: victim not in carriers(bastion))
    two(bastion)
    assert 0 == bastion.run("olga", "%web", "true").returncode


def test_containers_are_reached_from_both(bastion: Bastion) -> None:
    """Each asks the house for its connection to the Docker door."""
    assert 0 == bastion.warden.docker("run", "-d", "--name", "shop", "busybox", "sleep", "600").returncode
    two(bastion)
    words = [*bastion.words("alice", "%container.shop"), "cat"]
    cats = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    assert [(b"in\n", None)] * 2 == [cat.communicate(b"in\n", timeout=20) for cat in cats]
    assert [0, 0] == [cat.returncode for cat in cats]
    assert ["alice", "alice"] == [row["person"] for row in listed(bastion.warden) if row["target"] == "shop"]


def test_what_cannot_be_recorded_does_not_begin_at_either(bastion: Bastion) -> None:
    tapes = bastion.warden.dir / "state" / "tapes"
    with both(bastion):
        tapes.rename(away := tapes.with_name("away"))
        try:
            refused = [bastion.run("olga", "%web", "echo not run") for _ in range(2)]
        finally:
            away.rename(tapes)
    assert [(255, b"", True)] * 2 == [(one.returncode, one.stdout, b"cannot be recorded" in one.stderr) for one in refused]
    assert 0 == bastion.run("olga", "%web", "true").returncode


def test_bulk_is_on_tape_whole(bastion: Bastion) -> None:
    done = bastion.run("olga", "%web", "seq 1 300000")
    text = "".join(f"{number}\n" for number in range(1, 300_001))
    assert (0, text.encode()) == (done.returncode, done.stdout)
    row = max((row for row in listed(bastion.warden) if row["kind"] == "ssh.exec"), key=lambda row: int(row["started"]))
    assert text == exported(bastion.warden, ended(bastion.warden, row["id"])["id"], "--format", "raw", "--stream", "out")
    times = [at for at, *_ in events(bastion.warden, row["id"])]
    assert times == [max(at, 0) for at in times]
    verified(bastion, row["id"])


def test_a_stop_ends_sessions_and_tapes_and_a_kill_leaves_nobody(bastion: Bastion) -> None:
    with both(bastion) as pair:
        old = two(bastion)
        assert 0 == bastion.warden.stop()
        for cat in pair:
            cat.leave()
        assert not [pid for pid in old if Path(f"/proc/{pid}").exists()]
        bastion.warden.start()
        for cat in pair:
            assert "ended" == ended(bastion.warden, cat.id)["state"]
            verified(bastion, cat.id)
    with both(bastion) as pair:
        old = two(bastion)
        assert -signal.SIGKILL == bastion.warden.stop(signal.SIGKILL)
        soon(lambda: not [pid for pid in old if Path(f"/proc/{pid}").exists()], within_s=5)
        for cat in pair:
            cat.leave()
        bastion.warden.start()
        for cat in pair:
            verified(bastion, cat.id)
