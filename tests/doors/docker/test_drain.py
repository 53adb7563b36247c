"""A door that closes: calls get their time, what has no end of its own does not, and only our own socket file is taken away."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dockwarden.doors.docker.server import Drained, Refusal, SocketFile, open_listener
from dockwarden.words.errors import BadConfig
from fixtures.wire import STREAM_HEAD, Client, Met, Wire, whole

Make = Callable[..., Awaitable[Wire]]


async def slow(met: Met) -> None:
    """`/events` begins and never ends; any other call takes 0.6 s."""
    if " /events" in met.line:
        await met.say(STREAM_HEAD)
        await asyncio.sleep(5)
    await asyncio.sleep(0.6)
    await met.say(whole(b"late"))


async def timed(work: Awaitable[Drained]) -> tuple[Drained, float]:
    begun = asyncio.get_running_loop().time()
    return await work, asyncio.get_running_loop().time() - begun


async def asked(made: Wire, target: str) -> Client:
    """A client whose call has reached the Engine."""
    client = await made.client()
    client.writer.write(f"GET {target} HTTP/1.1\r\nHost: docker\r\n\r\n".encode())
    assert await made.settled(lambda: any(target in line for line in made.heard) or target.encode() in made.engine.seen)
    return client


async def test_an_endless_answer_is_cut_early_and_counted_as_a_stream(wire: Make) -> None:
    made = await wire(slow)
    _events = await asked(made, "/events")

    drained, seconds = await timed(made.server.drain(30, 0.2))

    assert Drained(calls=0, streams=1) == drained
    assert seconds < 2


async def test_a_call_under_way_gets_its_time_beside_a_stream_that_does_not(wire: Make) -> None:
    made = await wire(slow)
    _events = await asked(made, "/events")
    client = await asked(made, "/containers/json")

    drained, seconds = await timed(made.server.drain(10, 0.1))

    assert Drained(calls=0, streams=1) == drained
    assert seconds < 3
    assert (await client.reader.read()).endswith(b"late")


async def test_a_call_that_does_not_end_in_time_is_cut_and_counted_as_a_call(wire: Make) -> None:
    made = await wire(slow)
    _client = await asked(made, "/containers/json")

    assert Drained(calls=1, streams=0) == await made.server.drain(0.1, 0.05)


async def test_idle_connections_are_closed_at_once_and_not_counted(wire: Make) -> None:
    made = await wire()
    client = await made.client()
    assert await made.settled(lambda: made.server.connections == 1)

    drained, seconds = await timed(made.server.drain(30))

    assert Drained(0, 0) == drained
    assert seconds < 1
    assert b"" == await client.reader.read()


async def test_the_socket_file_of_whoever_came_after_stays(wire: Make) -> None:
    made = await wire()
    Path(made.socket).unlink()
    with open_listener(f"unix://{made.socket}"):
        await made.server.drain(0)

        assert Path(made.socket).is_socket()


def test_a_file_that_is_ours_goes_and_goes_once(tmp_path: Path) -> None:
    with open_listener(f"unix://{tmp_path}/s"):
        file = SocketFile(f"unix://{tmp_path}/s")
        file.remove()
        assert [] == list(tmp_path.iterdir())
        file.remove()


def test_a_live_socket_is_not_taken_and_the_refusal_names_the_setting(tmp_path: Path) -> None:
    with open_listener(f"unix://{tmp_path}/s"), pytest.raises(BadConfig) as caught:
        open_listener(f"unix://{tmp_path}/s", 0o666, Refusal("[some] option", "choose another"))

    assert f"[some] option: somebody listens at {tmp_path}/s already; choose another" == str(caught.value)


def test_a_folder_that_is_not_there_says_mkdir(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=rf"its folder is not there; mkdir -p {tmp_path}/none"):
        open_listener(f"unix://{tmp_path}/none/s")


def test_what_is_no_socket_stays(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(BadConfig, match="is no socket"):
        open_listener(f"unix://{tmp_path}/s")

    assert "precious" == (tmp_path / "s").read_text()


def test_a_dead_socket_is_replaced_with_the_bits_that_were_asked_for(tmp_path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(str(tmp_path / "s"))

    with open_listener(f"unix://{tmp_path}/s", 0o640):
        assert 0o640 == (tmp_path / "s").stat().st_mode & 0o777
