"""The ground the other tests stand on: real Engines, images, clients and accounts."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from fixtures.accounts import Account
from fixtures.engine import PrivateEngine, make_engine
from fixtures.warden import ALICE, BOB


def test_the_engine_is_of_the_release_it_was_asked_for(engine: PrivateEngine, request: pytest.FixtureRequest) -> None:
    asked = request.node.callspec.params["engine"]

    assert engine.version.startswith(f"{asked}."), engine.version


def test_busybox_runs_as_root(engine: PrivateEngine) -> None:
    done = engine.docker("run", "--rm", "busybox", "id", "-u")

    assert (0, b"0\n") == (done.returncode, done.stdout), done.stderr


def test_an_image_with_a_user_runs_as_that_user(engine: PrivateEngine) -> None:
    done = engine.docker("run", "--rm", "appimg", "id")

    assert (0, b"uid=1000(app) gid=1000(app) groups=1000(app)") == (done.returncode, done.stdout.strip()), done.stderr


def test_containers_of_one_network_find_each_other_by_name(engine: PrivateEngine) -> None:
    """No packet filter is touched, yet the Engine's own networks work."""
    engine.docker("network", "create", "ground")
    engine.docker("run", "-d", "--name", "ground-web", "--network", "ground", "busybox", "sh", "-c", "echo hi > /tmp/x; httpd -f -p 8080 -h /tmp")
    try:
        done = engine.docker("run", "--rm", "--network", "ground", "busybox", "sh", "-c", "sleep 0.5; wget -q -O - http://ground-web:8080/x")
        assert (0, b"hi\n") == (done.returncode, done.stdout), done.stderr
    finally:
        engine.docker("rm", "-f", "ground-web")
        engine.docker("network", "rm", "ground")


def test_a_restarted_engine_has_what_it_had() -> None:
    """An Engine of this test's own, since a restart ends everybody's containers."""
    engine = make_engine(3)
    try:
        assert 0 == engine.docker("create", "--name", "stays", "busybox", "true").returncode
        first = engine.process
        engine.restart()
        assert first is not engine.process
        assert b"stays\n" == engine.docker("ps", "-a", "--format", "{{.Names}}").stdout
        assert engine.data_root.is_dir()
    finally:
        folder, bridge = engine.folder, Path("/sys/class/net") / engine.bridge
        engine.remove()
    assert (False, False, []) == (folder.exists(), bridge.exists(), processes_of(folder))


def processes_of(folder: Path) -> list[str]:
    """The ids of the processes whose command line names `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command:
                found.append(entry.name)
    return found


def test_the_second_engine_is_28_and_sees_what_is_mounted_here_later(engine28: PrivateEngine) -> None:
    """The volume driver mounts below /run/dockwarden while the Engine runs, in another mount namespace."""
    place = Path("/run/dockwarden") / f"ground{os.getpid()}"
    place.mkdir(mode=0o700)
    try:
        subprocess.run(["mount", "-t", "tmpfs", "ground", str(place)], check=True)
        (place / "seen").write_text("yes\n")
        done = engine28.docker("run", "--rm", "-v", f"{place}:/x", "busybox", "cat", "/x/seen")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()

    assert engine28.version.startswith("28.")
    assert (0, b"yes\n") == (done.returncode, done.stdout), done.stderr


def test_each_client_talks_to_the_engine_as_an_ordinary_account(engine: PrivateEngine, docker_cli: str, accounts: dict[str, Account]) -> None:
    """Here by the raw socket, which is opened for it: that the client itself works for somebody without rights."""
    os.chown(engine.socket, ALICE, ALICE)
    try:
        done = accounts["alice"].run(docker_cli, "-H", engine.address, "version", "--format", "{{.Server.Version}}")
        refused = accounts["bob"].run(docker_cli, "-H", engine.address, "version")
    finally:
        os.chown(engine.socket, 0, 0)

    assert (0, engine.version) == (done.returncode, done.stdout.strip()), done.stderr
    assert 1 == refused.returncode
    assert "permission denied" in refused.stderr


def test_accounts_have_entries_and_closed_homes(accounts: dict[str, Account]) -> None:
    alice, bob = accounts["alice"], accounts["bob"]

    assert [(ALICE, alice.home), (BOB, bob.home)] == [(entry.pw_uid, Path(entry.pw_dir)) for entry in map(pwd.getpwnam, (alice.name, bob.name))]
    assert f"{ALICE} {ALICE}" == " ".join(alice.run("sh", "-c", "id -u; id -G").stdout.split())
    assert 0 != alice.run("ls", str(bob.home)).returncode
