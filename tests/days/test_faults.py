"""Faults, one at each step: nothing passes unjudged, no acknowledged entry is lost, and it goes on when the fault is over."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.engine import PrivateEngine
from fixtures.warden import ALICE, BOB, Warden, dockwarden

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def fresh(engine: PrivateEngine) -> Iterator[Warden]:
    """A dockwarden of a test's own."""
    folder = Path("/var/tmp") / f"dwf{os.getpid()}{time.monotonic_ns() % 10**6}"
    folder.mkdir(mode=0o755)
    made = Warden(folder, engine.address)
    made.init()
    made.start()
    yield made
    made.stop()
    made.remove()


def verify(warden: Warden) -> subprocess.CompletedProcess[str]:
    return dockwarden("ledger", "verify", "--config", str(warden.config))


def test_an_engine_that_is_gone_is_said_and_back_it_serves_again(fresh: Warden, engine: PrivateEngine) -> None:
    assert 0 == fresh.docker("run", "--rm", "busybox", "true").returncode
    engine.stop()

    gone = fresh.curl("-X", "POST", "-H", "content-type: application/json", "-d", '{"Image":"busybox"}', "/v1.41/containers/create")

    assert (503, "engine.unreachable") == (gone.status, gone.body["code"])
    engine.start()
    assert 0 == fresh.docker("run", "--rm", "busybox", "true").returncode


def test_a_broken_policy_file_keeps_the_old_set_and_the_next_good_one_is_taken(fresh: Warden) -> None:
    file = fresh.dir / "policies" / "developers.cedar"
    text = file.read_text()
    file.write_text("permit (principal, action, resource")
    assert fresh.wait_for_log("policy.kept")

    assert 0 == fresh.docker("run", "--rm", "busybox", "true").returncode
    assert 0 != fresh.docker("run", "--rm", "--privileged", "busybox", "true").returncode
    file.write_text(text.replace('action in [Action::"run"', 'action in [Action::"ping"'))
    assert fresh.wait_for_log("policy.loaded")
    assert 0 != fresh.docker("run", "--rm", "busybox", "true").returncode


def test_a_policy_folder_that_is_gone_or_empty_never_permits_more(fresh: Warden) -> None:
    (fresh.dir / "policies").rename(fresh.dir / "away")
    assert fresh.wait_for_log("policy.kept")
    assert 0 != fresh.docker("run", "--rm", "--privileged", "busybox", "true").returncode
    (fresh.dir / "policies").mkdir()
    assert fresh.wait_for_log("policy.loaded")

    assert 403 == fresh.curl("/v1.41/containers/json").status


def test_a_person_taken_out_of_the_file_is_nobody_on_connections_that_are_open(fresh: Warden) -> None:
    people = fresh.dir / "people.toml"
    assert 200 == fresh.curl("/v1.41/containers/json").status
    people.write_text(people.read_text().replace("[people.alice]", "[people.someone-else]").replace(f"uid = {ALICE}", "uid = 29999"))
    assert fresh.wait_for_log("policy.loaded")

    assert 403 == fresh.curl("/v1.41/containers/json").status


@pytest.mark.alone
def test_killed_under_load_no_acknowledged_entry_is_lost_and_it_is_back_at_once(fresh: Warden) -> None:
    made: list[str] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            reply = fresh.curl("-X", "POST", "-H", "content-type: application/json", "-d", '{"Image":"busybox","Cmd":["true"]}', "/v1.41/containers/create")
            if reply.status == 201:
                made.append(reply.body["Id"])

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    time.sleep(1.5)
    assert fresh.process is not None
    fresh.process.send_signal(signal.SIGKILL)
    stop.set()
    for worker in workers:
        worker.join(70)
    fresh.process.wait(10)
    begun = time.monotonic()
    fresh.start()

    assert time.monotonic() - begun < 5
    assert 0 == verify(fresh).returncode
    recorded = {row[1] for entry in fresh.entries() for row in (entry.get("detail") or {}).get("made", [])}  # type: ignore[attr-defined]  # plain JSON
    acknowledged = set(made)
    assert len(acknowledged) > 3
    owned = {row["Id"] for row in fresh.curl("/v1.41/containers/json?all=1").body}
    assert set() == acknowledged - owned, "an acknowledged container is not its maker's any more"
    assert len(recorded) >= 1
    for id in acknowledged:
        fresh.curl("-X", "DELETE", f"/v1.41/containers/{id}")


