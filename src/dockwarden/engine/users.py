"""As whom a process would run: the Engine's own way from a user spec to numbers, with every doubt taken for root.

Source: the Engine's `GetExecUser` and `GetAdditionalGroups` (moby/sys/user, libcontainer/user): an entry found by number or name gives
uid and gid, a number without an entry has gid 0, and supplementary groups count only where no group is spelt out. THREATS 2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from dockwarden.words.errors import Forbidden

ID_LIMIT = (1 << 31) - 1
LINE_LIMIT = 65_535
KEPT_FILES = 64
"""How many account files stay read; every create asks for those of its image."""
NUMBER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
NUMBERS = re.compile(r"([0-9]{1,10}):([0-9]{1,10})", re.ASCII)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?", re.ASCII)
GO_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


@dataclass(frozen=True, slots=True)
class EffectiveUser:
    """Whom a process would run as.

    `groups` are the supplementary ids, sorted, unique, without `gid`. `name` is the user part as it was written. `is_given` tells
    that the request named it, not the image. `is_root` is true for uid 0, for gid 0 in any place, and for what cannot be told
    (`is_clear` false), and false where a user namespace makes root nobody. `wire` is `uid:gid`, "" where it cannot be told.
    """

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    name: str = ""
    is_given: bool = False
    is_root: bool = True
    is_clear: bool = True

    @property
    def wire(self) -> str:
        """The spec that needs no look-up."""
        return f"{self.uid}:{self.gid}" if self.is_clear else ""


@dataclass(frozen=True, slots=True)
class PasswdEntry:
    """One line of `/etc/passwd`."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class GroupEntry:
    """One line of `/etc/group`."""

    name: str
    gid: int
    members: tuple[str, ...]


def atoi(text: str) -> int | None:
    """Return the number that Go's `strconv.Atoi` reads, `None` where it reads none: no blanks, no `_`, no other digits."""
    return int(text) if NUMBER.fullmatch(text) else None


@lru_cache(KEPT_FILES)
def numbers_of(spec: str) -> tuple[int, int] | None:
    """The uid and gid of `UID:GID`, `None` for any other spelling."""
    found = NUMBERS.fullmatch(spec)
    return (int(found[1]), int(found[2])) if found else None


def read_passwd(text: str) -> tuple[PasswdEntry, ...]:
    """Return the entries in order; a number that is none counts as 0, as it does for the Engine."""
    rows = (_fields(line, 4) for line in _lines(text, "/etc/passwd"))
    return tuple(PasswdEntry(row[0], atoi(row[2]) or 0, atoi(row[3]) or 0) for row in rows)


@lru_cache(KEPT_FILES)
def read_group(text: str) -> tuple[GroupEntry, ...]:
    """Return the entries in order."""
    rows = (_fields(line, 4) for line in _lines(text, "/etc/group"))
    return tuple(GroupEntry(row[0], atoi(row[2]) or 0, tuple(row[3].split(",")) if row[3] else ()) for row in rows)


def _lines(text: str, file: str) -> Iterable[str]:
    for line in text.split("\n"):
        if len(line.encode()) > LINE_LIMIT:
            raise Forbidden("user.unclear", f"{file} of the image has a line too long to be read; give User as uid:gid")
        line = line.strip(GO_SPACE)
        if line:
            yield line


def _fields(line: str, count: int) -> list[str]:
    fields = line.split(":")
    return fields[:count] + [""] * (count - len(fields))


