"""What the README tells a new user to type does what it says there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from days.test_secrets import put
from dockwarden.settings import load_settings
from fixtures.engine import PrivateEngine
from fixtures.warden import ALICE, Warden, dockwarden

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()]
DOCKER = [line for line in LINES if line.startswith("docker ")]
OURS = [line.removeprefix(".venv/bin/") for line in LINES if line.removeprefix(".venv/bin/").startswith("dockwarden ")]
EXPLAIN = re.findall(r"^`(dockwarden policy explain [^`]*)`", README, re.M)


def test_there_is_something_to_type() -> None:
    assert len(DOCKER) >= 3
    assert len(OURS) >= 5
    assert 1 == len(EXPLAIN)


@pytest.mark.parametrize("line", DOCKER)
def test_a_docker_line_is_done_or_refused_as_its_comment_says(warden: Warden, line: str) -> None:
    command, _, comment = line.partition("#")
    put(warden, ALICE, "people/alice/db", b"hunter2 of alice")
    done = warden.docker(*shlex.split(command)[1:])

    if "refused" in comment:
        assert 0 != done.returncode
        assert "dockwarden: " in done.stderr
        assert "; drop --privileged" in done.stderr
    else:
        assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize("line", [line for line in OURS if " ledger " in line or " policy check" in line or " doctor" in line])
def test_a_line_of_ours_about_a_running_house_works(warden: Warden, line: str) -> None:
    words = [str(warden.config) if word.endswith("dockwarden.toml") else word for word in shlex.split(line.partition("#")[0])[1:]]
    done = dockwarden(*words, env={**os.environ, "DOCKWARDEN_CONFIG": str(warden.config)})

    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_refusal_that_the_readme_shows_is_what_the_client_prints(warden: Warden) -> None:
    (shown,) = re.findall(r"^```\n(docker: .*?)^```", README, re.S | re.M)
    printed = warden.docker("run", "--rm", "--privileged", "busybox").stderr

    assert " ".join(shown.split()) in " ".join(printed.split())


def test_the_line_that_explains_says_what_the_refusal_says(warden: Warden) -> None:
    done = dockwarden(*shlex.split(EXPLAIN[0])[1:3], "--config", str(warden.config), *shlex.split(EXPLAIN[0])[3:])

    assert 2 == done.returncode
    assert "HostConfig.Privileged" in done.stdout


def test_init_and_a_named_door_as_the_readme_has_them(engine: PrivateEngine, tmp_path: Path) -> None:
    line = next(line for line in OURS if " init " in line)
    words = shlex.split(line.replace("/etc/dockwarden", str(tmp_path / "dw")).replace("unix:///var/run/docker.sock", engine.address))
    assert 0 == dockwarden(*words[1:]).returncode
    door = next(block for block in re.findall(r"```toml\n(.*?)```", README, re.S) if "[[door]]" in block)
    assert "traefik" == tomllib.loads(door)["door"][0]["as"]
    file = tmp_path / "dw" / "dockwarden.toml"
    file.write_text(file.read_text() + "\n" + door)

    assert ["", "traefik"] == [one.as_ for one in load_settings(file).doors]


def test_the_unit_starts_what_the_readme_links_and_has_no_mistake() -> None:
    unit = ROOT / "packaging" / "systemd" / "dockwarden.service"
    link = next(line for line in LINES if line.startswith("ln -s ")).split()[-1]

    assert f"ExecStart={link} serve --config /etc/dockwarden/dockwarden.toml" in unit.read_text().splitlines()
    assert f"install -m 644 {unit.relative_to(ROOT)} /etc/systemd/system/" in LINES


def test_what_is_installed_by_the_lock_is_what_the_package_needs() -> None:
    needed = {re.split(r"[^a-z0-9-]", line)[0] for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]}

    assert needed <= set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z]+\])?==", (ROOT / "requirements.lock").read_text(), re.M))


def test_every_link_of_the_readme_and_of_operations_leads_somewhere() -> None:
    for text, folder in ((README, ROOT), (OPERATIONS, ROOT / "docs")):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (folder / link).exists(), link


def test_who_leaves_finds_the_containers_that_are_to_be_made_again(warden: Warden, engine: PrivateEngine, work: Path) -> None:
    """The command of docs/operations.md, on the raw socket."""
    assert 0 == warden.docker("create", "--name", "bound", "-v", f"{work}/alice:/x", "busybox", "true").returncode
    assert 0 == warden.docker("create", "--name", "unbound", "busybox", "true").returncode
    line = next(line.strip() for line in OPERATIONS.splitlines() if "docker ps -aq" in line)
    found = re.search(r'plugin = "(\w+)"', warden.config.read_text())
    assert found is not None

    done = subprocess.run(
        ["sh", "-c", line.replace("' dockwarden'", f"' {found[1]}'")], capture_output=True, text=True, check=False, env={**os.environ, "DOCKER_HOST": engine.address}
    )

    assert "/bound" in done.stdout, done.stderr
    assert "/unbound" not in done.stdout
    warden.docker("rm", "-f", "bound", "unbound")
