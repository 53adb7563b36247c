"""Sessions in containers are recorded: what was shown is on tape, in the form that others play, and nobody changes it quietly."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from days.test_secrets import cli, put
from fixtures.engine import PrivateEngine
from fixtures.warden import ALICE, AUDITOR, BOB, OPS, Warden

pytestmark = pytest.mark.timeout(240)


class Terminal:
    """A real client in a real terminal."""

    def __init__(self, warden: Warden, *words: str, uid: int = ALICE) -> None:
        self.master, slave = pty.openpty()
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "DOCKER_CONFIG": "/nonexistent", "TERM": "xterm"}
        self.process = subprocess.Popen(
            ["docker", "-H", f"unix://{warden.socket}", *words], stdin=slave, stdout=slave, stderr=slave, user=uid, group=uid, extra_groups=[],
            env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.shown = b""

    def until(self, text: bytes, seconds: float = 15) -> bytes:
        """All that was shown, once `text` is in it."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            left = end - time.monotonic()
            assert left > 0, self.shown
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.shown += os.read(self.master, 65536)
                except OSError:
                    break
        assert text in self.shown, self.shown
        return self.shown

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def end(self, seconds: float = 15) -> int:
        """The client's exit code, once it has ended."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.master, 65536)
                except OSError:
                    time.sleep(0.05)
        while select.select([self.master], [], [], 0.2)[0]:
            try:
                self.shown += os.read(self.master, 65536)
            except OSError:
                break
        os.close(self.master)
        return self.process.returncode


@contextmanager
def container(warden: Warden, name: str, *words: str) -> Iterator[str]:
    done = warden.docker("run", "-d", "--name", name, *words, "busybox", "sleep", "600")
    assert 0 == done.returncode, done.stderr
    yield name
    warden.docker("rm", "-f", name)


def listed(warden: Warden, *words: str) -> list[dict[str, Any]]:
    done = cli(warden, "session", "list", "--json", *words)
    assert 0 == done.returncode, done.stderr
    return list(json.loads(done.stdout))


def newest(warden: Warden, kind: str, target: str) -> dict[str, Any]:
    return [row for row in listed(warden) if (kind, target) == (row["kind"], row["target"])][-1]


def exported(warden: Warden, id: str, *words: str) -> str:
    done = cli(warden, "session", "export", id, *words)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def events(warden: Warden, id: str) -> list[list[Any]]:
    return [json.loads(line) for line in exported(warden, id).encode("latin-1").decode().splitlines()[1:]]


def ended(warden: Warden, id: str) -> dict[str, Any]:
    end = time.monotonic() + 5
    while not (row := next(row for row in listed(warden) if row["id"] == id))["ended"]:
        assert time.monotonic() < end, row
        time.sleep(0.1)
    return row


def test_a_shell_in_a_container_is_on_tape_as_it_was_shown(warden: Warden) -> None:
    with container(warden, "shell"):
        terminal = Terminal(warden, "exec", "-it", "shell", "sh")
        terminal.until(b"$ ")
        terminal.type(b"echo a-word-$((40 + 2))\r")
        terminal.until(b"a-word-42")
        terminal.type(b"exit 3\r")
        assert 3 == terminal.end()
    row = ended(warden, newest(warden, "exec", "shell")["id"])
    found = events(warden, row["id"])

    assert ("alice", "exec", "shell", "ended") == (row["person"], row["kind"], row["target"], row["state"])
    assert terminal.shown.decode() == "".join(data for _, code, data in found if code == "o")
    assert ["echo a-word-$((40 + 2))\r", "exit 3\r"] == [data for _, code, data in found if code == "i"]
    assert ["x", "3"] == found[-1][1:]
    assert "exec: sh" in [data for _, code, data in found if code == "m"]
    verified = cli(warden, "session", "verify", row["id"])
    assert (0, True) == (verified.returncode, "are what was recorded (ended)" in verified.stdout), verified.stderr


def test_output_and_errors_without_a_terminal_are_told_apart(warden: Warden) -> None:
    with container(warden, "plain-exec"):
        done = warden.docker("exec", "-i", "plain-exec", "sh", "-c", "cat; echo err >&2; exit 5", input="typed\n")
    assert (5, "typed\n", "err\n") == (done.returncode, done.stdout, done.stderr)
    row = ended(warden, newest(warden, "exec", "plain-exec")["id"])

    for stream, text in (("out", "typed\n"), ("err", "err\n"), ("in", "typed\n")):
        assert text == exported(warden, row["id"], "--format", "raw", "--stream", stream)
    assert ["x", "5"] == events(warden, row["id"])[-1][1:]


def test_run_is_on_tape_from_its_first_byte(warden: Warden) -> None:
    done = warden.docker("run", "--rm", "--name", "first-byte", "busybox", "sh", "-c", "echo first; exit 7")
    assert (7, "first\n") == (done.returncode, done.stdout)
    row = ended(warden, newest(warden, "attach", "first-byte")["id"])

    assert "first\n" == exported(warden, row["id"], "--format", "raw")


def test_a_terminal_that_is_resized_is_so_on_tape(warden: Warden) -> None:
    with container(warden, "sized"):
        terminal = Terminal(warden, "exec", "-it", "sized", "sh")
        terminal.until(b"$ ")
        fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 101, 0, 0))
        os.kill(terminal.process.pid, signal.SIGWINCH)
        time.sleep(0.5)
        terminal.type(b"stty size\r")
        terminal.until(b"31 101")
        terminal.type(b"exit\r")
        terminal.end()
    row = ended(warden, newest(warden, "exec", "sized")["id"])

    assert "101x31" in [data for _, code, data in events(warden, row["id"]) if code == "r"]


def test_what_is_typed_without_echo_and_delivered_secrets_are_not_on_tape(warden: Warden) -> None:
    put(warden, ALICE, "people/alice/taped", b"delivered-s3cret-value")
    with container(warden, "quiet", "-e", "T=dockwarden://people/alice/taped"):
        terminal = Terminal(warden, "exec", "-it", "quiet", "sh")
        terminal.until(b"$ ")
        terminal.type(b"read -s pw; echo got ${#pw}; cat /run/secrets/T\r")
        time.sleep(0.5)
        terminal.type(b"hunter2-hunter2\r")
        terminal.until(b"delivered-s3cret-value")
        terminal.type(b"exit\r")
        terminal.end()
    row = ended(warden, newest(warden, "exec", "quiet")["id"])
    text = exported(warden, row["id"])

    assert "got 15" in text
    assert "[masked]" in text
    assert "hunter2" not in text
    assert "delivered-s3cret" not in text


def test_who_may_see_which(warden: Warden) -> None:
    with container(warden, "whose"):
        warden.docker("exec", "whose", "true")
    id = newest(warden, "exec", "whose")["id"]

    def said(uid: int, verb: str, body: dict[str, Any]) -> int:
        done = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", str(warden.dir / "control.sock"), "-d", json.dumps(body), f"http://d/v1/session/{verb}"],
            capture_output=True, text=True, check=False, user=uid, group=uid, extra_groups=[],
        )  # fmt: skip
        return int(done.stdout)

    assert [403, 404, 200, 403] == [said(uid, "export", {"id": id}) for uid in (ALICE, BOB, AUDITOR, OPS)]
    assert 404 == said(BOB, "kill", {"id": id}) == said(BOB, "kill", {"id": "20260101-000000-000000000000"})
    assert 400 == said(OPS, "kill", {"id": id})
    about = [entry for entry in warden.entries() if f"Session:{id}" == entry.get("resource")]
    assert {("intent", "session.export"), ("refused", "session.export")} <= {(entry["kind"], entry["action"]) for entry in about}


@pytest.mark.alone
def test_a_session_is_watched_while_it_lasts_and_ended_from_outside(warden: Warden) -> None:
    with container(warden, "watched"):
        terminal = Terminal(warden, "exec", "-it", "watched", "sh")
        terminal.until(b"$ ")
        terminal.type(b"echo before-$((1 + 1))\r")
        terminal.until(b"before-2")
        id = newest(warden, "exec", "watched")["id"]
        watcher = subprocess.Popen(
            ["curl", "-sN", "--unix-socket", str(warden.dir / "control.sock"), "-d", json.dumps({"id": id}), "http://d/v1/session/watch"],
            stdout=subprocess.PIPE, user=AUDITOR, group=AUDITOR, extra_groups=[],
        )  # fmt: skip
        time.sleep(0.5)
        terminal.type(b"echo after-$((2 + 2)); sleep 500\r")
        terminal.until(b"after-4")
        began = time.monotonic()
        killed = cli(warden, "session", "kill", id, "--why", "enough of it")
        assert 0 == killed.returncode, killed.stderr
        terminal.end()
        assert time.monotonic() - began < 5
        assert b"dockwarden: ended by root: enough of it" in terminal.shown
        seen, _ = watcher.communicate(timeout=10)
        left = warden.docker("top", "watched", "-o", "pid,args").stdout
        told = cli(warden, "session", "list").stdout
        assert any(line.startswith(id) and "killed by root" in line for line in told.splitlines()), told
        assert any(line.startswith(f"{id}: killed 20") and line.endswith("Z by root: enough of it") for line in told.splitlines()), told
    shown = b"".join(base64.b64decode(json.loads(line)[2]) for line in seen.splitlines()[1:] if json.loads(line)[1] == 1)
    assert b"before-2" in shown
    assert b"after-4" in shown
    assert "sleep 500" not in left
    assert "sleep 600" in left
    assert "watched by audra" in [data for _, code, data in events(warden, id) if code == "m"]


@pytest.fixture
def lone(engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warden]:
    folder = Path("/var/tmp") / f"dwlone{os.getpid()}{tmp_path_factory.getbasetemp().name}"
    folder.mkdir(mode=0o755)
    made = Warden(folder, engine.address)
    made.init()
    made.start()
    yield made
    made.stop()
    made.remove()


def test_a_kill_loses_nothing_that_was_shown_and_the_tape_gets_its_end(lone: Warden) -> None:
    with container(lone, "killed"):
        terminal = Terminal(lone, "exec", "-it", "killed", "sh")
        terminal.until(b"$ ")
        terminal.type(b"i=0; while [ $i -lt 300 ]; do echo line-$i; i=$((i+1)); usleep 5000; done\r")
        terminal.until(b"line-40\r\n")
        lone.stop(signal.SIGKILL)
        terminal.end()
        lone.start()
        row = newest(lone, "exec", "killed")
        shown = "".join(data for _, code, data in events(lone, row["id"]) if code == "o")
    verified = cli(lone, "session", "verify", row["id"])

    assert ("cut off", 0) == (row["state"], verified.returncode), verified.stderr
    told = re.sub(r"(?s)\r?\n?error during.*|\r?\n?unexpected.*", "", terminal.shown.decode())
    assert shown.startswith(told[: told.rindex("line-")]), (shown[-80:], told[-80:])


def test_without_room_for_a_tape_no_session_begins_and_policy_may_let_it(lone: Warden) -> None:
    with container(lone, "full"):
        tapes = lone.dir / "state" / "tapes"
        tapes.rename(tapes.with_name("away"))
        tapes.write_text("no folder")
        refused = lone.docker("exec", "full", "echo", "hello")
        assert (True, True) == (refused.returncode != 0, "cannot be recorded" in refused.stderr), refused.stderr
        assert "hello" not in refused.stdout
        file = lone.dir / "policies" / "developers.cedar"
        file.write_text(file.read_text().replace('@harden("run-as-caller, no-new', '@harden("record=alarm, run-as-caller, no-new'))
        end = time.monotonic() + 10
        while "hello\n" != (done := lone.docker("exec", "full", "echo", "hello")).stdout:
            assert time.monotonic() < end, done.stderr
        tapes.unlink()
        tapes.with_name("away").rename(tapes)


def test_the_server_s_folder_is_listed_without_it_too(lone: Warden) -> None:
    assert 0 == lone.docker("run", "--rm", "--name", "offline", "busybox", "echo", "x").returncode
    ended(lone, newest(lone, "attach", "offline")["id"])
    lone.stop()
    assert ["offline"] == [row["target"] for row in listed(lone)]
    assert "1 of 1 tapes are what was recorded" in cli(lone, "session", "verify").stdout
    (reel,) = (lone.dir / "state" / "tapes").glob("*/*.reel")
    data = bytearray(reel.read_bytes())
    data[-1] ^= 1
    reel.write_bytes(data)
    broken = cli(lone, "session", "verify")
    assert (1, True) == (broken.returncode, "BROKEN at segment" in broken.stderr)
    reel.parent.rename(lone.dir / "stolen")
    gone = cli(lone, "session", "verify")
    assert (1, True) == (gone.returncode, "whole tape is missing" in gone.stderr)
    lone.start()


def test_a_secret_that_was_shown_or_typed_is_neither_on_tape_nor_found(warden: Warden) -> None:
    """Nobody delivered it: its form or its name gives it away. The person sees it; the export and the search have none of it."""
    token, password = "ghp_" + "Zq7Lw2Nx9Kd4" * 3, "tr0ub4dorx3"
    with container(warden, "found"):
        terminal = Terminal(warden, "exec", "-it", "found", "sh")
        terminal.until(b"$ ")
        for line in (f"export DB_PASSWORD={password}", f"echo {token}", "export API_SECRET=4corn8$(echo quokka)", "env; echo wom''bat"):
            terminal.type(f"{line}\r".encode())
            terminal.until(line.encode())
        terminal.until(b"wombat")
        terminal.type(b"exit\r")
        terminal.end()
    row = ended(warden, newest(warden, "exec", "found")["id"])
    found = events(warden, row["id"])
    kept, typed = ("".join(data for _, code, data in found if code == kind) for kind in "oi")

    for secret in (token, password, "4corn8quokka"):
        assert (True, False, False) == (secret.encode() in terminal.shown, secret[4:] in kept, secret[4:] in typed)
    assert "export DB_PASSWORD=[masked]\recho ghp_[masked]\r" in typed
    assert "API_SECRET=[masked]\r\n" in kept
    marks = [data for _, code, data in found if code == "m"]
    assert {f"masked: password of {len(password)} bytes", "masked: github-token of 36 bytes"} < set(marks)
    assert marks[-1].startswith("masked in all: ")
    end = time.monotonic() + 30
    while not json.loads(cli(warden, "session", "search", "--json", "wombat").stdout):
        assert time.monotonic() < end
        time.sleep(0.2)
    for secret in (token, token[4:], password, "4corn8quokka"):
        assert [] == json.loads(cli(warden, "session", "search", "--json", secret).stdout)
