from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dockwarden.doors.plugin.activation import inherited
from dockwarden.doors.plugin.socket import PluginCall, PluginSocket
from dockwarden.words.errors import BadConfig


async def echo(call: PluginCall) -> object:
    return {"pid": call.engine.pid, "said": call.document.decode()}


@pytest.fixture
async def plugin(tmp_path: Path) -> AsyncIterator[PluginSocket]:
    made = PluginSocket(tmp_path / "plugins", "dwtest", ("VolumeDriver",), {"/VolumeDriver.Echo": echo})
    await made.open({})
    yield made
    await made.close(0.1)


async def say(path: Path, raw: bytes) -> tuple[int, bytes]:
    """Send bytes, return the status and body of the first answer."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(raw)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    body = await reader.readexactly(length)
    writer.close()
    return int(head.split()[1]), body


def call(path: str, body: bytes = b"", method: str = "POST") -> bytes:
    """A call as an Engine of 20.10 writes it, its empty Host header included."""
    head = f"{method} {path} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n" + body


async def test_it_says_what_it_implements(plugin: PluginSocket) -> None:
    assert (200, b'{"Implements":["VolumeDriver"]}') == await say(plugin.path, call("/Plugin.Activate"))


async def test_a_call_knows_which_process_asks(plugin: PluginSocket) -> None:
    assert (200, f'{{"pid":{os.getpid()},"said":"hello"}}'.encode()) == await say(plugin.path, call("/VolumeDriver.Echo", b"hello"))


@pytest.mark.parametrize(("path", "method"), [("/VolumeDriver.Nothing", "POST"), ("/VolumeDriver.Echo", "GET"), ("/VolumeDriver.Echo?x", "POST")])
async def test_any_other_call_is_unknown(plugin: PluginSocket, path: str, method: str) -> None:
    assert 404 == (await say(plugin.path, call(path, b"", method)))[0]


async def test_only_root_can_come_in(plugin: PluginSocket) -> None:
    assert 0o600 == stat.S_IMODE(plugin.path.stat().st_mode)
    assert 0o700 == stat.S_IMODE(plugin.path.parent.stat().st_mode)


async def test_somebody_else_is_refused_even_if_the_folder_let_them_in(plugin: PluginSocket) -> None:
    plugin.path.chmod(0o666)
    for folder in (plugin.path.parent, *plugin.path.parent.parents):
        if folder.name and "pytest" in str(folder):
            folder.chmod(0o755)
    script = (
        "import os, socket, sys\nos.setgroups([]); os.setgid(20001); os.setuid(20001)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "s.sendall(b'POST /Plugin.Activate HTTP/1.1\\r\\nHost: \\r\\nContent-Length: 0\\r\\n\\r\\n'); print(s.recv(100))"
    )
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/env", "python3", "-c", script, str(plugin.path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()

    assert b"403" in said


async def test_a_live_socket_of_somebody_else_is_not_taken(plugin: PluginSocket) -> None:
    second = PluginSocket(plugin.path.parent, "dwtest", ("VolumeDriver",), {})

    with pytest.raises(BadConfig, match="somebody listens"):
        await second.open({})


async def test_the_socket_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "dwtest.sock"))
    dead.close()
    made = PluginSocket(tmp_path, "dwtest", ("authz",), {})

    await made.open({})

    assert 200 == (await say(made.path, call("/Plugin.Activate")))[0]
    await made.close(0.1)
    assert not made.path.exists()


async def test_a_socket_that_a_service_manager_opened_is_used_and_left(tmp_path: Path) -> None:
    """What was asked before we ran waits in it."""
    path = tmp_path / "dwtest.sock"
    handed = socket.socket(socket.AF_UNIX)
    handed.bind(str(path))
    handed.listen()
    early = socket.socket(socket.AF_UNIX)
    early.connect(str(path))
    early.sendall(call("/Plugin.Activate"))
    keep = os.dup(3) if Path("/proc/self/fd/3").exists() else -1
    os.dup2(handed.fileno(), 3)
    handed.close()
    made = PluginSocket(tmp_path, "dwtest", ("authz",), {})
    try:
        await made.open({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
        early.setblocking(False)
        assert (await asyncio.get_running_loop().sock_recv(early, 4096)).startswith(b"HTTP/1.1 200")
        await made.close(0.1)
    finally:
        early.close()
        if keep >= 0:
            os.dup2(keep, 3)
            os.close(keep)
    assert path.exists()


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_FDS": "1"}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": "7", "LISTEN_FDS": "x"}, {"LISTEN_PID": "7", "LISTEN_FDS": "0"}],
)
def test_sockets_meant_for_another_process_are_left_alone(environment: dict[str, str]) -> None:
    assert inherited(Path("/run/x.sock"), environment, 7) is None
