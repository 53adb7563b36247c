"""Who made which Engine object: the truth, where labels are only a hint.

A label can be forged: an image's LABEL is inherited by every container made of it on the raw socket, and load, commit and build set
labels. So every create through a door carries a random mark (`dockwarden.call`), and the index holds which id was answered for it.

- A mark whose answer was lost in a crash is *pending*, and is believed once, by the first object that carries it.
- An object whose labels name an owner but that is not in the index is nobody's.
- A volume has no id: its name counts only together with the mark that it was made with.
- An image name is held by who made it first through us, from the moment that this is announced. A name that the Engine has and nobody
  here made is everybody's; so is one that came from a registry (`pull`), which anybody may fetch again.

The index is a projection of the ledger: it can be rebuilt from it, and after a crash the ledger's tail is applied to the last snapshot.
The snapshot is a SQLite file of the standard library's: an ORM would cost a fifth of the memory that the whole process may rest at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockwarden.engine.images import parse_reference
from dockwarden.engine.labels import CALL
from dockwarden.ledger.entry import Entry
from dockwarden.words.ask import Kind, Resource
from dockwarden.words.errors import Refused
from dockwarden.words.principal import Principal

PULL = "pull"
SHARED_NETWORKS = frozenset({"bridge", "host", "none", "ingress", "docker_gwbridge", "nat"})
MOST_PENDING, MOST_GONE = 10_000, 1_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS owned (kind TEXT, id TEXT, owner TEXT, mark TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS named (name TEXT PRIMARY KEY, owner TEXT, origin TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (mark TEXT PRIMARY KEY, kind TEXT, owner TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS applied (seq INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Owned:
    """Who made a thing, with which mark."""

    owner: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """Who made an image name, and how (`pull`, `build`, `tag`, `commit`, `import`, `load`)."""

    owner: str
    origin: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What one call changed of this: as it stands in the `detail` of its ledger entries.

    `mark` with `marks` and `owner` announces, in an intent, what may be made; `claims` [name, owner, origin] which image names, that are
    nobody's yet, it may give. `made` are [kind, id, owner, mark], `named` [name, owner, origin], `gone` [kind, id] or ["Name", name].
    """

    mark: str = ""
    marks: str = ""
    owner: str = ""
    claims: tuple[tuple[str, str, str], ...] = ()
    made: tuple[tuple[str, str, str, str], ...] = ()
    named: tuple[tuple[str, str, str], ...] = ()
    gone: tuple[tuple[str, str], ...] = ()

    def detail(self) -> dict[str, Any]:
        """What of it says something, for the ledger."""
        parts = {"mark": self.mark, "marks": self.marks, "owner": self.owner, "claims": self.claims, "made": self.made, "named": self.named}
        return {name: value for name, value in {**parts, "gone": self.gone}.items() if value}

    @staticmethod
    def of(detail: Mapping[str, Any]) -> Deed:
        """The deed in a ledger entry's detail."""
        return Deed(
            str(detail.get("mark", "")), str(detail.get("marks", "")), str(detail.get("owner", "")),
            tuple(tuple(row) for row in detail.get("claims", ())), tuple(tuple(row) for row in detail.get("made", ())),
            tuple(tuple(row) for row in detail.get("named", ())), tuple(tuple(row) for row in detail.get("gone", ())),
        )


