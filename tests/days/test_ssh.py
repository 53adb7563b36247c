"""People reach hosts, containers and the Docker API by plain `ssh`, recorded."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pty
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from days.test_secrets import cli
from days.test_sessions import ended, events, exported, listed
from fixtures.engine import PrivateEngine
from fixtures.ssh import LOGIN, Bastion, Target, keygen, openssh_server, ssh_door
from fixtures.warden import ALICE

T = TypeVar("T")
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with openssh_server() as made:
        yield made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's authority for people's certificates."""
    keygen(key := tmp_path_factory.mktemp("authority") / "ca")
    return key


@pytest.fixture(scope="module")
def bastion(engine: PrivateEngine, target: Target, authority: Path) -> Iterator[Bastion]:
    with ssh_door(engine.address, target, f'\n[ssh]\nuser_ca = ["{authority.with_suffix(".pub").read_text().strip()}"]\n') as made:
        yield made


def newest(bastion: Bastion, kind: str) -> str:
    rows = [row for row in listed(bastion.warden) if row["kind"] == kind]
    return str(max(rows, key=lambda row: int(row["started"]))["id"])


def test_an_operator_runs_a_program_on_a_host_and_it_is_on_tape(bastion: Bastion) -> None:
    done = bastion.run("olga", "%web", "cat; echo err >&2; exit 7", input=b"typed\n")

    assert (7, b"typed\n", b"err\n") == (done.returncode, done.stdout, done.stderr)
    row = ended(bastion.warden, newest(bastion, "ssh.exec"))
    assert ("olga", "web", "ended") == (row["person"], row["target"], row["state"])
    for stream, text in (("out", "typed\n"), ("err", "err\n"), ("in", "typed\n")):
        assert text == exported(bastion.warden, row["id"], "--format", "raw", "--stream", stream)
    assert ["x", "7"] == events(bastion.warden, row["id"])[-1][1:]


def test_a_secret_that_a_program_shows_is_not_on_tape_and_an_archive_is_as_it_was(bastion: Bastion) -> None:
    text = b"DB_PASSWORD=tr0ub4dor&3\nURL=postgres://app:s3cr3t@db/x\n"
    done = bastion.run("olga", "%web", "cat; printf 'x\\0\\0TOKEN=abc123\\n'", input=text)
    row = ended(bastion.warden, newest(bastion, "ssh.exec"))

    assert text + b"x\0\0TOKEN=abc123\n" == done.stdout
    masked = "URL=postgres://app:[masked]@db/x\n"
    assert f"DB_PASSWORD=[masked]\n{masked}x\0\0TOKEN=abc123\n" == exported(bastion.warden, row["id"], "--format", "raw", "--stream", "out")
    assert f"DB_PASSWORD=[masked]&3\n{masked}" == exported(bastion.warden, row["id"], "--format", "raw", "--stream", "in")


def test_what_nobody_permits_goes_nowhere(bastion: Bastion, target: Target) -> None:
    before = (target.folder / "log").read_text().count("Accepted")
    for who, where in (("alice", "%web"), ("olga", "%prod"), ("olga", "%nowhere"), ("olga", "")):
        done = bastion.run(who, where, "true")
        assert (255, True) == (done.returncode, done.stderr.startswith(b"dockwarden: ")), done.stderr
    assert before == (target.folder / "log").read_text().count("Accepted")


def test_nobody_comes_in_with_another_s_key(bastion: Bastion) -> None:
    shutil.copy(bastion.keys / "alice", bastion.keys / "mallory")
    for name in ("mallory%web", "olga%web", "nobody%web"):
        words = [*bastion.words("mallory", "")[:-1], f"{name}@127.0.0.1", "true"]
        done = subprocess.run(words, capture_output=True, timeout=12, check=False)
        assert (255, True) == (done.returncode, b"Permission denied" in done.stderr), done.stderr


@pytest.mark.parametrize(("option", "code"), [
    ("KexAlgorithms=ecdh-sha2-nistp256", 0), ("KexAlgorithms=diffie-hellman-group14-sha256", 255),
    ("Ciphers=aes256-gcm@openssh.com", 0), ("Ciphers=aes256-ctr,chacha20-poly1305@openssh.com", 255),
])  # fmt: skip
def test_what_is_weaker_or_costs_much_is_not_spoken(bastion: Bastion, option: str, code: int) -> None:
    assert code == bastion.run("olga", "%web", "true", options=("-o", option)).returncode


