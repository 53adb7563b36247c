"""The first day of an ordinary developer, with the real client and a real Engine."""

from __future__ import annotations

import io
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import pytest

from fixtures.warden import ADMIN, ALICE, AUDITOR, BOB, STRANGER, Warden, dockwarden

pytestmark = pytest.mark.timeout(180)


def test_run_prints_what_the_container_printed_and_runs_as_the_caller(warden: Warden) -> None:
    done = warden.docker("run", "--rm", "busybox", "id")

    assert (0, f"uid={ALICE} gid={ALICE}") == (done.returncode, done.stdout.split(" groups")[0].strip()), done.stderr


def test_run_passes_the_exit_code_and_standard_error(warden: Warden) -> None:
    done = warden.docker("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")

    assert (7, "out\n", "err\n") == (done.returncode, done.stdout, done.stderr)


def test_run_with_input_sees_its_end(warden: Warden) -> None:
    """The client's half-close reaches the container, and what it writes afterwards still arrives."""
    done = warden.docker("run", "--rm", "-i", "busybox", "sh", "-c", "wc -c; echo after", input="x" * 100_000)

    assert (0, ["100000", "after"]) == (done.returncode, done.stdout.split()), done.stderr


def test_exec_logs_cp_and_rm_of_an_own_container(warden: Warden, desk: Path) -> None:
    assert 0 == warden.docker("run", "-d", "--name", "web", "busybox", "sh", "-c", "echo started; sleep 600").returncode
    file = desk / "note.txt"
    file.write_text("a note\n")
    file.chmod(0o644)

    assert f"uid={ALICE}" in warden.docker("exec", "web", "id").stdout
    assert "hi\n" == warden.docker("exec", "-i", "web", "cat", input="hi\n").stdout
    assert 3 == warden.docker("exec", "web", "sh", "-c", "exit 3").returncode
    assert "started\n" == warden.docker("logs", "web").stdout
    copied = warden.docker("cp", str(file), "web:/tmp/note.txt")
    assert (0, "a note\n") == (copied.returncode, warden.docker("exec", "web", "cat", "/tmp/note.txt").stdout), copied.stderr
    back = warden.docker("cp", "web:/tmp/note.txt", str(desk / "back.txt"), cwd=desk)
    assert (0, "a note\n") == (back.returncode, (desk / "back.txt").read_text()), back.stderr
    assert 0 == warden.docker("rm", "-f", "web").returncode


def test_logs_that_follow_stay_open_while_idle_and_end_with_the_container(warden: Warden) -> None:
    assert 0 == warden.docker("run", "-d", "--name", "slow", "busybox", "sh", "-c", "echo one; sleep 3; echo two").returncode

    done = warden.docker("logs", "-f", "slow")

    assert (0, "one\ntwo\n") == (done.returncode, done.stdout)
    warden.docker("rm", "-f", "slow")


def test_a_classic_build_makes_an_image_of_her_own(warden: Warden, desk: Path) -> None:
    (desk / "Dockerfile").write_text("FROM busybox\nCOPY hello /hello\nRUN cat /hello\nUSER 1000:1000\nCMD cat /hello\n")
    (desk / "hello").write_text("built\n")
    for path in (desk, desk / "Dockerfile", desk / "hello"):
        path.chmod(0o755)

    built = warden.docker("build", "-t", "alice/built", str(desk), timeout=120)

    assert 0 == built.returncode, built.stderr + built.stdout
    assert "built\n" == warden.docker("run", "--rm", "alice/built").stdout
    theft = warden.docker("build", "-t", "busybox", str(desk), timeout=120)
    assert 0 != theft.returncode
    assert "dockwarden: " in theft.stderr + theft.stdout


