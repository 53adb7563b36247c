"""Make docs/first-day.svg from a real run: a private Engine, dockwarden in front of it, and the real client as an ordinary account."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from fixtures.engine import make_engine  # noqa: E402  the tests' own Engine serves here, too
from fixtures.warden import ALICE, Warden  # noqa: E402  as above

STEPS = [
    ["run", "--rm", "busybox", "id"],
    ["run", "-d", "--name", "web", "busybox", "sleep", "600"],
    ["exec", "web", "ps"],
    ["run", "--rm", "--privileged", "busybox"],
    ["run", "--rm", "-v", "/etc:/host-etc", "busybox"],
    ["run", "--rm", "--user", "0", "busybox"],
    ["ps", "--format", "table {{.Names}}\t{{.Image}}\t{{.Status}}"],
]


def main() -> None:
    """Run the steps and draw them."""
    engine = make_engine(9)
    folder = Path("/var/tmp") / f"dwpicture{os.getpid()}"
    folder.mkdir(mode=0o755)
    warden = Warden(folder, engine.address)
    console = Console(record=True, width=110, file=io.StringIO())
    try:
        warden.init()
        warden.start()
        for words in STEPS:
            console.print(Text(f"alice$ docker {' '.join(words)}", style="bold green"))
            done = warden.docker(*words, uid=ALICE)
            text = (done.stdout + done.stderr).replace("\n\nRun 'docker run --help' for more information", "").rstrip()
            console.print(Text(text, style="red" if done.returncode else ""))
        console.print(Text("root# dockwarden ledger search --person alice --kind refused", style="bold green"))
        shown = subprocess.run(
            [sys.executable, "-m", "dockwarden", "ledger", "search", "--person", "alice", "--kind", "refused", "--config", str(warden.config)],
            capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "109"},
        )
        for line in shown.stdout.rstrip().splitlines():
            console.print(Text(line.rstrip()[:109]))
    finally:
        warden.stop()
        engine.remove()
        shutil.rmtree(folder, ignore_errors=True)
    console.save_svg(str(ROOT / "docs" / "first-day.svg"), title="A developer's first minutes")


if __name__ == "__main__":
    main()
