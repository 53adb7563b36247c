"""Secrets through the serving process: kept, shown, retired; by whom policy lets, and with the ledger knowing first."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.engine import PrivateEngine
from fixtures.warden import ADMIN, ALICE, BOB, STRANGER, Reply, Warden, dockwarden

pytestmark = pytest.mark.timeout(180)
CANARY = b"canary-that-nobody-sees-0451"


@pytest.fixture
def home(warden: Warden) -> Warden:
    """The warden; the vault is open again after each test."""
    return warden


def cli(warden: Warden, *words: str, input: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Our command line as root, with `input` on standard input; what it prints byte for byte (latin-1)."""
    done = subprocess.run(
        [sys.executable, "-m", "dockwarden", *words, "--config", str(warden.config)], capture_output=True, timeout=60, check=False, input=input
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode("latin-1"), done.stderr.decode())


def asked(warden: Warden, uid: int, verb: str, body: dict[str, Any]) -> Reply:
    """A call of an ordinary account's at the control socket."""
    done = subprocess.run(
        ["curl", "-s", "-w", "\n%{http_code}", "--unix-socket", str(warden.dir / "control.sock"), "--data-binary", "@-", f"http://d/v1/{verb}"],
        input=json.dumps(body), capture_output=True, text=True, timeout=60, check=False, user=uid, group=uid, extra_groups=[],
    )
    text, _, status = done.stdout.rpartition("\n")
    return Reply(int(status or 0), json.loads(text) if text else None)


def put(warden: Warden, uid: int, path: str, value: bytes) -> Reply:
    return asked(warden, uid, "secret/put", {"path": path, "value": base64.b64encode(value).decode()})


def test_init_makes_a_vault_and_its_key_for_root_alone(home: Warden) -> None:
    assert 0o600 == (home.dir / "unseal.key").stat().st_mode & 0o777
    assert 0o600 == (home.dir / "state" / "vault.db").stat().st_mode & 0o777
    said = json.loads(cli(home, "vault", "status", "--json").stdout)
    assert (False, "file") == (said["sealed"], said["by"])


def test_what_is_put_is_got_byte_for_byte(home: Warden) -> None:
    value = b"two\nlines \x00\xff and no end"
    assert 0 == cli(home, "secret", "put", "prod/db/password", input=value).returncode
    assert value.decode("latin-1") == cli(home, "secret", "get", "prod/db/password").stdout
    assert "prod/db/password\n" == cli(home, "secret", "list", "prod/").stdout


def test_versions_are_told_gone_back_to_and_destroyed(home: Warden) -> None:
    for value in (b"one", b"two", b"three"):
        cli(home, "secret", "put", "prod/versions", input=value)
    assert 0 == cli(home, "secret", "label", "prod/versions", "current", "1").returncode
    assert "one" == cli(home, "secret", "get", "prod/versions").stdout
    assert 0 == cli(home, "secret", "destroy", "prod/versions", "--version", "2", "--yes").returncode
    gone = cli(home, "secret", "get", "prod/versions", "--version", "2")
    assert (2, "") == (gone.returncode, gone.stdout)
    said = json.loads(cli(home, "secret", "history", "prod/versions", "--json").stdout)
    assert ["live", "destroyed", "live"] == [one["state"] for one in said["versions"]]


def test_a_person_has_their_own_paths_and_hears_of_no_other(home: Warden) -> None:
    assert 200 == put(home, ALICE, "people/alice/token", CANARY).status
    assert CANARY == base64.b64decode(asked(home, ALICE, "secret/get", {"path": "people/alice/token"}).body["value"])

    for path in ("people/alice/token", "people/alice/absent", "prod/absent"):
        for uid in (BOB, STRANGER):
            assert 404 == asked(home, uid, "secret/get", {"path": path}).status
    there = asked(home, BOB, "secret/get", {"path": "people/alice/token"}).body["message"].replace("token", "X")
    absent = asked(home, BOB, "secret/get", {"path": "people/alice/absent"}).body["message"].replace("absent", "X")
    assert there == absent
    assert [] == asked(home, BOB, "secret/list", {}).body["paths"]
    assert 403 == asked(home, ADMIN, "secret/get", {"path": "people/alice/token"}).status
    for path in ("people/alice/token", "people/alice/absent"):  # where one may not write is said, and not whether something is there
        refused = put(home, BOB, path, b"mine now")
        assert (403, True) == (refused.status, "people/bob/" in refused.body["message"])