def effective_user(
    spec: str, passwd: str | None, group: str | None, *, is_given: bool, is_remapped: bool = False, place: str = "User"
) -> EffectiveUser:
    """Return whom `spec` (`""` means uid 0) runs as, given the image's account files; `None` for both where the image is unknown.

    Raises:
        Forbidden: `user.unknown` for a name the image does not have, `user.unclear` for what is neither a name nor a number, or
            out of range; the message says to write `uid:gid`.
    """
    user, group_text = _split(spec, place)
    if passwd is None or group is None:
        return _without_files(user, group_text, is_given=is_given, is_remapped=is_remapped, place=place)
    entries = read_passwd(passwd)
    number = atoi(user)
    wanted = 0 if user == "" else number
    entry = next((e for e in entries if (e.uid == wanted if wanted is not None else e.name == user)), None)
    if entry is None and wanted is None:
        raise Forbidden("user.unknown", f"{place}: the image has no user {user!r}; name one of its /etc/passwd or write uid:gid")
    uid, gid = (entry.uid, entry.gid) if entry else (wanted or 0, 0)
    groups: tuple[int, ...] = ()
    if group_text:
        gid = group_id(group_text, group, place)
    elif entry is not None:
        groups = tuple(g.gid for g in read_group(group) if entry.name and entry.name in g.members)
    return _checked(uid, gid, groups, user, is_given, is_remapped, place)


def _without_files(user: str, group_text: str, *, is_given: bool, is_remapped: bool, place: str) -> EffectiveUser:
    """The user where the image is not here to look into: two numbers are clear, and anything else is doubt, hence root."""
    uid, gid = atoi(user), atoi(group_text)
    if uid is not None and gid is not None:
        return _checked(uid, gid, (), user, is_given, is_remapped, place)
    return EffectiveUser(0, 0, (), user, is_given, not is_remapped, is_clear=False)


def _split(spec: str, place: str) -> tuple[str, str]:
    """The two parts of a spec, each a number, a name, or empty where the Engine lets it be."""
    if spec == "":
        return "", ""
    user, colon, group = spec.partition(":")
    parts = [user, group] if colon else [user]
    if (colon and not group) or not all(part == "" or NUMBER.fullmatch(part) or NAME.fullmatch(part) for part in parts):
        raise Forbidden("user.unclear", f"{place} {spec!r} cannot be read for sure; write uid:gid in numbers, or a name the image has")
    return user, group


def _checked(uid: int, gid: int, groups: Iterable[int], name: str, is_given: bool, is_remapped: bool, place: str) -> EffectiveUser:
    more = tuple(sorted(set(groups) - {gid}))
    if not all(0 <= number <= ID_LIMIT for number in (uid, gid, *more)):
        raise Forbidden("user.unclear", f"{place}: a uid or gid of {name!r} is out of range; write uid:gid, each up to {ID_LIMIT}")
    is_root = not is_remapped and (uid == 0 or gid == 0 or 0 in more)
    return EffectiveUser(uid, gid, more, name, is_given, is_root)


def group_id(text: str, group: str | None, place: str = "GroupAdd") -> int:
    """Return the gid that `text` names.

    Raises:
        Forbidden: `user.unknown` or `user.unclear`, as for users.
    """
    number = atoi(text)
    if number is None:
        if not NAME.fullmatch(text):
            raise Forbidden("user.unclear", f"{place}: group {text!r} cannot be read for sure; write its number, or a name the image has")
        found = next((entry for entry in read_group(group or "") if entry.name == text), None)
        if found is None:
            raise Forbidden("user.unknown", f"{place}: the image has no group {text!r}; name one of its /etc/group or write its number")
        number = found.gid
    if not 0 <= number <= ID_LIMIT:
        raise Forbidden("user.unclear", f"{place}: group {text!r} is out of range; write a number from 0 to {ID_LIMIT}")
    return number


def groups_of(uid: int, passwd: str, group: str) -> frozenset[int]:
    """Return every gid that the image itself gives to `uid`: the primary ones, and those whose group lists it."""
    names = {entry.name for entry in read_passwd(passwd) if entry.uid == uid and entry.name}
    primary = {entry.gid for entry in read_passwd(passwd) if entry.uid == uid}
    return frozenset(primary | {entry.gid for entry in read_group(group) if names.intersection(entry.members)})
