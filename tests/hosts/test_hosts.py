"""`hosts.toml`, read and written."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.hosts.hosts import Host, parse_hosts, written
from dockwarden.hosts.pinned import PinnedHosts
from dockwarden.words.errors import BadConfig

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOTKj1VGqSUcB0c6YkPSk5xAocGwsennGObFtH454cT9"
WEB = Host(name="web", address="10.0.0.5:22", login="deploy", host_keys=(KEY,), secret="hosts/web/key", labels={"env": "te\"st"})
SIX = Host(name="six", address="[fd00::5]:2222", login="deploy", host_keys=(KEY, KEY), certificate=True)


def test_what_is_written_is_read_again() -> None:
    hosts = {"web": WEB, "six": SIX}
    assert hosts == parse_hosts(written(hosts), "hosts.toml")
    assert ("fd00::5", 2222) == SIX.place


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_label_is_written_as_it_is_read(labels: dict[str, str]) -> None:
    host = Host(name="web", address="web:22", login="x", host_keys=(KEY,), certificate=True, labels=labels)
    assert {"web": host} == parse_hosts(written({"web": host}), "hosts.toml")


PIECES = ("[hosts.web]\n", "[hosts", "]", "[", "{", "}", "=", '"', "\n", "address", "login", "labels", "host_keys", "1", "a:1", "true", "\0", "\x7f", "\u2028", ",", ".")


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join), st.integers(1, 30_000).map(lambda depth: "hosts = " + "[" * depth)))
def test_any_file_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadConfig):
        found = parse_hosts(text, "hosts.toml")
        assert found == parse_hosts(written(found), "hosts.toml")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('address = "10.0.0.5"', "address"),
        ('address = "10.0.0.5:70000"', "address"),
        ('address = "a b:22"', "address"),
        ('login = "root; rm"', "login"),
        ('host_keys = []', "host_keys"),
        ('host_keys = ["ssh-dss AAAA"]', "host_keys"),
        ('secret = ""', "secret"),
        ('certificate = true', "secret"),
        ('unknown = 1', "unknown"),
        ('labels = 1', "labels"),
    ],
)
def test_what_cannot_be_meant_is_said_with_its_place(change: str, said: str) -> None:
    name = change.partition(" ")[0]
    lines = [line for line in written({"web": WEB}).splitlines() if not line.startswith(f"{name} ")]
    with pytest.raises(BadConfig) as found:
        parse_hosts("\n".join([*lines, change]), "hosts.toml")
    assert "hosts.toml" in str(found.value)
    assert said in str(found.value)


def test_no_host_has_a_container_s_name() -> None:
    with pytest.raises(BadConfig):
        parse_hosts(written({"container.x": WEB}), "hosts.toml")


def test_a_file_that_cannot_be_read_keeps_what_was_read_before(tmp_path: Path) -> None:
    told: list[str] = []
    hosts = PinnedHosts(file := tmp_path / "hosts.toml", told.append)
    assert () == hosts.names()
    file.write_text(written({"web": WEB, "six": SIX}))
    assert WEB == hosts.get("web")
    file.write_text("[hosts.web\n")
    assert (("six", "web"), 1) == (hosts.names(), len(told))
    file.unlink()
    assert () == hosts.names()


def test_a_jump_finds_a_host_by_name_or_by_the_only_address_that_it_has(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text(written({"web": WEB, "six": SIX, "twin": WEB}))
    hosts = PinnedHosts(file, lambda _why: None)
    assert (WEB, SIX, SIX) == (hosts.at("web", 22), hosts.at("six", 2222), hosts.at("fd00::5", 2222))
    assert [None, None, None] == [hosts.at("web", 80), hosts.at("10.0.0.5", 22), hosts.at("fd00::5", 22)]
