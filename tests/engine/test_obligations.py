"""The terms of a session among the words of @harden."""

from __future__ import annotations

import pytest

from dockwarden.engine.obligations import parse_obligations
from dockwarden.words.errors import BadConfig


@pytest.mark.parametrize(
    ("texts", "terms"),
    [
        ((), (0, 0, False)),
        (("longest=8h, idle=15m, watched",), (28_800, 900, True)),
        (("longest=8h", "longest=90m"), (5_400, 0, False)),
        (("longest=1d, idle=90s", "idle=2m, watched"), (86_400, 90, True)),
    ],
)
def test_the_strictest_of_several_counts(texts: tuple[str, ...], terms: tuple[int, int, bool]) -> None:
    found = parse_obligations(texts)

    assert terms == (found.longest_s, found.idle_s, found.watched)


@pytest.mark.parametrize(("texts", "size"), [((), 0), (("keep-files=64m",), 64 << 20), (("keep-files=64m", "keep-files=1k, watched"), 1024)])
def test_of_what_is_kept_the_lower_bound_counts(texts: tuple[str, ...], size: int) -> None:
    assert size == parse_obligations(texts).keep_files


@pytest.mark.parametrize("word", ["keep-files", "keep-files=", "keep-files=0", "keep-files=2t", "keep-files=-1m", "keep-files=64 m", "keep-files=٣m"])
def test_what_is_no_size_of_a_file_does_not_load(word: str) -> None:
    with pytest.raises(BadConfig, match="is no obligation"):
        parse_obligations([word])


@pytest.mark.parametrize("word", ["longest=", "longest", "longest=0s", "longest=8", "idle=8 h", "idle=1.5h", "idle=-1m", "longest=4000d", "idle=٣m", "watched=yes", "longest=8H"])
def test_what_is_no_length_of_time_does_not_load(word: str) -> None:
    with pytest.raises(BadConfig, match="is no obligation"):
        parse_obligations([word])
