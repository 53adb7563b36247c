"""Secrets in containers: named in the request, files in memory at each start, nowhere else."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from days.test_secrets import cli, put
from fixtures.engine import PrivateEngine
from fixtures.warden import ALICE, BOB, Warden

pytestmark = pytest.mark.timeout(240)
REFERENCE = "PASSWORD=dockwarden://people/alice/password"
SHOW = "echo $PASSWORD_FILE; cat $PASSWORD_FILE; echo; stat -c '%a %u %g' $PASSWORD_FILE"


@pytest.fixture(autouse=True)
def password(warden: Warden) -> str:
    assert 200 == put(warden, ALICE, "people/alice/password", b"s3cret of alice").status
    return "s3cret of alice"


def test_a_secret_named_in_a_variable_is_a_file_of_the_container_s_user(warden: Warden, password: str) -> None:
    done = warden.docker("run", "--rm", "-e", REFERENCE, "busybox", "sh", "-c", SHOW)

    assert (0, f"/run/secrets/PASSWORD\n{password}\n400 {ALICE} {ALICE}\n", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "more", [("--read-only",), ("-u", "4711:4712"), ("--label", "a=b"), ("--network", "none", "--init")], ids=lambda more: more[0]
)
def test_it_works_with_read_only_roots_and_every_user(warden: Warden, password: str, more: tuple[str, ...]) -> None:
    done = warden.docker("run", "--rm", *more, "-e", REFERENCE, "busybox", "cat", "/run/secrets/PASSWORD")

    assert (0, password, "") == (done.returncode, done.stdout, done.stderr)


def test_a_label_asks_for_one_too(warden: Warden, password: str) -> None:
    done = warden.docker("run", "--rm", "--label", "dockwarden.secret.DB=people/alice/password", "busybox", "sh", "-c", "cat $DB_FILE")

    assert (0, password, "") == (done.returncode, done.stdout, done.stderr)


def test_the_file_cannot_be_written_replaced_or_run(warden: Warden) -> None:
    for deed in ("echo x > /run/secrets/PASSWORD", "touch /run/secrets/other", "rm -f /run/secrets/PASSWORD", "/run/secrets/PASSWORD"):
        assert 0 != warden.docker("run", "--rm", "-e", REFERENCE, "busybox", "sh", "-c", deed).returncode


def test_nobody_gets_what_is_not_theirs_and_hears_not_whether_it_is_there(warden: Warden) -> None:
    said = []
    for path in ("people/alice/password", "people/alice/nothing"):
        done = warden.docker("run", "--rm", "-e", f"X=dockwarden://{path}", "busybox", "true", uid=BOB)
        assert 0 != done.returncode
        said.append(done.stderr.replace(path.rpartition("/")[2], "…"))
    assert said[0] == said[1]


@pytest.mark.parametrize("reference", ["", "people/alice/password?x=1", "people/alice/password?version=no", "../etc", "people/alice/password?version=999"])
def test_a_reference_that_cannot_be_fulfilled_stops_the_create(warden: Warden, reference: str) -> None:
    done = warden.docker("create", "--name", "never", "-e", f"X=dockwarden://{reference}", "busybox", "true")

    assert 0 != done.returncode
    assert "never" not in warden.docker("ps", "-a", "--format", "{{.Names}}").stdout


def test_a_version_that_is_named_stays_and_others_follow_at_once(warden: Warden) -> None:
    put(warden, ALICE, "people/alice/moving", b"first")
    words = ("-e", "NOW=dockwarden://people/alice/moving", "-e", "THEN=dockwarden://people/alice/moving?version=1")
    assert 0 == warden.docker("run", "-d", "--name", "follows", *words, "busybox", "sleep", "600").returncode
    put(warden, ALICE, "people/alice/moving", b"second")
    end = time.monotonic() + 5
    while "second" not in (seen := warden.docker("exec", "follows", "sh", "-c", "cat /run/secrets/NOW /run/secrets/THEN").stdout):
        assert time.monotonic() < end, seen
    assert "secondfirst" == seen
    where = json.loads(cli(warden, "secret", "where", "people/alice/moving", "--json").stdout)
    assert [("follows", "NOW", 2), ("follows", "THEN", 1)] == sorted((one["container"], one["file"], one["version"]) for one in where)
    warden.docker("rm", "-f", "follows")
    assert [] == json.loads(cli(warden, "secret", "where", "people/alice/moving", "--json").stdout)


def test_it_is_right_at_every_start_and_gone_after_the_end(warden: Warden, engine: PrivateEngine) -> None:
    put(warden, ALICE, "people/alice/starts", b"one")
    run = ("run", "-d", "--name", "starts", "--restart", "always", "-e", "S=dockwarden://people/alice/starts")
    assert 0 == warden.docker(*run, "busybox", "sh", "-c", "cat /run/secrets/S; sleep 600").returncode
    put(warden, ALICE, "people/alice/starts", b"two")
    assert 0 == warden.docker("restart", "-t", "0", "starts").returncode
    put(warden, ALICE, "people/alice/starts", b"three")
    warden.docker("stop", "-t", "0", "starts")
    assert 0 == warden.docker("start", "starts").returncode
    warden.stop(signal.SIGKILL)
    warden.start()
    put(warden, ALICE, "people/alice/starts", b"four")
    end = time.monotonic() + 5
    while "four" != (seen := warden.docker("exec", "starts", "cat", "/run/secrets/S").stdout):
        assert time.monotonic() < end, seen
    engine.restart()
    end = time.monotonic() + 30
    while "four" != (seen := warden.docker("exec", "starts", "cat", "/run/secrets/S").stdout):
        assert time.monotonic() < end, seen
        time.sleep(0.2)
    logs = warden.docker("logs", "starts").stdout
    assert logs.startswith("onetwothree"), logs
    warden.docker("rm", "-f", "starts")


def test_a_start_without_the_right_to_it_any_more_is_stopped_and_says_so(warden: Warden) -> None:
    put(warden, ALICE, "people/alice/gone", b"x")
    assert 0 == warden.docker("create", "--name", "gone", "-e", "G=dockwarden://people/alice/gone", "busybox", "true").returncode
    cli(warden, "secret", "destroy", "people/alice/gone", "--yes")
    done = warden.docker("start", "gone")
    assert 0 != done.returncode
    assert "people/alice/gone" in done.stderr
    warden.docker("rm", "-f", "gone")


def test_an_exec_names_what_its_container_holds(warden: Warden, password: str) -> None:
    assert 0 == warden.docker("run", "-d", "--name", "held", "-e", REFERENCE, "busybox", "sleep", "600").returncode
    done = warden.docker("exec", "-e", "P=dockwarden://people/alice/password", "held", "sh", "-c", "cat $P_FILE")
    assert (0, password) == (done.returncode, done.stdout)
    refused = warden.docker("exec", "-e", "P=dockwarden://people/alice/other", "held", "true")
    assert "made without" in refused.stderr
    warden.docker("rm", "-f", "held")


def test_inspect_shows_what_was_asked_and_no_place_of_the_host(warden: Warden, password: str) -> None:
    assert 0 == warden.docker("create", "--name", "shown", "-e", REFERENCE, "-e", "OTHER=x", "busybox", "true").returncode
    said = warden.docker("inspect", "shown").stdout
    warden.docker("rm", "-f", "shown")

    assert REFERENCE in json.loads(said)[0]["Config"]["Env"]
    assert password not in said
    for word in ("dockwarden.seal", "dockwarden.files", "/run/dockwarden"):
        assert word not in said


def test_a_secret_in_clear_is_refused_and_the_way_out_can_be_pasted(warden: Warden) -> None:
    refused = warden.curl("-X", "POST", "-H", "Content-Type: application/json", "-d",
                          json.dumps({"Image": "busybox", "Env": ["DB_PASSWORD=Tr0ub4dor-and-3"]}), "/v1.41/containers/create")  # fmt: skip
    assert 403 == refused.status
    message = refused.body["message"]
    for part in ("DB_PASSWORD", "\n    dockwarden secret put people/alice/DB_PASSWORD\n", "-e DB_PASSWORD=dockwarden://people/alice/DB_PASSWORD"):
        assert part in message
    last = next(entry for entry in reversed(warden.entries()) if entry["kind"] == "refused")
    assert "secret.in_environment" == last["detail"]["code"]  # type: ignore[index]  # plain JSON
    assert "Tr0ub4dor" not in message + json.dumps(warden.entries()) + (warden.dir / "serve.log").read_text()

    put(warden, ALICE, "people/alice/DB_PASSWORD", b"Tr0ub4dor-and-3")
    done = warden.docker("run", "--rm", "-e", "DB_PASSWORD=dockwarden://people/alice/DB_PASSWORD", "busybox", "sh", "-c", "cat $DB_PASSWORD_FILE")
    assert (0, "Tr0ub4dor-and-3") == (done.returncode, done.stdout)


def test_a_signal_does_not_take_the_restart_policy_away(warden: Warden) -> None:
    """The Engine's own way to send a signal takes every one for the wish to end the container."""
    put(warden, ALICE, "people/alice/lasting", b"one")
    words = ("--restart", "always", "--label", "dockwarden.renew=signal:USR1", "-e", "L=dockwarden://people/alice/lasting")
    program = "trap : USR1; i=0; while [ $i -lt 25 ]; do sleep 0.1; i=$((i + 1)); done; exit 1"
    assert 0 == warden.docker("run", "-d", "--name", "lasts", *words, "busybox", "sh", "-c", program).returncode
    put(warden, ALICE, "people/alice/lasting", b"two")
    end = time.monotonic() + 15
    while "0" == (seen := warden.docker("inspect", "-f", "{{.RestartCount}}", "lasts").stdout.strip()):
        assert time.monotonic() < end, seen
        time.sleep(0.2)
    warden.docker("rm", "-f", "lasts")


