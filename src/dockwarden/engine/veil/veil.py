"""Every answer that tells about more than the caller asked for, cut down to what the caller may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dockwarden.engine.delivery import FOLDER, held_by, shown_environment, without_mount
from dockwarden.engine.driver import asked_binds
from dockwarden.engine.veil.found import mask_found
from dockwarden.engine.veil.mask import mask_env, mask_options
from dockwarden.words.ask import Kind

IMAGE_LABEL = "dockwarden.image"
"""Where a create keeps the image's name as the caller wrote it, since an id is what is sent."""
PRIVATE_INFO = ("HttpProxy", "HttpsProxy", "NoProxy", "Labels", "ClusterStore", "ClusterAdvertise")
INFO_COUNTS = frozenset({
    "Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images", "NFd", "NGoroutines", "NEventsListener",
})
"""What counts everybody's; those of the caller's own are put in by who can ask for them (`counts`)."""


@dataclass(frozen=True, slots=True)
class View:
    """What one caller may see. `sees` takes kind, id, name, labels and image names; `sees_env` and `sees_secrets` kind and id."""

    sees: Callable[[Kind, str, str, Mapping[str, str], tuple[str, ...]], bool]
    sees_env: Callable[[Kind, str], bool]
    sees_secrets: Callable[[Kind, str], bool]
    sees_name: Callable[[str], bool]
    sees_host: bool
    env_shown: frozenset[str]
    plugin: str


def opened(view: View, unshown: set[str]) -> View:
    """A view that shows everything, and puts into `unshown` what `view` would have hidden: what observing needs."""

    def sees(kind: Kind, id: str, name: str, labels: Mapping[str, str], tags: tuple[str, ...]) -> bool:
        if not view.sees(kind, id, name, labels, tags):
            unshown.add(f"{kind.value}:{id}")
        return True

    def sees_env(kind: Kind, id: str) -> bool:
        if not view.sees_env(kind, id):
            unshown.add(f"environment of {kind.value}:{id}")
        return True

    def sees_secrets(kind: Kind, id: str) -> bool:
        if not view.sees_secrets(kind, id):
            unshown.add(f"secrets found in {kind.value}:{id}")
        return True

    def sees_name(tag: str) -> bool:
        if not view.sees_name(tag):
            unshown.add(f"name {tag}")
        return True

    return replace(view, sees=sees, sees_env=sees_env, sees_secrets=sees_secrets, sees_name=sees_name, sees_host=True)


def veil(action: str, said: Any, view: View) -> Any:
    """Return the answer of `action` as `view` may see it; `said` itself is changed. Unknown routes pass as they are.

    Raises:
        KeyError, TypeError, AttributeError: the answer is not of the form the Engine gives; it must be withheld.
    """
    known = VEILS.get(action)
    return known(said, view) if known else said


def is_veiled(action: str) -> bool:
    """Whether the answer of `action` must be read before it is shown."""
    return action in VEILS


def _labels(row: Mapping[str, Any]) -> Mapping[str, str]:
    return row.get("Labels") or {}


def _containers(rows: list[dict[str, Any]], view: View) -> list[dict[str, Any]]:
    kept = [row for row in rows if view.sees(Kind.CONTAINER, row["Id"], next(iter(row.get("Names") or ()), "").lstrip("/"), _labels(row), ())]
    for row in kept:
        _container_row(row, view)
    return kept


def _container_row(row: dict[str, Any], view: View) -> None:
    image = _labels(row).get(IMAGE_LABEL)
    if image:
        row["Image"] = image
    if row.get("Mounts"):
        row["Mounts"] = [mount for mount in row["Mounts"] if mount.get("Driver") != view.plugin or mount.get("Destination") != FOLDER]
    for mount in row.get("Mounts") or ():
        if mount.get("Driver") == view.plugin:
            mount.update({"Type": "bind", "Source": "", "Driver": "", "Name": ""})
    if not view.sees_secrets(Kind.CONTAINER, row["Id"]):
        mask_found(row)


def _container(said: dict[str, Any], view: View) -> dict[str, Any]:
    config = said["Config"] or {}
    image = _labels(config).get(IMAGE_LABEL)
    if image:
        config["Image"] = image
    _show_secrets(said, view.plugin)
    if not view.sees_env(Kind.CONTAINER, said["Id"]):
        mask_env(said, said["Id"], view.env_shown)
    if not view.sees_secrets(Kind.CONTAINER, said["Id"]):
        mask_found(said)
    _show_binds(said, view.plugin)
    return said


