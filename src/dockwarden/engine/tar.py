"""Tar uploads, judged as they stream and written afresh: what passes is what was read.

Every header is read with the Engine's own rules (Go's `archive/tar`), judged by `TarRules`, and replaced by one canonical header, so that
no two readers can see two archives. Contents pass as slices. Members that must be judged whole (a Dockerfile, a manifest) come out
as `Captured` before a byte of them passes. Compressed archives are expanded; what comes out is plain. Memory does not grow with
the archive. Source: THREATS 4 (archive put through a bind), DESIGN §8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from dockwarden.engine.dockerfile import LONGEST_DOCKERFILE
from dockwarden.engine.expand import PEEK, Expander, is_compressed
from dockwarden.engine.mounts import clean
from dockwarden.engine.tar_headers import BLOCK, XATTR, Entry, LongNames, RawHeader, Type, padded, write_header
from dockwarden.words.errors import Forbidden, Malformed, TooLarge

ZERO_BLOCK = bytes(BLOCK)
END_OF_ARCHIVE = ZERO_BLOCK * 2
SPECIAL_LIMIT = 256 << 10
LINK_LIMIT = 100_000
LINK_PARTS_LIMIT = 200_000
MANIFEST_LIMIT = 1 << 20
SET_ID = 0o6000
_POWERFULXATTRS = (XATTR + b"security.", XATTR + b"trusted.")


class Links(Enum):
    """Which symbolic links may pass."""

    ANY = "any"
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class TarRules:
    """What an upload may hold.

    `owner` replaces every owner (uid, gid); `None` keeps them. `captured` names the members, by cleaned path, that are handed over
    whole, with the most bytes they may have; each may come once, and neither they nor a folder on the way to them may be a link.
    """

    may_set_id: bool = False
    may_devices: bool = False
    may_hard_links: bool = False
    symlinks: Links = Links.INSIDE
    owner: tuple[int, int] | None = None
    captured: Mapping[str, int] = field(default_factory=dict)


def archive_rules(uid: int, gid: int) -> TarRules:
    """The rules for what `docker cp` writes into a container, all of it owned by the container's user."""
    return TarRules(owner=(uid, gid))


def build_rules(dockerfile: str) -> TarRules:
    """The rules for the context of a classic build that reads `dockerfile`; the Engine takes `dockerfile` for `Dockerfile`, too."""
    path = clean("/" + (dockerfile or "Dockerfile"))[1:]
    names = {path, "dockerfile"} if path == "Dockerfile" else {path}
    return TarRules(may_set_id=True, may_hard_links=True, symlinks=Links.ANY, captured=dict.fromkeys(names, LONGEST_DOCKERFILE))


LOAD_RULES = TarRules(
    may_set_id=True, may_hard_links=True, captured=dict.fromkeys(("manifest.json", "index.json", "repositories"), MANIFEST_LIMIT)
)
"""The rules for `docker load`: the outer archive only, layers are opaque to it."""


@dataclass(frozen=True, slots=True)
class Captured:
    """A member that must be judged before `wire`, its header and content, passes."""

    name: str
    content: bytes
    wire: bytes


Part = bytes | memoryview | Captured


class TarUpload:
    """An upload under way: `feed` what arrives, pass on what comes out, `end` once.

    Raises (both methods, at any time):
        Malformed: `tar.*`; no archive that the Engine would read the same way.
        Forbidden: `tar.set_id`, `tar.device`, `tar.link`, `tar.outside`.
        TooLarge: a captured member is longer than allowed.
    """

    def __init__(self, rules: TarRules) -> None:
        self._expander, self._reader = Expander(), TarReader(rules)

    @property
    def seen(self) -> frozenset[str]:
        """The captured members that came so far."""
        return frozenset(self._reader.seen)

    def feed(self, chunk: bytes) -> Iterator[Part]:
        """Yield what may pass now; lazily, so that a small chunk that expands to much never stands in memory."""
        if self._reader.is_ended:
            return
        for piece in self._expander.feed(chunk):
            yield from self._reader.feed(piece)
            if self._reader.is_ended:
                return

    def end(self) -> Iterator[Part]:
        """Yield the rest, the end of the archive included."""
        if not self._reader.is_ended:
            for piece in self._expander.end():
                yield from self._reader.feed(piece)
        yield self._reader.end()


