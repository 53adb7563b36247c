"""`make up`: once in a clone, in any number of clones beside each other, and what it takes away is its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(240)


@dataclass
class Clone:
    """A clone of the repository, as far as `make up` needs one, and its `make up`."""

    dir: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.dir / "up.log").read_text()

    @property
    def config(self) -> str:
        return (self.dir / "run" / "dockwarden" / "dockwarden.toml").read_text()

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run it to its end, which must be near."""
        return subprocess.run([self.dir / "scripts" / "up"], capture_output=True, text=True, timeout=60, check=False)

    def start(self) -> None:
        with (self.dir / "up.log").open("wb") as log:
            self.process = subprocess.Popen([self.dir / "scripts" / "up"], stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 90
        while "ready dockwarden" not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.1)

    def stop(self) -> int:
        """Ctrl-C, which the whole foreground gets."""
        if self.process is None or self.process.poll() is not None:
            return 0
        os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(60)
        self.process = None
        return code

    def docker(self, *words: str) -> subprocess.CompletedProcess[str]:
        address = f"unix://{self.dir}/run/dockwarden/docker.sock"
        return subprocess.run(["docker", "-H", address, *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def clones() -> Iterator[list[Clone]]:
    """Two clones that share our packages."""
    if subprocess.run(["docker", "-H", "unix:///var/run/docker.sock", "version"], capture_output=True, check=False).returncode == 0:
        pytest.skip("this machine has an Engine of its own, which make up would use")
    made = []
    for name in ("one", "two"):
        folder = Path("/var/tmp") / f"dwup{os.getpid()}" / name
        folder.mkdir(parents=True, mode=0o755)
        shutil.copytree(ROOT / "scripts", folder / "scripts")
        (folder / ".venv").symlink_to(ROOT / ".venv")
        made.append(Clone(folder))
    yield made
    for clone in made:
        clone.stop()
    shutil.rmtree(made[0].dir.parent, ignore_errors=True)


def bridges() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith("dwup")}


def test_clones_beside_each_other_share_nothing_and_a_second_up_in_one_harms_nothing(clones: list[Clone]) -> None:
    before = bridges()
    one, two = clones
    one.start()
    two.start()

    assert len(bridges() - before) == 2
    for option in ("plugin", "listen"):
        found = [re.findall(rf'^{option} = "(.*)"', clone.config, re.M)[-1] for clone in clones]
        assert found[0] != found[1]
    again = one.run()
    assert 1 == again.returncode
    assert one.process is not None
    assert f"already running in this clone (make up is process {one.process.pid}" in again.stderr
    for clone in clones:
        done = clone.docker("run", "--rm", "busybox", "id", "-u")
        assert (0, "0\n") == (done.returncode, done.stdout), done.stderr
    assert 0 == two.stop(), two.log
    assert 0 == one.docker("run", "--rm", "busybox", "true").returncode
    assert len(bridges() - before) == 1
    assert 0 == one.stop(), one.log
    assert bridges() == before
    one.start()
    assert 0 == one.docker("ps").returncode
