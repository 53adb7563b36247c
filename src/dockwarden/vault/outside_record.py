"""What an outside vault says of a path as our `Record`, and a value as its KV version 2 holds it: values only.

A KV version 2 has no labels. Ours are in the path's custom metadata, one JSON text under `dockwarden.labels`: which version goes by which
label, and `at`, the newest version when that was written. Whatever is newer was put there since and became `current` one after the other,
as with our own vault; so a path on which nobody ever set a label needs none, and what others put there with their own tools is delivered.
Who made a version and how long it is stand beside it, under `dockwarden.NUMBER`, for the versions that we put there.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dockwarden.vault import history
from dockwarden.vault.rows import CURRENT, MOST_BYTES, Held, Record, State
from dockwarden.words.errors import Missing, Unavailable

LABELS, OURS = "dockwarden.labels", "dockwarden."
MOST_NOTES = 40
"""Versions that we say who made them of. Source: KV version 2 takes 64 keys of custom metadata, of 512 bytes each."""
LONGEST_NAME_BYTES = 400
SKEW = datetime.timedelta(seconds=30)
"""How far the other vault's clock may be ahead of ours: what is deleted within that time is deleted."""
USUAL_KEEP = 10
TEXT, BINARY = "value", "value_base64"


class Version(msgspec.Struct):
    """One version in a KV's metadata; times are RFC 3339, `deletion_time` "" or when it is or will be deleted."""

    created_time: str = ""
    deletion_time: str = ""
    destroyed: bool = False


class Metadata(msgspec.Struct):
    """A KV's metadata of one path, as far as we need it."""

    current_version: int
    versions: dict[str, Version]
    max_versions: int = 0
    delete_version_after: str = "0s"
    custom_metadata: dict[str, str] | None = None


class Labels(msgspec.Struct, frozen=True):
    """Our labels as they are written."""

    at: int
    labels: dict[str, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """One path: what we know of it, the number of its newest version (destroyed ones too), and what must be written again as it was."""

    record: Record
    newest: int
    custom: Mapping[str, str]
    delete_after: str = "0s"

    def described(self, labels: Mapping[str, int], at: int, note: Mapping[int, str] | None = None) -> dict[str, str]:
        """The custom metadata with these labels as they stand at version `at`, and notes of some versions; others' keys stay."""
        notes = {**_notes(self.custom), **(note or {})}
        there = {held.version for held in self.record.versions} | set(note or {})
        kept = sorted(there & set(notes))[-MOST_NOTES:]
        others = {key: text for key, text in self.custom.items() if not key.startswith(OURS)}
        said = msgspec.json.encode(Labels(at, dict(labels)), order="deterministic").decode()
        return {**others, LABELS: said, **{f"{OURS}{number}": notes[number] for number in kept}}


def read_metadata(path: str, data: Mapping[str, Any], now: datetime.datetime) -> Kept:
    """Return what `data` says of `path`.

    Raises:
        Unavailable: `vault.outside_answer`: it is no metadata of a KV version 2, or our labels in it were changed by others.
    """
    fault: Unavailable
    try:
        said = msgspec.convert(data, Metadata)
        custom = said.custom_metadata or {}
        written = msgspec.json.decode(custom[LABELS], type=Labels) if LABELS in custom else Labels(0, {})
        notes = _notes(custom)
        held = tuple(_held(number, said.versions[str(number)], notes.get(number, ""), now) for number in sorted(map(int, said.versions)))
    except (msgspec.DecodeError, ValueError, KeyError):
        what = f"the outside vault's metadata of {path} cannot be read"
        fault = Unavailable("vault.outside_answer", f"{what}; if others changed {LABELS} there, take it away")
    else:
        record = Record(path=path, labels=_labels(written, held), versions=held, keep=said.max_versions or USUAL_KEEP)
        if not set(record.labels.values()) <= {one.version for one in held if one.state is State.LIVE}:
            record = history.restated(record, frozenset(), State.LIVE, State.LIVE)  # others took one away: labels stay on live versions alone
        return Kept(record, max([said.current_version, *(one.version for one in held)]), custom, said.delete_version_after)
    raise fault


def note_of(by: str, size: int) -> str:
    """What is written beside a version: how long it is and who made it."""
    return f"{size} {by.encode()[:LONGEST_NAME_BYTES].decode(errors='ignore')}"


def as_data(value: bytes) -> dict[str, str]:
    """A value as the keys of a version."""
    try:
        return {TEXT: value.decode("utf-8")}
    except UnicodeDecodeError:
        return {BINARY: base64.b64encode(value).decode("ascii")}


def as_value(path: str, data: Any) -> bytes:
    """The value in a version's keys: ours, or the one key that another wrote.

    Raises:
        Missing: `vault.outside_shape`: there are more keys, or what is in the one is no text, empty or too long.
    """
    keys = list(data) if isinstance(data, dict) else []
    text = data[keys[0]] if len(keys) == 1 else None
    wrong = ""
    if not isinstance(text, str):
        wrong = f"has {len(keys)} keys; one, with a text, can be given" if len(keys) != 1 else "holds no text"
        value = b""
    elif keys == [BINARY]:
        value, wrong = _unbase64(text)
    else:
        value = text.encode("utf-8", "surrogatepass")
    if not wrong and not 0 < len(value) <= MOST_BYTES:
        wrong = f"is of {len(value)} bytes; 1 to {MOST_BYTES} can be given"
    if wrong:
        raise Missing("vault.outside_shape", f"{path} in the outside vault {wrong}")
    return value


def _unbase64(text: str) -> tuple[bytes, str]:
    try:
        return base64.b64decode(text, validate=True), ""
    except (binascii.Error, ValueError):
        return b"", f"has no base64 in {BINARY}"


def _labels(written: Labels, held: tuple[Held, ...]) -> dict[str, int]:
    """The labels as they stand: as written, and after that what is newer became current, one after the other."""
    labels = written.labels
    for one in held:
        if one.version > written.at and one.state is State.LIVE:
            labels = history.labelled(labels, CURRENT, one.version)
    return labels


def _held(number: int, version: Version, note: str, now: datetime.datetime) -> Held:
    is_deleted = bool(version.deletion_time) and _time(version.deletion_time) <= now + SKEW
    state = State.DESTROYED if version.destroyed else State.DELETED if is_deleted else State.LIVE
    size, _, by = note.partition(" ")
    at = int(_time(version.created_time).timestamp() * 1_000_000)
    return Held(version=number, state=state, at=at, by=by, size=int(size) if size.isdecimal() else 0, digest=b"")


def _time(text: str) -> datetime.datetime:
    """Raises: ValueError."""
    found = datetime.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def _notes(custom: Mapping[str, str]) -> dict[int, str]:
    numbers = ((key.removeprefix(OURS), text) for key, text in custom.items() if key.startswith(OURS))
    return {int(number): text for number, text in numbers if number.isdecimal()}
