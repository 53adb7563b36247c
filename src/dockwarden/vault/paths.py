"""What policy asks about a path: whose it is, and whether it is for all.

`people/NAME/…` is NAME's own, `shared/…` is for all; any other path is nobody's until a policy names it.
"""

from __future__ import annotations

from dockwarden.vault.rows import checked_path
from dockwarden.words.ask import Kind, Resource

PEOPLE, SHARED = "people/", "shared/"


def resource_of(path: str) -> Resource:
    """The resource that `path` is to policy.

    Raises:
        Malformed: `vault.path`.
    """
    checked_path(path)
    owner, _, rest = path.removeprefix(PEOPLE).partition("/") if path.startswith(PEOPLE) else ("", "", "")
    return Resource(Kind.PATH, path, path, owner if rest else "", path.startswith(SHARED))
