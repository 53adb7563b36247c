"""Secrets that are kept in an outside vault (HashiCorp Vault or OpenBao, KV version 2), by the same port as those of our own.

Labels are ours (`outside_record.py`). What must be one step and takes two calls is done in the order in which a crash between them is
harmless: labels that keep a version from being current are written before that version comes to be, is deleted or brought back.
Called by one thread at a time. It decides nothing about who may ask, and how many versions are kept is for the outside vault to say.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dockwarden.vault import history
from dockwarden.vault.outside_record import Kept, as_data, as_value, note_of, read_metadata
from dockwarden.vault.rows import CURRENT, LONGEST_PATH, PATH, Held, Record, State, checked_path, checked_value
from dockwarden.vault.vault import Got, absent
from dockwarden.words.errors import Unavailable
from dockwarden.words.secret import Secret

if TYPE_CHECKING:
    from dockwarden.vault.outside_kv import Kv

MOST_TRIES = 3
NONE = frozenset({0})
"""No version: the empty set means all."""


class OutsideVault:
    """The port `keeper.Secrets` over one KV engine. Every deed raises Unavailable: `vault.outside_…` where that does not serve us."""

    def __init__(self, kv: Kv, now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)) -> None:
        self.kv, self._now = kv, now

    def record(self, path: str) -> Record:
        """What is known of `path`. Raises: Hidden: `vault.absent_path`."""
        return self._kept(path).record

    def get(self, path: str, version: int = 0, label: str = CURRENT) -> Got:
        """The value of one version. Raises: Hidden: `vault.absent_path`, `vault.absent_version`. Missing: `vault.outside_shape`."""
        record = self.record(path)
        number = version or record.labels.get(label, 0)
        if not number:
            raise history.absent_version(path, f"version that is {label}")
        history.live(record, number)
        data = self.kv.data(path, number)
        if data is None:
            raise history.absent_version(path, f"version {number}")
        return Got(Secret(as_value(path, data)), number)

    def paths(self, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
        """Paths that begin with `prefix`, in order, from the first after `after`. Names that no path of ours can have are passed over."""
        folder = prefix[: prefix.rfind("/") + 1]
        if folder and PATH.fullmatch(folder[:-1]) is None:  # INVARIANT: no `..` of a caller's is ever part of an address that is asked with our token
            return []
        found: list[str] = []
        for path in self._walk(folder, prefix, after):
            found.append(path)
            if len(found) == limit:
                break
        return found

    def put(self, path: str, value: Secret, by: str, *, label: str = CURRENT) -> int:
        """Keep `value` as the newest version, give it `label`, and return its number.

        1. Labels that keep the version from being current are written first: without them, what is newest is current.
        2. The version is made, if the newest one is still the one that the labels speak of.
        3. Who made it is written beside it, with the labels as they stand then; where that fails the version is there all the same.
        """
        data = as_data(checked_value(value.reveal()))
        size = len(value)
        for _ in range(MOST_TRIES):
            kept = self._found(path) or Kept(Record(path=path, labels={}, versions=()), 0, {})
            number = kept.newest + 1
            made = Held(version=number, state=State.LIVE, at=0, by=by, size=size, digest=b"")
            labels = history.grown(kept.record, made, label).labels
            if label != CURRENT:
                self._describe(kept, kept.described(labels, number))
            if self._made(kept, data, is_labelled=label != CURRENT):
                with contextlib.suppress(Unavailable):
                    self._describe(kept, kept.described(labels, number, {number: note_of(by, size)}))
                return number
        raise Unavailable("vault.outside_busy", f"others change {path} in the outside vault all the time; nothing was kept; try again")

    def label(self, path: str, label: str, version: int) -> None:
        """Let `label` name a live version. Raises: Hidden: `vault.absent_version`. Malformed: `vault.label`."""
        kept = self._kept(path)
        history.live(kept.record, version)
        self._describe(kept, kept.described(history.labelled(kept.record.labels, label, version), kept.newest))

    def delete(self, path: str, versions: frozenset[int] = frozenset()) -> None:
        """Let some versions (all, if none is named) not be read any more, until `undelete`."""
        if gone := self._restated(path, versions, frozenset({State.LIVE}), State.DELETED):
            self.kv.delete(path, gone)

    def undelete(self, path: str, versions: frozenset[int] = frozenset()) -> None:
        """Bring deleted versions back; the newest live one is current then, if none is."""
        if back := self._restated(path, versions, frozenset({State.DELETED}), State.LIVE):
            self.kv.undelete(path, back)

    def destroy(self, path: str, versions: frozenset[int] = frozenset()) -> None:
        """Take the values of some versions (all, if none is named) away for good."""
        if gone := self._restated(path, versions, frozenset({State.LIVE, State.DELETED}), State.DESTROYED):
            self.kv.destroy(path, gone)

    # --- within ---

    def _made(self, kept: Kept, data: dict[str, str], *, is_labelled: bool) -> bool:
        """Make the version after the newest one; False where that is not the newest any more. Labels that were written for it are taken back."""
        is_made, in_doubt = False, False
        try:
            is_made = self.kv.put(kept.record.path, data, kept.newest) is not None
        except Unavailable as error:
            in_doubt = error.code == "vault.outside_away"
            raise
        finally:
            if is_labelled and not is_made and not in_doubt:
                with contextlib.suppress(Unavailable):
                    self._describe(kept, dict(kept.custom))
        return is_made

    def _restated(self, path: str, versions: frozenset[int], old: frozenset[State], new: State) -> list[int]:
        """Write the labels as they stand once some versions are `new`, and return those versions; the deed itself comes after."""
        kept = self._kept(path)
        numbers = [held.version for held in kept.record.versions if held.state in old and (not versions or held.version in versions)]
        record = kept.record
        for state in old:
            record = history.restated(record, frozenset(numbers) or NONE, state, new)
        if numbers or record.labels != kept.record.labels:
            self._describe(kept, kept.described(record.labels, kept.newest))
        return numbers

    def _describe(self, kept: Kept, custom: dict[str, str]) -> None:
        self.kv.describe(kept.record.path, custom, kept.delete_after)

    def _kept(self, path: str) -> Kept:
        kept = self._found(path)
        if kept is None:
            raise absent(path)
        return kept

    def _found(self, path: str) -> Kept | None:
        said = self.kv.metadata(checked_path(path))
        return None if said is None else read_metadata(path, said, self._now())

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[str]:
        """Every path below `folder`, in order: with its slash, a folder's name sorts as the paths in it do."""
        for name in sorted(self.kv.names(folder)):
            path = folder + name
            if name.endswith("/"):
                is_wanted = path.startswith(prefix) or prefix.startswith(path)
                if is_wanted and (after.startswith(path) or after < path) and PATH.fullmatch(path[:-1]):
                    yield from self._walk(path, prefix, after)
            elif path.startswith(prefix) and path > after and len(path) <= LONGEST_PATH and PATH.fullmatch(path):
                yield path