def test_a_renewal_runs_nothing_in_a_container_of_somebody_else_s(warden: Warden) -> None:
    put(warden, ALICE, "people/alice/mine", b"one")
    words = ("--label", "dockwarden.renew=exec:touch /tmp/ran", "-e", "M=dockwarden://people/alice/mine")
    assert 0 == warden.docker("run", "-d", "--name", "hers", *words, "busybox", "sleep", "600").returncode
    assert 0 == warden.docker("run", "-d", "--name", "theirs", "--volumes-from", "hers", "busybox", "sleep", "600", uid=0).returncode
    put(warden, ALICE, "people/alice/mine", b"two")
    end = time.monotonic() + 5
    while warden.docker("exec", "hers", "ls", "/tmp/ran").returncode:
        assert time.monotonic() < end
    assert 0 != warden.docker("exec", "theirs", "ls", "/tmp/ran", uid=0).returncode
    renewed = [entry for entry in warden.entries() if "renewal" == entry.get("via")]
    assert [("intent", "exec.start"), ("outcome", "exec.start")] == [(entry["kind"], entry["action"]) for entry in renewed[-2:]]
    warden.docker("rm", "-f", "theirs", uid=0)
    warden.docker("rm", "-f", "hers")


def test_a_command_after_a_renewal_that_fails_is_told(warden: Warden) -> None:
    put(warden, ALICE, "people/alice/failing", b"one")
    words = ("--label", "dockwarden.renew=exec:false", "-e", "F=dockwarden://people/alice/failing")
    assert 0 == warden.docker("run", "-d", "--name", "fails", *words, "busybox", "sleep", "600").returncode
    said = put(warden, ALICE, "people/alice/failing", b"two").body
    warden.docker("rm", "-f", "fails")

    assert (1, True) == (said["renewed"], "ended with 1" in said["failed"][0])


