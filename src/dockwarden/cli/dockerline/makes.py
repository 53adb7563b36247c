"""The calls that each command makes from its flags and its names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from dockwarden.cli.dockerline.draft import Call, Draft
from dockwarden.cli.dockerline.flags import bad
from dockwarden.cli.dockerline.run import pull_of, some

Make = Callable[[Draft, Sequence[str]], list[Call]]
"""Makes the calls of a command from its flags and its other words."""


def _filters(draft: Draft) -> dict[str, str]:
    """`--filter name=x` as the Engine takes it."""
    found: dict[str, dict[str, bool]] = {}
    for value in draft.given.get("filter", []):
        name, _, text = value.partition("=")
        found.setdefault(name, {})[text] = True
    return {"filters": json.dumps(found)} if found else {}


def lists(*path: str) -> Make:
    """A list, filtered as asked."""
    return lambda draft, _names: [draft.call("GET", *path, asks=_filters(draft))]


def prunes(kind: str) -> Make:
    """A prune of one kind of things."""
    return lambda draft, _names: [draft.call("POST", kind, "prune", asks=_filters(draft))]


def to_each(command: str, method: str, kind: str, verb: str = "", what: str = "CONTAINER") -> Make:
    """One call for each name: `POST /containers/NAME/stop`."""
    return lambda draft, names: [draft.call(method, kind, name, *([verb] if verb else [])) for name in some(command, names, what)]


def inspected(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker inspect`: without --type the client asks for a container first."""
    kind = draft.last("type") or "container"
    if kind not in INSPECTED:
        raise bad("inspect", f"knows no kind {kind}", f"write one of {', '.join(sorted(INSPECTED))}")
    before, after = INSPECTED[kind]
    return [draft.call("GET", before, name, *after) for name in some("inspect", names, "NAME")]


INSPECTED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "container": ("containers", ("json",)),
    "image": ("images", ("json",)),
    "network": ("networks", ()),
    "volume": ("volumes", ()),
    "service": ("services", ()),
    "task": ("tasks", ()),
    "node": ("nodes", ()),
    "secret": ("secrets", ()),
    "plugin": ("plugins", ("json",)),
}


