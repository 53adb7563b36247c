"""The SSH door against who is not let in: how they may prove who they are, and how much of us they get meanwhile."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import resource
import socket
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncssh
import pytest
from asyncssh.packet import Boolean, Byte, SSHPacket, String, UInt32
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from days.test_secrets import cli
from fixtures.engine import PrivateEngine
from fixtures.evil import Evil, client, evil_server, opened, run, soon, still_serves
from fixtures.ssh import Bastion, ssh_door

pytestmark = pytest.mark.timeout(120)
SUCCESS, FAILURE, KEY_IS_FINE = 52, 51, 60
AUTHORITY = asyncssh.generate_private_key("ssh-ed25519")
STRANGE = asyncssh.generate_private_key("ssh-ed25519")
CODE = '@id("more-code")\n@harden("second-factor")\npermit (principal == User::"adam", action == Action::"ssh.login", resource);\n'


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evil]:
    with evil_server(tmp_path_factory.mktemp("evil")) as made:
        yield made


@pytest.fixture(scope="module")
def bastion(engine: PrivateEngine, evil: Evil) -> Iterator[Bastion]:
    ours = AUTHORITY.export_public_key().decode().strip()
    with ssh_door(engine.address, evil.target, f'\n[ssh]\nlogin_s = 8\nuser_ca = ["{ours}"]\n') as made:
        (made.warden.dir / "policies" / "more.cedar").write_text(CODE)
        assert made.warden.wait_for_log("policy.loaded", 20)
        yield made


# --- how they may prove who they are ---


class Prover(asyncssh.SSHClient):
    """A client that says what it is told to, one packet at a time."""

    def __init__(self) -> None:
        self.replies: asyncio.Queue[tuple[int, tuple[bytes, ...], bool]] = asyncio.Queue()
        self.is_ready, self.conn = asyncio.Event(), None

    def connection_made(self, conn: Any) -> None:
        self.conn: Any = conn

    async def public_key_auth_requested(self) -> None:
        conn, self._auth = self.conn, self
        conn._packet_handlers = {**conn._packet_handlers, FAILURE: self._took, SUCCESS: self._took}
        conn._auth = self
        self.is_ready.set()
        await asyncio.Event().wait()

    def _took(self, conn: Any, kind: int, number: int, packet: SSHPacket) -> bool:
        del conn, number
        methods, is_partial = (tuple(packet.get_namelist()), packet.get_boolean()) if kind == FAILURE else ((), False)
        self.replies.put_nowait((kind, methods, is_partial))
        return True

    def process_packet(self, kind: int, number: int, packet: SSHPacket) -> bool:
        self.replies.put_nowait((kind, (), False))
        return True

    def log_received_packet(self, *_: Any) -> None: ...

    def log_sent_packet(self, *_: Any) -> None: ...

    def cancel(self) -> None: ...

    async def say(self, name: str, method: str, *parts: bytes) -> tuple[int, tuple[bytes, ...], bool]:
        """Ask to be let in; what is answered."""
        self.conn.send_packet(50, String(name), String("ssh-connection"), String(method), *parts)
        return await asyncio.wait_for(self.replies.get(), 10)

    async def code(self, code: str) -> tuple[int, tuple[bytes, ...], bool]:
        """Answer the question for a code."""
        self.conn.send_packet(61, UInt32(1), String(code))
        return await asyncio.wait_for(self.replies.get(), 10)

    async def key(self, name: str, key: asyncssh.SSHKey, *, signed_as: str | None = "") -> tuple[int, tuple[bytes, ...], bool]:
        """Prove a key; `signed_as` another name, or not at all."""
        pair = asyncssh.load_keypairs([key])[0]
        what = String("ssh-connection") + String("publickey") + Boolean(signed_as is not None) + String(pair.algorithm) + String(pair.public_data)
        if signed_as is None:
            return await self.say(name, "publickey", Boolean(False), String(pair.algorithm), String(pair.public_data))
        signature = pair.sign(String(self.conn._session_id) + Byte(50) + String(signed_as or name) + what)
        return await self.say(name, "publickey", Boolean(True), String(pair.algorithm), String(pair.public_data), String(signature))


@contextlib.asynccontextmanager
async def prover(bastion: Bastion) -> AsyncIterator[Prover]:
    made = Prover()
    options: dict[str, Any] = {"known_hosts": None, "config": None, "agent_path": None, "client_keys": None, "username": "first"}
    connecting = asyncio.ensure_future(asyncssh.create_connection(lambda: made, "127.0.0.1", bastion.port, **options))
    await asyncio.wait_for(made.is_ready.wait(), 10)
    try:
        yield made
    finally:
        made.conn.abort()
        connecting.cancel()
        with contextlib.suppress(asyncssh.Error, OSError, asyncio.CancelledError):
            await connecting


def key_of(bastion: Bastion, person: str) -> asyncssh.SSHKey:
    return asyncssh.read_private_key(bastion.keys / person)


KEYS_ONLY, CODE_ONLY = (FAILURE, (b"publickey",), False), (FAILURE, (b"keyboard-interactive",), False)


async def test_who_is_known_and_who_is_not_hear_the_same(bastion: Bastion) -> None:
    heard = []
    for name in ("olga%web", "olga", "nobody%web", "olga%nowhere", "adam", "%%%", "a" * 200, "\u00fcml\u00e4ut"):
        async with prover(bastion) as one:
            asked = [await one.say(name, "none"), await one.say(name, "password", Boolean(False), String("x")), await one.say(name, "hostbased")]
            heard.append([*asked, await one.key(name, STRANGE, signed_as=None), await one.key(name, STRANGE)])
    assert [[KEYS_ONLY] * 5] * len(heard) == heard


async def test_a_key_that_is_only_offered_or_signed_for_another_name_lets_nobody_in(bastion: Bastion) -> None:
    olga = key_of(bastion, "olga")
    async with prover(bastion) as one:
        assert KEY_IS_FINE == (await one.key("olga%web", olga, signed_as=None))[0]
        assert KEYS_ONLY == await one.key("adam", olga)
        assert KEYS_ONLY == await one.key("olga%web", olga, signed_as="olga")
        assert KEYS_ONLY == await one.say("olga%web", "keyboard-interactive", String(""), String(""))
        one.conn._auth_complete = True
        assert not await asyncio.wait_for(opened(one.conn, "session"), 10)
        await asyncio.wait_for(one.conn.wait_closed(), 10)
    async with prover(bastion) as one:
        assert SUCCESS == (await one.key("olga%web", olga))[0]


async def test_a_first_factor_is_no_second_and_goes_with_its_name(bastion: Bastion) -> None:
    uri = cli(bastion.warden, "totp", "enroll", "adam").stdout.strip()
    adam, olga = key_of(bastion, "adam"), key_of(bastion, "olga")
    ask = (String(""), String(""))
    try:
        async with prover(bastion) as one:
            assert KEYS_ONLY == await one.say("adam", "keyboard-interactive", *ask)
            assert (FAILURE, (b"keyboard-interactive",), True) == await one.key("adam", adam)
            assert CODE_ONLY == await one.key("adam", adam)
            assert KEY_IS_FINE == (await one.say("adam", "keyboard-interactive", *ask))[0]
            assert CODE_ONLY == await one.code("000000")
            assert KEYS_ONLY == await one.say("adam%web", "keyboard-interactive", *ask), "another name begins anew"
            assert KEYS_ONLY == await one.say("adam", "keyboard-interactive", *ask), "and so does the first one"
            assert (FAILURE, (b"keyboard-interactive",), True) == await one.key("adam", adam)
            assert KEYS_ONLY == await one.key("olga%web", adam)
            assert SUCCESS == (await one.key("olga%web", olga))[0]
        await asyncio.gather(*(_guesses(bastion, adam, number) for number in range(8)))
        right = TOTP(base64.b32decode(parse_qs(urlsplit(uri).query)["secret"][0]), 6, SHA1(), 30).generate(int(time.time()) + 30).decode()
        async with prover(bastion) as one:
            await one.key("adam", adam)
            await one.say("adam", "keyboard-interactive", *ask)
            assert CODE_ONLY == await one.code(right), "after so many wrong ones, none is right"
    finally:
        cli(bastion.warden, "totp", "remove", "adam")


async def _guesses(bastion: Bastion, adam: asyncssh.SSHKey, number: int) -> None:
    async with prover(bastion) as one:
        await one.key("adam", adam)
        for guess in range(125):
            assert KEY_IS_FINE == (await one.say("adam", "keyboard-interactive", String(""), String("")))[0]
            assert CODE_ONLY == await one.code(f"x{number}{guess:04}")


async def test_a_certificate_is_good_for_what_it_says_and_no_more(bastion: Bastion, evil: Evil) -> None:
    key, past = asyncssh.generate_private_key("ssh-ed25519"), int(time.time()) - 60

    async def lets_in(certificate: Any, command: str = "hello") -> bool:
        try:
            async with client(bastion, "olga%certified%web", client_keys=[(key, certificate)]) as conn:
                return (await conn.run(command)).exit_status == 0
        except asyncssh.PermissionDenied:
            return False

    def made(by: asyncssh.SSHKey = AUTHORITY, principals: tuple[str, ...] = ("olga",), **more: Any) -> Any:
        return by.generate_user_certificate(key, "test", principals=principals, **more)

    assert [True, True] == [await lets_in(made()), await lets_in(made(source_address=["127.0.0.0/8"]))]
    refused = {
        "another's": made(principals=("alice",)), "nobody's": made(principals=()), "everybody's": made(principals=("*",)), "the place's": made(principals=("olga%certified%web",)),
        "expired": made(valid_after=1, valid_before=past), "another authority's": made(STRANGE), "for elsewhere": made(source_address=["10.0.0.0/8"]),
        "a host's": AUTHORITY.generate_host_certificate(key, "test", principals=["olga"]), "signed by itself": made(key),
    }  # fmt: skip
    assert dict.fromkeys(refused, False) == {name: await lets_in(one) for name, one in refused.items()}
    assert await lets_in(made(force_command="only this"), "something else")
    assert {"hello", "only this"} == set(evil.of("certified", "exec"))


# --- how much of us they get ---


def test_nothing_is_offered_that_prefix_truncation_touches(bastion: Bastion) -> None:
    """Terrapin (CVE-2023-48795): strict key exchange, and neither ChaCha20-Poly1305 nor CBC with encrypt-then-MAC."""
    with socket.create_connection(("127.0.0.1", bastion.port), timeout=10) as sock:
        stream = sock.makefile("rb")
        assert b"SSH-2.0-dockwarden\r\n" == stream.readline()
        sock.sendall(b"SSH-2.0-test\r\n")
        packet = SSHPacket(stream.read(int.from_bytes(stream.read(4), "big"))[1:])
    assert 20 == packet.get_byte()
    packet.get_bytes(16)
    exchanges, _, *ciphers = (packet.get_namelist() for _ in range(4))
    assert b"kex-strict-s-v00@openssh.com" in exchanges
    assert [[b"aes128-gcm@openssh.com", b"aes256-gcm@openssh.com"]] * 2 == [list(names) for names in ciphers]


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n", b"SSH-1.5-old\r\n", b"SSH-2.0-" + b"x" * 70000, b"SSH-2.0-x\r\n" + b"\xff" * 64, b"SSH-2.0-x\r\n" + UInt32(12) + b"\x04" * 12,
        b"SSH-2.0-x\r\n" + UInt32(28) + b"\x0a\x14" + bytes(16) + b"\xff" * 10, b"SSH-2.0-x\r\n" + UInt32(12) + b"\x0a\x5a" + bytes(10), b"SSH-2.0-\xff\xfe\r\n", b"\n" * 100,
        b"SSH-2.0-x\r\n" + UInt32(0) + bytes(16), b"SSH-2.0-x\r\n" + UInt32(12) + b"\xff\x02" + bytes(10),
    ],
)  # fmt: skip
def test_what_is_no_ssh_is_hung_up_on(bastion: Bastion, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", bastion.port), timeout=20) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(said)
        while sock.recv(1 << 16):
            pass


async def test_who_takes_their_time_is_cut_off(bastion: Bastion) -> None:
    """Nothing, a name byte by byte, a packet byte by byte, a connection that proves nothing: all of them end."""

    async def slow(begin: bytes, drip: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", bastion.port)
        writer.write(begin)
        ended = asyncio.ensure_future(reader.read(-1))
        while not ended.done():
            writer.write(drip)
            await asyncio.wait([ended], timeout=0.5)
        with contextlib.suppress(OSError):
            await ended
        writer.close()

    async def proves_nothing() -> None:
        async with prover(bastion) as one:
            await one.conn.wait_closed()

    await asyncio.wait_for(asyncio.gather(slow(b"", b""), slow(b"SSH-2.0-", b"x"), slow(b"SSH-2.0-x\r\n" + UInt32(30000), b"x"), proves_nothing()), 60)


async def test_a_thousand_strangers_of_one_address_keep_nobody_of_another_out(bastion: Bastion) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    ended = 0

    async def stranger() -> None:
        nonlocal ended
        reader, writer = await asyncio.open_connection("127.0.0.1", bastion.port)
        with contextlib.suppress(OSError):
            await reader.read(-1)
        ended += 1
        writer.close()

    crowd = [asyncio.ensure_future(stranger()) for _ in range(1000)]
    try:
        async with client(bastion, "olga%honest%web", local_addr=("127.0.0.2", 0)) as conn:
            assert "ok\n" == (await conn.run("hello")).stdout
            await soon(lambda: ended >= 1000 - 64)
            assert "ok\n" == (await conn.run("hello")).stdout
    finally:
        for one in crowd:
            one.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
    await still_serves(bastion)


@pytest.mark.alone
async def test_nobody_learns_from_the_time_it_takes_who_is_known(bastion: Bastion) -> None:
    """The same steps are gone for everybody, so medians of many tries lie near each other."""
    took: dict[str, list[float]] = {"olga%web": [], "nobody%web": []}
    async with prover(bastion) as one:
        for _ in range(150):
            for name, times in took.items():
                begin = time.perf_counter()
                assert KEYS_ONLY == await one.key(name, STRANGE)
                times.append(time.perf_counter() - begin)
    known, unknown = (statistics.median(times) for times in took.values())
    assert abs(known - unknown) < 0.5 * max(known, unknown), (known, unknown)


# --- a connection within another ---


async def test_a_jump_is_the_same_person_s_and_nobody_else_s(bastion: Bastion, evil: Evil) -> None:
    """Within olga's connection nobody else comes in; the host may be called by its address; what is no SSH is hung up on."""
    keys = {name: key_of(bastion, name) for name in ("olga", "alice")}
    options: dict[str, Any] = {"known_hosts": None, "config": None, "agent_path": None}
    words = ("--address", f"localhost:{evil.target.port}", "--login", "x", "--secret", "hosts/web/key", "--host-key", evil.target.host_key)
    assert 0 == cli(bastion.warden, "host", "add", "named", *words).returncode
    async with client(bastion, "olga") as outer:
        for key, name in (("alice", "alice"), ("alice", "olga"), ("alice", "jump")):
            with pytest.raises(asyncssh.PermissionDenied):
                await asyncssh.connect("web", 22, tunnel=outer, username=name, client_keys=[keys[key]], **options)
        async with asyncssh.connect("localhost", evil.target.port, tunnel=outer, username="jump", client_keys=[keys["olga"]], **options) as inner:
            assert "ok\n" == (await inner.run("hello")).stdout
        certificate = AUTHORITY.generate_user_certificate(STRANGE, "test", principals=["olga"], source_address=["127.0.0.0/8"])
        async with asyncssh.connect("web", 22, tunnel=outer, username="jump", client_keys=[(STRANGE, certificate)], **options) as inner:
            assert "ok\n" == (await inner.run("hello")).stdout
        with pytest.raises(asyncssh.ChannelOpenError):
            await outer.open_connection("127.0.0.1", 22)
        reader, writer = await outer.open_connection("web", 22, encoding=None)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in await asyncio.wait_for(reader.read(-1), 10)
    assert ["hello", "hello"] == evil.of("jump", "exec")
    came = [entry["detail"] for entry in bastion.warden.entries() if "outcome" == entry["kind"] and "ssh.login" == entry.get("action")]
    assert {"127.0.0.1", "127.0.0.2"} >= {one["source"] for one in came}  # type: ignore[index]  # a table
    assert ("ok\n", "", 0) == await run(bastion, "olga%jump%web")
