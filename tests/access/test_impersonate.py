from __future__ import annotations

import threading
from pathlib import Path

import pytest

import dockwarden.access.impersonate as impersonate
from dockwarden.access.impersonate import as_account
from dockwarden.words.errors import Broken
from dockwarden.words.principal import Account

ALICE = Account(20001, 20001, (30000, 30001))


def identity() -> dict[str, list[str]]:
    """What the kernel says of the running thread."""
    lines = Path(f"/proc/self/task/{threading.get_native_id()}/status").read_text().splitlines()
    return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}


def test_the_thread_has_the_files_rights_of_the_account_and_no_capability() -> None:
    said = as_account(ALICE, identity)

    assert ("20001", "20001") == (said["Uid"][3], said["Gid"][3])
    assert ["30000", "30001"] == said["Groups"]
    assert {"0000000000000000"} == {said[name][0] for name in ("CapEff", "CapPrm", "CapInh")}


def test_the_account_cannot_send_it_signals() -> None:
    """Who may signal a process is told by its real and saved ids: they stay root's."""
    assert ["0", "0", "0"] == as_account(ALICE, identity)["Uid"][:3]


def test_nothing_else_in_the_process_changes() -> None:
    before = identity()

    as_account(ALICE, lambda: None)

    assert {name: before[name] for name in ("Uid", "Gid", "Groups", "CapEff")} == {
        name: identity()[name] for name in ("Uid", "Gid", "Groups", "CapEff")
    }


def test_root_keeps_what_root_has() -> None:
    assert identity()["CapEff"] == as_account(Account(0, 0), identity)["CapEff"]


def test_what_the_look_raises_is_raised() -> None:
    with pytest.raises(PermissionError):
        as_account(ALICE, Path("/root/.profile").read_text)


def test_an_identity_that_the_kernel_does_not_take_looks_at_nothing() -> None:
    looked: list[int] = []

    with pytest.raises(Broken, match="cannot look at files with an account's rights"):
        as_account(Account(0xFFFFFFFF, 20001), lambda: looked.append(1))

    assert [] == looked


def test_an_unknown_machine_looks_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impersonate.platform, "machine", lambda: "vax")

    with pytest.raises(Broken, match="vax"):
        as_account(ALICE, lambda: None)
