"""What policy asks about a path: whose it is, and whether it is for all.

`people/NAME/…` is NAME's own, `shared/…` is for all, `dockwarden/…` is our own and no policy's to give; any other path is nobody's until
a policy names it.
"""

from __future__ import annotations

from dockwarden.vault.rows import checked_path
from dockwarden.words.ask import Kind, Resource
from dockwarden.words.errors import Forbidden

PEOPLE, SHARED, OURS = "people/", "shared/", "dockwarden/"


def resource_of(path: str) -> Resource:
    """The resource that `path` is to policy.

    Raises:
        Malformed: `vault.path`. Forbidden: `vault.ours`.
    """
    checked_path(path)
    if path.startswith(OURS):
        raise Forbidden("vault.ours", f"what is below {OURS} are keys of dockwarden's own, and nobody else's; name another path")
    owner, _, rest = path.removeprefix(PEOPLE).partition("/") if path.startswith(PEOPLE) else ("", "", "")
    return Resource(Kind.PATH, path, path, owner if rest else "", path.startswith(SHARED))
