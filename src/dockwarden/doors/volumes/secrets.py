"""Kind `secrets`: a folder in memory with one file a secret, there only while a container uses it.

    RUN/secrets/VOLUME/         what is mounted, for reading only; each file 0400 and the container's user's
    RUN/secrets/VOLUME.held     which version each file has, and for whom; no value

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
from dockwarden.words.errors import Broken, Forbidden, Malformed, Refused
from dockwarden.words.secret import Secret

ROOM = "size=256m,nr_inodes=64k,mode=0700"
MOST_OF_ONE, MOST_OF_ALL = 8 << 20, 64 << 20
"""Bytes of secrets that one container may have, and all containers of one person together: memory is the host's, and everybody's."""
PAGE = 4096
FOLDER_MODE, FILE_MODE = 0o555, 0o400
WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
HELD = ".held"


class Held(msgspec.Struct, frozen=True):
    """What a folder has: the version of each file, and who made the container."""

    versions: dict[str, int]
    used_by: str = ""


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
        self._room: dict[str, tuple[str, int]] | None = None
        """For whom each folder is, and how much memory it takes; `None` until that was counted."""

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
                        self._take_away(spot)
                    raise
        finally:
            _wipe(given)

    def forget(self, name: str) -> None:
        """Take the values away."""
        with self._lock:
            self._take_away(self._spot(name))

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
        return _read_held(self._spot(name)).versions

    def delivered(self, name: str) -> Delivered:
        """The values that are in a volume, as they come and go."""
        spot = self._spot(name)
        return Delivered(spot, _held(spot))

    def _spot(self, name: str) -> Path:
        if NAME.fullmatch(name) is None:
            raise Malformed("volume.name", "the volume has a name that the Engine would not give")
        return self._folder / name

    def _fill(self, spot: Path, delivery: Delivery, files: Sequence[File], given: Sequence[Given]) -> int:
        """Write files whole, take away what the delivery does not name, and return the folder, open."""
        self._mount()
        size = self._find_room(spot, delivery, files, given)
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
                held = Held({name: version for name, version in versions.items() if name in wanted}, delivery.used_by)
                _part(spot).write_bytes(msgspec.json.encode(held))
                _part(spot).replace(_held(spot))
                self._rooms()[spot.name] = delivery.used_by, size
            except BaseException:
                os.close(fd)
                raise
            return fd
        except OSError as error:
            raise Broken("secret.not_written", f"the secrets could not be put into memory ({error.strerror}); nothing was started") from None

    def _find_room(self, spot: Path, delivery: Delivery, files: Sequence[File], given: Sequence[Given]) -> int:
        """How much memory the folder will take.

        Raises:
            Forbidden: `secret.too_much`; it is more than one container, or one person, may have.
        """
        coming = {file.name: len(one.value) for file, one in zip(files, given, strict=True)}
        staying = {name: size for name, size in _sizes(spot).items() if name not in coming}
        size = sum(_pages(one) for one in (*coming.values(), *staying.values()))
        theirs = sum(taken for name, (who, taken) in self._rooms().items() if who == delivery.used_by and name != spot.name)
        if size > MOST_OF_ONE or size + theirs > MOST_OF_ALL:
            what, most = ("one container", MOST_OF_ONE) if size > MOST_OF_ONE else (f"all running containers of {delivery.used_by}", MOST_OF_ALL)
            said = f"the secrets of {what} may take {most >> 20} MiB of memory together, and these would take more"
            raise Forbidden("secret.too_much", f"{said}; give fewer or smaller ones")
        return size

    def _rooms(self) -> dict[str, tuple[str, int]]:
        """As `_room`; of a process before us, counted from what is there."""
        if self._room is None:
            spots = (file.with_suffix("") for file in self._folder.glob(f"*{HELD}"))
            self._room = {spot.name: (_read_held(spot).used_by, sum(map(_pages, _sizes(spot).values()))) for spot in spots}
        return self._room

    def _take_away(self, spot: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            for file in spot.iterdir():
                file.unlink()
            spot.rmdir()
        _held(spot).unlink(missing_ok=True)
        _part(spot).unlink(missing_ok=True)
        self._rooms().pop(spot.name, None)

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


class Delivered:
    """The values that one container has, for who must not write them down."""

    def __init__(self, spot: Path, held: Path) -> None:
        self._spot, self._held = spot, held
        self._stamp = 0

    def news(self) -> list[bytes] | None:
        """The values as they are now; `None` if they are those of the last time, or there are none."""
        try:
            stamp = self._held.stat().st_mtime_ns
            if stamp == self._stamp:
                return None
            self._stamp = stamp
            return [_whole(file) for file in self._spot.iterdir()]
        except OSError:
            return None


def _whole(file: Path) -> bytes:
    """The bytes of a file, in one object and nowhere else in our memory."""
    fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.read(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _read_held(spot: Path) -> Held:
    try:
        return msgspec.json.decode(_held(spot).read_bytes(), type=Held)
    except (FileNotFoundError, msgspec.DecodeError):
        return Held({})


def _sizes(spot: Path) -> dict[str, int]:
    """The files of a folder, with their sizes in bytes."""
    try:
        return {file.name: file.stat().st_size for file in spot.iterdir()}
    except FileNotFoundError:
        return {}


def _pages(size: int) -> int:
    """The memory that a file of `size` bytes takes."""
    return max(-(-size // PAGE), 1) * PAGE


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


def _part(spot: Path) -> Path:
    return spot.with_name(f"{spot.name}.part")
