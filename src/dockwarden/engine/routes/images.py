"""Images, builds, registries."""

from __future__ import annotations

from dockwarden.engine.bodies.container import ContainerConfig, Ulimit
from dockwarden.engine.bodies.system import AuthConfig, BuildOutput
from dockwarden.engine.call import Answer, Class, Route, Takes
from dockwarden.engine.marks import harmless, judged
from dockwarden.engine.query import count, filtered, flag, json_of, prose, text, texts, variant
from dockwarden.words.ask import Kind

IMG, S = Kind.IMAGE, Kind.SYSTEM
LISTED = filtered("before", "dangling", "label", "label!", "reference", "since", "until")
CACHE = filtered("description", "id", "inuse", "label", "label!", "parent", "parents", "private", "shared", "type", "until", "unused-for")
MOVES = judged("a name that it moves: context.names")
AUTH = frozenset({"x-registry-auth"})
CHANGES = texts(judged("instructions of a Dockerfile: facts of the image made"))
LIMIT = judged("a limit of the build's steps")
PULL = {"fromImage": text(judged("a name, context.image; non-empty makes it a pull")), "tag": text(MOVES), "platform": variant(),
        "fromSrc": text(judged("the fact remote-source unless it is the body")), "repo": text(MOVES), "message": prose(harmless("a comment")),
        "changes": CHANGES}
BUILD = {
    "dockerfile": text(judged("which file is read as the Dockerfile")), "t": texts(MOVES), "extrahosts": texts(judged("the fact build-extra-host")),
    "remote": text(judged("the fact remote-source")), "q": flag(), "nocache": flag(), "pull": flag(judged("it may move a shared name")),
    "cachefrom": json_of(list[str], judged("each is an image")), "rm": flag(), "forcerm": flag(), "memory": count(LIMIT), "memswap": count(LIMIT),
    "cpushares": count(LIMIT), "cpusetcpus": text(LIMIT), "cpusetmems": text(LIMIT), "cpuperiod": count(LIMIT), "cpuquota": count(LIMIT),
    "shmsize": count(LIMIT), "buildargs": json_of(dict[str, str | None], judged("they may name the image built on")),
    "squash": flag(), "labels": json_of(dict[str, str], judged("labels of ours are refused, then stamped")),
    "networkmode": text(judged("a reference, and the facts namespace:host-network, namespace:join-foreign")),
    "cgroupparent": text(judged("the fact cgroup-parent")), "ulimits": json_of(list[Ulimit], LIMIT), "securityopt": texts(judged("as in create")),
    "isolation": text(harmless("only Windows reads it")), "target": text(harmless("which stage of the caller's own Dockerfile")),
    "platform": variant(), "version": text(judged("2 is BuildKit: the fact buildkit")), "session": text(judged("the fact buildkit")),
    "buildid": text(harmless("what the caller calls it")), "outputs": json_of(list[BuildOutput], judged("the fact buildkit")),
    "storageopt": json_of(dict[str, str], judged("the fact storage-option:NAME")), "stream": flag(judged("the fact buildkit")),
}

IMAGES = (
    Route("GET", "/images/json", "image.list", Class.READ, kind=IMG,
          query={"all": flag(), "filters": LISTED, "filter": text(), "only_ids": flag(harmless("a client's own; the Engine ignores it")), "shared-size": flag(), "digests": flag(), "manifests": flag(), "identity": flag()}),
    Route("GET", "/images/search", "image.search", Class.READ, kind=S, query={"term": text(), "limit": count(), "filters": filtered("is-automated", "is-official", "stars")}, headers=AUTH),
    Route("GET", "/images/get", "image.save", Class.DOWNLOAD, Answer.STREAM, kind=IMG, query={"names": texts(judged("each is a reference")), "platform": variant(is_many=True)}),
    Route("GET", "/images/{name*}/get", "image.save", Class.DOWNLOAD, Answer.STREAM, kind=IMG, ref="name", query={"platform": variant(is_many=True)}),
    Route("GET", "/images/{name*}/json", "image.inspect", Class.READ, kind=IMG, ref="name", query={"manifests": flag(), "platform": variant(), "size": flag()}),
    Route("GET", "/images/{name*}/history", "image.history", Class.READ, kind=IMG, ref="name", query={"platform": variant()}),
    Route("GET", "/images/{name*}/attestations", "image.attestations", Class.READ, kind=IMG, ref="name",
          query={"platform": variant(is_many=True), "type": texts(harmless("which statements")), "statement": flag()}),
    Route("POST", "/images/create", "image.pull", Class.UPLOAD, Answer.STREAM, kind=IMG, query=PULL, headers=AUTH),
    Route("POST", "/images/create", "image.import", Class.UPLOAD, Answer.STREAM, takes=Takes.TAR, kind=IMG, query=PULL),
    Route("POST", "/images/load", "image.load", Class.UPLOAD, Answer.STREAM, takes=Takes.TAR, kind=IMG, query={"quiet": flag(), "platform": variant(is_many=True)}),
    Route("POST", "/images/prune", "image.prune", Class.CHANGE, kind=IMG, query={"filters": filtered("dangling", "label", "label!", "until")}),
    Route("POST", "/images/{name*}/push", "image.push", Class.CHANGE, Answer.STREAM, kind=IMG, ref="name", query={"tag": text(), "platform": variant()}, headers=AUTH),
    Route("POST", "/images/{name*}/tag", "image.tag", Class.CHANGE, kind=IMG, ref="name", query={"repo": text(MOVES), "tag": text(MOVES), "force": flag()}),
    Route("DELETE", "/images/{name*}", "image.remove", Class.CHANGE, kind=IMG, ref="name",
          query={"force": flag(), "noprune": flag(), "platforms": variant(is_many=True)}),
    Route("GET", "/distribution/{name*}/json", "image.distribution", Class.READ, kind=S, headers=AUTH),
    Route("POST", "/commit", "image.commit", Class.CHANGE, takes=Takes.JSON, body=ContainerConfig, is_body_optional=True, kind=IMG,
          query={"container": text(judged("a reference")), "repo": text(MOVES), "tag": text(MOVES), "comment": prose(harmless("a comment")),
                 "author": text(harmless("a name")), "pause": flag(), "changes": CHANGES}),
    Route("POST", "/build", "image.build", Class.UPLOAD, Answer.STREAM, takes=Takes.TAR, kind=IMG, query=BUILD, headers=frozenset({"x-registry-config"})),
    Route("POST", "/build/prune", "build.prune", Class.CHANGE, kind=S,
          query={"keep-storage": count(), "reserved-space": count(), "max-used-space": count(), "min-free-space": count(), "all": flag(), "filters": CACHE}),
    Route("POST", "/build/cancel", "build.cancel", Class.CHANGE, kind=S, query={"id": text(judged("any build's id: host-wide"))}),
    Route("POST", "/session", "build.session", Class.HIJACK, Answer.HIJACK, kind=S, headers=frozenset({"upgrade", "connection"})),
    Route("POST", "/grpc", "build.grpc", Class.HIJACK, Answer.HIJACK, kind=S, headers=frozenset({"upgrade", "connection"})),
    Route("POST", "/auth", "registry.login", Class.CHANGE, takes=Takes.JSON, body=AuthConfig, kind=S),
)