class TarReader:
    """Reads plain tar; `TarUpload` says what comes out and what is raised."""

    def __init__(self, rules: TarRules) -> None:
        self._rules = rules
        self._guarded = _with_parents(rules.captured)
        self._links = _Links()
        self._is_first = True
        self._passing = 0
        self._head = bytearray()
        self._special: _Special | None = None
        self._long = LongNames()
        self._zero_blocks = 0
        self.is_ended = False
        self.seen: set[str] = set()

    def feed(self, chunk: bytes) -> Iterator[Part]:
        """Yield what may pass of `chunk` and of what was held back."""
        view, at, end = memoryview(chunk), 0, len(chunk)
        while at < end and not self.is_ended:
            if self._passing:
                taken = min(self._passing, end - at)
                yield view[at : at + taken]
                self._passing -= taken
            elif self._special is not None:
                taken = min(self._special.missing, end - at)
                self._special.gathered += view[at : at + taken]
                if not self._special.missing:
                    yield from self._finish(self._special)
            else:
                taken = min(BLOCK - len(self._head), end - at)
                self._head += view[at : at + taken]
                if len(self._head) == BLOCK:
                    block = bytes(self._head)
                    self._head.clear()
                    yield from self._block(block)
            at += taken

    def end(self) -> bytes:
        """Return the end of the archive."""
        if not self.is_ended and (self._passing or self._special is not None or self._head or self._long.is_any):
            raise Malformed("tar.truncated", "the archive ends in the middle of an entry; send it again, whole")
        self.is_ended = True
        return END_OF_ARCHIVE

    def _block(self, block: bytes) -> Iterator[Part]:
        if block == ZERO_BLOCK:
            self._zero_blocks += 1
            self.is_ended = self._zero_blocks == 2
            return
        if self._zero_blocks:
            raise Malformed("tar.malformed", "the archive goes on after an empty block; make it with a current tar")
        raw = RawHeader(block)
        if raw.flag in b"xgLK":
            if raw.size > SPECIAL_LIMIT:
                raise Malformed("tar.malformed", f"an extended header of the archive is longer than {SPECIAL_LIMIT} bytes")
            self._special = _Special(raw.flag, raw.size)
            if not self._special.missing:
                yield from self._finish(self._special)
            return
        entry = self._judge(raw.entry(self._long))
        self._long = LongNames()
        header = self._header(entry)
        if entry.name in self._rules.captured and entry.type is Type.FILE:
            limit = self._rules.captured[entry.name]
            if entry.size > limit:
                raise TooLarge("tar.too_large", f"{entry.name} in the archive is longer than {limit} bytes; shorten it, or send it in parts")
            self._special = _Special(b"", entry.size, entry.name, header)
            if not self._special.missing:
                yield from self._finish(self._special)
            return
        self._passing = padded(entry.size)
        yield header

    def _header(self, entry: Entry) -> bytes:
        """The canonical header; the first must not look compressed, or the Engine would expand what comes after it and see another archive."""
        header = write_header(entry)
        if self._is_first and is_compressed(header[:PEEK]):
            header = write_header(replace(entry, name=f"./{entry.name}"))
        self._is_first = False
        return header

    def _finish(self, special: _Special) -> Iterator[Part]:
        self._special = None
        content = bytes(special.gathered[: special.size])
        if special.flag:
            self._long.take(special.flag, content)
            return
        self.seen.add(special.name)
        yield Captured(special.name, content, special.header + content + bytes(padded(special.size) - special.size))

    def _judge(self, entry: Entry) -> Entry:
        """Return `entry` as it may pass.

        1. Nothing leaves the tree. 2. No set-id bit, nor what is as good as one. 3. No device. 4. No link that leads out. 5. No link in
        the place of what is judged whole. 6. Nothing is written through a link of the archive's own, or it would be another file than it
        is named. 7. Nothing takes the place of what was judged whole: readers differ in which of two they take.
        """
        rules, name = self._rules, entry.name
        self._refuse_below_link(entry)
        if _leaves(name):
            raise Forbidden("tar.outside", f"{name!r} in the archive leaves its tree; pack it without '..'")
        if not rules.may_set_id:
            if entry.mode & SET_ID and entry.type is Type.FILE:
                raise Forbidden("tar.set_id", f"{name!r} in the archive has a set-user-id or set-group-id bit; take it off (chmod ug-s)")
            if any(key.startswith(_POWERFULXATTRS) for key in entry.records):
                raise Forbidden("tar.set_id", f"{name!r} in the archive carries file capabilities or trusted attributes; pack it without")
        if entry.type in {Type.CHARACTER_DEVICE, Type.BLOCK_DEVICE, Type.FIFO} and not rules.may_devices:
            raise Forbidden("tar.device", f"{name!r} in the archive is a device or a fifo; leave it out")
        if entry.type is Type.HARD_LINK and (not rules.may_hard_links or _leaves(entry.linkname)):
            raise Forbidden("tar.link", f"{name!r} in the archive is a hard link; pack it as a file (--hard-dereference)")
        if entry.type is Type.SYMLINK and rules.symlinks is Links.INSIDE and _symlink_leaves(name, entry.linkname):
            raise Forbidden("tar.link", f"{name!r} in the archive is a link out of its tree, to {entry.linkname!r}; leave it out")
        if entry.type in {Type.HARD_LINK, Type.SYMLINK} and name in self._guarded:
            raise Forbidden("tar.link", f"{name!r} in the archive is a link, and must be a plain file or folder")
        if name in self.seen:
            raise Malformed("tar.malformed", f"{name!r} is in the archive twice; pack it once")
        return entry if rules.owner is None else _owned(entry, *rules.owner)

    def _refuse_below_link(self, entry: Entry) -> None:
        """Keep account of links, and raise if `entry` lies below one.

        A hard link to a symbolic one is one itself; a later entry of its name takes its place.
        """
        links, name = self._links, entry.name
        if links.covers(name.rpartition("/")[0]):
            raise Forbidden("tar.link", f"{name!r} in the archive lies below a link of the same archive; pack the folder itself")
        if entry.type is Type.SYMLINK or (entry.type is Type.HARD_LINK and links.covers(entry.linkname)):
            links.add(name)
        else:
            links.discard(name)


