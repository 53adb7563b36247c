"""What the wire costs: direct, through HAProxy, and through a door that judges nothing, in one run.

    python bench/wire.py --engine unix:///run/docker.sock [--seconds 2] [--json]

Small calls: `_ping` at 1, 16 and 128 connections. Bulk: 1 GiB down and up against a stand-in that does nothing else. Memory:
at rest, during the bulk, and for each of 500 idle hijacked streams. Every process it starts it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
GIB = 1 << 30
STREAMS = 500
ROUNDS = 3
HAPROXY = """
defaults
  mode http
  timeout connect 10s
  timeout client 10m
  timeout server 10m
frontend door
  bind unix@{listen} mode 666
  default_backend engine
backend engine
  server engine unix@{engine}
"""


class StandIn(asyncio.Protocol):
    """An Engine that does nothing as fast as it can: sends `/down`, takes `/up`, and hijacks the rest of what is posted."""

    piece = b"8000\r\n" + b"\0" * 32768 + b"\r\n"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._left = 0
        self._is_full = self._takes = False

    def data_received(self, data: bytes) -> None:
        if self._takes:
            if data.endswith(b"0\r\n\r\n"):
                self._takes = False
                self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        elif data.startswith(b"GET /down"):
            self._left = GIB
            self._transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-tar\r\n\r\n")
            self._send()
        elif data.startswith((b"POST /up", b"PUT /up")):
            self._takes = True
        elif data.startswith(b"POST"):
            self._transport.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        else:
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK")

    def _send(self) -> None:
        while self._left > 0 and not self._is_full:
            self._left -= 8 * 32768
            self._transport.write(self.piece * 8 + (b"" if self._left > 0 else b"0\r\n\r\n"))

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._send()


async def stand_in(path: str) -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_unix_server(StandIn, path, backlog=1024)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


@contextlib.contextmanager
def process(*command: str, waits: bool = True) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended by its own id."""
    started = subprocess.Popen(command, stdout=subprocess.PIPE if waits else subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    if waits:
        assert started.stdout is not None
        started.stdout.readline()
    else:
        time.sleep(0.7)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@contextlib.contextmanager
def ways(engine: str, folder: Path) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """The three ways to one Engine, and the door's process."""
    config, proxied, door = folder / "haproxy.cfg", folder / "haproxy.sock", folder / "door.sock"
    config.write_text(HAPROXY.format(listen=proxied, engine=engine))
    bare = process(sys.executable, str(HERE / "bare_door.py"), f"unix://{engine}", f"unix://{door}")
    with process("haproxy", "-f", str(config), waits=False), bare as served:
        yield {"direct": engine, "haproxy": str(proxied), "door": str(door)}, served


def calls(paths: dict[str, str], seconds: float) -> dict[str, dict[str, float]]:
    """`_ping`, each way in turn, the median round of a few."""
    found: dict[str, dict[str, float]] = {}
    for connections in (1, 16, 128):
        rounds: dict[str, list[dict[str, float]]] = {way: [] for way in paths}
        for _ in range(ROUNDS):
            for way, path in paths.items():
                command = [sys.executable, str(HERE / "load.py"), f"unix://{path}", "/_ping", str(connections), str(seconds)]
                rounds[way].append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout))
        for way, results in rounds.items():
            found[f"_ping, {connections} connections, {way}"] = sorted(results, key=lambda one: one["p50_us"])[ROUNDS // 2]
    return found


def bulk(paths: dict[str, str]) -> dict[str, dict[str, float]]:
    """1 GiB down and up, each way in turn, the best of a few."""
    found = {}
    for way, path in paths.items():
        found[f"1 GiB down, {way}"] = {"mib_s": max(down(path) for _ in range(ROUNDS))}
        found[f"1 GiB up, {way}"] = {"mib_s": max(up(path) for _ in range(ROUNDS))}
    return found


def connect(path: str, line: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(60)
    made.connect(path)
    made.sendall(line.encode())
    return made


def down(path: str) -> float:
    begun, got, buffer = time.perf_counter(), 0, bytearray(1 << 20)
    with connect(path, "GET /down HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as sock:
        while got < GIB:
            size = sock.recv_into(buffer)
            assert size, "cut"
            got += size
    return round(1024 / (time.perf_counter() - begun), 1)


def up(path: str) -> float:
    begun, piece = time.perf_counter(), b"10000\r\n" + b"\0" * 65536 + b"\r\n"
    with connect(path, "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") as sock:
        for _ in range(GIB // (4 * 65536)):
            sock.sendall(piece * 4)
        sock.sendall(b"0\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
    return round(1024 / (time.perf_counter() - begun), 1)


def resident_kib(pid: int, name: str = "VmRSS") -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0])


def idle_streams(path: str, pid: int) -> float:
    """KiB for each of many idle hijacked streams."""
    before = resident_kib(pid)
    line = "POST /containers/a/attach HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    held = [connect(path, line) for _ in range(STREAMS)]
    for sock in held:
        assert sock.recv(4096).startswith(b"HTTP/1.1 101 ")
    after = resident_kib(pid)
    for sock in held:
        sock.close()
    return round((after - before) / STREAMS, 1)


def measure(engine: str | None, seconds: float) -> dict[str, dict[str, float]]:
    """All figures, by name."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if engine:
            with ways(engine.removeprefix("unix://"), folder) as (paths, _):
                found |= {f"Engine: {what}": figures for what, figures in calls(paths, seconds).items()}
        pretended = str(folder / "stand-in.sock")
        with process(sys.executable, __file__, "--stand-in", pretended), ways(pretended, folder) as (paths, door):
            rest = resident_kib(door.pid)
            found |= {f"stand-in: {what}": figures for what, figures in calls(paths, seconds).items()}
            found |= {f"stand-in: {what}": figures for what, figures in bulk(paths).items()}
            found["door's memory"] = {
                "rest_mib": round(rest / 1024, 1),
                "bulk_more_mib": round((resident_kib(door.pid, "VmHWM") - rest) / 1024, 1),
                "idle_stream_kib": idle_streams(paths["door"], door.pid),
            }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", help="unix://PATH of a real Engine")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--stand-in", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stand_in:
        uvloop.run(stand_in(options.stand_in))
        return
    found = measure(options.engine, options.seconds)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    table = Table("what", "figures")
    for what, figures in found.items():
        table.add_row(what, "  ".join(f"{name} {value:,}" for name, value in figures.items()))
    Console().print(table)


if __name__ == "__main__":
    main()