def test_a_full_disk_under_the_ledger_refuses_changes_and_recovers(engine: PrivateEngine) -> None:
    folder = Path("/var/tmp") / f"dwfull{os.getpid()}"
    folder.mkdir(mode=0o755)
    warden = Warden(folder, engine.address)
    warden.init()
    ledger = folder / "state" / "ledger"
    kept = shutil.copytree(ledger, folder / "kept")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(ledger)], check=True)
    try:
        shutil.copytree(kept, ledger, dirs_exist_ok=True)
        warden.start()
        assert 0 == warden.docker("run", "--rm", "busybox", "true").returncode
        filler = ledger / "filler"
        handle = os.open(filler, os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(handle, bytes(4096))
        os.close(handle)
        codes = set()
        for _ in range(30):
            reply = warden.curl("-X", "POST", "-H", "content-type: application/json", "-d", '{"Image":"busybox"}', "/v1.41/containers/create?name=full")
            codes.add((reply.status, reply.body.get("code")))
        assert (503, "ledger.unwritable") in codes
        assert b"full" not in engine.docker("ps", "-a", "--filter", "name=^full$", "--format", "{{.Names}}").stdout or (201, None) in codes
        filler.unlink()
        end = time.monotonic() + 10
        while warden.docker("run", "--rm", "busybox", "true").returncode != 0:
            assert time.monotonic() < end
        assert 0 == warden.stop()
        assert 0 == verify(warden).returncode
    finally:
        warden.stop()
        subprocess.run(["umount", "-l", str(ledger)], check=False)
        engine.docker("rm", "-f", "full")
        warden.remove()


def test_a_flipped_byte_of_the_ledger_is_found_and_named(fresh: Warden) -> None:
    assert 0 == fresh.docker("run", "--rm", "busybox", "true").returncode
    fresh.stop()
    assert 0 == verify(fresh).returncode
    file = next((fresh.dir / "state" / "ledger").glob("*.ledger"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))

    broken = verify(fresh)

    assert 1 == broken.returncode
    assert "BROKEN at entry" in broken.stderr
    file.write_bytes(bytes(data[: len(data) // 2]) + bytes([data[len(data) // 2] ^ 1]) + bytes(data[len(data) // 2 + 1 :]))


def test_a_name_deleted_and_taken_by_another_is_another_s_at_once(fresh: Warden) -> None:
    assert 0 == fresh.docker("create", "--name", "reused", "busybox", "true").returncode
    assert 0 == fresh.docker("volume", "create", "reusedvol").returncode
    assert 0 == fresh.docker("rm", "reused").returncode
    assert 0 == fresh.docker("volume", "rm", "reusedvol").returncode
    assert 0 == fresh.docker("create", "--name", "reused", "busybox", "true", uid=BOB).returncode
    assert 0 == fresh.docker("volume", "create", "reusedvol", uid=BOB).returncode

    assert 0 != fresh.docker("rm", "reused").returncode
    assert 0 != fresh.docker("volume", "rm", "reusedvol").returncode
    assert 0 == fresh.docker("rm", "reused", uid=BOB).returncode
    assert 0 == fresh.docker("volume", "rm", "reusedvol", uid=BOB).returncode


def test_a_forged_owner_label_on_the_raw_socket_owns_nothing(fresh: Warden, engine: PrivateEngine) -> None:
    made = engine.docker("create", "--name", "forged", "--label", "dockwarden.owner=alice", "--label", "dockwarden.call=0123", "busybox", "true")
    assert 0 == made.returncode

    assert "forged" not in fresh.docker("ps", "-a").stdout
    assert 0 != fresh.docker("rm", "forged").returncode
    engine.docker("rm", "forged")


def test_observing_refuses_nothing_records_it_and_says_so(engine: PrivateEngine) -> None:
    folder = Path("/var/tmp") / f"dwobs{os.getpid()}"
    folder.mkdir(mode=0o755)
    warden = Warden(folder, engine.address)
    warden.init()
    warden.config.write_text("observe = true\n" + warden.config.read_text())
    warden.start()
    try:
        done = warden.docker("run", "--rm", "--pid", "host", "busybox", "echo", "observed")

        assert (0, "observed\n") == (done.returncode, done.stdout), done.stderr
        assert "NOTHING IS REFUSED" in warden.ready
        assert any(entry["kind"] == "observed" for entry in warden.entries())

        engine.docker("create", "--name", "obsraw", "-e", "TOKEN=seen", "busybox", "true")
        for words in (("ps", "-a"), ("ps", "-a", "--filter", "name=obsraw"), ("ps", "-a", "--filter", "since=obsraw"), ("inspect", "obsraw")):
            assert 0 == warden.docker(*words).returncode, words
        assert "obsraw" in warden.docker("ps", "-a").stdout
        assert "TOKEN=seen" in warden.docker("inspect", "obsraw").stdout
        id = engine.docker("inspect", "-f", "{{.Id}}", "obsraw").stdout.decode().strip()
        told = [entry["detail"] for entry in warden.entries() if entry["kind"] == "observed" and entry["action"] == "container.list"]
        assert any(detail["code"] == "veil.hidden" and f"Container:{id}" in detail["message"] for detail in told), told  # type: ignore[index]  # plain JSON
    finally:
        engine.docker("rm", "-f", "obsraw")
        warden.stop()
        warden.remove()


def test_a_mask_that_comes_back_is_restored_for_a_recreate_and_refused_elsewhere(fresh: Warden) -> None:
    assert 0 == fresh.docker("create", "--name", "masked", "-e", "SETTING=canary-value", "busybox", "sleep", "5").returncode
    env = fresh.curl("/v1.41/containers/masked/json").body["Config"]["Env"]
    mask = next(entry for entry in env if entry.startswith("SETTING="))
    assert "canary" not in mask

    import json

    same = {"Image": "busybox", "Cmd": ["sleep", "5"], "Env": [mask]}
    again = fresh.curl("-X", "POST", "-H", "content-type: application/json", "-d", json.dumps(same), "/v1.41/containers/create?name=masked2")
    other = fresh.curl("-X", "POST", "-H", "content-type: application/json", "-d", json.dumps({**same, "Cmd": ["env"]}), "/v1.41/containers/create?name=masked3")

    assert 201 == again.status, again.body
    assert "SETTING=canary-value" in fresh.curl("/v1.41/containers/masked2/json", uid=0).body["Config"]["Env"]
    assert (403, "veil.masked_value") == (other.status, other.body["code"])
    fresh.docker("rm", "masked", "masked2")
