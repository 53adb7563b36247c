"""Segments are bound to each other, to their tape, its key and the ledger's: whatever is changed is found."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dockwarden.tape.faults import BadSegment
from dockwarden.tape.opening import new_key
from dockwarden.tape.segment import Flag, Sealer, Segment, check, read_head, unseal

ID = "20260101-000000-0123456789ab"
START = b"\x07" * 32


@pytest.fixture(scope="module")
def signer() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def three(signer: Ed25519PrivateKey, key: bytes, id: str = ID) -> list[Segment]:
    sealer = Sealer(id, key, START, signer.sign)
    return [sealer.seal(content, 1_000_000 + at, at, flags) for at, (content, flags) in enumerate([(b"one", Flag(0)), (b"two" * 999, Flag(0)), (b"", Flag.LAST)])]


def parsed(stored: bytes) -> Segment:
    head = read_head(stored, 0)
    assert head is not None
    return Segment(head, stored[len(stored) - head.length :] if head.length else b"")


def accept(segments: list[Segment], signer: Ed25519PrivateKey, key: bytes, id: str = ID) -> list[bytes]:
    previous, out = START, []
    for seq, segment in enumerate(segments, 1):
        check(segment, previous, seq, id, signer.public_key())
        out.append(unseal(segment, previous, key))
        previous = segment.head.hash
    return out


def test_what_was_sealed_comes_back(signer: Ed25519PrivateKey) -> None:
    key = new_key()
    made = [parsed(segment.stored()) for segment in three(signer, key)]

    assert [b"one", b"two" * 999, b""] == accept(made, signer, key)
    assert b"two" not in b"".join(segment.stored() for segment in made)


def test_every_flipped_bit_is_found(signer: Ed25519PrivateKey) -> None:
    key = new_key()
    first = three(signer, key)[0].stored()
    for at in range(len(first)):
        changed = first[:at] + bytes([first[at] ^ 1]) + first[at + 1 :]
        with pytest.raises((BadSegment, AssertionError)):
            accept([parsed(changed)], signer, key)


def test_segments_that_are_swapped_dropped_or_another_tapes_are_found(signer: Ed25519PrivateKey) -> None:
    key = new_key()
    one, two, last = three(signer, key)
    for wrong in ([two, one, last], [two, last], [one, last], [one, one, two]):
        with pytest.raises(BadSegment):
            accept(wrong, signer, key)
    with pytest.raises(BadSegment, match="signed"):
        accept(three(signer, key, ID.replace("2026", "2027")), signer, key)
    with pytest.raises(BadSegment, match="signed"):
        accept(three(Ed25519PrivateKey.generate(), key), signer, key)
    with pytest.raises(BadSegment, match="opened"):
        accept([one], signer, new_key())


def test_the_beginning_of_a_segment_is_none_yet(signer: Ed25519PrivateKey) -> None:
    stored = three(signer, new_key())[0].stored()
    assert all(read_head(stored[:size], 0) is None for size in range(1, 100))
    with pytest.raises(BadSegment):
        read_head(b"other", 0)
