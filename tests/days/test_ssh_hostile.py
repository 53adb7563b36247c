"""The SSH door against hosts that do what no honest one does, and its table row by row against one that writes down all that reaches it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import asyncssh
import pytest
from asyncssh.packet import Boolean, String, UInt32

from days.test_secrets import cli
from days.test_sessions import events, listed
from dockwarden.doors.ssh.table import ROWS, Outcome, Row, Where
from fixtures.engine import PrivateEngine
from fixtures.evil import CHANNELS, GLOBALS, MOST_GROWTH, PARTS, Evil, client, evil_server, opened, raw_channel, resident, run, soon, still_serves
from fixtures.ssh import Bastion, ssh_door

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evil]:
    with evil_server(tmp_path_factory.mktemp("evil")) as made:
        yield made


@pytest.fixture(scope="module")
def bastion(engine: PrivateEngine, evil: Evil) -> Iterator[Bastion]:
    with ssh_door(engine.address, evil.target) as made:
        yield made


# --- the table, row by row ---

PTY = String("xterm") + UInt32(80) * 4 + String(b"")
BEGUN = {"window-change": UInt32(99) * 4, "signal": String("TERM"), "break": UInt32(100), "keepalive@openssh.com": b""}
"""What is asked of a session that runs, and with what."""
BEFORE = {
    "pty-req": PTY, "env": String("LANG") + String("C"), "x11-req": Boolean(False) + String("MIT-MAGIC-COOKIE-1") + String("00") + UInt32(0),
    "auth-agent-req@openssh.com": b"",
}  # fmt: skip
BEGINS = {"shell": b"", "exec": String("hello"), "subsystem": String("sftp")}
KIND = {"direct-tcpip": "ssh.forward.local", "shell": "ssh.shell", "subsystem": "ssh.sftp", "sftp": "ssh.sftp"}
"""What the tape of a row is, where it is no program's."""


async def ask(conn: Any, row: Row) -> str:
    """Open or ask what a row names; "yes" or "no" as it was answered."""
    if row.where is Where.CHANNEL:
        return "yes" if await opened(conn, row.name, PARTS.get(row.name, b"")) else "no"
    if row.where is Where.GLOBAL:
        proof = String(conn.get_server_host_key().public_data) if row.name.startswith("hostkeys") else b""
        kind, _ = await conn._make_global_request(row.name.encode(), PARTS.get(row.name, proof))
        return "yes" if kind == 81 else "no"
    channel = raw_channel(conn)
    await channel._open(b"session")
    if row.where is Where.SUBSYSTEM:
        return "yes" if await channel._make_request(b"subsystem", String(row.name)) else "no"
    if row.name in BEGUN:
        assert await channel._make_request(b"exec", String("wait"))
        for _ in range(40):  # until the other end is there: nothing tells
            await asyncio.sleep(0.25)
            if await channel._make_request(row.name.encode(), BEGUN[row.name]):
                return "yes"
        return "no"
    answer = await channel._make_request(row.name.encode(), BEFORE[row.name] if row.name in BEFORE else BEGINS.get(row.name, b""))
    if row.name in BEFORE:
        assert await channel._make_request(b"exec", String("hello"))
    return "yes" if answer else "no"


