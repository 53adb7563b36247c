"""Everything that a call refers to, asked once before it is judged: ids and owners, users of images, what the host says of binds.

Nothing here decides. What it learns goes to the pure packages as `Known`, and the ids it found are what is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import pwd
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dockwarden.access.owners import Owners
from dockwarden.doors.docker.absent import not_there
from dockwarden.doors.docker.lookups import Lookups, Seen
from dockwarden.engine.call import EngineCall
from dockwarden.engine.delivery import FOLDER, held_by
from dockwarden.engine.fields import read
from dockwarden.engine.known import ENGINE_SOCKETS, BindSource, ContainerState, ImageConfig, Known
from dockwarden.engine.references import Reference, moved_names, references
from dockwarden.engine.runs import NO_LIST, run_of_create
from dockwarden.upstream.image_files import ImageAccounts
from dockwarden.words.ask import Kind, Resource
from dockwarden.words.errors import Hidden
from dockwarden.words.principal import Account, Principal

DESCRIBED = frozenset({
    "exec.create", "container.update", "image.commit", "container.archive.get", "container.archive.put", "container.archive.stat",
})
"""Actions whose facts need the container's own description, beside who owns it."""
NUMBERS = re.compile(r"[0-9]+:[0-9]+", re.ASCII)

Describe = Callable[[str, Sequence[str], Account | None], BindSource]
"""What the host says of a path for an account, given the bind roots; it blocks, so it runs beside the loop."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was learned about one call.

    `ids` says which full id stands for which reference; `subject` is the thing that the call's path names, where it names one. `missing` are
    the references of the body to what is not there, in the call's order.
    """

    known: Known
    ids: Mapping[Reference, str] = field(default_factory=dict)
    subject: Resource | None = None
    seen: Mapping[Reference, Seen] = field(default_factory=dict)
    missing: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class HostView:
    """What is fixed about the Engine's host while we serve."""

    bind_roots: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ENGINE_SOCKETS
    plugin: str = "dockwarden"
    userns_remap: bool = False
    cpus: int = 0


class HostAccounts:
    """The uids and gids that the host knows, read again when its files change."""

    FILES = (Path("/etc/passwd"), Path("/etc/group"))

    def __init__(self) -> None:
        self._stamp: tuple[int, ...] = ()
        self.uids: frozenset[int] = frozenset()
        self.gids: frozenset[int] = frozenset()

    def fresh(self) -> HostAccounts:
        """Return self, read anew if a file changed since."""
        stamp = tuple(file.stat().st_mtime_ns for file in self.FILES if file.exists())
        if stamp != self._stamp:
            self.uids = frozenset(entry.pw_uid for entry in pwd.getpwall())
            self.gids = frozenset(entry.gr_gid for entry in grp.getgrall())
            self._stamp = stamp
        return self


