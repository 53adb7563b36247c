"""What real clients send is read, and says upstream what it said here.

`recorded/` holds what the Docker command line 20.10 and 28, docker-py 7 and aiodocker sent to an Engine that answered just enough for
them to go on: method, target, the headers that count, and the body unless it was a tar stream. `line` is the command that was given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockwarden.engine.call import EngineCall, Takes
from dockwarden.engine.read import read_call, read_head
from dockwarden.engine.routes.table import actions
from dockwarden.engine.write import HOP, write_call

FILES = sorted((Path(__file__).parent / "recorded").glob("*.jsonl"))
HAND = {
    "debug.cmdline", "debug.pprof", "debug.profile", "debug.profile.named", "debug.symbol", "debug.trace", "debug.vars",  # no client asks
    "build.cancel", "build.grpc", "build.session", "image.attestations", "plugin.create", "system.options",
    "task.logs", "volume.update",
}
"""Actions that no recorded line asks for; `test_described_api.py` and `test_table.py` hold them."""

COMPOSE = [
    ("POST", "/v1.47/networks/create", {"Name": "shop_default", "Driver": "bridge", "Scope": "", "EnableIPv4": None, "EnableIPv6": None, "IPAM": {"Driver": "", "Options": None, "Config": None},
        "Internal": False, "Attachable": False, "Ingress": False, "ConfigOnly": False, "ConfigFrom": None, "Options": None, "Labels": {"com.docker.compose.network": "default", "com.docker.compose.project": "shop", "com.docker.compose.version": "2.32.0"}, "CheckDuplicate": True}),
    ("POST", "/v1.47/volumes/create", {"Name": "shop_data", "Driver": "local", "DriverOpts": None, "Labels": {"com.docker.compose.volume": "data"}, "ClusterVolumeSpec": None}),
    ("POST", "/v1.47/containers/create?name=shop-web-1", {"Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": True, "AttachStderr": True, "ExposedPorts": {"80/tcp": {}},
        "Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": ["A=1", "NO_VALUE"], "Cmd": None, "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30000000000}, "Image": "busybox", "Volumes": None,
        "WorkingDir": "", "Entrypoint": None, "OnBuild": None, "Labels": {"com.docker.compose.service": "web", "com.docker.compose.oneoff": "False"}, "StopSignal": "SIGTERM", "StopTimeout": 10,
        "HostConfig": {"Binds": ["shop_data:/data:rw"], "ContainerIDFile": "", "LogConfig": {"Type": "", "Config": None}, "NetworkMode": "shop_default", "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
            "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0}, "ConsoleSize": [0, 0], "ExtraHosts": [], "Memory": 0, "PidsLimit": None, "OomKillDisable": False, "Devices": None, "Ulimits": None,
            "Mounts": [{"Type": "bind", "Source": "/srv/work/alice", "Target": "/w", "BindOptions": {"CreateMountpoint": True}}], "MaskedPaths": None, "ReadonlyPaths": None, "Annotations": None},
        "NetworkingConfig": {"EndpointsConfig": {"shop_default": {"IPAMConfig": None, "Links": None, "Aliases": ["shop-web-1", "web"], "MacAddress": "", "DriverOpts": None, "NetworkID": "", "EndpointID": "",
            "Gateway": "", "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "DNSNames": None}}}}),
    ("POST", "/v1.47/networks/shop_front/connect", {"Container": "shop-web-1", "EndpointConfig": {"IPAMConfig": {}, "Links": None, "Aliases": ["web"], "NetworkID": ""}}),
    ("GET", '/v1.47/containers/json?all=1&filters={"label":{"com.docker.compose.config-hash":true,"com.docker.compose.project=shop":true}}', None),
    ("GET", '/v1.47/events?filters={"label":{"com.docker.compose.project=shop":true}}', None),
]
"""What compose 2 sends, written from its types: it is not recorded."""


def rows() -> Iterator[Any]:
    for file in FILES:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            yield pytest.param(json.loads(line), id=f"{file.stem}:{number}")


def read(row: dict[str, Any]) -> EngineCall:
    headers = [(name.encode(), value.encode()) for name, value in row["headers"].items()]
    head = read_head(row["method"], row["target"].encode(), headers)
    return read_call(head, b"" if head.route.takes is Takes.TAR else row["body"].encode())


def without_nothing(value: Any, known: Any) -> Any:
    """`value` less what says nothing: null, and (as Go's maps and we do) what is below `known` in no other way."""
    if isinstance(value, dict):
        kept = {name: without_nothing(item, known.get(name) if isinstance(known, dict) else None) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item is not None or (isinstance(known, dict) and name in known)}
    if isinstance(value, list):
        return [without_nothing(item, known[index] if isinstance(known, list) and index < len(known) else None) for index, item in enumerate(value)]
    return value


@pytest.mark.parametrize("row", list(rows()))
def test_a_recorded_call_is_read_and_says_upstream_what_it_said(row: dict[str, Any]) -> None:
    call = read(row)
    request = write_call(call)

    upgrade = tuple((name, value) for name, value in call.headers.items() if name in HOP)  # the connection writes them, when it is told to
    headers = [(name.encode(), value.encode()) for name, value in (*request.headers, *upgrade)]
    again = read_call(read_head(request.method, request.target.encode(), headers), request.body)
    assert request == write_call(again)
    if row["body"].strip() in {"", "{}", "null"} or call.route.takes is not Takes.JSON:
        return
    sent = json.loads(request.body)
    assert _lists(without_nothing(json.loads(row["body"]), sent)) == _lists(sent)


def _lists(value: Any) -> Any:
    """A command written as a bare string is a list of one upstream."""
    if isinstance(value, dict):
        return {name.lower(): [item] if name in {"Cmd", "Entrypoint"} and isinstance(item, str) else _lists(item) for name, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("method", "target", "body"), COMPOSE, ids=lambda part: str(part)[:40])
def test_what_compose_sends_is_read(method: str, target: str, body: Any) -> None:
    call = read({"method": method, "target": target, "headers": {"content-type": "application/json"} if body else {}, "body": json.dumps(body) if body else ""})

    if body:
        sent = json.loads(write_call(call).body)
        assert without_nothing(body, sent) == sent


def test_the_recorded_lines_ask_for_every_action_but_a_few() -> None:
    asked = {read(row.values[0]).route.action for row in rows()}

    assert set(actions()) - asked == HAND & set(actions())


def test_a_network_given_as_docker_py_gives_it_says_nothing_below_networkingconfig() -> None:
    row = next(row.values[0] for row in rows() if '"NetworkingConfig": {"n": null}' in row.values[0]["body"])
    sent = json.loads(write_call(read(row)).body)

    assert ({}, "n") == (sent["NetworkingConfig"], sent["HostConfig"]["NetworkMode"])
