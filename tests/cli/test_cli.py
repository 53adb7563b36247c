"""The command line: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
from pathlib import Path

import pytest

from dockwarden import __version__
from dockwarden.access.people import parse_people
from dockwarden.cli.init import people_text
from dockwarden.cli.words import printable
from dockwarden.settings import load_settings
from fixtures.warden import PEOPLE, dockwarden


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that `init` made; no Engine is behind it."""
    folder = tmp_path_factory.mktemp("first") / "D"
    done = dockwarden("init", "--dir", str(folder), "--engine", "unix:///nonexistent/docker.sock", "--registry", "registry.corp.test")
    assert 0 == done.returncode, done.stderr
    return folder


@pytest.fixture
def made(first: Path, tmp_path: Path) -> Path:
    """The settings of a test's own copy of what `init` made, with our people."""
    folder = shutil.copytree(first, tmp_path / "D")
    (folder / "people.toml").write_text(PEOPLE)
    settings = folder / "dockwarden.toml"
    settings.write_text(settings.read_text().replace(str(first), str(folder)))
    return settings


def test_init_writes_everything_and_overwrites_nothing(made: Path) -> None:
    folder = made.parent
    again = dockwarden("init", "--dir", str(folder), "--engine", "unix:///other.sock")

    assert {"admins.cedar", "auditors.cedar", "ci.cedar", "developers.cedar", "everyone.cedar", "operators.cedar", "raw.cedar", "registries.cedar", "secrets.cedar",
            "sessions.cedar", "ssh.cedar"} == {
        file.name for file in (folder / "policies").iterdir()
    }
    assert 0o700 == (folder / "state").stat().st_mode & 0o777
    assert 0o600 == (folder / "state" / "ledger" / "signing.key").stat().st_mode & 0o777
    assert 0o600 == (folder / "state" / "seal.key").stat().st_mode & 0o777
    assert "kept" in again.stdout
    assert "other.sock" not in made.read_text()
    assert "alice" in (folder / "people.toml").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--engine", "nonsense"], "is no address"),
        (["--engine", "unix:///x", "--registry", "https://registry.corp.test"], "is no registry; write HOST or HOST:PORT"),
        (["--engine", "unix:///x", "--bind-root", "work"], "cannot be a root"),
        (["--engine", "unix:///x", "--bind-root", "LINK"], "is, or lies below, a symbolic link, and links are not followed; name "),
        (["--engine", "unix:///x", "--operate", "0.0.0.0:1"], "is not on loopback"),
        (["--engine", "unix:///x", "--plugin", "a b"], "is no plugin's name"),
        (["--engine", "unix:///x", "--bind-root", "/a\x1b"], "has a control character"),
    ],
)
def test_init_that_cannot_be_meant_writes_nothing(tmp_path: Path, words: list[str], says: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    done = dockwarden("init", "--dir", str(tmp_path / "D"), *(word.replace("LINK", str(tmp_path / "link")) for word in words))

    assert (3, True) == (done.returncode, says in done.stderr), done.stderr
    assert not (tmp_path / "D").exists()


def test_init_beside_a_broken_file_names_it_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "people.toml").write_text("[people.alice]\nuid = 'x'\n")
    done = dockwarden("init", "--dir", str(tmp_path), "--engine", "unix:///x")

    assert (3, True) == (done.returncode, "people.toml: [people.alice]" in done.stderr), done.stderr
    assert ["people.toml"] == [file.name for file in tmp_path.iterdir()]


def test_accounts_that_share_a_uid_are_one_person_and_odd_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = [pwd.struct_passwd((name, "x", uid, uid, "", "/", "/bin/sh")) for name, uid in (("ann", 1000), ("ann-too", 1000), ("_odd", 1001), ("bo", 1002))]
    monkeypatch.setattr(pwd, "getpwall", lambda: accounts)

    assert {"root", "ann", "bo"} == set(parse_people(people_text(everyone=True), "people.toml").by_name)


def test_the_line_that_init_has_for_observing_works_where_it_stands(made: Path) -> None:
    made.write_text(made.read_text().replace("# observe = true", "observe = true"))

    assert load_settings(made).observe