class Resolver:
    """Asks for one call at a time; holds nothing that a later call could find stale, except by image id."""

    def __init__(self, *, lookups: Lookups, owners: Owners, images: ImageAccounts, describe: Describe, host: HostView) -> None:
        self._lookups, self._owners, self._images, self._describe, self._host = lookups, owners, images, describe, host
        self._accounts = HostAccounts()

    async def resolve(self, principal: Principal, door: str, call: EngineCall, *, needs_more: bool = True) -> Resolved:
        """Return what `call` refers to. With `needs_more` false an owner from our own index will do for a full id.

        Raises:
            Hidden: what the path names, or the image of a create, is not there; the message is the Engine's own.
        """
        is_described = call.route.action in DESCRIBED
        wanted = references(call)
        seen = await self._look_all(wanted, principal, may_know=not needs_more and not is_described, whole=call.route.action == "image.remove")
        missing = tuple(one for one in wanted if one not in seen and (one.kind is not Kind.VOLUME or one.place == "path"))
        if missing and (is_described or missing[0].place in {"path", "Image"}):
            raise await not_there(call, missing[0], self._lookups.ask)
        image, container = await self._image_and_container(call, seen)
        host = self._accounts.fresh()
        known = Known(
            principal=principal,
            found={reference: thing.resource for reference, thing in seen.items()},
            image=image,
            container=container,
            binds=await self._bind_sources(call, principal),
            names=await self.name_states(moved_names(call), principal),
            accounts=host.uids,
            host_groups=host.gids,
            userns_remap=self._host.userns_remap,
            cpus=self._host.cpus,
            sockets=self._host.sockets,
            bind_roots=self._host.bind_roots,
            plugin=self._host.plugin,
            door=door,
        )
        subject = next((thing.resource for reference, thing in seen.items() if reference.place == "path"), None)
        return Resolved(known, {reference: thing.resource.id for reference, thing in seen.items()}, subject, seen, missing)

    async def thing(self, kind: Kind, text: str) -> Resource:
        """The one thing that `text` names. Raises: Hidden."""
        return (await self._lookups.look(kind, text)).resource

    async def more(self, resolved: Resolved, found: Sequence[Reference], names: Sequence[str]) -> Known:
        """Return what is known with what an upload turned out to refer to: images it builds on, names it moves."""
        principal = resolved.known.principal
        seen: dict[Reference, Seen] = {}
        for reference in found:
            with contextlib.suppress(Hidden):
                seen[reference] = await self._lookups.look(reference.kind, reference.text, principal.name)
        states = await self.name_states(names, principal)
        configs = [thing.answer.get("Config") or {} for thing in seen.values()]
        triggers = tuple(line for config in configs for line in (*_working_dir(config), *(config.get("OnBuild") or ())))
        return replace(
            resolved.known,
            found={**resolved.known.found, **{reference: thing.resource for reference, thing in seen.items()}},
            names={**resolved.known.names, **states},
            on_build=triggers,
        )

    async def name_states(self, names: Sequence[str], principal: Principal) -> dict[str, str]:
        """How each image name is held; `…:*` is held as the worst of its tags would be."""
        states = await asyncio.gather(*(self._name_state(name, principal) for name in names))
        return dict(zip(names, states, strict=True))

    async def _name_state(self, name: str, principal: Principal) -> str:
        try:
            await self._lookups.look(Kind.IMAGE, name.removesuffix(":*"))
        except Hidden:
            return self._owners.name_state(name, principal, exists=False)
        return self._owners.name_state(name, principal, exists=True)

    async def _look_all(self, wanted: Sequence[Reference], principal: Principal, *, may_know: bool, whole: bool) -> dict[Reference, Seen]:
        """Look everything up at once; what is not there is not found."""
        answers = await asyncio.gather(*(self._look(reference, principal, may_know, whole) for reference in wanted))
        return {reference: thing for reference, thing in zip(wanted, answers, strict=True) if thing is not None}

    async def _look(self, reference: Reference, principal: Principal, may_know: bool, whole: bool) -> Seen | None:
        if may_know and (known := self._lookups.known(reference.kind, reference.text)):
            return Seen(known, {})
        try:
            return await self._lookups.look(reference.kind, reference.text, principal.name, whole=whole)
        except Hidden:
            return None

    async def _image_and_container(
        self, call: EngineCall, seen: Mapping[Reference, Seen]
    ) -> tuple[ImageConfig | None, ContainerState | None]:
        action = call.route.action
        if action in DESCRIBED:
            container = next(thing for thing in seen.values() if thing.resource.kind is Kind.CONTAINER)
            state = container_state(container.answer, self._host.plugin)
            if action != "exec.create":
                return None, state
            said = (await self._lookups.look(Kind.IMAGE, str(container.answer.get("Image") or ""))).answer
            return await self._image(call, said, state.user), state
        image = next((thing for reference, thing in seen.items() if thing.resource.kind is Kind.IMAGE), None)
        return (await self._image(call, image.answer, "") if image else None), None

    async def _image(self, call: EngineCall, said: Mapping[str, Any], inherited_user: str) -> ImageConfig:
        """The image's configuration, with its account files where the call's user cannot be told without them."""
        config = said.get("Config") or {}
        image = ImageConfig(
            id=str(said["Id"]), user=str(config.get("User") or ""), working_dir=str(config.get("WorkingDir") or ""),
            names=tuple(said.get("RepoTags") or ()), digests=tuple(said.get("RepoDigests") or ()),
            on_build=tuple(config.get("OnBuild") or ()), exposed_ports=tuple(config.get("ExposedPorts") or ()), labels=config.get("Labels") or {},
            env=tuple(config.get("Env") or ()),
        )
        asked = str(read(call.body, "User", "")) or inherited_user or image.user
        groups = read(read(call.body, "HostConfig", None), "GroupAdd", NO_LIST)
        if NUMBERS.fullmatch(asked) and all(group.isdecimal() for group in groups):
            return image
        if not asked and not groups:
            return image
        files = await self._images.of(image.id)
        return replace(image, passwd=files.passwd, group=files.group)

    async def _bind_sources(self, call: EngineCall, principal: Principal) -> dict[str, BindSource]:
        if call.route.action != "container.create":
            return {}
        paths = sorted({mount.source for mount in run_of_create(call.body).mounts if mount.kind == "bind"})
        loop = asyncio.get_running_loop()
        found = [loop.run_in_executor(None, self._describe, path, self._host.bind_roots, principal.account) for path in paths]
        return dict(zip(paths, await asyncio.gather(*found), strict=True))


def _working_dir(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The folder that the first step of a build begins in, as the instruction that would say so."""
    folder = str(config.get("WorkingDir") or "")
    return (f"WORKDIR {folder}",) if folder else ()


def container_state(said: Mapping[str, Any], plugin: str) -> ContainerState:
    """What facts need of a container, from its inspect answer."""
    host, config = said.get("HostConfig") or {}, said.get("Config") or {}
    secrets = FOLDER if held_by(said, plugin) else ""  # a folder in memory, and nothing of the host
    mounts = (point for point in said.get("Mounts") or () if point.get("Destination") != secrets)
    points = [point for point in mounts if point.get("Type") == "bind" or point.get("Driver") == plugin]
    return ContainerState(
        id=str(said["Id"]),
        user=str(config.get("User") or ""),
        group_add=tuple(host.get("GroupAdd") or ()),
        is_privileged=bool(host.get("Privileged")),
        userns_mode=str(host.get("UsernsMode") or ""),
        binds=len(points),
    )
