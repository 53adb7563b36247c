"""Policy keeps what is copied: real clients and a real server, and what is exported is what is on the host, byte for byte."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pyrage
import pytest

from days.test_secrets import cli
from days.test_sessions import ended, events, exported, listed
from days.test_ssh import until
from fixtures.engine import PrivateEngine
from fixtures.ssh import LOGIN, Bastion, openssh_server, ssh_door
from fixtures.warden import OPS

pytestmark = pytest.mark.timeout(240)
LIMIT = 1 << 20
HOME = Path("/home") / LOGIN
AUDITOR = pyrage.x25519.Identity.generate()
KEPT = """@id("more-kept")
@harden("keep-files=1m")
permit (principal == User::"olga", action in [Action::"ssh.sftp.read", Action::"ssh.sftp.write"], resource == Host::"web");
"""


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two processes"])
def bastion(engine: PrivateEngine, request: pytest.FixtureRequest) -> Iterator[Bastion]:
    tapes = f'\n[tapes]\nrecipients = ["{AUDITOR.to_public()}"]\n'
    with openssh_server() as target, ssh_door(engine.address, target, tapes, processes=request.param) as made:
        (made.warden.dir / "policies" / "more.cedar").write_text(KEPT)
        (HOME / "probe").write_bytes(b"probe")
        until(lambda: (scp(made, "-s", f"olga%web@127.0.0.1:{HOME}/probe", "/dev/null"), files(made, newest(made))[0]["keep_bytes"])[1], bool)
        yield made


def scp(bastion: Bastion, protocol: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    options = [word if word != "-p" else "-P" for word in bastion.words("olga", "")[1:-1]]
    return subprocess.run(["scp", protocol, *options, *words], capture_output=True, timeout=30, check=False)


def sftp(bastion: Bastion, batch: str) -> subprocess.CompletedProcess[bytes]:
    options = [word if word != "-p" else "-P" for word in bastion.words("olga", "%web")[1:]]
    return subprocess.run(["sftp", "-b", "-", *options], input=batch.encode(), capture_output=True, timeout=30, check=False)


def by_client(bastion: Bastion, work: Callable[[asyncssh.SFTPClient], Awaitable[None]]) -> str:
    """Let `work` have a client that does what no honest one would; return the session's id."""

    async def run() -> None:
        options: dict[str, Any] = {"username": "olga%web", "client_keys": [str(bastion.keys / "olga")], "known_hosts": None, "config": None}
        async with asyncssh.connect("127.0.0.1", bastion.port, **options) as connection, connection.start_sftp_client() as client:
            await work(client)

    asyncio.run(run())
    return newest(bastion)


def newest(bastion: Bastion) -> str:
    rows = [row for row in listed(bastion.warden) if row["kind"] == "ssh.sftp"]
    id = str(max(rows, key=lambda row: int(row["started"]))["id"])
    ended(bastion.warden, id)
    return id


def files(bastion: Bastion, id: str) -> list[dict[str, Any]]:
    done = cli(bastion.warden, "session", "files", id, "--json")
    assert 0 == done.returncode, done.stderr
    return list(json.loads(done.stdout))


def contents(bastion: Bastion, id: str, *words: str) -> bytes:
    return exported(bastion.warden, id, *words).encode("latin-1")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("protocol", ["-O", "-s"])
def test_what_scp_copies_is_kept_both_ways(bastion: Bastion, tmp_path: Path, protocol: str) -> None:
    content, there = os.urandom(400_000), HOME / f"scp{protocol}"
    (tmp_path / "up").write_bytes(content)

    assert 0 == scp(bastion, protocol, str(tmp_path / "up"), f"olga%web@127.0.0.1:{there}").returncode
    up = newest(bastion)
    assert 0 == scp(bastion, protocol, f"olga%web@127.0.0.1:{there}", str(tmp_path / "down")).returncode
    down = newest(bastion)

    assert content == there.read_bytes() == (tmp_path / "down").read_bytes()
    for id, is_upload in ((up, True), (down, False)):
        (row,) = files(bastion, id)
        assert (is_upload, digest(content), len(content), True) == (row["is_upload"], row["sha256"], row["bytes"], row["is_complete"])
        assert content == contents(bastion, id, "--file", "1")