def test_config_comes_from_the_environment_where_it_is_not_given(made: Path) -> None:
    done = dockwarden("policy", "check", env={**os.environ, "DOCKWARDEN_CONFIG": str(made)})

    assert (0, True) == (done.returncode, "in order" in done.stdout), done.stderr


@pytest.mark.parametrize("words", [["serve"], ["doctor"], ["whoami"], ["ledger", "tail"], ["ledger", "verify"], ["policy", "check"], ["vault", "status"]])
def test_config_is_the_usual_place_by_default(words: list[str]) -> None:
    shown = dockwarden(*words, "--help", env={**os.environ, "COLUMNS": "200"}).stdout

    assert "[default: /etc/dockwarden/dockwarden.toml]" in shown
    assert "DOCKWARDEN_CONFIG" in shown


@pytest.mark.parametrize(
    "words", [["policy", "explain", "--nosuch"], ["policy", "explain"], ["policy", "explain", "--as", "alice"], ["nosuch"], ["ledger", "search", "--limit", "x"]]
)
def test_a_command_line_that_cannot_be_meant_exits_3_since_2_is_a_refusal(words: list[str]) -> None:
    done = dockwarden(*words)

    assert (3, False) == (done.returncode, "Traceback" in done.stderr), done.stderr
    assert done.stderr


def test_the_version_is_said() -> None:
    assert (0, f"dockwarden {__version__}\n") == ((done := dockwarden("--version")).returncode, done.stdout)


def test_policy_check_passes_what_init_wrote_and_names_a_mistake_by_file_and_line(made: Path) -> None:
    assert 0 == dockwarden("policy", "check", "--config", str(made)).returncode
    (made.parent / "policies" / "mine.cedar").write_text('// one\n@id("mine")\npermit (principal, action == Action::"container.craete", resource);\n')

    wrong = dockwarden("policy", "check", "--config", str(made))

    assert 3 == wrong.returncode
    assert "mine.cedar:" in wrong.stderr
    assert "container.craete" in wrong.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["docker", "run", "--privileged", "busybox"], 2, "privileged"),
        (["docker", "run", "registry.corp.test/app"], 0, "PERMIT"),
        (["docker", "run", "busybox"], 2, "use an image from: registry.corp.test"),
        (["docker", "run", "-it", "--pid=host", "registry.corp.test/app"], 2, "namespace:host-pid"),
        (["docker", "exec", "-u", "root", "web", "sh"], 2, "developers-no-root-in-exec"),
        (["docker", "run", "--nosuch", "busybox"], 3, "--nosuch is not known here"),
    ],
)
def test_explain_prints_facts_verdict_and_deciding_policies_without_an_engine(made: Path, words: list[str], code: int, says: str) -> None:
    done = dockwarden("policy", "explain", "--as", "alice", "--config", str(made), "--", *words)

    assert (code, True) == (done.returncode, says in done.stdout + done.stderr), done.stdout + done.stderr


def test_explain_takes_a_request_from_a_file(made: Path, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps({"call": "POST /v1.41/containers/create", "body": {"Image": "registry.corp.test/a", "HostConfig": {"CapAdd": ["ALL"]}}}))

    done = dockwarden("policy", "explain", "--as", "alice", "--config", str(made), "--request", str(file), "--json")

    said = json.loads(done.stdout)
    assert (2, "refuse", ["cap:ALL"], ["developers-no-escape"]) == (done.returncode, said["verdict"], said["facts"]["escape"], said["policies"])


