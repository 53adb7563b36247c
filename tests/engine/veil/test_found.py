"""Secrets that were found in an answer are masked where they stand, and nothing else of it changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.veil.found import mask_found
from dockwarden.engine.veil.mask import MARK

VALUE = "Tr0ub4dor-and-3"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"Config": {"Env": [f"DB_PASSWORD={VALUE}", "LANG=C"]}}, {"Config": {"Env": [f"DB_PASSWORD={MARK}", "LANG=C"]}}),
        ({"Path": "mysql", "Args": ["-u", "root", f"-p{VALUE}"]}, {"Path": "mysql", "Args": ["-u", "root", f"-p{MARK}"]}),
        ({"Config": {"Cmd": ["sh", "-c", f"PGPASSWORD={VALUE} psql"]}}, {"Config": {"Cmd": ["sh", "-c", f"PGPASSWORD={MARK} psql"]}}),
        ({"Labels": {"db_password": VALUE, "tier": "web"}}, {"Labels": {"db_password": MARK, "tier": "web"}}),
        ([{"CreatedBy": f"/bin/sh -c #(nop)  ENV DB_PASSWORD={VALUE}"}], [{"CreatedBy": f"/bin/sh -c #(nop)  ENV DB_PASSWORD={MARK}"}]),
        ({"ProcessConfig": {"entrypoint": "curl", "arguments": ["-u", f"me:{VALUE}", "https://x"]}}, None),
        ({"Actor": {"Attributes": {"execCommand": f"mysql --password={VALUE}"}}}, None),
        ({"Action": f"exec_create: mysql --password={VALUE}"}, None),
        ({"Healthcheck": {"Test": ["CMD-SHELL", f"redis-cli --pass {VALUE} ping"]}}, None),
    ],
)
def test_what_is_found_is_masked_where_it_stands(said: Any, shown: Any) -> None:
    mask_found(said)

    assert VALUE not in repr(said)
    assert MARK in repr(said)
    if shown is not None:
        assert shown == said


HONEST = {
    "Id": "a" * 64, "Image": "sha256:" + "b" * 64, "Path": "nginx", "Args": ["-g", "daemon off;"], "Labels": {"com.docker.compose.config-hash": "c" * 64},
    "Config": {"Env": ["PATH=/usr/bin:/bin", "NGINX_VERSION=1.27.0", "DB_PASSWORD_FILE=/run/secrets/DB_PASSWORD", "X=dockwarden://a/b"]},
    "State": {"Status": "running"}, "Status": "Up 3 minutes (healthy)", "Command": "docker-entrypoint.sh postgres",
}  # fmt: skip


def test_an_answer_without_secrets_stays_to_the_letter() -> None:
    said = copy.deepcopy(HONEST)
    mask_found(said)

    assert said == HONEST


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["Env", "Cmd", "Args", "Path", "Labels", "Action", "x"]), inner, max_size=5),
    max_leaves=20,
)


@given(PLAIN)
def test_any_answer_is_masked_once_and_for_all(said: Any) -> None:
    mask_found(said)
    once = copy.deepcopy(said)
    mask_found(said)

    assert once == said
