"""Rows of expected decisions: who asks for what, and how it must come out. They live in a repository beside the policies.

```toml
[[row]]
name = "a developer runs no privileged container"
as = "alice"
docker = "run --privileged busybox"           # or: call = "POST /containers/create" with body = { … }
expect = "refuse"                             # permit, refuse, hide, malformed
why = "privileged"                            # words that the answer has
```
A `.jsonl` file has one such object a line.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockwarden.cli.dockerline import Call, Surroundings, read_line
from dockwarden.cli.supposed import Judged
from dockwarden.words.errors import BadConfig

OUTCOMES = ("permit", "refuse", "hide", "malformed")
TEXTS, LISTS = ("name", "as", "docker", "call", "raw", "expect", "why", "image_user"), ("groups", "others", "shared", "own", "policies")
HOW = "write [[row]] tables in TOML, or one JSON object a line in .jsonl"
TABLE = re.compile(r"\s*\[\[\s*row\s*\]\]\s*(#.*)?")
KEYS = frozenset({*TEXTS, *LISTS, "body"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `calls` are what it asks for; the first that is not permitted is how it comes out. `groups` is `None` where people.toml says."""

    where: str
    name: str
    who: str
    calls: tuple[Call, ...]
    expect: str
    why: str = ""
    policies: frozenset[str] = frozenset()
    groups: frozenset[str] | None = None
    others: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    image_user: str = ""

    def mismatch(self, found: Judged) -> str:
        """What about `found` is not as expected, "" where all is."""
        if found.outcome != self.expect:
            return f"came out as {found.outcome}" + (f": {found.message}" if found.message else "")
        decided = frozenset(found.judgement.verdict.policies if found.judgement else ())
        facts = sorted(found.judgement.facts.escape) if found.judgement else []
        said = " ".join((found.message, *facts, *sorted(decided))).casefold()
        if self.why.casefold() not in said:
            return f"the answer does not have {self.why!r}: {said}"
        if not self.policies <= decided:
            return f"decided by {', '.join(sorted(decided)) or 'no policy'} instead of {', '.join(sorted(self.policies))}"
        return ""


def read_rows(file: Path) -> Iterator[Row]:
    """Yield the rows of a `.toml`, `.jsonl` or `.json` file in order.

    Raises:
        BadConfig: it cannot be read, or a row has a key that is not known, or lacks one.
    """
    try:
        text = file.read_text("utf-8")
        if file.suffix == ".toml":
            found = tomllib.loads(text).get("row", [])
            starts = [number for number, line in enumerate(text.splitlines(), 1) if TABLE.fullmatch(line)]
            places = starts if len(starts) == len(found) else range(1, len(found) + 1)
            raw = [(f"{file}:{place}" if places is starts else f"{file}: row {place}", row) for place, row in zip(places, found, strict=True)]
        elif file.suffix == ".jsonl":
            raw = []
            for number, line in enumerate(text.splitlines(), 1):
                raw += [(f"{file}:{number}", json.loads(line))] if line.strip() else []
        else:
            found = json.loads(text)
            raw = [(f"{file}: row {number}", row) for number, row in enumerate(found if isinstance(found, list) else [found], 1)]
    except json.JSONDecodeError as error:
        raise BadConfig(f"{file}:{number if file.suffix == '.jsonl' else error.lineno}", f"is no JSON ({error.msg})", HOW) from None
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(str(file), f"is not TOML: {error}", HOW) from None
    except (OSError, ValueError) as error:
        raise BadConfig(str(file), f"cannot be read ({error})", HOW) from None
    if not raw:
        raise BadConfig(str(file), "has no row", HOW)
    for where, row in raw:
        yield read_row(where, row)


def read_row(where: str, row: Any, *, needs_expectation: bool = True) -> Row:
    """Return one row, checked.

    Raises:
        BadConfig: as above.
    """
    if not isinstance(row, dict):
        raise BadConfig(where, "is no table", "write name, as, docker and expect")
    for unknown in sorted(set(row) - KEYS):
        close = difflib.get_close_matches(unknown, sorted(KEYS), n=1)
        raise BadConfig(where, f"unknown key `{unknown}`", f"did you mean `{close[0]}`?" if close else f"there are {', '.join(sorted(KEYS))}")
    for key in TEXTS:
        if not isinstance(row.get(key, ""), str):
            raise BadConfig(where, f"`{key}` is no text", f'write {key} = "…"')
    for key in LISTS:
        if not isinstance(row.get(key, []), list) or not all(isinstance(item, str) for item in row.get(key, [])):
            raise BadConfig(where, f"`{key}` is no list of texts", f'write {key} = ["…"]')
    if needs_expectation and row.get("expect") not in OUTCOMES:
        raise BadConfig(where, f"expects {row.get('expect', 'nothing')!r}", f"write expect = one of {', '.join(OUTCOMES)}")
    return Row(
        where, row.get("name") or row.get("docker") or row.get("call") or "", row.get("as", ""), _calls(where, row), row.get("expect", ""),
        row.get("why", ""), frozenset(row.get("policies", ())), frozenset(row["groups"]) if "groups" in row else None,
        frozenset(row.get("others", ())), frozenset(row.get("shared", ())), frozenset(row.get("own", ())), row.get("image_user", ""),
    )


def _calls(where: str, row: Mapping[str, Any]) -> tuple[Call, ...]:
    if ("docker" in row) == ("call" in row):
        raise BadConfig(where, "asks for nothing, or for two things", 'write docker = "run …" or call = "POST /containers/create"')
    if "docker" in row:
        try:
            return read_line(row["docker"], Surroundings())
        except BadConfig as error:
            raise BadConfig(where, f"{error.where} {error.what}", error.mend) from None
    method, _, target = row["call"].partition(" ")
    if not target.startswith("/"):
        raise BadConfig(where, f"{row['call']!r} is no call", 'write call = "POST /containers/create"')
    return (Call(method, target, row["raw"] if "raw" in row else json.dumps(row["body"]) if "body" in row else ""),)
