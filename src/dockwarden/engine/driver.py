"""Binds below a root, mounted by our own volume driver: written into a create, and read back for the veil (DESIGN §8).

The Engine would follow the path again at every start; our driver walks it from the root, descriptor by descriptor, and mounts what was
judged. Options are text only; `dockwarden.seal` proves that they are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dockwarden.engine.bodies.container import DriverConfig, Mount, VolumeOptions
from dockwarden.engine.call import EngineCall
from dockwarden.engine.fields import read
from dockwarden.engine.known import BindSource, Known
from dockwarden.engine.labels import MOUNTS
from dockwarden.engine.mounts import SAFE_PROPAGATIONS, clean, parse_bind
from dockwarden.engine.references import at_way, put_in_body
from dockwarden.engine.runs import NO_LIST

ROOT, PATH, MODE = "dockwarden.root", "dockwarden.path", "dockwarden.mode"
UID, GID, GROUPS = "dockwarden.uid", "dockwarden.gid", "dockwarden.groups"
BIND, SEAL = "dockwarden.bind", "dockwarden.seal"
KIND = "dockwarden.kind"
"""What kind of volume it is; without it, a bind."""

Seal = Callable[[Mapping[str, str]], str]
"""Returns the seal over options, `dockwarden.seal` not among them."""


@dataclass(frozen=True, slots=True)
class AskedBind:
    """A bind as the caller asked for it. `text` is its `Binds` entry, "" if it came in `Mounts`."""

    source: str
    target: str
    is_read_only: bool
    text: str = ""

    def as_mount(self) -> dict[str, Any]:
        """The entry of `HostConfig.Mounts`."""
        entry: dict[str, Any] = {"Type": "bind", "Source": self.source, "Target": self.target}
        return {**entry, "ReadOnly": True} if self.is_read_only else entry

    def as_mount_point(self) -> dict[str, Any]:
        """The entry of `Mounts` in an inspect answer or a list."""
        mode = self.text.split(":")[2] if self.text.count(":") == 2 else ""
        return {
            "Type": "bind", "Source": self.source, "Destination": self.target, "Mode": mode, "RW": not self.is_read_only,
            "Propagation": "rprivate",
        }


def to_driver(call: EngineCall, known: Known, plugin: str, seal: Seal) -> EngineCall:
    """Return `call` with every bind below a root as a volume of our driver; binds that policy let through elsewhere stay binds.

    A bind that asks for propagation or a label, which only an exception permits, stays as it is: the driver does neither.
    """
    way = MOUNTS.get(call.route.action)
    if way is None or call.body is None:
        return call
    entries = at_way(call.body, way)
    mounts = [_of_entry(entry, known, plugin, seal) for entry in (entries if isinstance(entries, list) else ())]
    host = read(call.body, "HostConfig", None)
    kept = []
    for text in read(host, "Binds", NO_LIST):
        bind = parse_bind(text, "HostConfig.Binds")
        source = _served(bind.source, bind.propagation, known) if bind.kind == "bind" and not bind.is_relabelled else None
        if source is None:
            kept.append(text)
        else:
            mounts.append(_mount(source, bind.target, bind.is_read_only, text, known, plugin, seal))
    if len(kept) != len(read(host, "Binds", NO_LIST)):
        call = put_in_body(call, ("HostConfig", "Binds"), kept)
    return put_in_body(call, way, mounts) if mounts != (entries if isinstance(entries, list) else []) else call


def _of_entry(entry: Any, known: Known, plugin: str, seal: Seal) -> Any:
    if read(entry, "Type", "") != "bind":
        return entry
    source = _served(clean(read(entry, "Source", "")), read(read(entry, "BindOptions", None), "Propagation", ""), known)
    if source is None:
        return entry
    return _mount(source, clean(read(entry, "Target", "")), read(entry, "ReadOnly", False), "", known, plugin, seal)


def _served(path: str, propagation: str, known: Known) -> BindSource | None:
    source = known.binds.get(path)
    return source if source is not None and source.root and propagation in SAFE_PROPAGATIONS else None


def _mount(source: BindSource, target: str, is_read_only: bool, text: str, known: Known, plugin: str, seal: Seal) -> Mount:
    account = known.principal.account
    options = {ROOT: source.root, PATH: source.relative or ".", MODE: "ro" if is_read_only else "rw"}
    if account is not None and _is_theirs(source, is_read_only):
        options |= {UID: str(account.uid), GID: str(account.gid), GROUPS: ",".join(map(str, account.groups))}
    if text:
        options[BIND] = text
    options[SEAL] = seal(options)
    volume = VolumeOptions(NoCopy=True, DriverConfig=DriverConfig(Name=plugin, Options=options))
    # Never ReadOnly: the Engine refuses it for a volume without a name. The driver mounts read-only itself, by the option.
    return Mount(Type="volume", Target=target, VolumeOptions=volume)


def _is_theirs(source: BindSource, is_read_only: bool) -> bool:
    """Whether the caller's account could use the source that way itself, so that every start may ask for it again.

    Where it could not, only an exception of policy has let the call come this far, and the driver must not take it back.
    """
    return source.can_read and (source.can_write or (is_read_only and not source.is_socket))


def from_driver(entry: Mapping[str, Any], plugin: str) -> AskedBind | None:
    """Return the bind that an entry of an answer's `HostConfig.Mounts` stands for, `None` if it is not one of ours.

    `entry` is plain JSON. Total: an entry of another form is not one of ours.
    """
    options = options_of(entry, plugin)
    if options is None or ROOT not in options:
        return None
    source = clean(f"{options[ROOT]}/{options.get(PATH, '.')}")
    return AskedBind(source, str(entry.get("Target", "")), options.get(MODE) == "ro", str(options.get(BIND, "")))


def options_of(entry: Any, plugin: str) -> Mapping[str, str] | None:
    """The options of an entry of an answer's `HostConfig.Mounts`, `None` if it is no mount of our driver. Total."""
    volume = entry.get("VolumeOptions") if isinstance(entry, Mapping) else None
    config = volume.get("DriverConfig") if isinstance(volume, Mapping) else None
    options = config.get("Options") if isinstance(config, Mapping) else None
    is_ours = isinstance(config, Mapping) and config.get("Name") == plugin
    return options if is_ours and isinstance(options, Mapping) else None


def asked_binds(inspected: Mapping[str, Any], plugin: str) -> Iterator[AskedBind]:
    """Yield the binds of ours in a container's inspect answer, by its `HostConfig.Mounts`."""
    host = inspected.get("HostConfig")
    entries = host.get("Mounts") if isinstance(host, Mapping) else None
    for entry in entries if isinstance(entries, list) else ():
        found = from_driver(entry, plugin) if isinstance(entry, Mapping) else None
        if found is not None:
            yield found
