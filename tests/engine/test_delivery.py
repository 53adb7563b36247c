"""References to secrets become one mount of files, and come back as the references they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.delivery import NO_VARIABLES, File, asked_files, held_by, read_delivery, shown_environment, to_files, to_held, without_mount
from dockwarden.engine.driver import SEAL
from dockwarden.engine.facts import facts
from dockwarden.engine.write import write_call
from dockwarden.words.errors import Forbidden, Malformed, Missing, Refused
from dockwarden.words.secret import Secret
from fixtures.calls import CREATE, call, known_for

EXEC = "POST /v1.41/containers/{}/exec".format("a" * 64)
DB = "dockwarden://prod/db/password"


def seal(options: Mapping[str, str]) -> str:
    assert SEAL not in options
    return "sealed:" + ",".join(sorted(options))


def written(body: dict[str, Any], variables: Mapping[str, Secret] = NO_VARIABLES) -> dict[str, Any]:
    asked = call(CREATE, {"Image": "busybox", "User": "1000:1001", **body})
    return dict(json.loads(write_call(to_files(asked, asked_files(asked), "alice", "{}", "dwtest", seal, variables)).body))


def test_a_variable_and_a_label_become_files_and_variables_that_name_them() -> None:
    body = written({"Env": ["A=1", f"DB_PASSWORD={DB}"], "Labels": {"x": "y", "dockwarden.secret.KEY": "prod/key"}})

    assert ["A=1", "DB_PASSWORD_FILE=/run/secrets/DB_PASSWORD", "KEY_FILE=/run/secrets/KEY"] == body["Env"]
    assert {"x": "y"} == body["Labels"]
    (mount,) = body["HostConfig"]["Mounts"]
    assert ("volume", "/run/secrets", True) == (mount["Type"], mount["Target"], mount["VolumeOptions"]["NoCopy"])
    options = mount["VolumeOptions"]["DriverConfig"]["Options"]
    assert options[SEAL] == seal({name: value for name, value in options.items() if name != SEAL})
    delivery = read_delivery(options)
    assert (File("DB_PASSWORD", "prod/db/password"), File("KEY", "prod/key")) == delivery.files
    assert ("alice", 1000, 1001) == (delivery.used_by, delivery.uid, delivery.gid)


def test_what_the_maker_says_of_the_file_themselves_stays() -> None:
    assert ["DB_FILE=/elsewhere"] == written({"Env": [f"DB={DB}", "DB_FILE=/elsewhere"]})["Env"]


def test_a_create_without_secrets_is_left_as_it_is() -> None:
    asked = call(CREATE, {"Image": "busybox", "Env": ["A=https://x"], "Labels": {"a": "b"}})

    assert asked is to_files(asked, asked_files(asked), "alice", "{}", "dwtest", seal)


@pytest.mark.parametrize(
    ("env", "file"),
    [
        (f"X={DB}?version=3", File("X", "prod/db/password", 3)),
        (f"X={DB}?label=pending", File("X", "prod/db/password", 0, "pending")),
        (f"X={DB}", File("X", "prod/db/password")),
    ],
)
def test_a_reference_says_which_version(env: str, file: File) -> None:
    assert (file,) == asked_files(call(CREATE, {"Image": "busybox", "Env": [env]}))
    assert f"X={file.reference}" == env


@pytest.mark.parametrize(
    "env",
    [["X=dockwarden://"], [f"={DB}"], [f"1X={DB}"], [f"a/b={DB}"], [f"..={DB}"], [f"X={DB}?version=0"], [f"X={DB}?version=x"], [f"X={DB}?v=1"],
     [f"X={DB}?label=newest"], [f"X={DB}?version=1&label=current"], [f"X={DB}?version=1&version=2"], ["X=DOCKWARDEN://prod/db"], ["X= dockwarden://prod/db"], [f"X={DB}", "X=dockwarden://other"], [f"X={DB}", "X=plain"], [f"X{n}={DB}" for n in range(300)]],
)  # fmt: skip
def test_what_cannot_be_meant_is_malformed(env: list[str]) -> None:
    with pytest.raises(Malformed):
        asked_files(call(CREATE, {"Image": "busybox", "Env": env}))


@pytest.mark.parametrize("target", ["/run/secrets", "/run/secrets/", "/run/../run/secrets/x", "/run"])
def test_nothing_else_is_mounted_there(target: str) -> None:
    with pytest.raises(Forbidden) as refused:
        written({"Env": [f"X={DB}"], "HostConfig": {"Mounts": [{"Type": "tmpfs", "Target": target}]}})

    assert "secret.place" == refused.value.code


@pytest.mark.parametrize("user", ["app", "1000", "1000:staff"])
def test_a_user_that_is_no_number_by_now_gets_none(user: str) -> None:
    with pytest.raises(Forbidden) as refused:
        written({"User": user, "Env": [f"X={DB}"]})

    assert "secret.user" == refused.value.code


def test_an_answer_shows_what_was_asked() -> None:
    body = written({"Env": ["A=1", f"DB={DB}?version=2"], "HostConfig": {"Mounts": [{"Type": "tmpfs", "Target": "/t"}]}})
    files = held_by(body, "dwtest")

    assert ["A=1", f"DB={DB}?version=2"] == shown_environment(body["Env"], files)
    assert ["/t"] == [mount["Target"] for mount in without_mount(body["HostConfig"]["Mounts"], "dwtest")]
    assert () == held_by(body, "another")


def test_a_value_that_policy_makes_a_variable_is_shown_as_the_reference_that_it_was() -> None:
    body = written({"Env": [f"DB={DB}", "A=1"]}, {"DB": Secret(b"of prod")})

    assert ["A=1", "DB_FILE=/run/secrets/DB", "DB=of prod"] == body["Env"]
    assert ["A=1", f"DB={DB}"] == shown_environment(body["Env"], held_by(body, "dwtest"))


@pytest.mark.parametrize("value", [b"\xff", b"a\0b"])
def test_a_value_that_is_no_text_is_no_variable(value: bytes) -> None:
    with pytest.raises(Forbidden) as refused:
        written({"Env": [f"DB={DB}"]}, {"DB": Secret(value)})

    assert "secret.no_text" == refused.value.code


def test_an_exec_gets_what_its_container_holds_and_nothing_more() -> None:
    asked = call(EXEC, {"Cmd": ["true"], "Env": [f"P={DB}", "A=1"]})
    done = to_held(asked, asked_files(asked), [File("DB", "prod/db/password")])
    assert ["A=1", "P_FILE=/run/secrets/DB"] == json.loads(write_call(done).body)["Env"]

    with pytest.raises(Missing):
        to_held(asked, asked_files(asked), [File("DB", "prod/other"), File("D2", "prod/db/password", 2), File("D3", "prod/db/password", 0, "pending")])


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        ("POST /v1.41/services/create", {"TaskTemplate": {"ContainerSpec": {"Image": "busybox", "Env": [f"X={DB}"]}}}),
        ("POST /v1.41/build?buildargs=" + quote(json.dumps({"X": DB})), None),
    ],
)
def test_a_reference_where_nothing_is_delivered_is_refused_and_not_passed_on(request_: str, body: Any) -> None:
    asked = call(request_, body)
    with pytest.raises(Forbidden) as refused:
        facts(asked, known_for(asked))

    assert "secret.not_here" == refused.value.code


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=40)), max_size=5))
def test_any_variables_give_files_or_one_refusal(pairs: list[tuple[str, str]]) -> None:
    env = [f"{name}=dockwarden://{value}" for name, value in pairs]
    try:
        asked = call(CREATE, {"Image": "busybox", "User": "1:1", "Env": env})
        done = to_files(asked, asked_files(asked), "alice", "{}", "dwtest", seal)
    except Refused:
        return
    left = json.loads(write_call(done).body).get("Env", [])
    assert not [entry for entry in left if entry.partition("=")[2].startswith("dockwarden://")]
