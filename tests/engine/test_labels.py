"""Our labels are ours: refused from a caller wherever labels can be, written by us where a thing can carry them."""

from __future__ import annotations

from typing import Any

import pytest

from dockwarden.engine.labels import check_labels, is_reserved, stamp
from dockwarden.words.errors import Forbidden
from fixtures.calls import CREATE, call

OURS = {"DockWarden.Owner": "bob"}
SPEC = {"TaskTemplate": {"ContainerSpec": {"Image": "x"}}}


@pytest.mark.parametrize(
    ("request_line", "body"),
    [
        (CREATE, {"Labels": OURS}),
        (CREATE, {"HostConfig": {"Mounts": [{"Type": "volume", "Target": "/x", "VolumeOptions": {"Labels": OURS}}]}}),
        ("POST /networks/create", {"Name": "n", "Labels": OURS}),
        ("POST /volumes/create", {"Labels": OURS}),
        ("POST /services/create", {**SPEC, "Labels": OURS}),
        ("POST /services/create", {"TaskTemplate": {"ContainerSpec": {"Labels": OURS}}}),
        ("POST /services/s/update?version=1", {**SPEC, "Labels": OURS}),
        (
            "POST /services/create",
            {"TaskTemplate": {"ContainerSpec": {"Mounts": [{"Type": "volume", "Target": "/x", "VolumeOptions": {"Labels": OURS}}]}}},
        ),
        ("POST /secrets/create", {"Name": "s", "Labels": OURS}),
        ("POST /configs/create", {"Name": "s", "Labels": OURS}),
        ("POST /commit?container=web", {"Labels": OURS}),
        ("POST /build?labels=%7B%22dockwarden.x%22%3A%22y%22%7D", None),
        ("POST /nodes/n/update?version=1", {"Labels": OURS}),
    ],
)
def test_a_label_of_ours_is_refused_wherever_it_stands(request_line: str, body: Any) -> None:
    with pytest.raises(Forbidden) as refused:
        check_labels(call(request_line, body))

    assert "ownership.reserved_label" == refused.value.code


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dockwarden.owner", True),
        ("DOCKWARDEN.x", True),
        (" dockwarden.x", True),
        ("dockwarden.", True),
        ("doc\u212awarden.x", True),
        ("dockwarden", False),
        ("my.dockwarden.x", False),
        ("dockwardens.x", False),
        ("", False),
    ],
)
def test_ours_are_known_in_any_case(name: str, expected: bool) -> None:
    assert expected == is_reserved(name)


@pytest.mark.parametrize(
    ("request_line", "body"),
    [
        (CREATE, {"Image": "x", "Labels": {"a": "b"}}),
        (CREATE, {"Image": "x"}),
        ("POST /networks/create", {"Name": "n"}),
        ("POST /volumes/create", {}),
        ("POST /secrets/create", {"Name": "s"}),
    ],
)
def test_a_stamp_says_who_and_which_call_and_keeps_the_caller_s(request_line: str, body: dict[str, Any]) -> None:
    asked = call(request_line, body)
    done = stamp(asked, "alice", "n1", {"dockwarden.image": "busybox"})

    assert {
        **body.get("Labels", {}),
        "dockwarden.owner": "alice",
        "dockwarden.call": "n1",
        "dockwarden.image": "busybox",
    } == done.body.Labels  # type: ignore[union-attr]
    assert done == stamp(done, "alice", "n1", {"dockwarden.image": "busybox"})


def test_a_service_s_tasks_carry_the_stamp_too_and_other_calls_none() -> None:
    done = stamp(call("POST /services/create", SPEC), "alice", "n1").body

    assert "alice" == done.Labels["dockwarden.owner"] == done.TaskTemplate.ContainerSpec.Labels["dockwarden.owner"]  # type: ignore[union-attr]
    for request_line in ("POST /build?t=x", "POST /containers/web/start"):
        asked = call(request_line)
        assert asked == stamp(asked, "alice", "n1")
