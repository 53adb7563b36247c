"""A dockwarden that is killed, or whose disk fails, in front of real ssh clients: what was shown is on tape, and who is cut off reads why."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from days.test_secrets import cli
from days.test_sessions import events, listed
from fixtures.engine import PrivateEngine
from fixtures.ssh import Bastion, openssh_server, ssh_door

KILLS = int(os.environ.get("DOCKWARDEN_DOOR_KILLS", "10"))
SEED = int(os.environ.get("DOCKWARDEN_KILLS_SEED", random.randrange(1 << 20)))
FAULTY = Path(__file__).parents[1] / "fixtures" / "faulty"
TAPES_BYTES = 24 << 20
REFUSED = re.compile(rb"dockwarden: this session (?:cannot be recorded|is recorded no more) \(")
"""The second where the recorder fails while it begins."""
BUSY = "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo line-$i; [ $((i % 10)) -gt 0 ] || sleep 0.02; done"
Trouble = Callable[[Bastion], AbstractContextManager[str]]
"""Something that is wrong with the disk for a while, and the words for it."""
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def bastion(engine: PrivateEngine) -> Iterator[Bastion]:
    """A dockwarden whose tapes have a small file system of their own, that may fail."""
    with openssh_server() as target, ssh_door(engine.address, target, "\n[tapes]\nstall_s = 0.75\n") as made:
        warden = made.warden
        tapes, warden.environment = warden.dir / "state" / "tapes", {"PYTHONPATH": str(FAULTY), "DOCKWARDEN_TEST_FAULT": str(warden.dir / "fault")}
        assert 0 == warden.stop()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TAPES_BYTES},mode=700", "tmpfs", str(tapes)], check=True)
        warden.start()
        yield made
        assert 0 == warden.stop()
        subprocess.run(["umount", "-l", str(tapes)], check=True)


class Terminal:
    """A real ssh in a real terminal."""

    def __init__(self, bastion: Bastion, *command: str) -> None:
        self._master, slave = pty.openpty()
        words = [*bastion.words("olga", "%web", "-tt"), *command]
        self.client = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.shown = b""

    def look(self, seconds: float) -> bool:
        """Read what is shown next; whether anything more may come."""
        if select.select([self._master], [], [], seconds)[0]:
            try:
                self.shown += os.read(self._master, 65536)
            except OSError:
                return False
        return True

    def type(self, text: bytes) -> None:
        os.write(self._master, text)

    def until(self, text: bytes) -> None:
        end = time.monotonic() + 15
        while text not in self.shown:
            assert time.monotonic() < end, self.shown
            self.look(0.2)

    def end(self) -> int:
        """The client's exit code; all that it showed was read."""
        end = time.monotonic() + 15
        while self.look(0.2):
            assert time.monotonic() < end, self.shown[-500:]
        os.close(self._master)
        return self.client.wait(15)


def test_killed_in_the_middle_nothing_that_a_client_showed_is_missing(bastion: Bastion) -> None:
    chance, warden, shown = random.Random(SEED), bastion.warden, dict[str, str]()
    print(f"DOCKWARDEN_KILLS_SEED={SEED}")
    for _ in range(KILLS):
        before = {row["id"] for row in listed(warden)}
        terminal = Terminal(bastion, BUSY)
        terminal.until(b"line-")
        end = time.monotonic() + chance.uniform(0, 0.5)
        while (left := end - time.monotonic()) > 0:
            terminal.look(left)
        warden.stop(signal.SIGKILL)
        terminal.end()
        warden.start()
        (row,) = [row for row in listed(warden) if row["id"] not in before]
        assert ("olga", "ssh.exec", "web", "cut off") == (row["person"], row["kind"], row["target"], row["state"])
        shown[row["id"]] = terminal.shown.decode()
    verified = cli(warden, "session", "verify")
    assert 0 == verified.returncode, verified.stderr

    for id, text in shown.items():
        on_tape = "".join(data for _, code, data in events(warden, id) if code == "o")
        told = re.sub(r"(?s)(client_loop: |Connection to |Read from |Connection closed).*", "", text)  # what the client itself says then
        assert on_tape.startswith(told), (on_tape[-80:], told[-80:])
        assert "line-" in told