async def test_every_row_of_the_table_comes_out_as_it_says(bastion: Bastion, evil: Evil) -> None:
    """Refused: a refusal, and nothing at the host. Answered: a reply, and nothing at the host. Recorded: at the host, and a tape."""
    expected: Counter[str] = Counter()
    before = {one["id"] for one in listed(bastion.warden)}
    made_up = tuple(Row(where, "made-up@example.org", Outcome.REFUSED, "x") for where in Where)
    for number, row in enumerate((*ROWS, *made_up)):
        login = f"row{number}"
        needs_program = row.where is Where.SESSION and row.name in {*BEGUN, *BEFORE}
        opens_only = row.where is Where.CHANNEL and row.name == "session"
        is_at_host = row.outcome is Outcome.RECORDED and not opens_only

        def reached(login: str = login) -> list[str]:
            return [kind for who, kind, _ in evil.got if who == login and kind not in {"env", "eof"}]

        async with client(bastion, f"adam%{login}%web") as conn:
            said = await asyncio.wait_for(ask(conn, row), 20)
            if is_at_host or needs_program:
                await soon(lambda: bool(reached()))
            await asyncio.sleep(0.2)  # what must not come could come late
            came = reached()  # before the client leaves: that is a signal
        expected_reply = {Outcome.RECORDED: "yes", Outcome.REFUSED: "no", Outcome.ANSWERED: said}[row.outcome]  # of what is answered, any reply is the answer
        assert (row.where, row.name, expected_reply) == (row.where, row.name, said)
        if not is_at_host:
            assert (["exec"] if needs_program else []) == came, row
        if is_at_host or needs_program:
            expected[KIND.get(row.name, "ssh.exec")] += 1
    assert expected == Counter(one["kind"] for one in listed(bastion.warden) if one["id"] not in before)


# --- hosts ---


async def test_a_host_opens_nothing_towards_us(bastion: Bastion, evil: Evil) -> None:
    assert ("ok\n", "", 0) == await run(bastion, "olga%opens%web")
    assert [(kind, False) for kind in CHANNELS] == evil.of("opens", "opened")
    assert [(name, False) for name in GLOBALS] == evil.of("opens", "asked")


@pytest.mark.parametrize(
    ("mood", "shown"),
    [
        ("twice", "the host broke off (ProtocolError)"),
        ("late", "the host broke off (ProtocolError)"),
        ("odd", "the host broke off (ProtocolError)"),
        ("dies", "the host broke off"),
        ("crumbs", "the other end could not be opened (ChannelOpenError)"),
    ],
)
async def test_a_host_that_breaks_the_protocol_ends_its_sessions_and_no_others(bastion: Bastion, mood: str, shown: str) -> None:
    async with client(bastion, "olga%honest%web") as other:
        process = await other.create_process("cat", encoding=None)
        _, err, status = await run(bastion, f"olga%{mood}%web")
        assert (True, 255) == (err.startswith(f"dockwarden: {shown}"), status), err
        process.stdin.write(b"still here")
        process.stdin.write_eof()
        assert b"still here" == (await asyncio.wait_for(process.wait(), 10)).stdout


async def test_a_strange_end_is_told_and_short(bastion: Bastion) -> None:
    async with client(bastion, "olga%signal%web") as conn:
        done = await conn.run("hello")
    signal, is_core, message, _ = done.exit_signal
    assert ("X" * 32, True, 1024) == (signal, is_core, len(message))
    assert ("ok\n", "", 0) == await run(bastion, "olga%wide%web")


async def test_a_host_that_shows_without_end_is_held_by_who_does_not_read(bastion: Bastion) -> None:
    """Windows of 4 GiB, a client that reads nothing at all: its program waits, and our memory does not grow."""
    await still_serves(bastion)
    before = resident(bastion)
    async with client(bastion, "olga%endless%web") as conn:
        channel = raw_channel(conn, window=0xFFFFFFFF)
        await channel._open(b"session")
        assert await channel._make_request(b"exec", String("flood"))
        conn._transport.pause_reading()
        await asyncio.sleep(3)
        await still_serves(bastion)
        assert (False, True) == (conn.is_closed(), resident(bastion) - before < MOST_GROWTH)
        conn.abort()


async def test_a_key_exchange_that_is_never_finished_holds_what_is_shown(bastion: Bastion) -> None:
    before = resident(bastion)
    async with client(bastion, "olga%endless%web") as conn:
        channel = raw_channel(conn, window=0xFFFFFFFF)
        await channel._open(b"session")
        assert await channel._make_request(b"exec", String("flood"))
        conn._send_kexinit()
        conn._recv_data = lambda: None
        conn.data_received = lambda data, datatype=None: None
        await asyncio.sleep(3)
        await still_serves(bastion)
        assert (False, True) == (conn.is_closed(), resident(bastion) - before < MOST_GROWTH)
        conn.abort()


