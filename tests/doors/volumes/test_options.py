"""What the driver is told: seals, records, and the options of a bind. Nothing here is mounted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dockwarden.doors.volumes.binds import Binds
from dockwarden.doors.volumes.driver import GRACE_S, VolumeDriver
from dockwarden.doors.volumes.kinds import Options
from dockwarden.doors.volumes.places import Places
from dockwarden.doors.volumes.records import Records
from dockwarden.doors.volumes.seal import SEAL, Sealer, read_sealer
from dockwarden.words.errors import BadConfig, Broken, Forbidden, Hidden, Malformed, Refused

SEALER = Sealer(b"k" * 32)
GOOD = {
    "dockwarden.root": "/srv/work", "dockwarden.path": "alice/x", "dockwarden.mode": "rw",
    "dockwarden.uid": "20001", "dockwarden.gid": "20001", "dockwarden.groups": "20001,30000",
}  # fmt: skip


def sealed(**more: str) -> dict[str, str]:
    options = {**GOOD, **{f"dockwarden.{name}": value for name, value in more.items()}}
    return {**options, SEAL: SEALER.seal(options)}


@pytest.fixture
def driver(tmp_path: Path) -> VolumeDriver:
    return VolumeDriver(Records(tmp_path / "volumes"), Places(tmp_path / "run"), SEALER, {"bind": Binds(["/srv/work", "/srv/other/"])})


def test_a_seal_is_for_all_options_together() -> None:
    assert SEALER.is_ours(sealed())
    for name in GOOD:
        assert not SEALER.is_ours({key: value for key, value in sealed().items() if key != name})
        assert not SEALER.is_ours({**sealed(), name: "0"})
    assert not SEALER.is_ours({**sealed(), "more": ""})
    assert not SEALER.is_ours(GOOD)
    assert not SEALER.is_ours({**GOOD, SEAL: ""})
    assert not SEALER.is_ours({**sealed(), SEAL: "ä"})


def test_a_seal_cannot_be_moved_between_names_and_values() -> None:
    assert SEALER.seal({"a": "bc"}) != SEALER.seal({"ab": "c"})
    assert SEALER.seal({"a": "b", "c": "d"}) != SEALER.seal({"a": 'b"],["c","d'})


def test_another_key_does_not_make_our_seal() -> None:
    assert not Sealer(b"o" * 32).is_ours(sealed())


def test_a_sealer_shows_its_key_to_nobody() -> None:
    assert "kkk" not in repr(SEALER)


def test_the_key_is_read_as_init_makes_it(tmp_path: Path) -> None:
    (tmp_path / "seal.key").write_bytes(b"k" * 32)
    (tmp_path / "seal.key").chmod(0o600)

    assert read_sealer(tmp_path / "seal.key").is_ours(sealed())


@pytest.mark.parametrize(("content", "mode", "words"), [(b"k" * 32, 0o640, "others may use"), (b"k" * 31, 0o600, "no key"), (b"k" * 33, 0o600, "no key")])
def test_a_key_that_is_none_refuses_to_start(tmp_path: Path, content: bytes, mode: int, words: str) -> None:
    (tmp_path / "seal.key").write_bytes(content)
    (tmp_path / "seal.key").chmod(mode)

    with pytest.raises(BadConfig, match=words):
        read_sealer(tmp_path / "seal.key")
    with pytest.raises(BadConfig, match="cannot be read"):
        read_sealer(tmp_path / "absent.key")


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"root": "/etc"}, Forbidden),
        ({"root": ""}, Malformed),
        ({"root": "/srv/work/"}, Malformed),
        ({"root": "/srv/work/alice"}, Forbidden),
        ({"root": "/srv/work/../work"}, Malformed),
        ({"path": ""}, Malformed),
        ({"path": "/etc"}, Malformed),
        ({"path": "../../etc"}, Malformed),
        ({"path": "a/../../../etc"}, Malformed),
        ({"path": "a\0b"}, Malformed),
        ({"mode": "RW"}, Malformed),
        ({"mode": ""}, Malformed),
        ({"uid": "-1"}, Malformed),
        ({"uid": "+0"}, Malformed),
        ({"uid": " 0"}, Malformed),
        ({"uid": "\u0660"}, Malformed),
        ({"uid": "4294967295"}, Malformed),
        ({"uid": ""}, Malformed),
        ({"gid": ""}, Malformed),
        ({"groups": "1,,2"}, Malformed),
        ({"groups": "docker"}, Malformed),
        ({"kind": "nothing"}, Forbidden),
    ],
)
def test_options_that_cannot_be_meant_are_refused_at_create(driver: VolumeDriver, more: dict[str, str], error: type[Refused]) -> None:
    with pytest.raises(error):
        driver.create("v", sealed(**more))
    assert not driver.has("v")


@pytest.mark.parametrize("more", [{}, {"path": "."}, {"root": "/srv/other"}, {"groups": ""}, {"kind": "bind"}, {"bind": "/srv/work/alice/x:/y"}])
def test_options_as_the_door_writes_them_are_recorded(driver: VolumeDriver, more: dict[str, str]) -> None:
    driver.create("v", sealed(**more))

    driver.get("v")


def test_options_without_an_account_are_recorded(driver: VolumeDriver) -> None:
    options = {name: GOOD[name] for name in ("dockwarden.root", "dockwarden.path", "dockwarden.mode")}

    driver.create("v", {**options, SEAL: SEALER.seal(options)})

    driver.get("v")


def test_the_same_volume_again_is_the_same_and_another_is_refused(driver: VolumeDriver) -> None:
    driver.create("v", sealed())

    driver.create("v", sealed())
    with pytest.raises(Forbidden, match="other options"):
        driver.create("v", sealed(path="alice/y"))


def test_a_record_changed_on_disk_is_not_believed(driver: VolumeDriver, tmp_path: Path) -> None:
    driver.create("v", sealed())
    file = tmp_path / "volumes" / "v.json"
    file.write_text(file.read_text().replace("alice", "bob"))

    with pytest.raises(Forbidden, match="not made by dockwarden"):
        driver.mount("v", "c")


def test_a_record_that_cannot_be_read_refuses(driver: VolumeDriver, tmp_path: Path) -> None:
    (tmp_path / "volumes" / "v.json").write_text("{")

    with pytest.raises(Broken):
        driver.get("v")


@pytest.mark.parametrize("name", ["absent", "../volumes/v", "", "a/b"])
def test_what_is_not_there_is_absent(driver: VolumeDriver, name: str) -> None:
    with pytest.raises(Hidden):
        driver.get(name)
    with pytest.raises(Hidden):
        driver.mount(name, "c")


def test_a_removed_volume_is_gone(driver: VolumeDriver) -> None:
    driver.create("v", sealed())

    driver.remove("v")

    assert not driver.has("v")
    driver.remove("v")


def test_only_sealed_options_are_restored_and_never_over_a_record(driver: VolumeDriver, tmp_path: Path) -> None:
    driver.restore("forged", GOOD)
    driver.restore("ours", sealed())
    driver.restore("ours", sealed(path="other"))

    assert not driver.has("forged")
    assert "alice/x" in (tmp_path / "volumes" / "ours.json").read_text()


def test_strays_are_old_and_wanted_by_nobody(driver: VolumeDriver, tmp_path: Path) -> None:
    for name in ("young", "old", "wanted"):
        driver.create(name, sealed())
    then = time.time() - GRACE_S - 1
    for name in ("old", "wanted"):
        os.utime(tmp_path / "volumes" / f"{name}.json", (then, then))

    assert ["old"] == driver.strays({"wanted"})


def test_refusals_are_told(tmp_path: Path) -> None:
    told: list[tuple[str, str, str]] = []

    def tell(verb: str, name: str, _: Options, error: Refused | None) -> None:
        told.append((verb, name, error.code if error else ""))

    driver = VolumeDriver(Records(tmp_path / "volumes"), Places(tmp_path / "run"), SEALER, {"bind": Binds(["/srv/work"])}, tell)
    with pytest.raises(Forbidden):
        driver.create("v", GOOD)
    with pytest.raises(Hidden):
        driver.mount("w", "c")

    assert [("create", "v", "volume.unsealed"), ("mount", "w", "volume.absent")] == told


def test_records_are_for_root_alone(driver: VolumeDriver, tmp_path: Path) -> None:
    driver.create("v", sealed())

    assert 0o700 == (tmp_path / "volumes").stat().st_mode & 0o777
    assert 0o600 == (tmp_path / "volumes" / "v.json").stat().st_mode & 0o777