def test_the_ledger_has_every_access_and_no_value(home: Warden) -> None:
    put(home, ALICE, "people/alice/ledger", CANARY)
    asked(home, ALICE, "secret/get", {"path": "people/alice/ledger"})
    asked(home, BOB, "secret/get", {"path": "people/alice/ledger"})
    about = [entry for entry in home.entries() if entry.get("resource") == "SecretPath:people/alice/ledger"]

    assert {("intent", "secret.write"), ("outcome", "secret.write"), ("intent", "secret.read"), ("outcome", "secret.read"), ("refused", "secret.read")} == {
        (str(entry["kind"]), str(entry["action"])) for entry in about
    }
    for form in (CANARY, base64.b64encode(CANARY), CANARY.hex().encode()):
        for file in home.dir.rglob("*"):
            assert not file.is_file() or form not in file.read_bytes(), file


LONG = "A" * 1_000_000


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("secret/list", {"prefix": LONG}), ("secret/list", {"after": LONG}), ("secret/get", {"path": LONG}), ("secret/destroy", {"path": LONG}),
        ("secret/put", {"path": "people/bob/x", "value": "aGk=", "label": LONG}), ("secret/put", {"path": LONG, "value": "aGk="}),
        ("secret/history", {"path": "people/bob/x", "versions": list(range(3000))}), (f"secret/{LONG[:3000]}", {}),
    ],
    ids=lambda part: part[:20] if isinstance(part, str) else "+".join(part),
)  # fmt: skip
def test_what_a_caller_writes_makes_no_long_entries(home: Warden, verb: str, body: dict[str, Any]) -> None:
    home.entries()
    before = sum(file.stat().st_size for file in (home.dir / "state" / "ledger").iterdir())
    for uid in (BOB, STRANGER):
        with contextlib.suppress(json.JSONDecodeError):
            assert asked(home, uid, verb, body).status in {0, 400, 413, 431}
    home.entries()

    assert sum(file.stat().st_size for file in (home.dir / "state" / "ledger").iterdir()) - before < 16 << 10


@pytest.mark.parametrize(
    "target",
    [
        "/build?buildargs=%7B%22DB_PASSWORD%22%3A%22" + "{}%22%7D", "/build?labels=%7B%22DB_PASSWORD%22%3A%22" + "{}%22%7D", "/build?password={}",
        "/commit?container=x&changes=ENV%20DB_PASSWORD%3D{}", "/build?remote=https%3A%2F%2Fu%3A{}%40h%2Fx", "/images/create?fromSrc=https%3A%2F%2Fu%3A{}%40h",
        "/containers/create?name={}%20{}",
    ],
)  # fmt: skip
def test_the_ledger_keeps_no_values_of_a_refused_call(home: Warden, target: str) -> None:
    planted = f"hunter2{secrets.token_hex(6)}"
    refused = home.curl("-X", "POST", "-H", "Content-Type: application/json", "-d", "{}", "/v1.41" + target.replace("{}", planted))

    assert refused.status >= 400
    if "name=" not in target:
        assert planted not in json.dumps(home.entries())


def test_an_admin_reads_no_secret_of_another_s_by_a_container(home: Warden) -> None:
    put(home, ALICE, "people/alice/hers", b"x")
    done = home.docker("create", "-e", "X=dockwarden://people/alice/hers", "busybox", "true", uid=ADMIN)

    assert (True, True) == (done.returncode != 0, "people/alice/hers" in done.stderr)


def test_one_person_does_not_fill_the_vault(engine: PrivateEngine) -> None:
    lone = Warden(Path("/var/tmp") / f"dwquota{os.getpid()}", engine.address, extra="\n[vault]\nperson_paths = 3\nperson_bytes = 5000\n")
    lone.dir.mkdir(mode=0o755)
    lone.init()
    lone.start()
    try:
        assert [200, 200, 200, 403] == [put(lone, ALICE, f"people/alice/{name}", b"x").status for name in "abcd"]
        assert 403 == put(lone, ALICE, "people/alice/a", b"x" * 5001).status
        assert "3 secrets" in put(lone, ALICE, "people/alice/e", b"x").body["message"]
        assert 200 == put(lone, BOB, "people/bob/a", b"x").status
    finally:
        lone.stop()
        lone.remove()


