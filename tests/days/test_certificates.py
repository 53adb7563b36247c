"""docs/certificates.md does what it says, with openssl, the real client and a real Engine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.engine import PrivateEngine
from fixtures.ports import free_port
from fixtures.warden import Warden

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "certificates.md").read_text("utf-8")
pytestmark = pytest.mark.timeout(120)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.S)


@pytest.fixture
def house(engine: PrivateEngine) -> Iterator[tuple[Warden, str]]:
    """A dockwarden with the page's door, and the address it has here."""
    port = free_port()
    folder = Path("/var/tmp") / f"dwc{os.getpid()}{time.monotonic_ns() % 10**6}"
    folder.mkdir(mode=0o755)
    made = Warden(folder, engine.address)
    made.init()
    subprocess.run(["sh", "-euc", blocks("sh")[0].replace("/etc/dockwarden", str(folder))], check=True, capture_output=True)
    person, door = blocks("toml")
    made.config.write_text(made.config.read_text() + "\n" + door.replace("2376", str(port)))
    people = folder / "people.toml"
    people.write_text(re.sub(r"\[people.alice\]\n.*\n.*\n", person, people.read_text()))
    made.start()
    yield made, f"tcp://localhost:{port}"
    made.stop()
    made.remove()


def as_alice(house: tuple[Warden, str]) -> subprocess.CompletedProcess[str]:
    line = blocks("sh")[1].replace("tcp://localhost:2376", house[1])
    return subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=60, check=False, cwd=house[0].dir / "tls")


def test_the_page_s_certificate_comes_in_as_alice_until_her_name_is_taken_out(house: tuple[Warden, str]) -> None:
    warden = house[0]
    done = as_alice(house)
    assert 0 == done.returncode, done.stderr
    assert any(entry.get("principal") == "alice" and entry.get("action") == "container.list" for entry in warden.entries())
    line = blocks("sh")[1].replace("tcp://localhost:2376", house[1]).replace(" ps", " events --since 0")
    lasting = subprocess.Popen(shlex.split(line), cwd=warden.dir / "tls", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert lasting.stdout is not None
    assert 0 == warden.docker("run", "-d", "--rm", "--name", "eventful", "busybox", "sleep", "60").returncode
    assert lasting.stdout.readline()
    warden.docker("rm", "-f", "eventful")
    people = warden.dir / "people.toml"
    people.write_text(people.read_text().replace("alice@corp.example", "somebody@corp.example"))
    assert warden.wait_for_log("policy.loaded")

    assert 0 != lasting.wait(5)
    refused = as_alice(house)

    assert 0 != refused.returncode
    assert "(alice@corp.example): an admin may add one" in refused.stderr
    assert warden.wait_for_log("alice@corp.example")
