"""`/healthz` and `/metrics`: loopback only, and they end at once."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

import pytest

from dockwarden.doors.operate.metrics import Metrics
from dockwarden.doors.operate.server import OperateServer
from dockwarden.words.errors import BadConfig

PARTS = {"ledger": True, "engine": True}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def parts() -> dict[str, bool]:
    return dict(PARTS)


@pytest.fixture
def server(metrics: Metrics, parts: dict[str, bool]) -> Iterator[OperateServer]:
    made = OperateServer("127.0.0.1:0", metrics, lambda: parts)
    yield made
    made.close()


def get(server: OperateServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_healthz_is_200_while_every_part_works(server: OperateServer) -> None:
    status, body = get(server, "/healthz")

    assert (200, {"ready": True, "parts": PARTS}) == (status, json.loads(body))


def test_healthz_is_503_and_names_the_part_that_does_not(server: OperateServer, parts: dict[str, bool]) -> None:
    parts["ledger"] = False

    status, body = get(server, "/healthz")

    assert (503, {"ready": False, "parts": {"ledger": False, "engine": True}}) == (status, json.loads(body))


def test_metrics_has_the_figures(server: OperateServer, metrics: Metrics) -> None:
    metrics.count("container.create", "refused", 0.01)
    metrics.ledger_ok.set_function(lambda: 0)

    status, body = get(server, "/metrics")

    assert 200 == status
    assert 'dockwarden_calls_total{action="container.create",end="refused"} 1.0' in body
    assert "dockwarden_ledger_writable 0.0" in body


def test_any_other_path_says_what_there_is(server: OperateServer) -> None:
    assert (404, "there are /healthz and /metrics\n") == get(server, "/")


@pytest.mark.alone
def test_it_ends_at_once_idle_or_after_a_call(metrics: Metrics) -> None:
    for calls in (0, 2):
        server = OperateServer("127.0.0.1:0", metrics, lambda: PARTS)
        for _ in range(calls):
            get(server, "/healthz")
        begun = time.monotonic()
        server.close()

        assert time.monotonic() - begun < 0.5
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), 1)


@pytest.mark.parametrize("listen", ["0.0.0.0:9351", "9351", "127.0.0.1", "10.0.0.1:1", "127.0.0.1:x"])
def test_what_is_not_on_loopback_refuses_to_start(listen: str, metrics: Metrics) -> None:
    def healthy() -> Mapping[str, bool]:
        return PARTS

    with pytest.raises(BadConfig, match="is not on loopback"):
        OperateServer(listen, metrics, healthy)


def test_a_port_that_is_taken_says_so(server: OperateServer, metrics: Metrics) -> None:
    with pytest.raises(BadConfig, match="choose another port"):
        OperateServer(f"127.0.0.1:{server.port}", metrics, lambda: PARTS)
