"""A door that speaks TLS, met by a client that ends its two directions apart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockwarden.doors.docker.exchange import Exchange
from dockwarden.doors.docker.server import Peer, Server
from dockwarden.upstream.engine import EngineLink
from dockwarden.words.principal import Principal
from fixtures.certificates import Authority
from fixtures.wire import FakeEngine, Hang, Met, passes, whole

RAW = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


@dataclass
class Door:
    dir: Path
    port: int
    peers: list[Peer]
    engine: FakeEngine


async def script(met: Met) -> None:
    if b"/hijack" not in met.head:
        await met.say(whole(met.line.encode()))
        return
    await met.say(RAW)
    size = 0
    while data := await met.reader.read(1 << 16):
        size += len(data)
        await met.say(data)
    await met.say(b"[end]")
    raise Hang


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    authority = Authority(tmp_path)
    for name in ("door", "alice"):
        authority.sign(name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "door.pem", tmp_path / "door-key.pem")
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    engine = FakeEngine(tmp_path / "engine.sock", script)
    await engine.start()
    link = EngineLink(engine.address)
    peers: list[Peer] = []

    async def handle(exchange: Exchange) -> None:
        await passes(exchange, link)

    def identify(peer: Peer) -> Principal:
        peers.append(peer)
        return Principal("alice")

    server = Server(handle, identify)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        await server.listen_on(listener.dup(), context)
        yield Door(tmp_path, listener.getsockname()[1], peers, engine)
    await server.drain(0)
    link.close()
    assert engine.server is not None
    engine.server.close()


class TlsClient:
    """A blocking client on the record layer, so that it can say close_notify and read on; used from threads."""

    def __init__(self, door: Door, name: str | None = "alice", version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(door.dir / "ca.pem")
        context.maximum_version = version
        if name:
            context.load_cert_chain(door.dir / f"{name}.pem", door.dir / f"{name}-key.pem")
        self.sock = socket.create_connection(("127.0.0.1", door.port), timeout=5)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="door")
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._turn()
        self.sock.sendall(self._out.read())

    def _turn(self) -> bool:
        self.sock.sendall(self._out.read())
        data = self.sock.recv(1 << 16)
        self._in.write(data)
        return bool(data)

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self.sock.sendall(self._out.read())

    def end(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self.sock.sendall(self._out.read())

    def read(self, until: bytes = b"") -> bytes:
        """All until `until`, or until the door says that it has ended."""
        got = b""
        while not (until and until in got):
            try:
                piece = self._tls.read(1 << 16)
            except ssl.SSLWantReadError:
                if not self._turn():
                    raise AssertionError(f"cut after {got[-100:]!r}") from None
                continue
            except ssl.SSLZeroReturnError:
                return got
            if not piece:
                return got
            got += piece
        return got


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_is_handed_to_who_proves_identities(door: Door, version: ssl.TLSVersion) -> None:
    def talk() -> bytes:
        client = TlsClient(door, version=version)
        client.send(b"GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n")
        return client.read(b"GET /_ping HTTP/1.1")

    assert b"200 OK" in await asyncio.to_thread(talk)
    expected = ssl.PEM_cert_to_DER_cert((door.dir / "alice.pem").read_text())
    assert [(expected, False)] == [(peer.certificate, peer.is_unix) for peer in door.peers]


async def test_a_client_without_a_certificate_is_not_heard(door: Door) -> None:
    def talk() -> None:
        client = TlsClient(door, None)
        client.send(b"GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read()

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.to_thread(talk)
    assert ([], b"") == (door.peers, bytes(door.engine.seen))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_that_ends_its_input_still_reads_the_output(door: Door, version: ssl.TLSVersion) -> None:
    payload = os.urandom(100_000)

    def talk() -> bytes:
        client = TlsClient(door, version=version)
        client.send(b"POST /hijack HTTP/1.1\r\nHost: a\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n" + payload)
        client.end()
        return client.read()

    assert (await asyncio.to_thread(talk)).endswith(payload + b"[end]")


async def test_an_input_cut_without_a_word_is_no_end_of_input(door: Door) -> None:
    """A bare FIN can be forged by anyone on the way: the stream is lost, not ended."""
    def talk() -> None:
        client = TlsClient(door)
        client.send(b"POST /hijack HTTP/1.1\r\nHost: a\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\nhalf")
        client.read(b"half")
        client.sock.shutdown(socket.SHUT_WR)
        client.read()

    with pytest.raises((AssertionError, ConnectionError)):
        await asyncio.to_thread(talk)


async def test_a_refused_request_is_answered_and_the_end_is_said(door: Door) -> None:
    def talk() -> bytes:
        client = TlsClient(door)
        client.send(b"GET / HTTP/1.1\nHost: a\n\n" + b"x" * 1000)
        return client.read()

    assert (await asyncio.to_thread(talk)).startswith(b"HTTP/1.1 400 ")


async def test_what_is_not_tls_is_not_heard(door: Door) -> None:
    def talk() -> bytes:
        with socket.create_connection(("127.0.0.1", door.port), timeout=5) as sock:
            sock.sendall(b"GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n")
            return sock.recv(100)

    assert not (await asyncio.to_thread(talk)).startswith(b"HTTP")
    assert [] == door.peers
