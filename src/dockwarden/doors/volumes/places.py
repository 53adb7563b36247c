"""The private places where sources are mounted for the Engine: `RUN/places/VOLUME/CALLER`, one for each use.

A use has a place of its own, so there is no count to keep: what is mounted *is* the count, and a restart of ours, or a kill in the
middle, leaves nothing that contradicts it. The order is what makes it so:

1. The source is bound in `RUN/staging`, on a mount that propagates nowhere, and gets its flags there.
2. It is moved to its place in one step. So a place that is mounted is mounted rightly, in every mount namespace it propagates to.
3. What is found in `staging` at start was left by a kill between 1 and 2, and is taken down.

`RUN` is for root alone: a path below it must not be another way to folders that their owners closed. `RUN/places` is a mount of
its own and shared, so that Engines in other mount namespaces see what is mounted there, if the folder above propagates to them.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
import time
from collections.abc import Iterator, Set
from pathlib import Path

from dockwarden.doors.volumes.kinds import Source
from dockwarden.doors.volumes.mount_calls import MS_MOVE, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_SHARED, bind, mount, unmount
from dockwarden.words.errors import BadConfig, Malformed

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
BARE = "mode=0700,size=4m"


class Places:
    """All places below one run folder. Thread-safe; two processes never share one."""

    def __init__(self, run: Path) -> None:
        """`run` is made when it is not there; its parents must be safe from everyone but root."""
        self._places, self._staging = run / "places", run / "staging"
        self._lock = threading.Lock()
        self._count = 0

    def open(self) -> None:
        """Make the two mounts, or find those of the process before us; take down what it left half done.

        Raises:
            BadConfig: the folder cannot be made, or is not for root alone. Broken: `volume.mount`.
        """
        run = self._places.parent
        _make_private(run)
        for folder, propagation in ((self._places, MS_SHARED), (self._staging, MS_PRIVATE)):
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.stat().st_dev == run.stat().st_dev:
                # A file system of its own and not the folder bound onto itself: it joins no peer group of the mount above,
                # and where that one is shared, this one propagates with a group of its own.
                mount("dockwarden", folder, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, BARE)
            mount("", folder, "", propagation)
        for left in list(self._staging.iterdir()):
            unmount(left)
            _remove(left)
        self._device = self._places.stat().st_dev

    def path(self, name: str, caller: str) -> Path:
        """Where the use of `name` by `caller` is mounted, or would be.

        Raises:
            Malformed: `volume.name`; one of them cannot be a folder's name.
        """
        for text in (name, caller):
            if NAME.fullmatch(text) is None:
                raise Malformed("volume.name", "the volume or its caller has a name that the Engine would not give")
        return self._places / name / caller

    def put(self, name: str, caller: str, source: Source) -> Path:
        """Mount `source` for `caller` and return where. What is there already stays if it is the same file, else it is replaced.

        Raises:
            Malformed: `volume.name`. Broken: `volume.mount`.
        """
        place = self.path(name, caller)
        wanted = os.fstat(source.fd)
        with self._lock:
            if self._is_mounted(place):
                there = place.stat()
                if (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return place
                unmount(place)
            self._mount(place, source, is_dir=stat.S_ISDIR(wanted.st_mode))
        return place

    def take(self, name: str, caller: str) -> None:
        """Take down the use of `name` by `caller`, if there is one."""
        place = self.path(name, caller)
        with self._lock:
            self._take(place)

    def is_used(self, name: str) -> bool:
        """Whether anybody uses `name`."""
        folder = self._places / name
        return NAME.fullmatch(name) is not None and folder.is_dir() and any(folder.iterdir())

    def sweep(self, running: Set[str], older_than_s: float) -> list[str]:
        """Take down the uses of volumes that are not among `running` and were mounted at least `older_than_s` ago; return their names.

        The age is what keeps a container that is just being started: it does not run yet, and counts on its mount.
        """
        swept = []
        before = time.time() - older_than_s
        for folder in self._volumes():
            if folder.name in running or folder.stat().st_mtime > before:
                continue
            with self._lock:
                for place in list(folder.iterdir()):
                    self._take(place)
                _remove(folder)
            swept.append(folder.name)
        return swept

    def close(self) -> None:
        """Take down everything, used or not: for tests, and for an operator who removes dockwarden."""
        with self._lock:
            for folder in (self._places, self._staging):
                while unmount(folder):
                    pass

    def _volumes(self) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            yield from sorted(self._places.iterdir())

    def _is_mounted(self, place: Path) -> bool:
        """Whether something is mounted at `place`: it is on another device than the folder it stands in then."""
        try:
            return place.lstat().st_dev != self._device
        except FileNotFoundError:
            return False

    def _mount(self, place: Path, source: Source, *, is_dir: bool) -> None:
        self._count += 1
        staged = self._staging / str(self._count)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        for spot in (staged, place):
            _remove(spot)
            if is_dir:
                spot.mkdir(mode=0o700)
            else:
                spot.touch(mode=0o600)
        try:
            bind(source.fd, staged, is_read_only=source.is_read_only)
            mount(str(staged), place, "", MS_MOVE)
        except BaseException:
            unmount(staged)
            _remove(place)
            _remove(place.parent)
            raise
        finally:
            _remove(staged)

    def _take(self, place: Path) -> None:
        while self._is_mounted(place) and unmount(place):
            pass
        _remove(place)
        _remove(place.parent)


def _make_private(run: Path) -> None:
    try:
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = run.lstat()
    except OSError as error:
        raise BadConfig("the run folder", f"{run} cannot be made ({error.strerror})", "run as root, or choose another folder") from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise BadConfig("the run folder", f"{run} is not a folder for root alone", f"run: chown root {run}; chmod 700 {run}")


def _remove(spot: Path) -> None:
    """Remove an empty folder or file; one that is in use, full or gone stays as it is."""
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(spot.lstat().st_mode):
            spot.rmdir()
        else:
            spot.unlink()
