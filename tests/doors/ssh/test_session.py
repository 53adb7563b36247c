"""What a client asks of a session, as it is understood: whatever is sent, quickly, and with one meaning."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.doors.ssh.session import CARRIED, LONGEST_COMMAND, Program


@pytest.mark.parametrize(
    ("command", "is_api"),
    [
        ("docker system dial-stdio", True), ("docker  'system' dial-stdio", True), ("docker -H x system dial-stdio", False), ("docker --tls system dial-stdio", True),
        ("docker system dial-stdio; id", False), ("docker system dial-stdio\nid", False), ("docker system dial-stdio 'x", False), ("", False), (None, False),
        ("/usr/bin/docker system dial-stdio", False), ("docker system dial-stdio " + "-x " * 1000, False),
    ],
)  # fmt: skip
def test_the_docker_client_asks_for_the_api_in_these_words(command: str | None, is_api: bool) -> None:
    assert is_api == Program(command=command).is_dial_stdio


@given(st.text())
def test_any_command_is_the_api_or_a_program(command: str) -> None:
    program = Program(command=command)
    assert isinstance(program.words, str)
    if program.is_dial_stdio:
        assert {"docker", "system", "dial-stdio"} <= {word.strip("'\"") for word in command.replace("\\", "").replace("'", "").replace('"', "").split()}


@given(st.text(max_size=30), st.text(max_size=100))
def test_what_is_carried_of_an_environment_is_one_name_and_one_plain_value(name: str, value: str) -> None:
    """Nothing that could mean something to a shell, a terminal or a linker."""
    if CARRIED.fullmatch(f"{name}={value}"):
        assert f"{name}={value}".isascii()
        assert f"{name}={value}".isprintable()
        assert name.split("=")[0] in {"LANG", "GIT_PROTOCOL"} or name.startswith("LC_")
        assert not set("`$\\;&|<>(){}*?!'\"~ \n/") & set(value)


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PATH", "BASH_ENV", "LC_", "LC_all", "LANGUAGE", "LANG\n", " LANG", "GIT_PROTOCOL\0", "LANG=C\nLD_PRELOAD"])
def test_no_other_variable_is_carried(name: str) -> None:
    assert None is CARRIED.fullmatch(f"{name}=x")


@pytest.mark.alone
@pytest.mark.parametrize("piece", ["a", "a ", "'a", "-x ", "\\", "://:@", "PASSWORD="])
def test_the_longest_command_is_understood_at_once(piece: str) -> None:
    program, begin = Program(command=(piece * LONGEST_COMMAND)[:LONGEST_COMMAND]), time.perf_counter()
    assert (False, True) == (program.is_dial_stdio, bool(program.words))
    assert time.perf_counter() - begin < 1
