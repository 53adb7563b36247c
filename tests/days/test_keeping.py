"""How long tapes are kept: two duties, a store on another machine, what the settings ask for, and what stays of a tape that is gone."""

from __future__ import annotations

import json
import re
import shutil
import signal
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from days.test_secrets import asked, cli
from days.test_sessions import container, ended, listed, newest
from fixtures.bucket import CREDENTIALS, Bucket, bucket
from fixtures.engine import PrivateEngine
from fixtures.ports import free_port
from fixtures.warden import ADMIN, ALICE, AUDITOR, BOB, OPS, Warden

pytestmark = pytest.mark.timeout(240)


def taped(warden: Warden, name: str, *words: str, uid: int = ALICE) -> dict[str, Any]:
    """The session of a command that was run in a container."""
    with container(warden, name):
        done = warden.docker("exec", name, *(words or ("echo", name)), uid=uid)
        assert 0 == done.returncode, done.stderr
    return ended(warden, newest(warden, "exec", name)["id"])


def row(warden: Warden, id: str) -> dict[str, Any]:
    return next(one for one in listed(warden) if one["id"] == id)


def soon(see: Callable[[], Any]) -> Any:
    end = time.monotonic() + 60
    while not (seen := see()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return seen


def test_who_holds_a_tape_deletes_none_and_who_deletes_releases_none(warden: Warden) -> None:
    id = taped(warden, "duties")["id"]

    def status(uid: int, verb: str, **more: str) -> int:
        return asked(warden, uid, f"session/{verb}", {"id": id, **more}).status

    for uid, there, verb in ((ALICE, 403, "hold"), (ALICE, 403, "delete"), (BOB, 404, "delete"), (OPS, 403, "release"), (OPS, 403, "delete")):
        assert there == status(uid, verb, reason="x"), (uid, verb)
    assert 403 == status(OPS, "bring")
    assert 403 == status(AUDITOR, "delete", reason="x")
    assert 403 == status(ADMIN, "hold", reason="x")
    assert 400 == status(AUDITOR, "hold")
    assert 200 == status(AUDITOR, "hold", reason="case 17")
    assert [("audra", "case 17")] == [(one["by"], one["reason"]) for one in row(warden, id)["holds"]]
    refused = asked(warden, ADMIN, "session/delete", {"id": id, "reason": "x"})
    assert (403, "session.held", True) == (refused.status, refused.body["code"], "case 17 (by audra)" in refused.body["message"])
    assert 403 == status(ADMIN, "release")
    said = cli(warden, "session", "list").stdout
    assert any(line.startswith(f"{id}: held since ") and line.endswith("by audra: case 17") for line in said.splitlines()), said
    assert 200 == status(AUDITOR, "release")
    assert 400 == status(ADMIN, "delete")
    assert 200 == status(ADMIN, "delete", reason="a customer's data")

    verified = cli(warden, "session", "verify", id)
    left = row(warden, id)
    assert (0, True) == (verified.returncode, f"by adam: a customer's data; it had {left['segments']} segments, head {left['head']}" in verified.stdout)
    assert ("deleted", "alice", "exec", "duties") == tuple(left[key] for key in ("state", "person", "kind", "target"))
    assert (400, "session.deleted") == ((played := asked(warden, AUDITOR, "session/play", {"id": id})).status, played.body["code"])
    deeds = [json.loads(line) for line in cli(warden, "ledger", "search", "--json", "--action", "session.delete").stdout.splitlines()]
    assert {("refused", "audra"), ("intent", "adam"), ("outcome", "adam"), ("tape", "adam")} <= {(one["kind"], one["principal"]) for one in deeds}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with bucket(tmp_path_factory.mktemp("bucket")) as made:
        yield made


@pytest.fixture(scope="module")
def house(engine: PrivateEngine, server: Bucket) -> Iterator[Warden]:
    """One whose tapes are copied into a store as they grow, with credentials from its vault."""
    folder = Path(tempfile.mkdtemp(prefix="dwkeep", dir="/var/tmp"))
    folder.chmod(0o755)
    tapes = f'stall_s = 15\nstore = "s3://tapes/house"\nstore_endpoint = "{server.endpoint}"\nstore_secret = "infra/s3"\nstore_every_s = 0.2\n'
    made = Warden(folder / "house", engine.address, extra=f"\n[tapes]\n{tapes}")
    made.init()
    made.config.write_text(made.config.read_text().replace('listen = ""', f'listen = "127.0.0.1:{free_port()}"'))
    made.start()
    done = cli(made, "secret", "put", "infra/s3", input=CREDENTIALS.encode())
    assert 0 == done.returncode, done.stderr
    yield made
    made.stop()
    shutil.rmtree(folder)


def again(warden: Warden, quota: int, how: int = signal.SIGTERM) -> None:
    """The same with another quota."""
    warden.stop(how)
    text = re.sub(r"quota_bytes = \d+\n", "", warden.config.read_text())
    warden.config.write_text(text.replace("[tapes]\n", f"[tapes]\nquota_bytes = {quota}\n"))
    warden.start()


def doctor(warden: Warden) -> str:
    return str(next(one["what"] for one in json.loads(cli(warden, "doctor", "--json").stdout) if one["part"] == "tape store"))


def figures(warden: Warden) -> dict[str, float]:
    port = re.search(r"127\.0\.0\.1:(\d+)", warden.config.read_text().partition("[operate]")[2])
    assert port is not None
    with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line.startswith("dockwarden_tape"))}


def test_a_tape_goes_to_the_store_is_read_from_there_and_is_deleted_there_too(house: Warden, server: Bucket) -> None:
    id = taped(house, "stored")["id"]
    exported = cli(house, "session", "export", id).stdout
    assert "stored" in exported
    soon(lambda: "all are in" in doctor(house))
    again(house, quota=1)
    away = soon(lambda: (found := row(house, id))["is_away"] and found)
    assert [] == list((house.dir / "state" / "tapes" / id).glob("*.reel"))

    assert ("ended", "alice") == (away["state"], away["person"])
    found = cli(house, "session", "verify", id)
    assert (0, True) == (found.returncode, "are what was recorded (ended)" in found.stdout), found.stderr
    assert exported == cli(house, "session", "export", id).stdout
    assert 200 == asked(house, ADMIN, "session/delete", {"id": id, "reason": "x"}).status
    soon(lambda: [f"house/{id}/deleted.json", f"house/{id}/opening.json"] == [name for name in server.names() if id in name])


def test_a_store_that_is_away_holds_up_nobody_and_has_all_once_it_is_back(house: Warden, server: Bucket) -> None:
    server.stop()
    again(house, quota=0)
    meanwhile = taped(house, "meanwhile")["id"]
    found = soon(lambda: (now := figures(house))["dockwarden_tapes_unstored"] and now)
    assert 0 < found["dockwarden_tapes_unstored_bytes"] <= found["dockwarden_tape_bytes"]
    assert found["dockwarden_tapes_unstored_age_seconds"] > 0
    assert doctor(house).startswith(f"{found['dockwarden_tapes_unstored']:.0f} tapes are not in s3://tapes/house yet")
    server.start()  # an empty one, as far as it is told
    again(house, quota=0, how=signal.SIGKILL)
    soon(lambda: not figures(house)["dockwarden_tapes_unstored"] and any(meanwhile in name for name in server.names()))

    assert "ended" == row(house, meanwhile)["state"]
    assert "all are in" in doctor(house)
    assert "not-a-real-key" not in (house.dir / "serve.log").read_text()
