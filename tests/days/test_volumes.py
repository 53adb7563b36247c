"""Volumes of people who are not root in their containers: they can use what is theirs, and nothing else becomes theirs."""

from __future__ import annotations

import pytest

from fixtures.engine import PrivateEngine
from fixtures.warden import ALICE, BOB, Warden

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("volume", ["vnew:/data", "/data", "vnew:/etc/deep/er"])
def test_a_new_volume_can_be_written_by_the_user_of_its_container(warden: Warden, volume: str) -> None:
    target = volume.rpartition(":")[2]
    done = warden.docker("run", "--rm", "-v", volume, "busybox", "touch", f"{target}/x")
    warden.docker("volume", "rm", "vnew")

    assert (0, "") == (done.returncode, done.stderr)


def test_a_volume_made_before_its_container_can_be_written_too(warden: Warden) -> None:
    assert 0 == warden.docker("volume", "create", "vbefore").returncode
    done = warden.docker("run", "--rm", "-v", "vbefore:/data", "busybox", "touch", "/data/x")
    assert (0, "") == (done.returncode, done.stderr)

    assert 0 != warden.docker("run", "--rm", "-v", "vbefore:/data", "busybox", "true", uid=BOB).returncode
    assert f"{ALICE} {ALICE}" == warden.docker("run", "--rm", "-v", "vbefore:/data", "busybox", "stat", "-c", "%u %g", "/data").stdout.strip()
    warden.docker("volume", "rm", "vbefore")


def test_a_volume_with_something_in_it_stays_as_it_is(warden: Warden, engine: PrivateEngine) -> None:
    assert 0 == warden.docker("volume", "create", "vfull").returncode
    engine.docker("run", "--rm", "-v", "vfull:/data", "busybox", "sh", "-c", "echo root > /data/x")

    assert 0 != warden.docker("run", "--rm", "-v", "vfull:/data", "busybox", "touch", "/data/y").returncode
    warden.docker("volume", "rm", "vfull")


def test_a_volume_that_is_for_reading_only_is_not_given_away(warden: Warden) -> None:
    assert 0 == warden.docker("run", "--rm", "-v", "vread:/data:ro", "busybox", "true").returncode

    assert "0 0" == warden.docker("run", "--rm", "-v", "vread:/data:ro", "busybox", "stat", "-c", "%u %g", "/data").stdout.strip()
    warden.docker("volume", "rm", "vread")
