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

SSH_SHELL, SSH_EXEC = "ssh.shell", "ssh.exec"
SSH_FILES, SSH_READ, SSH_WRITE, SSH_FORWARD = "ssh.sftp", "ssh.sftp.read", "ssh.sftp.write", "ssh.forward.local"
SSH_ACTIONS = (SSH_SHELL, SSH_EXEC, SSH_FILES, SSH_READ, SSH_WRITE, SSH_FORWARD)
"""What is asked about a host that is reached by SSH."""

HOST_ACTIONS = ("host.list", "host.write")
"""What is asked about the list of hosts."""

SSH_LOGIN = "ssh.login"
"""Coming in through the SSH door at all: `System::"ssh"`."""

TOTP_ENROLL, TOTP_REMOVE = "totp.enroll", "totp.remove"
TOTP_ACTIONS = (TOTP_ENROLL, TOTP_REMOVE)
"""What is asked about somebody's second factor: `System::"totp"`, whose owner they are."""

SESSION_START = "session.start"
"""Whether a session that another action let begin (`exec.start`, `container.attach`, a shell) may begin here and now, and on what terms."""

SESSION_LOCK = "session.lock"
"""Whether sessions of a person, on a target, may be locked and unlocked; its owner is that person, its name that target."""

KEEPING_ACTIONS = ("session.delete", "session.hold")
"""What is asked about how long a session's tape is kept; `hold` is releasing it, too. Not of group `sessions`: who looks does not delete."""

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
  // Of a session on a host: as which account, and whether the Engine's own socket can be reached from there (a doubt counts as yes).
  login: String,
  reaches_engine: Bool,
  // Of a forwarded connection: where it goes, as the client wrote it.
  forward: { host: String, port: Long },
  // Of a file that is copied (ssh.sftp.read, ssh.sftp.write): what is done, and to which names, as they were sent.
  file: { deed: String, path: String, other: String },
};
"""

OF_SESSIONS = """\
  // Where the person is: "unix" on this machine, else an address; and the same as an address, which on this machine is 127.0.0.1.
  source: String,
  address: ipaddr,
  // What time it is, in UTC: 0 to 23, and 1 (Monday) to 7.
  hour: Long,
  weekday: Long,
  // What would begin: "exec", "attach", "shell", …; in a terminal or not.
  session: { kind: String, isTerminal: Bool },
"""
"""What the context of `session.start` has beside the facts of the call. No other action has it."""
SESSION_FACTS = frozenset({"source", "address", "hour", "weekday", "session"})

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
    "sessions": (*SESSION_ACTIONS, SESSION_LOCK, SESSION_SEARCH, SESSION_REINDEX),
    "ssh": SSH_ACTIONS,
    "keep-sessions": KEEPING_ACTIONS,
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
    for action in (*VAULT_ACTIONS, *TOTP_ACTIONS, SSH_LOGIN):
        kinds[action].add(Kind.SYSTEM)
    for action in (*SESSION_ACTIONS, *KEEPING_ACTIONS, SESSION_START, SESSION_LOCK):
        kinds[action].add(Kind.SESSION)
    for action in (*SSH_ACTIONS, *HOST_ACTIONS):
        kinds[action].add(Kind.HOST)
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
    session_context = CONTEXT.replace("type Context", "type SessionContext").replace("};", f"{OF_SESSIONS}}};")
    lines += [CONTEXT.rstrip(), session_context.rstrip(), *(f'action "{name}";' for name in sorted(GROUPS))]
    for action, kinds in actions().items():
        parents = ", ".join(f'"{name}"' for name in groups_of(action))
        where = f" in [{parents}]" if parents else ""
        resources = ", ".join(sorted(kind.value for kind in kinds))
        context = "SessionContext" if action == SESSION_START else "Context"
        lines.append(f'action "{action}"{where} appliesTo {{ principal: User, resource: [{resources}], context: {context} }};')
    return "\n".join(lines) + "\n"
