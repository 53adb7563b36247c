"""Mounting, for real: needs root."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockwarden.doors.volumes.engine_view import must_see
from dockwarden.doors.volumes.kinds import Source
from dockwarden.doors.volumes.mount_calls import MS_BIND, mount
from dockwarden.doors.volumes.places import Places
from dockwarden.words.errors import BadConfig, Broken, Malformed, Unavailable

NAME, CALLER = "a" * 64, "b" * 64


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def places(run: Path) -> Iterator[Places]:
    made = Places(run)
    made.open()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    made.mkdir()
    (made / "f").write_text("content")
    return made


def put(places: Places, path: Path, *, is_read_only: bool = False, caller: str = CALLER) -> Path:
    fd = os.open(path, os.O_PATH)
    try:
        return places.put(NAME, caller, Source(fd, is_read_only))
    finally:
        os.close(fd)


def mounts_below(folder: Path) -> dict[str, list[str]]:
    """Mount point → its options and optional fields, of what is mounted strictly below `folder`."""
    rows = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return {row[4]: [*row[5].split(","), *row[6 : row.index("-")]] for row in rows if row[4].startswith(f"{folder}/")}


def test_a_folder_is_mounted_without_set_id_programs_and_devices(places: Places, folder: Path) -> None:
    place = put(places, folder)

    assert "content" == (place / "f").read_text()
    assert {"rw", "nosuid", "nodev"} <= set(mounts_below(place.parent)[str(place)])


def test_a_file_is_mounted(places: Places, folder: Path) -> None:
    assert "content" == put(places, folder / "f").read_text()


def test_read_only_is_read_only(places: Places, folder: Path) -> None:
    place = put(places, folder, is_read_only=True)

    with pytest.raises(OSError, match="Read-only"):
        (place / "made").touch()


def test_what_the_source_s_own_mount_forbids_stays_forbidden(places: Places, folder: Path) -> None:
    mount("none", folder, "tmpfs", 8 | 1)

    place = put(places, folder)

    assert {"ro", "noexec"} <= set(mounts_below(place.parent)[str(place)])
    subprocess.run(["umount", str(folder)], check=True)


def test_what_is_mounted_below_the_source_stays_out(places: Places, folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    mount("none", inner, "tmpfs", 0)
    (inner / "secret").touch()

    assert [] == list((put(places, folder) / "inner").iterdir())
    subprocess.run(["umount", str(inner)], check=True)


def test_the_same_use_again_is_the_same_mount(places: Places, folder: Path) -> None:
    place = put(places, folder)
    before = mounts_below(place.parent)

    assert place == put(places, folder)
    assert before == mounts_below(place.parent)


def test_another_file_under_the_same_name_replaces_the_mount(places: Places, folder: Path) -> None:
    put(places, folder)
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    (folder / "new").touch()

    place = put(places, folder)

    assert ["new"] == [path.name for path in place.iterdir()]
    assert 1 == len(mounts_below(place.parent))


def test_a_file_in_a_folder_s_place_replaces_it(places: Places, folder: Path) -> None:
    put(places, folder)

    assert "content" == put(places, folder / "f").read_text()


def test_every_caller_has_a_place_of_its_own(places: Places, folder: Path) -> None:
    first, second = put(places, folder), put(places, folder, caller="c")

    places.take(NAME, CALLER)

    assert not first.exists()
    assert (second / "f").exists()
    assert places.is_used(NAME)
    places.take(NAME, "c")
    assert not places.is_used(NAME)


def test_taking_what_is_not_there_is_no_error(places: Places) -> None:
    places.take(NAME, CALLER)


def test_a_mount_in_use_is_taken_down_all_the_same(places: Places, folder: Path) -> None:
    with (put(places, folder) / "f").open() as held:
        places.take(NAME, CALLER)

        assert "content" == held.read()
    assert not places.is_used(NAME)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\0", "-a", "a" * 129, "ä"])
def test_a_name_that_is_no_name_is_refused(places: Places, name: str) -> None:
    with pytest.raises(Malformed):
        places.path(name, CALLER)
    with pytest.raises(Malformed):
        places.path(NAME, name)
    assert not places.is_used(name)


def test_after_a_kill_the_next_process_finds_what_is_mounted(places: Places, run: Path, folder: Path) -> None:
    place = put(places, folder)
    before = len(mounts_below(run))

    after = Places(run)
    after.open()

    assert before == len(mounts_below(run))
    assert (place / "f").exists()
    after.take(NAME, CALLER)
    assert not after.is_used(NAME)


def test_what_a_kill_left_half_done_is_taken_down(places: Places, run: Path, folder: Path) -> None:
    """Between the bind and the move: mounted in staging, an empty place."""
    (run / "staging" / "7").mkdir()
    mount(str(folder), run / "staging" / "7", "", MS_BIND)
    (run / "places" / NAME / CALLER).mkdir(parents=True)

    after = Places(run)
    after.open()

    assert [] == list((run / "staging").iterdir())
    assert "content" == (put(after, folder) / "f").read_text()


def test_a_mount_that_fails_leaves_nothing(places: Places, run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = mount

    def failing(source: str, target: Path, kind: str, flags: int, data: str = "") -> None:
        if flags & (1 << 13):
            raise Broken("volume.mount", "no")
        real(source, target, kind, flags, data)

    monkeypatch.setattr("dockwarden.doors.volumes.places.mount", failing)
    with pytest.raises(Broken):
        put(places, folder)

    assert [] == list((run / "staging").iterdir())
    assert [] == list((run / "places").iterdir())


def test_a_run_folder_that_others_can_enter_refuses_to_open(run: Path) -> None:
    run.mkdir()
    run.chmod(0o755)

    with pytest.raises(BadConfig, match="not a folder for root alone"):
        Places(run).open()


def test_sweeping_spares_what_runs_and_what_is_young(places: Places, run: Path, folder: Path) -> None:
    put(places, folder)

    assert [] == places.sweep(frozenset(), 60)
    old = time.time() - 120
    os.utime(run / "places" / NAME, (old, old))
    assert [] == places.sweep(frozenset({NAME}), 60)
    assert [NAME] == places.sweep(frozenset(), 60)
    assert not places.is_used(NAME)


@pytest.mark.parametrize(("propagation", "is_seen"), [("slave", True), ("private", False)])
def test_whether_another_mount_namespace_sees_it_is_told(places: Places, folder: Path, propagation: str, is_seen: bool) -> None:
    with subprocess.Popen(["unshare", "-m", "--propagation", propagation, "sleep", "60"]) as other:
        while Path(f"/proc/{other.pid}/ns/mnt").stat().st_ino == Path("/proc/self/ns/mnt").stat().st_ino:
            time.sleep(0.01)
        time.sleep(0.2)
        place = put(places, folder, is_read_only=True)
        try:
            if is_seen:
                must_see(other.pid, place, folder.stat())
                with pytest.raises(OSError, match="Read-only"):
                    Path(f"/proc/{other.pid}/root{place}/made").touch()
            else:
                with pytest.raises(Unavailable, match=r"in a mount namespace that our mounts do not reach|there is nothing"):
                    must_see(other.pid, place, folder.stat())
        finally:
            other.kill()


def test_a_process_that_cannot_be_seen_sees_nothing(folder: Path) -> None:
    for pid in (0, 2**22 + 1):
        with pytest.raises(Unavailable):
            must_see(pid, folder, folder.stat())