def test_one_container_and_one_person_have_no_more_than_their_room(warden: Warden) -> None:
    put(warden, ALICE, "people/alice/big", b"x" * (1 << 20))
    words = [word for number in range(9) for word in ("-e", f"B{number}=dockwarden://people/alice/big")]
    done = warden.docker("run", "--rm", *words, "busybox", "true")
    assert (True, True) == (done.returncode != 0, "8 MiB of memory" in done.stderr)
    assert 0 == warden.docker("run", "--rm", *words[:14], "busybox", "true").returncode


def test_files_are_copied_out_of_a_container_that_has_secrets(warden: Warden, tmp_path: Path) -> None:
    assert 0 == warden.docker("create", "--name", "copied", "-e", REFERENCE, "busybox", "true").returncode
    done = warden.docker("cp", "copied:/etc/passwd", "-")
    warden.docker("rm", "copied")

    assert (0, "") == (done.returncode, done.stderr)


def test_an_exec_gets_the_version_that_it_names_or_none(warden: Warden) -> None:
    for value in (b"one", b"two"):
        put(warden, ALICE, "people/alice/pinned", value)
    assert 0 == warden.docker("run", "-d", "--name", "pins", "-e", "P=dockwarden://people/alice/pinned?version=1", "busybox", "sleep", "600").returncode
    refused = warden.docker("exec", "-e", "Q=dockwarden://people/alice/pinned", "pins", "true")
    done = warden.docker("exec", "-e", "Q=dockwarden://people/alice/pinned?version=1", "pins", "sh", "-c", "cat $Q_FILE")
    warden.docker("rm", "-f", "pins")

    assert (True, True) == (refused.returncode != 0, "made without" in refused.stderr)
    assert (0, "one") == (done.returncode, done.stdout)


