"""The commands: their flags, and what makes their calls."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from dockwarden.cli.dockerline.build import built
from dockwarden.cli.dockerline.draft import Call, Draft, Surroundings
from dockwarden.cli.dockerline.flags import Flag, asked, each, kept, own, own_switches, pairs, read_flags, switch, table, text, turned
from dockwarden.cli.dockerline.makes import (
    Make,
    attached,
    committed,
    connected,
    copied,
    disconnected,
    fixed,
    imported,
    inspected,
    lists,
    logs_of,
    network_created,
    plugin_installed,
    prunes,
    pulled,
    pushed,
    renamed,
    saved,
    started,
    system_pruned,
    tagged,
    to_each,
    top_of,
    volume_created,
)
from dockwarden.cli.dockerline.run import Reader, created, entered, ran, some, updated, words_of
from dockwarden.cli.dockerline.service import service_created
from dockwarden.words.errors import BadConfig

GLOBAL = table(
    *own("config", "context:c", "host:H", "log-level:l", "tlscacert", "tlscert", "tlskey"),
    *own_switches("debug:D", "tls", "tlsverify"),
)
HELP = own_switches("help")


def _reader(command: str, make: Make, *flags: Flag, ends_at_name: bool = False) -> Reader:
    known = table(*flags, *HELP)

    def read(words: Sequence[str], around: Surroundings) -> list[Call]:
        draft = Draft(around)
        return make(draft, read_flags(command, words, known, draft, ends_at_name=ends_at_name))

    return read


def _container_verb(verb: str, *flags: Flag) -> Reader:
    return _reader(verb, to_each(verb, "POST", "containers", verb), *flags)


FILTER = kept("filter", "f")
SHOWN = (*own("format", "size-format"), *own_switches("quiet:q", "no-trunc"))
ENDPOINT = (
    each("alias", "EndpointConfig.Aliases"),
    text("ip", "EndpointConfig.IPAMConfig.IPv4Address"),
    text("ip6", "EndpointConfig.IPAMConfig.IPv6Address"),
    each("link", "EndpointConfig.Links"),
    each("link-local-ip", "EndpointConfig.IPAMConfig.LinkLocalIPs"),
    pairs("driver-opt", "EndpointConfig.DriverOpts"),
)
LOG_FLAGS = (
    turned("details", "details"),
    turned("follow", "follow", "f"),
    asked("since", "since"),
    asked("until", "until"),
    asked("tail", "tail", "n"),
    turned("timestamps", "timestamps", "t"),
)
SIGNAL, TIME = asked("signal", "signal", "s"), (asked("timeout", "t", "t"), asked("time", "t"))

CONTAINER: Mapping[str, Reader] = {
    "run": ran,
    "create": created,
    "exec": entered,
    "update": updated,
    "ps": _reader(
        "ps",
        lists("containers", "json"),
        FILTER,
        turned("all", "all", "a"),
        asked("last", "limit", "n"),
        turned("size", "size", "s"),
        *own_switches("latest:l"),
        *SHOWN,
    ),
    "logs": _reader("logs", logs_of, *LOG_FLAGS),
    "start": _reader(
        "start",
        started,
        kept("attach", "a", is_switch=True),
        kept("interactive", "i", is_switch=True),
        asked("checkpoint", "checkpoint"),
        asked("checkpoint-dir", "checkpoint-dir"),
        *own("detach-keys"),
        *own_switches("sig-proxy"),
    ),
    "stop": _container_verb("stop", SIGNAL, *TIME),
    "restart": _container_verb("restart", SIGNAL, *TIME),
    "kill": _container_verb("kill", SIGNAL),
    "pause": _container_verb("pause"),
    "unpause": _container_verb("unpause"),
    "wait": _container_verb("wait"),
    "rm": _reader(
        "rm", to_each("rm", "DELETE", "containers"), turned("force", "force", "f"), turned("link", "link", "l"), turned("volumes", "v", "v")
    ),
    "rename": _reader("rename", renamed),
    "top": _reader("top", top_of, ends_at_name=True),
    "stats": _reader("stats", to_each("stats", "GET", "containers", "stats"), *own_switches("all:a", "no-stream"), *SHOWN),
    "port": _reader("port", lambda draft, names: [draft.call("GET", "containers", some("port", names, "CONTAINER")[0], "json")]),
    "diff": _reader("diff", to_each("diff", "GET", "containers", "changes")),
    "attach": _reader("attach", attached, kept("no-stdin", is_switch=True), *own("detach-keys"), *own_switches("sig-proxy")),
    "cp": _reader("cp", copied, turned("archive", "copyUIDGID", "a"), *own_switches("follow-link:L", "quiet:q")),
    "export": _reader("export", to_each("export", "GET", "containers", "export"), *own("output:o")),
    "commit": _reader(
        "commit",
        committed,
        asked("author", "author", "a"),
        asked("message", "comment", "m"),
        asked("change", "changes", "c"),
        turned("pause", "pause", "p"),
    ),
    "inspect": _reader("inspect", inspected, kept("type"), *own("format:f"), turned("size", "size", "s")),
    "prune": _reader("container prune", prunes("containers"), kept("filter"), *own_switches("force:f")),
}
IMAGE: Mapping[str, Reader] = {
    "build": built,
    "pull": _reader("pull", pulled, kept("all-tags", "a", is_switch=True), kept("platform"), *own_switches("quiet:q", "disable-content-trust")),
    "push": _reader(
        "push", pushed, kept("all-tags", "a", is_switch=True), asked("platform", "platform"), *own_switches("quiet:q", "disable-content-trust")
    ),
    "tag": _reader("tag", tagged),
    "ls": _reader("images", lists("images", "json"), FILTER, turned("all", "all", "a"), turned("digests", "digests"), *own_switches("tree"), *SHOWN),
    "rm": _reader(
        "rmi",
        to_each("rmi", "DELETE", "images", what="IMAGE"),
        turned("force", "force", "f"),
        turned("no-prune", "noprune"),
        asked("platform", "platforms"),
    ),
    "save": _reader("save", saved, *own("output:o", "platform")),
    "load": _reader(
        "load",
        lambda draft, _names: [draft.call("POST", "images", "load", streams=True)],
        turned("quiet", "quiet", "q"),
        asked("platform", "platform"),
        *own("input:i"),
    ),
    "import": _reader("import", imported, asked("change", "changes", "c"), asked("message", "message", "m"), asked("platform", "platform")),
    "history": _reader(
        "history", to_each("history", "GET", "images", "history", "IMAGE"), asked("platform", "platform"), *own_switches("human:H"), *SHOWN
    ),
    "inspect": _reader("image inspect", to_each("image inspect", "GET", "images", "json", "IMAGE"), *own("format:f", "platform")),
    "prune": _reader("image prune", prunes("images"), kept("filter"), kept("all", "a", is_switch=True), *own_switches("force:f")),
}
NETWORK: Mapping[str, Reader] = {
    "ls": _reader("network ls", lists("networks"), FILTER, *SHOWN),
    "create": _reader(
        "network create",
        network_created,
        switch("attachable", "Attachable"),
        text("driver", "Driver", "d"),
        switch("internal", "Internal"),
        switch("ingress", "Ingress"),
        switch("ipv6", "EnableIPv6"),
        switch("config-only", "ConfigOnly"),
        text("config-from", "ConfigFrom.Network"),
        text("scope", "Scope"),
        text("ipam-driver", "IPAM.Driver"),
        pairs("ipam-opt", "IPAM.Options"),
        pairs("label", "Labels"),
        pairs("opt", "Options", "o"),
        kept("subnet"),
        kept("ip-range"),
        kept("gateway"),
        *own("aux-address"),
    ),
    "rm": _reader("network rm", to_each("network rm", "DELETE", "networks", what="NETWORK"), *own_switches("force:f")),
    "inspect": _reader(
        "network inspect", to_each("network inspect", "GET", "networks", what="NETWORK"), *own("format:f"), *own_switches("verbose:v")
    ),
    "connect": _reader("network connect", connected, *ENDPOINT),
    "disconnect": _reader("network disconnect", disconnected, kept("force", "f", is_switch=True)),
    "prune": _reader("network prune", prunes("networks"), kept("filter"), *own_switches("force:f")),
}
VOLUME: Mapping[str, Reader] = {
    "ls": _reader("volume ls", lists("volumes"), FILTER, *SHOWN),
    "create": _reader(
        "volume create",
        volume_created,
        text("driver", "Driver", "d"),
        pairs("opt", "DriverOpts", "o"),
        pairs("label", "Labels"),
        text("name", "Name"),
    ),
    "rm": _reader("volume rm", to_each("volume rm", "DELETE", "volumes", what="VOLUME"), turned("force", "force", "f")),
    "inspect": _reader("volume inspect", to_each("volume inspect", "GET", "volumes", what="VOLUME"), *own("format:f")),
    "prune": _reader("volume prune", prunes("volumes"), kept("filter"), *own_switches("all:a", "force:f")),
}
SYSTEM: Mapping[str, Reader] = {
    "info": _reader("info", fixed("GET", "info"), *own("format:f")),
    "version": _reader("version", fixed("GET", "version"), *own("format:f")),
    "events": _reader("events", lists("events"), FILTER, asked("since", "since"), asked("until", "until"), *own("format")),
    "df": _reader("system df", fixed("GET", "system", "df"), *own("format"), *own_switches("verbose:v")),
    "prune": _reader("system prune", system_pruned, kept("volumes", is_switch=True), *own_switches("all:a", "force:f"), kept("filter")),
    "search": _reader(
        "search",
        lambda draft, names: [draft.call("GET", "images", "search", asks={"term": some("search", names, "TERM")[0]})],
        FILTER,
        asked("limit", "limit"),
        *SHOWN,
    ),
    "login": _reader(
        "login", fixed("POST", "auth", body='{"username": "you", "password": ""}'), *own("username:u", "password:p"), *own_switches("password-stdin")
    ),
}
SERVICE: Mapping[str, Reader] = {
    "create": service_created,
    "ls": _reader("service ls", lists("services"), FILTER, *SHOWN),
    "rm": _reader("service rm", to_each("service rm", "DELETE", "services", what="SERVICE")),
    "inspect": _reader("service inspect", to_each("service inspect", "GET", "services", what="SERVICE"), *own("format:f"), *own_switches("pretty")),
    "logs": _reader("service logs", to_each("service logs", "GET", "services", "logs", "SERVICE"), *LOG_FLAGS),
}
SWARM: Mapping[str, Reader] = {
    "init": _reader(
        "swarm init",
        fixed("POST", "swarm", "init", body='{"ListenAddr": "0.0.0.0:2377"}'),
        *own("advertise-addr", "listen-addr", "data-path-addr"),
        *own_switches("force-new-cluster", "autolock"),
    ),
    "join": _reader(
        "swarm join", fixed("POST", "swarm", "join", body='{"ListenAddr": "0.0.0.0:2377"}'), *own("token", "advertise-addr", "listen-addr")
    ),
    "leave": _reader("swarm leave", fixed("POST", "swarm", "leave"), turned("force", "force", "f")),
}
PLUGIN: Mapping[str, Reader] = {
    "ls": _reader("plugin ls", lists("plugins"), FILTER, *SHOWN),
    "install": _reader("plugin install", plugin_installed, kept("alias"), *own_switches("disable", "grant-all-permissions", "disable-content-trust")),
    "enable": _reader("plugin enable", to_each("plugin enable", "POST", "plugins", "enable", "PLUGIN"), *own("timeout")),
    "disable": _reader("plugin disable", to_each("plugin disable", "POST", "plugins", "disable", "PLUGIN"), turned("force", "force", "f")),
    "rm": _reader("plugin rm", to_each("plugin rm", "DELETE", "plugins", what="PLUGIN"), turned("force", "force", "f")),
}
GROUPS: Mapping[str, Mapping[str, Reader]] = {
    "container": CONTAINER,
    "image": IMAGE,
    "network": NETWORK,
    "volume": VOLUME,
    "system": SYSTEM,
    "service": SERVICE,
    "swarm": SWARM,
    "plugin": PLUGIN,
    "builder": {"build": built},
}
SYNONYMS = {"list": "ls", "remove": "rm"}
COMMANDS: Mapping[str, Reader] = {
    **{name: reader for name, reader in CONTAINER.items() if name != "prune"},
    **{name: IMAGE[name] for name in ("build", "pull", "push", "tag", "save", "load", "import", "history")},
    "images": IMAGE["ls"],
    "rmi": IMAGE["rm"],
    **{name: SYSTEM[name] for name in ("info", "version", "events", "search", "login")},
}


def read_line(words: Sequence[str] | str, around: Surroundings | None = None) -> tuple[Call, ...]:
    """Return the calls that a Docker command line would make, in their order; `docker` itself may be its first word.

    Names stand for ids, and what depends on an Engine's answer (is the image there?) is left out.
    Raises:
        BadConfig: a command or flag that is not known here, or a value that cannot be meant.
    """
    rest = words_of(words) if isinstance(words, str) else list(words)
    if rest[:1] == ["docker"]:
        rest = rest[1:]
    rest = read_flags("", rest, GLOBAL, Draft(), ends_at_name=True)
    if not rest:
        raise BadConfig("the docker line", "names no command", "write docker run …")
    name, *after = rest
    if name in GROUPS and name not in COMMANDS and after:
        verb = SYNONYMS.get(after[0], after[0])
        verb = "ps" if name == "container" and verb == "ls" else verb
        name, reader, after = f"{name} {after[0]}", GROUPS[name].get(verb), after[1:]
    else:
        reader = COMMANDS.get(name)
    if reader is None:
        close = difflib.get_close_matches(name, [*COMMANDS, *(f"{group} {verb}" for group, verbs in GROUPS.items() for verb in verbs)], n=1)
        mend = f"did you mean docker {close[0]}?" if close else "write the call itself into a file and use --request FILE"
        raise BadConfig("the docker line", f"docker {name} is not known here", mend)
    return tuple(reader(after, around or Surroundings()))