def test_a_version_that_was_gone_back_from_is_not_current_again(home: Warden) -> None:
    for value in (b"good", b"bad"):
        cli(home, "secret", "put", "prod/back", input=value)
    cli(home, "secret", "label", "prod/back", "current", "1")
    for verb in ("delete", "undelete"):
        assert 0 == cli(home, "secret", verb, "prod/back").returncode
    assert (2, "") == ((got := cli(home, "secret", "get", "prod/back")).returncode, got.stdout)
    assert 0 == cli(home, "secret", "label", "prod/back", "current", "1").returncode
    assert "good" == cli(home, "secret", "get", "prod/back").stdout


def test_a_backup_that_was_changed_is_not_put_back(lone: Warden, tmp_path: Path) -> None:
    cli(lone, "secret", "put", "prod/a", input=b"a")
    assert 0 == cli(lone, "vault", "backup", str(tmp_path / "copy.db")).returncode
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        copy.execute("UPDATE version SET sealed = zeroblob(length(sealed))")
    cli(lone, "secret", "put", "prod/a", input=b"b")
    lone.stop()
    refused = cli(lone, "vault", "restore", str(tmp_path / "copy.db"), "--yes")
    lone.start()

    assert (True, True) == (refused.returncode != 0, "nothing was replaced" in refused.stderr)
    assert "b" == cli(lone, "secret", "get", "prod/a").stdout


def test_a_sealed_vault_gives_nothing_until_it_is_unsealed(home: Warden) -> None:
    cli(home, "secret", "put", "prod/sealed", input=b"x")
    assert 403 == asked(home, ALICE, "vault/seal", {}).status
    assert 0 == cli(home, "vault", "seal").returncode
    refused = cli(home, "secret", "get", "prod/sealed")
    assert (1, "") == (refused.returncode, refused.stdout)
    assert "sealed" in refused.stderr
    assert 0 == cli(home, "vault", "unseal").returncode
    assert "x" == cli(home, "secret", "get", "prod/sealed").stdout


def test_a_restart_and_a_kill_lose_no_secret(home: Warden) -> None:
    cli(home, "secret", "put", "prod/kept", input=b"kept")
    home.stop(signal.SIGKILL)
    home.start()
    assert "kept" == cli(home, "secret", "get", "prod/kept").stdout


@pytest.fixture
def lone(engine: PrivateEngine, tmp_path: Path) -> Iterator[Warden]:
    """A warden of the test's own."""
    made = Warden(tmp_path / "d", engine.address)
    made.init()
    made.start()
    yield made
    made.stop()
    made.remove()


def test_shares_and_passphrases_take_the_place_of_the_key_file(lone: Warden) -> None:
    cli(lone, "secret", "put", "prod/a", input=b"a")
    shares = json.loads(cli(lone, "vault", "rekey", "--by", "2-of-3", "--json").stdout)["shares"]
    lone.stop()
    lone.start()
    assert "sealed" in cli(lone, "vault", "status").stdout
    assert 0 != cli(lone, "vault", "unseal", input=b"no share at all\n").returncode
    assert "1 brought so far" in cli(lone, "vault", "unseal", input=shares[2].encode() + b"\n").stdout
    assert 0 == cli(lone, "vault", "unseal", input=shares[0].encode() + b"\n").returncode
    assert "a" == cli(lone, "secret", "get", "prod/a").stdout

    assert 0 == cli(lone, "vault", "rekey", "--by", "passphrase", input=b"correct horse battery\n").returncode
    cli(lone, "vault", "seal")
    assert 2 == cli(lone, "vault", "unseal", input=b"wrong horse battery\n").returncode
    assert 0 == cli(lone, "vault", "unseal", input=b"correct horse battery\n").returncode
    assert 0 == cli(lone, "vault", "rekey", "--by", "file").returncode
    assert 0 == cli(lone, "vault", "rotate").returncode
    lone.stop()
    lone.start()
    assert "a" == cli(lone, "secret", "get", "prod/a").stdout


def test_yesterday_s_vault_in_today_s_place_is_refused_and_named(lone: Warden) -> None:
    cli(lone, "secret", "put", "prod/a", input=b"old")
    lone.stop()
    yesterday = (lone.dir / "state" / "vault.db").read_bytes()
    lone.start()
    cli(lone, "secret", "put", "prod/a", input=b"new")
    lone.stop()
    (lone.dir / "state" / "vault.db").write_bytes(yesterday)
    lone.start()

    refused = cli(lone, "secret", "get", "prod/a")
    assert (1, "") == (refused.returncode, refused.stdout)
    assert "ledger" in cli(lone, "vault", "status").stderr


