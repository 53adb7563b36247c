"""Swarm, nodes, services, tasks, secrets, configs."""

from __future__ import annotations

from dockwarden.engine.bodies.service import ServiceSpec
from dockwarden.engine.bodies.swarm import ConfigSpec, NodeSpec, SecretSpec, SwarmInit, SwarmJoin, SwarmSpec, SwarmUnlock
from dockwarden.engine.call import Answer, Class, Route, Takes
from dockwarden.engine.marks import harmless, judged
from dockwarden.engine.query import count, filtered, flag, text
from dockwarden.engine.routes.containers import LOGS
from dockwarden.words.ask import Kind

J = Takes.JSON
VERSION = {"version": count(harmless("the version that the caller saw; the Engine refuses a stale one"))}
ROTATE = {name: flag(judged("swarm calls are host-equivalent")) for name in ("rotateWorkerToken", "rotateManagerToken", "rotateManagerUnlockKey")}
AUTH = frozenset({"x-registry-auth"})


def _kept(kind: Kind, noun: str, body: type[SecretSpec] | type[ConfigSpec], since: tuple[int, int]) -> tuple[Route, ...]:
    """The five routes of a thing that a swarm keeps."""
    at = f"/{noun}s"
    return (
        Route("GET", at, f"{noun}.list", Class.READ, kind=kind, query={"filters": filtered("id", "label", "name", "names")}, since=since),
        Route("POST", f"{at}/create", f"{noun}.create", Class.CHANGE, takes=J, body=body, kind=kind, since=since),
        Route("GET", f"{at}/{{id}}", f"{noun}.inspect", Class.READ, kind=kind, ref="id", since=since),
        Route("DELETE", f"{at}/{{id}}", f"{noun}.remove", Class.CHANGE, kind=kind, ref="id", since=since),
        Route("POST", f"{at}/{{id}}/update", f"{noun}.update", Class.CHANGE, takes=J, body=body, kind=kind, ref="id", query=VERSION, since=since),
    )


SWARM = (
    Route("GET", "/swarm", "swarm.inspect", Class.READ),
    Route("GET", "/swarm/unlockkey", "swarm.unlockkey", Class.READ),
    Route("POST", "/swarm/init", "swarm.init", Class.CHANGE, takes=J, body=SwarmInit),
    Route("POST", "/swarm/join", "swarm.join", Class.CHANGE, takes=J, body=SwarmJoin),
    Route("POST", "/swarm/leave", "swarm.leave", Class.CHANGE, query={"force": flag()}),
    Route("POST", "/swarm/update", "swarm.update", Class.CHANGE, takes=J, body=SwarmSpec, query={**VERSION, **ROTATE}),
    Route("POST", "/swarm/unlock", "swarm.unlock", Class.CHANGE, takes=J, body=SwarmUnlock),
    Route("GET", "/nodes", "node.list", Class.READ, kind=Kind.NODE, query={"filters": filtered("id", "label", "membership", "name", "node.label", "role")}),
    Route("GET", "/nodes/{id}", "node.inspect", Class.READ, kind=Kind.NODE, ref="id"),
    Route("DELETE", "/nodes/{id}", "node.remove", Class.CHANGE, kind=Kind.NODE, ref="id", query={"force": flag()}),
    Route("POST", "/nodes/{id}/update", "node.update", Class.CHANGE, takes=J, body=NodeSpec, kind=Kind.NODE, ref="id", query=VERSION),
    Route("GET", "/services", "service.list", Class.READ, kind=Kind.SERVICE, query={"filters": filtered("id", "label", "mode", "name", "runtime"), "status": flag()}),
    Route("POST", "/services/create", "service.create", Class.CHANGE, takes=J, body=ServiceSpec, kind=Kind.SERVICE, headers=AUTH),
    Route("GET", "/services/{id}", "service.inspect", Class.READ, kind=Kind.SERVICE, ref="id", query={"insertDefaults": flag()}),
    Route("DELETE", "/services/{id}", "service.remove", Class.CHANGE, kind=Kind.SERVICE, ref="id"),
    Route("POST", "/services/{id}/update", "service.update", Class.CHANGE, takes=J, body=ServiceSpec, kind=Kind.SERVICE, ref="id", headers=AUTH,
          query={**VERSION, "registryAuthFrom": text(judged("whose registry login is used: the service's own")), "rollback": text(judged("the earlier spec was judged when it was new"))}),
    Route("GET", "/services/{id}/logs", "service.logs", Class.DOWNLOAD, Answer.STREAM, kind=Kind.SERVICE, ref="id", query=LOGS),
    Route("GET", "/tasks", "task.list", Class.READ, kind=Kind.TASK,
          query={"filters": filtered("_up-to-date", "desired-state", "id", "label", "name", "node", "runtime", "service")}),
    Route("GET", "/tasks/{id}", "task.inspect", Class.READ, kind=Kind.TASK, ref="id"),
    Route("GET", "/tasks/{id}/logs", "task.logs", Class.DOWNLOAD, Answer.STREAM, kind=Kind.TASK, ref="id", query=LOGS),
    *_kept(Kind.SECRET, "secret", SecretSpec, (1, 25)),
    *_kept(Kind.CONFIG, "config", ConfigSpec, (1, 30)),
)
