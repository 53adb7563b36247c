"""What every test can have: one private Engine a run, a dockwarden in front of it, real clients, accounts of the host."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from fixtures.accounts import Account, made_accounts
from fixtures.clients import client
from fixtures.engine import ENGINES, PrivateEngine, make_engine
from fixtures.turns import turn
from fixtures.warden import ALICE, BOB, Warden

# Hundreds of processes are started here, and each would compile all of our modules where the environment forbids to keep them compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Without a deadline: how long one example takes depends on what else the machine does.
hypothesis.settings.register_profile("fuzz", max_examples=int(os.environ.get("DOCKWARDEN_EXAMPLES", "100")), deadline=None)
hypothesis.settings.load_profile("fuzz")

LONG = ("days", "vault", "cli", "doors")
"""Folders of the tests that take longest: several processes begin with them, so that none is left alone with one in the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every property test, so that `make fuzz` finds those that will be written, too; leave Engine 28 to `make test-engines`."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=_how_late)
    if "28" not in ENGINES:
        config.hook.pytest_deselected(items=[item for item in items if "engine28" in getattr(item, "fixturenames", ())])
        items[:] = [item for item in items if "engine28" not in getattr(item, "fixturenames", ())]
    for item in items:
        if hypothesis.is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.fuzz)


def _how_late(item: pytest.Item) -> int:
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return LONG.index(folder) if folder in LONG else len(LONG)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Outermost, so that no test's time is counted while it waits for its turn."""
    with turn(item):
        return (yield)


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[PrivateEngine]:
    """The run's Engine; one after the other where DOCKWARDEN_ENGINES names more than Debian's 20.10, as `make test-engines` does."""
    made = make_engine(1, release=request.param)
    yield made
    made.remove()


@pytest.fixture(scope="session")
def engine28() -> Iterator[PrivateEngine]:
    """An Engine 28 beside the run's Engine."""
    made = make_engine(2, release="28")
    yield made
    made.remove()


@pytest.fixture(scope="session", params=ENGINES)
def docker_cli(request: pytest.FixtureRequest) -> str:
    """The path of a real client of each release that is tested; `Warden.docker(cli=…)` takes it."""
    found = client(request.param)
    assert found is not None, f"there is no Docker client {request.param} here"
    return found


@pytest.fixture(scope="session")
def accounts() -> Iterator[dict[str, Account]]:
    """Accounts `alice` and `bob` of the host, with passwd entries and homes; their uids are ALICE and BOB."""
    with made_accounts(alice=ALICE, bob=BOB) as made:
        yield made


@pytest.fixture(scope="session")
def work() -> Iterator[Path]:
    """A bind root with a folder of alice's and one of bob's."""
    root = Path("/var/tmp") / f"dwwork{os.getpid()}"
    root.mkdir(mode=0o755, exist_ok=True)
    for name, uid in (("alice", ALICE), ("bob", BOB)):
        folder = root / name
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "hello.txt").write_text(f"hello from {name}\n")
        for path in (folder, folder / "hello.txt"):
            os.chown(path, uid, uid)
    yield root
    shutil.rmtree(root, ignore_errors=True)


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
