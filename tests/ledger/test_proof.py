"""A proof shows one entry to who has the key alone; whatever is changed in it shows nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.ledger.checkpoint import ledger_key
from dockwarden.ledger.keys import make_key, read_public_key
from dockwarden.ledger.note import NoteKey
from dockwarden.ledger.proof import BadProof, read_proof
from dockwarden.ledger.prove import prove
from dockwarden.words.errors import BadConfig

from .writing import lines_of, published, write


def key_of(folder: Path) -> NoteKey:
    return ledger_key(read_public_key(folder / "signing.pub"))


def test_every_entry_that_is_vouched_for_is_proved(folder: Path) -> None:
    write(folder, 300)

    for seq in (1, 2, 255, 256, 257, published(folder).checkpoint.size):
        proof = read_proof(prove(folder, seq).written().encode())
        proof.check(key_of(folder))
        assert (seq - 1, lines_of(folder)[seq - 1]) == (proof.index, proof.line)


def test_what_is_not_vouched_for_is_not_proved(folder: Path) -> None:
    write(folder, 30)

    for seq in (0, -1, published(folder).checkpoint.size + 1, 10**9):
        with pytest.raises(BadConfig, match=f"entry {seq}"):
            prove(folder, seq)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, NoteKey, NoteKey]:
    folder = tmp_path_factory.mktemp("proof") / "ledger"
    make_key(folder)
    make_key(folder.with_name("other"))
    write(folder, 40)
    return prove(folder, 20).written(), key_of(folder), key_of(folder.with_name("other"))


def test_another_key_proves_nothing(made: tuple[str, NoteKey, NoteKey]) -> None:
    with pytest.raises(BadProof, match="not signed by"):
        read_proof(made[0].encode()).check(made[2])


@given(st.data())
def test_a_changed_proof_proves_nothing_else(made: tuple[str, NoteKey, NoteKey], data: st.DataObject) -> None:
    """One character or one line of it is changed, dropped or doubled: it is bad, or shows what it showed."""
    text, key, _ = made
    good = read_proof(text.encode())
    lines = text.split("\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["drop", "double", "character"]))
    if how == "drop":
        lines.pop(at)
    elif how == "double":
        lines.insert(at, lines[at])
    else:
        place = data.draw(st.integers(0, max(0, len(lines[at]) - 1)))
        lines[at] = lines[at][:place] + data.draw(st.sampled_from("Aa0+= ")) + lines[at][place + 1 :]
    try:
        found = read_proof("\n".join(lines).encode())
        found.check(key)
    except BadProof:
        return
    assert (good.line, good.index, good.signed.checkpoint) == (found.line, found.index, found.signed.checkpoint)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_proof_or_bad(data: bytes) -> None:
    with pytest.raises(BadProof):
        read_proof(data)