def test_a_compose_like_sequence_works(warden: Warden) -> None:
    """A network, a volume, two containers that share both, and all of it gone again."""
    steps = [
        ["network", "create", "app"],
        ["volume", "create", "data"],
        ["run", "-d", "--name", "srv", "--network", "app", "-v", "data:/data", "--user", "20001:20001", "--tmpfs", "/tmp", "busybox", "sleep", "600"],
        ["run", "--rm", "--network", "none", "-v", "data:/data", "busybox", "ls", "/data"],
        ["ps"],
        ["inspect", "srv"],
        ["stop", "-t", "0", "srv"],
        ["start", "srv"],
        ["restart", "-t", "0", "srv"],
        ["rename", "srv", "srv2"],
        ["rm", "-f", "srv2"],
        ["network", "rm", "app"],
        ["volume", "rm", "data"],
    ]
    for step in steps:
        done = warden.docker(*step)
        assert 0 == done.returncode, (step, done.stderr)


def test_a_volume_that_nobody_named_is_hers_whose_container_it_came_with(warden: Warden) -> None:
    assert 0 == warden.docker("create", "--name", "anon", "-v", "/data", "busybox", "true").returncode
    name = warden.docker("inspect", "-f", "{{range .Mounts}}{{.Name}}{{end}}", "anon").stdout.strip()

    assert name in warden.docker("volume", "ls", "-q").stdout.split()
    assert name not in warden.docker("volume", "ls", "-q", uid=BOB).stdout.split()
    assert 0 == warden.docker("rm", "anon").returncode
    assert 0 == warden.docker("volume", "rm", name).returncode


def test_a_bind_of_her_own_folder_is_there_and_shown_as_the_bind_she_asked_for(warden: Warden, work: Path) -> None:
    done = warden.docker("run", "--name", "binder", "-v", f"{work}/alice:/work", "busybox", "cat", "/work/hello.txt")

    assert (0, "hello from alice\n") == (done.returncode, done.stdout), done.stderr
    shown = warden.docker("inspect", "-f", "{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}}{{end}}", "binder")
    assert f"bind {work}/alice /work" == shown.stdout.strip()
    warden.docker("rm", "-f", "binder")


def test_events_show_her_own_things_only(warden: Warden) -> None:
    stream = subprocess.Popen(
        ["docker", "-H", f"unix://{warden.socket}", "events", "--format", "{{.Action}} {{.Actor.Attributes.name}}"],
        stdout=subprocess.PIPE, text=True, user=ALICE, group=ALICE, extra_groups=[], env={"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": "/nonexistent"},
    )
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(stream.stdout), daemon=True)  # type: ignore[arg-type]  # a pipe was asked for
    reader.start()
    time.sleep(1)
    warden.docker("run", "--rm", "--name", "evbob", "busybox", "true", uid=BOB)
    warden.docker("run", "--rm", "--name", "evalice", "busybox", "true")
    time.sleep(1)
    stream.terminate()
    stream.wait(10)
    reader.join(10)

    assert any("create evalice" in line for line in seen)
    assert not any("evbob" in line for line in seen)


@pytest.mark.parametrize(
    ("words", "teaches"),
    [
        (["run", "--privileged", "busybox"], "rivileged"),
        (["run", "-v", "/:/host", "busybox"], "bind"),
        (["run", "-v", "/etc:/etc:ro", "busybox"], "bind"),
        (["run", "-v", "/var/run/docker.sock:/var/run/docker.sock", "busybox"], "socket"),
        (["run", "--pid", "host", "busybox"], "PidMode"),
        (["run", "--network", "host", "busybox"], "NetworkMode"),
        (["run", "--ipc", "host", "busybox"], "IpcMode"),
        (["run", "--cap-add", "sys_admin", "busybox"], "SYS_ADMIN"),
        (["run", "--device", "/dev/kmsg", "busybox"], "/dev/kmsg"),
        (["run", "--security-opt", "seccomp=unconfined", "busybox"], "seccomp"),
        (["run", "--security-opt", "systempaths=unconfined", "busybox"], "MaskedPaths"),
        (["run", "--user", "0", "busybox"], "User"),
        (["run", "--user", "+0", "busybox"], "User"),
        (["run", "--mount", "type=volume,dst=/x,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/etc", "busybox"], "/etc"),
        (["run", "--cgroup-parent", "/", "busybox"], "CgroupParent"),
        (["run", "--group-add", "0", "busybox"], "GroupAdd"),
        (["run", "--sysctl", "kernel.shmmax=1", "busybox"], "kernel.shmmax"),
        (["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=/etc"], "/etc"),
        (["plugin", "install", "--grant-all-permissions", "x/y"], "plugin"),
        (["swarm", "init"], "swarm"),
    ],
)
def test_a_known_escape_is_refused_with_a_message_that_teaches(warden: Warden, words: list[str], teaches: str) -> None:
    done = warden.docker(*words)

    assert 0 != done.returncode
    assert "dockwarden: " in done.stderr
    assert teaches in done.stderr


