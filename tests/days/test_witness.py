"""A dockwarden that serves has its ledger witnessed, and says how far."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.engine import PrivateEngine
from fixtures.warden import Warden, dockwarden
from ledger.test_witness import WitnessServer, know
from ledger.writing import published

PATIENCE_S = 30


class Knowing(WitnessServer):
    """A witness that was told the ledger's key, and reads the leaves of a ledger that is open."""

    folder: Path

    def judge(self, path: str, body: bytes) -> tuple[int, bytes]:
        know(self, self.folder)
        return super().judge(path, body)


@pytest.fixture
def witnessed(engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warden]:
    witness = Knowing()
    thread = threading.Thread(target=witness.serve_forever, args=(0.01,))
    thread.start()
    folder = Path("/var/tmp") / f"dwwit{os.getpid()}{tmp_path_factory.getbasetemp().name}"
    folder.mkdir(mode=0o755)
    made = Warden(folder, engine.address)
    made.init()
    witness.folder = made.dir / "state" / "ledger"
    with made.config.open("a") as settings:
        settings.write(f'\n[ledger]\nwitness = "{witness.place().url}"\nwitness_key = "{witness.named.written()}"\n')
    made.start()
    yield made
    made.stop()
    made.remove()
    witness.shutdown()
    thread.join()
    witness.server_close()


def test_a_serving_ledger_is_witnessed_and_begins_with_its_policies(witnessed: Warden) -> None:
    until, said = time.monotonic() + PATIENCE_S, {"witnessed": 0}
    while not said["witnessed"] and time.monotonic() < until:
        time.sleep(0.1)
        said = json.loads(dockwarden("ledger", "witness", "--json", "--config", str(witnessed.config)).stdout)

    assert (True, False) == (said["witnessed"] > 0, said["is_late"])
    assert published(witnessed.dir / "state" / "ledger").checkpoint.size >= said["witnessed"]
    found = dockwarden("ledger", "search", "policy.loaded", "--json", "--config", str(witnessed.config))
    assert ["policy.loaded"] == [json.loads(line)["detail"]["what"] for line in found.stdout.splitlines()]
    verified = dockwarden("ledger", "verify", "--config", str(witnessed.config))
    assert (0, "") == (verified.returncode, verified.stderr)
