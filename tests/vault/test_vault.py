"""What goes in comes out, in its version; what was changed behind the vault's back is named and not served."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockwarden.vault.faults import Sealed, Tampered, WentBack, WrongKey
from dockwarden.vault.rows import MOST_BYTES, State
from dockwarden.vault.sql import TABLES
from dockwarden.words.errors import Hidden, Malformed, Unavailable
from dockwarden.words.secret import Secret

from .conftest import HOW, KEY, PATH, Made, put, value

# --- what it is for ---


def test_versions_are_kept_and_labelled(made: Made) -> None:
    assert [1, 2, 3] == [put(made.vault, text) for text in ("one", "two", "three")]

    assert "three" == value(made.vault)
    assert "two" == value(made.vault, label="previous")
    assert "one" == value(made.vault, version=1)


def test_a_pending_version_is_not_current_until_it_is_said_to_be(made: Made) -> None:
    put(made.vault, "old")
    put(made.vault, "new", label="pending")
    assert ("old", "new") == (value(made.vault), value(made.vault, label="pending"))
    made.vault.label(PATH, "current", 2)

    assert ("new", "old") == (value(made.vault), value(made.vault, label="previous"))
    with pytest.raises(Hidden, match="no version that is pending"):
        made.vault.get(PATH, label="pending")


def test_what_is_deleted_comes_back_and_what_is_destroyed_does_not(made: Made) -> None:
    put(made.vault, "one")
    put(made.vault, "two")
    made.vault.delete(PATH)
    with pytest.raises(Hidden):
        made.vault.get(PATH)
    made.vault.undelete(PATH)
    with pytest.raises(Hidden, match="current"):  # which of the two was right, nothing says any more
        value(made.vault)
    made.vault.label(PATH, "current", 2)
    assert "two" == value(made.vault)
    made.vault.destroy(PATH, frozenset({2}))

    assert "one" == value(made.vault)
    with pytest.raises(Hidden, match="no version 2"):
        made.vault.get(PATH, 2)
    row = made.store.version(PATH, 2)
    assert row is not None
    assert (b"", b"") == (row.wrapped, row.sealed)
    assert [State.LIVE, State.DESTROYED] == [held.state for held in made.vault.record(PATH).versions]


def test_only_so_many_versions_are_kept_and_never_fewer_than_have_a_label(made: Made) -> None:
    for number in range(14):
        put(made.vault, f"v{number}", label="pending" if number == 1 else "current")

    states = [held.state for held in made.vault.record(PATH).versions]
    assert 10 == sum(state is not State.DESTROYED for state in states) - 1  # one more: the pending one is older than all that are kept
    assert "v1" == value(made.vault, label="pending")


def test_paths_are_listed_in_order_by_prefix_and_in_pages(made: Made) -> None:
    for path in ("prod/db", "prod/api", "dev/db", "prod2/x"):
        put(made.vault, "v", path)

    assert ["prod/api", "prod/db"] == made.vault.paths("prod/")
    assert ["prod/api"] == made.vault.paths("prod/", limit=1)
    assert ["prod/db"] == made.vault.paths("prod/", after="prod/api")


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/../b", "a b", "a\n", "ä", "a" * 256, ".a", "a/.b", "-a"])
def test_what_is_no_path_is_malformed(made: Made, path: str) -> None:
    with pytest.raises(Malformed, match="no path of a secret"):
        put(made.vault, "v", path)


@pytest.mark.parametrize("size", [0, MOST_BYTES + 1])
def test_an_empty_value_and_one_too_long_are_not_kept(made: Made, size: int) -> None:
    with pytest.raises(Malformed, match=f"this one has {size}"):
        made.vault.put(PATH, Secret(bytes(size)), "alice")


# --- keys ---


def test_a_vault_unseals_with_its_key_and_with_no_other(made: Made) -> None:
    put(made.vault, "v")
    assert "v" == value(made.again())

    with pytest.raises(WrongKey):
        made.again(bytes(32))


def test_a_sealed_vault_answers_nothing(made: Made) -> None:
    put(made.vault, "v")
    made.vault.seal()

    for ask in (lambda: made.vault.get(PATH), lambda: made.vault.paths(), lambda: put(made.vault, "w"), lambda: made.vault.rotate()):
        with pytest.raises(Sealed):
            ask()


def test_after_a_rekey_the_old_key_opens_nothing(made: Made) -> None:
    put(made.vault, "v")
    made.vault.rekey(bytes(32), HOW)
    assert "v" == value(made.vault)

    assert "v" == value(made.again(bytes(32)))
    with pytest.raises(WrongKey):
        made.again()


def test_a_term_is_rotated_step_by_step_while_values_are_read_and_written(made: Made) -> None:
    for number in range(7):
        put(made.vault, f"v{number}", f"prod/s{number}")
    assert 2 == made.vault.rotate()
    put(made.vault, "new", "prod/new")
    after, steps = "", 0
    while after := made.vault.rewrap(after, 3):
        steps += 1
        assert "v6" == value(made.vault, "prod/s6")
        after = made.again().rewrap("", 3) if steps == 1 else after  # another process begins again and goes on where it was needed
        made.vault.seal()
        made.vault.unseal(KEY)
    made.vault.retire_terms()

    assert [f"v{number}" for number in range(7)] == [value(made.again(), f"prod/s{number}") for number in range(7)]
    assert {"root", "seal", "term 2"} == {row.name for row in made.store.keyring()}
    assert {2} == {row.term for row in made.store.versions(made.vault.paths())}


# --- tampering ---

CHANGES = {
    "a flipped bit in a value": "UPDATE version SET sealed = CAST(x'00' || substr(sealed, 2) AS BLOB) WHERE path = 'prod/db/password' AND version = 2",
    "a flipped bit in a wrapped key": "UPDATE version SET wrapped = CAST(x'00' || substr(wrapped, 2) AS BLOB) WHERE version = 2",
    "another salt": "UPDATE version SET salt = CAST(x'00' || substr(salt, 2) AS BLOB) WHERE version = 2",
    "another term": "UPDATE version SET term = 9 WHERE version = 2",
    "the row of another version": "UPDATE version SET (salt, wrapped, sealed) = (SELECT salt, wrapped, sealed FROM version WHERE path = 'prod/db/password' AND version = 1) WHERE version = 2",
    "the row of another path": "UPDATE version SET (salt, wrapped, sealed) = (SELECT salt, wrapped, sealed FROM version WHERE path = 'dev/db') WHERE path = 'prod/db/password' AND version = 2",
    "a row taken away": "DELETE FROM version WHERE version = 2",
    "a record taken away": "DELETE FROM record WHERE path = 'prod/db/password'",
    "another's record": "UPDATE record SET row = (SELECT row FROM record WHERE path = 'dev/db') WHERE path = 'prod/db/password'",
    "a bucket emptied": "UPDATE bucket SET packed = x''",
    "all buckets taken away": "DELETE FROM bucket",
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_row_is_named_and_nothing_of_it_is_served(made: Made, what: str) -> None:
    put(made.vault, "elsewhere", "dev/db")
    put(made.vault, "one")
    put(made.vault, "two")
    made.tamper(CHANGES[what])

    with pytest.raises(Tampered, match="vault verify"):
        made.vault.get(PATH)


@pytest.mark.parametrize("table", ["record", "version", "bucket", "keyring"])
def test_rows_of_yesterday_are_found(made: Made, table: str) -> None:
    """Each table is put back alone to how it was: it was right once, so only its hash tells."""
    put(made.vault, "one")
    made.tamper(f"CREATE TABLE yesterday AS SELECT * FROM {table}")
    made.vault.destroy(PATH)
    put(made.vault, "two")
    made.vault.rotate()
    made.vault.rewrap()
    made.tamper(f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM yesterday")

    def read_both() -> None:
        fresh = made.again()
        fresh.get(PATH, 1)
        fresh.get(PATH, 2)

    with pytest.raises((Tampered, Hidden)):
        read_both()
    with pytest.raises(Tampered):
        made.again().get(PATH, 2)


def test_yesterday_s_whole_database_is_refused_and_named(made: Made) -> None:
    put(made.vault, "one")
    made.tamper(*(f"CREATE TABLE yesterday_{table} AS SELECT * FROM {table}" for table in TABLES))
    put(made.vault, "two")
    for table in TABLES:
        made.tamper(f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM yesterday_{table}")

    with pytest.raises(WentBack, match=r"change 2.*change 3"):
        made.again()


def test_a_ledger_that_let_old_entries_go_still_knows_the_vault(made: Made) -> None:
    put(made.vault, "one")
    made.log.said.clear()
    with pytest.raises(WentBack):
        made.again()

    made.vault.reaffirm()
    assert "one" == value(made.again())


def test_yesterday_s_ledger_is_refused_too(made: Made) -> None:
    put(made.vault, "one")
    said, ends = list(made.log.said), list(made.log.ends)
    put(made.vault, "two")
    made.log.said, made.log.ends = said, ends

    with pytest.raises(WentBack):
        made.again()


def test_another_vault_s_database_is_refused(make: Callable[[], Made]) -> None:
    one, other = make(), make()
    other.log = one.log

    with pytest.raises(WentBack, match="nothing about this vault"):
        other.again()


# --- failures ---


def test_what_the_ledger_does_not_take_is_not_stored(made: Made) -> None:
    put(made.vault, "one")
    made.log.fails = True
    with pytest.raises(Unavailable):
        put(made.vault, "two")
    made.log.fails = False

    assert "one" == value(made.vault)
    assert 2 == put(made.vault, "three")
    assert "three" == value(made.again())


def test_a_change_that_the_store_refuses_leaves_the_vault_as_it_was(made: Made) -> None:
    put(made.vault, "one")
    no, yes = (
        ("CREATE TRIGGER no BEFORE INSERT ON version BEGIN SELECT RAISE(ABORT, 'full'); END", "DROP TRIGGER no") if made.is_sqlite
        else ("ALTER TABLE version ADD CONSTRAINT no CHECK (version < 2)", "ALTER TABLE version DROP CONSTRAINT no")
    )
    made.tamper(no)
    with pytest.raises(Unavailable, match="nothing was written"):
        put(made.vault, "two")
    made.tamper(yes)

    assert "one" == value(made.vault)
    assert 2 == put(made.vault, "three")
    assert "three" == value(made.again())


def test_a_crash_between_the_ledger_and_the_store_leaves_a_state_that_both_know(made: Made) -> None:
    put(made.vault, "one")
    before = made.vault.head
    made.log.intend(before.vault, before.seq + 1, "never came", before.name)

    assert "one" == value(made.again())


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["put", "delete", "undelete", "destroy", "rotate", "rewrap"]), st.integers(0, 3)), max_size=12))
def test_any_run_of_deeds_leaves_every_version_readable_or_gone_as_it_should_be(make: Callable[[], Made], deeds: list[tuple[str, int]]) -> None:
    made = make()
    written: dict[tuple[str, int], str] = {}
    for at, (deed, number) in enumerate(deeds):
        path = f"p{number}"
        if deed == "put":
            written[path, put(made.vault, f"value {at}", path)] = f"value {at}"
        elif deed in {"rotate", "rewrap"}:
            getattr(made.vault, deed)()
        elif any(path == of for of, _ in written):
            getattr(made.vault, deed)(path)
    fresh = made.again()
    for (path, version), text in written.items():
        held = fresh.record(path).held(version)
        assert held is not None
        if held.state is State.LIVE:
            assert text == value(fresh, path, version)
        else:
            with pytest.raises(Hidden):
                fresh.get(path, version)