def test_what_sftp_copies_is_kept_and_the_ledger_says_so(bastion: Bastion, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "empty").write_bytes(b"")
    there = HOME / "both"
    there.mkdir(exist_ok=True)
    there.chmod(0o777)

    done = sftp(bastion, f"put {tmp_path}/a {there}/a\nput {tmp_path}/empty {there}/empty\nget {there}/a {tmp_path}/back\n")
    assert 0 == done.returncode, done.stderr
    id = newest(bastion)

    rows = files(bastion, id)
    assert [(f"{there}/a", True), (f"{there}/empty", True), (f"{there}/a", False)] == [(row["path"], row["is_upload"]) for row in rows]
    assert [content, b"", content] == [contents(bastion, id, "--file", str(number)) for number in (1, 2, 3)]
    assert b"" == contents(bastion, id, "--path", f"{there}/empty")
    twice = cli(bastion.warden, "session", "export", id, "--path", f"{there}/a")
    assert (3, True) == (twice.returncode, "files 1, 3 are called so" in twice.stderr), twice.stderr
    told = [entry["detail"] for entry in bastion.warden.entries() if digest(content) in json.dumps(entry.get("detail"))]
    assert told
    assert all(one["kept"] for one in told if one["path"] == f"{there}/a")  # type: ignore[index]  # a table
    asked = [entry for entry in bastion.warden.entries() if entry.get("action") == "session.export" and (entry.get("detail") or {}).get("file")]
    assert {1, 2, 3} <= {entry["detail"]["file"] for entry in asked}  # type: ignore[index]  # a table


def test_who_plays_or_watches_gets_no_contents(bastion: Bastion, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"only for who may export" * 10)
    assert 0 == scp(bastion, "-s", str(tmp_path / "a"), f"olga%web@127.0.0.1:{HOME}/played").returncode
    id = newest(bastion)

    assert "" == exported(bastion.warden, id, "--format", "raw")
    assert all("only for" not in str(event) for event in events(bastion.warden, id))
    asked = bastion.warden.dir / "control.sock"
    played = subprocess.run(
        ["curl", "-s", "--unix-socket", str(asked), "-d", json.dumps({"id": id}), "http://d/v1/session/play"], capture_output=True, text=True, check=True
    )
    kinds = {line[1] for line in map(json.loads, played.stdout.splitlines()) if isinstance(line, list)}
    assert 8 in kinds
    assert 10 not in kinds


def test_writes_at_any_place_make_what_the_host_has(bastion: Bastion) -> None:
    """Overlapping, sparse, repeated, cut and grown: what is exported is the file."""
    chance, there = random.Random(7), HOME / "scattered"

    async def work(client: asyncssh.SFTPClient) -> None:
        async with client.open(str(there), "w+b", encoding=None) as one:
            for step in range(120):
                if step % 17 == 16:
                    await one.truncate(chance.randrange(200_000))
                else:
                    await one.write(chance.randbytes(chance.randrange(1, 9_000)), chance.randrange(300_000))
                if step % 40 == 0:
                    await client.rename(str(there), f"{there}.{step}")
                    await client.rename(f"{there}.{step}", str(there))

    id = by_client(bastion, work)

    assert there.read_bytes() == contents(bastion, id, "--file", "1")
    assert "" == files(bastion, id)[0]["sha256"]


def test_two_handles_on_one_file_are_two_copies_and_nothing_of_either_is_lost(bastion: Bastion) -> None:
    there = HOME / "twice"

    async def work(client: asyncssh.SFTPClient) -> None:
        async with client.open(str(there), "wb", encoding=None) as one, client.open(str(there), "r+b", encoding=None) as other:
            await one.write(b"harmless, all of it")
            await other.write(b"MALWARE!", 0)

    id = by_client(bastion, work)

    assert b"MALWARE!, all of it" == there.read_bytes()
    assert [b"harmless, all of it", b"MALWARE!"] == [contents(bastion, id, "--file", number) for number in ("1", "2")]
    assert [(True, True), (True, False)] == [(row["is_upload"], row["is_complete"]) for row in files(bastion, id)]


