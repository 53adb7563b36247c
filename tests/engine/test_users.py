"""Users are worked out as the Engine does, and every doubt is root or a refusal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.users import atoi, effective_user, group_id, groups_of, read_group, read_passwd
from dockwarden.words.errors import Forbidden

PASSWD = (
    "root:x:0:0::/:/bin/sh\n app:x:1000:1001::/:\nbob:x:0:5::/:\n"
    "odd:x:abc:7\nshort:x:1200\n#comment\n\ntwo:x:1000:2000\nbig:x:4294967296:1\n"
)
GROUP = "root:x:0:\napp:x:1001:\nmore:x:29:app,two\nwheel:x:0:wheeler\nstaff:x:50:app\n"


@pytest.mark.parametrize(
    ("spec", "uid", "gid", "groups", "is_root"),
    [
        ("", 0, 0, (), True),
        ("0", 0, 0, (), True),
        ("00", 0, 0, (), True),
        ("+0", 0, 0, (), True),
        ("-0", 0, 0, (), True),
        ("0:0", 0, 0, (), True),
        (":0", 0, 0, (), True),
        (":1001", 0, 1001, (), True),
        ("root", 0, 0, (), True),
        ("bob", 0, 5, (), True),
        ("odd", 0, 7, (), True),
        ("1000:0", 1000, 0, (), True),
        ("1000:root", 1000, 0, (), True),
        ("4242", 4242, 0, (), True),
        ("short", 1200, 0, (), True),
        ("app", 1000, 1001, (29, 50), False),
        ("1000", 1000, 1001, (29, 50), False),
        ("01000", 1000, 1001, (29, 50), False),
        ("app:app", 1000, 1001, (), False),
        ("app:29", 1000, 29, (), False),
        ("4242:4242", 4242, 4242, (), False),
        ("two", 1000, 2000, (29,), False),
    ],
)
def test_a_spec_becomes_the_numbers_that_the_engine_would_use(
    spec: str, uid: int, gid: int, groups: tuple[int, ...], is_root: bool
) -> None:
    user = effective_user(spec, PASSWD, GROUP, is_given=True)

    assert (uid, gid, groups, is_root) == (user.uid, user.gid, user.groups, user.is_root)
    assert f"{uid}:{gid}" == user.wire


@pytest.mark.parametrize(
    "spec",
    [
        " 0",
        "0 ",
        "1_0",
        "\u0660",
        "0x0",
        "1e3",
        "-1",
        "99999999999",
        "9" * 30,
        "1:2:3",
        ":",
        "1000:",
        "big",
        "a b",
        "a\n",
        "app:nosuch",
        "nosuch",
        "\u00a00",
        "1000:-1",
        "app: 0",
        "root\0",
    ],
)
def test_a_spec_that_cannot_be_told_is_refused_with_a_way_out(spec: str) -> None:
    with pytest.raises(Forbidden) as refused:
        effective_user(spec, PASSWD, GROUP, is_given=True)

    assert refused.value.code in {"user.unclear", "user.unknown"}
    assert "write" in refused.value.message


@given(st.text(max_size=12), st.text(max_size=80), st.text(max_size=80))
def test_any_spec_in_any_files_is_numbers_or_a_refusal(spec: str, passwd: str, group: str) -> None:
    try:
        user = effective_user(spec, passwd, group, is_given=True)
    except Forbidden:
        return
    again = effective_user(user.wire, passwd, group, is_given=True)
    assert (user.uid, user.gid) == (again.uid, again.gid)


def test_numbers_stay_the_same_whatever_passwd_says_later() -> None:
    user = effective_user("app", PASSWD, GROUP, is_given=True)

    assert (1000, 1001) == tuple(map(int, user.wire.split(":")))
    for passwd in ("app:x:0:0\n", "", "x:x:1000:0\n"):
        later = effective_user(user.wire, passwd, "evil:x:0:x,app\n", is_given=True)
        assert (1000, 1001, ()) == (later.uid, later.gid, later.groups)


def test_without_the_image_only_two_numbers_are_clear_and_the_rest_is_root() -> None:
    assert not effective_user("1000:1000", None, None, is_given=True).is_root
    for spec in ("", "1000", "app", "app:app", "1000:app"):
        user = effective_user(spec, None, None, is_given=bool(spec))
        assert user.is_root
        assert not user.is_clear
        assert "" == user.wire


def test_root_of_a_user_namespace_is_not_root() -> None:
    assert not effective_user("", PASSWD, GROUP, is_given=False, is_remapped=True).is_root


def test_a_supplementary_group_0_counts_as_root() -> None:
    assert effective_user("wheeler", "wheeler:x:7:7\n", GROUP, is_given=True).is_root


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("+5", 5), ("-5", -5), ("007", 7), ("", None), ("1_0", None), (" 1", None), ("٣", None)]
)
def test_atoi_is_go_s(text: str, number: int | None) -> None:
    assert number == atoi(text)


def test_account_files_are_read_line_by_line_as_go_reads_them() -> None:
    assert ["root", "app", "bob"] == [entry.name for entry in read_passwd(PASSWD)][:3]
    assert ("app", "two") == read_group(GROUP)[2].members
    assert 1 == len(read_passwd("a:x:1:1\x0bb:x:2:2"))
    with pytest.raises(Forbidden):
        read_passwd("a:x:1:1:" + "x" * 70_000)


def test_groups_are_numbers_or_names_of_the_image() -> None:
    assert 29 == group_id("more", GROUP)
    assert 77 == group_id("77", GROUP)
    assert frozenset({1001, 2000, 29, 50}) == groups_of(1000, PASSWD, GROUP)
    for text in ("nosuch", "-1", "1_0", ""):
        with pytest.raises(Forbidden):
            group_id(text, GROUP)
