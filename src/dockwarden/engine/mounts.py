"""Every way to say "mount this", read into one form: Binds, Mounts, Tmpfs, Volumes, VolumesFrom, of containers and of services.

Source: the Engine's `volume/mounts/linux_parser.go` and `volume/local/local_unix.go`; THREATS 2.1. What the Engine itself would not read
is refused here, since nothing can be said of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dockwarden.words.errors import Malformed

LOCAL = "local"
DRIVERS_OF_THE_ENGINE = frozenset({"", LOCAL})
SAFE_PROPAGATIONS = frozenset({"", "rprivate", "private"})

_ACCESS = frozenset({"rw", "ro"})
_LABELS = frozenset({"z", "Z"})
_PROPAGATION = frozenset({"private", "rprivate", "slave", "rslave", "shared", "rshared"})
_COPY = frozenset({"nocopy"})
_CONSISTENCY = frozenset({"consistent", "cached", "delegated"})
_MODE_GROUPS = (_ACCESS, _LABELS, _PROPAGATION, _COPY, _CONSISTENCY)
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", re.ASCII)
_SAFE_TMPFS_OPTION = re.compile(
    r"(?:ro|rw|nosuid|nodev|noexec|exec|noatime|relatime|(?:size|nr_inodes|nr_blocks)=[0-9]+[kKmMgG%]?|mode=[0-7]{1,4}|(?:uid|gid)=[0-9]+)",
    re.ASCII,
)
_NETWORK_MOUNTS = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs"})
_SET_ID = 0o6000


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount, however it was spelt.

    `kind` is `bind`, `volume`, `tmpfs`, `image`, `cluster` or `npipe`. `source` is a cleaned host path for a bind, a name for a volume
    ("" if anonymous), a reference for an image. `target` is cleaned. `place` names the field it came from. `driver` and
    `options` are the volume driver's; `flags` those of a tmpfs. `mode` is a bind string's third part as written.
    """

    kind: str
    source: str
    target: str
    place: str
    is_read_only: bool = False
    propagation: str = ""
    is_relabelled: bool = False
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    mode: str = ""
    subpath: str = ""


@dataclass(frozen=True, slots=True)
class VolumesFrom:
    """One entry of `VolumesFrom`: whose mounts, and in which mode."""

    container: str
    mode: str
    place: str


def clean(path: str) -> str:
    """Return the shortest path that says the same, by text alone: Go's `path.Clean`."""
    is_rooted = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part == ".." and kept and kept[-1] != "..":
            kept.pop()
        elif (part == ".." and not is_rooted) or part not in {"", ".", ".."}:
            kept.append(part)
    return ("/" if is_rooted else "") + "/".join(kept) or "."


