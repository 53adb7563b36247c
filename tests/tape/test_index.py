"""The index: found by words and by what is known, sealed on the disk, and never more than may be found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockwarden.tape.faults import BadIndex
from dockwarden.tape.index import Index, Wanted, discard
from dockwarden.tape.opening import Opening
from dockwarden.tape.phrases import read_phrases
from dockwarden.tape.seen import Command, Line, Seen
from fixtures.searching import in_files

KEY = bytes(range(32))
CONTAINER = "4f5c" * 16


def opening(number: int, person: str = "alice", target: str = "Web-1", kind: str = "exec") -> Opening:
    return Opening(id=f"20260101-000000-{number:012x}", at=number * 100, person=person, kind=kind, target=target, detail={"container": CONTAINER})


def seen(*lines: str, command: str = "", exit: str = "0") -> Seen:
    commands = (Command(1, command, True),) if command else ()
    return Seen(lines=tuple(Line(number, line) for number, line in enumerate(lines)), commands=commands, exit=exit, read_bytes=1, is_whole=True)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path / "search.db", KEY, makes=True)
    made.put(opening(1), 150, seen("the wombat", "walks"), "")
    made.put(opening(2, "bob"), 250, seen("the quokka", command="rm -rf /data", exit="137"), "")
    made.put(opening(3, kind="attach", target="db"), 350, seen("another wombat"), "only the first 8.0 MiB were read")
    yield made
    made.close()


def found(index: Index, among: list[int] | None = None, text: str = "", command: str = "", **more: object) -> list[int]:
    wanted = Wanted(text=read_phrases(text), command=read_phrases(command), **more)  # type: ignore[arg-type]  # the tests' own
    return [row.started // 100 for row in index.find(wanted, among)[0]]


ALL = [1, 2, 3]


@pytest.mark.parametrize("among", [None, ALL])
def test_it_finds_by_all_that_is_known(index: Index, among: list[int] | None) -> None:
    """The same by the words' index, for who may find all, as by looking through, for who may not."""
    assert [3, 1] == found(index, among, "wombat")
    assert [1] == found(index, among, "walks wombat")
    assert [1] == found(index, among, '"wombat walks"')
    assert [] == found(index, among, '"walks wombat"')
    assert [2] == found(index, among, command="rm data") == found(index, among, "data") == found(index, among, "quokka rf")
    assert [] == found(index, among, command="quokka")
    assert [2] == found(index, among, exit="137") == found(index, among, person="bob")
    assert [2, 1] == found(index, among, target="web")
    assert [3] == found(index, among, kind="attach") == found(index, among, since=300) == found(index, among, "wombat", since=300)
    assert [1] == found(index, among, until=200)
    assert [3, 2, 1] == found(index, among, target=CONTAINER[:12]) == found(index, among)
    assert ([3], True) == (found(index, among, most=1), index.find(Wanted(most=1), among)[1])
    assert ([3], True) == (found(index, among, "wombat", most=1), index.find(Wanted(text=read_phrases("wombat"), most=1), among)[1])


def test_nothing_is_found_among_others(index: Index) -> None:
    assert [1] == found(index, [1, 2], "wombat")
    assert [] == found(index, [1, 3], "quokka") == found(index, [], "wombat") == found(index, [])
    assert False is index.find(Wanted(text=read_phrases("wombat"), most=1), [1])[1]


def test_a_tape_is_in_it_once_and_leaves_it_whole(index: Index, tmp_path: Path) -> None:
    index.put(opening(1), 150, seen("the numbat"), "")
    assert ([], [1]) == (found(index, text="walks"), found(index, text="numbat"))
    index.remove([opening(1).id, opening(3).id])

    assert ({opening(2).id}, [], []) == (index.ids(), found(index, text="numbat"), found(index, text="wombat"))
    assert 0 == (tmp_path / "search.db-wal").stat().st_size


def test_nothing_of_it_is_on_the_disk_in_clear(index: Index, tmp_path: Path) -> None:
    assert {"search.db", "search.db-wal", "search.db-shm"} == {file.name for file in tmp_path.iterdir()}
    words = [b"another wombat", b"the quokka", b"rm -rf /data", b"CREATE VIRTUAL TABLE", CONTAINER.encode(), KEY]
    assert [] == list(in_files(tmp_path, words))
    index.close()
    assert [] == list(in_files(tmp_path, words))


def test_another_key_a_damaged_file_and_another_version_are_told(index: Index, tmp_path: Path) -> None:
    file = tmp_path / "search.db"
    with pytest.raises(BadIndex, match="another key"):
        Index(file, bytes(32))
    with pytest.raises(BadIndex):
        Index(tmp_path / "absent.db", KEY)
    assert not (tmp_path / "absent.db").exists()
    index._db.execute("PRAGMA user_version = 9")
    with pytest.raises(BadIndex, match="another version"):
        Index(file, KEY, makes=True)
    index.close()
    with file.open("r+b") as stream:
        for page in range(1, file.stat().st_size // 4096):
            stream.seek(page * 4096 + 100)
            stream.write(os.urandom(16))
    with pytest.raises(BadIndex):
        found(Index(file, KEY), text="wombat")
    discard(file)
    assert [] == list(tmp_path.iterdir())
