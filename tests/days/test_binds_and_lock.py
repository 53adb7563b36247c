"""Binds that cannot be swapped, and the Engine's own socket under the same policy: on a real Engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.engine import PrivateEngine
from fixtures.warden import ALICE, BOB, Warden, dockwarden

pytestmark = pytest.mark.timeout(240)


def test_a_folder_swapped_for_a_link_after_create_stops_the_start(warden: Warden, work: Path) -> None:
    """Create with an honest folder, put a link to /etc in its place, start: the start fails with our words, and /etc stays where it is."""
    folder = work / "alice" / "swap"
    folder.mkdir()
    os.chown(folder, ALICE, ALICE)
    assert 0 == warden.docker("create", "--name", "swapped", "-v", f"{folder}:/x", "busybox", "ls", "/x").returncode
    folder.rmdir()
    folder.symlink_to("/etc")

    started = warden.docker("start", "-a", "swapped")

    assert 0 != started.returncode
    assert "dockwarden: " in started.stderr
    assert "passwd" not in started.stdout
    warden.docker("rm", "-f", "swapped")
    folder.unlink()


def test_a_folder_swapped_before_an_automatic_restart_is_not_mounted(warden: Warden, work: Path) -> None:
    folder = work / "alice" / "auto"
    folder.mkdir()
    os.chown(folder, ALICE, ALICE)
    done = warden.docker("run", "-d", "--name", "auto", "--restart", "always", "-v", f"{folder}:/x", "busybox", "sh", "-c", "ls /x; sleep 1; exit 1")
    assert 0 == done.returncode, done.stderr
    shutil.rmtree(folder)
    folder.symlink_to("/etc")
    time.sleep(4)

    assert "passwd" not in warden.docker("logs", "auto").stdout
    warden.docker("rm", "-f", "auto")
    folder.unlink()


def test_another_account_s_folder_cannot_be_bound_nor_read_through_a_copy(warden: Warden, work: Path) -> None:
    refused = warden.docker("run", "--rm", "-v", f"{work}/bob:/x", "busybox", "ls", "/x")

    assert 0 != refused.returncode
    assert "hello from bob" not in refused.stdout
    assert "dockwarden: " in refused.stderr


def test_what_a_bind_container_writes_belongs_to_its_own_account(warden: Warden, work: Path) -> None:
    assert 0 == warden.docker("run", "--rm", "-v", f"{work}/alice:/x", "busybox", "touch", "/x/made").returncode

    assert ALICE == (work / "alice" / "made").stat().st_uid


@pytest.fixture
def locked(engine: PrivateEngine) -> Iterator[tuple[PrivateEngine, Warden]]:
    """A dockwarden that is the Engine's authorization plugin, too; the Engine is put back as it was."""
    folder = Path("/var/tmp") / f"dwlock{os.getpid()}"
    folder.mkdir(mode=0o755)
    warden = Warden(folder, engine.address)
    warden.init()
    text = warden.config.read_text()
    plugin = text.split('plugin = "')[1].split('"')[0]
    warden.config.write_text(text.replace("[engine]\n", "[engine]\nlock = true\n"))
    warden.start()
    engine.stop()
    before, engine.options = engine.options, (*engine.options, f"--authorization-plugin={plugin}-lock")
    start_locked(engine)
    yield engine, warden
    engine.stop()
    engine.options = before
    warden.stop()
    warden.remove()
    engine.start()


def start_locked(engine: PrivateEngine) -> None:
    """Start an Engine that answers `version` to nobody without a door's ticket but who policy lets ask."""
    engine.start()


def test_the_raw_socket_obeys_the_same_policy_and_the_door_goes_on(locked: tuple[PrivateEngine, Warden]) -> None:
    engine, warden = locked

    raw = engine.docker("run", "--rm", "--privileged", "-v", "/:/host", "busybox", "true")
    listed = engine.docker("ps")
    through = warden.docker("run", "--rm", "busybox", "echo", "through")

    assert 0 != raw.returncode
    assert b"dockwarden: " in raw.stderr
    assert 0 != listed.returncode
    assert (0, "through\n") == (through.returncode, through.stdout), through.stderr
    doctor = dockwarden("doctor", "--config", str(warden.config))
    assert "lock" in doctor.stdout


def test_who_is_refused_on_the_raw_socket_reads_where_the_door_is(locked: tuple[PrivateEngine, Warden]) -> None:
    """As curl shows it: one sentence of the Engine's, then ours."""
    engine, warden = locked
    done = subprocess.run(
        ["curl", "-s", "--unix-socket", str(engine.socket), "-H", "Content-Type: application/json", "-d", '{"Image": "busybox"}', "http://d/v1.41/containers/create"],
        capture_output=True, text=True, check=True,
    )

    message = json.loads(done.stdout)["message"]
    assert message.startswith("authorization denied by plugin"), message
    assert message.endswith(f"; this is the Engine's own socket: come by DOCKER_HOST=unix://{warden.socket}"), message
    assert 1 == message.count("dockwarden: ")


def test_a_ticket_of_the_caller_s_own_is_not_passed_on(locked: tuple[PrivateEngine, Warden]) -> None:
    engine, warden = locked
    forged = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"X-Dockwarden-Ticket: {'0' * 32}", "--unix-socket", str(engine.socket), "http://d/v1.41/containers/json"],
        capture_output=True, text=True, check=True,
    )
    through = warden.curl("-H", f"X-Dockwarden-Ticket: {'0' * 32}", "/v1.41/containers/json", uid=BOB)

    assert "403" == forged.stdout
    assert 200 == through.status
