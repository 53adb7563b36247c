"""`people.toml`: who may come in, by account or by certificate, and the groups that policies speak of.

Pure: the text comes in; what the host knows of groups comes in as a function.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dockwarden.words.errors import BadConfig
from dockwarden.words.principal import Account, Principal, stranger

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)
OPTIONS = frozenset({"uid", "groups", "certificate", "ssh_keys"})
SSH_KEY = re.compile(r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]+={0,2}(?: .*)?", re.ASCII)
COMMON_NAME = re.compile(r"/?(CN|O|OU|DN|subject)\s*=", re.IGNORECASE)
LARGEST_UID = (1 << 32) - 2

HostGroups = Callable[[int], tuple[frozenset[str], Account | None]]
"""What the host says of a uid: the names of its groups, and its account; `None` where it has none."""


def no_host(uid: int) -> tuple[frozenset[str], Account | None]:
    """A host that knows of an account no more than its number."""
    return frozenset(), Account(uid, uid)


@dataclass(frozen=True, slots=True)
class Person:
    """One table of the file. `groups` is `None` where the host's own count."""

    name: str
    uid: int | None = None
    groups: frozenset[str] | None = None
    certificates: tuple[str, ...] = ()
    ssh_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who is known."""

    by_name: Mapping[str, Person] = field(default_factory=dict)
    uids: Mapping[int, Person] = field(default_factory=dict)
    sans: Mapping[str, Person] = field(default_factory=dict)

    def by_uid(self, uid: int, host: HostGroups = no_host) -> Principal | None:
        """The person behind a local account."""
        person = self.uids.get(uid)
        return _principal(person, "unix", host) if person else None

    def by_certificate(self, sans: tuple[str, ...], host: HostGroups = no_host) -> Principal | None:
        """The person whom exactly one of a verified certificate's names belongs to; names of two people are nobody's."""
        found = {person.name: person for san in sans if (person := self.sans.get(san))}
        return _principal(next(iter(found.values())), "tls", host, frozenset(sans)) if len(found) == 1 else None

    def by_ssh(self, name: str, host: HostGroups = no_host) -> Principal | None:
        """The person of that name, who has proven a key of theirs."""
        person = self.by_name.get(name)
        return _principal(person, "ssh", host, frozenset(person.ssh_keys)) if person else None

    def by_door(self, name: str) -> Principal:
        """The tool that a named door stands for; its groups are those of the table of its name."""
        person = self.by_name.get(name)
        return Principal(name, (person.groups or frozenset()) if person else frozenset(), None, "door")

    def fresh(self, principal: Principal) -> Principal:
        """`principal` as this file has them: nobody if they are no longer in it, are another account now, or what proved them does no longer."""
        if principal.via == "door":
            return self.by_door(principal.name)
        person = self.by_name.get(principal.name)
        if person is None:
            return stranger(principal.why_not or f"{principal.name} is no longer in people.toml")
        account = principal.account
        if account is not None and person.uid != account.uid:
            return stranger(f"{principal.name} is another account in people.toml now")
        if principal.proof and not self._still_proves(principal, person):
            return stranger(f"a {'name' if principal.via == 'tls' else 'key'} by which {principal.name} came in is no longer theirs in people.toml")
        return principal if person.groups is None else replace(principal, groups=person.groups)

    def _still_proves(self, principal: Principal, person: Person) -> bool:
        """Whether a certificate is still theirs alone, or they have all the keys that they had: which of them they came with nobody says."""
        if principal.via == "tls":
            return {owner.name for san in principal.proof if (owner := self.sans.get(san))} == {person.name}
        return principal.proof <= frozenset(person.ssh_keys)


def _principal(person: Person, via: str, host: HostGroups, proof: frozenset[str] = frozenset()) -> Principal:
    names, account = host(person.uid) if person.uid is not None else (frozenset[str](), None)
    return Principal(person.name, names if person.groups is None else person.groups, account, via, proof=proof)


def parse_people(text: str, where: str) -> People:
    """Return who is in `text`.

    Raises:
        BadConfig: not TOML, an unknown option, a name or uid that cannot be meant, a uid or certificate name of two people.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(where, f"is not TOML: {error}", "mend that line") from None
    for unknown in sorted(set(raw) - {"people"}):
        raise BadConfig(where, f"unknown table [{unknown}]", "write [people.NAME]")
    tables = raw.get("people", {})
    if not isinstance(tables, dict):
        raise BadConfig(where, "`people` is no table", "write [people.NAME]")
    by_name = {name: _person(name, table, f"{where}: [people.{name}]") for name, table in tables.items()}
    uids: dict[int, Person] = {}
    sans: dict[str, Person] = {}
    for person in by_name.values():
        if person.uid is not None:
            _take(uids, person.uid, person, where, "uid")
        for san in person.certificates:
            _take(sans, san, person, where, "certificate")
    return People(by_name, uids, sans)


def _take(taken: dict[Any, Person], key: Any, person: Person, where: str, what: str) -> None:
    if key in taken:
        raise BadConfig(f"{where}: [people.{person.name}]", f"{what} {key} is {taken[key].name}'s already", "give each to one person")
    taken[key] = person


def _person(name: str, table: Any, where: str) -> Person:
    if not NAME.fullmatch(name):
        raise BadConfig(where, "is no name", "use letters, digits and _ . @ -, beginning with a letter or digit")
    if not isinstance(table, dict):
        raise BadConfig(where, "is no table", "write [people.NAME] and its options below")
    for unknown in sorted(set(table) - OPTIONS):
        close = difflib.get_close_matches(unknown, sorted(OPTIONS), n=1)
        mend = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(sorted(OPTIONS))}"
        raise BadConfig(where, f"unknown option `{unknown}`", mend)
    uid = table.get("uid")
    if uid is not None and (type(uid) is not int or not 0 <= uid <= LARGEST_UID):
        raise BadConfig(where, f"uid {uid!r} is no uid", "write a whole number from 0")
    groups = _texts(table, "groups", where)
    for san in _texts(table, "certificate", where) or ():
        if COMMON_NAME.match(san):
            mend = f'write what its subject alternative name has (an address, a host name or a URI): certificate = ["{name}@corp.example"]'
            raise BadConfig(where, f"`{san}` is a subject, and a certificate's subject and common name are never looked at", mend)
    keys = _texts(table, "ssh_keys", where) or ()
    for key in keys:
        if not SSH_KEY.fullmatch(key):
            raise BadConfig(where, f"`{key[:60]}` is no public key of SSH", 'write what is in id_ed25519.pub: ssh_keys = ["ssh-ed25519 AAAA…"]')
    return Person(name, uid, None if groups is None else frozenset(groups), _texts(table, "certificate", where) or (), keys)


def _texts(table: Mapping[str, Any], option: str, where: str) -> tuple[str, ...] | None:
    value = table.get(option)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise BadConfig(where, f"`{option}` is no list of names", f'write {option} = ["…"]')
    return tuple(value)
