"""Kind `secrets`: a folder in memory with one file a secret, there only while a container uses it.

    RUN/secrets/VOLUME/         what is mounted, for reading only; each file 0400 and the container's user's
    RUN/secrets/VOLUME.held     which version each file has, for `where`; no value

The folders are on a file system of their own in memory, which the kernel is asked to keep out of the swap where it can. A file is
replaced by a rename, so that a running container reads the old value or the new one, never half of one.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from dockwarden.doors.volumes.kinds import Options, Source
from dockwarden.doors.volumes.mount_calls import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, mount
from dockwarden.doors.volumes.places import NAME
from dockwarden.engine.delivery import Delivery, File, read_delivery
from dockwarden.words.errors import Broken, Malformed, Refused
from dockwarden.words.secret import Secret

ROOM = "size=256m,nr_inodes=64k,mode=0700"
FOLDER_MODE, FILE_MODE = 0o555, 0o400
WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
HELD = ".held"


class Given(msgspec.Struct, frozen=True):
    """One secret on its way: the version it is, and its value."""

    version: int
    value: Secret


Fetch = Callable[[Delivery, Sequence[File]], Sequence[Given]]
"""Judges, records and reads the secrets of a delivery; it blocks. Raises: Refused: of every kind; nothing may be delivered then."""


class Secrets:
    """Makes the folders. Thread-safe."""

    def __init__(self, folder: Path, fetch: Fetch) -> None:
        """`folder` is made, and its file system mounted, when it is first needed."""
        self._folder, self._fetch = folder, fetch
        self._lock = threading.Lock()

    def check(self, options: Options) -> None:
        """Refuse options that are not complete."""
        read_delivery(options)

    def open(self, name: str, options: Options) -> Source:
        """The folder with what policy lets its user have now."""
        delivery = read_delivery(options)
        given = self._fetch(delivery, delivery.files)
        spot = self._spot(name)
        try:
            with self._lock:
                is_used = spot.is_dir()
                try:
                    return Source(self._fill(spot, delivery, delivery.files, given), is_read_only=True)
                except BaseException:
                    if not is_used:
                        _take_away(spot)
                    raise
        finally:
            _wipe(given)

    def forget(self, name: str) -> None:
        """Take the values away."""
        with self._lock:
            _take_away(self._spot(name))

    def renew(self, name: str, options: Options, path: str) -> bool:
        """Give a running container the current version of `path`, if it holds one that is to follow; return whether a file changed.

        Raises:
            Refused: it may not have it any more, or it cannot be read; what it holds stays.
        """
        delivery = read_delivery(options)
        following = [file for file in delivery.files if file.path == path and not file.version]
        spot = self._spot(name)
        if not following or not spot.is_dir():
            return False
        given = self._fetch(delivery, following)
        try:
            with self._lock:
                held = self.held(name)
                news = [(file, one) for file, one in zip(following, given, strict=True) if held.get(file.name) != one.version]
                if not news or not spot.is_dir():
                    return False
                os.close(self._fill(spot, delivery, [file for file, _ in news], [one for _, one in news]))
                return True
        finally:
            _wipe(given)

    def held(self, name: str) -> Mapping[str, int]:
        """Which version each file of a volume has now, by the file's name; empty where nobody uses it."""
        try:
            return msgspec.json.decode(_held(self._spot(name)).read_bytes(), type=dict[str, int])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}

    def _spot(self, name: str) -> Path:
        if NAME.fullmatch(name) is None:
            raise Malformed("volume.name", "the volume has a name that the Engine would not give")
        return self._folder / name

    def _fill(self, spot: Path, delivery: Delivery, files: Sequence[File], given: Sequence[Given]) -> int:
        """Write files whole, take away what the delivery does not name, and return the folder, open."""
        self._mount()
        try:
            spot.mkdir(mode=FOLDER_MODE, exist_ok=True)
            spot.chmod(FOLDER_MODE)
            fd = os.open(spot, FOLDER)
            try:
                for file, one in zip(files, given, strict=True):
                    _write(fd, file.name, one.value, delivery)
                wanted = {file.name for file in delivery.files}
                for left in set(os.listdir(fd)) - wanted:  # noqa: PTH208  by descriptor
                    os.unlink(left, dir_fd=fd)
                versions = {**self.held(spot.name), **{file.name: one.version for file, one in zip(files, given, strict=True)}}
                part = spot.with_name(f"{spot.name}.part")
                part.write_bytes(msgspec.json.encode({name: version for name, version in versions.items() if name in wanted}))
                part.replace(_held(spot))
            except BaseException:
                os.close(fd)
                raise
            return fd
        except OSError as error:
            raise Broken("secret.not_written", f"the secrets could not be put into memory ({error.strerror}); nothing was started") from None

    def _mount(self) -> None:
        """The file system in memory, unless it is there from a process before us."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._folder.stat().st_dev != self._folder.parent.stat().st_dev:
            return
        flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
        try:
            mount("dockwarden", self._folder, "tmpfs", flags, f"{ROOM},noswap")
        except Refused:  # a kernel before 6.4 does not know the word
            mount("dockwarden", self._folder, "tmpfs", flags, ROOM)
        mount("", self._folder, "", MS_PRIVATE)


def _take_away(spot: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        for file in spot.iterdir():
            file.unlink()
        spot.rmdir()
    _held(spot).unlink(missing_ok=True)


def _wipe(given: Sequence[Given]) -> None:
    for one in given:
        one.value.wipe()


def _write(folder: int, name: str, value: Secret, delivery: Delivery) -> None:
    part = f".{name}.part"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(part, dir_fd=folder)
    fd = os.open(part, WRITE, FILE_MODE, dir_fd=folder)
    try:
        view = memoryview(value.reveal())
        while view:
            view = view[os.write(fd, view) :]
        os.fchown(fd, delivery.uid, delivery.gid)
        os.fchmod(fd, FILE_MODE)
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(part, dir_fd=folder)
        raise
    finally:
        os.close(fd)


def _held(spot: Path) -> Path:
    return spot.with_name(spot.name + HELD)