def test_a_shell_in_a_terminal(bastion: Bastion) -> None:
    master, slave = pty.openpty()
    client = subprocess.Popen(bastion.words("olga", "%web", "-tt"), stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    shown = b""

    def until(text: bytes) -> None:
        nonlocal shown
        end = time.monotonic() + 15
        while text not in shown:
            assert time.monotonic() < end, shown
            if select.select([master], [], [], 0.2)[0]:
                shown += os.read(master, 65536)

    until(b"$ ")
    os.write(master, b"echo a-$((40 + 2)); tty\r")
    until(b"/dev/pts/")
    os.write(master, b"exit 3\r")
    assert 3 == client.wait(15)
    os.close(master)
    row = ended(bastion.warden, newest(bastion, "ssh.shell"))
    text = "".join(data for _, code, data in events(bastion.warden, row["id"]) if code == "o")
    assert "a-42" in text
    assert text.startswith(shown.decode()[:40])


@pytest.mark.parametrize("options", [("-R", "0:127.0.0.1:22"), ("-A",), ("-X",)], ids=lambda one: one[0])
def test_what_else_there_is_in_ssh_is_open_to_nobody(bastion: Bastion, options: tuple[str, ...]) -> None:
    done = bastion.run("adam", "%web", "echo agent=$SSH_AUTH_SOCK display=$DISPLAY", options=options)
    assert b"agent= display=\n" == done.stdout


def test_docker_over_ssh_needs_nothing_at_the_client(bastion: Bastion, tmp_path: Path) -> None:
    wrapper = tmp_path / "ssh"
    words = " ".join(bastion.words("alice", "")[1:-1])
    wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/ssh {words} "$@"\n')
    wrapper.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "DOCKER_HOST": f"ssh://alice@127.0.0.1:{bastion.port}", "DOCKER_BUILDKIT": "0"}
    done = subprocess.run(["docker", "run", "--rm", "busybox", "id", "-u"], capture_output=True, text=True, timeout=25, check=False, env=environment)
    assert (0, f"{ALICE}\n") == (done.returncode, done.stdout), done.stderr
    began = ["docker", "run", "-d", "--name", "afar", "busybox", "sleep", "60"]
    assert 0 == subprocess.run(began, capture_output=True, timeout=25, check=False, env=environment).returncode
    entered = subprocess.run(["docker", "exec", "-i", "afar", "cat"], input=b"in\n", capture_output=True, timeout=25, check=False, env=environment)
    assert (0, b"in\n", b"") == (entered.returncode, entered.stdout, entered.stderr)  # and not: did not exit after EOF
    subprocess.run(["docker", "rm", "-f", "afar"], capture_output=True, timeout=25, check=True, env=environment)
    refused = subprocess.run(["docker", "run", "--rm", "--privileged", "busybox"], capture_output=True, text=True, timeout=25, check=False, env=environment)
    assert "HostConfig.Privileged" in refused.stderr


def test_into_a_container_by_ssh(bastion: Bastion) -> None:
    warden = bastion.warden
    assert 0 == warden.docker("run", "-d", "--name", "shop", "busybox", "sleep", "600").returncode
    done = bastion.run("alice", "%container.shop", "cat; id -u; echo err >&2; exit 4", input=b"in\n")
    assert (4, f"in\n{ALICE}\n".encode(), b"err\n") == (done.returncode, done.stdout, done.stderr)
    refused = bastion.run("olga", "%container.shop", "true")
    assert (255, True) == (refused.returncode, b"dockwarden: " in refused.stderr)
    rows = [row for row in listed(warden) if row["target"] == "shop"]
    assert [("alice", "exec")] == [(row["person"], row["kind"]) for row in rows]
    warden.docker("rm", "-f", "shop")


def test_a_certificate_of_ours_lets_in_for_minutes(bastion: Bastion, target: Target) -> None:
    (target.folder / "trusted").write_text(cli(bastion.warden, "ca", "show", "ssh-user").stdout)
    added = cli(
        bastion.warden, "host", "add", "cert", "--address", f"127.0.0.1:{target.port}", "--login", LOGIN, "--certificate", "--host-key", target.host_key
    )
    assert 0 == added.returncode, added.stderr
    assert (0, LOGIN.encode() + b"\n") == ((done := bastion.run("olga", "%cert", "id -un")).returncode, done.stdout), done.stderr
    assert "ID dockwarden olga" in (target.folder / "log").read_text()


