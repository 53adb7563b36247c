"""`docker build` in its classic form: a query beside a tar stream."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dockwarden.cli.dockerline.draft import Call, Draft, Surroundings
from dockwarden.cli.dockerline.flags import Flag, Put, asked, bad, kept, own, own_switches, read_flags, size_bytes, table, turned


def _collected(parameter: str) -> Put:
    """Values `key=value` that go as one JSON map."""

    def put(draft: Draft, value: str) -> None:
        name, equals, text = value.partition("=")
        found = json.loads(draft.query.get(parameter, ["{}"])[0])
        found[name] = text if equals or parameter == "labels" else draft.around.environment.get(name)
        draft.query[parameter] = [json.dumps(found)]

    return put


def _amount(parameter: str) -> Put:
    return lambda draft, value: draft.query.__setitem__(parameter, [str(size_bytes(value))])


def _cache_from(draft: Draft, value: str) -> None:
    found = [*json.loads(draft.query.get("cachefrom", ["[]"])[0]), *value.split(",")]
    draft.query["cachefrom"] = [json.dumps(found)]


def _ulimit(draft: Draft, value: str) -> None:
    name, _, limits = value.partition("=")
    soft, _, hard = limits.partition(":")
    found = [*json.loads(draft.query.get("ulimits", ["[]"])[0]), {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}]
    draft.query["ulimits"] = [json.dumps(found)]


BUILD = table(
    asked("add-host", "extrahosts"),
    Flag("build-arg", _collected("buildargs")),
    Flag("cache-from", _cache_from),
    asked("cgroup-parent", "cgroupparent"),
    asked("cpu-period", "cpuperiod"),
    asked("cpu-quota", "cpuquota"),
    asked("cpu-shares", "cpushares", "c"),
    asked("cpuset-cpus", "cpusetcpus"),
    asked("cpuset-mems", "cpusetmems"),
    kept("file", "f"),
    turned("force-rm", "forcerm"),
    asked("isolation", "isolation"),
    Flag("label", _collected("labels")),
    Flag("memory", _amount("memory"), "m"),
    Flag("memory-swap", _amount("memswap")),
    asked("network", "networkmode"),
    turned("no-cache", "nocache"),
    asked("platform", "platform"),
    turned("pull", "pull"),
    turned("quiet", "q", "q"),
    turned("rm", "rm"),
    asked("security-opt", "securityopt"),
    Flag("shm-size", _amount("shmsize")),
    turned("squash", "squash"),
    asked("tag", "t", "t"),
    asked("target", "target"),
    Flag("ulimit", _ulimit),
    kept("output", "o"),
    *own_switches("compress", "disable-content-trust", "help", "load"),
    *own("iidfile", "progress", "builder"),
)


def built(words: Sequence[str], around: Surroundings) -> list[Call]:
    """`docker build`; its Dockerfile is judged by a door as the context passes, and is not read here."""
    draft = Draft(around, query={"version": ["1"]})
    plain = read_flags("build", words, BUILD, draft)
    if len(plain) != 1:
        raise bad("build", "takes one context", "write docker build [OPTIONS] PATH|URL|-")
    if draft.last("output"):
        raise bad("build", "--output needs BuildKit, which no door lets through by default", "use docker create with docker cp")
    if plain[0].startswith(("http://", "https://", "git://", "git@", "github.com/")):
        draft.query["remote"] = [plain[0]]
    draft.query.setdefault("rm", ["1"])
    draft.query["dockerfile"] = [draft.last("file").rpartition("/")[2] or "Dockerfile"]
    return [draft.call("POST", "build", streams=True)]
