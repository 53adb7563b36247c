"""A PostgreSQL that restarts, goes away or is shared: what cannot be had is said, nothing is guessed, and the next call looks again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from dockwarden.vault import sql
from dockwarden.vault.backup import copy, restore
from dockwarden.vault.faults import Sealed, WentBack
from dockwarden.vault.sql import SqlStore, open_store
from dockwarden.vault.vault import Vault
from dockwarden.vault.verify import verify
from dockwarden.words.errors import BadConfig, Unavailable
from fixtures.postgres import Cluster

from .conftest import HOW, KEY, PATH, Made, MemoryLog, put, value


@pytest.fixture
def own(postgres: Cluster, empty_schema: str) -> Iterator[Made]:
    """A vault in PostgreSQL with one secret."""
    url, log = postgres.schema_like(empty_schema), MemoryLog()
    vault = Vault(open_store(url), log)
    vault.create(KEY, HOW)
    put(vault, "one")
    yield Made(vault, url, log)
    vault.store.close()


class Lossy:
    """A connection that is lost with the answer to COMMIT. `is_done`: the server heard it all the same."""

    closed = False

    def __init__(self, connection: Any, is_done: bool) -> None:
        self._connection, self._is_done = connection, is_done

    def cursor(self) -> Any:
        return self._connection.cursor()

    def close(self) -> None:
        self._connection.close()

    def execute(self, text: str, words: Any = ()) -> Any:
        if text == "COMMIT":
            if self._is_done:
                self._connection.execute(text)
            self._connection.close()
            self.closed = True
            raise psycopg.OperationalError("the server closed the connection unexpectedly")
        return self._connection.execute(text, words)


def test_a_server_that_restarted_is_not_noticed(own: Made, postgres: Cluster) -> None:
    postgres.stop()
    postgres.start()
    assert "one" == value(own.vault)
    postgres.stop("immediate")
    postgres.start()

    assert 2 == put(own.vault, "two")
    assert "two" == value(own.vault)


def test_while_the_server_is_away_each_call_says_so_and_the_first_after_works(own: Made, postgres: Cluster) -> None:
    postgres.stop()
    try:
        for deed in (lambda: value(own.vault), lambda: put(own.vault, "lost"), lambda: own.vault.paths(), lambda: own.vault.rotate(), lambda: own.vault.store.snapshot()):
            with pytest.raises(Unavailable, match="not there now"):
                deed()
    finally:
        postgres.start()

    assert "one" == value(own.vault)
    assert 2 == put(own.vault, "two")
    assert () == verify(own.store, own.log, KEY).findings


@pytest.mark.parametrize("is_done", [True, False])
def test_a_change_whose_answer_is_lost_is_there_or_not_and_the_vault_knows(own: Made, is_done: bool) -> None:
    own.store._connection = Lossy(own.store._connection, is_done)
    with pytest.raises(Unavailable, match="seen at the next call"):
        put(own.vault, "two")

    assert ("two" if is_done else "one") == value(own.vault)
    assert (3 if is_done else 2) == put(own.vault, "three")
    assert ("three", ()) == (value(own.again()), verify(own.store, own.log, KEY).findings)


@pytest.mark.parametrize("is_done", [True, False])
def test_new_keys_whose_answer_is_lost_seal_the_vault_if_they_are_there(own: Made, is_done: bool) -> None:
    new = bytes(range(1, 33))
    own.store._connection = Lossy(own.store._connection, is_done)
    with pytest.raises(Unavailable):
        own.vault.rekey(new, HOW)

    if is_done:
        with pytest.raises(Sealed):
            value(own.vault)
        own.vault.unseal(new)
    assert "one" == value(own.vault)
    assert 2 == put(own.vault, "two")
    assert "two" == value(own.again(new if is_done else KEY))


def test_nothing_is_served_while_it_is_not_known_which_state_is_stored(own: Made, postgres: Cluster) -> None:
    """The server takes the change and goes away before it answers."""
    lossy = own.store._connection = Lossy(own.store._connection, is_done=True)
    stop = lossy.execute

    def execute(text: str, words: Any = ()) -> Any:
        try:
            return stop(text, words)
        finally:
            if text == "COMMIT":
                postgres.stop()

    lossy.execute = execute  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        put(own.vault, "two")
    with pytest.raises(Unavailable, match="not there"):
        value(own.vault)
    postgres.start()

    assert "two" == value(own.vault)


def test_a_second_dockwarden_does_not_get_the_database_of_the_first(own: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a copy of the ledger, too, by which it would be right; who only looks may."""
    monkeypatch.setattr(sql, "CLAIM_S", 0.3)
    second = Vault(open_store(own.url), own.log)
    with pytest.raises(Unavailable, match="another dockwarden has this vault's database open"):
        second.unseal(KEY)
    with pytest.raises(Unavailable, match="another dockwarden"):
        second.create(KEY, HOW)
    assert second.is_sealed
    assert () == verify(second.store.snapshot(), own.log, KEY).findings

    own.store.close()
    second.unseal(KEY)
    assert "one" == value(second)