def _show_secrets(said: dict[str, Any], plugin: str) -> None:
    """Turn our mount of secrets back into the references that were asked for."""
    files = held_by(said, plugin)
    if not files:
        return
    config, host = said["Config"], said["HostConfig"]
    config["Env"] = shown_environment(config.get("Env") or [], files)
    host["Mounts"] = without_mount(host["Mounts"], plugin)
    if not host["Mounts"]:
        del host["Mounts"]
    said["Mounts"] = [mount for mount in said.get("Mounts") or () if mount.get("Destination") != FOLDER or mount.get("Driver") != plugin]


def _show_binds(said: dict[str, Any], plugin: str) -> None:
    """Turn our driver's mounts back into the binds that were asked for."""
    asked = {bind.target: bind for bind in asked_binds(said, plugin)}
    if not asked:
        return
    host = said["HostConfig"]
    host["Mounts"] = [bind.as_mount() if (bind := asked.get(entry.get("Target"))) else entry for entry in host.get("Mounts") or ()
                      if not (entry.get("Target") in asked and asked[entry["Target"]].text)]
    if not host["Mounts"]:
        del host["Mounts"]
    texts = [bind.text for bind in asked.values() if bind.text]
    if texts:
        host["Binds"] = [*(host.get("Binds") or ()), *texts]
    said["Mounts"] = [
        asked[mount["Destination"]].as_mount_point() if mount.get("Destination") in asked else mount for mount in said.get("Mounts") or ()
    ]


def _images(rows: list[dict[str, Any]], view: View) -> list[dict[str, Any]]:
    kept = [row for row in rows if view.sees(Kind.IMAGE, row["Id"], "", _labels(row), tuple(row.get("RepoTags") or ()))]
    for row in kept:
        _image_names(row, view)
        if not view.sees_secrets(Kind.IMAGE, row["Id"]):
            mask_found(row)
    return kept


def _image_names(said: dict[str, Any], view: View) -> None:
    """Of the names of an image those that may be seen; a digest goes with the names of its repository."""
    tags: list[str] = said.get("RepoTags") or []
    seen = [tag for tag in tags if view.sees_name(tag)]
    if tags:
        said["RepoTags"] = seen
    hidden = {_repository(tag) for tag in tags} - {_repository(tag) for tag in seen}
    if hidden and said.get("RepoDigests"):
        said["RepoDigests"] = [digest for digest in said["RepoDigests"] if digest.partition("@")[0] not in hidden]


def _repository(tag: str) -> str:
    head, slash, last = tag.rpartition("/")
    return head + slash + last.partition(":")[0]


def _history(rows: list[dict[str, Any]], view: View) -> list[dict[str, Any]]:
    for row in rows:
        if row.get("Tags"):
            row["Tags"] = [tag for tag in row["Tags"] if view.sees_name(tag)] or None
        if not view.sees_secrets(Kind.IMAGE, ""):
            mask_found(row)
    return rows


def _image(said: dict[str, Any], view: View) -> dict[str, Any]:
    _image_names(said, view)
    if not view.sees_env(Kind.IMAGE, said["Id"]):
        mask_env(said, "", view.env_shown)
    if not view.sees_secrets(Kind.IMAGE, said["Id"]):
        mask_found(said)
    return said


def _network(said: dict[str, Any], view: View) -> dict[str, Any]:
    for place in ("Containers", "Services"):
        kind = Kind.CONTAINER if place == "Containers" else Kind.SERVICE
        if said.get(place):
            said[place] = {id: row for id, row in said[place].items() if view.sees(kind, id, (row or {}).get("Name", ""), {}, ())}
    if said.get("Peers") and not view.sees_host:
        said["Peers"] = []
    return said


def _networks(rows: list[dict[str, Any]], view: View) -> list[dict[str, Any]]:
    return [_network(row, view) for row in rows if view.sees(Kind.NETWORK, row["Id"], row.get("Name", ""), _labels(row), ())]


def _volume(said: dict[str, Any], view: View) -> dict[str, Any]:
    if not view.sees_host:
        mask_options(said.get("Options"))
    return said


