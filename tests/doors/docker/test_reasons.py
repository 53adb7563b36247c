"""What a refused caller reads: every reason in a fixed order, advice that fits the call, whom to ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dockwarden
from dockwarden.doors.docker.judge import refusal, rejudge
from dockwarden.doors.docker.reasons import MOST_REASONS, NO_POLICY, ORDER
from dockwarden.engine.routes.table import ROUTES
from dockwarden.policy.load import PolicySet, load
from dockwarden.words.ask import Resource
from fixtures.calls import CREATE, call, known_for

STARTER = Path(dockwarden.__file__).parent / "policy" / "starter"
STRANGE = {
    "Privileged": True, "PidMode": "host", "NetworkMode": "host", "IpcMode": "host", "CapAdd": ["SYS_ADMIN"], "Devices": [{"PathOnHost": "/dev/sda"}],
    "Binds": ["/etc:/x"], "UsernsMode": "host",
}


@pytest.fixture(scope="module")
def starter() -> PolicySet:
    return load({file.name: file.read_text("utf-8") for file in STARTER.glob("*.cedar") if file.stem in {"developers", "everyone", "admins"}})


def said(starter: PolicySet, request: str, body: object = None, **more: Any) -> str:
    asked = call(request, body)
    about = Resource(asked.route.kind, "web-id", "web", "alice")
    judgement = rejudge(asked, known_for(asked, **more), about, starter)
    assert not judgement.verdict.is_allowed
    return refusal(judgement).message


def test_reasons_come_gravest_first_and_the_rest_are_counted(starter: PolicySet) -> None:
    text = said(starter, CREATE, {"Image": "busybox", "HostConfig": STRANGE})

    assert text.startswith("container.create is refused for alice: HostConfig.Privileged: all capabilities")
    assert text.endswith("; and 3 more (dockwarden policy explain shows all)")
    assert [text.index("HostConfig.Privileged"), text.index("HostConfig.CapAdd"), text.index("HostConfig.NetworkMode")] == sorted(
        [text.index("HostConfig.Privileged"), text.index("HostConfig.CapAdd"), text.index("HostConfig.NetworkMode")]
    )
    assert "PidMode" in text
    assert text == said(starter, CREATE, {"Image": "busybox", "HostConfig": dict(reversed(STRANGE.items()))})


def test_as_many_as_are_shown_are_not_counted(starter: PolicySet) -> None:
    text = said(starter, CREATE, {"Image": "busybox", "HostConfig": dict(list(STRANGE.items())[:MOST_REASONS])})

    assert "more (" not in text


def test_the_catalogue_begins_with_what_is_root() -> None:
    assert 0 == ORDER["privileged"]


def test_privileged_in_an_exec_is_told_as_an_exec(starter: PolicySet) -> None:
    text = said(starter, "POST /v1.41/containers/web/exec", {"Cmd": ["id"], "Privileged": True})

    assert "an exec has the container's own capabilities" in text
    assert "HostConfig" not in text
    assert "--cap-add, --device" not in text


def test_the_host_s_network_in_a_build_is_told_as_a_build(starter: PolicySet) -> None:
    text = said(starter, "POST /v1.41/build?t=alice/x&networkmode=host")

    assert "leave out --network host" in text
    assert "-p 8080:80" not in text


@pytest.mark.parametrize("bind", ["/var/run/docker.sock:/var/run/docker.sock", "/run/docker.sock:/x:ro", "/srv/doors/alice.sock:/x"])
def test_a_socket_has_one_advice(starter: PolicySet, bind: str) -> None:
    sockets = ("/var/run/docker.sock", "/run/docker.sock", "/srv/doors/alice.sock")
    text = said(starter, CREATE, {"Image": "busybox", "HostConfig": {"Binds": [bind]}}, sockets=sockets)

    assert "ask an admin for a named door" in text
    assert "bind root" not in text


@pytest.mark.parametrize("folder", ["/", "/run", "/var/run"])
def test_a_folder_that_holds_a_socket_is_told_as_a_folder_too(starter: PolicySet, folder: str) -> None:
    text = said(starter, CREATE, {"Image": "busybox", "HostConfig": {"Binds": [f"{folder}:/x"]}})

    assert "a socket that commands the Engine" in text
    assert f"({folder}): a folder of the host" in text


def test_a_bind_beside_a_socket_is_told_all_the_same(starter: PolicySet) -> None:
    text = said(starter, CREATE, {"Image": "busybox", "HostConfig": {"Binds": ["/run/docker.sock:/s", "/etc:/x"]}}, bind_roots=("/srv/work", "/data"))

    assert "HostConfig.Binds, Mounts (/etc): a folder of the host that is not below any bind root" in text
    assert "bind roots here: /srv/work, /data" in text


def test_a_host_without_bind_roots_says_so(starter: PolicySet) -> None:
    text = said(starter, CREATE, {"Image": "busybox", "HostConfig": {"Binds": ["/etc:/x"]}})

    assert "(/etc): a folder of the host, and none may be mounted here" in text
    assert "below a bind root" not in text


@pytest.mark.parametrize("request_line", [CREATE, "POST /v1.41/containers/web/exec"])
def test_a_uid_without_a_gid_is_told_to_have_one(starter: PolicySet, request_line: str) -> None:
    text = said(starter, request_line, {"Image": "busybox", "User": "4001"} if request_line == CREATE else {"Cmd": ["id"], "User": "4001"})

    assert "User 4001 names no group, and the image has none for it, so it would be in group 0, root's: write -u 4001:4001" in text
    assert "User is root" not in text
    assert "User would be root" not in text


@pytest.mark.parametrize("user", ["0", "root", "4001:0", "ops", "0:0"])
def test_root_by_any_other_spelling_is_told_as_root(starter: PolicySet, user: str) -> None:
    text = said(starter, CREATE, {"Image": "busybox", "User": user})

    assert "User is root" in text
    assert "names no group" not in text


@pytest.mark.parametrize("target", ["/session", "/grpc"])
def test_buildkit_is_told_how_to_build_without_it(starter: PolicySet, target: str) -> None:
    text = said(starter, f"POST /v1.41{target}")

    assert "no policy permits it" in text
    assert "DOCKER_BUILDKIT=0 docker build" in text
    assert "an admin (group admins)" in text


def test_every_hint_is_of_an_action_and_the_narrow_ones_come_first() -> None:
    actions = {route.action for route in ROUTES}
    for name in NO_POLICY:
        assert any(action == name or (name.endswith(".") and action.startswith(name)) for action in actions), name
    names = list(NO_POLICY)
    for number, name in enumerate(names):
        assert not any(name.startswith(before) for before in names[:number] if before.endswith(".")), name


def test_what_no_developer_may_do_has_a_hint(starter: PolicySet) -> None:
    for request in ("POST /v1.41/swarm/init", "GET /v1.41/services", "GET /v1.41/plugins", "POST /v1.41/images/prune", "POST /v1.41/build/prune"):
        body = {} if "swarm" in request else None
        text = said(starter, request, body)
        assert "no policy permits it; " in text
        assert "an admin (group admins)" in text
        assert text.count("; ") >= 3, text
        assert " more (" not in text