async def test_hosts_that_do_not_answer_are_waited_for_so_long_and_no_longer(bastion: Bastion) -> None:
    """All at once: a channel that is never confirmed, a program that is never begun, a question about the host never answered, or with junk."""

    async def one(name: str, words: str) -> None:
        _, err, status = await run(bastion, name)
        assert (True, 255) == (words in err, status), (name, err)

    with lines_without_end() as port, mute_port() as mute:
        for name, number in (("lines", port), ("quiet", mute)):
            key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
            words = ("--address", f"127.0.0.1:{number}", "--login", "x", "--secret", "hosts/web/key", "--host-key", key)
            assert 0 == cli(bastion.warden, "host", "add", name, *words).returncode
        before = resident(bastion)
        unanswered = "the other end could not be opened (TimeoutError)"
        await asyncio.gather(
            one("olga%silent%web", unanswered), one("olga%mute%web", unanswered), one("olga%noprobe%web", "past every policy"),
            one("olga%junkprobe%web", "past every policy"), one("olga%lines", "that host cannot be reached"), one("olga%quiet", "that host cannot be reached"),
        )  # fmt: skip
        assert resident(bastion) - before < MOST_GROWTH
    assert ("ok\n", "", 0) == await run(bastion, "adam%junkprobe%web")
    await still_serves(bastion)


@contextlib.contextmanager
def lines_without_end() -> Iterator[int]:
    """A port where somebody talks and talks."""
    yield from _port(lambda sock: [sock.sendall(b"no version\r\n" * 5000) for _ in range(200)])


@contextlib.contextmanager
def mute_port() -> Iterator[int]:
    """A port where nobody says anything."""
    yield from _port(lambda sock: sock.recv(1 << 20) and sock.recv(1))


def _port(deed: Callable[[socket.socket], Any]) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                deed(sock)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.close()
    thread.join(10)


async def test_another_host_key_at_the_next_connection_is_the_end_of_it(bastion: Bastion, evil: Evil) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    evil.show_key(key)
    try:
        _, err, status = await run(bastion, "olga%honest%web")
        assert (True, 255) == ("shows another key" in err, status), err
    finally:
        evil.show_key(evil.key)
    await still_serves(bastion)


# --- what is sent before the host is there ---


async def test_what_is_sent_early_is_neither_lost_nor_early(bastion: Bastion, evil: Evil) -> None:
    """Data before the request and after it, a size, the end of input: all of it while the host has not confirmed its channel."""
    evil.gate.clear()
    async with client(bastion, "olga%slow%web") as conn:
        channel = raw_channel(conn)
        await channel._open(b"session")
        channel.send_packet(94, String(b"first "))
        assert await channel._make_request(b"pty-req", PTY)
        assert await channel._make_request(b"exec", String("cat"))
        channel.send_packet(94, String(b"second "))
        assert await channel._make_request(b"window-change", UInt32(101) + UInt32(51) + UInt32(0) * 2)
        channel.send_packet(94, String(b"third"))
        channel.send_packet(96)
        await asyncio.sleep(1)
        assert [] == evil.of("slow")
        evil.gate.set()
        await soon(lambda: "eof" in [kind for who, kind, _ in evil.got if who == "slow"])
    assert b"first second third" == b"".join(evil.of("slow", "data"))
    await soon(lambda: bool(evil.of("slow", "size")))
    assert [("xterm", (80, 80))] == evil.of("slow", "pty")
    assert [(101, 51)] == evil.of("slow", "size")
    row = max(listed(bastion.warden), key=lambda one: one["started"])
    assert "101x51" in [data for _, code, data in events(bastion.warden, row["id"]) if code == "r"]
