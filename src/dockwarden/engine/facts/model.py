"""The facts of one call, as policy sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dockwarden.engine.users import EffectiveUser
from dockwarden.words.ask import Plain

NO_ID = -1
"""Stands for the uid and gid of a call that runs nothing."""


@dataclass(frozen=True, slots=True)
class UserFacts:
    """As whom something would run if nothing were hardened.

    `is_root` counts gid 0 and doubt; `is_other_account` says that the uid, or one of the gids, is another's on the host.
    """

    is_root: bool = False
    is_given: bool = False
    is_caller: bool = False
    is_other_account: bool = False
    uid: int = NO_ID
    gid: int = NO_ID


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The image a call uses, by name.

    `is_known`: this Engine has it. `state` is `pulled` if a registry vouched for it under this repository, `local` if it is here
    but none did, "" if it is not here. `env_secrets` are the names of variables of the image's own that look like secrets.
    """

    registry: str = ""
    repository: str = ""
    tag: str = ""
    digest: str = ""
    is_known: bool = False
    state: str = ""
    env_secrets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """All that policy may ask about a call, beside who does what to which resource.

    `escape` holds names of `escapes.CATALOGUE`, `foreign` the lower-case kinds of the things referred to that are neither the
    caller's nor shared, `moves` how the image names are held that the call would move. `env_secrets` are
    name and kind of each secret in clear, never a value. `effective` is the worked-out user for
    `harden`, `None` where nothing runs. `login`, `reaches_engine`,
    `forward` (a name or number, and a port) and `file` (a deed, a path, and another) are those of a session on a host.
    """

    escape: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()
    user: UserFacts = UserFacts()
    image: ImageFacts = ImageFacts()
    moves: frozenset[str] = frozenset()
    binds: int = 0
    ports: frozenset[int] = frozenset()
    via: str = ""
    door: str = ""
    env_restored: bool = False
    env_secrets: tuple[tuple[str, str], ...] = ()
    effective: EffectiveUser | None = None
    login: str = ""
    reaches_engine: bool = False
    forward: tuple[str, int] = ("", 0)
    file: tuple[str, str, str] = ("", "", "")

    def context(self) -> Mapping[str, Plain]:
        """Return the Cedar context; every attribute is always there, so that no policy needs `has`."""
        user, image = self.user, self.image
        return {
            "escape": self.escape,
            "foreign": self.foreign,
            "user": {
                "isRoot": user.is_root, "isGiven": user.is_given, "isCaller": user.is_caller,
                "isOtherAccount": user.is_other_account, "uid": user.uid, "gid": user.gid,
            },
            "image": {
                "registry": image.registry, "repository": image.repository, "tag": image.tag, "digest": image.digest,
                "isKnown": image.is_known, "state": image.state, "env_secrets": image.env_secrets,
            },
            "names": {"moves": self.moves},
            "binds": self.binds,
            "ports": tuple(sorted(self.ports)),
            "via": self.via,
            "door": self.door,
            "envRestored": self.env_restored,
            "env_secrets": {
                "names": frozenset(name for name, _ in self.env_secrets), "kinds": frozenset(kind for _, kind in self.env_secrets),
            },
            "login": self.login,
            "reaches_engine": self.reaches_engine,
            "forward": {"host": self.forward[0], "port": self.forward[1]},
            "file": {"deed": self.file[0], "path": self.file[1], "other": self.file[2]},
        }
