"""The volume driver: six verbs over records, kinds and places. Blocking code: the socket calls it in threads.

Every verb says no by raising `Refused`, whose message the Engine passes on to whoever waits for the container.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path

from dockwarden.doors.volumes.engine_view import must_see
from dockwarden.doors.volumes.kinds import BIND, KIND, Options, VolumeKind
from dockwarden.doors.volumes.places import Places
from dockwarden.doors.volumes.records import Records
from dockwarden.doors.volumes.seal import Sealer
from dockwarden.words.errors import Forbidden, Hidden, Refused

GRACE_S = 60.0
"""How long a container may take from its mounts to running, or from its volumes to being made."""

Tell = Callable[[str, str, Options, Refused | None], None]
"""Hears of every mount and every refusal: the verb, the volume's name, its options (empty where unknown), and what was wrong."""


def tell_nobody(verb: str, name: str, options: Options, error: Refused | None) -> None:
    """Hear and forget."""


class VolumeDriver:
    """Makes, mounts and forgets volumes. Thread-safe as far as the Engine needs: it calls once at a time for one use."""

    def __init__(self, records: Records, places: Places, sealer: Sealer, kinds: Mapping[str, VolumeKind], tell: Tell = tell_nobody) -> None:
        """`kinds` by the value of `dockwarden.kind`; options without one are of kind `bind`."""
        self._records, self._places, self._sealer, self._kinds, self._tell = records, places, sealer, kinds, tell

    def create(self, name: str, options: Options) -> None:
        """Record a volume. Made again with the same options it is the same volume; with others it is refused.

        Raises:
            Forbidden: `volume.unsealed`, `volume.other`, `bind.root`. Malformed: `volume.options`, `volume.name`.
        """
        try:
            self._kind(options).check(options)
            known = self._records.of(name)
            if known is None:
                self._records.keep(name, options)
            elif known != dict(options):
                raise Forbidden("volume.other", "a volume of that name was made with other options; choose another name")
        except Refused as error:
            self._tell("create", name, options, error)
            raise

    def get(self, name: str) -> None:
        """Say that `name` is there.

        Raises:
            Hidden: `volume.absent`.
        """
        self._options(name)

    def mount(self, name: str, caller: str, engine_pid: int | None = None) -> Path:
        """Find, check and mount the volume for `caller`; return where. Asked again for the same use, it looks again.

        `engine_pid` is the process that must see the mount; `None` where nobody has to.
        Raises:
            Refused: of every kind, whatever stands against it; nothing is mounted for `caller` then.
        """
        options: Options = {}
        try:
            options = self._options(name)
            place = self._mount(name, caller, options, engine_pid)
        except Refused as error:
            self._tell("mount", name, options, error)
            raise
        self._tell("mount", name, options, None)
        return place

    def unmount(self, name: str, caller: str) -> None:
        """Take down what was mounted for `caller`, if anything is."""
        self._places.take(name, caller)
        self._forget_unused(name)

    def remove(self, name: str) -> None:
        """Forget the volume.

        Raises:
            Forbidden: `volume.used`.
        """
        if self._places.is_used(name):
            raise Forbidden("volume.used", "the volume is in use; remove its container first")
        self._records.drop(name)

    def of_kind(self, kind: str) -> Iterator[tuple[str, Options]]:
        """Every volume of `kind` that there is a record of, with its options."""
        for name in self._records.names():
            options = self._records.of(name)
            if options is not None and options.get(KIND, BIND) == kind:
                yield name, options

    def has(self, name: str) -> bool:
        """Whether there is a record of `name`."""
        return self._records.of(name) is not None

    def restore(self, name: str, options: Options) -> None:
        """Record a volume that the Engine has and we have lost; options without our seal are passed over."""
        if self._records.of(name) is None and self._sealer.is_ours(options):
            self._records.keep(name, options)

    def sweep(self, running: Set[str]) -> list[str]:
        """Take down what a killed Engine left mounted: every use of volumes whose containers do not run. Return their names.

        `running` are the volumes of all containers that run, are paused or restart now, asked before the call.
        """
        swept = self._places.sweep(running, GRACE_S)
        for name in swept:
            self._forget_unused(name)
        return swept

    def strays(self, wanted: Set[str]) -> list[str]:
        """The volumes of containers that are gone, `wanted` being those of all that are there: to be removed through the Engine,
        which remembers them, too."""
        now = time.time()
        return [name for name in self._records.names() if name not in wanted and self._records.age_s(name, now) > GRACE_S]

    def _options(self, name: str) -> Options:
        options = self._records.of(name)
        if options is None:
            raise Hidden("volume.absent", "no such volume")
        return options

    def _kind(self, options: Options) -> VolumeKind:
        if not self._sealer.is_ours(options):
            what = "this volume was not made by dockwarden, so nobody judged it"
            raise Forbidden("volume.unsealed", f"{what}; write the bind as -v /path:/target at a dockwarden door")
        kind = self._kinds.get(options.get(KIND, BIND))
        if kind is None:
            raise Forbidden("volume.kind", "this dockwarden does not serve such volumes; upgrade it, or make the container again")
        return kind

    def _mount(self, name: str, caller: str, options: Options, engine_pid: int | None) -> Path:
        try:
            source = self._kind(options).open(name, options)
        except Refused:
            self._places.take(name, caller)  # INVARIANT: after a refusal nothing of an earlier look is left for the Engine to find
            raise
        try:
            place = self._places.put(name, caller, source)
            if engine_pid is not None:
                must_see(engine_pid, place, os.fstat(source.fd))
        except Refused:
            self.unmount(name, caller)
            raise
        finally:
            os.close(source.fd)
        return place

    def _forget_unused(self, name: str) -> None:
        options = self._records.of(name)
        kind = self._kinds.get((options or {}).get(KIND, BIND))
        if kind is not None and not self._places.is_used(name):
            kind.forget(name)