def test_another_person_s_container_is_not_there(warden: Warden) -> None:
    """Whatever bob tries with alice's container, he reads the Engine's own words for one that does not exist."""
    assert 0 == warden.docker("run", "-d", "--name", "hers", "busybox", "sleep", "600").returncode
    for words in (["inspect", "hers"], ["logs", "hers"], ["exec", "hers", "id"], ["rm", "-f", "hers"], ["stop", "hers"], ["top", "hers"]):
        hers = warden.docker(*words, uid=BOB)
        nobodys = warden.docker(*[word.replace("hers", "nobodys") for word in words], uid=BOB)
        assert nobodys.stderr.replace("nobodys", "hers") == hers.stderr, words
        assert nobodys.returncode == hers.returncode
    assert "hers" not in warden.docker("ps", "-a", uid=BOB).stdout
    assert "hers" in warden.docker("ps", "-a").stdout
    assert "hers" in warden.docker("ps", "-a", uid=AUDITOR).stdout
    assert 0 == warden.docker("rm", "-f", "hers").returncode


def test_environment_values_are_masked_in_inspect_and_shown_to_an_admin(warden: Warden) -> None:
    assert 0 == warden.docker("create", "--name", "withenv", "-e", "COLOUR=canary-blue", "busybox", "true").returncode

    assert "canary-blue" not in warden.docker("inspect", "withenv", uid=AUDITOR).stdout
    assert "canary-blue" in warden.docker("inspect", "withenv", uid=ADMIN).stdout
    warden.docker("rm", "withenv")


def test_a_stranger_may_only_ping(warden: Warden) -> None:
    done = warden.docker("ps", uid=STRANGER)

    assert 0 != done.returncode
    assert "dockwarden: " in done.stderr


@pytest.mark.parametrize(
    "change", [{"mode": 0o4755}, {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, {"type": tarfile.SYMTYPE, "linkname": "../../../etc/x"}]
)
def test_an_upload_of_a_set_id_file_a_device_or_a_link_out_is_refused(warden: Warden, desk: Path, change: dict[str, object]) -> None:
    assert 0 == warden.docker("run", "-d", "--name", "target", "busybox", "sleep", "600").returncode
    member = tarfile.TarInfo("evil")
    for name, value in change.items():
        setattr(member, name, value)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(member)
    (desk / "evil.tar").write_bytes(data.getvalue())

    reply = warden.curl("-X", "PUT", "-T", str(desk / "evil.tar"), "-H", "content-type: application/x-tar", "/v1.41/containers/target/archive?path=/tmp")

    assert 403 == reply.status
    assert "dockwarden: " in reply.body["message"]
    assert "evil" not in warden.docker("exec", "target", "ls", "/tmp").stdout
    warden.docker("rm", "-f", "target")


def test_the_ledger_says_who_did_what_and_verifies(warden: Warden) -> None:
    assert 0 == warden.docker("run", "--rm", "--name", "recorded", "busybox", "true").returncode

    creates = [entry for entry in warden.entries() if entry.get("action") == "container.create" and entry.get("principal") == "alice"]
    assert {"intent", "outcome", "refused"} <= {entry["kind"] for entry in creates}
    verified = dockwarden("ledger", "verify", "--config", str(warden.config))
    assert 0 == verified.returncode, verified.stdout + verified.stderr


def test_the_raw_socket_is_not_reached_by_a_redirect(warden: Warden) -> None:
    done = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", "--unix-socket", str(warden.socket), "http://d/containers/../containers/json"],
        capture_output=True, text=True, check=True,
    )

    assert "400" == done.stdout
