"""Containers, their streams and files, exec, checkpoints."""

from __future__ import annotations

from dockwarden.engine.bodies.container import CheckpointCreate, ContainerCreate, ContainerUpdate
from dockwarden.engine.bodies.exec import ExecCreate, ExecStart
from dockwarden.engine.call import Answer, Class, Route, Takes
from dockwarden.engine.marks import harmless, judged
from dockwarden.engine.query import count, filtered, flag, text, variant
from dockwarden.words.ask import Kind

C, E = Kind.CONTAINER, Kind.EXEC
STREAMS = {"logs": flag(), "stream": flag(), "stdin": flag(harmless("attach is input and output alike")), "stdout": flag(), "stderr": flag(),
           "detachKeys": text()}
LOGS = {"follow": flag(), "stdout": flag(), "stderr": flag(), "since": text(), "until": text(), "timestamps": flag(), "tail": text(),
        "details": flag(), "format": text()}
SIZE = {"h": count(), "w": count()}
NAME = judged("a name that looks like an id is refused")
PATH = {"path": text(judged("the way into the container; a bind on it is a fact"))}
LISTED = filtered("ancestor", "before", "expose", "exited", "health", "id", "is-task", "isolation", "label", "name", "network",
                  "publish", "since", "status", "volume")
PRUNED = filtered("label", "label!", "until")
UPGRADE = frozenset({"upgrade", "connection"})


def _verb(verb: str, **query: object) -> Route:
    return Route("POST", f"/containers/{{name}}/{verb}", f"container.{verb}", Class.CHANGE, kind=C, ref="name", query=query)  # type: ignore[arg-type]  # keywords of Params only


CONTAINERS = (
    Route("GET", "/containers/json", "container.list", Class.READ, kind=C,
          query={"all": flag(), "limit": count(), "size": flag(), "filters": LISTED, "since": text(), "before": text(),
                 "trunc_cmd": flag(harmless("a client's own; the Engine ignores it"))}),
    Route("POST", "/containers/create", "container.create", Class.CHANGE, takes=Takes.JSON, body=ContainerCreate, kind=C,
          query={"name": text(NAME), "platform": variant()}),
    Route("POST", "/containers/prune", "container.prune", Class.CHANGE, kind=C, query={"filters": PRUNED}),
    Route("GET", "/containers/{name}/json", "container.inspect", Class.READ, kind=C, ref="name", query={"size": flag()}),
    Route("GET", "/containers/{name}/top", "container.top", Class.READ, kind=C, ref="name",
          query={"ps_args": text(judged("the fact ps-args: words that the host's ps would read"))}),
    Route("GET", "/containers/{name}/logs", "container.logs", Class.DOWNLOAD, Answer.STREAM, kind=C, ref="name", query=LOGS),
    Route("GET", "/containers/{name}/stats", "container.stats", Class.DOWNLOAD, Answer.STREAM, kind=C, ref="name",
          query={"stream": flag(), "one-shot": flag()}),
    Route("GET", "/containers/{name}/changes", "container.changes", Class.READ, kind=C, ref="name"),
    Route("GET", "/containers/{name}/export", "container.export", Class.DOWNLOAD, Answer.STREAM, kind=C, ref="name"),
    Route("GET", "/containers/{name}/archive", "container.archive.get", Class.DOWNLOAD, Answer.STREAM, kind=C, ref="name", query=PATH),
    Route("HEAD", "/containers/{name}/archive", "container.archive.stat", Class.READ, kind=C, ref="name", query=PATH),
    Route("PUT", "/containers/{name}/archive", "container.archive.put", Class.UPLOAD, takes=Takes.TAR, kind=C, ref="name",
          query={**PATH, "noOverwriteDirNonDir": flag(), "copyUIDGID": flag(judged("owners are written by us"))}),
    Route("GET", "/containers/{name}/attach/ws", "container.attach.ws", Class.HIJACK, Answer.HIJACK, kind=C, ref="name", query=STREAMS,
          headers=UPGRADE | {"sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "origin"}),
    Route("POST", "/containers/{name}/attach", "container.attach", Class.HIJACK, Answer.HIJACK, kind=C, ref="name", query=STREAMS, headers=UPGRADE),
    Route("POST", "/containers/{name}/exec", "exec.create", Class.CHANGE, takes=Takes.JSON, body=ExecCreate, kind=C, ref="name"),
    Route("POST", "/containers/{name}/start", "container.start", Class.CHANGE, kind=C, ref="name",
          query={"detachKeys": text(), "checkpoint": text(judged("the fact checkpoint")), "checkpoint-dir": text(judged("the fact checkpoint-dir"))}),
    _verb("stop", t=count(), signal=text()),
    _verb("restart", t=count(), signal=text()),
    _verb("kill", signal=text()),
    _verb("pause"),
    _verb("unpause"),
    _verb("resize", **SIZE),
    Route("POST", "/containers/{name}/wait", "container.wait", Class.DOWNLOAD, Answer.STREAM, kind=C, ref="name", query={"condition": text()}),
    _verb("rename", name=text(NAME)),
    Route("POST", "/containers/{name}/update", "container.update", Class.CHANGE, takes=Takes.JSON, body=ContainerUpdate, kind=C, ref="name"),
    Route("DELETE", "/containers/{name}", "container.remove", Class.CHANGE, kind=C, ref="name",
          query={"v": flag(), "force": flag(), "link": flag(judged("a link's removal touches a second container: the reference path"))}),
    Route("GET", "/containers/{name}/checkpoints", "checkpoint.list", Class.READ, kind=C, ref="name", query={"dir": text(judged("the fact checkpoint-dir"))}),
    Route("POST", "/containers/{name}/checkpoints", "checkpoint.create", Class.CHANGE, takes=Takes.JSON, body=CheckpointCreate,
          is_body_optional=True, kind=C, ref="name"),
    Route("DELETE", "/containers/{name}/checkpoints/{checkpoint}", "checkpoint.remove", Class.CHANGE, kind=C, ref="name",
          query={"dir": text(judged("the fact checkpoint-dir"))}),
    Route("POST", "/exec/{id}/start", "exec.start", Class.HIJACK, Answer.HIJACK, takes=Takes.JSON, body=ExecStart, is_body_optional=True, kind=E,
          ref="id", headers=UPGRADE),
    Route("POST", "/exec/{id}/resize", "exec.resize", Class.CHANGE, kind=E, ref="id", query=SIZE),
    Route("GET", "/exec/{id}/json", "exec.inspect", Class.READ, kind=E, ref="id"),
)
