"""What is asked at a tapes door: a path, a query, and who lets a browser ask it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from dockwarden.tape.exported import FormName
from dockwarden.tape.opening import ID
from dockwarden.words.errors import Forbidden, Hidden, Malformed

What = Literal["sessions", "cast", "raw", "live"]
PATH = re.compile(rb"/sessions(?:/(" + ID.pattern.encode() + rb")/(cast|raw|live))?", re.ASCII)
WHATS: Mapping[bytes, What] = {b"": "sessions", b"cast": "cast", b"raw": "raw", b"live": "live"}
QUERIES: Mapping[str, Mapping[str, FormName]] = {
    "cast": {"": "v3", "format=v3": "v3", "format=v2": "v2"},
    "raw": {"": "both", "stream=both": "both", "stream=out": "out", "stream=err": "err", "stream=in": "in"},
}
"""Every query there is, by what it is asked of, and the form it means."""
ITSELF = frozenset({"same-origin", "none"})
"""What a browser says of a request that no other site had a part in."""


class WrongMethod(Malformed):
    """Ask with another method."""

    status = 405


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `id` is "" of the list; `form` is what a cast or a raw stream is wanted as."""

    what: What
    id: str = ""
    form: FormName = "v3"


def read_asked(method: str, target: bytes) -> Asked:
    """Return what a request line asks.

    Raises:
        WrongMethod: `tapes.method`. Hidden: `tapes.path`. Malformed: `tapes.query`, `tapes.websocket`.
    """
    if method not in {"GET", "HEAD"}:
        raise WrongMethod("tapes.method", "tapes are only read here: use GET or HEAD")
    path, _, query = target.partition(b"?")
    found = PATH.fullmatch(path)
    if found is None:
        raise Hidden("tapes.path", "there are /sessions, /sessions/ID/cast, /sessions/ID/raw and /sessions/ID/live")
    what = WHATS[found[2] or b""]
    if what == "live" and method != "GET":
        raise Malformed("tapes.websocket", "a session that goes on is watched by GET alone")
    forms = QUERIES.get(what, {"": "v3"})
    form = forms.get(query.decode("latin-1"))
    if form is None:
        raise Malformed("tapes.query", f"after the ? of this one there may be {', '.join(filter(None, forms)) or 'nothing'}, and nothing else")
    return Asked(what, (found[1] or b"").decode(), form)


def check_site(headers: Mapping[str, str], names: frozenset[str] | None) -> None:
    """Return if no other site had a browser ask this.

    1. A name that is not the door's own, which leads here all the same, is somebody else's: a page of that name would count as ours.
    2. A browser says which page asks: it must be one of this very origin, or nobody's but the person's own.

    Args:
        names: the door's own names in lower case, `*.` in front of one stands for a label; `None` at a unix socket, where no browser comes by.

    Raises:
        Forbidden: `tapes.host`, `tapes.cross_site`.
    """
    host = headers.get("host", "")
    if names is not None and not _is_own(host, names):
        raise Forbidden("tapes.host", "this door has another name; use one of those that its certificate has")
    origin = headers.get("origin")
    if headers.get("sec-fetch-site", "none") not in ITSELF or (origin is not None and (names is None or origin != f"https://{host}")):
        raise Forbidden("tapes.cross_site", "a page of another origin may not ask here")


def _is_own(host: str, names: frozenset[str]) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    return name in names or f"*.{name.partition('.')[2]}" in names
