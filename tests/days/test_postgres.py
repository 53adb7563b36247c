"""A vault in PostgreSQL, by two lines of settings: everything else is the same, and the server may come and go."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.engine import PrivateEngine
from fixtures.postgres import Cluster, cluster
from fixtures.warden import Warden, dockwarden

pytestmark = pytest.mark.timeout(180)


def cli(warden: Warden, *words: str, input: str = "") -> subprocess.CompletedProcess[str]:
    """Our command line as root, with `input` on standard input."""
    return subprocess.run(
        [sys.executable, "-m", "dockwarden", *words, "--config", str(warden.config)], capture_output=True, text=True, timeout=60, check=False, input=input
    )


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture
def home(engine: PrivateEngine, postgres: Cluster, tmp_path: Path) -> Iterator[Warden]:
    """A warden with its vault in a schema of its own, as docs/secrets.md says to make it."""
    postgres.start()
    made = Warden(tmp_path / "d", engine.address, extra=f'[vault]\nstore = "{postgres.schema()}"\n')
    made.init()
    again = dockwarden("init", "--dir", str(made.dir), "--engine", engine.address)
    assert "made   the vault" in again.stdout, again.stderr
    made.start()
    yield made
    made.stop()
    made.remove()


def got(warden: Warden, path: str = "prod/a") -> str:
    return cli(warden, "secret", "get", path).stdout


def test_what_is_put_is_got_after_a_restart_and_a_kill(home: Warden) -> None:
    assert 0 == cli(home, "secret", "put", "prod/a", input="one").returncode
    assert "one" == got(home)
    home.stop()
    home.start()
    assert 0 == cli(home, "secret", "put", "prod/a", input="two").returncode
    home.stop(signal.SIGKILL)
    home.start()

    assert "two" == got(home)
    said = json.loads(cli(home, "vault", "verify", "--json").stdout)
    assert ([], True, 1) == (said["findings"], said["is_opened"], said["versions"] - said["paths"])
    assert said["paths"] >= 2  # beside what dockwarden keeps there itself: keys of its tapes, and soon of what searches them


def test_the_database_restarts_and_dockwarden_need_not(home: Warden, postgres: Cluster) -> None:
    cli(home, "secret", "put", "prod/a", input="one")
    postgres.stop()
    refused = cli(home, "secret", "get", "prod/a")
    assert (1, "", True) == (refused.returncode, refused.stdout, "not there now" in refused.stderr)
    assert 1 == cli(home, "secret", "put", "prod/a", input="lost").returncode
    postgres.start()

    assert "one" == got(home)
    assert 0 == cli(home, "secret", "put", "prod/a", input="two").returncode
    assert "two" == got(home)


def test_a_database_that_comes_later_is_used_when_it_comes(home: Warden, postgres: Cluster) -> None:
    """As at a reboot: the doors are open, and what needs a secret says why not."""
    cli(home, "secret", "put", "prod/a", input="one")
    home.stop()
    postgres.stop()
    home.start()
    assert 0 == home.docker("ps", uid=0).returncode
    refused = cli(home, "secret", "get", "prod/a")
    assert (1, "", True) == (refused.returncode, refused.stdout, "cannot be opened" in refused.stderr)
    postgres.start()

    assert "one" == got(home)


def test_backup_restore_and_rekey_are_as_with_a_file(home: Warden, tmp_path: Path) -> None:
    cli(home, "secret", "put", "prod/a", input="then")
    assert 0 == cli(home, "vault", "backup", str(tmp_path / "copy.db")).returncode
    cli(home, "secret", "put", "prod/a", input="now")
    assert 0 == cli(home, "vault", "rotate").returncode
    home.stop()
    restored = cli(home, "vault", "restore", str(tmp_path / "copy.db"), "--yes")
    assert 0 == restored.returncode, restored.stderr
    home.start()

    assert "then" == got(home)
    assert 0 == cli(home, "vault", "rekey", "--by", "file").returncode
    home.stop()
    assert 0 == cli(home, "vault", "verify").returncode
    home.start()
    assert "then" == got(home)


def test_the_vault_of_another_dockwarden_is_not_served(home: Warden, engine: PrivateEngine, tmp_path: Path) -> None:
    """Neither while that one runs, by its claim, nor later: this ledger says nothing of that vault."""
    cli(home, "secret", "put", "prod/a", input="one")
    second = Warden(tmp_path / "e", engine.address, extra=home.extra)
    second.init()
    assert "made   the vault" not in dockwarden("init", "--dir", str(second.dir), "--engine", engine.address).stdout
    (second.dir / "unseal.key").write_text((home.dir / "unseal.key").read_text())
    second.start()
    try:
        refused = cli(second, "secret", "get", "prod/a")
        assert (1, "", True) == (refused.returncode, refused.stdout, "another dockwarden has this vault's database open" in refused.stderr)
        home.stop()
        assert "" == got(second)
        assert "ledger" in cli(second, "vault", "status").stderr
    finally:
        second.stop()
        second.remove()