class _Node:
    """A part of a path: whether a link ends here, and what is below it."""

    __slots__ = ("below", "is_link")

    def __init__(self) -> None:
        self.is_link = False
        self.below: dict[str, _Node] = {}


class _Links:
    """The links of an archive as a tree of path parts, so that a question costs one step a part, however long the path is."""

    def __init__(self) -> None:
        self._root, self._links, self._parts = _Node(), 0, 0

    def covers(self, path: str) -> bool:
        """Whether `path`, or a folder on the way to it, is a link."""
        node = self._root
        for part in path.split("/") if self._links else ():
            below = node.below.get(part)
            if below is None:
                return False
            if below.is_link:
                return True
            node = below
        return False

    def add(self, path: str) -> None:
        """Note that `path` is a link now. Raises: TooLarge."""
        node = self._root
        for part in path.split("/"):
            if part not in node.below:
                node.below[part] = _Node()
                self._parts += 1
            node = node.below[part]
        self._links += not node.is_link
        node.is_link = True
        if self._links > LINK_LIMIT or self._parts > LINK_PARTS_LIMIT:
            raise TooLarge("tar.too_large", f"the archive has more than {LINK_LIMIT} links, or they are spread too wide; send it in parts")

    def discard(self, path: str) -> None:
        """Note that `path` is no link any more."""
        node: _Node | None = self._root
        for part in path.split("/") if self._links else ():
            node = node.below.get(part) if node else None
        if node is not None and node.is_link:
            node.is_link = False
            self._links -= 1


def _with_parents(paths: Mapping[str, int]) -> frozenset[str]:
    parts = [path.split("/") for path in paths]
    return frozenset("/".join(words[:count]) for words in parts for count in range(1, len(words) + 1))


def _leaves(path: str) -> bool:
    return path == ".." or path.startswith("../")


def _symlink_leaves(name: str, target: str) -> bool:
    folder = name.rpartition("/")[0]
    return target.startswith("/") or _leaves(clean(f"{folder}/{target}" if folder else target))


def _owned(entry: Entry, uid: int, gid: int) -> Entry:
    return replace(entry, mode=entry.mode & ~SET_ID, uid=uid, gid=gid, uname=b"", gname=b"")


class _Special:
    """Bytes that must be there whole: an extended header (`flag`), or a captured member (`name`, `header`)."""

    def __init__(self, flag: bytes, size: int, name: str = "", header: bytes = b"") -> None:
        self.flag, self.size, self.name, self.header = flag, size, name, header
        self.gathered = bytearray()

    @property
    def missing(self) -> int:
        return padded(self.size) - len(self.gathered)
