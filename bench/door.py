"""`make bench`: the door against going direct and against a plain proxy (haproxy), in one run, as a table and a picture.

Everything is bounded in count and time and runs on this machine alone. Figures are of this run; nothing is asserted.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from bench.crowd import Call, crowd, record  # noqa: E402  it needs the tests' fixtures, too
from fixtures.engine import PrivateEngine, make_engine  # noqa: E402  the tests' own Engine serves here, too
from fixtures.warden import Warden  # noqa: E402  as above

SECONDS = float(os.environ.get("DOCKWARDEN_BENCH_SECONDS", "2"))
CONNECTIONS = (1, 16, 128)
CONTAINERS, CREATES, RUNS, STREAMS = 50, 60, 6, 500
GIB = 1 << 30
HAPROXY = """
global
    maxconn 2000
    nbthread 2
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    option http-keep-alive
frontend door
    bind unix@{socket} mode 666
    default_backend engine
backend engine
    http-reuse always
    server engine unix@{engine}
"""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=300)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(300)
        self.sock.connect(str(self._path))


def call(connection: UnixConnection, method: str, target: str, body: Any = None) -> tuple[int, bytes]:
    """One call on a kept connection."""
    data = None if body is None else json.dumps(body)
    connection.request(method, target, data, {"Content-Type": "application/json"} if data else {})
    answer = connection.getresponse()
    return answer.status, answer.read()


def connect(path: Path) -> Call:
    """Calls on one kept connection."""
    connection = UnixConnection(path)
    return lambda method, target, body: call(connection, method, target, body)


def load(path: Path, target: str, connections: int) -> dict[str, float]:
    """One bounded load in a process of its own."""
    words = [sys.executable, str(ROOT / "bench" / "load.py"), f"unix://{path}", target, str(connections), str(SECONDS)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    said: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return said


def creates(path: Path) -> tuple[float, float]:
    """Median milliseconds of a create and of a remove, one after the other."""
    connection, made, removed = UnixConnection(path), [], []
    for _ in range(CREATES):
        begun = time.perf_counter()
        status, body = call(connection, "POST", "/v1.41/containers/create", {"Image": "busybox", "Cmd": ["true"]})
        made.append(time.perf_counter() - begun)
        assert status == 201, body
        begun = time.perf_counter()
        call(connection, "DELETE", f"/v1.41/containers/{json.loads(body)['Id']}")
        removed.append(time.perf_counter() - begun)
    return statistics.median(made) * 1e3, statistics.median(removed) * 1e3


def runs(path: Path) -> float:
    """Median seconds of `docker run --rm busybox true`."""
    spent = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        subprocess.run(["docker", "-H", f"unix://{path}", "run", "--rm", "busybox", "true"], check=True, capture_output=True, timeout=60)
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent)


def archive(size: int) -> Iterator[bytes]:
    """A tar archive of one file of zeros, in pieces."""
    member = tarfile.TarInfo("big")
    member.size = size
    yield member.tobuf()
    piece = bytes(1 << 20)
    for _ in range(size >> 20):
        yield piece
    yield bytes(1024)


def upload(path: Path, container: str) -> float:
    """Seconds to put 1 GiB into a container."""
    connection = UnixConnection(path)
    begun = time.perf_counter()
    connection.request("PUT", f"/v1.41/containers/{container}/archive?path=/tmp", archive(GIB), {"Content-Type": "application/x-tar"}, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()
    return time.perf_counter() - begun


def download(path: Path, container: str) -> float:
    """Seconds to get it back."""
    connection = UnixConnection(path)
    begun = time.perf_counter()
    connection.request("GET", f"/v1.41/containers/{container}/archive?path=/tmp/big")
    answer = connection.getresponse()
    buffer, size = memoryview(bytearray(1 << 20)), 0
    while count := answer.readinto(buffer):
        size += count
    assert size > GIB, size
    return time.perf_counter() - begun


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class Peak:
    """The most that a process held while something ran."""

    def __init__(self, pid: int) -> None:
        self._pid, self.mib, self._ends = pid, rss_mib(pid), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ends.wait(0.02):
            self.mib = max(self.mib, rss_mib(self._pid))


def idle_streams(path: Path, container: str) -> list[socket.socket]:
    """That many attached streams on which nothing happens."""
    held = []
    for _ in range(STREAMS):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        sock.sendall(
            f"POST /v1.41/containers/{container}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode()
        )
        assert sock.recv(200).startswith(b"HTTP/1.1 101"), "not attached"
        held.append(sock)
    return held


def reads(paths: dict[str, Path], console: Console) -> list[list[str]]:
    """Every read at every number of connections, as rows."""
    table = Table("call", "connections", *(f"{name} calls/s" for name in paths), *(f"{name} p50 / p99 ms" for name in paths), "p50 × haproxy", "calls/s × haproxy")
    connection = UnixConnection(paths["direct"])
    first = json.loads(call(connection, "GET", "/v1.41/containers/json?all=1")[1])[0]["Id"]
    rows = []
    for title, target in (("_ping", "/_ping"), ("list of 50", "/v1.41/containers/json?all=1"), ("inspect", f"/v1.41/containers/{first}/json")):
        for connections in CONNECTIONS:
            said = {name: load(path, target, connections) for name, path in paths.items()}
            ours, peer = said["dockwarden"], said["haproxy"]
            row = [title, str(connections), *(f"{one['calls_s']:.0f}" for one in said.values()),
                   *(f"{one['p50_us'] / 1000:.2f} / {one['p99_us'] / 1000:.2f}" for one in said.values()),
                   f"{ours['p50_us'] / peer['p50_us']:.2f}", f"{ours['calls_s'] / peer['calls_s']:.2f}"]
            rows.append(row)
            table.add_row(*row)
    console.print(table)
    return rows


def main() -> None:
    """Measure everything once."""
    folder = Path("/var/tmp") / f"dwbench{os.getpid()}"
    folder.mkdir(mode=0o755)
    engine: PrivateEngine = make_engine(8)
    warden = Warden(folder / "dw", engine.address, extra="\n[limits]\nconnections = 2000\n")
    haproxy: subprocess.Popen[bytes] | None = None
    console = Console(record=True, width=190, file=io.StringIO() if "--quiet" in sys.argv else None)
    try:
        warden.init()
        warden.start()
        assert warden.process is not None
        pid = warden.process.pid
        time.sleep(1)
        rest = rss_mib(pid)
        (folder / "haproxy.cfg").write_text(HAPROXY.format(socket=folder / "haproxy.sock", engine=engine.socket))
        haproxy = subprocess.Popen(["haproxy", "-f", str(folder / "haproxy.cfg")], stderr=subprocess.DEVNULL)
        time.sleep(1)
        paths = {"direct": engine.socket, "haproxy": folder / "haproxy.sock", "dockwarden": warden.socket}
        connection = UnixConnection(warden.socket)
        for number in range(CONTAINERS):
            call(connection, "POST", f"/v1.41/containers/create?name=bench{number}", {"Image": "busybox", "Cmd": ["sleep", "600"], "Env": ["A=b"] * 10})
        call(connection, "POST", "/v1.41/containers/bench0/start")
        console.rule("reads")
        reads(paths, console)
        console.rule("the rest")
        rest_table = Table("what", *paths, "dockwarden against direct")
        made = {name: creates(path) for name, path in paths.items()}
        rest_table.add_row("create, p50 ms", *(f"{one[0]:.2f}" for one in made.values()), f"+{made['dockwarden'][0] - made['direct'][0]:.2f} ms")
        rest_table.add_row("remove, p50 ms", *(f"{one[1]:.2f}" for one in made.values()), f"+{made['dockwarden'][1] - made['direct'][1]:.2f} ms")
        ran = {name: runs(path) for name, path in paths.items()}
        rest_table.add_row("docker run --rm, p50 s", *(f"{one:.3f}" for one in ran.values()), f"{ran['dockwarden'] / ran['direct']:.3f} ×")
        with Peak(pid) as peak:
            up = {name: upload(path, "bench0") for name, path in paths.items()}
            down = {name: download(path, "bench0") for name, path in paths.items()}
        rest_table.add_row("1 GiB up, s", *(f"{one:.2f}" for one in up.values()), f"{up['direct'] / up['dockwarden']:.2f} × its rate")
        rest_table.add_row("1 GiB down, s", *(f"{one:.2f}" for one in down.values()), f"{down['direct'] / down['dockwarden']:.2f} × its rate")
        console.print(rest_table)
        before = rss_mib(pid)
        held = idle_streams(warden.socket, "bench0")
        time.sleep(1)
        each = (rss_mib(pid) - before) * 1024 / STREAMS
        for sock in held:
            sock.close()
        console.print(f"memory: {rest:.1f} MiB at rest; at most +{peak.mib - before:.1f} MiB during 1 GiB up and down; {each:.1f} KiB for each of {STREAMS} idle streams")
        console.rule("a crowded host, a long record")
        crowd(connect, engine.socket, warden.socket, console)
        warden.stop()
        record(warden, console)
        console.save_svg(str(ROOT / "docs" / "bench.svg"), title="dockwarden, haproxy, direct: one run")
    finally:
        if haproxy is not None:
            haproxy.terminate()
            haproxy.wait(10)
        warden.stop()
        engine.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
