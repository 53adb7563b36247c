"""Frames come back as they were put, and any bytes are frames or one error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.tape.faults import BadSegment
from dockwarden.tape.frames import Frame, Kind, decode, encode

FRAMES = st.lists(st.builds(Frame, st.integers(0, 1 << 50), st.sampled_from(Kind), st.binary(max_size=300)), max_size=20).map(
    lambda frames: sorted(frames, key=lambda frame: frame.at_us)
)


@given(FRAMES)
def test_frames_come_back(frames: list[Frame]) -> None:
    since = frames[0].at_us if frames else 0

    assert frames == list(decode(encode(frames, since), since))


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_one_error(content: bytes) -> None:
    try:
        found = list(decode(content, 0))
    except BadSegment:
        return
    assert content == encode(found, 0)


@pytest.mark.parametrize("cut", [b"\x00", b"\x00\x01", b"\x00\x01\x05abc", b"\x80", b"\x00\x63\x00", b"\x80\x00\x01\x00", b"\xff" * 12])
def test_what_is_no_frame_is_said(cut: bytes) -> None:
    with pytest.raises(BadSegment):
        list(decode(cut, 0))


def test_a_clock_that_goes_back_makes_no_time_negative() -> None:
    back = [Frame(50, Kind.OUTPUT, b"a"), Frame(10, Kind.OUTPUT, b"b")]

    assert [50, 50] == [frame.at_us for frame in decode(encode(back, 50), 50)]
