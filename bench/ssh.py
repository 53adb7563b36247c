"""`python -m bench.ssh [PART ...]`: the SSH door against `ssh -J` through a plain OpenSSH jump host and against going direct, in one run.

Rounds of the three are interleaved, so that what else the machine does meets them alike. The clients are real ones; target and jump host are
two OpenSSH servers on loopback. What is sent through the door is recorded. Everything is bounded in count; nothing is asserted.
`DOCKWARDEN_BENCH_QUICK=1` takes an eighth of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import asyncssh  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from bench.search import memory_mib  # noqa: E402
from fixtures.engine import PrivateEngine, make_engine  # noqa: E402  the tests' own Engine serves here, too
from fixtures.ports import free_port  # noqa: E402  as above
from fixtures.ssh import LOGIN, Bastion, Target, openssh_server, ssh_door  # noqa: E402  as above
from fixtures.warden import ALICE, BOB, Warden  # noqa: E402  as above

PART = 8 if os.environ.get("DOCKWARDEN_BENCH_QUICK") else 1
TEXT_BYTES, COPIES = (256 << 20) // PART, 4
BULKS, CONNECTS, ECHOES, ECHO_ROUNDS = 3, 32 // PART, 2400 // PART, 6
IDLE, IDLE_A_CONNECTION = 500 // PART, 50
EXECS = 3
CROWDS, CROWD_BULKS, CROWD_EXECS = 3, 4, 64 // PART
WAYS = ("direct", "jump", "dockwarden")
GCM, DEFAULT = "aes128-gcm@openssh.com", "default"
MANY = "MaxSessions 100\nMaxStartups 100:30:200\n"
NOT_TAPED = """
@id("bench-not-taped")
@harden("record=off")
permit (principal == User::"bob", action == Action::"session.start", resource is Session);
"""


@dataclass(frozen=True)
class Clients:
    """The client, set up for each of the three ways."""

    folder: Path
    bastion: Bastion

    @property
    def ours(self) -> int:
        """The process that serves."""
        assert self.bastion.warden.process is not None
        return self.bastion.warden.process.pid

    def words(self, way: str, *more: str, ciphers: str = GCM) -> list[str]:
        """`ssh` along a way, without what it runs there."""
        return ["ssh", "-F", str(self.folder / f"config-{ciphers}"), *more, way]

    def run(self, way: str, command: str, *more: str, ciphers: str = GCM, input: Path | None = None) -> float:
        """Seconds that a command takes."""
        with (input or Path(os.devnull)).open("rb") as source:
            begun = time.perf_counter()
            subprocess.run([*self.words(way, *more, ciphers=ciphers), command], stdin=source, stdout=subprocess.DEVNULL, check=True, timeout=900)
            return time.perf_counter() - begun

    @contextlib.contextmanager
    def kept(self, way: str) -> Iterator[tuple[str, ...]]:
        """The options with which the client goes over a connection that is open already."""
        control = ("-S", str(self.folder / f"control-{way}"))
        master = subprocess.Popen(self.words(way, "-M", "-N", *control), stdin=subprocess.DEVNULL)
        try:
            while subprocess.run(self.words(way, *control, "-O", "check"), capture_output=True, check=False).returncode:
                time.sleep(0.02)
            yield control
        finally:
            master.terminate()
            master.wait(10)


def write_config(file: Path, target: Target, jump: int, bastion: Bastion, ciphers: str) -> None:
    """A client's configuration, with the three ways as hosts."""
    line = f"  Ciphers {ciphers}\n" if ciphers != DEFAULT else ""
    file.write_text(
        f"Host jump-host\n  Port {jump}\nHost direct\n  Port {target.port}\nHost jump\n  Port {target.port}\n  ProxyJump jump-host\n"
        f"Host dockwarden\n  Port {bastion.port}\n  User olga%web\n  IdentityFile {bastion.keys / 'olga'}\n"
        f"Host *\n  HostName 127.0.0.1\n  User {LOGIN}\n  IdentityFile {target.key}\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n"
        f"  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  IgnoreUnknown ObscureKeystrokeTiming\n  ObscureKeystrokeTiming no\n{line}"
    )


