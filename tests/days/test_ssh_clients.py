"""The SSH door against people who are let in, and misuse what they have; and what they have once it is taken from them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import asyncssh
import pytest
from asyncssh.packet import Byte, String, UInt32

from days.test_secrets import cli
from days.test_sessions import events, listed
from dockwarden.doors.ssh.connection import MOST_SESSIONS
from fixtures.engine import PrivateEngine
from fixtures.evil import MOST_GROWTH, Evil, client, evil_server, opened, raw_channel, resident, run, soon, still_serves
from fixtures.ssh import Bastion, ssh_door

pytestmark = pytest.mark.timeout(120)
ONLY_EXEC = '@id("more-exec")\npermit (principal == User::"alice", action == Action::"ssh.exec", resource == Host::"web");\n'
PTY = String("xterm") + UInt32(80) * 4


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evil]:
    with evil_server(tmp_path_factory.mktemp("evil")) as made:
        yield made


@pytest.fixture(scope="module")
def bastion(engine: PrivateEngine, evil: Evil) -> Iterator[Bastion]:
    with ssh_door(engine.address, evil.target) as made:
        (made.warden.dir / "policies" / "more.cedar").write_text(ONLY_EXEC)
        assert made.warden.wait_for_log("policy.loaded", 20)
        yield made


async def session(conn: Any, **more: int) -> Any:
    """A session on which nothing is asked yet."""
    channel = raw_channel(conn, **more)
    await channel._open(b"session")
    return channel


async def ask(channel: Any, name: str, *parts: bytes) -> bool:
    """Whether it is granted."""
    return bool(await asyncio.wait_for(channel._make_request(name.encode(), *parts), 20))


# --- one session ---


async def test_a_session_is_begun_once_and_as_it_was_asked_for(bastion: Bastion, evil: Evil) -> None:
    async with client(bastion, "olga%once%web") as conn:
        channel = await session(conn)
        assert not await ask(channel, "subsystem", String("no-such-one"))
        assert not await ask(channel, "exec", String("after a refusal"))
        channel = await session(conn)
        assert await ask(channel, "env", String("LANG"), String("C"))
        assert await ask(channel, "exec", String("wait"))
        later = [("exec", String("again")), ("shell", b""), ("subsystem", String("sftp")), ("pty-req", PTY + String(b"")), ("env", String("LC_ALL") + String("C"))]
        assert [(name, False) for name, _ in later] == [(name, await ask(channel, name, parts)) for name, parts in later]
        await soon(lambda: bool(evil.of("once", "exec")))
        await soon(lambda: bool(evil.of("once", "env")))
    assert (["wait"], [], [], [{"LANG": "C"}]) == tuple(evil.of("once", what) for what in ("exec", "shell", "pty", "env"))


async def test_a_program_without_a_name_is_a_shell_and_judged_as_one(bastion: Bastion, evil: Evil) -> None:
    assert "ok\n" == (await run(bastion, "alice%exec%web"))[0]
    async with client(bastion, "alice%exec%web") as conn:
        channel = await session(conn)
        assert await ask(channel, "exec", String(""))
        await asyncio.wait_for(channel.wait_closed(), 10)
        assert 255 == channel.get_exit_status()
    assert (["hello"], []) == (evil.of("exec", "exec"), evil.of("exec", "shell"))


async def test_commands_without_end_are_refused_before_anything_reads_them(bastion: Bastion, evil: Evil) -> None:
    long = ["a" * 70_000, "scp -f " + "-r " * 30_000, "'" + "a" * 70_000, "docker system dial-stdio " + "-x " * 30_000]
    async with client(bastion, "olga%long%web") as conn:
        assert [False] * 4 == [await ask(await session(conn), "exec", String(command)) for command in long]
        assert not await ask(await session(conn), "exec", String(b"\xff\xfe"))
        assert await ask(await session(conn), "exec", String("b" * 60_000))
        await soon(lambda: bool(evil.of("long", "exec")))
    assert ["b" * 60_000] == evil.of("long", "exec")
    async with client(bastion, "olga%long%web") as conn:
        channel = await session(conn)
        channel.send_packet(98, String("exec"), b"\x01", String(b"a" * (8 << 20)))
        await asyncio.wait_for(conn.wait_closed(), 20)
    await still_serves(bastion)


async def test_variables_and_sizes_and_signals_without_end_do_not_pile_up(bastion: Bastion, evil: Evil) -> None:
    """A hundred MB of variables are not kept; of sizes the last one counts; the tape does not grow with what is asked."""
    before, known = resident(bastion), {one["id"] for one in listed(bastion.warden)}
    async with client(bastion, "olga%flood%web") as conn:
        channel = await session(conn)
        for number in range(10_000):
            channel._send_request(b"env", String(f"LC_{chr(65 + number % 26)}{number}"), String("x" * 10_000))
            if number % 200 == 0:
                assert not await ask(channel, "env", String(f"PATH{number}"), String("/tmp"))
        for one in range(64):
            await ask(channel, "env", String(f"LC_{chr(65 + one % 26)}{chr(65 + one // 26)}"), String("C"))
        assert await ask(channel, "pty-req", PTY, String(bytes(Byte(1) + UInt32(3)) * 6000 + b"\x00"))
        assert await ask(channel, "exec", String("wait"))
        await soon(lambda: bool(evil.of("flood", "env")))
        for number in range(20_000):
            channel._send_request(b"window-change", UInt32(number % 500 + 1), UInt32(50), UInt32(0), UInt32(0))
            if number % 500 == 0:
                await conn._make_global_request(b"keepalive@openssh.com")
        channel._send_request(b"window-change", UInt32(0xFFFFFFFF), UInt32(77), UInt32(0), UInt32(0))
        for name in ("TERM", "S" * 300, "\x1b[2J", "x@example.org"):
            channel._send_request(b"signal", String(name))
        await ask(channel, "break", UInt32(0xFFFFFFFF))
        await soon(lambda: (10_000, 77) in evil.of("flood", "size"))
        await soon(lambda: bool(evil.of("flood", "break")))
        assert resident(bastion) - before < MOST_GROWTH
        # The break came after them; the KILL of a client that leaves is none of them.
        assert ["TERM", "\x1b[2J", "x@example.org"] == evil.of("flood", "signal")
    assert 32 == len(evil.of("flood", "env")[0])
    assert len(evil.of("flood", "size")) < 1000
    row = next(one for one in listed(bastion.warden) if one["id"] not in known)
    assert len(evil.of("flood", "size")) == Counter(code for _, code, _ in events(bastion.warden, row["id"]))["r"]


async def test_who_leaves_before_the_host_is_there_begins_nothing_on_it(bastion: Bastion, evil: Evil) -> None:
    evil.gate.clear()
    async with client(bastion, "olga%slow%web") as conn:
        channel = await session(conn)
        assert await ask(channel, "exec", String("nobody waits for this"))
        await asyncio.sleep(0.5)
        channel.close()
        await asyncio.wait_for(channel.wait_closed(), 10)
        evil.gate.set()
        assert "ok\n" == (await conn.run("this")).stdout
    assert ["this"] == evil.of("slow", "exec")


# --- one connection ---


async def test_sessions_count_from_their_opening(bastion: Bastion) -> None:
    before = resident(bastion)
    async with client(bastion, "olga") as conn:
        channels = [raw_channel(conn) for _ in range(1000)]
        found = await asyncio.gather(*(one._open(b"session") for one in channels), return_exceptions=True)
        assert MOST_SESSIONS == len([one for one in found if not isinstance(one, BaseException)])
        assert not await opened(conn, "direct-tcpip", (String("web") + UInt32(22)) * 2)
        assert resident(bastion) - before < MOST_GROWTH
        for channel in channels:
            channel.close()
        await asyncio.sleep(0.5)
        assert await opened(conn, "session")
    async with client(bastion, "olga") as conn:
        jumps = [await opened(conn, "direct-tcpip", (String("web") + UInt32(22)) * 2) for _ in range(MOST_SESSIONS + 2)]
        assert [True] * MOST_SESSIONS + [False] * 2 == jumps
    await still_serves(bastion)


async def test_who_asks_and_asks_and_reads_no_answers_costs_nobody_anything(bastion: Bastion) -> None:
    """Answers that nobody takes are not kept without end."""
    before = resident(bastion)
    async with client(bastion, "olga%honest%web") as conn:
        conn._transport.pause_reading()
        conn.data_received = lambda data, datatype=None: None
        with contextlib.suppress(OSError):
            for number in range(20_000):
                conn.send_packet(80, String("x" * 100), b"\x01")
                if number % 100 == 0:
                    await asyncio.sleep(0)
        await still_serves(bastion)
        assert resident(bastion) - before < MOST_GROWTH
        conn.abort()


@pytest.mark.parametrize(
    "packet",
    [
        (94, UInt32(0), String(b"x" * 100)), (94, UInt32(4000), String(b"x")), (93, UInt32(0)), (90,), (90, String("session")), (90, String(b"\xff") + UInt32(0) * 3),
        (90, String("session") + UInt32(1) + UInt32(0) + UInt32(0)), (98, UInt32(0)), (98, UInt32(0), String(b"\xff"), b"\x01"), (80,), (80, String(b"\xff"), b"\x01"), (82,),
        (99, UInt32(0)), (91, UInt32(0) * 4), (95, UInt32(0), UInt32(77), String(b"x")), (96, UInt32(0), b"more"), (250, b"x" * 30_000), (50, String("adam")), (61, UInt32(1 << 31)),
        (5, String("ssh-userauth")), (20, b"\x00" * 16), (90, String("direct-tcpip") + UInt32(9) * 3 + String(b"\xff") + UInt32(70_000) + String("") + UInt32(0)),
    ],
    ids=lambda packet: f"{packet[0]}-{len(b''.join(packet[1:]))}",
)  # fmt: skip
async def test_a_malformed_packet_ends_its_connection_at_most(bastion: Bastion, packet: tuple[Any, ...]) -> None:
    async with client(bastion, "olga%honest%web") as other, client(bastion, "olga%honest%web") as conn:
        await session(conn)
        conn.send_packet(*packet)
        with contextlib.suppress(asyncssh.Error, OSError):
            await asyncio.wait_for(conn.run("hello"), 10)
        assert "ok\n" == (await other.run("hello")).stdout


async def test_a_client_that_takes_crumbs_is_not_served_by_the_crumb(bastion: Bastion, evil: Evil) -> None:
    """Packets of one byte would cost a thousand times what is shown."""
    async with client(bastion, "olga%crumb%web") as conn:
        channel = await session(conn, packet=1)
        await asyncio.wait_for(channel.wait_closed(), 10)
    assert [] == evil.of("crumb")


# --- what is taken away while they are there ---


@pytest.mark.parametrize("is_key", [True, False], ids=["key", "person"])
async def test_who_is_removed_or_loses_a_key_opens_nothing_new(bastion: Bastion, evil: Evil, is_key: bool) -> None:
    """Until they are out, a moment later: no session, no forwarded connection, not the Docker API."""
    file = bastion.warden.dir / "people.toml"
    people = file.read_text()
    key = next(line for line in people[people.index("[people.adam]") :].splitlines() if line.startswith("ssh_keys"))
    async with client(bastion, "adam%gone%web") as conn, client(bastion, "adam") as plain:
        try:
            assert "ok\n" == (await conn.run("hello")).stdout
            file.write_text(people.replace(key, "ssh_keys = []") if is_key else people.replace("[people.adam]", "[people.adam2]"))
            await soon(lambda: _refused_or_out(conn))
            with contextlib.suppress(asyncssh.Error):
                assert await _refused_or_out(conn)
                assert not await opened(conn, "direct-tcpip", (String("127.0.0.1") + UInt32(9)) * 2)
                done = await plain.run("docker system dial-stdio")
                assert done.exit_status is None or (255, True) == (done.exit_status, "log in again" in done.stderr), done
            for one in (conn, plain):
                await asyncio.wait_for(one.wait_closed(), 5)
        finally:
            file.write_text(people)
    await soon(lambda: _lets_in(bastion, "adam%gone%web"))
    assert [] == evil.of("gone", "direct-tcpip")
    assert any("ssh.changed" in json.dumps(entry) for entry in bastion.warden.entries() if "refused" == entry["kind"])


async def _lets_in(bastion: Bastion, name: str) -> bool:
    try:
        async with client(bastion, name):
            return True
    except asyncssh.PermissionDenied:
        return False


async def _refused(conn: Any) -> bool:
    return 255 == (await conn.run("hello")).exit_status


async def _refused_or_out(conn: Any) -> bool:
    """Whether nothing is run any more: it is said, or the connection has ended already."""
    try:
        return (await conn.run("hello")).exit_status in (255, None)
    except asyncssh.Error:
        return True


async def _permitted(conn: Any) -> bool:
    return not await _refused(conn)


async def test_a_policy_that_changes_counts_for_what_is_opened_next(bastion: Bastion) -> None:
    file = bastion.warden.dir / "policies" / "more.cedar"
    async with client(bastion, "olga%policy%web") as conn:
        assert await _permitted(conn)
        file.write_text(ONLY_EXEC + '@id("more-not-now")\n@advice("not now")\nforbid (principal == User::"olga", action in Action::"ssh", resource);\n')
        await soon(lambda: _refused(conn))
        assert "not now" in str((await conn.run("hello")).stderr)
        file.write_text(ONLY_EXEC)
        await soon(lambda: _permitted(conn))


async def test_a_host_that_is_changed_or_removed_is_so_for_what_is_opened_next(bastion: Bastion, evil: Evil) -> None:
    """A file that cannot be read keeps what was there."""
    file = bastion.warden.dir / "hosts.toml"
    hosts = file.read_text()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    async with client(bastion, "olga%changed%web") as conn:
        going_on = await conn.create_process("cat", encoding=None)
        going_on.stdin.write(b"begun")
        assert b"begun" == await asyncio.wait_for(going_on.stdout.readexactly(5), 10)
        for text, words in ((hosts.replace(evil.target.host_key, other), "another key"), ("", "there is no host web"), ("[hosts.web\n", "")):
            file.write_text(text)
            done = await conn.run("hello")
            assert (255 if words else 0, True) == (done.exit_status, words in done.stderr), (text, done.stderr)
            file.write_text(hosts)
            assert "ok\n" == (await conn.run("hello")).stdout
        going_on.stdin.write(b"still here")
        going_on.stdin.write_eof()
        assert b"still here" == (await asyncio.wait_for(going_on.wait(), 10)).stdout
    assert 0 == cli(bastion.warden, "host", "list").returncode
