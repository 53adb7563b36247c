"""What every test can have: one private Engine a run, and a dockwarden in front of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.engine import PrivateEngine, make_engine
from fixtures.warden import ALICE, BOB, Warden


@pytest.fixture(scope="session")
def engine() -> Iterator[PrivateEngine]:
    """The run's Engine, 20.10 of Debian."""
    made = make_engine(1)
    yield made
    made.remove()


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bind root with a folder of alice's and one of bob's."""
    root = Path("/var/tmp") / f"dwwork{os.getpid()}"
    root.mkdir(mode=0o755, exist_ok=True)
    for name, uid in (("alice", ALICE), ("bob", BOB)):
        folder = root / name
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "hello.txt").write_text(f"hello from {name}\n")
        for path in (folder, folder / "hello.txt"):
            os.chown(path, uid, uid)
    return root


@pytest.fixture(scope="session")
def warden(engine: PrivateEngine, work: Path) -> Iterator[Warden]:
    """One dockwarden in front of the run's Engine, made with the commands a user would type."""
    folder = Path("/var/tmp") / f"dw{os.getpid()}"
    folder.mkdir(mode=0o755)
    made = Warden(folder, engine.address, options=["--bind-root", str(work)])
    made.init()
    made.start()
    yield made
    assert 0 == made.stop()
    made.remove()


@pytest.fixture
def desk() -> Iterator[Path]:
    """A folder that ordinary accounts can reach and write to."""
    folder = Path(tempfile.mkdtemp(prefix="dwdesk", dir="/var/tmp"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
