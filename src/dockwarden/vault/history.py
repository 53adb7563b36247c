"""What becomes of a path's versions: labels, deleting, destroying, keeping no more than so many. A record in, a record out."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dockwarden.vault.rows import CURRENT, PENDING, PREVIOUS, Held, Record, State, VersionRow
from dockwarden.words.errors import Hidden, Malformed


def grown(record: Record, held: Held, label: str) -> Record:
    """The record with a newest version that goes by `label`. Raises: Malformed: `vault.label`."""
    return msgspec.structs.replace(record, versions=(*record.versions, held), labels=labelled(record.labels, label, held.version))


def labelled(labels: Mapping[str, int], label: str, version: int) -> dict[str, int]:
    """The labels with one more; what was current before is previous, and a pending version that becomes current is pending no more.

    Raises:
        Malformed: `vault.label`.
    """
    if label not in {CURRENT, PENDING, PREVIOUS}:
        raise Malformed("vault.label", f"a version is {CURRENT}, {PENDING} or {PREVIOUS}, not {label[:40]!r}")
    changed = {**labels, label: version}
    if label == CURRENT:
        before = labels.get(CURRENT, version)
        if before != version:
            changed[PREVIOUS] = before
        if changed.get(PENDING) == version:
            del changed[PENDING]
    return changed


def live(record: Record, version: int) -> Held:
    """One version that can be read. Raises: Hidden: `vault.absent_version`."""
    held = record.held(version)
    if held is None or held.state is not State.LIVE:
        raise absent_version(record.path, f"version {version}")
    return held


def absent_version(path: str, what: str) -> Hidden:
    """What is said of a version that is not there, deleted or destroyed."""
    return Hidden("vault.absent_version", f"{path} has no {what}; see dockwarden secret history {path}")


def restated(record: Record, versions: frozenset[int], old: State, new: State) -> Record:
    """The record with some versions (all, if none is named) that were `old` in state `new`; labels stay on live ones alone."""
    held = tuple(
        msgspec.structs.replace(one, state=new) if one.state is old and (not versions or one.version in versions) else one
        for one in record.versions
    )
    return _relabelled(msgspec.structs.replace(record, versions=held))


def destroyed(record: Record, versions: frozenset[int]) -> tuple[Record, tuple[VersionRow, ...]]:
    """The record without the values of some versions (all, if none is named), and the rows that stand in their place."""
    gone = {held.version for held in record.versions if not versions or held.version in versions}
    rows = {number: VersionRow(path=record.path, version=number, term=0, salt=b"", wrapped=b"", sealed=b"") for number in gone}
    held = tuple(
        msgspec.structs.replace(one, state=State.DESTROYED, digest=rows[one.version].digest()) if one.version in rows else one
        for one in record.versions
    )
    return _relabelled(msgspec.structs.replace(record, versions=held)), tuple(rows.values())


def pruned(record: Record) -> tuple[Record, tuple[VersionRow, ...]]:
    """The record with no more versions than it keeps: the oldest are destroyed, but none that has a label."""
    there = [held.version for held in record.versions if held.state is not State.DESTROYED]
    gone = frozenset(there[: max(0, len(there) - record.keep)]) - set(record.labels.values())
    return destroyed(record, gone) if gone else (record, ())


def rehashed(record: Record, digests: Mapping[int, bytes]) -> Record:
    """The record with other hashes for some versions."""
    held = tuple(msgspec.structs.replace(one, digest=digests.get(one.version, one.digest)) for one in record.versions)
    return msgspec.structs.replace(record, versions=held)


def _relabelled(record: Record) -> Record:
    """Labels on live versions alone. What was current is followed by the previous one, or by the only one that is left.

    Where several are left and nothing says which of them is right, none is current: people have to say.
    """
    there = [held.version for held in record.versions if held.state is State.LIVE]
    labels = {label: version for label, version in record.labels.items() if version in there}
    ready = [version for version in there if version != labels.get(PENDING)]
    if CURRENT not in labels and (PREVIOUS in labels or len(ready) == 1):
        labels[CURRENT] = labels[PREVIOUS] if PREVIOUS in labels else ready[0]
    return msgspec.structs.replace(record, labels=labels)