def test_policy_test_fails_when_a_row_comes_out_otherwise(made: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    right = {"name": "escape", "as": "alice", "docker": "run --privileged registry.corp.test/a", "expect": "refuse"}
    rows.write_text(json.dumps(right) + "\n")
    assert 0 == dockwarden("policy", "test", str(rows), "--config", str(made)).returncode
    rows.write_text(json.dumps({**right, "expect": "permit"}) + "\n")

    wrong = dockwarden("policy", "test", str(rows), "--config", str(made))

    assert (1, True) == (wrong.returncode, "WRONG escape" in wrong.stdout)


def test_doctor_says_what_is_bad_and_what_to_do(made: Path) -> None:
    done = dockwarden("doctor", "--config", str(made), "--json")

    findings = {finding["part"]: finding for finding in json.loads(done.stdout)}
    assert (1, "bad", "bad", "ok") == (done.returncode, findings["engine"]["state"], findings["door"]["state"], findings["policies"]["state"])
    assert all(finding["mend"] for finding in findings.values() if finding["state"] == "bad")


def test_whoami_knows_the_account_that_asks(made: Path) -> None:
    done = dockwarden("whoami", "--config", str(made), "--json")

    assert ("root", ["admins"]) == (json.loads(done.stdout)["name"], json.loads(done.stdout)["groups"]) if os.getuid() == 0 else True


@pytest.mark.parametrize("words", [["ledger", "verify"], ["ledger", "tail"], ["serve"], ["doctor"], ["policy", "check"]])
def test_a_missing_settings_file_is_one_line_and_never_a_traceback(words: list[str], tmp_path: Path) -> None:
    done = dockwarden(*words, "--config", str(tmp_path / "none.toml"))

    assert done.returncode in {1, 3}
    assert "Traceback" not in done.stderr


def test_what_could_steer_a_terminal_is_spelt_out() -> None:
    assert "a\\x1b[31mb\\u2028c\\u202ed" == printable("a\x1b[31mb\u2028c\u202ed")


def test_search_for_a_kind_that_is_none_lists_them(made: Path) -> None:
    done = dockwarden("ledger", "search", "--kind", "bogus", "--config", str(made))

    assert (3, True) == (done.returncode, "no entry is a 'bogus'; there are intent, outcome, read" in done.stderr), done.stderr


def test_times_have_their_year_and_zone(made: Path) -> None:
    done = dockwarden("ledger", "tail", "--config", str(made), env={**os.environ, "TZ": "Asia/Tokyo"})

    assert re.search(r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ ", done.stdout, re.M), done.stdout


def test_a_person_is_looked_for_by_the_option_s_former_name_too(made: Path) -> None:
    found = [dockwarden("ledger", "search", option, "nobody", "--config", str(made)) for option in ("--person", "--who")]

    assert [(0, ""), (0, "")] == [(done.returncode, done.stdout) for done in found]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--format", "mp4"], "--format: 'mp4' is none; there are asciicast, asciicast-v2 and raw"),
        (["--format", "raw", "--stream", "all"], "--stream: 'all' is none; there are out, err, in, both"),
    ],
)
def test_an_export_in_a_form_that_is_none_says_which_there_are(made: Path, words: list[str], says: str) -> None:
    done = dockwarden("session", "export", "20260131-120000-0123456789ab", *words, "--config", str(made))

    assert (3, True) == (done.returncode, says in done.stderr), done.stderr


def test_policy_check_names_a_file_that_is_not_read_and_a_door_s_person_whom_nobody_has(made: Path) -> None:
    (made.parent / "policies" / "mine.ceder").write_text("permit")
    made.write_text(made.read_text() + '\n[[door]]\nlisten = "unix:///x/y"\nas = "nobody-s"\n')

    done = dockwarden("policy", "check", "--config", str(made))

    assert 0 == done.returncode
    assert "mine.ceder is not read" in done.stdout
    assert 'unix:///x/y is for "nobody-s", whom people.toml does not have' in done.stdout


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("r.toml", '[[row]]\nas = "alice"\ndocker = "ps"\nexpect = "permit"\n[[row]]\nas = "alice"\ndocker = "run --nosuch x"\nexpect = "permit"\n', "r.toml:5: "),
        ("r.toml", '[[row]]\nas = "zoe"\ndocker = "ps"\nexpect = "permit"\n', "r.toml:1: nobody is called zoe; people.toml has "),
        ("r.toml", '[[row]]\nas = alice\n', "r.toml: is not TOML: Invalid value (at line 2"),
        ("r.jsonl", '{"as": "alice", "docker": "ps", "expect": "permit"}\n{"as"\n', "r.jsonl:2: is no JSON"),
        ("r.json", '[\n{"as"}\n]', "r.json:2: is no JSON"),
    ],
)
def test_a_row_that_cannot_be_meant_is_named_by_file_and_line(made: Path, tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)

    done = dockwarden("policy", "test", str(tmp_path / name), "--config", str(made))

    assert (3, True) == (done.returncode, says in done.stderr), done.stderr