@contextlib.contextmanager
def jump_host(target: Target) -> Iterator[int]:
    """Another plain OpenSSH server, for the same account; its port."""
    port, config = free_port(), target.folder / "jump_config"
    config.write_text((target.folder / "sshd_config").read_text().replace(f"Port {target.port}", f"Port {port}").replace("/pid", "/jump-pid"))
    with (target.folder / "jump-log").open("w") as log:
        server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stderr=log)
    try:
        yield port
    finally:
        server.terminate()
        server.wait(10)


def write_text(file: Path, size: int) -> None:
    """Lines as a server's log has them; the same each time."""
    chance = random.Random(7)
    lines = []
    for number in range(40_000):
        words = " ".join(chance.choices(("accepted", "request", "for", "user", "timeout", "retry", "of", "shard", "from", "cache"), k=6))
        lines.append(f"2026-11-{number % 28 + 1:02}T12:{number % 60:02}:07.{chance.randrange(1000):03}Z web-{number % 17} app[{chance.randrange(65536)}]: "
                     f"{words} id={chance.getrandbits(64):016x} took={chance.randrange(9000)}us\n")  # fmt: skip
    block = "".join(lines).encode()
    with file.open("wb") as out:
        while (left := size - out.tell()) > 0:
            out.write(block[:left])
    file.chmod(0o644)


# --- the three ways against each other ---


def bulk(clients: Clients, text: Path, console: Console) -> None:
    """Much text each way."""
    table = Table("bulk, MiB/s", *WAYS, "dockwarden / jump", "dockwarden / direct", title=f"{TEXT_BYTES >> 20} MiB of log lines, median of {BULKS}")
    for ciphers in (GCM, DEFAULT):
        for title, command, source in (("from the host", f"cat {text}", None), ("to the host", "cat >/dev/null", text)):
            spent = interleaved(BULKS, lambda way: clients.run(way, command, ciphers=ciphers, input=source))  # noqa: B023  called here
            rates = {way: (TEXT_BYTES >> 20) / statistics.median(spent[way]) for way in WAYS}
            table.add_row(f"{title}, {ciphers}", *(f"{rates[way]:.0f}" for way in WAYS), *ratios(rates))
    console.print(table)


def set_up(clients: Clients, console: Console) -> None:
    """How long it takes until a program has run."""
    table = Table("ssh HOST true, ms p50", *WAYS, "dockwarden / jump", "dockwarden / direct", title=f"set-up, median of {CONNECTS}")
    spent = interleaved(CONNECTS, lambda way: clients.run(way, "true"))
    add_medians(table, "its own connection", spent)
    with contextlib.ExitStack() as kept:
        controls = {way: kept.enter_context(clients.kept(way)) for way in WAYS}
        spent = interleaved(CONNECTS, lambda way: clients.run(way, "true", *controls[way]))
    add_medians(table, "over one that is open (ControlMaster)", spent)
    console.print(table)


