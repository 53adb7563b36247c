"""Who made what: marks believed once, labels never, and a snapshot that is what was written."""

from __future__ import annotations

from pathlib import Path

from dockwarden.access.owners import Deed, Owners, open_snapshot, read_snapshot, write_snapshot
from dockwarden.engine.labels import CALL
from dockwarden.words.ask import Kind
from dockwarden.words.principal import Principal


def owners() -> Owners:
    made = Owners()
    made.apply(Deed(mark="m1", marks="Container", owner="alice"))
    return made


def test_a_mark_is_believed_once_and_by_its_own_kind() -> None:
    index = owners()

    assert "" == index.resource(Kind.NETWORK, "n1", "n", {CALL: "m1"}).owner
    assert "alice" == index.resource(Kind.CONTAINER, "c1", "c", {CALL: "m1"}).owner
    assert "" == index.resource(Kind.CONTAINER, "c2", "c", {CALL: "m1"}).owner
    assert "" == index.resource(Kind.CONTAINER, "c3", "c", {"dockwarden.owner": "alice"}).owner


def test_a_volume_made_anew_outside_is_nobody_s() -> None:
    index = Owners()
    index.apply(Deed(made=(("Volume", "v", "alice", "m2"),)))

    assert "alice" == index.resource(Kind.VOLUME, "v", "v", {CALL: "m2"}).owner
    assert "" == index.resource(Kind.VOLUME, "v", "v", {}).owner


def test_an_image_name_is_held_by_who_made_it_first() -> None:
    index = Owners(is_sharing=lambda name: name == "adam")
    alice, bob = Principal("alice"), Principal("bob")
    index.apply(Deed(named=(("docker.io/library/mine:latest", "alice", "build"), ("docker.io/library/node:20", "alice", "pull"))))
    index.apply(Deed(named=(("docker.io/library/mine:latest", "bob", "tag"), ("docker.io/library/base:1", "adam", "build"))))

    assert ["own", "other", "refresh", "shared", "new"] == [
        index.name_state("mine", alice, exists=True), index.name_state("mine:latest", bob, exists=True), index.name_state("node:20", bob, exists=True),
        index.name_state("busybox", alice, exists=True), index.name_state("unheard", alice, exists=False),
    ]
    shared = [index.resource(Kind.IMAGE, "sha256:1", "", {}, (tag,), "bob").is_shared for tag in ("mine:latest", "node:20", "base:1", "busybox:latest")]
    assert [False, True, True, True] == shared


def test_a_snapshot_is_what_was_written(tmp_path: Path) -> None:
    index = owners()
    index.apply(Deed(made=(("Container", "c9", "alice", "m9"),), named=(("docker.io/library/mine:latest", "alice", "build"),)))
    store = open_snapshot(tmp_path / "owners.db")
    write_snapshot(store, index, 42)
    again = Owners()
    read_snapshot(store, again)

    assert (index.owned, index.held, index.pending, 42) == (again.owned, again.held, again.pending, again.applied)
