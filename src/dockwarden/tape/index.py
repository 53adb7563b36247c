"""The search index: what sessions showed, in SQLite with FTS5, every page of the file sealed. Made from the tapes, and from them again at any time.

Tapes are sealed at rest, so their text must be, too. Three designs were weighed, with 10,000 tapes of 17 KiB of text in mind:

1. An index in memory, its parts sealed on the disk: some 100 MiB held by a process that serves, or seconds of building before each answer.
2. Words replaced by keyed digests: what stands together, and how often, can be read from the disk by who knows the language.
3. This one: SQLite3 Multiple Ciphers (ChaCha20-Poly1305 over each page, the write-ahead log's too). Only the pages that a question needs are
   in memory, and only while it is answered; a change is a transaction; deleting overwrites.

The key is 32 random bytes in the vault, so while that is sealed nothing is found. Readable without it: the file's size, and when it changes.
Source: sqlite.org/fts5.html; utelle.github.io/SQLite3MultipleCiphers (cipher "chacha20").
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec
import zstandard

from dockwarden.tape.faults import BadIndex
from dockwarden.tape.opening import Opening
from dockwarden.tape.phrases import Phrases
from dockwarden.tape.seen import Command, Line, Seen

VERSION = 1
WAIT_MS = 5000
SETTINGS = ("temp_store = MEMORY", "secure_delete = ON", "journal_mode = WAL", "synchronous = NORMAL")
"""Nothing is written beside the file in clear, and what is deleted is overwritten."""
MOST_TEXT = 64 << 20
SCANNED_CHARS = 64 << 20
"""How much text is looked through for who may not search in all tapes."""
SCHEMA = """
CREATE TABLE tape (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, person TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, place TEXT NOT NULL,
  started INTEGER NOT NULL, ended INTEGER NOT NULL, exit TEXT NOT NULL, said TEXT NOT NULL, chars INTEGER NOT NULL
);
CREATE INDEX by_time ON tape (started);
CREATE INDEX by_whose ON tape (person, target);
CREATE TABLE seen (n INTEGER PRIMARY KEY, lines BLOB NOT NULL, commands BLOB NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (lines, commands, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 0');
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
"""
FIELDS = "n, id, person, kind, target, started, ended, exit, said, chars"
Conditions = dict[str, tuple[Any, ...]]
"""Parts of a WHERE, all of which must hold, with their values in order."""
_pack = zstandard.ZstdCompressor(level=3, write_content_size=True).compress


class Indexed(NamedTuple):
    """One tape in the index. `said` is what is to be said of how it was read, "" if all of it was."""

    n: int
    id: str
    person: str
    kind: str
    target: str
    started: int
    ended: int
    exit: str
    said: str
    chars: int


class Whose(NamedTuple):
    """What policy is asked about: tapes of one person's in one place, or one of them, `id`."""

    person: str
    target: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for; what is empty does not matter. Times are microseconds since 1970."""

    text: Phrases = Phrases(())
    command: Phrases = Phrases(())
    person: str = ""
    target: str = ""
    kind: str = ""
    exit: str = ""
    since: int = 0
    until: int = 0
    most: int = 50

    @property
    def looks_inside(self) -> bool:
        """Whether it asks for something that only who may see the content may ask for."""
        return bool(self.text.words or self.command.words or self.exit)


class Index:
    """The file, open with its key; not for two threads at a time."""

    def __init__(self, file: Path, key: bytes, *, makes: bool = False) -> None:
        """Open it; where there is none, `makes` makes one. Raises: BadIndex: it is absent, damaged, of another version, or `key` is another's."""
        self._unpack = zstandard.ZstdDecompressor().decompress
        with _faults():
            if makes and not file.exists():
                _make(file, key)
            self._db = _opened(file, key)
            if self._db.execute("PRAGMA user_version").get != VERSION:
                self.close()
                raise BadIndex("it is of another version")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close(True)

    def ids(self) -> set[str]:
        """Every tape in it. Raises: BadIndex."""
        with _faults():
            return {id for (id,) in self._db.execute("SELECT id FROM tape")}

    def put(self, opening: Opening, ended_us: int, seen: Seen, said: str) -> None:
        """Take a tape in, or anew. Raises: BadIndex."""
        lines, commands = "\n".join(line.text for line in seen.lines), "\n".join(command.text for command in seen.commands)
        place = opening.detail.get("container", "")
        row = (
            opening.id, opening.person, opening.kind, opening.target, place, opening.at, ended_us, seen.exit, said, len(lines) + len(commands),
        )  # fmt: skip
        with _faults(), self._db:
            self._remove(opening.id)
            self._db.execute("INSERT INTO tape VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            n = self._db.last_insert_rowid()
            self._db.execute("INSERT INTO seen VALUES (?, ?, ?)", (n, _packed(seen.lines), _packed(seen.commands)))
            self._db.execute("INSERT INTO words (rowid, lines, commands) VALUES (?, ?, ?)", (n, lines, commands))

    def remove(self, ids: Collection[str]) -> None:
        """Let tapes go, and what they showed with them, overwritten. Raises: BadIndex."""
        with _faults():
            with self._db:
                for id in ids:
                    self._remove(id)
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _remove(self, id: str) -> None:
        for (n,) in self._db.execute("SELECT n FROM tape WHERE id = ?", (id,)).fetchall():
            for statement in ("DELETE FROM words WHERE rowid = ?", "DELETE FROM seen WHERE n = ?", "DELETE FROM tape WHERE n = ?"):
                self._db.execute(statement, (n,))

    def whose(self, *, by_id: bool) -> list[Whose]:
        """What policy is asked about; each tape for itself with `by_id`. Raises: BadIndex."""
        with _faults():
            some = "SELECT person, target, id FROM tape" if by_id else "SELECT DISTINCT person, target FROM tape"
            return [Whose(*row) for row in self._db.execute(some)]

    def numbers(self, whose: Collection[Whose], *, by_id: bool) -> list[int]:
        """The tapes of `whose`. Raises: BadIndex."""
        with _faults():
            rows = self._db.execute("SELECT n, person, target, id FROM tape")
            return [n for n, person, target, id in rows if Whose(person, target, id if by_id else "") in whose]

    def find(self, wanted: Wanted, among: Sequence[int] | None) -> tuple[list[Indexed], bool]:
        """The newest tapes that are as `wanted`, and whether there may be more. Raises: BadIndex.

        `among` are the numbers of those that may be found, `None` for all. INVARIANT: for who may not search in all, nothing of the others
        is looked at, so that the time it takes does not tell of them: the words' index is of all, so it is not asked.
        """
        conditions = _conditions(wanted)
        words = _match(wanted)
        with _faults():
            if among is not None:
                conditions["n IN (SELECT value FROM json_each(?))"] = (msgspec.json.encode(among).decode(),)
                return self._scan(wanted, conditions) if words else self._first(wanted.most, conditions)
            if words:
                conditions["n IN (SELECT rowid FROM words WHERE words MATCH ?)"] = (words,)
            return self._first(wanted.most, conditions)

    def _first(self, most: int, conditions: Conditions) -> tuple[list[Indexed], bool]:
        found = list(self._rows(conditions, most + 1))
        return found[:most], len(found) > most

    def _rows(self, conditions: Conditions, most: int = -1) -> Iterator[Indexed]:
        where = " AND ".join(("1", *conditions))
        values = [value for some in conditions.values() for value in some]
        statement = f"SELECT {FIELDS} FROM tape WHERE {where} ORDER BY started DESC, n DESC LIMIT ?"  # noqa: S608  texts of this file; what a caller says is a value
        return (Indexed(*row) for row in self._db.execute(statement, (*values, most)))

    def _scan(self, wanted: Wanted, conditions: Conditions) -> tuple[list[Indexed], bool]:
        found: list[Indexed] = []
        left = SCANNED_CHARS
        for row in self._rows(conditions):
            if len(found) == wanted.most or left < 0:
                return found, True
            left -= row.chars
            lines, commands = self.content(row.n)
            given = "\n".join(command.text for command in commands)
            if wanted.command.are_in(given) and wanted.text.are_in("\n".join(line.text for line in lines), given):
                found.append(row)
        return found, False

    def content(self, n: int) -> tuple[list[Line], list[Command]]:
        """What a tape showed. Raises: BadIndex."""
        with _faults():
            for lines, commands in self._db.execute("SELECT lines, commands FROM seen WHERE n = ?", (n,)):
                return self._unpacked(lines, list[Line]), self._unpacked(commands, list[Command])
        return [], []

    def _unpacked(self, packed: bytes, kind: type[Any]) -> Any:
        return msgspec.msgpack.decode(self._unpack(packed, max_output_size=MOST_TEXT), type=kind)


def _packed(some: Sequence[Line] | Sequence[Command]) -> bytes:
    return _pack(msgspec.msgpack.encode(some))


def _match(wanted: Wanted) -> str:
    """The question in FTS5's own language."""
    parts = [f"({wanted.text.match})"] if wanted.text.words else []
    parts += [f"(commands : ({wanted.command.match}))"] if wanted.command.words else []
    return " AND ".join(parts)


def _conditions(wanted: Wanted) -> Conditions:
    """The rest of it, each condition with its values."""
    found: Conditions = {
        "person = ?": (wanted.person,), "kind = ?": (wanted.kind,), "exit = ?": (wanted.exit,), "started >= ?": (wanted.since,),
        "started < ?": (wanted.until,), "(instr(lower(target), lower(?)) OR length(?) > 3 AND instr(place, ?) = 1)": (wanted.target,) * 3,
    }  # fmt: skip
    return {text: values for text, values in found.items() if values[0]}


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    """What SQLite says, in our words; of what was asked it repeats nothing."""
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError):
        raise BadIndex("it is damaged, or was made with another key") from None
    except (apsw.Error, zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise BadIndex(f"it cannot be read ({type(error).__name__})") from None


def _opened(file: Path, key: bytes, flags: int = apsw.SQLITE_OPEN_READWRITE) -> apsw.Connection:
    db = apsw.Connection(str(file), flags=flags)
    try:
        db.set_busy_timeout(WAIT_MS)
        for setting in (f"key = 'raw:{key.hex()}'", *SETTINGS):
            db.execute(f"PRAGMA {setting}").fetchall()
    except BaseException:
        db.close(True)
        raise
    return db


def _make(file: Path, key: bytes) -> None:
    """Make an empty index; nobody sees a half of one."""
    part = file.with_name(f"{file.name}.part")
    discard(part)
    db = _opened(part, key, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    db.execute(f"BEGIN; {SCHEMA}; PRAGMA user_version = {VERSION}; COMMIT")
    db.close()
    part.rename(file)


def discard(file: Path) -> None:
    """Take the file away, with what belongs to it. Raises: OSError."""
    for name in (file.name, f"{file.name}-wal", f"{file.name}-shm", f"{file.name}-journal"):
        file.with_name(name).unlink(missing_ok=True)