def is_below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or under it, both cleaned; `/srv/worker` is not below `/srv/work`."""
    return path == folder or folder == "/" or path.startswith(folder + "/")


def parse_bind(text: str, place: str, volume_driver: str = "") -> Mount:
    """Return the mount that a `Binds` entry asks for.

    Raises:
        Malformed: `mount.unreadable`; the Engine would refuse it, too.
    """
    parts = text.split(":")
    if len(parts) > 3 or not parts[0] or (len(parts) == 2 and _is_mode(parts[1])):
        raise _unreadable(place, text, "write source:target or source:target:options")
    source, target, mode = ("", parts[0], "") if len(parts) == 1 else (parts[0], parts[1], parts[2] if len(parts) == 3 else "")
    if not _is_mode(mode):
        raise _unreadable(place, text, "its options are not ones the Engine knows, or contradict each other")
    words = mode.split(",") if mode else []
    propagation = next((word for word in words if word in _PROPAGATION), "")
    is_bind = source.startswith("/")
    return Mount(
        "bind" if is_bind else "volume",
        clean(source) if is_bind else _volume_name(source, place),
        _target(target, place),
        place,
        is_read_only="ro" in words,
        propagation=propagation,
        is_relabelled=bool(_LABELS.intersection(words)),
        driver="" if is_bind else volume_driver,
        mode=mode,
    )


def _is_mode(mode: str) -> bool:
    """Whether the Engine takes `mode`: known words, at most one of each group, or nothing at all."""
    if mode == "":
        return True
    words = mode.split(",")
    return all(sum(word in group for word in words) <= 1 for group in _MODE_GROUPS) and all(
        any(word in group for group in _MODE_GROUPS) for word in words
    )


def _target(text: str, place: str) -> str:
    target = clean(text)
    if not text.startswith("/") or target == "/":
        raise _unreadable(place, text, "a target is an absolute path other than /")
    return target


def _volume_name(text: str, place: str) -> str:
    if text and not _VOLUME_NAME.fullmatch(text):
        raise _unreadable(place, text, "a volume's name has letters, digits, '_', '.' and '-', a host path begins with /")
    return text


def _unreadable(place: str, text: str, mend: str) -> Malformed:
    return Malformed("mount.unreadable", f"{place}: {text!r} is not a mount the Engine would read; {mend}")


def parse_volumes_from(text: str, place: str) -> VolumesFrom:
    """Return whose mounts a `VolumesFrom` entry asks for.

    Raises:
        Malformed: `mount.unreadable`.
    """
    container, _, mode = text.partition(":")
    words = set(mode.split(",")) if mode else set()
    if not container or not _is_mode(mode) or words & (_PROPAGATION | _COPY):
        raise _unreadable(place, text, "write container or container:ro")
    return VolumesFrom(container, mode or "rw", place)


def parse_tmpfs(target: str, options: str, place: str) -> Mount:
    """Return the mount that an entry of `Tmpfs` asks for."""
    flags = tuple(word for word in options.split(",") if word)
    return Mount("tmpfs", "", _target(target, place), place, is_read_only="ro" in flags, flags=flags)


def make_mount(
    kind: str, source: str, target: str, place: str, *, is_read_only: bool = False, propagation: str = "", driver: str = "",
    options: Mapping[str, str] | None = None, flags: Iterable[str] = (), mode: int | None = None, subpath: str = "",
) -> Mount:
    """Return the mount that an entry of `Mounts` asks for; `mode` is a tmpfs's permission bits.

    Raises:
        Malformed: `mount.unreadable`: an unknown type (types match by case), a relative bind source, a volume's name that is a path.
    """
    if kind == "bind":
        if not source.startswith("/"):
            raise _unreadable(f"{place}.Source", source, "a bind's source is an absolute path")
        source = clean(source)
    elif kind == "volume":
        source = _volume_name(source, f"{place}.Source")
    elif kind not in {"tmpfs", "image", "cluster", "npipe"}:
        raise _unreadable(f"{place}.Type", kind, "write bind, volume, tmpfs or image, in lower case")
    more = (f"mode={mode:o}",) if mode and mode & _SET_ID else ()
    return Mount(
        kind, source, _target(target, f"{place}.Target"), place, is_read_only=is_read_only, propagation=propagation, driver=driver,
        options=dict(options or {}), flags=(*flags, *more), subpath=subpath,
    )


def local_volume_escape(options: Mapping[str, str]) -> str:
    """Return the escape fact that the options of a `local` volume amount to, "" for none.

    A volume with a device is a mount that the Engine makes as root: with `bind` among its flags, of any folder of the host, whatever
    its type says. A tmpfs of known flags reaches nothing.
    """
    kind, device, flags = options.get("type", ""), options.get("device", ""), options.get("o", "")
    words = [word.strip() for word in flags.split(",") if word.strip()]
    unknown = sorted(set(options) - {"type", "device", "o", "size"})
    if unknown:
        return f"volume-option:{unknown[0]}"
    if not (kind or device or words):
        return ""
    if any(word.casefold() in {"bind", "rbind"} for word in words):
        return f"volume-bind:{clean(device) if device else '?'}"
    if kind == "tmpfs" and device.casefold() in {"tmpfs", "none", ""} and all(_SAFE_TMPFS_OPTION.fullmatch(word) for word in words):
        return ""
    return f"volume-mount:{kind or '?'}"


def is_network_mount(options: Mapping[str, str]) -> bool:
    """Whether the options ask for a file system of another machine."""
    return options.get("type", "").casefold() in _NETWORK_MOUNTS


def tmpfs_escape(mount: Mount) -> str:
    """Return the escape fact of a tmpfs's flags, "" for none: `suid` and `dev` undo what a tmpfs is safe by."""
    for flag in mount.flags:
        if flag in {"suid", "dev"} or not (_SAFE_TMPFS_OPTION.fullmatch(flag) or flag in SAFE_PROPAGATIONS):
            return f"tmpfs-option:{flag}"
        if flag.startswith("mode=") and int(flag[5:], 8) & _SET_ID:
            return f"tmpfs-option:{flag}"
    return ""