def test_a_host_that_shows_another_key_is_not_spoken_to(bastion: Bastion, target: Target, tmp_path: Path) -> None:
    cli(bastion.warden, "host", "add", "other", "--address", f"127.0.0.1:{target.port}", "--login", LOGIN, "--secret", "hosts/web/key", "--host-key", keygen(tmp_path / "k"))
    done = bastion.run("olga", "%other", "true")
    assert (255, True) == (done.returncode, b"another key" in done.stderr), done.stderr


def test_a_login_from_which_the_engine_is_reached_is_refused(bastion: Bastion, target: Target) -> None:
    sock = socket.socket(socket.AF_UNIX)
    there = Path("/run/podman/podman.sock")
    there.parent.mkdir(exist_ok=True, mode=0o755)
    there.parent.chmod(0o755)
    sock.bind(str(there))
    there.chmod(0o666)
    words = ("--login", LOGIN, "--secret", "hosts/web/key", "--host-key", target.host_key)
    assert 0 == cli(bastion.warden, "host", "add", "near", "--address", f"localhost:{target.port}", *words).returncode
    try:
        done = bastion.run("olga", "%near", "true")
        assert (255, True) == (done.returncode, b"past every policy" in done.stderr), done.stderr
        assert 0 == bastion.run("adam", "%near", "true").returncode
    finally:
        sock.close()
        there.unlink()
    last = [entry for entry in bastion.warden.entries() if "ssh.exec" == entry.get("action") and "refused" == entry["kind"]][-1]
    assert "ssh-reaches-no-engine" in json.dumps(last)


def test_a_forward_is_judged_place_by_place_and_on_tape(bastion: Bastion, target: Target) -> None:
    place = f"127.0.0.1:{target.port}"
    refused = bastion.run("olga", "%web", options=("-W", place))
    assert (255, b"") == (refused.returncode, refused.stdout)
    assert b"SSH-2.0-OpenSSH" in bastion.run("adam", "%web", options=("-W", place)).stdout
    row = ended(bastion.warden, newest(bastion, "ssh.forward.local"))
    assert "adam" == row["person"]
    assert exported(bastion.warden, row["id"], "--format", "raw", "--stream", "out").startswith("SSH-2.0-OpenSSH")


def test_a_jump_ends_at_us_too_and_proves_itself_by_our_authority(bastion: Bastion, tmp_path: Path) -> None:
    """Plain `ssh -J bastion HOST`, with nothing trusted but the authority's key."""
    (tmp_path / "known").write_text(f"@cert-authority * {cli(bastion.warden, 'ca', 'show', 'ssh-host').stdout}")
    config = tmp_path / "config"
    config.write_text(
        f"Host *\n  IdentityFile {bastion.keys / 'olga'}\n  IdentitiesOnly yes\n  UserKnownHostsFile {tmp_path / 'known'}\n  StrictHostKeyChecking yes\n"
        f"Host bastion\n  HostName 127.0.0.1\n  Port {bastion.port}\n  User olga\nHost web prod\n  ProxyJump bastion\n"
    )
    for login in ("olga", LOGIN):
        done = subprocess.run(["ssh", "-F", str(config), f"{login}@web", "id -un"], capture_output=True, timeout=20, check=False)
        assert (0, f"{LOGIN}\n".encode()) == (done.returncode, done.stdout), done.stderr
    assert "ssh.exec" == listed(bastion.warden)[-1]["kind"]
    refused = subprocess.run(["ssh", "-F", str(config), "olga@prod", "id -un"], capture_output=True, timeout=20, check=False)
    assert (255, True) == (refused.returncode, b"ssh.exec on prod" in refused.stderr), refused.stderr


def test_a_certificate_in_a_person_s_name_lets_in_and_one_in_another_s_does_not(bastion: Bastion, authority: Path) -> None:
    for who, serial in (("olga", 0), ("alice", 255)):
        key = bastion.keys / f"certified-{who}"
        keygen(key)
        subprocess.run(["ssh-keygen", "-q", "-s", str(authority), "-I", "test", "-n", who, "-V", "+5m", str(key)], check=True, capture_output=True)
        words = [*bastion.words(key.name, "", "-o", f"CertificateFile={key}-cert.pub")[:-1], "olga%web@127.0.0.1", "true"]
        assert serial == subprocess.run(words, capture_output=True, timeout=20, check=False).returncode


