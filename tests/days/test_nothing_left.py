"""A secret leaves no copy: looked for everywhere, by a search that first finds what was left on purpose."""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from days.test_secrets import cli
from fixtures.engine import PrivateEngine, make_engine
from fixtures.searching import in_files, in_memory, in_process_lists
from fixtures.warden import Warden

pytestmark = pytest.mark.timeout(240)
SERVER = "while true; do nc -l -p 8080 -e sh -c 'read given; test \"$given\" = \"$(cat $DB_PASSWORD_FILE)\" && echo welcome || echo no'; done"
CLIENT = "for i in $(seq 50); do cat $DB_PASSWORD_FILE /dev/null | (cat; echo) | nc -w 2 server 8080 | grep -q welcome && exit 0; sleep 0.1; done; exit 1"


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    """An Engine of this page's own: every file of it is searched, and it goes when its driver goes."""
    made = make_engine(6)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def warden_of_secrets(engine: PrivateEngine) -> Iterator[Warden]:
    """A warden of this page's own, whose every file is searched."""
    made = Warden(Path(f"/var/tmp/dwsecrets{os.getpid()}"), engine.address, volumes=True)
    made.init()
    made.start()
    yield made
    for name in ("server", "client"):
        made.docker("rm", "-fv", name)
    made.stop()
    made.remove()
    engine.forget_drivers()


def everywhere(warden: Warden, engine: PrivateEngine, values: list[bytes]) -> list[str]:
    """Every place that the Engine's, our own and the processes' files have a value in."""
    places = [*in_files(warden.dir, values), *in_files(engine.folder, values), *in_process_lists(values)]
    told = [warden.docker("inspect", name).stdout + warden.docker("logs", name).stderr for name in ("server", "client")]
    told += [engine.docker("inspect", name).stdout.decode() for name in ("server", "client")]
    return places + [f"told {number}" for number, text in enumerate(told) if any(value.decode() in text for value in values)]


def test_an_app_works_with_secrets_that_are_nowhere_to_be_found(warden_of_secrets: Warden, engine: PrivateEngine) -> None:
    warden = warden_of_secrets
    old, new, control = (secrets.token_hex(20).encode() for _ in range(3))
    assert 0 == cli(warden, "secret", "put", "shared/app/db", input=old).returncode
    assert 0 == warden.docker("network", "create", "app").returncode
    reference = "DB_PASSWORD=dockwarden://shared/app/db"
    run = ("run", "-d", "--network", "app", "-e", reference)
    assert 0 == warden.docker(*run, "--name", "server", "--restart", "always", "busybox", "sh", "-c", SERVER).returncode

    def client() -> None:
        warden.docker("rm", "-f", "client")
        done = warden.docker("run", "--network", "app", "-e", reference, "--name", "client", "busybox", "sh", "-c", CLIENT)
        assert (0, "") == (done.returncode, done.stderr)

    client()
    assert 0 == cli(warden, "secret", "put", "shared/app/db", input=new).returncode
    client()
    warden.stop(signal.SIGKILL)
    warden.start()
    client()
    engine.restart()
    warden.docker("restart", "-t", "0", "server")
    client()
    warden.docker("stop", "-t", "0", "server")
    assert 0 == warden.docker("start", "server").returncode
    client()
    assert 0 == cli(warden, "vault", "backup").returncode

    # The search finds what is there: a value given in the old way, which the Engine keeps and shows.
    left = engine.docker("create", "-e", f"CONTROL={control.decode()}", "busybox", "true").stdout.decode().strip()
    assert list(in_files(engine.folder, [control]))
    (warden.dir / "state" / "control").write_bytes(control)
    assert list(in_files(warden.dir, [control]))
    engine.docker("rm", left)

    assert [] == everywhere(warden, engine, [old, new])


def test_our_process_keeps_no_value_that_it_delivered(warden_of_secrets: Warden) -> None:
    warden = warden_of_secrets
    value = secrets.token_hex(20).encode()
    cli(warden, "secret", "put", "shared/app/db", input=value)
    warden.stop()
    warden.start()
    process = warden.process
    assert process is not None
    warden.docker("rm", "-fv", "client")
    run = ("run", "--name", "client", "-e", "A=dockwarden://shared/app/db", "busybox", "cat", "/run/secrets/A")
    assert value.decode() == warden.docker(*run).stdout.rsplit("\n", 1)[-1]
    marker = secrets.token_hex(20)
    assert 404 == warden.curl(f"/v1.41/containers/{marker}/json").status

    assert list(in_memory(process.pid, [marker.encode()])), "the search finds what was said a moment ago"
    end = time.monotonic() + 5
    while left := list(in_memory(process.pid, [value])):
        assert time.monotonic() < end, left
        time.sleep(0.2)


def test_our_process_leaves_no_core_and_shows_its_memory_to_nobody(warden_of_secrets: Warden) -> None:
    process = warden_of_secrets.process
    assert process is not None
    limits = Path(f"/proc/{process.pid}/limits").read_text()

    assert re.search(r"Max core file size +0 +0 ", limits)
    process.send_signal(signal.SIGSEGV)
    process.wait(10)
    assert [] == [file for file in Path.cwd().iterdir() if file.name.startswith("core")]
    warden_of_secrets.process = None
    warden_of_secrets.start()  # or its plugin socket would stay, and every Engine of the machine would wait for it