def test_what_is_appended_is_kept_as_that(bastion: Bastion) -> None:
    there = HOME / "appended"
    there.write_bytes(b"before ")
    there.chmod(0o666)

    async def work(client: asyncssh.SFTPClient) -> None:
        async with client.open(str(there), "ab", encoding=None) as one:
            await one.write(b"and ")
            await one.write(b"after")

    id = by_client(bastion, work)

    assert b"before and after" == there.read_bytes()
    assert (b"and after", True) == (contents(bastion, id, "--file", "1"), files(bastion, id)[0]["is_appended"])


@pytest.mark.parametrize("protocol", ["-O", "-s"])
def test_no_byte_of_a_file_reaches_the_host_that_is_not_kept(bastion: Bastion, tmp_path: Path, protocol: str) -> None:
    """Who copies a little more than is kept has not copied it unkept."""
    there = HOME / f"large{protocol}"
    (tmp_path / "large").write_bytes(content := os.urandom(LIMIT + 1))

    done = scp(bastion, protocol, str(tmp_path / "large"), f"olga%web@127.0.0.1:{there}")

    assert (True, True) == (0 != done.returncode, b"of no file beyond 1048576 bytes" in done.stderr), done.stderr
    (row,) = files(bastion, newest(bastion))
    assert (False, 3) == (row["is_complete"], row["status"])
    reached = there.read_bytes() if there.exists() else b""
    assert content[:LIMIT].startswith(reached)
    assert reached == contents(bastion, newest(bastion), "--file", "1")[: len(reached)]


@pytest.mark.parametrize("protocol", ["-O", "-s"])
def test_no_byte_of_a_large_file_is_fetched_that_is_not_kept(bastion: Bastion, tmp_path: Path, protocol: str) -> None:
    there, here = HOME / f"fetched{protocol}", tmp_path / "here"
    there.write_bytes(os.urandom(LIMIT + 50_000))

    done = scp(bastion, protocol, f"olga%web@127.0.0.1:{there}", str(here))

    assert (True, True) == (0 != done.returncode, b"of no file beyond 1048576 bytes" in done.stderr), done.stderr
    assert (here.stat().st_size if here.exists() else 0) <= LIMIT


def test_a_file_of_just_the_size_passes_both_ways(bastion: Bastion, tmp_path: Path) -> None:
    (tmp_path / "just").write_bytes(content := os.urandom(LIMIT))
    done = sftp(bastion, f"put {tmp_path}/just {HOME}/just\nget {HOME}/just {tmp_path}/back\n")

    assert (0, content) == (done.returncode, (tmp_path / "back").read_bytes()), done.stderr
    assert [content, content] == [contents(bastion, newest(bastion), "--file", number) for number in ("1", "2")]


def test_tricks_with_places_pass_nothing_unkept(bastion: Bastion) -> None:
    """Beyond 2^63, across the bound, a size beyond it, and what the server would copy by itself."""
    there, refused = HOME / "tricks", list[str]()

    async def no(deed: Awaitable[Any]) -> None:
        try:
            await deed
        except asyncssh.SFTPPermissionDenied as error:
            refused.append(error.reason)

    async def work(client: asyncssh.SFTPClient) -> None:
        (HOME / "secret").write_bytes(b"not seen by us")
        one = await client.open(str(there), "w+b", encoding=None)
        await one.write(b"kept", 0)
        for place in (2**63, 2**64 - 4, LIMIT - 3, LIMIT):
            await no(one.write(b"four", place))
        await no(one.truncate(LIMIT + 1))
        await one.write(b"more", 4)
        await no(one.close())
        await no(client.remote_copy(str(HOME / "secret"), str(there)))

    id = by_client(bastion, work)

    assert 7 == len(refused), refused
    assert b"keptmore" == contents(bastion, id, "--file", "1")
    assert there.read_bytes() in (b"keptmore", b"")  # the last copy may have emptied it before it was refused


