"""Everything a call names is found, and full ids take its place."""

from __future__ import annotations

import pytest

from dockwarden.engine.references import Reference, moved_names, pin, references
from dockwarden.engine.write import write_call
from dockwarden.words.ask import Kind
from dockwarden.words.errors import Malformed
from fixtures.calls import CREATE, call

ID = "f" * 64
C, N, V, IMG = Kind.CONTAINER, Kind.NETWORK, Kind.VOLUME, Kind.IMAGE


@pytest.mark.parametrize(
    ("request_line", "body", "expected"),
    [
        ("GET /containers/web/json", None, {(C, "web", "path")}),
        ("POST /containers/web/exec", {"Cmd": ["x"]}, {(C, "web", "path")}),
        ("POST /exec/abc/start", {}, {(Kind.EXEC, "abc", "path")}),
        (
            "POST /networks/n/connect",
            {"Container": "web", "EndpointConfig": {"Links": ["db:x"]}},
            {(N, "n", "path"), (C, "web", "Container"), (C, "db", "EndpointConfig.Links[0]")},
        ),
        ("POST /networks/n/disconnect", {"Container": "web"}, {(N, "n", "path"), (C, "web", "Container")}),
        ("POST /networks/create", {"Name": "n", "ConfigFrom": {"Network": "m"}}, {(N, "m", "ConfigFrom.Network")}),
        ("POST /volumes/create", {"Name": "v"}, {(V, "v", "Name")}),
        ("POST /commit?container=web&repo=x", None, {(C, "web", "query:container")}),
        ("GET /images/get?names=a&names=b:1", None, {(IMG, "a", "query:names[0]"), (IMG, "b:1", "query:names[1]")}),
        ("POST /images/a/b/tag?repo=c", None, {(IMG, "a/b", "path")}),
        (
            "POST /build?networkmode=container:db&cachefrom=%5B%22x%22%5D",
            None,
            {(C, "db", "query:networkmode"), (IMG, "x", "query:cachefrom[0]")},
        ),
        ("POST /build?networkmode=mynet", None, {(N, "mynet", "query:networkmode")}),
        ("POST /build?networkmode=host", None, set()),
    ],
)
def test_references_of_calls(request_line: str, body: object, expected: set[tuple[Kind, str, str]]) -> None:
    assert {Reference(*one) for one in expected} == set(references(call(request_line, body)))


RICH = {
    "Image": "busybox",
    "HostConfig": {
        "NetworkMode": "net",
        "PidMode": "container:p",
        "IpcMode": "container:i",
        "Cgroup": "container:c",
        "VolumesFrom": ["vf:ro", "vg"],
        "Links": ["l:alias", "m", "/n:/web/o"],
        "Binds": ["vol:/a", "/host:/b", "/anon"],
        "Mounts": [
            {"Type": "volume", "Source": "mv", "Target": "/c"},
            {"Type": "image", "Source": "mi", "Target": "/d"},
            {"Type": "bind", "Source": "/x", "Target": "/e"},
        ],
    },
    "NetworkingConfig": {"EndpointsConfig": {"net": {"NetworkID": "nid", "Links": ["el:x"]}, "bridge": {}, "other": None}},
}
EXPECTED = {
    "Image": (IMG, "busybox"),
    "HostConfig.NetworkMode": (N, "net"),
    "HostConfig.PidMode": (C, "p"),
    "HostConfig.IpcMode": (C, "i"),
    "HostConfig.Cgroup": (C, "c"),
    "HostConfig.VolumesFrom[0]": (C, "vf"),
    "HostConfig.VolumesFrom[1]": (C, "vg"),
    "HostConfig.Links[0]": (C, "l"),
    "HostConfig.Links[1]": (C, "m"),
    "HostConfig.Links[2]": (C, "n"),
    "HostConfig.Binds[0]": (V, "vol"),
    "HostConfig.Mounts[0].Source": (V, "mv"),
    "HostConfig.Mounts[1].Source": (IMG, "mi"),
    "NetworkingConfig.EndpointsConfig.net": (N, "net"),
    "NetworkingConfig.EndpointsConfig.net.NetworkID": (N, "nid"),
    "NetworkingConfig.EndpointsConfig.net.Links[0]": (C, "el"),
    "NetworkingConfig.EndpointsConfig.other": (N, "other"),
}


def rich() -> dict[str, object]:
    networks = RICH["NetworkingConfig"]["EndpointsConfig"]  # type: ignore[index,call-overload]  # a literal
    return {
        **RICH,
        "NetworkingConfig": {"EndpointsConfig": {key: value for key, value in networks.items() if value is not None} | {"other": {}}},
    }


def test_a_create_names_all_that_it_joins() -> None:
    assert EXPECTED == {reference.place: (reference.kind, reference.text) for reference in references(call(CREATE, rich()))}


