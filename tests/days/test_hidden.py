"""What is another's is answered as what is not there: status, headers and words, wherever it is named, and nothing else tells of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from fixtures.engine import PrivateEngine
from fixtures.warden import ALICE, BOB, Warden

pytestmark = pytest.mark.timeout(180)
V = "/v1.41"
HIDDEN = {"{c}": "hdcont", "{n}": "hdnet", "{v}": "hdvol", "{i}": "hdimg:1"}
ABSENT = {"{c}": "hdxcon", "{n}": "hdxne", "{v}": "hdxvo", "{i}": "hdxim:1"}
"""Names of the same length, so that lengths compare."""


@pytest.fixture(scope="module", autouse=True)
def _things(warden: Warden, engine: PrivateEngine) -> Iterator[None]:
    """Of alice's: a network, a volume, a running container and an image; of bob's: a container and a network."""
    for uid, words in (
        (ALICE, ("network", "create", "hdnet")), (ALICE, ("volume", "create", "hdvol")),
        (ALICE, ("run", "-d", "--name", "hdcont", "--network", "hdnet", "-v", "hdvol:/d", "busybox", "sleep", "600")),
        (ALICE, ("commit", "hdcont", "hdimg:1")), (BOB, ("create", "--name", "hdbob", "busybox", "true")), (BOB, ("network", "create", "hdbobnet")),
    ):
        done = warden.docker(*words, uid=uid)
        assert 0 == done.returncode, (words, done.stderr)
    yield
    engine.docker("rm", "-f", "hdcont", "hdbob", "hdmine")
    engine.docker("network", "rm", "hdnet", "hdbobnet")
    engine.docker("volume", "rm", "hdvol")
    engine.docker("rmi", "-f", "hdimg:1", "hdshared:1")


def named(text: str, names: dict[str, str]) -> str:
    for place, name in names.items():
        text = text.replace(place, name)
    return text


def answered(warden: Warden, method: str, target: str, body: str, names: dict[str, str]) -> tuple[str, list[str], str]:
    """Status line, headers and text of an answer to bob, the name taken out of it."""
    path, question, query = named(target, names).partition("?")
    target = V + path + question + quote(query, safe="=&:/")
    said = warden.say(BOB, method, target, named(body, names).encode(), kind="application/json").decode()
    head, _, text = said.partition("\r\n\r\n")
    status, *headers = re.sub(r"Date: [^\r]*", "Date: *", head).split("\r\n")
    for place, name in names.items():
        text = text.replace(name, place)
    return status, headers, text


NAMING = [
    *(("GET", f"/containers/{{c}}/{what}", "") for what in ("json", "logs?stdout=1", "top", "changes", "stats?stream=0", "export", "archive?path=/")),
    *(("POST", f"/containers/{{c}}/{what}", "") for what in (
        "start", "stop", "restart", "kill", "pause", "unpause", "wait", "rename?name=zz", "resize?h=1&w=1", "attach?stdout=1&stream=1")),
    ("POST", "/containers/{c}/exec", '{"Cmd":["id"]}'), ("POST", "/containers/{c}/update", '{"Memory":10000000}'),
    ("DELETE", "/containers/{c}", ""), ("HEAD", "/containers/{c}/archive?path=/", ""), ("PUT", "/containers/{c}/archive?path=/", ""),
    ("POST", "/commit?container={c}&repo=bb", ""),
    ("GET", "/networks/{n}", ""), ("DELETE", "/networks/{n}", ""), ("GET", "/volumes/{v}", ""), ("DELETE", "/volumes/{v}", ""),
    *(("GET", f"/images/{what}", "") for what in ("{i}/json", "{i}/history", "{i}/get", "get?names={i}")),
    ("DELETE", "/images/{i}", ""), ("POST", "/images/{i}/tag?repo=bbb&tag=1", ""), ("POST", "/images/hdimg/push?tag=1", ""),
    *(("POST", f"/networks/{{n}}/{what}", '{"Container":"hdbob"}') for what in ("connect", "disconnect")),
    *(("POST", f"/networks/{{n}}/{what}", '{"Container":"nosuch"}') for what in ("connect", "disconnect")),
    *(("POST", f"/networks/hdbobnet/{what}", '{"Container":"{c}"}') for what in ("connect", "disconnect")),
    *(("GET", f'/containers/json?all=1&filters={{"{name}":["{value}"]}}', "") for name, value in (
        ("before", "{c}"), ("since", "{c}"), ("name", "{c}"), ("ancestor", "{i}"), ("network", "{n}"), ("volume", "{v}"))),
    *(("GET", f'/images/json?filters={{"{name}":["{{i}}"]}}', "") for name in ("before", "since", "reference")),
    ("GET", '/networks?filters={"name":["{n}"]}', ""), ("GET", '/volumes?filters={"name":["{v}"]}', ""),
    ("GET", '/events?until=1&filters={"container":["{c}"]}', ""),
    ("POST", "/containers/create", '{"Image":"{i}","Cmd":["true"]}'),
    ("POST", "/build?networkmode=container:{c}", ""),
]
JOINING = [
    '"HostConfig":{"NetworkMode":"{n}"}', '"HostConfig":{"NetworkMode":"container:{c}"}', '"HostConfig":{"PidMode":"container:{c}"}',
    '"HostConfig":{"IpcMode":"container:{c}"}', '"HostConfig":{"VolumesFrom":["{c}"]}', '"HostConfig":{"Links":["{c}:x"]}',
    '"NetworkingConfig":{"EndpointsConfig":{"{n}":{}}}',
    '"HostConfig":{"NetworkMode":"{n}","VolumesFrom":["nosuch"]}', '"HostConfig":{"PidMode":"container:nosuch","VolumesFrom":["{c}"]}',
]


@pytest.mark.parametrize(("method", "target", "body"), NAMING, ids=lambda value: str(value)[:60])
def test_hidden_is_answered_as_absent(warden: Warden, method: str, target: str, body: str) -> None:
    assert answered(warden, method, target, body, ABSENT) == answered(warden, method, target, body, HIDDEN)


def test_the_words_and_headers_are_the_engine_s_own(warden: Warden, engine: PrivateEngine) -> None:
    said = warden.curl(f"{V}/containers/hdcont/json", uid=BOB)
    assert (404, {"message": "No such container: hdcont"}) == (said.status, said.body)
    _, headers, _ = answered(warden, "POST", "/containers/{c}/start", "", HIDDEN)
    names = {header.partition(":")[0] for header in headers}
    assert {"Api-Version", "Docker-Experimental", "Ostype", "Server", "Date", "Content-Type", "Content-Length"} <= names


@pytest.mark.parametrize("part", JOINING)
def test_a_create_that_names_what_is_not_there_says_where_and_is_no_404(warden: Warden, part: str) -> None:
    """A 404 makes clients pull the image."""
    body = f'{{"Image":"busybox","Cmd":["true"],{part}}}'
    status, _, text = hidden = answered(warden, "POST", "/containers/create", body, HIDDEN)

    assert answered(warden, "POST", "/containers/create", body, ABSENT) == hidden
    assert " 400 " in status
    assert re.search(r"dockwarden: (HostConfig\.|NetworkingConfig\.)\S+ names a (network|container) \S+ that is not there", text), text


def test_the_client_does_not_pull_for_a_missing_network_and_does_for_a_missing_image(warden: Warden) -> None:
    done = warden.docker("run", "--network", "hdnet", "busybox", "true", uid=BOB)
    assert "Unable to find image" not in done.stderr
    assert "HostConfig.NetworkMode names a network hdnet that is not there" in done.stderr

    assert "Unable to find image 'hdximg:1' locally" in warden.docker("create", "hdximg:1", uid=BOB).stderr


def test_which_of_two_unknown_names_is_told_does_not_depend_on_whose_they_are(warden: Warden) -> None:
    body = '{"Image":"{i}","Cmd":["true"],"HostConfig":{"NetworkMode":"nosuch"}}'

    assert answered(warden, "POST", "/containers/create", body, ABSENT) == answered(warden, "POST", "/containers/create", body, HIDDEN)


def test_a_name_that_is_taken_does_not_tell_by_whose_container(warden: Warden) -> None:
    said = warden.curl("-H", "Content-Type: application/json", "-d", '{"Image":"busybox","Cmd":["true"]}', f"{V}/containers/create?name=hdcont", uid=BOB)
    assert 409 == said.status
    assert 'The container name "/hdcont" is already in use by container "hidden-id"' in said.body["message"]

    own = warden.curl("-H", "Content-Type: application/json", "-d", '{"Image":"busybox","Cmd":["true"]}', f"{V}/containers/create?name=hdcont")
    assert re.search(r'in use by container "[0-9a-f]{64}"', own.body["message"])


@pytest.mark.parametrize("more", ["", ',"CheckDuplicate":false', ',"CheckDuplicate":true'])
def test_no_second_network_of_a_name_is_made(warden: Warden, more: str) -> None:
    for uid in (ALICE, BOB):
        said = warden.curl("-H", "Content-Type: application/json", "-d", f'{{"Name":"hdnet"{more}}}', f"{V}/networks/create", uid=uid)
        assert (409, "network with name hdnet already exists") == (said.status, said.body["message"])


def test_an_image_s_history_tells_no_names_of_others(warden: Warden) -> None:
    assert 0 == warden.docker("tag", "busybox", "hdpriv:1").returncode
    tags = {uid: {tag for row in warden.curl(f"{V}/images/busybox/history", uid=uid).body for tag in row["Tags"] or ()} for uid in (ALICE, BOB)}
    warden.docker("rmi", "hdpriv:1")

    assert {"busybox:latest", "hdpriv:1"} <= tags[ALICE]
    assert "busybox:latest" in tags[BOB]
    assert "hdpriv:1" not in tags[BOB]


def test_what_is_counted_is_the_caller_s_own(warden: Warden) -> None:
    info = warden.curl(f"{V}/info", uid=BOB).body
    rows = warden.curl(f"{V}/containers/json?all=1", uid=BOB).body
    assert len(rows) == info["Containers"] == info["ContainersRunning"] + info["ContainersPaused"] + info["ContainersStopped"]
    assert len(warden.curl(f"{V}/images/json", uid=BOB).body) == info["Images"]

    usage = warden.curl(f"{V}/system/df", uid=BOB).body
    counted = {tag: image["Containers"] for image in usage["Images"] for tag in image["RepoTags"]}
    assert sum(row["Image"] == "busybox" for row in rows) == counted["busybox:latest"]


def test_a_prune_by_labels_that_are_not_there_removes_nothing_of_others(warden: Warden, engine: PrivateEngine) -> None:
    engine.docker("create", "--name", "hdraw", "busybox", "true")
    for what in ("containers", "networks", "volumes"):
        for filters in ({"label!": ["x=y"]}, {"label!": [f"dockwarden.owner={'alice'}"]}, {"label!": ["dockwarden.owner"]}):
            warden.curl("-X", "POST", f"{V}/{what}/prune?filters={quote(json.dumps(filters))}", uid=BOB)
    here = engine.docker("ps", "-a", "--format", "{{.Names}}").stdout.decode().split()
    assert {"hdcont", "hdraw"} <= set(here)
    assert 0 == engine.docker("network", "inspect", "hdnet").returncode
    assert 0 == engine.docker("volume", "inspect", "hdvol").returncode
    engine.docker("rm", "hdraw")
    warden.docker("create", "--name", "hdbob", "busybox", "true", uid=BOB)
    warden.docker("network", "create", "hdbobnet", uid=BOB)


def test_a_pull_of_a_shared_name_says_that_it_is_here(warden: Warden) -> None:
    done = warden.docker("pull", "busybox", uid=BOB)

    assert "shared by all, and only an administrator refreshes it: it is here already, use it" in done.stderr
    assert "choose a name" not in done.stderr


def test_a_limit_that_was_lowered_is_told_by_the_client(warden: Warden) -> None:
    done = warden.docker("create", "--name", "hdmine", "--memory", "8g", "--pids-limit", "5000", "busybox", "true", uid=BOB)
    assert 0 == done.returncode, done.stderr
    assert "Memory (--memory): 8g was asked for, 4g is what policy gives" in done.stderr
    assert "PidsLimit (--pids-limit): 5000 was asked for, 1024 is what policy gives" in done.stderr
    warden.docker("rm", "hdmine", uid=BOB)

    filled = warden.docker("create", "--name", "hdmine", "--memory", "1g", "busybox", "true", uid=BOB)
    assert (0, "") == (filled.returncode, filled.stderr)
    warden.docker("rm", "hdmine", uid=BOB)


@pytest.mark.parametrize(("method", "what", "body"), [("GET", "json", ""), ("POST", "start", '{"Detach":true}'), ("POST", "resize?h=1&w=1", "")])
def test_another_s_exec_is_answered_as_absent(warden: Warden, method: str, what: str, body: str) -> None:
    made = warden.curl("-H", "Content-Type: application/json", "-d", '{"Cmd":["id"]}', f"{V}/containers/hdcont/exec").body["Id"]
    hidden, absent = ({"{e}": made}, {"{e}": "ab" * 32})

    assert answered(warden, method, f"/exec/{{e}}/{what}", body, absent) == answered(warden, method, f"/exec/{{e}}/{what}", body, hidden)


def test_an_image_s_id_is_answered_as_absent(warden: Warden, engine: PrivateEngine) -> None:
    id = engine.docker("inspect", "-f", "{{.Id}}", "hdimg:1").stdout.decode().strip().removeprefix("sha256:")
    for target in ("/images/{i}/json", "/images/{i}/history", "/images/{i}/get", "/images/get?names={i}"):
        for hidden, absent in (({"{i}": id}, {"{i}": "ab" * 32}), ({"{i}": id[:12]}, {"{i}": "ab" * 6}), ({"{i}": f"sha256:{id}"}, {"{i}": f"sha256:{'ab' * 32}"})):
            assert answered(warden, "GET", target, "", absent) == answered(warden, "GET", target, "", hidden), target
    for hidden, absent in (({"{i}": id}, {"{i}": "ab" * 32}), ({"{i}": f"sha256:{id}"}, {"{i}": f"sha256:{'ab' * 32}"})):
        body = '{"Image":"{i}","Cmd":["true"]}'
        assert answered(warden, "POST", "/containers/create", body, absent) == answered(warden, "POST", "/containers/create", body, hidden)
