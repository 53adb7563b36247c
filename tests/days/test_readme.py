"""What the README tells a new user to type does what it says there."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from dockwarden.settings import load_settings
from fixtures.engine import PrivateEngine
from fixtures.warden import Warden, dockwarden

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
    done = warden.docker(*shlex.split(command)[1:])

    if "refused" in comment:
        assert 0 != done.returncode
        assert "dockwarden: " in done.stderr
        assert "; drop --privileged" in done.stderr
    else:
        assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize("line", [line for line in OURS if " ledger " in line or " policy check" in line])
def test_a_line_of_ours_about_a_running_house_works(warden: Warden, line: str) -> None:
    words = [str(warden.config) if word.endswith("dockwarden.toml") else word for word in shlex.split(line.partition("#")[0])[1:]]
    done = dockwarden(*words)

    assert 0 == done.returncode, done.stderr


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