@pytest.mark.parametrize("then", ["signal:USR1", "exec:sh -c 'echo renewed > /tmp/heard'"])
def test_a_container_hears_that_a_secret_of_its_own_has_changed(warden: Warden, then: str) -> None:
    put(warden, ALICE, "people/alice/heard", b"one")
    program = "trap 'echo renewed > /tmp/heard' USR1; while true; do sleep 0.1; done"
    words = ("--label", f"dockwarden.renew={then}", "-e", "H=dockwarden://people/alice/heard")
    assert 0 == warden.docker("run", "-d", "--name", "hears", *words, "busybox", "sh", "-c", program).returncode
    put(warden, ALICE, "people/alice/heard", b"two")
    end = time.monotonic() + 5
    while "renewed\n" != (heard := warden.docker("exec", "hears", "cat", "/tmp/heard").stdout):
        assert time.monotonic() < end, heard
    warden.docker("rm", "-f", "hears")


@pytest.mark.parametrize("then", ["signal:", "signal:rm -rf", "signal:FOO", "signal:KILL", "exec:", "exec:'", "reboot"])
def test_what_cannot_follow_a_renewal_is_refused(warden: Warden, then: str) -> None:
    words = ("--label", f"dockwarden.renew={then}", "-e", REFERENCE)

    assert "dockwarden.renew" in warden.docker("create", *words, "busybox", "true").stderr
    assert 0 != warden.docker("create", "--label", "dockwarden.renew=signal:HUP", "busybox", "true").returncode


def test_what_changed_while_a_kill_came_between_is_caught_up_with(warden: Warden) -> None:
    put(warden, ALICE, "people/alice/late", b"one")
    assert 0 == warden.docker("run", "-d", "--name", "late", "-e", "L=dockwarden://people/alice/late", "busybox", "sleep", "600").returncode
    warden.stop(signal.SIGKILL)
    files = [file for file in Path("/run/dockwarden").glob("*/secrets/*/L") if file.read_bytes() == b"one"]
    held = files[0].parent.with_name(f"{files[0].parent.name}.held")
    put_aside = held.read_text()
    warden.start()
    put(warden, ALICE, "people/alice/late", b"two")
    warden.stop(signal.SIGKILL)
    held.write_text(put_aside)  # as if the kill had come before the delivery
    files[0].unlink()
    files[0].write_bytes(b"one")
    warden.start()

    assert "two" == warden.docker("exec", "late", "cat", "/run/secrets/L").stdout
    warden.docker("rm", "-f", "late")