@contextlib.contextmanager
def full(bastion: Bastion) -> Iterator[str]:
    """No byte more for tapes."""
    filler = bastion.warden.dir / "state" / "tapes" / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    try:
        yield "No space left on device"
    finally:
        filler.unlink()


@contextlib.contextmanager
def fault(bastion: Bastion, how: str) -> Iterator[None]:
    (fault := bastion.warden.dir / "fault").write_text(how)
    try:
        yield
    finally:
        fault.unlink()


@contextlib.contextmanager
def error(bastion: Bastion) -> Iterator[str]:
    with fault(bastion, "EIO"):
        yield "Input/output error"
    again(bastion)


@contextlib.contextmanager
def read_only(bastion: Bastion) -> Iterator[str]:
    with fault(bastion, "EROFS"):
        yield "Read-only file system"
    again(bastion)


@contextlib.contextmanager
def slow(bastion: Bastion) -> Iterator[str]:
    with fault(bastion, "hang"):
        yield "the disk is too slow to record"


@contextlib.contextmanager
def dead(bastion: Bastion) -> Iterator[str]:
    """The recorder's thread is no more: only another start has one."""
    with fault(bastion, "dead"):
        yield "the recorder has stopped"
    again(bastion)


def again(bastion: Bastion) -> None:
    """Another start: what had no end gets one."""
    bastion.warden.stop(signal.SIGKILL)
    bastion.warden.start()


@pytest.mark.alone
@pytest.mark.parametrize(
    ("trouble", "state"), [(full, "broken"), (error, "cut off"), (read_only, "cut off"), (slow, "broken"), (dead, "cut off")], ids=lambda one: getattr(one, "__name__", "")
)
def test_what_cannot_be_recorded_ends_in_the_middle_and_does_not_begin(bastion: Bastion, trouble: Trouble, state: str) -> None:
    """In a second and a half, with an end on tape where the disk takes one, or by the next start; when the trouble is over, all is as before."""
    terminal = Terminal(bastion, "echo begun; read x; head -c 20000 /dev/urandom | base64; sleep 60")
    terminal.until(b"begun")
    id = listed(bastion.warden)[-1]["id"]
    with trouble(bastion) as why:
        began = time.monotonic()
        terminal.type(b"go on\r")
        terminal.until(why.encode())
        took = time.monotonic() - began
        assert 255 == terminal.end()
        assert f"this session is recorded no more ({why}), so it ends here" in " ".join(terminal.shown.decode().split())
        refused = bastion.run("olga", "%web", "echo not run")
        assert (255, b"", True) == (refused.returncode, refused.stdout, bool(REFUSED.search(refused.stderr))), refused.stderr
    assert took < 1.5
    done = bastion.run("olga", "%web", "echo again")
    assert (0, b"again\n") == (done.returncode, done.stdout), done.stderr
    assert state == next(row["state"] for row in listed(bastion.warden) if row["id"] == id)
    assert 0 == cli(bastion.warden, "session", "verify").returncode


def test_on_a_file_system_that_is_read_only_nothing_begins(bastion: Bastion) -> None:
    tapes = str(bastion.warden.dir / "state" / "tapes")
    subprocess.run(["mount", "-o", "remount,ro", tapes], check=True)
    try:
        refused = bastion.run("olga", "%web", "echo not run")
        assert (255, b"", True) == (refused.returncode, refused.stdout, b"cannot be recorded (Read-only file system)" in refused.stderr), refused.stderr
    finally:
        subprocess.run(["mount", "-o", "remount,rw", tapes], check=True)
    assert 0 == bastion.run("olga", "%web", "true").returncode
