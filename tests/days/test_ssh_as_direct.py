"""The same sessions direct and through us: the same bytes, in the same order, the same exit codes and signals."""

from __future__ import annotations

import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

import pytest

from fixtures.engine import PrivateEngine
from fixtures.ssh import LOGIN, Target, openssh_server, ssh_door

pytestmark = pytest.mark.timeout(300)
WAIT_S = 60


@dataclass
class Way:
    """One way to the login: an ssh configuration in which `target` is it."""

    name: str
    config: Path
    home: Path

    def run(self, *words: str, input: bytes = b"") -> tuple[int, bytes, bytes]:
        done = subprocess.run([*words], capture_output=True, input=input, timeout=WAIT_S, check=False, env=self.environment)
        return done.returncode, done.stdout, done.stderr

    def ssh(self, *words: str, input: bytes = b"") -> tuple[int, bytes, bytes]:
        return self.run("ssh", "-F", str(self.config), *words, input=input)

    @property
    def environment(self) -> dict[str, str]:
        ssh = f"ssh -F {self.config}"
        return {**os.environ, "LC_ALL": "C.UTF-8", "GIT_SSH_COMMAND": ssh, "RSYNC_RSH": ssh, "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": "/nonexistent"}


@dataclass
class Ways:
    direct: Way
    through: Way
    target: Target

    def __iter__(self) -> Iterator[Way]:
        return iter((self.direct, self.through))