def test_a_sealed_vault_stops_a_start_and_says_so(warden: Warden) -> None:
    put(warden, ALICE, "people/alice/sealed", b"x")
    words = ("--name", "sealed", "--restart", "always", "-e", "S=dockwarden://people/alice/sealed")
    assert 0 == warden.docker("create", *words, "busybox", "sleep", "600").returncode
    assert 0 == cli(warden, "vault", "seal").returncode
    done = warden.docker("start", "sealed")
    assert 0 != done.returncode
    assert "dockwarden: the vault is sealed" in done.stderr
    assert "vault is sealed" in warden.docker("create", "-e", REFERENCE, "busybox", "true").stderr
    assert 0 == cli(warden, "vault", "unseal").returncode
    assert 0 == warden.docker("start", "sealed").returncode
    warden.docker("rm", "-f", "sealed")


def test_docker_py_names_secrets_in_its_environment(warden: Warden) -> None:
    put(warden, 0, "people/root/token", b"of root")
    client = docker.DockerClient(base_url=f"unix://{warden.socket}")
    try:
        said = client.containers.run("busybox", ["sh", "-c", "cat $TOKEN_FILE"], environment={"TOKEN": "dockwarden://people/root/token"}, remove=True)
        assert b"of root" == said
    finally:
        client.close()


MORE = """
@id("alice-uses-as-variable") @harden("as-variable")
permit (principal == User::"alice", action == Action::"secret.use", resource is SecretPath) when { resource.id like "people/alice/plain/*" };
"""


@pytest.fixture(scope="module")
def willing(engine: PrivateEngine) -> Iterator[Warden]:
    """A dockwarden whose policies let alice have variables, and warn developers of secrets in clear where the starters forbid them."""
    folder = Path("/var/tmp") / f"dwwilling{os.getpid()}"
    folder.mkdir(mode=0o755)
    made = Warden(folder, engine.address, volumes=True)
    made.init()
    file = folder / "policies" / "developers.cedar"
    text, _, _ = file.read_text().partition("// Secrets in variables are shown by inspect")
    file.write_text(text.replace('@harden("run-as-caller, no-new', '@harden("warn-secrets, run-as-caller, no-new') + MORE)
    made.start()
    yield made
    made.stop()
    made.remove()
    engine.forget_drivers()


def test_policy_may_let_a_value_be_a_variable_and_it_shows_as_the_reference(willing: Warden, engine: PrivateEngine) -> None:
    put(willing, ALICE, "people/alice/plain/token", b"in the open")
    put(willing, ALICE, "people/alice/other", b"in the file")
    words = ("-e", "T=dockwarden://people/alice/plain/token", "-e", "O=dockwarden://people/alice/other")
    run = willing.docker("run", "--name", "plain", *words, "busybox", "sh", "-c", 'echo "$T$O"; cat $T_FILE $O_FILE')
    assert (0, "in the open\nin the openin the file", "") == (run.returncode, run.stdout, run.stderr)

    said = json.loads(willing.docker("inspect", "plain").stdout)[0]["Config"]["Env"]
    assert {"T=dockwarden://people/alice/plain/token", "O=dockwarden://people/alice/other"} <= set(said)
    assert "in the open" not in json.dumps(said)
    written = [entry["detail"] for entry in willing.entries() if ("secret.use", "create") == (entry.get("action"), entry.get("via"))]
    assert [{"file": "T", "version": "current", "variable": True}] == written
    willing.docker("rm", "plain")


def test_policy_may_warn_of_a_secret_in_clear_instead(willing: Warden) -> None:
    made = willing.docker("create", "--name", "warned", "-e", "DB_PASSWORD=Tr0ub4dor-and-3", "busybox", "true")
    willing.docker("rm", "warned")

    assert 0 == made.returncode
    assert "WARNING: dockwarden: DB_PASSWORD looks like a secret" in made.stderr
    assert "dockwarden secret put people/alice/DB_PASSWORD" in made.stderr
    assert "Tr0ub4dor" not in made.stderr
