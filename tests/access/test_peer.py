"""Who is at the other end of a real unix socket: real processes, real namespaces."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dockwarden.access import peer
from dockwarden.access.peer import NAMESPACES, SO_PEERPIDFD, Peers, host_groups, identify
from dockwarden.access.people import parse_people
from dockwarden.words.principal import NOBODY, Account

PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin") or shutil.which("python3") or "python3"
CONNECT = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); sys.stdin.read()"
ALICE = 20001
PEOPLE = parse_people(f'[people.alice]\nuid = {ALICE}\ngroups = ["developers"]\n[people.root]\nuid = 0\ngroups = ["admins"]', "people.toml")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it makes processes of other accounts and namespaces")


@pytest.fixture
def listener() -> Iterator[tuple[socket.socket, str]]:
    folder = Path(tempfile.mkdtemp(prefix="dwpeer", dir="/var/tmp"))
    folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        (folder / "s").chmod(0o666)
        listening.listen()
        listening.settimeout(20)
        yield listening, str(folder / "s")
    shutil.rmtree(folder)


@contextlib.contextmanager
def client(listener: tuple[socket.socket, str], before: Sequence[str] = (), uid: int = 0) -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    """A process that has connected and stays; `before` is what it is started by (`unshare …`)."""
    listening, path = listener
    process = subprocess.Popen([*before, PYTHON, "-c", CONNECT, path], stdin=subprocess.PIPE, user=uid, group=uid, extra_groups=[])
    try:
        accepted, _ = listening.accept()
        with accepted:
            yield accepted, process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)


def test_a_process_of_the_host_is_the_person_of_its_uid(listener: tuple[socket.socket, str]) -> None:
    with client(listener, uid=ALICE) as (accepted, process):
        found = identify(accepted, Peers(), PEOPLE)
        seen = Peers().look(accepted)

    assert ("alice", frozenset({"developers"}), "unix", "") == (found.name, found.groups, found.via, found.why_not)
    assert (process.pid, ALICE, ALICE, "") == (seen.pid, seen.uid, seen.gid, seen.why_not)


def test_a_uid_that_is_in_no_file_is_nobody_with_a_reason(listener: tuple[socket.socket, str]) -> None:
    with client(listener, uid=20077) as (accepted, _):
        found = identify(accepted, Peers(), PEOPLE)

    assert NOBODY == found
    assert "20077" in found.why_not
    assert "people.toml" in found.why_not


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--mount"], "mnt"),
        (["--pid", "--fork", "--mount-proc"], "pid"),
        (["--user", "--map-root-user"], "user"),
        (["--mount", "--pid", "--fork"], "mnt, pid"),
    ],
)
def test_a_process_in_another_namespace_is_never_a_person_whatever_its_uid(
    listener: tuple[socket.socket, str], flags: list[str], named: str
) -> None:
    """Uid 0 in a container is uid 0 to the kernel, and root is in people.toml here."""
    with client(listener, ["unshare", *flags]) as (accepted, _):
        found = identify(accepted, Peers(), PEOPLE)

    assert NOBODY == found
    assert named in found.why_not
    assert "named door" in found.why_not


@pytest.mark.parametrize("flags", [["--net"], ["--uts"], ["--ipc"]])
def test_a_namespace_that_isolates_no_identity_makes_nobody_a_stranger(listener: tuple[socket.socket, str], flags: list[str]) -> None:
    with client(listener, ["unshare", *flags]) as (accepted, _):
        found = identify(accepted, Peers(), PEOPLE)

    assert ("root", "") == (found.name, found.why_not)


def test_a_process_that_ended_before_the_look_is_nobody(listener: tuple[socket.socket, str]) -> None:
    """Its pid may mean another process by then."""
    with client(listener) as (accepted, process):
        process.kill()
        process.wait(20)
        found = identify(accepted, Peers(), PEOPLE)

    assert NOBODY == found
    assert found.why_not


def test_a_process_that_handed_its_connection_on_and_ended_is_nobody(listener: tuple[socket.socket, str]) -> None:
    """The child keeps the connection; the one who opened it, whom the kernel names, is gone."""
    listening, path = listener
    code = f"import os,socket,time; s=socket.socket(socket.AF_UNIX); s.connect({path!r})\nif os.fork() == 0: time.sleep(3)"
    subprocess.run([PYTHON, "-c", code], check=True, timeout=20)
    accepted, _ = listening.accept()
    with accepted:
        found = identify(accepted, Peers(), PEOPLE)

    assert NOBODY == found
    assert "its process" in found.why_not


class OlderKernel:
    """A socket whose kernel answers SO_PEERPIDFD with an error, and names `pid` as the peer."""

    def __init__(self, pid: int, uid: int, error: int) -> None:
        self.pid, self.uid, self.error = pid, uid, error

    def getsockopt(self, level: int, name: int, length: int = 0, /) -> bytes:
        if name == SO_PEERPIDFD:
            raise OSError(self.error, os.strerror(self.error))
        return struct.pack("3i", self.pid, self.uid, self.uid)


def test_on_a_kernel_that_does_not_know_peer_descriptors_a_person_is_still_known() -> None:
    found = identify(OlderKernel(os.getpid(), 0, errno.ENOPROTOOPT), Peers(), PEOPLE)

    assert ("root", "") == (found.name, found.why_not)


@pytest.mark.parametrize("error", [errno.ESRCH, errno.EINVAL, errno.ENODATA])
def test_a_kernel_that_says_the_process_is_gone_is_believed_though_its_pid_lives(error: int) -> None:
    """Linux 6.5 to 6.15 answer so for a peer that was reaped; opening its pid then would open whoever has it now."""
    found = identify(OlderKernel(os.getpid(), 0, error), Peers(), PEOPLE)

    assert NOBODY == found
    assert "held" in found.why_not


def test_a_pid_that_is_another_account_s_by_now_is_nobody() -> None:
    found = identify(OlderKernel(os.getpid(), ALICE, errno.ENOPROTOOPT), Peers(), PEOPLE)

    assert NOBODY == found
    assert "gone" in found.why_not


def test_a_pid_that_changes_hands_during_the_look_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(["100", "200"])
    monkeypatch.setattr(peer, "_start_time", lambda _pid: next(times))

    assert NOBODY == identify(OlderKernel(os.getpid(), 0, errno.ENOPROTOOPT), Peers(), PEOPLE)


@pytest.mark.parametrize("pid", [0, -1])
def test_a_peer_whose_pid_cannot_be_seen_from_here_is_nobody(pid: int) -> None:
    found = identify(OlderKernel(pid, 0, errno.ENOPROTOOPT), Peers(), PEOPLE)

    assert NOBODY == found
    assert "cannot be seen" in found.why_not


def test_no_descriptor_is_left_open_by_a_look(listener: tuple[socket.socket, str]) -> None:
    with client(listener, uid=ALICE) as (accepted, _):
        peers = Peers()
        peers.look(accepted)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(50):
            peers.look(accepted)
        after = len(list(Path("/proc/self/fd").iterdir()))

    assert before == after


def test_a_look_costs_less_than_a_millisecond(listener: tuple[socket.socket, str]) -> None:
    """It is made once a connection, in the loop."""
    with client(listener, uid=ALICE) as (accepted, _):
        peers, best = Peers(), 1.0
        for _ in range(50):
            begin = time.perf_counter()
            peers.look(accepted)
            best = min(best, time.perf_counter() - begin)

    assert best < 0.001


def test_our_own_namespaces_are_taken_at_the_start() -> None:
    ours = {name: (Path("/proc/self/ns") / name).stat().st_ino for name in NAMESPACES}

    assert ours == dict(peer.namespaces_of("self"))


def test_an_account_has_the_groups_of_the_host_s_database_and_not_of_a_process() -> None:
    names, account = host_groups(0)

    assert "root" in names
    assert account is not None
    assert (0, 0) == (account.uid, account.gid)
    assert tuple(sorted(set(account.groups))) == account.groups


def test_a_uid_without_an_entry_has_no_groups_but_its_own_number() -> None:
    assert (frozenset(), Account(ALICE + 50_000, ALICE + 50_000)) == host_groups(ALICE + 50_000)