def echo(clients: Clients, console: Console) -> None:
    """How long a byte takes to come back, in a terminal: what the door shows is on the disk by then."""
    table = Table("one byte's echo, ms", *WAYS, "more than by the jump host", title=f"a terminal, {ECHOES} bytes each way")
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    with contextlib.ExitStack() as held:
        terminals = {way: held.enter_context(terminal(clients, way)) for way in WAYS}
        for way in WAYS * ECHO_ROUNDS:
            spent[way] += echoes(terminals[way], ECHOES // ECHO_ROUNDS)
    for title, of in (("p50", statistics.median), ("p99", lambda some: statistics.quantiles(some, n=100)[98])):
        found = {way: of(spent[way]) * 1e3 for way in WAYS}
        table.add_row(title, *(f"{found[way]:.2f}" for way in WAYS), f"{found['dockwarden'] - found['jump']:+.2f}")
    console.print(table)


@contextlib.contextmanager
def terminal(clients: Clients, way: str) -> Iterator[subprocess.Popen[bytes]]:
    """A terminal on the host in which every byte is answered with itself."""
    client = subprocess.Popen([*clients.words(way, "-tt"), "stty raw -echo; echo ready; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    try:
        assert client.stdout is not None
        seen = b""
        while b"ready" not in seen:
            seen += (piece := client.stdout.read(1024) or b"")
            assert piece, f"no terminal: {seen!r}"
        time.sleep(0.2)
        yield client
    finally:
        client.kill()
        client.wait(10)


def echoes(client: subprocess.Popen[bytes], count: int) -> list[float]:
    """Seconds of each of so many round trips."""
    assert client.stdin is not None
    assert client.stdout is not None
    spent = []
    for _ in range(count):
        begun = time.perf_counter()
        client.stdin.write(b"x")
        client.stdout.read(1)
        spent.append(time.perf_counter() - begun)
    return spent


# --- what it costs who serves ---


def copies(clients: Clients, text: Path, console: Console) -> None:
    """The most memory that a large copy takes."""
    source, landed = text.with_name("large"), clients.folder / "landed"
    with source.open("wb") as out:
        for _ in range(COPIES):
            out.write(text.read_bytes())
    source.chmod(0o644)
    size = source.stat().st_size >> 20
    table = Table("copy", "MiB/s", "memory, MiB", title=f"{size} MiB through the door: how much more memory than before")
    files = ["-F", str(clients.folder / f"config-{GCM}"), "-q"]
    ours = "dockwarden"
    deeds: dict[str, Callable[[], object]] = {
        "exec, from the host": lambda: clients.run(ours, f"cat {source}"),
        "exec, to the host": lambda: clients.run(ours, "cat >/dev/null", input=source),
        "scp -O, from the host": lambda: subprocess.run(["scp", "-O", *files, f"{ours}:{source}", str(landed)], check=True, timeout=900),
        "scp -O, to the host": lambda: subprocess.run(["scp", "-O", *files, str(source), f"{ours}:landed"], check=True, timeout=900),
        "sftp, from the host": lambda: subprocess.run(["scp", *files, f"{ours}:{source}", str(landed)], check=True, timeout=900),
        "sftp, to the host": lambda: subprocess.run(["scp", *files, str(source), f"{ours}:landed"], check=True, timeout=900),
    }
    for title, deed in deeds.items():
        before = memory_mib(clients.ours, "VmRSS")
        Path(f"/proc/{clients.ours}/clear_refs").write_text("5")  # the peak is counted anew
        begun = time.perf_counter()
        deed()
        table.add_row(title, f"{size / (time.perf_counter() - begun):.0f}", f"{memory_mib(clients.ours, 'VmHWM') - before:+.1f}")
        landed.unlink(missing_ok=True)
    console.print(table)
    source.unlink()


async def idle(clients: Clients, console: Console) -> None:
    """The memory of terminals in which nothing happens, each on its tape."""
    bastion, before = clients.bastion, memory_mib(clients.ours, "VmRSS")
    async with contextlib.AsyncExitStack() as held:
        begun = time.perf_counter()
        for _ in range(-(-IDLE // IDLE_A_CONNECTION)):
            connection = await held.enter_async_context(asyncssh.connect(
                "127.0.0.1", bastion.port, username="olga%web", client_keys=[str(bastion.keys / "olga")], known_hosts=None, config=None, agent_path=None
            ))  # fmt: skip
            some = [connection.create_process("exec cat", term_type="xterm", encoding=None) for _ in range(min(IDLE, IDLE_A_CONNECTION))]
            for process in await asyncio.gather(*some):
                process.stdin.write(b"x\r")
                await asyncio.wait_for(process.stdout.read(1), 60)
        took = time.perf_counter() - begun
        await asyncio.sleep(1)
        now = memory_mib(clients.ours, "VmRSS")
    console.print(f"{IDLE} taped terminals that are idle, begun in {took:.1f} s: {now:.0f} MiB, {before:.0f} before; "
                  f"{(now - before) * 1024 / IDLE:.0f} KiB for each")  # fmt: skip


def docker_exec(engine: PrivateEngine, warden: Warden, text: Path, console: Console) -> None:
    """`docker exec` with a tape and without, and direct."""
    table = Table("docker exec, MiB/s", "direct", "not taped", "taped", "taped / not taped", title=f"{TEXT_BYTES >> 20} MiB of log lines, median of {EXECS}")
    file = warden.dir / "policies" / "bench.cedar"
    file.write_text(NOT_TAPED)
    names = {"direct": "bench-direct", "not taped": "bench-bob", "taped": "bench-alice"}
    for uid, name in ((BOB, "bench-bob"), (ALICE, "bench-alice")):
        assert not warden.docker("run", "-d", "--name", name, "busybox", "sleep", "3600", uid=uid).returncode
    engine.docker("run", "-d", "--name", "bench-direct", "busybox", "sleep", "3600")
    for name in names.values():
        engine.docker("cp", str(text), f"{name}:/text")
    who = {"direct": (engine.socket, 0), "not taped": (warden.socket, BOB), "taped": (warden.socket, ALICE)}

    def one(way: str) -> float:
        socket, uid = who[way]
        begun = time.perf_counter()
        subprocess.run(
            ["docker", "-H", f"unix://{socket}", "exec", names[way], "cat", "/text"], stdout=subprocess.DEVNULL, check=True, timeout=900,
            user=uid, group=uid, extra_groups=[], env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "DOCKER_CONFIG": "/nonexistent"},
        )  # fmt: skip
        return time.perf_counter() - begun

    tapes = len(list((warden.dir / "state" / "tapes").iterdir()))
    spent = interleaved(EXECS, one, tuple(names))
    assert len(list((warden.dir / "state" / "tapes").iterdir())) == tapes + EXECS + 1, "what should be taped was not, or what should not"
    rates = {way: (TEXT_BYTES >> 20) / statistics.median(some) for way, some in spent.items()}
    table.add_row("cat", *(f"{rate:.0f}" for rate in rates.values()), f"{rates['taped'] / rates['not taped']:.2f} ×")
    console.print(table)


def crowd(clients: Clients, text: Path, console: Console) -> None:
    """Many clients at once, with one process at the port and with two. Clients and sshd have the same cores: what the door itself takes is told apart."""
    warden, many = clients.bastion.warden, (1, 2)
    mib = CROWD_BULKS * text.stat().st_size / (1 << 20)
    table = Table("processes", "MiB/s", "`ssh HOST true` a second", "CPU of the house, ms a MiB", "of the carriers", "of the house, ms an exec", "of the carriers",
                  title=f"{CROWD_BULKS} copies at once, then {CROWD_EXECS} programs, 8 at a time; median of {CROWDS}")  # fmt: skip
    found: dict[int, list[tuple[float, ...]]] = {count: [] for count in many}
    for _ in range(CROWDS):
        for count in many:
            warden.stop()
            warden.config.write_text(re.sub(r"processes = \d+", f"processes = {count}", warden.config.read_text()))
            warden.start()
            clients.run("dockwarden", "true")
            found[count].append((*spent_on(clients, [f"cat {text}"] * CROWD_BULKS, mib), *spent_on(clients, ["true"] * CROWD_EXECS, CROWD_EXECS)))
    middle = {count: [statistics.median(column) for column in zip(*rows, strict=True)] for count, rows in found.items()}
    for count, (rate, house, carriers, execs, house_exec, carriers_exec) in middle.items():
        table.add_row(str(count), f"{rate:.0f}", f"{execs:.1f}", *(f"{one:.1f}" for one in (house, carriers, house_exec, carriers_exec)))
    table.add_row("2 / 1", *(f"{middle[2][column] / middle[1][column]:.2f} ×" for column in (0, 3, 1)), "", f"{middle[2][4] / middle[1][4]:.2f} ×", "")
    console.print(table)


def spent_on(clients: Clients, commands: list[str], units: float) -> tuple[float, float, float]:
    """Units a second, and milliseconds of a processor that the house and its carriers take for one."""
    before, begun = door_cpu_s(clients.ours), time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda command: clients.run("dockwarden", command), commands))
    took, after = time.perf_counter() - begun, door_cpu_s(clients.ours)
    return units / took, *((now - then) * 1e3 / units for now, then in zip(after, before, strict=True))


def door_cpu_s(house: int) -> tuple[float, float]:
    """Seconds of a processor that the house has taken, and its carriers."""
    carriers = 0.0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and b"crowd.carrying" in (entry / "cmdline").read_bytes() and cpu_of(entry)[1] == house:
                carriers += cpu_of(entry)[0]
    return cpu_of(Path(f"/proc/{house}"))[0], carriers


def cpu_of(entry: Path) -> tuple[float, int]:
    """Seconds that a process has taken, and whose child it is."""
    fields = (entry / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(fields[1])


# --- rounds and rows ---


def interleaved(rounds: int, deed: Callable[[str], float], ways: tuple[str, ...] = WAYS) -> dict[str, list[float]]:
    """What each way takes, round by round; one round before, for what is done at first, is not counted."""
    spent: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way in ways:
            took = deed(way)
            if number:
                spent[way].append(took)
    return spent


def ratios(found: dict[str, float]) -> tuple[str, str]:
    """Ours against the other two."""
    return f"{found['dockwarden'] / found['jump']:.2f} ×", f"{found['dockwarden'] / found['direct']:.2f} ×"


def add_medians(table: Table, title: str, spent: dict[str, list[float]]) -> None:
    """One row of medians, in milliseconds."""
    found = {way: statistics.median(some) * 1e3 for way, some in spent.items()}
    table.add_row(title, *(f"{found[way]:.0f}" for way in WAYS), *ratios(found))


def measure(target: Target, jump: int, engine: PrivateEngine, bastion: Bastion, console: Console, parts: list[str]) -> None:
    """Print what is asked for; all of it, where nothing is named."""
    warden = bastion.warden
    clients, text = Clients(target.folder, bastion), target.folder / "text"
    for ciphers in (GCM, DEFAULT):
        write_config(clients.folder / f"config-{ciphers}", target, jump, bastion, ciphers)
    write_text(text, TEXT_BYTES)
    deeds: dict[str, Callable[[], object]] = {
        "set-up": lambda: set_up(clients, console), "bulk": lambda: bulk(clients, text, console), "echo": lambda: echo(clients, console),
        "copies": lambda: copies(clients, text, console), "idle": lambda: asyncio.run(idle(clients, console)),
        "exec": lambda: docker_exec(engine, warden, text, console), "crowd": lambda: crowd(clients, text, console),
    }  # fmt: skip
    for part in parts or deeds:
        console.print(f"[dim]{part}: load of the machine {os.getloadavg()[0]:.1f}, memory of who serves {memory_mib(clients.ours, 'VmRSS'):.0f} MiB[/dim]")
        deeds[part]()


def main() -> None:
    """Measure everything once."""
    console, engine = Console(width=150), make_engine(9)
    try:
        with openssh_server(MANY) as target, jump_host(target) as jump, ssh_door(engine.address, target) as bastion:
            measure(target, jump, engine, bastion, console, sys.argv[1:])
    finally:
        engine.remove()


if __name__ == "__main__":
    main()
