"""Notes and keys are those of C2SP signed-note; what is not signed by the key that is believed says nothing."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.ledger.checkpoint import Checkpoint, read_signed
from dockwarden.ledger.note import COSIGNER, BadNote, Note, NoteKey, Signature, cosigned, read_key, read_note, sign

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NAMED = NoteKey("log.example/one", KEY.public_key().public_bytes_raw())
TEXT = "log.example/one\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
PUBLISHED = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of the Go package golang.org/x/mod/sumdb/note."""


def test_a_key_and_a_note_of_another_implementation_are_read_and_verified() -> None:
    key = read_key(PUBLISHED)

    assert (PUBLISHED, "PeterNeumann") == (key.written(), key.name)
    assert 0 == key.signed_at(read_note(PUBLISHED_NOTE.encode()))
    assert PUBLISHED_NOTE == read_note(PUBLISHED_NOTE.encode()).written()


def test_what_is_signed_is_verified_and_nothing_else() -> None:
    note = sign(TEXT, NAMED.name, KEY)
    other = NoteKey(NAMED.name, Ed25519PrivateKey.generate().public_key().public_bytes_raw())

    assert 0 == NAMED.signed_at(read_note(note.written().encode()))
    assert NAMED.signed_at(Note(TEXT.replace("3", "4"), note.signatures)) is None
    assert other.signed_at(note) is None
    assert NoteKey("log.example/two", NAMED.public).signed_at(note) is None


def test_one_false_line_in_a_keys_name_spoils_the_note() -> None:
    note = sign(TEXT, NAMED.name, KEY)
    false = Signature(NAMED.name, NAMED.id, bytes(64))

    assert NAMED.signed_at(Note(TEXT, (*note.signatures, false))) is None
    assert 0 == NAMED.signed_at(Note(TEXT, (*note.signatures, Signature("someone", b"abcd", bytes(64)))))


def test_a_cosignature_says_when() -> None:
    witness = NoteKey("witness.example", NAMED.public, COSIGNER)
    line = Signature(witness.name, witness.id, (1_700_000_000).to_bytes(8, "big") + KEY.sign(cosigned(TEXT, 1_700_000_000)))
    later = Signature(witness.name, witness.id, (1_700_000_001).to_bytes(8, "big") + line.signature[8:])

    assert 1_700_000_000 == witness.signed_at(Note(TEXT, (line,)))
    assert witness.signed_at(Note(TEXT, (later,))) is None


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", TEXT, TEXT + "\n", TEXT + "\n- name aGVsbG8=\n", TEXT + "\n— name\n", TEXT + "\n— name aGVsbG8=", TEXT + "\n— na+me aGVsbG8=\n",
     TEXT + "\n— name !\n", "a\tb\n\n— name aGVsbG8=\n", TEXT + "\n" + "— name aGVsbG8=\n" * 65],
)
def test_what_is_no_note_is_said_to_be_none(text: str) -> None:
    with pytest.raises(BadNote):
        read_note(text.encode())


@pytest.mark.parametrize(
    "text", ["log\n3\nAAAA\n", "log\n03\n" + "A" * 43 + "=\n", "log\n-1\n" + "A" * 43 + "=\n", "log\n3\n" + "A" * 43 + "=\nmore\n", "\n3\n" + "A" * 43 + "=\n"]
)
def test_what_is_no_checkpoint_is_said_to_be_none(text: str) -> None:
    with pytest.raises(BadNote):
        read_signed(sign(text, NAMED.name, KEY).written().encode())


@pytest.mark.parametrize("text", ["", "name", "name+00000000+", NAMED.written().replace("one", "two"), NAMED.written()[:-4], "a b" + NAMED.written()])
def test_what_is_no_key_is_said_to_be_none(text: str) -> None:
    with pytest.raises(BadNote):
        read_key(text)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | st.text(alphabet="— \n+a=1", max_size=60).map(str.encode))
def test_any_bytes_are_a_note_or_bad(data: bytes) -> None:
    with contextlib.suppress(BadNote):
        assert read_note(data).written().encode() == data


def test_a_checkpoint_is_its_three_lines() -> None:
    checkpoint = read_signed(sign(TEXT, NAMED.name, KEY).written().encode()).checkpoint

    assert TEXT == checkpoint.text()
    assert Checkpoint("log.example/one", 3, checkpoint.root) == checkpoint