def test_a_second_dockwarden_with_a_ledger_of_its_own_is_refused_when_the_first_is_down(own: Made) -> None:
    own.store.close()
    with pytest.raises(WentBack, match="nothing about this vault"):
        Vault(open_store(own.url), MemoryLog()).unseal(KEY)


def test_a_claim_that_another_took_meanwhile_is_not_taken_back(own: Made, postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "CLAIM_S", 0.3)
    own.store._connection.close()  # as a network that was cut for long
    second = own_second(own)
    with pytest.raises(Unavailable, match="another dockwarden"):
        value(own.vault)
    with pytest.raises(Unavailable, match="another dockwarden"):
        put(own.vault, "two")
    second.store.close()

    assert "one" == value(own.vault)


def own_second(own: Made) -> Vault:
    second = Vault(open_store(own.url), own.log)
    second.unseal(KEY)
    return second


def test_a_backup_from_postgresql_goes_into_sqlite_and_back(own: Made, tmp_path: Any, postgres: Cluster, empty_schema: str) -> None:
    put(own.vault, "two")
    snapshot = own.store.snapshot()
    put(own.vault, "after the snapshot")
    copy(snapshot, tmp_path / "copy.db")
    backup = open_store(f"sqlite://{tmp_path / 'copy.db'}")
    assert [] == [finding for finding in verify(backup, own.log, KEY).findings if finding.place != "head"]
    restore(backup, own.store, KEY, own.log)
    assert ("two", ()) == (value(own.again()), verify(own.store, own.log, KEY).findings)

    elsewhere = open_store(postgres.schema_like(empty_schema))
    restore(backup, elsewhere, KEY, own.log)
    moved = Vault(elsewhere, own.log)
    moved.unseal(KEY)
    assert "two" == value(moved)


def test_a_restore_into_a_database_that_another_serves_is_refused(own: Made, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "CLAIM_S", 0.3)
    copy(own.store.snapshot(), tmp_path / "copy.db")
    with pytest.raises(Unavailable, match="another dockwarden"):
        restore(open_store(f"sqlite://{tmp_path / 'copy.db'}"), open_store(own.url), KEY, own.log)


def test_what_is_acknowledged_is_flushed_whatever_the_server_is_set_to(own: Made) -> None:
    hurried = SqlStore(own.url.replace("%3D", "%3D", 1) + "%20-csynchronous_commit%3Doff")
    try:
        assert ["on"] == list(hurried._one("SHOW synchronous_commit"))
    finally:
        hurried.close()


@pytest.mark.parametrize("make_url", [lambda url: url.replace("/postgres?", "/absent?"), lambda url: "postgresql://127.0.0.1:1/vault"])
def test_a_database_that_cannot_be_had_is_named_without_its_password(own: Made, make_url: Callable[[str], str]) -> None:
    url = make_url(own.url).replace("postgresql://", "postgresql://postgres:hunter2@", 1).replace("hunter2@postgres@", "hunter2@")
    with pytest.raises(BadConfig, match="cannot be opened") as raised:
        open_store(url)
    assert "hunter2" not in str(raised.value)
    assert PATH not in str(raised.value)
