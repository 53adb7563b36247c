"""Secrets of an outside vault, by the same commands and into containers; it changes, is away, is sealed. A stand-in: no live server was tried."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from days.test_secrets import asked, cli, put
from fixtures.engine import PrivateEngine
from fixtures.kv2 import Kv2, standing
from fixtures.warden import ALICE, BOB, Warden

pytestmark = pytest.mark.timeout(240)
CANARY = "canary-of-outside-0451"


@pytest.fixture
def there() -> Iterator[Kv2]:
    with standing() as made:
        yield made


@pytest.fixture
def warden(there: Kv2, engine: PrivateEngine, tmp_path: Path) -> Iterator[Warden]:
    """A warden of the test's own, whose secrets are in an outside vault."""
    there.role("dockwarden", CANARY, ttl=600)
    vault = f'[vault]\noutside = "{there.url}"\nprefix = "docker"\nrole_id = "dockwarden"\nsecret_id_file = "secret-id"\ntimeout_s = 3\n'
    made = Warden(Path("/var/tmp") / f"dwout{tmp_path.name[-12:]}{there.port}", engine.address, extra=vault, volumes=True)
    made.dir.mkdir(mode=0o755)
    made.init()
    (made.dir / "secret-id").write_text(CANARY)
    (made.dir / "secret-id").chmod(0o600)
    made.start()
    yield made
    made.stop()
    made.remove()
    engine.forget_drivers()


def test_a_container_gets_it_and_what_it_became_and_none_while_it_is_away(warden: Warden, there: Kv2) -> None:
    assert 200 == put(warden, ALICE, "people/alice/db", b"one of alice").status
    assert {"value": "one of alice"} == there.secrets["docker/people/alice/db"].data[1]
    run = ("run", "-d", "--name", "outside", "-e", "DB=dockwarden://people/alice/db", "busybox", "sh", "-c", "cat $DB_FILE; echo; sleep 600")
    done = warden.docker(*run)
    assert 0 == done.returncode, done.stderr

    there.write("docker/people/alice/db", {"password": "two, by others"})
    assert 0 == warden.docker("restart", "-t", "0", "outside").returncode
    assert "two, by others" == warden.docker("exec", "outside", "cat", "/run/secrets/DB").stdout
    assert 200 == put(warden, ALICE, "people/alice/db", b"three \xff").status
    where = json.loads(cli(warden, "secret", "where", "people/alice/db", "--json").stdout)
    assert [("outside", "DB", 3)] == [(one["container"], one["file"], one["version"]) for one in where]

    warden.docker("stop", "-t", "0", "outside")
    for stop, start, words in (
        (there.stop, there.start, "does not answer"),
        (lambda: setattr(there, "is_sealed", True), lambda: setattr(there, "is_sealed", False), "is sealed"),
        (there.roles.clear, lambda: there.role("dockwarden", CANARY, ttl=600), "does not accept role_id"),
    ):
        stop()
        if not there.roles:
            there.tokens.clear()
        refused = warden.docker("start", "outside")
        assert 0 != refused.returncode
        assert "the outside vault at" in refused.stderr, refused.stderr
        assert words in refused.stderr
        assert "false" == warden.docker("inspect", "-f", "{{.State.Running}}", "outside").stdout.strip()
        refused = warden.docker("run", "--rm", "-e", "DB=dockwarden://people/alice/db", "busybox", "true")
        assert words in refused.stderr
        start()
    done = warden.docker("start", "outside")
    assert 0 == done.returncode, done.stderr
    assert warden.docker("logs", "outside").stdout.startswith("one of alice\ntwo, by others\n")
    warden.docker("rm", "-f", "outside")
    assert not any(text in file.read_bytes() for file in warden.dir.rglob("*") if file.is_file() for text in (b"of alice", b"by others"))


def test_the_same_verbs_the_same_policy_the_same_record(warden: Warden, there: Kv2) -> None:
    for value in (b"one", b"two", b"three"):
        assert 0 == cli(warden, "secret", "put", "prod/db", input=value).returncode
    assert 0 == cli(warden, "secret", "label", "prod/db", "current", "1").returncode
    assert "one" == cli(warden, "secret", "get", "prod/db").stdout
    assert 0 == cli(warden, "secret", "delete", "prod/db", "--version", "3").returncode
    assert 0 == cli(warden, "secret", "undelete", "prod/db", "--version", "3").returncode
    assert 0 == cli(warden, "secret", "destroy", "prod/db", "--version", "2", "--yes").returncode
    said = json.loads(cli(warden, "secret", "history", "prod/db", "--json").stdout)
    assert [("live", ["current"]), ("destroyed", []), ("live", [])] == [(one["state"], one["labels"]) for one in said["versions"]]
    assert [("root", 3), ("root", 5)] == [(one["by"], one["bytes"]) for one in said["versions"] if one["state"] == "live"]
    assert "prod/db\n" == cli(warden, "secret", "list").stdout

    assert 200 == put(warden, ALICE, "people/alice/token", b"hers").status
    for path in ("people/alice/token", "people/alice/absent"):
        assert 404 == asked(warden, BOB, "secret/get", {"path": path}).status
    assert [] == asked(warden, BOB, "secret/list", {}).body["paths"]
    about = {(str(entry["kind"]), str(entry["action"])) for entry in warden.entries() if entry.get("resource") == "SecretPath:people/alice/token"}
    assert {("intent", "secret.write"), ("outcome", "secret.write"), ("refused", "secret.read")} == about


def test_the_vault_s_verbs_say_where_it_is(warden: Warden, there: Kv2) -> None:
    said = json.loads(cli(warden, "vault", "status", "--json").stdout)
    assert (there.url, "secret", "docker", True, False) == (said["outside"], said["mount"], said["prefix"], said["answers"], said["sealed"])
    assert (True, True) == (said["token"]["accepted"], said["token"]["renewable"])
    assert there.url in cli(warden, "vault", "status").stdout
    for verb in ("seal", "unseal", "rotate", "backup", "rekey"):
        done = cli(warden, "vault", verb)
        assert 0 != done.returncode
        assert f"secrets are kept in the outside vault at {there.url}" in done.stderr, done.stderr
    assert 403 == asked(warden, ALICE, "vault/status", {}).status
    assert 403 == asked(warden, ALICE, "vault/seal", {}).status

    there.is_sealed = True
    assert json.loads(cli(warden, "vault", "status", "--json").stdout)["sealed"]
    there.stop()
    assert "does not answer" in cli(warden, "vault", "status").stdout


def test_a_secret_id_that_others_can_read_is_not_used_and_nothing_of_it_is_shown(warden: Warden, there: Kv2) -> None:
    warden.stop()
    (warden.dir / "secret-id").chmod(0o644)
    calls = len(there.calls)
    warden.start()
    assert "chmod 600" in cli(warden, "secret", "get", "prod/db").stderr
    assert ["GET sys/health"] == there.calls[calls:] or [] == there.calls[calls:]
    said = cli(warden, "vault", "status")
    assert "others may read it" in said.stdout + said.stderr
    (warden.dir / "secret-id").chmod(0o600)
    assert 0 == cli(warden, "secret", "put", "prod/db", input=b"x").returncode
    for file in warden.dir.rglob("*"):
        assert file.name == "secret-id" or not file.is_file() or CANARY.encode() not in file.read_bytes(), file
