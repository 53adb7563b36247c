"""What is kept of a file is the file, however it was written; a tape that says anything else is called unreadable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.tape import files, kept
from dockwarden.tape.faults import BadSegment
from dockwarden.tape.files import Begun, Ended, Sum
from dockwarden.tape.frames import Frame, Kind

LIMIT = 1000
STEPS = st.lists(
    st.tuples(st.one_of(st.integers(0, 300), st.tuples(st.integers(0, 300), st.binary(min_size=1, max_size=60))), st.booleans()), max_size=30
)
"""Sizes that it is cut to and pieces that are written, each with whether the server takes it."""


def tape(*said: bytes) -> list[Frame]:
    return [Frame(at, Kind.FILE, data) for at, data in enumerate(said)]


def begun(token: int = 1, deed: str = "write", keep_bytes: int = LIMIT) -> bytes:
    return files.begun(token, Begun(deed=deed, path=f"/f{token}", keep_bytes=keep_bytes))


def exported(frames: list[Frame], number: int = 1, *, with_untaken: bool = False) -> bytes:
    return b"".join(kept.contents(lambda: frames, kept.copies_of(frames)[number - 1], with_untaken=with_untaken))


def model(steps: Iterable[object]) -> bytes:
    """What a file is after these, done in order."""
    made = bytearray()
    for step in steps:
        if isinstance(step, int):
            made[step:] = bytes(max(step - len(made), 0))
        else:
            offset, data = step  # type: ignore[misc]  # the other of the two
            made.extend(bytes(max(offset + len(data) - len(made), 0)))
            made[offset : offset + len(data)] = data
    return bytes(made)


@given(STEPS, st.integers(1, 400))
def test_what_is_exported_is_what_the_server_has(steps: list[tuple[object, bool]], window: int) -> None:
    said = [begun()]
    for number, (step, is_taken) in enumerate(steps):
        said.append(files.cut(1, step) if isinstance(step, int) else files.piece(1, *step, is_upload=True))  # type: ignore[misc]  # as above
        said += [] if is_taken else [files.untaken(1, number)]
    frames = tape(*said)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "WINDOW_BYTES", window)
        assert model(step for step, is_taken in steps if is_taken) == exported(frames)
        assert model(step for step, _ in steps) == exported(frames, with_untaken=True)


def test_two_directions_of_one_opening_are_two_files() -> None:
    frames = tape(begun(deed="read-write"), files.piece(1, 0, b"up", is_upload=True), files.piece(1, 5, b"down", is_upload=False))

    assert [(1, True), (2, False)] == [(one.number, one.is_upload) for one in kept.copies_of(frames)]
    assert (b"up", b"\0\0\0\0\0down") == (exported(frames), exported(frames, 2))


def test_copies_that_go_on_at_once_are_kept_apart() -> None:
    frames = tape(begun(1), begun(2), *(files.piece(token, at, b"%d" % token, is_upload=True) for at in range(5) for token in (1, 2)))

    assert (b"11111", b"22222") == (exported(frames, 1), exported(frames, 2))


@pytest.mark.parametrize("digest", [hashlib.sha256(b"same").hexdigest(), hashlib.sha256(b"other").hexdigest()])
def test_contents_are_compared_with_the_digest_before_the_first_byte(digest: str) -> None:
    ended = files.ended(1, Ended(status=0, written=Sum(bytes=4, sha256=digest, ranges=1), is_complete=True))
    frames = tape(begun(), files.piece(1, 0, b"same", is_upload=True), ended)

    if digest == hashlib.sha256(b"same").hexdigest():
        assert b"same" == exported(frames)
    else:
        with pytest.raises(BadSegment, match="another SHA-256"):
            next(iter(kept.contents(lambda: frames, kept.copies_of(frames)[0])))


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([files.piece(1, 0, b"x", is_upload=True)], id="of no copy"),
        pytest.param([begun(), begun()], id="begun twice"),
        pytest.param([begun(), files.piece(1, 2**64 - 1, b"x", is_upload=True), files.cut(1, 0)], id="beyond all bounds"),
        pytest.param([begun(), files.cut(1, LIMIT + 1)], id="cut beyond what may be kept"),
        pytest.param([begun(), files.cut(1, 5) + b"x"], id="too long"),
        pytest.param([b"\x07" + bytes(16)], id="of no kind"),
        pytest.param([b"\x01" + bytes(8) + b"{"], id="no JSON"),
        pytest.param([b""], id="empty"),
    ],
)
def test_a_tape_that_cannot_be_is_called_so(said: list[bytes]) -> None:
    with pytest.raises(BadSegment):
        exported(tape(*said))


@pytest.mark.fuzz
@given(st.binary(max_size=60))
def test_a_frame_is_read_or_called_unreadable(data: bytes) -> None:
    try:
        files.read(data)
    except BadSegment:
        return