def test_names_that_steer_a_terminal_are_shown_and_do_nothing(bastion: Bastion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    names = [b"\x1b]0;owned\x07\x1b[2J", b"two\nlines", b"[/bold]", b"\xff\xfe", "\u202egpj.exe".encode(), b"back\\slash"]

    async def work(client: asyncssh.SFTPClient) -> None:
        await client.mkdir(os.fsencode(HOME) + b"/[")
        for number, name in enumerate(names):
            async with client.open(os.fsencode(HOME) + b"/" + name, "wb", encoding=None) as one:
                await one.write(b"%d" % number)

    id = by_client(bastion, work)
    shown = cli(bastion.warden, "session", "files", id)

    assert 0 == shown.returncode, shown.stderr
    text = shown.stdout.encode("latin-1").decode()
    assert all(char == "\n" or char.isprintable() for char in text)
    assert "[/bold]" in text
    paths = [row["path"] for row in files(bastion, id)]
    assert len(names) == len(set(paths))
    for number, path in enumerate(paths):
        assert str(number).encode() == contents(bastion, id, "--path", path)
    for path in ("../../etc/passwd", "/etc/passwd", f"{HOME}/two\nlines", "\x1b[2J"):
        done = cli(bastion.warden, "session", "export", id, "--path", path)
        assert (3, "") == (done.returncode, done.stdout)
        assert "\x1b" not in done.stderr


def test_an_auditor_exports_from_a_copy_without_a_server(bastion: Bastion, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content := os.urandom(100_000))
    assert 0 == scp(bastion, "-O", str(tmp_path / "a"), f"olga%web@127.0.0.1:{HOME}/audited").returncode
    id = newest(bastion)
    (tmp_path / "key.txt").write_text(str(AUDITOR))
    (tmp_path / "tapes").mkdir()
    subprocess.run(["cp", "-r", str(bastion.warden.dir / "state" / "tapes" / id), str(tmp_path / "tapes")], check=True)

    def offline(*words: str) -> subprocess.CompletedProcess[bytes]:
        more = ["--tapes", str(tmp_path / "tapes"), "--identity", str(tmp_path / "key.txt")]
        return subprocess.run([sys.executable, "-m", "dockwarden", "session", *words, *more], capture_output=True, timeout=60, check=False)

    listed_ = offline("files", id, "--json")
    assert [digest(content)] == [row["sha256"] for row in json.loads(listed_.stdout)], listed_.stderr
    done = offline("export", id, "--file", "1")
    assert (0, content) == (done.returncode, done.stdout), done.stderr
    assert digest(content).encode() in done.stderr


def test_who_may_not_export_hears_nothing_of_files(bastion: Bastion) -> None:
    id = newest(bastion)
    for verb in ("files", "export"):
        before = len(bastion.warden.entries())
        said = subprocess.run(
            ["curl", "-s", "-w", "%{http_code}", "--unix-socket", str(bastion.warden.dir / "control.sock"),
             "-d", json.dumps({"id": id} | ({"file": 1} if verb == "export" else {})), f"http://d/v1/session/{verb}"],
            capture_output=True, text=True, check=True, user=OPS, group=OPS, extra_groups=[],
        )  # fmt: skip
        assert said.stdout.endswith("403"), said.stdout
        assert len(bastion.warden.entries()) > before


@pytest.mark.parametrize("protocol", ["-O", "-s"])
def test_nothing_is_copied_in_a_session_that_is_not_recorded(bastion: Bastion, tmp_path: Path, protocol: str) -> None:
    """Though policy lets the session itself go on so."""
    warden, there = bastion.warden, HOME / f"unrecorded{protocol}"
    (tmp_path / "a").write_bytes(b"not on any tape")
    tapes, alarm = warden.dir / "state" / "tapes", warden.dir / "policies" / "alarm.cedar"
    alarm.write_text('@id("alarm-olga")\n@harden("record=alarm")\npermit (principal == User::"olga", action == Action::"ssh.sftp", resource);\n')
    tapes.rename(tapes.with_name("away"))
    tapes.write_text("no folder")
    try:
        until(lambda: scp(bastion, protocol, str(tmp_path / "a"), f"olga%web@127.0.0.1:{there}").stderr, lambda said: b"is not recorded, so none" in said)
    finally:
        tapes.unlink()
        tapes.with_name("away").rename(tapes)
        alarm.unlink()
    assert not there.exists()
    refused = [entry for entry in warden.entries() if "ssh.not_recorded" in json.dumps(entry)]
    assert {"ssh.sftp.write"} == {entry["action"] for entry in refused}
