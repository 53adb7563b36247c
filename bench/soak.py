"""`make soak`: an hour of mixed work on one door, bounded in time, with the memory it takes every minute."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from bench.door import rss_mib  # noqa: E402  as above
from fixtures.engine import make_engine  # noqa: E402  the tests' own Engine serves here, too
from fixtures.warden import ALICE, BOB, Warden, dockwarden  # noqa: E402  as above

SECONDS = float(os.environ.get("DOCKWARDEN_SOAK_SECONDS", "3600"))
EVERY_S = 60.0


def once(warden: Warden, number: int) -> None:
    """One round of what people do, right and wrong."""
    uid = ALICE if number % 2 else BOB
    name = f"soak{number}"
    for words in (["run", "-d", "--name", name, "busybox", "sleep", "30"], ["exec", name, "id"], ["logs", name], ["ps"], ["run", "--privileged", "busybox"],
                  ["inspect", name], ["rm", "-f", name]):
        warden.docker(*words, uid=uid)


def main() -> int:
    """Work until the time is over; 1 if the ledger does not verify then."""
    folder = Path("/var/tmp") / f"dwsoak{os.getpid()}"
    folder.mkdir(mode=0o755)
    engine = make_engine(7)
    warden = Warden(folder, engine.address)
    try:
        warden.init()
        warden.start()
        assert warden.process is not None
        begun, shown, number = time.monotonic(), 0.0, 0
        while time.monotonic() - begun < SECONDS:
            once(warden, number)
            number += 1
            if time.monotonic() - begun - shown >= EVERY_S:
                shown = time.monotonic() - begun
                print(f"{shown:6.0f} s  {number} rounds  {rss_mib(warden.process.pid):.1f} MiB", flush=True)
        warden.stop()
        verified: subprocess.CompletedProcess[str] = dockwarden("ledger", "verify", "--config", str(warden.config))
        print(verified.stdout + verified.stderr)
        return verified.returncode
    finally:
        warden.stop()
        engine.remove()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