@pytest.fixture(scope="module")
def ways(engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp("ways")
    with openssh_server() as target, ssh_door(engine.address, target) as bastion:
        made = []
        for name, port, user, key in (("direct", target.port, LOGIN, target.key), ("through", bastion.port, "olga%web", bastion.keys / "olga")):
            config = folder / f"{name}.config"
            config.write_text(
                f"Host target\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  IdentityFile {key}\n  IdentitiesOnly yes\n"
                "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  SendEnv LC_ALL\n"
            )
            made.append(Way(name, config, Path("/home") / LOGIN / name))
            assert 0 == made[-1].ssh("target", f"mkdir -p {made[-1].home}")[0]
        yield Ways(made[0], made[1], target)


@pytest.mark.parametrize(
    ("command", "input"),
    [
        ("exit 0", b""),
        ("exit 7", b""),
        ("kill -TERM $$", b""),
        ("kill -KILL $$", b""),
        ("nonexistent-command", b""),
        ("cat", os.urandom(3 << 20)),
        ("cat >/dev/null; echo after the end", b"x" * 100_000),
        ("head -c 10; exit 3", b"y" * 3_000_000),
        ("head -c 5000000 /dev/zero", b""),
        ("for i in 1 2 3; do echo out $i; echo err $i >&2; done", b""),
        ("exec 1>&-; sleep 0.1; echo late >&2", b""),
        ("echo $LC_ALL $SSH_ORIGINAL_COMMAND", b""),
        ("printf '\\000\\377\\033[31m\\r\\n'", b""),
        ("read line; echo got $line; read line; echo got $line", b"one\ntwo\n"),
        ("tty; echo $TERM", b""),
        ("", b"echo from a shell without a terminal; exit 5\n"),
        ("echo 'with \"quotes\" and $(echo words)'", b""),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_program_is_as_it_would_be(ways: Ways, command: str, input: bytes) -> None:
    direct, through = (way.ssh("target", *([command] if command else []), input=input) for way in ways)
    assert direct == through


def in_terminal(way: Way, keys: list[tuple[bytes, bytes]], *words: str, size: tuple[int, int] = (33, 101)) -> tuple[int, bytes]:
    """A session in a terminal: wait for some bytes, then type; its exit code and all it showed."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    client = subprocess.Popen(
        ["ssh", "-F", str(way.config), "-tt", "target", *words], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**way.environment, "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    shown, at = b"", 0
    end = time.monotonic() + WAIT_S
    try:
        while True:
            assert time.monotonic() < end, shown
            if select.select([master], [], [], 0.1)[0]:
                try:
                    piece = os.read(master, 65536)
                except OSError:
                    break
                if not piece:
                    break
                shown += piece
            while keys and (found := shown.find(keys[0][0], at)) >= 0:
                at = found + len(keys[0][0])
                typed = keys.pop(0)[1]
                if typed.startswith(b"RESIZE "):
                    ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *map(int, typed.split()[1:]), 0, 0))
                else:
                    os.write(master, typed)
    finally:
        os.close(master)
    return client.wait(WAIT_S), shown


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("stty size; echo $TERM; read x; stty size", [(b"xterm\r\n", b"RESIZE 40 132"), (b"", b"go\r")]),
        ("stty -echo; echo ready; read secret; stty echo; echo $secret | wc -c", [(b"ready\r\n", b"hidden words\r")]),
        ("trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done", [(b"ready\r\n", b"\x03")]),
        ("echo ready; cat; echo end", [(b"ready\r\n", b"line\r"), (b"line\r\nline\r\n", b"\x04")]),
        ("exit 42", []),
    ],
    ids=["resize", "no echo", "interrupt", "end of input", "status"],
)
def test_a_terminal_is_as_it_would_be(ways: Ways, command: str, keys: list[tuple[bytes, bytes]]) -> None:
    direct, through = (in_terminal(way, list(keys), command) for way in ways)
    assert direct == through


def test_an_editor_and_tmux_work_in_it(ways: Ways) -> None:
    for way in ways:
        file = way.home / "edited"
        code, shown = in_terminal(way, [(b"~", b"iwritten in an editor\x1b:wq\r")], f"vim.tiny -u NONE {file}")
        assert (0, b"written in an editor\n") == (code, file.read_bytes()), shown
        socket = way.home / "tmux"
        code, shown = in_terminal(way, [(b"within-42", b"\x02d"), (b"detached", b"")], f"tmux -S {socket} new 'echo within-$((40+2)); sleep 30'")
        assert (0, True) == (code, b"detached" in shown), shown
        assert 0 == way.ssh("target", f"tmux -S {socket} kill-server")[0]


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path.relative_to(folder)): (path.stat().st_mode, b"" if path.is_dir() else path.read_bytes()) for path in sorted(folder.rglob("*"))}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files of many kinds."""
    folder = tmp_path / "files"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "empty").touch()
    (folder / "name with ünïcode & 'quotes'").write_bytes(b"x")
    (folder / "deep" / "er" / "big").write_bytes(os.urandom(4 << 20))
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    return folder


@pytest.mark.parametrize("words", [("scp", "-O", "-rp"), ("scp", "-s", "-rp"), ("rsync", "-rp")], ids=lambda words: " ".join(words))
def test_files_go_there_and_back(ways: Ways, files: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    for way in ways:
        with_config = [*words, "-F", str(way.config)] if words[0] == "scp" else list(words)
        there = way.home / f"{words[0]}{''.join(words[1:])}"
        assert (0, b"") == (done := way.run(*with_config, f"{files}/", f"target:{there}"))[::2], done
        there = there / "files" if (there / "files").is_dir() else there
        assert tree(files) == tree(there)
        assert (0, b"") == (done := way.run(*with_config, f"target:{there}/", str(back := tmp_path / f"back-{way.name}")))[::2], done
        assert tree(files) == tree(back / there.name if (back / there.name).is_dir() else back)


def test_an_sftp_batch_says_and_does_the_same(ways: Ways, files: Path, tmp_path: Path) -> None:
    found = []
    for way in ways:
        batch = tmp_path / f"{way.name}.batch"
        batch.write_text(
            f"cd {way.home}\nmkdir sftp\ncd sftp\nput -rp {files}\nls -1 files\nrename files/run files/ran\nchmod 600 files/ran\nln -s ran files/link\n"
            f"-get nothing {tmp_path}\nget -rp files {tmp_path}/{way.name}-got\nrm files/link\n-rmdir files\npwd\n"
        )
        code, out, err = way.run("sftp", "-q", "-F", str(way.config), "-b", str(batch), "target")
        found.append((code, *(text.replace(str(way.home).encode(), b"HOME").replace(f"{way.name}-got".encode(), b"GOT") for text in (out, err))))
    assert found[0] == found[1]
    assert (0, tree(tmp_path / "direct-got")) == (found[0][0], tree(tmp_path / "through-got"))
    assert "ran" in tree(tmp_path / "direct-got")


def test_git_clones_and_pushes(ways: Ways, tmp_path: Path) -> None:
    for way in ways:
        bare, clone = way.home / "repo.git", tmp_path / way.name
        assert 0 == way.ssh("target", f"git init -q --bare {bare}")[0]
        assert 0 == way.run("git", "clone", "-q", f"target:{bare}", str(clone))[0]
        (clone / "file").write_bytes(os.urandom(1 << 20))
        commit = ("-c", "user.name=a", "-c", "user.email=a@b.test", "commit", "-qm", "one")
        for words in (("add", "."), commit, ("push", "-q", "origin", "HEAD:main")):
            assert 0 == (done := way.run("git", "-C", str(clone), *words))[0], done
        assert 0 == way.run("git", "clone", "-q", "-b", "main", f"target:{bare}", str(tmp_path / f"{way.name}-again"))[0]
        assert (clone / "file").read_bytes() == (tmp_path / f"{way.name}-again" / "file").read_bytes()


def test_many_sessions_go_over_one_connection(ways: Ways) -> None:
    for way in ways:
        shared = ("-o", f"ControlPath=/var/tmp/{LOGIN}.{way.name}", "-o", "ControlMaster=auto", "-o", "ControlPersist=yes")
        # The connection that stays keeps what it inherits: it gets no pipe of ours.
        subprocess.run(["ssh", "-F", str(way.config), *shared, "-fN", "target"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running = [
            subprocess.Popen(["ssh", "-F", str(way.config), *shared, "target", f"cat; exit {n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for n in range(8)
        ]
        found = [(one.communicate(b"%d\n" % n * 50_000, timeout=WAIT_S)[0], one.returncode) for n, one in enumerate(running)]
        assert [(b"%d\n" % n * 50_000, n) for n in range(8)] == found
        assert 0 == way.ssh(*shared, "-O", "exit", "target")[0]


def test_what_takes_nothing_more_holds_the_program_and_nothing_is_lost(ways: Ways) -> None:
    """A reader that stops for a while; between, the program must be held: little is kept in memory anywhere."""
    for way in ways:
        client = subprocess.Popen(["ssh", "-F", str(way.config), "target", "head -c 50000000 /dev/zero | tr '\\0' x"], stdout=subprocess.PIPE)
        assert client.stdout is not None
        first = client.stdout.read(10)
        time.sleep(1)
        rest = client.stdout.read()
        assert (10, 50_000_000 - 10, 0) == (len(first), len(rest), client.wait(WAIT_S))


