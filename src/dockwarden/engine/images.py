"""Image references, read as the Engine reads them.

Source: the grammar of distribution/reference and its `ParseNormalizedNamed`; THREATS 3.9. Where Engine versions differ (a first
component with an upper-case letter and neither dot nor port) the reference is refused rather than guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from dockwarden.words.errors import Malformed

DEFAULT_REGISTRY = "docker.io"
LEGACY_REGISTRY = "index.docker.io"
OFFICIAL = "library"
DEFAULT_TAG = "latest"
ALL_TAGS = "*"
"""Not a tag anybody can write: stands for every tag of a repository."""
NAME_LIMIT = 255

_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[a-fA-F0-9:]+\])"
REGISTRY = re.compile(rf"{_HOST}(?::[0-9]+)?", re.ASCII)
REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*", re.ASCII)
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})", re.ASCII)
FULL_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
ID_PREFIX = re.compile(r"[0-9a-f]{6,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A parsed reference; `tag` and `digest` are empty where not written."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def full(self) -> str:
        """The canonical text: every part spelt out, nothing added."""
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def familiar(self) -> str:
        """The text as people and the Engine's own lists write it: without the default registry and `library/`."""
        name = self.name
        if self.registry == DEFAULT_REGISTRY:
            rest = self.repository.removeprefix(f"{OFFICIAL}/")
            name = self.repository if "/" in rest else rest
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def tagged(self) -> ImageReference:
        """Return the reference that the Engine looks up: with `:latest` where neither tag nor digest is written."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)


def _bad(text: str, why: str) -> Malformed:
    return Malformed("image.bad_reference", f"image reference {text!r}: {why}; write [registry/]repository[:tag][@sha256:…] in lower case")


def parse_reference(text: str) -> ImageReference:
    """Return what `text` names.

    Raises:
        Malformed: `image.bad_reference`; the Engine would not read it as a name either, or its versions would differ.
    """
    if FULL_ID.fullmatch(text):
        raise _bad(text, "64 hexadecimal digits are an id, not a name")
    rest, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise _bad(text, "the digest is not one")
    registry, rest = split_registry(rest)
    repository, colon, tag = rest.partition(":")
    if not REGISTRY.fullmatch(registry):
        raise _bad(text, "the registry is not host[:port]")
    if not REPOSITORY.fullmatch(repository):
        raise _bad(text, "the repository has a character or a form that names cannot have")
    if colon and not TAG.fullmatch(tag):
        raise _bad(text, "the tag is not one")
    if len(registry) + 1 + len(repository) > NAME_LIMIT:
        raise _bad(text, f"the name is longer than {NAME_LIMIT} characters")
    return ImageReference(registry, repository, tag, digest)


def split_registry(name: str) -> tuple[str, str]:
    """Split the registry off; a name without one gets the default, and `library/` if it is one word.

    Source: distribution/reference `splitDockerDomain`.
    """
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        registry, rest = DEFAULT_REGISTRY, name
    else:
        registry = first
    if registry == LEGACY_REGISTRY:
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in rest:
        rest = f"{OFFICIAL}/{rest}"
    return registry, rest


def combine(name: str, tag: str) -> ImageReference:
    """Return what a pull of `fromImage=name` with `tag=tag` fetches; the tag `ALL_TAGS` stands for all of them.

    A tag that is a digest replaces tag and digest of the name; another tag goes beside a digest that is already there, and
    then does not count. One trailing colon of the name means nothing.

    Source: the Engine's `PullImage` (20.10) and `postImagesCreate`.
    """
    parsed = parse_reference(name.removesuffix(":"))
    if DIGEST.fullmatch(tag):
        return replace(parsed, tag="", digest=tag)
    if tag:
        if not TAG.fullmatch(tag):
            raise _bad(f"{name}:{tag}", "the tag is not one")
        return replace(parsed, tag=tag)
    return parsed if parsed.tag or parsed.digest else replace(parsed, tag=ALL_TAGS)


def with_repo_tag(repo: str, tag: str) -> ImageReference | None:
    """Return the name that `repo=` and `tag=` of a commit, tag or import give to an image; `None` where there is none.

    Raises:
        Malformed: `image.bad_reference`; also a name like an id, or one with a digest, which no image can be given.
    """
    if not repo:
        return None
    parsed = parse_reference(repo)
    if parsed.digest:
        raise _bad(repo, "a digest cannot be given to an image")
    if tag and not TAG.fullmatch(tag):
        raise _bad(f"{repo}:{tag}", "the tag is not one")
    return (replace(parsed, tag=tag) if tag else parsed).tagged()


def is_like_an_id(reference: ImageReference) -> bool:
    """Whether the familiar name could be read as a short image id, and so would be found instead of that image."""
    return reference.registry == DEFAULT_REGISTRY and bool(ID_PREFIX.fullmatch(reference.repository.removeprefix(f"{OFFICIAL}/")))


def is_id(text: str) -> bool:
    """Whether `text` is a full image id in one of its two spellings."""
    return bool(FULL_ID.fullmatch(text) or (text.startswith("sha256:") and DIGEST.fullmatch(text)))