def test_pinned_ids_stand_where_the_names_stood() -> None:
    asked = call(CREATE, rich())
    ids = {reference: f"{at:064x}" for at, reference in enumerate(references(asked))}
    by_place = {reference.place: id for reference, id in ids.items()}

    body = pin(asked, ids).body
    host, networks = body.HostConfig, body.NetworkingConfig.EndpointsConfig  # type: ignore[union-attr]  # a create's body

    assert by_place["Image"] == body.Image  # type: ignore[union-attr]  # a create's body
    assert by_place["HostConfig.NetworkMode"] == host.NetworkMode
    assert f"container:{by_place['HostConfig.PidMode']}" == host.PidMode
    assert [f"{by_place['HostConfig.VolumesFrom[0]']}:ro", by_place["HostConfig.VolumesFrom[1]"]] == host.VolumesFrom
    assert [f"{by_place[f'HostConfig.Links[{at}]']}:{alias}" for at, alias in enumerate(["alias", "m", "o"])] == host.Links
    assert ["vol:/a", "/host:/b", "/anon"] == host.Binds
    assert "mv" == host.Mounts[0].Source
    assert by_place["HostConfig.Mounts[1].Source"] == host.Mounts[1].Source
    net = by_place["NetworkingConfig.EndpointsConfig.net"]
    assert {net, "bridge", by_place["NetworkingConfig.EndpointsConfig.other"]} == set(networks)
    assert by_place["NetworkingConfig.EndpointsConfig.net.NetworkID"] == networks[net].NetworkID
    assert [by_place["NetworkingConfig.EndpointsConfig.net.Links[0]"] + ":x"] == networks[net].Links


def test_pinning_leaves_the_call_it_was_given_alone_and_nothing_else_changes() -> None:
    asked = call(CREATE, rich())
    before = write_call(asked)

    pin(asked, {reference: f"{at:064x}" for at, reference in enumerate(references(asked))})

    assert before == write_call(asked) == write_call(pin(asked, {}))


def test_a_network_named_by_name_and_by_id_is_malformed() -> None:
    asked = call(CREATE, {"NetworkingConfig": {"EndpointsConfig": {"net": {}, ID: {}}}})

    with pytest.raises(Malformed):
        pin(asked, dict.fromkeys(references(asked), ID))


@pytest.mark.parametrize(
    ("request_line", "target"),
    [
        ("GET /v1.41/containers/web/json", f"/v1.41/containers/{ID}/json"),
        ("POST /v1.41/commit?container=web&repo=x", f"/v1.41/commit?container={ID}&repo=x"),
        ("DELETE /v1.41/images/a/b", "/v1.41/images/a/b"),
        ("POST /v1.41/images/a/b/push", "/v1.41/images/a/b/push"),
        ("DELETE /v1.41/volumes/v", "/v1.41/volumes/v"),
        ("GET /v1.41/networks/n", f"/v1.41/networks/{ID}"),
        ("POST /v1.41/build?networkmode=container:db", f"/v1.41/build?networkmode=container:{ID}"),
    ],
)
def test_a_path_is_pinned_unless_the_name_is_what_it_is_about(request_line: str, target: str) -> None:
    asked = call(request_line)

    assert target == write_call(pin(asked, dict.fromkeys(references(asked), ID))).target.replace("%3A", ":")


def test_a_service_names_networks_secrets_configs_volumes_and_its_image() -> None:
    body = {
        "Name": "s",
        "Networks": [{"Target": "n2"}],
        "TaskTemplate": {
            "Networks": [{"Target": "n1"}, {"Target": "host"}],
            "ContainerSpec": {
                "Image": "busybox",
                "Secrets": [{"SecretID": "sec", "SecretName": "x"}],
                "Configs": [{"ConfigID": "conf", "ConfigName": "y"}],
                "Mounts": [{"Type": "volume", "Source": "v", "Target": "/x"}],
            },
        },
    }
    expected = {(N, "n1"), (N, "n2"), (Kind.SECRET, "sec"), (Kind.CONFIG, "conf"), (V, "v"), (IMG, "busybox")}

    assert expected == {(reference.kind, reference.text) for reference in references(call("POST /v1.41/services/create", body))}


@pytest.mark.parametrize(
    ("request_line", "names"),
    [
        ("POST /images/create?fromImage=busybox&tag=latest", ["docker.io/library/busybox:latest"]),
        ("POST /images/create?fromImage=busybox", ["docker.io/library/busybox:*"]),
        ("POST /images/create?fromImage=busybox&tag=sha256:" + "a" * 64, []),
        ("POST /images/create?fromSrc=-&repo=a/b", ["docker.io/a/b:latest"]),
        ("POST /images/create?fromSrc=-", []),
        ("POST /commit?container=web&repo=a/b&tag=c", ["docker.io/a/b:c"]),
        ("POST /commit?container=web", []),
        ("POST /images/x/tag?repo=r.test/y&tag=1", ["r.test/y:1"]),
        ("POST /build?t=a&t=b:2&t=a", ["docker.io/library/a:latest", "docker.io/library/b:2"]),
        ("POST /images/load", []),
        ("GET /containers/json", []),
    ],
)
def test_names_that_a_call_moves_are_full(request_line: str, names: list[str]) -> None:
    assert names == list(moved_names(call(request_line)))
