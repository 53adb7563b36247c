"""The Engine itself, networks, volumes, plugins."""

from __future__ import annotations

from dockwarden.engine.bodies.network import NetworkConnect, NetworkCreate, NetworkDisconnect
from dockwarden.engine.bodies.system import PluginPrivilege
from dockwarden.engine.bodies.volume import VolumeCreate, VolumeUpdate
from dockwarden.engine.call import Answer, Class, Route, Takes
from dockwarden.engine.marks import harmless, judged
from dockwarden.engine.query import count, filtered, flag, text, texts
from dockwarden.words.ask import Kind

N, V, P, S = Kind.NETWORK, Kind.VOLUME, Kind.PLUGIN, Kind.SYSTEM
AUTH = frozenset({"x-registry-auth"})
EVENTS = filtered("config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret", "service", "type", "volume")
NETWORKS = filtered("dangling", "driver", "id", "label", "name", "scope", "type")
PRUNED = filtered("label", "label!", "until")
REMOTE = text(judged("plugins are root on the host: the action is what policy decides on"))


def _debug(path: str, name: str, *query: str) -> Route:
    return Route("GET", f"/debug/{path}", f"debug.{name}", Class.DOWNLOAD, Answer.STREAM, kind=S, query={key: text() for key in query})


SYSTEM = (
    Route("GET", "/_ping", "system.ping", Class.READ, kind=S),
    Route("HEAD", "/_ping", "system.ping", Class.READ, kind=S),
    Route("OPTIONS", "/{path*}", "system.options", Class.READ, kind=S, mark=harmless("the Engine answers 200 and nothing else, whatever the path")),
    Route("GET", "/version", "system.version", Class.READ, kind=S),
    Route("GET", "/info", "system.info", Class.READ, kind=S),
    Route("GET", "/events", "system.events", Class.DOWNLOAD, Answer.STREAM, kind=S, query={"since": text(), "until": text(), "filters": EVENTS,
                                                                                                 "stream": flag(harmless("a client's own; the Engine ignores it"))}),
    Route("GET", "/system/df", "system.df", Class.READ, kind=S, query={"type": texts(harmless("which lists")), "verbose": flag()}),
    _debug("vars", "vars"),
    _debug("pprof/", "pprof"),
    _debug("pprof/cmdline", "cmdline"),
    _debug("pprof/profile", "profile", "seconds", "debug"),
    _debug("pprof/symbol", "symbol"),
    _debug("pprof/trace", "trace", "seconds", "debug"),
    _debug("pprof/{name}", "profile.named", "debug", "gc", "seconds"),
    Route("GET", "/networks", "network.list", Class.READ, kind=N, query={"filters": NETWORKS}),
    Route("GET", "/networks/", "network.list", Class.READ, kind=N, query={"filters": NETWORKS}),
    Route("GET", "/networks/{id}", "network.inspect", Class.READ, kind=N, ref="id", query={"verbose": flag(), "scope": text()}),
    Route("POST", "/networks/create", "network.create", Class.CHANGE, takes=Takes.JSON, body=NetworkCreate, kind=N),
    Route("POST", "/networks/prune", "network.prune", Class.CHANGE, kind=N, query={"filters": PRUNED}),
    Route("POST", "/networks/{id}/connect", "network.connect", Class.CHANGE, takes=Takes.JSON, body=NetworkConnect, kind=N, ref="id"),
    Route("POST", "/networks/{id}/disconnect", "network.disconnect", Class.CHANGE, takes=Takes.JSON, body=NetworkDisconnect, kind=N, ref="id"),
    Route("DELETE", "/networks/{id}", "network.remove", Class.CHANGE, kind=N, ref="id"),
    Route("GET", "/volumes", "volume.list", Class.READ, kind=V, query={"filters": filtered("dangling", "driver", "label", "name")}),
    Route("POST", "/volumes/create", "volume.create", Class.CHANGE, takes=Takes.JSON, body=VolumeCreate, is_body_optional=True, kind=V),
    Route("POST", "/volumes/prune", "volume.prune", Class.CHANGE, kind=V, query={"filters": filtered("all", "label", "label!", "until")}),
    Route("GET", "/volumes/{name}", "volume.inspect", Class.READ, kind=V, ref="name"),
    Route("PUT", "/volumes/{name}", "volume.update", Class.CHANGE, takes=Takes.JSON, body=VolumeUpdate, kind=V, ref="name", query={"version": count()}, since=(1, 42)),
    Route("DELETE", "/volumes/{name}", "volume.remove", Class.CHANGE, kind=V, ref="name", query={"force": flag()}),
    Route("GET", "/plugins", "plugin.list", Class.READ, kind=P, query={"filters": filtered("capability", "enable", "enabled")}),
    Route("GET", "/plugins/privileges", "plugin.privileges", Class.READ, kind=S, query={"remote": REMOTE, "name": REMOTE}, headers=AUTH),
    Route("GET", "/plugins/{name*}/json", "plugin.inspect", Class.READ, kind=P, ref="name"),
    Route("POST", "/plugins/pull", "plugin.pull", Class.CHANGE, Answer.STREAM, takes=Takes.JSON, body=PluginPrivilege, is_body_list=True, is_body_optional=True,
          kind=P, query={"remote": REMOTE, "name": REMOTE}, headers=AUTH),
    Route("POST", "/plugins/create", "plugin.create", Class.UPLOAD, takes=Takes.TAR, kind=P, query={"name": REMOTE}),
    Route("POST", "/plugins/{name*}/enable", "plugin.enable", Class.CHANGE, kind=P, ref="name", query={"timeout": count()}),
    Route("POST", "/plugins/{name*}/disable", "plugin.disable", Class.CHANGE, kind=P, ref="name", query={"force": flag()}),
    Route("POST", "/plugins/{name*}/set", "plugin.set", Class.CHANGE, takes=Takes.JSON, is_body_list=True, kind=P, ref="name"),
    Route("POST", "/plugins/{name*}/upgrade", "plugin.upgrade", Class.CHANGE, Answer.STREAM, takes=Takes.JSON, body=PluginPrivilege, is_body_list=True,
          kind=P, ref="name", query={"remote": REMOTE}, headers=AUTH),
    Route("POST", "/plugins/{name*}/push", "plugin.push", Class.CHANGE, Answer.STREAM, kind=P, ref="name", headers=AUTH),
    Route("DELETE", "/plugins/{name*}", "plugin.remove", Class.CHANGE, kind=P, ref="name", query={"force": flag()}),
)
