"""`dockwarden policy`: what it prints, what it exits with; no Engine is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dockwarden.cli.dockerline import Call, read_line
from dockwarden.cli.rows import read_row, read_rows
from dockwarden.cli.supposed import World, judge_supposed
from dockwarden.engine.known import BindSource
from dockwarden.policy.load import PolicySet, load
from dockwarden.words.errors import BadConfig, Broken
from dockwarden.words.principal import NOBODY, Account, Principal

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "src" / "dockwarden" / "policy" / "starter"
ALICE = Principal("alice", frozenset({"developers"}), Account(20001, 20001), "unix")
PEOPLE = """
[people.alice]
uid = 20001
groups = ["developers"]
[people.adam]
uid = 20005
groups = ["admins"]
[people.runner]
groups = ["ci"]
"""


def policy(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`dockwarden policy …`, of this very tree."""
    return subprocess.run(
        [sys.executable, "-m", "dockwarden", "policy", *words], capture_output=True, text=True, cwd=cwd, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings, people and the starter policies, as `init` writes them."""
    (tmp_path / "policies").mkdir()
    for file in STARTER.glob("*.cedar"):
        (tmp_path / "policies" / file.name).write_text(file.read_text())
    (tmp_path / "people.toml").write_text(PEOPLE)
    made = tmp_path / "dockwarden.toml"
    made.write_text('[engine]\naddress = "unix:///nonexistent/docker.sock"\n[binds]\nroots = ["/srv/work"]\n')
    return made


@pytest.fixture(scope="module")
def starter() -> PolicySet:
    return load({file.name: file.read_text() for file in STARTER.glob("*.cedar")})


# --- check, schema ---


def test_check_names_every_policy_of_every_file(config: Path) -> None:
    done = policy("check", "--config", str(config))

    assert 0 == done.returncode, done.stderr
    assert "developers.cedar: developers-look, developers-run" in done.stdout
    assert 'note nobody is in Group::"operators", which a policy is for' in done.stdout
    assert "in order: " in done.stdout


def test_check_tells_the_first_mistake_of_each_file_with_its_line_and_what_to_do(config: Path) -> None:
    (config.parent / "policies" / "a.cedar").write_text('// one\n@id("a")\npermit (principal, action == Action::"container.craete", resource);\n')
    (config.parent / "policies" / "b.cedar").write_text('@id("b")\nforbid (principal, action, resource)\nwhen { context.escape.contains("priviledged") };\n')

    done = policy("check", "--config", str(config))

    assert 3 == done.returncode
    assert 'a.cedar:3: unrecognized action `Action::"container.craete"`; did you mean container.create?' in done.stderr
    assert 'b.cedar:3: no fact is ever "priviledged"; did you mean "privileged"?' in done.stderr


def test_check_tells_an_id_that_two_files_have_and_prints_json(config: Path) -> None:
    (config.parent / "policies" / "a.cedar").write_text('@id("ci-run")\npermit (principal, action, resource);\n')

    done = policy("check", "--config", str(config), "--json")

    assert 3 == done.returncode
    assert "is taken by" in json.loads(done.stdout)["errors"][0]["what"]


def test_check_notes_a_group_of_people_that_no_policy_is_for(config: Path) -> None:
    (config.parent / "people.toml").write_text('[people.x]\nuid = 5\ngroups = ["develpers"]\n')

    assert 'no policy is for Group::"develpers"' in policy("check", "--config", str(config)).stdout


def test_schema_is_cedar_that_can_be_read_again() -> None:
    import cedarpy

    done = policy("schema")

    assert 0 == done.returncode
    cedarpy.Schema.from_str(done.stdout)


# --- explain ---


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--as", "alice", "--", "docker", "run", "--privileged", "busybox"], 2, ["REFUSE", "HostConfig.Privileged", "developers-no-escape"]),
        (["--as", "alice", "--", "docker", "run", "busybox"], 0, ["PERMIT", "developers-run", 'User = "20001:20001"', "HostConfig.Memory = 4294967296"]),
        (["--as", "alice", "--", "run", "-it", "--pid=host", "busybox"], 2, ["namespace:host-pid", "3 more calls would follow"]),
        (["--as", "alice", "--", "docker", "exec", "-u", "root", "web", "sh"], 2, ["developers-no-root-in-exec", "advice: User would be root"]),
        (["--as", "alice", "--other", "web", "--", "docker", "logs", "web"], 2, ["NOT THERE", "developers-look", "resource.owner is \"somebody-else\""]),
        (["--as", "alice", "--image-user", "root", "--", "docker", "run", "-u", "root", "busybox"], 2, ["developers-no-root-in-run"]),
        (["--as", "alice", "--group", "operators", "--", "docker", "rm", "web"], 2, ["came nearest", "NO     for    principal in Group"]),
        (["--as", "runner", "--", "docker", "run", "-v", "/srv/work/x:/x", "busybox"], 2, ["ci-no-host-folders", "copy files in with docker cp"]),
        (["--as", "adam", "--", "docker", "run", "--privileged", "busybox"], 0, ["admins-everything", "escape   privileged: HostConfig.Privileged"]),
        (["--as", "", "--", "docker", "ps"], 2, ["a caller nobody knows", "people.toml"]),
        (["--as", "alice", "--shared", "team/base", "--", "docker", "build", "-t", "team/base", "."], 2, ["developers-move-no-trusted-name", "that is shared"]),
        (["--as", "alice", "--", "docker", "pull", "team/base"], 0, ["PERMIT", "cannot be known here: whether the Engine has an image of that name"]),
        (["--as", "alice", "--shared", "team/base", "--", "docker", "pull", "team/base"], 2, [
            "developers-refresh-no-shared-name", "only an administrator refreshes it: it is here already, use it"]),
        (["--as", "alice", "--other", "team/base", "--", "docker", "pull", "team/base"], 2, ["developers-pull-over-no-other-name", "by its digest"]),
        (["--as", "alice", "--", "docker", "swarm", "init"], 2, ["swarm.init", "admins-everything"]),
    ],
)
def test_explain_says_facts_verdict_and_the_policies_behind_it(config: Path, words: list[str], code: int, says: list[str]) -> None:
    done = policy("explain", "--config", str(config), *words)

    assert code == done.returncode, done.stdout + done.stderr
    for text in says:
        assert text in done.stdout, (text, done.stdout)
    assert "supposed, as no Engine was asked" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--as", "alice", "--", "docker", "run", "--nosuch", "busybox"], "--nosuch is not known here"),
        (["--as", "alic", "--", "docker", "ps"], "nobody is called alic"),
        (["--as", "alice"], "nothing to explain"),
        (["--as", "alice", "--request", "/nonexistent/x.json"], "cannot be read"),
    ],
)
def test_explain_refuses_what_cannot_be_meant_with_exit_3_in_one_line(config: Path, words: list[str], says: str) -> None:
    done = policy("explain", "--config", str(config), *words)

    assert 3 == done.returncode
    assert says in done.stderr
    assert 1 == len(done.stderr.strip().splitlines())


HOSTS = """
[hosts.web]
address = "10.0.0.5:22"
login = "deploy"
host_keys = ["ssh-ed25519 AAAA"]
secret = "hosts/web/deploy"
[hosts.shop]
address = "10.0.0.6:22"
login = "deploy"
host_keys = ["ssh-ed25519 AAAA"]
certificate = true
labels = { production = "yes" }
"""
REPORTS = """
@id("alice-fetches-reports")
permit (principal == User::"alice", action == Action::"ssh.sftp.read", resource == Host::"web")
when { context.file.path like "/srv/reports/*" && context.login == "backup" };
"""


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["ssh.shell", "web"], 0, ["web as deploy  ssh.shell: PERMIT", "ssh-operators", "no host was asked"]),
        (["ssh.exec", "root%web"], 0, ["web as root  ssh.exec: PERMIT", "login    root"]),
        (["ssh.shell", "shop"], 2, ["REFUSE", "ssh.shell on shop as deploy is refused for alice", 'resource.hasTag("production")']),
        (["--reaches-engine", "ssh.shell", "web"], 2, ["ssh-reaches-no-engine", "past every policy", "Engine's own socket is reached"]),
        (["ssh.forward.local", "web", "db.internal:5432"], 2, ["forward  db.internal:5432", "admins-everything"]),
        (["ssh.sftp.read", "backup%web", "/srv/./reports//today"], 0, ["alice-fetches-reports", "file     read /srv/reports/today"]),
        (["ssh.shell", "nosuch"], 0, ["nosuch as its login", "hosts.toml has no nosuch"]),
    ],
)
def test_explain_says_how_a_deed_on_a_host_comes_out(config: Path, words: list[str], code: int, says: list[str]) -> None:
    (config.parent / "hosts.toml").write_text(HOSTS)
    (config.parent / "policies" / "reports.cedar").write_text(REPORTS)
    options = [word for word in words if word.startswith("--")]
    done = policy("explain", "--config", str(config), "--as", "alice", "--group", "operators", *options, "--", *words[len(options) :])

    assert code == done.returncode, done.stdout + done.stderr
    for text in says:
        assert text in done.stdout, (text, done.stdout)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ssh", "web"], "name the action and the host: ssh.shell or"),
        (["ssh.shel", "web"], "is no action on a host"),
        (["ssh.shell"], "write ssh.shell [LOGIN%]HOST"),
        (["ssh.shell", "web", "ls"], "write ssh.shell [LOGIN%]HOST"),
        (["ssh.sftp.read", "web"], "write ssh.sftp.read [LOGIN%]HOST PATH"),
        (["ssh.forward.local", "web", "db"], "write PLACE:PORT"),
        (["ssh.shell", "alice%deploy%web"], "'alice%deploy' is no account's name"),
        (["ssh.shell", "container.shop"], "write -- docker exec -it shop sh"),
    ],
)
def test_a_deed_on_a_host_that_cannot_be_meant_says_how_to_write_it(config: Path, words: list[str], says: str) -> None:
    done = policy("explain", "--config", str(config), "--as", "adam", "--", *words)

    assert (3, True) == (done.returncode, says in done.stderr), done.stderr


def test_a_deed_on_a_host_is_explained_as_json(config: Path) -> None:
    (config.parent / "hosts.toml").write_text(HOSTS)
    done = policy("explain", "--config", str(config), "--as", "alice", "--json", "--", "ssh.shell", "web")
    said = json.loads(done.stdout)

    assert (2, "refuse", "ssh.shell", "web", "deploy") == (done.returncode, said["verdict"], said["action"], said["resource"]["name"], said["facts"]["login"])


def test_without_settings_the_starter_policies_judge_a_developer(tmp_path: Path) -> None:
    if Path("/etc/dockwarden/dockwarden.toml").exists():
        pytest.skip("this host has settings")
    done = policy("explain", "--as", "anybody", "--", "docker", "run", "--privileged", "busybox", cwd=tmp_path)

    assert 2 == done.returncode
    assert "judged by the starter policies" in done.stdout


def test_a_request_of_a_file_is_explained_as_json(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps({"call": "POST /v1.41/containers/create", "body": {"Image": "busybox", "HostConfig": {"CapAdd": ["ALL"]}}}))

    done = policy("explain", "--as", "alice", "--config", str(config), "--request", str(file), "--json")

    said = json.loads(done.stdout)
    assert (2, "refuse", "policy.forbidden", ["cap:ALL"], ["developers-no-escape"]) == (
        done.returncode, said["verdict"], said["why"], said["facts"]["escape"], said["policies"],
    )
    assert ["developers-run"] == [near["id"] for near in said["nearest"]]
    assert 1 == len(said["calls"])


def test_a_call_that_no_door_would_read_is_malformed(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps({"call": "POST /containers/create", "raw": '{"Image":"a","image":"b"}'}))

    done = policy("explain", "--as", "alice", "--config", str(config), "--request", str(file))

    assert 2 == done.returncode
    assert "MALFORMED" in done.stdout
    assert "json.duplicate_key" in done.stdout


# --- test ---

ROWS = """
[[row]]
name = "a developer runs an ordinary image"
as = "alice"
docker = "run --rm -p 8080:80 nginx"
expect = "permit"
policies = ["developers-run"]

[[row]]
name = "and no privileged one"
as = "alice"
docker = "run --privileged busybox"
expect = "refuse"
why = "HostConfig.Privileged"

[[row]]
name = "nor another's container"
as = "alice"
docker = "stop db"
others = ["db"]
expect = "hide"

[[row]]
name = "a stranger sees nothing"
as = ""
call = "GET /containers/json"
expect = "refuse"

[[row]]
name = "a second spelling is malformed"
as = "alice"
call = "POST /containers/create"
raw = '{"Image":"a","IMAGE":"b"}'
expect = "malformed"
"""


def test_rows_that_come_out_as_expected_exit_0(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.test.toml"
    file.write_text(ROWS)

    done = policy("test", str(file), "--config", str(config))

    assert (0, "5 of 5 rows came out as expected\n") == (done.returncode, done.stdout), done.stdout + done.stderr
    assert "ok    and no privileged one  (alice: refuse)" in policy("test", str(file), "--config", str(config), "--all").stdout


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"docker": "run --privileged busybox", "expect": "permit"}, "permit was expected; it came out as refuse"),
        ({"docker": "run busybox", "expect": "refuse"}, "refuse was expected; it came out as permit"),
        ({"docker": "run --privileged busybox", "expect": "refuse", "why": "moonlight"}, "does not have 'moonlight'"),
        ({"docker": "run busybox", "expect": "permit", "policies": ["admins-everything"]}, "decided by developers-run instead of admins-everything"),
    ],
)
def test_a_row_that_comes_out_otherwise_is_named_and_exits_1(config: Path, tmp_path: Path, row: dict[str, Any], says: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"name": "mine", "as": "alice", **row}) + "\n\n")

    done = policy("test", str(file), "--config", str(config))

    assert 1 == done.returncode
    assert f"WRONG mine  (alice: {'permit' if 'privileged' not in row['docker'] else 'refuse'})" in done.stdout
    assert f"{file}:1: " in done.stdout
    assert says in done.stdout
    assert "0 of 1 rows" in done.stdout


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"docker": "ps"}, "expects 'nothing'"),
        ({"docker": "ps", "expect": "allow"}, "permit, refuse, hide, malformed"),
        ({"docker": "ps", "expect": "permit", "whoo": 1}, "unknown key `whoo`"),
        ({"docker": "ps", "expect": "permit", "other": ["x"]}, "did you mean `others`?"),
        ({"expect": "permit"}, "asks for nothing"),
        ({"docker": "ps", "call": "GET /info", "expect": "permit"}, "two things"),
        ({"call": "containers", "expect": "permit"}, "is no call"),
        ({"docker": "run --privilegd x", "expect": "permit"}, "did you mean --privileged?"),
        ({"docker": 5, "expect": "permit"}, "is no text"),
        ({"docker": "ps", "expect": "permit", "groups": "developers"}, "is no list"),
        ("ps", "is no table"),
    ],
)
def test_a_row_that_cannot_be_meant_says_where_and_what_to_write(row: Any, says: str) -> None:
    with pytest.raises(BadConfig) as caught:
        read_row("rows.jsonl:7", row)

    assert caught.value.where == "rows.jsonl:7"
    assert says in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("a.toml", "[[row"), ("a.jsonl", "{"), ("a.json", "nonsense"), ("a.toml", ""), ("a.jsonl", "\n")])
def test_a_file_that_has_no_rows_refuses(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(BadConfig, match=r"\[\[row\]\]"):
        list(read_rows(tmp_path / name))


# --- supposing ---


def outcome(line: str, starter: PolicySet, principal: Principal = ALICE, **world: Any) -> tuple[str, str]:
    found = [judge_supposed(call, principal, World(**world), starter) for call in read_line(line)]
    wrong = next((one for one in found if one.outcome != "permit"), None)
    return (wrong.outcome, wrong.message) if wrong else ("permit", "")


@pytest.mark.parametrize(
    ("line", "world", "came"),
    [
        ("run --network net busybox", {}, "permit"),
        ("run --network bobnet busybox", {"others": frozenset({"bobnet"})}, "hide"),
        ("run --network team busybox", {"shared": frozenset({"team"})}, "permit"),
        ("run --network container:web busybox", {}, "permit"),
        ("run --volumes-from bobdb busybox", {"others": frozenset({"bobdb"})}, "hide"),
        ("run -v bobvol:/x busybox", {"others": frozenset({"bobvol"})}, "refuse"),
        ("run -u app busybox", {}, "permit"),
        ("run busybox", {"image_user": "root"}, "permit"),
        ("run busybox", {"image_user": "app:root"}, "permit"),
        ("exec web id", {}, "permit"),
        ("rmi alice/app", {}, "permit"),
        ("rmi busybox", {}, "refuse"),
        ("rmi busybox", {"own": frozenset({"busybox"})}, "permit"),
        ("tag busybox bob/app", {"others": frozenset({"bob/app"})}, "refuse"),
        ("pull busybox", {}, "permit"),
        ("inspect --type network host", {}, "permit"),
        ("network rm bridge", {}, "refuse"),
        ("plugin disable x", {}, "hide"),
    ],
)
def test_what_is_supposed_is_judged_as_a_door_would(starter: PolicySet, line: str, world: dict[str, Any], came: str) -> None:
    assert came == outcome(line, starter, **world)[0], outcome(line, starter, **world)


def test_a_bind_is_asked_of_the_host_and_supposed_usable_where_it_cannot_be(starter: PolicySet) -> None:
    def says_no(path: str, _roots: object, _account: object) -> BindSource:
        return BindSource(path, "/srv/work", "x", exists=True, can_read=False, can_write=False)

    def cannot_say(*_: object) -> BindSource:
        raise Broken("host.impersonation", "only root can")

    roots = ("/srv/work",)
    came, message = outcome("run -v /srv/work/x:/x busybox", starter, bind_roots=roots, describe=says_no)
    assert ("refuse", True) == (came, "(/srv/work/x)" in message)
    assert "permit" == outcome("run -v /srv/work/x:/x busybox", starter, bind_roots=roots, describe=cannot_say)[0]
    assert "refuse" == outcome("run -v /srv/worker/x:/x busybox", starter, bind_roots=roots, describe=cannot_say)[0]


def test_whatever_is_asked_there_is_an_outcome(starter: PolicySet) -> None:
    for call in (Call("GET", "/nosuch"), Call("GET", "/../x"), Call("POST", "/containers/create", "nonsense"), Call("POST", "/containers/create", "\ud800"),
                 Call("get", "/info"), Call("POST", "/build?t=a%00b", streams=True), Call("GET", "/containers/\udcff/json")):
        assert judge_supposed(call, NOBODY, World(), starter).outcome in {"refuse", "malformed"}, call
