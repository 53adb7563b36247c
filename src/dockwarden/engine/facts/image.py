"""Facts about images: which one a call uses, and whose names it would move. Source: THREATS 2.6, 3.9."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from dockwarden.engine.call import EngineCall
from dockwarden.engine.dockerfile import Wants, instructions, read_triggers
from dockwarden.engine.facts.model import ImageFacts
from dockwarden.engine.images import ImageReference, combine, is_id, is_like_an_id, parse_reference, with_repo_tag
from dockwarden.engine.known import ImageConfig, Known
from dockwarden.engine.labels import refuse_reserved
from dockwarden.engine.references import is_every_tag, moved_names
from dockwarden.words.errors import Forbidden, Malformed, Refused

OTHER = "other"
CHANGES = frozenset({
    "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})
_OCI_NAME, _OCI_REFERENCE = "io.containerd.image.name", "org.opencontainers.image.ref.name"


def image_facts(text: str, image: ImageConfig | None) -> ImageFacts:
    """Return what policy sees of the image that `text` names.

    An id is shown by a name of that image, one that a registry vouched for first: who may use the name may use the id.
    """
    reference = _named(text, image)
    if reference is None:
        return ImageFacts(is_known=image is not None, state="local" if image else "")
    state = ""
    if image is not None:
        state = "pulled" if any(_same_repository(reference, digest) for digest in image.digests) else "local"
    return ImageFacts(reference.registry, reference.repository, reference.tag, reference.digest, image is not None, state)


def _named(text: str, image: ImageConfig | None) -> ImageReference | None:
    try:
        named = parse_reference(text).tagged() if text and not is_id(text) else None
    except Malformed:
        if image is None:
            raise
        named = None
    if image is None or (named is not None and (named.digest or named.full in {_full(name) for name in image.names})):
        return named
    names = [reference for name in image.names if (reference := _try(name))]
    vouched = [name for name in names if any(_same_repository(name, digest) for digest in image.digests)]
    digests = [reference for digest in image.digests if (reference := _try(digest))]
    return next(iter([*sorted(vouched, key=str), *digests, *sorted(names, key=str)]), named)


def _try(text: str) -> ImageReference | None:
    try:
        return parse_reference(text)
    except Refused:
        return None


def _full(text: str) -> str:
    found = _try(text)
    return found.tagged().full if found else ""


def _same_repository(reference: ImageReference, digest: str) -> bool:
    found = _try(digest)
    return found is not None and found.name == reference.name


def names_an_image(call: EngineCall) -> ImageFacts:
    """Return the image that a pull, push, tag or the like is about.

    Raises:
        Malformed: `image.bad_reference`.
    """
    match call.route.action:
        case "image.pull":
            reference: ImageReference | None = combine(call.first("fromImage"), call.first("tag"))
        case "image.import" | "image.commit" | "image.tag":
            reference = with_repo_tag(call.first("repo"), call.first("tag"))
        case "image.push":
            reference = with_repo_tag(call.names.get(call.route.ref, ""), call.first("tag"))
        case "image.distribution":
            reference = parse_reference(call.names.get(call.route.ref, "")).tagged()
        case "image.build":
            reference = next((with_repo_tag(text, "") for text in call.query.get("t", ()) if text), None)
        case _:
            reference = None
    if reference is None:
        return ImageFacts()
    return ImageFacts(reference.registry, reference.repository, reference.tag, reference.digest)


def moves(names: Iterable[str], known: Known) -> frozenset[str]:
    """Return how the names are held that the call would move; one that nothing is known of counts as another's.

    Raises:
        Forbidden: `name.like_an_id`.
    """
    names = tuple(names)
    for name in names:
        if not is_every_tag(name) and is_like_an_id(parse_reference(name)):
            raise Forbidden("name.like_an_id", f"an image named {name} would be taken for an image id; choose another name")
    return frozenset(known.names.get(name, OTHER) for name in names)


def moves_of(call: EngineCall, known: Known) -> frozenset[str]:
    """Return `moves` for what the call itself says, and for what a loaded archive says.

    Raises:
        Malformed, Forbidden: as for each name.
    """
    return moves(dict.fromkeys((*moved_names(call), *known.loaded)), known)


def changes_escapes(changes: Iterable[str]) -> Iterator[str]:
    """Yield the escapes of `changes` lines of a commit or an import.

    Raises:
        Forbidden: `ownership.reserved_label`.
    """
    wants = Wants()
    lines = [line for change in changes for line in instructions(change, wants)]
    yield from wants.escapes
    for line in lines:
        word = line.replace("\t", " ").partition(" ")[0].upper()
        if word not in CHANGES:
            yield f"image-change:{word[:40]}"
    yield from trigger_escapes(lines)


def trigger_escapes(lines: Iterable[str]) -> Iterator[str]:
    """Yield the escapes of lines that a later build would run; an image or address in them is one.

    Raises:
        Forbidden: `ownership.reserved_label`.
    """
    wants = read_triggers(lines)
    refuse_reserved(wants.labels, "LABEL")
    yield from wants.escapes
    yield from (f"image-change:--from={image}" for image in wants.images)


def loaded_names(member: str, content: bytes) -> tuple[str, ...]:
    """Return the full image names that one captured member of a `docker load` archive gives.

    Raises:
        Malformed: `image.bad_archive`; what cannot be read might be read by the Engine.
    """
    try:
        told = msgspec.json.decode(content)
        texts = list(_told_names(member, told))
        return tuple(dict.fromkeys(parse_reference(text).tagged().full for text in texts if text))
    except (msgspec.DecodeError, TypeError, AttributeError, KeyError, RecursionError):
        raise Malformed("image.bad_archive", f"{member} in the archive cannot be read; save the image again") from None


def _told_names(member: str, told: Any) -> Iterator[str]:
    if member == "manifest.json":
        for image in told or ():
            yield from image.get("RepoTags") or ()
    elif member == "repositories":
        for repository, tags in (told or {}).items():
            yield from (f"{repository}:{tag}" for tag in tags)
    else:
        for manifest in (told or {}).get("manifests") or ():
            annotations: Mapping[str, str] = manifest.get("annotations") or {}
            yield annotations.get(_OCI_NAME, "")
            reference = annotations.get(_OCI_REFERENCE, "")
            yield reference if "/" in reference else ""
