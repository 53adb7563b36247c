"""Binds below a root become volumes of our driver, and come back as the binds they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dockwarden.engine.driver import SEAL, asked_binds, from_driver, to_driver
from dockwarden.engine.facts import facts
from dockwarden.engine.known import BindSource
from dockwarden.engine.write import write_call
from fixtures.calls import CREATE, TOOL, call, known_for


def seal(options: Mapping[str, str]) -> str:
    assert SEAL not in options
    return "sealed:" + ",".join(sorted(options))


def driven(host: dict[str, Any], request: str = CREATE, **more: Any) -> dict[str, Any]:
    asked = call(request, {"Image": "busybox", "HostConfig": host})
    done = to_driver(asked, known_for(asked, **more), "dwtest", seal)
    return dict(json.loads(write_call(done).body)["HostConfig"])


def test_a_bind_below_a_root_is_mounted_by_us_and_another_stays_a_bind() -> None:
    host = driven({"Binds": ["/srv/work/alice/../alice:/x:ro", "/etc:/y", "alicevol:/z"]})

    assert ["/etc:/y", "alicevol:/z"] == host["Binds"]
    options = {
        "dockwarden.root": "/srv/work",
        "dockwarden.path": "alice",
        "dockwarden.mode": "ro",
        "dockwarden.uid": "20001",
        "dockwarden.gid": "20001",
        "dockwarden.groups": "20001,30000",
        "dockwarden.bind": "/srv/work/alice/../alice:/x:ro",
    }
    options["dockwarden.seal"] = seal(options)
    volume = {"NoCopy": True, "DriverConfig": {"Name": "dwtest", "Options": options}}
    assert [{"Type": "volume", "Target": "/x", "VolumeOptions": volume}] == host["Mounts"]


def test_mounts_keep_their_order_and_the_others_among_them() -> None:
    others = {"Type": "tmpfs", "Target": "/t"}
    host = driven(
        {
            "Mounts": [
                others,
                {"Type": "bind", "Source": "/srv/work/alice", "Target": "/x"},
                {"Type": "bind", "Source": "/etc", "Target": "/y"},
            ]
        }
    )

    assert ["tmpfs", "volume", "bind"] == [mount["Type"] for mount in host["Mounts"]]
    assert "rw" == host["Mounts"][1]["VolumeOptions"]["DriverConfig"]["Options"]["dockwarden.mode"]
    assert "dockwarden.bind" not in host["Mounts"][1]["VolumeOptions"]["DriverConfig"]["Options"]


def test_what_the_driver_does_not_do_stays_as_it_is() -> None:
    for bind in ("/srv/work/alice:/x:rshared", "/srv/work/alice:/x:z"):
        assert {"Binds": [bind]} == driven({"Binds": [bind]})
    asked = call(CREATE, {"Image": "busybox"})
    assert asked == to_driver(asked, known_for(asked), "dwtest", seal)
    other = call("POST /v1.41/containers/web/start")
    assert other == to_driver(other, known_for(other), "dwtest", seal)


def test_a_service_s_binds_are_mounted_by_us_too() -> None:
    mounts = [{"Type": "bind", "Source": "/srv/work/alice", "Target": "/x"}]
    asked = call("POST /v1.45/services/create", {"TaskTemplate": {"ContainerSpec": {"Image": "busybox", "Mounts": mounts}}})
    body = json.loads(write_call(to_driver(asked, known_for(asked), "dwtest", seal)).body)

    assert "dwtest" == body["TaskTemplate"]["ContainerSpec"]["Mounts"][0]["VolumeOptions"]["DriverConfig"]["Name"]


def test_the_veil_gets_the_bind_back_that_was_asked_for() -> None:
    host = driven({"Binds": ["/srv/work/alice:/x:ro"], "Mounts": [{"Type": "bind", "Source": "/srv/work/alice/a", "Target": "/y"}]})
    first, second = asked_binds({"HostConfig": host}, "dwtest")

    assert {"Type": "bind", "Source": "/srv/work/alice/a", "Target": "/y"} == first.as_mount()
    assert "/srv/work/alice:/x:ro" == second.text
    expected = {"Type": "bind", "Source": "/srv/work/alice", "Destination": "/x", "Mode": "ro", "RW": False, "Propagation": "rprivate"}
    assert expected == second.as_mount_point()


def test_nothing_else_is_taken_for_one_of_ours() -> None:
    for entry in (
        {},
        {"VolumeOptions": None},
        {"VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"dockwarden.root": "/"}}}},
        {"VolumeOptions": {"DriverConfig": {"Name": "dwtest"}}},
    ):
        assert from_driver(entry, "dwtest") is None
    assert [] == list(asked_binds({"HostConfig": {"Mounts": None}}, "dwtest"))
    assert [] == list(asked_binds({}, "dwtest"))


def test_options_of_ours_from_a_caller_are_an_escape() -> None:
    config = {"Name": "dwtest", "Options": {"dockwarden.root": "/", "dockwarden.path": "etc"}}
    asked = call(
        CREATE,
        {"Image": "busybox", "HostConfig": {"Mounts": [{"Type": "volume", "Target": "/x", "VolumeOptions": {"DriverConfig": config}}]}},
    )

    assert frozenset({"volume-driver:dwtest"}) == facts(asked, known_for(asked)).escape


def test_a_caller_without_an_account_is_named_by_none() -> None:
    options = driven({"Binds": ["/srv/work/alice:/x"]}, principal=TOOL)["Mounts"][0]["VolumeOptions"]["DriverConfig"]["Options"]

    assert not {"dockwarden.uid", "dockwarden.gid", "dockwarden.groups"} & set(options)


def test_a_bind_that_only_an_exception_permits_is_not_asked_for_again_at_every_start() -> None:
    """Where the account itself could not use the source, policy let the call pass; the driver must not take that back."""
    closed = BindSource("/srv/work/bob", "/srv/work", "bob", exists=True, owner_uid=20002, is_dir=True)
    look = replace(closed, can_read=True)
    rows = ((closed, "/srv/work/bob:/x:ro", False), (look, "/srv/work/bob:/x", False), (look, "/srv/work/bob:/x:ro", True))
    for source, bind, is_asked in rows:
        host = driven({"Binds": [bind]}, binds={"/srv/work/bob": source})

        assert is_asked == ("dockwarden.uid" in host["Mounts"][0]["VolumeOptions"]["DriverConfig"]["Options"])
