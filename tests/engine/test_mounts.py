"""Every spelling of a mount has one form."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.mounts import (
    clean,
    is_below,
    local_volume_escape,
    make_mount,
    parse_bind,
    parse_tmpfs,
    parse_volumes_from,
    tmpfs_escape,
)
from dockwarden.words.errors import Malformed


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        ("", "."),
        ("/", "/"),
        ("//", "/"),
        ("//etc", "/etc"),
        ("/a/../..", "/"),
        ("/../x", "/x"),
        ("a/..", "."),
        ("../a", "../a"),
        ("/srv/work/../../etc", "/etc"),
        ("/a/./b//c/", "/a/b/c"),
        ("a/../../b", "../b"),
    ],
)
def test_paths_are_cleaned_as_go_does(path: str, cleaned: str) -> None:
    assert cleaned == clean(path)


@given(st.text(alphabet="/.ab", max_size=20))
def test_cleaning_agrees_with_posix_but_for_two_leading_slashes(path: str) -> None:
    expected = posixpath.normpath(path)

    assert (expected[1:] if expected.startswith("//") else expected) == clean(path) == clean(clean(path))


def test_a_folder_is_not_below_one_whose_name_it_begins_with() -> None:
    assert is_below("/srv/work", "/srv/work")
    assert is_below("/srv/work/a", "/srv/work")
    assert is_below("/x", "/")
    assert not is_below("/srv/worker", "/srv/work")


@pytest.mark.parametrize(
    ("text", "kind", "source", "target", "read_only", "propagation"),
    [
        ("/a:/b", "bind", "/a", "/b", False, ""),
        ("/a/../c:/b:ro", "bind", "/c", "/b", True, ""),
        ("/a:/b:rshared,ro", "bind", "/a", "/b", True, "rshared"),
        ("v:/b:nocopy", "volume", "v", "/b", False, ""),
        ("/b", "volume", "", "/b", False, ""),
        ("/a:/b:", "bind", "/a", "/b", False, ""),
        ("/a:/b/../c:rw,z", "bind", "/a", "/c", False, ""),
    ],
)
def test_a_bind_is_read_as_the_engine_reads_it(text: str, kind: str, source: str, target: str, read_only: bool, propagation: str) -> None:
    mount = parse_bind(text, "Binds[0]")

    assert (kind, source, target, read_only, propagation) == (mount.kind, mount.source, mount.target, mount.is_read_only, mount.propagation)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":/b",
        "/a:",
        "/a:/",
        "/a:b",
        "/a:/b:xx",
        "/a:/b:ro,rw",
        "/a:/b:z,Z",
        "/a:/b:c:d",
        "/a:ro",
        "/a:/b:ro:rw",
        "b",
        "a/b:/c",
        "/a:/b:RO",
    ],
)
def test_a_bind_that_the_engine_would_not_read_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_bind(text, "Binds[0]")


@given(st.text(alphabet="/a:.,rowzsh", max_size=24))
def test_any_bind_is_read_or_malformed(text: str) -> None:
    try:
        mount = parse_bind(text, "Binds[0]")
    except Malformed:
        return
    assert mount.target.startswith("/")
    assert mount.kind in {"bind", "volume"}


def test_volumes_from_names_a_container_and_a_mode() -> None:
    assert ("web", "ro") == (parse_volumes_from("web:ro", "x").container, parse_volumes_from("web:ro", "x").mode)
    for text in ("", ":ro", "web:rshared", "web:nocopy", "web:xx"):
        with pytest.raises(Malformed):
            parse_volumes_from(text, "x")


@pytest.mark.parametrize(
    ("kind", "source"), [("Bind", "/a"), ("bind", "a"), ("", "/a"), ("volume", "/etc"), ("volume", "../x"), ("BIND", "/")]
)
def test_an_entry_of_mounts_that_the_engine_refuses_is_malformed(kind: str, source: str) -> None:
    with pytest.raises(Malformed):
        make_mount(kind, source, "/x", "Mounts[0]")


@pytest.mark.parametrize(
    ("options", "escape"),
    [
        ({}, ""),
        ({"type": "tmpfs", "device": "tmpfs", "o": "size=64m,uid=1000"}, ""),
        ({"size": "10G"}, ""),
        ({"type": "none", "o": "bind", "device": "/etc"}, "volume-bind:/etc"),
        ({"device": "/etc", "o": "ro,rbind"}, "volume-bind:/etc"),
        ({"type": "tmpfs", "o": "size=1m,bind", "device": "/etc"}, "volume-bind:/etc"),
        ({"o": " BIND ", "device": "/srv/../etc"}, "volume-bind:/etc"),
        ({"type": "nfs", "o": "addr=1.2.3.4", "device": ":/x"}, "volume-mount:nfs"),
        ({"type": "cifs", "device": "//h/s"}, "volume-mount:cifs"),
        ({"type": "ext4", "device": "/dev/sda1"}, "volume-mount:ext4"),
        ({"type": "tmpfs", "device": "/etc"}, "volume-mount:tmpfs"),
        ({"type": "tmpfs", "device": "tmpfs", "o": "suid"}, "volume-mount:tmpfs"),
        ({"type": "tmpfs", "o": "remount", "device": "tmpfs"}, "volume-mount:tmpfs"),
        ({"Type": "none"}, "volume-option:Type"),
        ({"device": "/dev/sda"}, "volume-mount:?"),
        ({"type": "overlay", "o": "lowerdir=/etc", "device": "x"}, "volume-mount:overlay"),
    ],
)
def test_a_local_volume_with_a_device_is_a_mount_of_the_host(options: dict[str, str], escape: str) -> None:
    assert escape == local_volume_escape(options)


@pytest.mark.parametrize(
    ("options", "escape"),
    [
        ("", ""),
        ("size=64m,mode=1777,noexec", ""),
        ("rw,nosuid,nodev,exec,size=50%", ""),
        ("suid", "tmpfs-option:suid"),
        ("size=1m,dev", "tmpfs-option:dev"),
        ("mode=4755", "tmpfs-option:mode=4755"),
        ("lowerdir=/etc", "tmpfs-option:lowerdir=/etc"),
        ("rshared", "tmpfs-option:rshared"),
    ],
)
def test_flags_of_a_tmpfs_that_undo_its_safety_are_escapes(options: str, escape: str) -> None:
    assert escape == tmpfs_escape(parse_tmpfs("/tmp", options, "x"))
    flags = tuple(options.split(",")) if options else ()
    assert escape == tmpfs_escape(make_mount("tmpfs", "", "/tmp", "x", flags=flags))


def test_a_set_id_mode_of_a_tmpfs_is_an_escape() -> None:
    assert "tmpfs-option:mode=4755" == tmpfs_escape(make_mount("tmpfs", "", "/tmp", "x", mode=0o4755))
    assert "" == tmpfs_escape(make_mount("tmpfs", "", "/tmp", "x", mode=0o1777))
