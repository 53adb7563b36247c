"""A copy's command line is told from every other, and written so that it can be no other."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.doors.ssh.files.scp_command import read_scp


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"scp -t /tmp", b"scp -t -- /tmp"),
        (b"scp -v -r -p -d -t -- -x", b"scp -r -p -d -t -- -x"),
        (b"scp -rpt .", b"scp -r -p -t -- ."),
        (b"scp -q -f a b", b"scp -f -- a b"),
        (b"scp -f 'a b'", b"scp -f -- a\\ b"),
        (b'scp -f "a;b"\\;c', b"scp -f -- a\\;b\\;c"),
        (b"scp -f *.log ~/x '*'", b"scp -f -- *.log ~/x \\*"),
        (b"scp -f ''", b"scp -f -- ''"),
        (b"scp -f 'a~' \\~ a~", b"scp -f -- a\\~ \\~ a\\~"),
        (b"scp -t \xc3\xbc\xff", b"scp -t -- \xc3\xbc\xff"),
        (b"scp -f '$(id)'", b"scp -f -- \\$\\(id\\)"),
    ],
)
def test_a_copy_is_written_afresh(line: bytes, expected: bytes) -> None:
    found = read_scp(line)

    assert found is not None
    assert expected == found.line


@pytest.mark.parametrize(
    "line",
    [
        b"", b"scp", b"scp -t", b"scp -t a b", b"scp -f -t a", b"scp a b", b"scp -S sh -t a", b"scp -x -t a", b"scp -t a; id", b"scp -t a && id", b"scp -f $(id)",
        b"scp -f `id`", b'scp -f "$(id)"', b'scp -f "`id`"', b"scp -f a > b", b"scp -f a\nid", b"scp -f 'a", b"scp -f a\\", b"scp -f a #b", b"scp -f <(id)", b"env scp -t a",
        b"/tmp/scp -t a", b"sftp-server", b"X=1 scp -t a", b"scp --help -t a", b"scp -f 'a\x1b'", b"scp -o ProxyCommand=id -t a", b"scp -f a|id", b"scp -f (a)",
    ],
)  # fmt: skip
def test_another_command_is_none(line: bytes) -> None:
    assert read_scp(line) is None


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        (b"scp -f dir/a", b"a", b"dir/a"),
        (b"scp -f dir/a", b".bashrc", None),
        (b"scp -r -f dir/sub/", b"sub", b"dir/sub"),
        (b"scp -f dir/*.log", b"x.log", b"dir/x.log"),
        (b"scp -f dir/*.log", b"x.sh", None),
        (b"scp -f 'dir/*.log'", b"x.log", None),
        (b"scp -f 'dir/*.log'", b"*.log", b"dir/*.log"),
        (b"scp -f [!a]b", b"cb", b"cb"),
        (b"scp -f [!a]b", b"ab", None),
        (b"scp -f {a,b}", b"b", b"b"),
        (b"scp -r -f .", b"anything", b"anything"),
        (b"scp -r -f ~", b"alice", b"alice"),
        (b"scp -f a b", b"b", b"b"),
        (b"scp -f /a", b"a", b"/a"),
        (b"scp -f ~/a", b"a", b"~/a"),
        (b"scp -f ~/a", b"b", None),
        (b"scp -f a[", b"a[", b"a["),
    ],
)
def test_a_name_is_one_that_was_asked_for(line: bytes, name: bytes, expected: bytes | None) -> None:
    found = read_scp(line)

    assert found is not None
    assert expected == found.source_of(name)


@pytest.mark.parametrize(
    ("line", "expected"),
    [(b"scp -f a/*", False), (b"scp -f /et*/shadow", True), (b"scp -f '/et*/shadow'", False), (b"scp -t d*", True), (b"scp -t ~/d", False), (b"scp -f */", False)],
)
def test_a_pattern_that_hides_a_folder_is_seen(line: bytes, expected: bool) -> None:
    found = read_scp(line)

    assert found is not None
    assert expected is found.hides_folders


@given(st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), min_size=1, max_size=12))
def test_any_name_that_was_quoted_reaches_a_shell_as_it_was(name: str) -> None:
    found = read_scp(f"scp -t -- {shlex.quote(name)}".encode())
    if any((ord(char) < 0x20 and char != "\t") or ord(char) == 0x7F for char in name):
        assert found is None
        return

    assert found is not None
    shown = subprocess.run(["sh", "-c", b'printf "%s\\n" ' + found.line.removeprefix(b"scp -t -- ")], stdout=subprocess.PIPE, check=True).stdout
    assert name.encode() + b"\n" == shown


@given(st.binary(max_size=40))
def test_any_line_is_a_copy_or_none_and_reads_the_same_again(rest: bytes) -> None:
    found = read_scp(b"scp -f " + rest)

    if found is not None:
        again = read_scp(found.line)
        assert again is not None
        assert found.paths == again.paths
        assert found.line == again.line
