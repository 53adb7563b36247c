"""The Cedar schema, made from the route table: which actions there are, on what, and what a policy may ask of a call."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache

from dockwarden.engine.routes.table import ROUTES
from dockwarden.words.ask import Kind

ENV_READ = "env.read"
"""Whether environment values are shown in answers; it is asked of no route of its own."""

HOST_READ = "host.read"
"""Whether the host's own details are shown (proxies, cluster addresses, sizes that count what is another's); no route's own either."""

SECRET_READ = "secret.read"  # noqa: S105  an action's name
"""Whether a value of the vault is shown to a person; of a thing of the Engine's: whether secrets that were found in it are."""

SECRET_ACTIONS = (SECRET_READ, "secret.write", "secret.list", "secret.destroy", "secret.use")
"""What is asked about a path of the vault; `use` is a container's getting it, `read` a person's seeing it."""

VAULT_ACTIONS = ("vault.status", "vault.seal", "vault.unseal", "vault.rekey", "vault.rotate", "vault.backup")
"""What is asked about the vault itself: `System::"vault"`."""

SESSION_ACTIONS = ("session.list", "session.play", "session.export", "session.watch", "session.kill")
"""What is asked about a session that is or was recorded; its owner is the person whose it is."""

SESSION_SEARCH = "session.search"
"""Whether a session is found by what it showed; of a session, and only beside `session.play`."""

SESSION_REINDEX = "session.reindex"
"""Whether the search index is made anew: `System::"search"`."""

CONTEXT = """\
type Context = {
  // Everything that would break the isolation, by name ("privileged", "cap:SYS_ADMIN", "bind:/etc"): docs/facts.md.
  escape: Set<String>,
  // Kinds of things referred to that are somebody else's and not shared ("network", "volume", "image").
  foreign: Set<String>,
  // As whom it would run. isRoot counts gid 0 and every doubt; isGiven: the request named the user, not the image.
  user: { isRoot: Bool, isGiven: Bool, isCaller: Bool, isOtherAccount: Bool, uid: Long, gid: Long },
  image: { registry: String, repository: String, tag: String, digest: String, isKnown: Bool, state: String, env_secrets: Set<String> },
  // How the image names are held that the call would move: "new", "own", "refresh", "shared", "other".
  names: { moves: Set<String> },
  // Folders of the host that are mounted, and ports of the host that are published.
  binds: Long,
  ports: Set<Long>,
  via: String,
  door: String,
  envRestored: Bool,
  // Secrets in clear, in variables, build arguments and labels: what they are called, and of what kind ("password", "github-token").
  env_secrets: { names: Set<String>, kinds: Set<String> },
};
"""

LOOK = (
    "system.info", "system.events", "system.df", "container.list", "container.inspect", "container.top", "container.stats",
    "container.changes", "container.wait", "image.list", "image.inspect", "image.history", "network.list", "network.inspect",
    "volume.list", "volume.inspect", "exec.inspect",
)
GROUPS: Mapping[str, tuple[str, ...]] = {
    "ping": ("system.ping", "system.version", "system.options"),
    "look": LOOK,
    "read-output": ("container.logs",),
    "operate": (
        "container.start", "container.stop", "container.restart", "container.kill", "container.pause", "container.unpause",
        "container.resize",
    ),
    "run": (
        "container.create", "container.attach", "container.update", "container.rename", "container.remove", "container.prune",
    ),
    "exec": ("exec.create", "exec.start", "exec.resize"),
    "copy-files": ("container.archive.get", "container.archive.put", "container.archive.stat", "container.export"),
    "fetch-images": ("image.pull", "image.search", "image.distribution", "registry.login"),
    "make-images": ("image.build", "image.tag", "image.commit", "image.import", "image.load"),
    "keep-images": ("image.save", "image.remove"),
    "networks": ("network.create", "network.connect", "network.disconnect", "network.remove", "network.prune"),
    "volumes": ("volume.create", "volume.remove", "volume.prune"),
    "vault": VAULT_ACTIONS,
    "sessions": (*SESSION_ACTIONS, SESSION_SEARCH, SESSION_REINDEX),
    "uses-image": ("container.create", "service.create", "service.update", "image.pull"),
}
"""Groups that policies may name, each with its actions; an action may be in several."""


def actions() -> Mapping[str, frozenset[Kind]]:
    """Every action with the kinds of things it is asked about."""
    kinds: dict[str, set[Kind]] = defaultdict(set)
    for route in ROUTES:
        kinds[route.action].add(route.kind)
    kinds["system.options"].add(Kind.SYSTEM)
    kinds[HOST_READ].add(Kind.SYSTEM)
    for action in SECRET_ACTIONS:
        kinds[action].add(Kind.PATH)
    for action in VAULT_ACTIONS:
        kinds[action].add(Kind.SYSTEM)
    for action in SESSION_ACTIONS:
        kinds[action].add(Kind.SESSION)
    kinds[SESSION_SEARCH].add(Kind.SESSION)
    kinds[SESSION_REINDEX].add(Kind.SYSTEM)
    kinds[SECRET_READ] |= {Kind.CONTAINER, Kind.IMAGE, Kind.SERVICE, Kind.TASK, Kind.EXEC}
    kinds[ENV_READ] = {Kind.CONTAINER, Kind.IMAGE, Kind.SERVICE, Kind.TASK, Kind.EXEC}
    return {action: frozenset(found) for action, found in sorted(kinds.items())}


@lru_cache(maxsize=512)
def groups_of(action: str) -> tuple[str, ...]:
    """The groups that `action` is in, sorted."""
    return tuple(sorted(name for name, members in GROUPS.items() if action in members))


def attribute_names() -> tuple[str, ...]:
    """Every attribute that a policy may name, sorted."""
    return tuple(sorted(set(re.findall(r"(\w+): [A-Z{]", schema_text()))))


def schema_text() -> str:
    """The schema in Cedar's own syntax."""
    lines = ["entity Group;", "entity User in [Group] { name: String };"]
    for kind in Kind:
        lines.append(f"entity {kind.value} {{ id: String, name: String, owner: String, isShared: Bool }} tags String;")
    lines += [CONTEXT.rstrip(), *(f'action "{name}";' for name in sorted(GROUPS))]
    for action, kinds in actions().items():
        parents = ", ".join(f'"{name}"' for name in groups_of(action))
        where = f" in [{parents}]" if parents else ""
        resources = ", ".join(sorted(kind.value for kind in kinds))
        lines.append(f'action "{action}"{where} appliesTo {{ principal: User, resource: [{resources}], context: Context }};')
    return "\n".join(lines) + "\n"