def _volumes(said: dict[str, Any], view: View) -> dict[str, Any]:
    if said.get("Warnings") and not view.sees_host:  # they name the host's plugins and where those are
        said["Warnings"] = None
    said["Volumes"] = [_volume(row, view) for row in said.get("Volumes") or () if view.sees(Kind.VOLUME, row["Name"], row["Name"], _labels(row), ())]
    return said


def _df(said: dict[str, Any], view: View) -> dict[str, Any]:
    """The four lists; sizes that count what is another's go, since they would tell of it."""
    if said.get("Images"):
        said["Images"] = _images(said["Images"], view)
    if said.get("Containers"):
        said["Containers"] = _containers(said["Containers"], view)
    if said.get("Volumes"):
        said["Volumes"] = _volumes({"Volumes": said["Volumes"]}, view)["Volumes"]
    if view.sees_host:
        return said
    for usage in ("ImageUsage", "ContainerUsage", "VolumeUsage", "BuildCacheUsage"):
        said.pop(usage, None)
    said["BuildCache"] = []
    used = [row.get("ImageID") for row in said.get("Containers") or ()]
    for image in said.get("Images") or ():
        image["Containers"], image["SharedSize"] = used.count(image["Id"]), 0
    if "LayersSize" in said:
        said["LayersSize"] = sum(max(int(image.get("Size") or 0), 0) for image in said.get("Images") or ())
    return said


def _info(said: dict[str, Any], view: View) -> dict[str, Any]:
    if view.sees_host:
        return said
    said.update(dict.fromkeys(INFO_COUNTS & said.keys(), 0))
    for key in PRIVATE_INFO:
        if said.get(key):
            said[key] = "" if isinstance(said[key], str) else []
    if isinstance(said.get("Swarm"), dict):
        said["Swarm"] = {"LocalNodeState": said["Swarm"].get("LocalNodeState", "inactive"), "NodeID": "", "NodeAddr": "", "RemoteManagers": None}
    return said


def counts(containers: list[dict[str, Any]], images: list[dict[str, Any]], view: View) -> dict[str, int]:
    """What `system.info` counts, of the rows that `view` may see. Raises: as `veil`."""
    states = [row.get("State") for row in _containers(containers, view)]
    running, paused = states.count("running") + states.count("restarting"), states.count("paused")
    return {
        "Containers": len(states), "ContainersRunning": running, "ContainersPaused": paused,
        "ContainersStopped": len(states) - running - paused, "Images": len(_images(images, view)),
    }


def _kept(kind: Kind) -> tuple[Callable[[list[dict[str, Any]], View], Any], Callable[[dict[str, Any], View], Any]]:
    """The veils of a list and of one thing that a swarm keeps."""

    def one(said: dict[str, Any], view: View) -> dict[str, Any]:
        if not view.sees_env(kind, said["ID"]):
            mask_env(said, "", view.env_shown)
        if not view.sees_secrets(kind, said["ID"]):
            mask_found(said)
        return said

    def many(rows: list[dict[str, Any]], view: View) -> list[dict[str, Any]]:
        return [one(row, view) for row in rows if view.sees(kind, row["ID"], *_spec(row), ())]

    return many, one


def _spec(row: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    spec = row.get("Spec") or {}
    return spec.get("Name") or "", spec.get("Labels") or {}


def _exec(said: dict[str, Any], view: View) -> dict[str, Any]:
    if not view.sees_env(Kind.CONTAINER, said["ContainerID"]):
        mask_env(said, "", view.env_shown)
    if not view.sees_secrets(Kind.CONTAINER, said["ContainerID"]):
        mask_found(said)
    return said


VEILS: dict[str, Callable[[Any, View], Any]] = {
    "container.list": _containers,
    "container.inspect": _container,
    "image.list": _images,
    "image.inspect": _image,
    "image.history": _history,
    "network.list": _networks,
    "network.inspect": _network,
    "volume.list": _volumes,
    "volume.inspect": _volume,
    "system.df": _df,
    "system.info": _info,
    "exec.inspect": _exec,
}
for _kind in (Kind.SERVICE, Kind.TASK, Kind.NODE, Kind.SECRET, Kind.CONFIG):
    VEILS[f"{_kind.value.lower()}.list"], VEILS[f"{_kind.value.lower()}.inspect"] = _kept(_kind)
