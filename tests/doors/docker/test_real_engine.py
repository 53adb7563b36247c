"""The wire alone between the real client and the real Engine: every form of stream comes through as it would directly."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.engine import PrivateEngine

ROOT = Path(__file__).parents[3]
Docker = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def door(engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("door") / "door.sock"
    command = [sys.executable, str(ROOT / "bench" / "bare_door.py"), engine.address, f"unix://{path}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert b"ready\n" == process.stdout.readline()
    yield path
    process.terminate()
    assert 0 == process.wait(10)


@pytest.fixture(scope="module")
def docker(door: Path) -> Docker:
    environment = {**os.environ, "DOCKER_BUILDKIT": "0", "DOCKER_HOST": f"unix://{door}"}

    def run(*words: str, input: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["docker", *words], capture_output=True, input=input, timeout=60, check=False, env=environment)

    return run


@pytest.fixture(scope="module")
def sleeper(docker: Docker) -> Iterator[str]:
    done = docker("run", "-d", "busybox", "sh", "-c", "i=0; while true; do echo line$i; i=$((i+1)); sleep 0.1; done")
    assert 0 == done.returncode, done.stderr
    yield done.stdout.decode().strip()
    docker("rm", "-f", done.stdout.decode().strip())


def test_an_exec_keeps_its_outputs_apart_and_its_exit_code(docker: Docker, sleeper: str) -> None:
    done = docker("exec", sleeper, "sh", "-c", "echo out; echo err >&2; exit 3")

    assert (3, b"out\n", b"err\n") == (done.returncode, done.stdout, done.stderr)


def test_input_ends_and_all_of_the_output_comes(docker: Docker, sleeper: str) -> None:
    payload = os.urandom(3_000_000)
    done = docker("exec", "-i", sleeper, "cat", input=payload)

    assert (0, hashlib.sha256(payload).digest()) == (done.returncode, hashlib.sha256(done.stdout).digest())


def test_a_run_is_attached_and_gives_its_exit_code(docker: Docker) -> None:
    done = docker("run", "--rm", "-i", "busybox", "sh", "-c", "cat; exit 4", input=b"abc")

    assert (4, b"abc") == (done.returncode, done.stdout)


def test_a_terminal_works(door: Path, sleeper: str) -> None:
    command = f"docker -H unix://{door} exec -it {sleeper} sh -c 'tty; exit 5'"
    done = subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True, timeout=60, check=False)

    assert 5 == done.returncode
    assert b"/dev/pts/" in done.stdout


def test_logs_follow_and_end_when_the_client_goes(engine: PrivateEngine, door: Path, sleeper: str) -> None:
    process = subprocess.Popen(["docker", "-H", f"unix://{door}", "logs", "-f", sleeper], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert [b"line0\n", b"line1\n", b"line2\n"] == [process.stdout.readline() for _ in range(3)]
    before = connections_of(engine)
    process.kill()
    process.wait()
    end = time.monotonic() + 5
    while connections_of(engine) >= before and time.monotonic() < end:
        time.sleep(0.05)

    assert connections_of(engine) < before


def connections_of(engine: PrivateEngine) -> int:
    return sum(line.endswith(str(engine.socket)) for line in Path("/proc/net/unix").read_text().splitlines())


def test_events_come_as_they_happen(door: Path, docker: Docker) -> None:
    command = ["docker", "-H", f"unix://{door}", "events", "--filter", "type=container", "--format", "{{.Action}}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    time.sleep(0.5)
    docker("run", "--rm", "busybox", "true")
    assert process.stdout is not None
    assert b"create\n" == process.stdout.readline()
    process.kill()
    process.wait()


def test_files_are_copied_both_ways(docker: Docker, sleeper: str, tmp_path: Path) -> None:
    payload = os.urandom(20_000_000)
    (tmp_path / "in").write_bytes(payload)
    assert 0 == docker("cp", str(tmp_path / "in"), f"{sleeper}:/big").returncode
    assert 0 == docker("cp", f"{sleeper}:/big", str(tmp_path / "out")).returncode

    assert payload == (tmp_path / "out").read_bytes()


def test_an_image_is_built_saved_and_loaded(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCOPY x /x\nRUN cat /x\n")
    (tmp_path / "x").write_bytes(b"hello from the context\n" * 100_000)
    built = docker("build", "--network", "none", "-t", "wire:1", str(tmp_path))
    assert b"Successfully tagged wire:1" in built.stdout, built.stderr
    assert 0 == docker("save", "-o", str(tmp_path / "image.tar"), "wire:1").returncode
    assert tarfile.is_tarfile(tmp_path / "image.tar")

    assert b"Loaded image: wire:1" in docker("load", "-i", str(tmp_path / "image.tar")).stdout


def test_a_wait_stays_open_until_the_end(docker: Docker) -> None:
    container = docker("run", "-d", "busybox", "sh", "-c", "sleep 1; exit 6").stdout.decode().strip()

    assert b"6\n" == docker("wait", container).stdout


def test_an_export_is_a_whole_archive(door: Path, docker: Docker, sleeper: str, tmp_path: Path) -> None:
    assert 0 == docker("export", "-o", str(tmp_path / "root.tar"), sleeper).returncode

    with tarfile.open(tmp_path / "root.tar") as archive:
        assert "bin/busybox" in archive.getnames()


def test_a_websocket_is_attached(door: Path, docker: Docker) -> None:
    container = docker("run", "-d", "busybox", "sh", "-c", "sleep 1; echo through the socket; sleep 5").stdout.decode().strip()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(door))
        client.sendall(
            f"GET /containers/{container}/attach/ws?stream=1&stdout=1&logs=1 HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        got = b""
        while b"through the socket" not in got:
            got += client.recv(4096)
    docker("rm", "-f", container)

    assert got.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in got


def test_answers_and_errors_are_the_engines_own(engine: PrivateEngine, door: Path) -> None:
    """Status, body and the headers that clients read are the same, through the door and directly."""
    for method, target in [("GET", "/_ping"), ("HEAD", "/_ping"), ("GET", "/version"), ("GET", "/containers/none/json"), ("GET", "/nothing"),
                           ("POST", "/containers/none/start"), ("GET", "/images/busybox/json")]:
        assert ask(engine.socket, method, target) == ask(door, method, target), target


def ask(path: Path, method: str, target: str) -> tuple[object, ...]:
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request(method, target)
    answer = connection.getresponse()
    body = answer.read()
    said = tuple(answer.getheader(name) for name in ("Api-Version", "Ostype", "Server", "Docker-Experimental", "Content-Type", "Builder-Version"))
    return answer.status, said, json.loads(body) if body.startswith((b"{", b"[")) else body