def logs_of(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker logs`."""
    (name,) = _exactly("logs", names, "CONTAINER")
    return [Draft().call("GET", "containers", name, "json"), draft.call("GET", "containers", name, "logs", asks={"stdout": "1", "stderr": "1"})]


def _exactly(command: str, names: Sequence[str], *wanted: str) -> Sequence[str]:
    if len(names) != len(wanted):
        raise bad(command, f"takes {len(wanted)} names and was given {len(names)}", f"write docker {command} {' '.join(wanted)}")
    return names


def started(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker start`."""
    calls = []
    for name in some("start", names, "CONTAINER"):
        if draft.is_on("attach") or draft.is_on("interactive"):
            calls.append(Draft().call("POST", "containers", name, "attach", asks={"stream": "1", "stdout": "1", "stderr": "1"}))
        calls.append(draft.call("POST", "containers", name, "start"))
    return calls


def attached(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker attach`."""
    (name,) = _exactly("attach", names, "CONTAINER")
    stdin = "" if draft.is_on("no-stdin") else "1"
    return [
        Draft().call("GET", "containers", name, "json"),
        Draft().call("POST", "containers", name, "attach", asks={"stream": "1", "stdin": stdin, "stdout": "1", "stderr": "1"}),
    ]


def copied(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker cp`, in the direction that the colon says."""
    source, target = _exactly("cp", names, "SOURCE", "TARGET")
    reading, writing = source.partition(":"), target.partition(":")
    is_from, is_into = bool(reading[1]) and not source.startswith(("/", ".")), bool(writing[1]) and not target.startswith(("/", "."))
    if is_from == is_into:
        raise bad("cp", "copies between a container and here", "write CONTAINER:PATH once")
    if is_from:
        return [draft.call("GET", "containers", reading[0], "archive", asks={"path": reading[2]})]
    return [
        Draft().call("HEAD", "containers", writing[0], "archive", asks={"path": writing[2]}),
        draft.call("PUT", "containers", writing[0], "archive", asks={"path": writing[2]}, streams=True),
    ]


def top_of(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker top`."""
    name, *arguments = some("top", names, "CONTAINER")
    return [draft.call("GET", "containers", name, "top", asks={"ps_args": " ".join(arguments)})]


def renamed(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker rename`."""
    old, new = _exactly("rename", names, "CONTAINER", "NAME")
    return [draft.call("POST", "containers", old, "rename", asks={"name": new})]


def committed(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker commit`."""
    container, *image = some("commit", names, "CONTAINER")
    repo, tag = _split(image[0]) if image else ("", "")
    return [Draft(query=draft.query, body={}).call("POST", "commit", asks={"container": container, "repo": repo, "tag": tag}, has_body=True)]


def _split(image: str) -> tuple[str, str]:
    """A name and its tag, "" where it has none."""
    path, colon, tag = image.rpartition(":")
    return (path, tag) if colon and "/" not in tag else (image, "")


def pulled(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker pull`."""
    (image,) = _exactly("pull", names, "IMAGE")
    more = {"platform": draft.last("platform")} if draft.last("platform") else {}
    if draft.is_on("all-tags"):
        return [Draft().call("POST", "images", "create", asks={"fromImage": image, **more})]
    return [pull_of(image, **more)]


def pushed(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker push`."""
    (image,) = _exactly("push", names, "IMAGE")
    name, tag = _split(image)
    return [draft.call("POST", "images", name, "push", asks={"tag": "" if draft.is_on("all-tags") else tag or "latest"})]


def tagged(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker tag`."""
    source, target = _exactly("tag", names, "IMAGE", "NAME[:TAG]")
    repo, tag = _split(target)
    return [draft.call("POST", "images", source, "tag", asks={"repo": repo, "tag": tag or "latest"})]


def saved(_draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker save`."""
    return [Draft(query={"names": list(some("save", names, "IMAGE"))}).call("GET", "images", "get")]


def imported(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker import`."""
    source, *image = some("import", names, "FILE|URL|-")
    repo, tag = _split(image[0]) if image else ("", "")
    remote = source if source.startswith(("http://", "https://")) else "-"
    return [draft.call("POST", "images", "create", asks={"fromSrc": remote, "repo": repo, "tag": tag}, streams=remote == "-")]


def network_created(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker network create`."""
    (name,) = _exactly("network create", names, "NETWORK")
    draft.put("Name", name)
    draft.body.setdefault("Driver", "bridge")
    draft.body.setdefault("IPAM", {}).setdefault("Driver", "default")
    subnets, ranges, gateways = (draft.given.get(flag, []) for flag in ("subnet", "ip-range", "gateway"))
    for at, subnet in enumerate(subnets):
        more = {key: values[at] for key, values in (("IPRange", ranges), ("Gateway", gateways)) if at < len(values)}
        draft.add("IPAM.Config", {"Subnet": subnet, **more})
    return [draft.call("POST", "networks", "create", has_body=True)]


def connected(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker network connect`."""
    network, container = _exactly("network connect", names, "NETWORK", "CONTAINER")
    draft.put("Container", container)
    return [draft.call("POST", "networks", network, "connect", has_body=True)]


def disconnected(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker network disconnect`."""
    network, container = _exactly("network disconnect", names, "NETWORK", "CONTAINER")
    return [Draft(body={"Container": container, "Force": draft.is_on("force")}).call("POST", "networks", network, "disconnect", has_body=True)]


def volume_created(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker volume create`."""
    if names:
        draft.put("Name", names[0])
    draft.body.setdefault("Driver", "local")
    return [draft.call("POST", "volumes", "create", has_body=True)]


def plugin_installed(draft: Draft, names: Sequence[str]) -> list[Call]:
    """`docker plugin install`: its privileges are asked, then it is pulled."""
    remote = some("plugin install", names, "PLUGIN")[0]
    pull = Draft(query={"remote": [remote], "name": [draft.last("alias")] if draft.last("alias") else []}).call("POST", "plugins", "pull")
    return [Draft().call("GET", "plugins", "privileges", asks={"remote": remote}), Call(pull.method, pull.target, "[]")]


def fixed(method: str, *path: str, body: str = "") -> Make:
    """The same call whatever the flags."""
    return lambda draft, _names: [Call(method, draft.call(method, *path).target, body)]


def system_pruned(draft: Draft, _names: Sequence[str]) -> list[Call]:
    """`docker system prune`: one kind after the other."""
    kinds = ["containers", "networks", *(["volumes"] if draft.is_on("volumes") else []), "images"]
    return [Draft().call("POST", kind, "prune") for kind in kinds]