@dataclass
class Owners:
    """The index. `is_sharing` says of a person that what image names they make is for all."""

    is_sharing: Callable[[str], bool] = lambda _owner: False
    owned: dict[tuple[str, str], Owned] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    pending: dict[str, tuple[str, str]] = field(default_factory=dict)
    gone: dict[tuple[str, str], Owned] = field(default_factory=dict)
    applied: int = 0
    version: int = 0
    """Goes up with every change: what was worked out at one version holds at that version."""

    # --- asking ---

    def resource(
        self, kind: Kind, id: str, name: str, labels: Mapping[str, str], tags: Iterable[str] = (), asker: str = "", *, whole: bool = False
    ) -> Resource:
        """Return the resource that an Engine object is, its owner by this index alone. `whole` asks for an image with all of its names."""
        if kind is Kind.IMAGE:
            return self._image(id, name, labels, tuple(tags), asker, whole=whole)
        owned = self._owner_of(kind, id, labels)
        is_shared = kind is Kind.NETWORK and owned is None and name in SHARED_NETWORKS
        return Resource(kind, id, name, owned.owner if owned else "", is_shared, labels)

    def owner_of(self, kind: Kind, id: str, labels: Mapping[str, str]) -> str:
        """The owner of an Engine object that has these labels, "" for nobody."""
        owned = self._owner_of(kind, id, labels)
        return owned.owner if owned else ""

    def owner_of_id(self, kind: Kind, id: str) -> str:
        """The owner of a thing that goes by an id, "" for nobody."""
        owned = self.owned.get((kind.value, id))
        return owned.owner if owned else ""

    def name_state(self, name: str, principal: Principal, *, exists: bool) -> str:
        """How an image name is held as `principal` sees it: `new`, `own`, `refresh`, `shared` or `other`."""
        held = self.held.get(full_name(name))
        if not exists:
            return "new"
        if held is None:
            return "shared"
        if held.origin == PULL:
            return "refresh"
        return "own" if held.owner == principal.name else "other"

    def _owner_of(self, kind: Kind, id: str, labels: Mapping[str, str]) -> Owned | None:
        mark = labels.get(CALL, "")
        owned = self.owned.get((kind.value, id)) or self.gone.get((kind.value, id))
        if owned is not None:
            return owned if kind is not Kind.VOLUME or owned.mark == mark else None
        pending = self.pending.get(mark)
        if pending is None or pending[0] != kind.value:
            return None
        self.version += 1
        del self.pending[mark]
        owned = self.owned[kind.value, id] = Owned(pending[1], mark)
        return owned

    def _image(self, id: str, name: str, labels: Mapping[str, str], tags: tuple[str, ...], asker: str, *, whole: bool) -> Resource:
        """An image as it goes by some names: for all if one of them is, the asker's if one of them is; whole, only if every one is.

        Its id counts as a name that is held by who built or committed it, where it goes by no other.
        """
        holders = [self.held.get(full_name(tag)) for tag in tags if not tag.startswith("<none>")]
        is_shared = any(holder is None or holder.origin == PULL or self.is_sharing(holder.owner) for holder in holders)
        owners = [holder.owner for holder in holders if holder is not None]
        if (whole or not owners) and (owned := self.owned.get((Kind.IMAGE.value, id))):
            owners.append(owned.owner)
        is_theirs = bool(asker) and (asker in owners if not whole else set(owners) == {asker} and not is_shared)
        owner = asker if is_theirs else next((one for one in owners if one != asker or not whole), "")
        return Resource(Kind.IMAGE, id, name, owner, is_shared, labels)

    # --- telling ---

    def apply(self, deed: Deed) -> None:
        """Take in what one ledger entry says; twice is as once."""
        self.version += 1
        if deed.mark and deed.marks and len(self.pending) < MOST_PENDING:
            self.pending[deed.mark] = (deed.marks, deed.owner)
        for name, owner, origin in deed.claims:  # INVARIANT: claimed before it is there, so that it is nobody else's for a moment
            self.held[name] = Held(owner, origin)
        for kind, id, owner, mark in deed.made:
            self.owned[kind, id] = Owned(owner, mark)
            self.pending.pop(mark, None)
        for name, owner, origin in deed.named:
            held = self.held.get(name)
            if held is None or held.origin == PULL or held.owner == owner:
                self.held[name] = Held(owner, origin)
        for kind, id in deed.gone:
            if kind == "Name":
                self.held.pop(id, None)
                continue
            owned = self.owned.pop((kind, id), None)
            if owned is not None and kind != Kind.VOLUME.value:
                self._remember(kind, id, owned)

    def _remember(self, kind: str, id: str, owned: Owned) -> None:
        """Keep whose a thing was for its last events; an id never comes back, so this can be no other's."""
        self.gone[kind, id] = owned
        while len(self.gone) > MOST_GONE:
            del self.gone[next(iter(self.gone))]

    def forget(self, mark: str) -> None:
        """A call that announced something made nothing after all."""
        self.version += 1
        self.pending.pop(mark, None)

    def replay(self, entries: Iterable[Entry]) -> None:
        """Apply what the ledger holds after the snapshot."""
        for entry in entries:
            self.applied = entry.seq
            if entry.kind == "intent" and entry.detail:
                self.apply(Deed.of(entry.detail))
            elif entry.kind == "outcome":
                if entry.detail:
                    self.apply(Deed.of(entry.detail))
                self.forget(entry.call)


def full_name(text: str) -> str:
    """An image name in full, its tag included; what is no name stands for itself."""
    try:
        return parse_reference(text).tagged().full
    except Refused:
        return text


def open_snapshot(file: Path) -> sqlite3.Connection:
    """Open (or make) the snapshot."""
    store = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=FULL")
    store.executescript(SCHEMA)
    return store


def read_snapshot(store: sqlite3.Connection, owners: Owners) -> None:
    """Fill `owners` from the snapshot."""
    owners.owned = {(kind, id): Owned(owner, mark) for kind, id, owner, mark in store.execute("SELECT kind, id, owner, mark FROM owned")}
    owners.held = {name: Held(owner, origin) for name, owner, origin in store.execute("SELECT name, owner, origin FROM named")}
    owners.pending = {mark: (kind, owner) for mark, kind, owner in store.execute("SELECT mark, kind, owner FROM pending")}
    row = store.execute("SELECT max(seq) FROM applied").fetchone()
    owners.applied = row[0] or 0


def write_snapshot(store: sqlite3.Connection, owners: Owners, seq: int) -> None:
    """Write all of `owners` as it is at ledger entry `seq`, whole or not at all."""
    owned = [(kind, id, thing.owner, thing.mark) for (kind, id), thing in owners.owned.items()]
    named = [(name, held.owner, held.origin) for name, held in owners.held.items()]
    pending = [(mark, kind, owner) for mark, (kind, owner) in owners.pending.items()]
    store.execute("BEGIN IMMEDIATE")
    try:
        for table in ("owned", "named", "pending", "applied"):
            store.execute(f"DELETE FROM {table}")  # noqa: S608  names of ours, not a caller's
        store.executemany("INSERT INTO owned VALUES (?, ?, ?, ?)", owned)
        store.executemany("INSERT INTO named VALUES (?, ?, ?)", named)
        store.executemany("INSERT INTO pending VALUES (?, ?, ?)", pending)
        store.execute("INSERT INTO applied VALUES (?)", (seq,))
        store.execute("COMMIT")
    except sqlite3.Error:
        store.execute("ROLLBACK")
        raise