def test_a_credential_that_is_not_there_is_said_and_changes_nothing(lone: Warden) -> None:
    done = cli(lone, "vault", "rekey", "--by", "credential")

    assert (1, True) == (done.returncode, "LoadCredentialEncrypted" in done.stderr)
    assert "file" in cli(lone, "vault", "status").stdout


def test_a_credential_of_the_service_manager_unseals(lone: Warden, tmp_path: Path) -> None:
    lone.stop()
    (tmp_path / "dockwarden.unseal").write_text(secrets.token_hex(32))
    lone.environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    lone.start()
    cli(lone, "secret", "put", "prod/c", input=b"c")
    assert 0 == cli(lone, "vault", "rekey", "--by", "credential").returncode
    lone.stop()
    lone.start()
    assert "c" == cli(lone, "secret", "get", "prod/c").stdout


def test_a_key_that_others_can_read_does_not_unseal(lone: Warden) -> None:
    lone.stop()
    (lone.dir / "unseal.key").chmod(0o640)
    lone.start()
    assert "chmod 600" in cli(lone, "vault", "status").stderr


def test_a_server_that_is_away_is_said_plainly(tmp_path: Path, engine: PrivateEngine) -> None:
    made = Warden(tmp_path / "d", engine.address)
    made.init()
    done = cli(made, "secret", "get", "prod/a")
    assert 3 == done.returncode
    assert "dockwarden serve --config" in done.stderr
    assert 0 == dockwarden("init", "--dir", str(made.dir), "--engine", engine.address).returncode


def test_a_backup_made_while_it_serves_is_put_back_and_written_down(lone: Warden, tmp_path: Path) -> None:
    cli(lone, "secret", "put", "prod/a", input=b"then")
    copied = json.loads(cli(lone, "vault", "backup", str(tmp_path / "vault.db"), "--json").stdout)
    assert str(tmp_path / "vault.db") == copied["file"]
    assert 0o600 == (tmp_path / "vault.db").stat().st_mode & 0o777
    cli(lone, "secret", "put", "prod/a", input=b"now")
    refused = cli(lone, "vault", "restore", str(tmp_path / "vault.db"), "--yes")
    assert (3, True) == (refused.returncode, "has it open already" in refused.stderr)

    lone.stop()
    assert 0 == cli(lone, "vault", "restore", str(tmp_path / "vault.db"), "--yes").returncode
    assert 0 == cli(lone, "vault", "verify").returncode
    lone.start()
    assert "then" == cli(lone, "secret", "get", "prod/a").stdout
    assert 0 == dockwarden("ledger", "verify", "--config", str(lone.config)).returncode


def test_verify_names_what_was_changed_with_and_without_a_server(lone: Warden) -> None:
    cli(lone, "secret", "put", "prod/a", input=b"a")
    cli(lone, "secret", "put", "prod/b", input=b"b")
    said = json.loads(cli(lone, "vault", "verify", "--json").stdout)
    assert ([], True) == (said["findings"], said["is_opened"])
    assert said["paths"] >= 3  # beside what dockwarden keeps there itself: keys of its tapes, and soon of what searches them
    lone.stop()
    with contextlib.closing(sqlite3.connect(lone.dir / "state" / "vault.db")) as made:
        made.execute("UPDATE version SET sealed = (SELECT sealed FROM version WHERE path = 'prod/b') WHERE path = 'prod/a'")
        made.commit()
    found = cli(lone, "vault", "verify")
    assert 1 == found.returncode
    assert "version 1 of prod/a" in found.stdout
    lone.start()
    assert "" == cli(lone, "secret", "get", "prod/a").stdout


def test_an_env_file_is_imported_and_its_container_works(home: Warden, desk: Path) -> None:
    (desk / ".env").write_text("PORT=80\nDB_PASSWORD='Tr0ub4dor and 3'\n")
    (desk / ".env").chmod(0o640)
    done = cli(home, "secret", "import", str(desk / ".env"), "--under", "people/alice/shop", "--yes")
    assert 0 == done.returncode, done.stderr
    assert "Tr0ub4dor" not in done.stdout + done.stderr
    assert "PORT=80\nDB_PASSWORD=dockwarden://people/alice/shop/DB_PASSWORD\n" == (desk / ".env").read_text()
    assert 0o640 == (desk / ".env").stat().st_mode & 0o777
    (desk / ".env").chmod(0o644)
    run = home.docker("run", "--rm", "--env-file", str(desk / ".env"), "busybox", "sh", "-c", "cat $DB_PASSWORD_FILE")
    assert (0, "Tr0ub4dor and 3") == (run.returncode, run.stdout)
