"""Sessions found again: `session/search`, `session/reindex`.

1. Which tapes there are, and whose, is read from the index; policy is asked of each: `session.list` for what anybody may know of it,
   `session.search` and `session.play` for what it showed, how it ended, and what was done in it.
2. The question is in the ledger, durable, its secrets masked.
3. Only then the question is put, and only to the tapes that it may be put to: of the others no count, no order and no time is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from dockwarden.access.rulebook import Rulebook
from dockwarden.doors.control.door import Call, Stream, Verb
from dockwarden.doors.docker.trail import said
from dockwarden.policy.decide import decide
from dockwarden.policy.schema import SESSION_ACTIONS, SESSION_REINDEX, SESSION_SEARCH
from dockwarden.tape.faults import BadIndex, BadSegment
from dockwarden.tape.index import Index, Indexed, Wanted, Whose
from dockwarden.tape.indexer import Indexer, search_key
from dockwarden.tape.phrases import Phrases, read_phrases
from dockwarden.tape.read import opening_of
from dockwarden.tape.seen import Command, Line
from dockwarden.tape.shelf import Shelf
from dockwarden.vault.keeper import KeepsSecrets
from dockwarden.words.ask import Ask, Resource
from dockwarden.words.ask import Kind as ResourceKind
from dockwarden.words.errors import Broken, Forbidden, Malformed
from dockwarden.words.principal import Principal

LIST, PLAY, *_ = SESSION_ACTIONS
INDEX = Resource(ResourceKind.SYSTEM, "search")
LINES = b"application/x-ndjson"
LONGEST_TEXT, MOST_SESSIONS = 500, 1000
MOST_HITS, LONGEST_HIT = 3, 300
MOST_WAITING, MOST_NOTED = 200, 100
DECIDED_AT_ONCE = 50

T = TypeVar("T")
Text = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is searched for; what is left out does not matter. Times are microseconds since 1970; `commands` asks for each one's list of them."""

    text: Text = ""
    person: Text = ""
    target: Text = ""
    kind: Text = ""
    command: Text = ""
    exit: Text = ""
    since: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)] = 0
    until: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_SESSIONS)] = 50
    commands: bool = False


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was seen, or a command that was given; `derived` if that was read off the screen."""

    at_us: int
    text: str
    is_command: bool = False
    derived: bool = False


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One session. `exit`, `hits` and `commands` are for who may see its content; `said` is what is to be said of how it was read."""

    id: str
    person: str
    kind: str
    target: str
    started: int
    ended: int
    exit: str = ""
    said: str = ""
    hits: tuple[Hit, ...] = ()
    commands: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose tapes a caller may find: by what is known of them, and by what they showed. `total` is how many answers policy gave for each."""

    listed: frozenset[Whose]
    played: frozenset[Whose]
    total: int
    by_id: bool

    def among(self, index: Index, *, inside: bool) -> list[int] | None:
        """The numbers of those that a question may be put to, `None` for all."""
        whose = self.played if inside else self.listed
        return None if len(whose) == self.total else index.numbers(whose, by_id=self.by_id)

    def knows(self, row: Indexed, *, inside: bool) -> bool:
        """Whether `row` may be found: one that policy was not asked about may have come into the index since."""
        return Whose(row.person, row.target, row.id if self.by_id else "") in (self.played if inside else self.listed)


class SearchVerbs:
    """The verbs of noun `session` that ask the index."""

    def __init__(self, indexer: Indexer, shelf: Shelf, keeper: KeepsSecrets, rulebook: Rulebook) -> None:
        self._indexer, self._shelf, self._keeper, self._rulebook = indexer, shelf, keeper, rulebook

    def verbs(self) -> dict[str, Verb]:
        """Each verb by its name in the path."""
        return {"session/search": self.search, "session/reindex": self.reindex}

    async def search(self, call: Call) -> Mapping[str, Any]:
        """The newest sessions that are as asked for."""
        call.trail.action = SESSION_SEARCH
        asked = call.read(Search)
        wanted = _wanted(asked)
        key = await search_key(self._keeper)
        reach = await self._reach(call.principal, key)
        await call.trail.intent({"searched": {name: said(str(value)) for name, value in msgspec.to_builtins(asked).items() if value}})
        if self._indexer.file.exists():
            found, is_more = await self._with(key, lambda index: _find(index, wanted, reach, self._shelf, with_commands=asked.commands))
        else:
            found, is_more = [], False
        shown = [row.id for row in found if row.hits or row.commands or row.exit]
        call.trail.outcome(200, detail={"found": len(found), "seen": shown[:MOST_NOTED]}, changing=False)
        return {"sessions": found, "more": is_more, "waiting": await self._waiting(call.principal)}

    async def reindex(self, call: Call) -> Stream:
        """The index made anew from the tapes: a line now and again that says how far it is."""
        call.trail.action = SESSION_REINDEX
        verdict = decide(Ask(call.principal, SESSION_REINDEX, INDEX), self._rulebook.rules.policies)
        call.trail.judged(INDEX, verdict, None)
        if not verdict.is_allowed:
            reasons = "; ".join(verdict.advice) or "no policy permits it"
            message = f"{SESSION_REINDEX} is refused for {call.principal.name}: {reasons}; ask an admin"
            raise Forbidden(verdict.why.value, message, policies=verdict.policies)
        await search_key(self._keeper)
        await call.trail.intent({})

        async def pieces() -> AsyncGenerator[bytes, None]:
            async for done, of, unread in self._indexer.rebuild():
                yield msgspec.json.encode({"done": done, "of": of, "unread": unread}) + b"\n"
            call.trail.outcome(200, changing=True)

        return Stream(LINES, pieces())

    async def _with(self, key: bytes, ask: Callable[[Index], T]) -> T:
        """What `ask` has of the index, in a thread. Raises: Broken."""

        def asked() -> T:
            index = Index(self._indexer.file, key)
            try:
                return ask(index)
            finally:
                index.close()

        try:
            return await asyncio.to_thread(asked)
        except BadIndex as error:
            self._indexer.look()
            raise Broken("search.unreadable", f"the search index: {error}; make it anew with dockwarden session reindex") from None

    async def _reach(self, principal: Principal, key: bytes) -> Reach:
        """What policy lets the caller find. A question for each person and target, or for each tape where a policy looks at ids."""
        by_id = "id" in self._rulebook.rules.policies.looks[ResourceKind.SESSION].needs
        every = await self._with(key, lambda index: index.whose(by_id=by_id)) if self._indexer.file.exists() else []
        listed, played = set(), set()
        for number, whose in enumerate(every, 1):
            may_list, may_play = self._may(principal, whose.id, whose.person, whose.target)
            if may_list:
                listed.add(whose)
            if may_play:
                played.add(whose)
            if not number % DECIDED_AT_ONCE:
                await asyncio.sleep(0)
        return Reach(frozenset(listed), frozenset(played), len(every), by_id)

    def _may(self, principal: Principal, id: str, person: str, target: str) -> tuple[bool, bool]:
        """Whether the caller may know of a tape, and whether they may search in it, too."""
        about, policies = Resource(ResourceKind.SESSION, id, target, person), self._rulebook.rules.policies
        may = {action: decide(Ask(principal, action, about), policies).is_allowed for action in (LIST, PLAY, SESSION_SEARCH)}
        return may[LIST], all(may.values())

    async def _waiting(self, principal: Principal) -> int:
        """How many tapes that the caller may search in are not in the index yet, of the next few."""

        def openings() -> list[tuple[str, str, str]]:
            found = []
            for id in self._indexer.waiting[-MOST_WAITING:]:
                try:
                    opening = opening_of(self._shelf.path(id))
                    found.append((id, opening.person, opening.target))
                except BadSegment:
                    continue
            return found

        return sum(self._may(principal, *one)[1] for one in await asyncio.to_thread(openings))


def _wanted(asked: Search) -> Wanted:
    return Wanted(
        text=_words("text", asked.text), command=_words("command", asked.command), person=asked.person, target=asked.target, kind=asked.kind,
        exit=asked.exit, since=asked.since, until=asked.until, most=asked.limit,
    )  # fmt: skip


def _words(name: str, text: str) -> Phrases:
    words = read_phrases(text)
    if text and not words.words:
        raise Malformed("search.text", f"{name} has no letter or digit to search for; give a word of it")
    return words


def _find(index: Index, wanted: Wanted, reach: Reach, shelf: Shelf, *, with_commands: bool) -> tuple[list[Found], bool]:
    inside = wanted.looks_inside
    rows, is_more = index.find(wanted, reach.among(index, inside=inside))
    there = [row for row in rows if reach.knows(row, inside=inside) and shelf.path(row.id).is_dir()]  # one that is deleted leaves the index soon
    return [_shown(index, row, wanted, sees=reach.knows(row, inside=True), with_commands=with_commands) for row in there], is_more


def _shown(index: Index, row: Indexed, wanted: Wanted, *, sees: bool, with_commands: bool) -> Found:
    known = Found(id=row.id, person=row.person, kind=row.kind, target=row.target, started=row.started, ended=row.ended)
    if not sees:
        return known
    known = msgspec.structs.replace(known, exit=row.exit, said=row.said)
    if not (wanted.text.words or wanted.command.words or with_commands):
        return known
    lines, commands = index.content(row.n)
    hits = [_line_hit(lines[number]) for number in wanted.text.lines([line.text for line in lines], MOST_HITS)]
    given = [command.text for command in commands]
    numbers = wanted.command.lines(given, MOST_HITS) or ([] if hits else wanted.text.lines(given, MOST_HITS))
    hits += [_command_hit(commands[number]) for number in numbers]
    return msgspec.structs.replace(known, hits=tuple(hits), commands=tuple(map(_command_hit, commands)) if with_commands else ())


def _line_hit(line: Line) -> Hit:
    return Hit(at_us=line.at_us, text=line.text[:LONGEST_HIT])


def _command_hit(command: Command) -> Hit:
    return Hit(at_us=command.at_us, text=command.text[:LONGEST_HIT], is_command=True, derived=command.is_derived)
