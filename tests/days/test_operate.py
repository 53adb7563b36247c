"""Running it: a second process is kept out, a stop takes no longer than it must, and the figures are true. A real Engine is behind it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.engine import PrivateEngine
from fixtures.ports import free_port
from fixtures.warden import ALICE, Warden, dockwarden

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def house(engine: PrivateEngine) -> Iterator[Warden]:
    """A dockwarden of a test's own, with /healthz and /metrics at `operate(house)`."""
    folder = Path("/var/tmp") / f"dwo{os.getpid()}{time.monotonic_ns() % 10**6}"
    folder.mkdir(mode=0o755)
    made = Warden(folder, engine.address)
    made.init()
    made.config.write_text(made.config.read_text().replace('listen = ""', f'listen = "127.0.0.1:{free_port()}"'))
    made.start()
    yield made
    made.stop()
    made.remove()


def get(house: Warden, path: str) -> tuple[int, str]:
    found = re.search(r'listen = "(127[^"]+)"', house.config.read_text())
    assert found is not None
    try:
        with urllib.request.urlopen(f"http://{found[1]}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def verified(house: Warden) -> subprocess.CompletedProcess[str]:
    return dockwarden("ledger", "verify", "--config", str(house.config))


def following(house: Warden, *words: str) -> subprocess.Popen[str]:
    """A client with an answer that does not end."""
    process = subprocess.Popen(
        ["docker", "-H", f"unix://{house.socket}", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        user=ALICE, group=ALICE, extra_groups=[], env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )
    time.sleep(1)
    assert process.poll() is None
    return process


def test_a_second_serve_of_one_folder_exits_3_names_the_pid_and_harms_nothing(house: Warden) -> None:
    assert house.process is not None
    opened = [entry["kind"] for entry in house.entries()].count("opened")
    sockets = [path.stat().st_ino for path in (house.socket, house.dir / "state" / "serve.lock")]

    second = dockwarden("serve", "--config", str(house.config))

    assert 3 == second.returncode, second.stderr
    assert f"process {house.process.pid} has it open already (serving)" in second.stderr
    assert "Traceback" not in second.stderr
    assert 1 == len(second.stderr.strip().splitlines())
    assert sockets == [path.stat().st_ino for path in (house.socket, house.dir / "state" / "serve.lock")]
    assert 0 == house.docker("run", "--rm", "busybox", "true").returncode
    assert 0 == verified(house).returncode
    house.stop()
    assert 0 == verified(house).returncode
    assert opened == [entry["kind"] for entry in house.entries()].count("opened")


def test_a_restart_waits_for_the_drain_of_the_one_before_and_then_serves(house: Warden) -> None:
    stream = following(house, "events")
    assert house.process is not None
    before = house.process
    before.terminate()
    while "stopping" not in (house.dir / "state" / "serve.lock").read_text():
        time.sleep(0.01)
    before.send_signal(signal.SIGSTOP)  # however slow the next one starts, it finds this one
    next_one = threading.Thread(target=house.start)
    next_one.start()
    assert house.wait_for_log(f"waiting for process {before.pid}, which is stopping", 20)
    before.send_signal(signal.SIGCONT)

    next_one.join(30)
    assert 0 == before.wait(10)
    assert 0 == house.docker("run", "--rm", "busybox", "true").returncode
    assert 0 == verified(house).returncode
    stream.wait(10)


@pytest.mark.alone
def test_a_stop_does_not_wait_for_events_and_says_that_it_cut_a_stream(house: Warden) -> None:
    stream = following(house, "events")
    begun = time.monotonic()

    assert 0 == house.stop()

    assert 1.5 < time.monotonic() - begun < 5
    assert house.wait_for_log('"cut_streams": 1') or house.wait_for_log("cut_streams=1")
    assert '"cut_calls": 1' not in (house.dir / "serve.log").read_text()
    stream.wait(10)


@pytest.mark.alone
def test_a_stop_with_nothing_under_way_is_over_at_once(house: Warden) -> None:
    begun = time.monotonic()

    assert 0 == house.stop()

    assert time.monotonic() - begun < 2
    assert not house.socket.exists()


def test_a_call_under_way_ends_before_a_stop_does(house: Warden) -> None:
    assert 0 == house.docker("run", "-d", "--name", "stopping", "busybox", "sleep", "600").returncode
    done: list[subprocess.CompletedProcess[str]] = []
    caller = threading.Thread(target=lambda: done.append(house.docker("stop", "-t", "4", "stopping")))
    caller.start()
    time.sleep(1)

    assert 0 == house.stop()

    caller.join(20)
    assert 0 == done[0].returncode, done[0].stderr
    house.start()
    house.docker("rm", "-f", "stopping")


def test_the_sockets_of_one_that_was_killed_are_taken_over(house: Warden) -> None:
    house.stop(9)
    assert house.socket.exists()

    house.start()

    assert 0 == house.docker("ps").returncode
    assert 0 == verified(house).returncode


def test_two_houses_of_one_plugin_name_do_not_take_each_other_s_socket(house: Warden, engine: PrivateEngine) -> None:
    """The volume driver's socket is one a machine and name; the message says which setting that is."""
    folder = house.dir / "work"
    folder.mkdir()
    one, other = (Warden(house.dir / name, engine.address, options=["--bind-root", str(folder)]) for name in ("one", "other"))
    one.init()
    one.start()
    other.init()
    name = re.search(r'plugin = "(\w+)"', one.config.read_text())
    assert name is not None
    other.config.write_text(re.sub(r'plugin = "\w+"', f'plugin = "{name[1]}"', other.config.read_text()))

    second = dockwarden("serve", "--config", str(other.config))

    assert 3 == second.returncode
    assert "[engine] plugin: somebody listens at " in second.stderr
    assert "each dockwarden of a machine needs its own" in second.stderr
    assert ["dockwarden: "] == [line[:12] for line in second.stderr.splitlines() if not line.startswith("{")], second.stderr
    assert 0 == one.docker("ps").returncode
    assert (engine.plugins / f"{name[1]}.sock").is_socket()
    assert 0 == one.stop()
    engine.forget_drivers()


def test_healthz_and_metrics_say_how_it_is(house: Warden, engine: PrivateEngine) -> None:
    house.docker("ps")
    house.docker("run", "--rm", "--privileged", "busybox")

    status, body = get(house, "/healthz")
    figures = get(house, "/metrics")[1]

    assert (200, True) == (status, json.loads(body)["ready"])
    assert {"ledger", "engine", "doors"} <= set(json.loads(body)["parts"])
    assert 'dockwarden_calls_total{action="container.list",end="done"} 1.0' in figures
    assert 'dockwarden_calls_total{action="container.create",end="refused"} 1.0' in figures
    assert "dockwarden_ledger_writable 1.0" in figures
    assert "dockwarden_engine_up 1.0" in figures


def test_serve_is_one_process_named_for_what_it_does(house: Warden) -> None:
    assert house.process is not None
    assert "dockwarden.serving" in Path(f"/proc/{house.process.pid}/cmdline").read_text().split("\0")
    assert sys.executable == Path(f"/proc/{house.process.pid}/cmdline").read_text().split("\0")[0]
