"""What the outside said about one call, before its facts are worked out.

Facts are pure: whatever they need of the Engine, of the host and of our own state is asked first and handed over here.
Absent knowledge is doubt, and doubt makes a fact; it never takes one away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dockwarden.engine.references import Reference
from dockwarden.words.ask import Resource
from dockwarden.words.principal import NOBODY, Principal

ENGINE_SOCKETS = (
    "/var/run/docker.sock", "/run/docker.sock", "/run/docker/plugins", "/run/docker/containerd", "/run/containerd",
    "/var/run/docker/plugins", "/var/run/docker/containerd", "/var/run/containerd", "/run/docker/metrics.sock",
)
"""Where an Engine's own sockets are unless its operator moved them."""


@dataclass(frozen=True, slots=True)
class BindSource:
    """What the host says of one bind source, for the caller's account.

    `path` is cleaned. `root` is the bind root that it lies below ("" where none), `relative` the way from there ("." for the
    root itself). `can_read` and `can_write` tell what the caller's own account could do with it; a link on the way below the
    root is nobody's to use, so both are false. `owner_uid` is `None` where nothing exists.
    """

    path: str
    root: str = ""
    relative: str = ""
    exists: bool = False
    can_read: bool = False
    can_write: bool = False
    owner_uid: int | None = None
    is_dir: bool = False
    is_socket: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image that the Engine has.

    `user` and `working_dir` are of its `Config`, as written; `passwd` and `group` are the texts of its `/etc/passwd` and
    `/etc/group`, empty where it has none. `names` are its `RepoTags`, `digests` its `RepoDigests`, `on_build` its `Config.OnBuild`,
    `exposed_ports` the keys of its `Config.ExposedPorts`, `env` its `Config.Env`, which is not printed.
    """

    id: str
    user: str = ""
    working_dir: str = ""
    passwd: str = ""
    group: str = ""
    names: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    on_build: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    env: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ContainerState:
    """The container that a call is about (exec, update, commit, archive), from its inspect answer.

    `user` is its `Config.User`: numbers where it was made through us. `group_add` is `HostConfig.GroupAdd`. `binds` counts what
    of the host is mounted in it, our own driver's mounts included.
    """

    id: str
    user: str = ""
    group_add: tuple[str, ...] = ()
    is_privileged: bool = False
    userns_mode: str = ""
    binds: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that facts may lean on.

    `found` holds what each reference of the call resolved to; a reference that is missing was not found. `image` is the image
    of a create, or the image of `container` for an exec. `binds` is keyed by the cleaned source path. `names` says of each full
    image name that the call moves (`references.moved_names`) whether it is `new`, `own`, `refresh`, `shared` or `other`.
    `accounts` and `host_groups` are the uids and gids that the host knows. `cpus` is how many
    the host has, 0 if nobody knows. `sockets` are paths of sockets that give power over
    the Engine or over us; a bind of one, or of a folder that holds one, is an escape. `bind_roots` are for the words of a
    refusal. `dockerfile` is the text of a classic build's Dockerfile once it was read, `on_build` the triggers of the images it builds
    on; `loaded` are the names in a loaded archive's manifest, once it was read.
    """

    principal: Principal = NOBODY
    found: Mapping[Reference, Resource] = field(default_factory=dict)
    image: ImageConfig | None = None
    container: ContainerState | None = None
    binds: Mapping[str, BindSource] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    accounts: frozenset[int] = frozenset()
    host_groups: frozenset[int] = frozenset()
    userns_remap: bool = False
    cpus: int = 0
    sockets: tuple[str, ...] = ENGINE_SOCKETS
    bind_roots: tuple[str, ...] = ()
    plugin: str = "dockwarden"
    door: str = ""
    env_restored: bool = False
    loaded: tuple[str, ...] = ()
    dockerfile: str | None = None
    on_build: tuple[str, ...] = ()