def test_a_code_is_asked_for_where_policy_wants_one_and_is_good_once(bastion: Bastion, tmp_path: Path) -> None:
    warden = bastion.warden
    policy = warden.dir / "policies" / "ssh.cedar"
    before = policy.read_text()
    saved = policy.with_suffix(".new")
    saved.write_text(before.replace('@id("ssh-people-come-in")', '@id("ssh-people-come-in")\n@harden("second-factor")'))
    saved.rename(policy)  # at once: of a file that is half written, nobody may come in, which is refused in other words
    try:
        none = until(lambda: bastion.run("olga", "%web", "true", options=("-o", "BatchMode=yes")), lambda done: 255 == done.returncode)
        assert b"dockwarden totp enroll" in none.stderr
        uri = cli(warden, "totp", "enroll", "olga").stdout.strip()
        code = totp(uri)
        (ask := tmp_path / "ask").write_text(f"#!/bin/sh\ncat {tmp_path / 'code'}\n")
        ask.chmod(0o755)
        asking = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        found = []
        for given in ("000000", code, code):
            (tmp_path / "code").write_text(given)
            words = [*bastion.words("olga", "%web", "-o", "NumberOfPasswordPrompts=1"), "id -un"]
            found.append(subprocess.run(words, capture_output=True, timeout=20, check=False, env=asking).stdout)
        assert [b"", f"{LOGIN}\n".encode(), b""] == found
        assert 0 != cli(warden, "totp", "enroll", "olga").returncode
        assert 0 == cli(warden, "totp", "remove", "olga").returncode
    finally:
        policy.write_text(before)
        until(lambda: bastion.run("olga", "%web", "true", options=("-o", "BatchMode=yes")), lambda done: 0 == done.returncode)


@pytest.mark.parametrize("protocol", ["-s", "-O"])
def test_files_are_judged_apart_and_told_with_what_moved(bastion: Bastion, target: Target, tmp_path: Path, protocol: str) -> None:
    """Who may only read may not write, whichever protocol; the ledger has path, size and digest."""
    policy = bastion.warden.dir / "policies" / "more.cedar"
    policy.write_text(
        '@id("more-alice-reads")\npermit (principal == User::"alice", action in [Action::"ssh.sftp", Action::"ssh.sftp.read"], resource == Host::"web")\n'
        'when { context.file.path == "" || context.file.path like "/home/*" };\n'
    )
    content = os.urandom(300_000)
    there, here = Path("/home") / LOGIN / f"file{protocol}", tmp_path / "file"
    there.write_bytes(content)

    def scp(who: str, *words: str) -> subprocess.CompletedProcess[bytes]:
        options = [word if word != "-p" else "-P" for word in bastion.words(who, "")[1:-1]]
        return subprocess.run(["scp", protocol, *options, *words], capture_output=True, timeout=20, check=False)

    try:
        done = until(lambda: scp("alice", f"alice%web@127.0.0.1:{there}", str(here)), lambda done: 0 == done.returncode)
        assert content == here.read_bytes(), done.stderr
        for words in ((str(here), f"alice%web@127.0.0.1:{there}.new"), ("alice%web@127.0.0.1:/etc/passwd", str(here))):
            refused = scp("alice", *words)
            assert (True, True) == (0 != refused.returncode, b"refused for alice" in refused.stderr), refused.stderr
        assert not Path(f"{there}.new").exists()
        assert 0 == scp("olga", str(here), f"olga%web@127.0.0.1:{there}.new").returncode
    finally:
        policy.unlink()
    digest = hashlib.sha256(content).hexdigest()
    told = [entry["detail"] for entry in bastion.warden.entries() if digest in json.dumps(entry.get("detail"))]
    # With the old protocol, a target may be a file's name or a folder's: both are told.
    names = [(one["deed"], {one["path"], one.get("other", one["path"])}) for one in told]  # type: ignore[index,attr-defined]  # a table
    assert [("read", True), ("write", True)] == [(names[0][0], str(there) in names[0][1]), (names[1][0], f"{there}.new" in names[1][1])]
    marks = [data for _, code, data in events(bastion.warden, newest(bastion, "ssh.sftp")) if code == "m"]
    assert any(mark.startswith(f"write {there}.new") and mark.endswith("done, 300000 bytes") for mark in marks), marks


def until(deed: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """What `deed` gives once it is so; policies are read again within seconds."""
    end = time.monotonic() + 20
    while not holds(found := deed()):
        assert time.monotonic() < end, found
        time.sleep(0.2)
    return found


def totp(uri: str) -> str:
    """The code that an authenticator shows soon: those of the half minute in which the door opened count as used."""
    key = base64.b32decode(parse_qs(urlsplit(uri).query)["secret"][0])
    return TOTP(key, 6, SHA1(), 30).generate(int(time.time()) + 30).decode()
