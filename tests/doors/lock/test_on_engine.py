"""The second lock asked by a real Engine."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from dockwarden.doors.lock.handed_over import MOST_BYTES
from dockwarden.doors.lock.prove import prove_lock
from dockwarden.doors.lock.tickets import HEADER
from fixtures.plugin_engine import Plugins, plugins_beside_an_engine

CREATE = {"Image": "busybox", "Cmd": ["/bin/sh"]}
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def locked() -> Iterator[Plugins]:
    """An Engine that was told of our lock."""
    with plugins_beside_an_engine("lok") as made:
        made.engine.reload({"authorization-plugins": [f"{made.plugin}-lock"]})
        try:
            yield made
        finally:
            made.engine.reload({"authorization-plugins": []})


def created(plugins: Plugins, *headers: str, body: bytes | None = None) -> tuple[int, str]:
    return plugins.engine.curl("POST", "/v1.41/containers/create", headers, body if body is not None else json.dumps(CREATE).encode())


def test_a_raw_call_that_policy_permits_passes(locked: Plugins) -> None:
    assert (200, "OK") == locked.engine.curl("GET", "/_ping")


def test_a_raw_call_that_policy_does_not_permit_is_refused_in_our_words(locked: Plugins) -> None:
    status, said = created(locked, JSON)

    assert 403 == status
    name = f"{locked.plugin}-lock"
    expected = f"authorization denied by plugin {name}: dockwarden: the policy does not permit this call on the Engine's own socket"
    assert json.loads(said)["message"].startswith(expected)


def test_a_failure_of_ours_refuses_and_tells_nothing(locked: Plugins) -> None:
    status, said = locked.engine.curl("GET", "/v1.41/info?boom=1")

    assert 403 == status
    assert "internal failure" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ((JSON, "Transfer-Encoding: chunked"), None),
        (("Content-Type: application/json; charset=utf-8",), None),
        (("Content-Type: APPLICATION/JSON",), None),
        ((JSON,), json.dumps({**CREATE, "Labels": {"x": "y" * MOST_BYTES}}).encode()),
        ((JSON, "Content-Length: 0", "Transfer-Encoding: chunked"), None),
        (("Content-Type: text/plain",), None),
        (("X-Dockwarden-Ticket: 00000000000000000000000000000000", JSON), None),
    ],
    ids=["chunked", "charset", "capitals", "more than 1 MiB", "length 0 and chunked", "no json", "a made-up ticket"],
)
def test_no_form_of_a_create_slips_by(locked: Plugins, headers: tuple[str, ...], body: bytes | None) -> None:
    before = locked.engine.curl("GET", "/v1.41/containers/json?all=1")[1]

    status, _ = created(locked, *headers, body=body)

    assert 403 == status
    assert before == locked.engine.curl("GET", "/v1.41/containers/json?all=1")[1]


def test_a_refused_client_prints_our_words(locked: Plugins) -> None:
    said = locked.engine.say("create", "busybox", fails=True)

    assert "dockwarden: the policy does not permit this call" in said


async def test_the_proof_shows_that_the_lock_is_on(locked: Plugins) -> None:
    proof = await prove_lock(locked.engine.address, locked.plugin)

    assert proof.is_on, proof
    assert "ticket that is not good" in proof.answer


async def test_the_proof_shows_another_plugins_lock_for_what_it_is(locked: Plugins) -> None:
    proof = await prove_lock(locked.engine.address, "somebody-elses")

    assert not proof.is_on
    assert "not by this lock" in proof.what


@pytest.mark.alone
def test_streams_pass_the_lock(locked: Plugins) -> None:
    """An Engine with such a plugin holds answers back to show them; what streams must stream all the same."""
    locked.engine.reload({"authorization-plugins": []})
    said = locked.engine.say("run", "-d", "--network", "none", "busybox", "sh", "-c", "echo first; sleep 600")
    locked.engine.reload({"authorization-plugins": [f"{locked.plugin}-lock"]})
    began = time.monotonic()
    target = f"http://localhost/v1.41/containers/{said}/logs?follow=1&stdout=1"

    with subprocess.Popen(["curl", "-sN", "-m", "5", "--unix-socket", str(locked.engine.socket), target], stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        line = client.stdout.readline()
        client.kill()

    assert line.endswith(b"first\n")
    assert time.monotonic() - began < 3


def test_without_us_every_call_is_refused_and_root_has_a_way_back(locked: Plugins) -> None:
    """docs/operations.md, "The way back": daemon.json without the plugin, then SIGHUP; no restart of anything."""
    locked.stop(signal.SIGKILL)
    status, said = locked.engine.curl("GET", "/_ping")
    assert 500 == status
    assert f"plugin {locked.plugin}-lock failed with error" in said

    locked.engine.reload({"authorization-plugins": []})

    assert (200, "OK") == locked.engine.curl("GET", "/_ping")
    assert 201 == created(locked, JSON)[0]
    locked.start()
    locked.engine.reload({"authorization-plugins": [f"{locked.plugin}-lock"]})
    assert 403 == created(locked, JSON)[0]


def test_an_engine_does_not_start_without_its_lock_and_the_way_back_starts_it(locked: Plugins) -> None:
    locked.stop()
    locked.engine.stop()
    with pytest.raises(AssertionError, match=f'authorization plugin: plugin "{locked.plugin}-lock" not found'):
        locked.engine.start()
    locked.engine.process = None

    locked.engine.configure({"authorization-plugins": []})
    locked.engine.start()

    assert 201 == created(locked, JSON)[0]
    locked.start()


def test_a_header_of_the_lock_is_the_one_that_the_engine_shows() -> None:
    assert "x-dockwarden-ticket" == HEADER


async def test_the_proof_shows_that_the_lock_is_off(locked: Plugins) -> None:
    """The last test left the Engine without it."""
    proof = await prove_lock(locked.engine.address, locked.plugin)

    assert not proof.is_on
    assert f'"authorization-plugins": ["{locked.plugin}-lock"]' in proof.what
