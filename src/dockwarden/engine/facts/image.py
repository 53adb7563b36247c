"""Facts about images: which one a call uses, and whose names it would move. Source: THREATS 2.6, 3.9."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dockwarden.engine.call import EngineCall
from dockwarden.engine.dockerfile import Wants, read_changes, read_triggers
from dockwarden.engine.facts.model import ImageFacts
from dockwarden.engine.finding import find
from dockwarden.engine.gojson import fold, parse
from dockwarden.engine.images import ImageReference, combine, is_id, is_like_an_id, parse_reference, with_repo_tag
from dockwarden.engine.known import ImageConfig, Known
from dockwarden.engine.labels import refuse_reserved
from dockwarden.engine.references import is_every_tag, moved_names
from dockwarden.words.errors import Forbidden, Malformed, Refused, TooLarge

OTHER = "other"
CHANGES = frozenset({
    "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})
NAMES_LIMIT = 500
_OCI_NAME, _OCI_REFERENCE = "io.containerd.image.name", "org.opencontainers.image.ref.name"
_NAMING_ANNOTATIONS = frozenset({_OCI_NAME, _OCI_REFERENCE})
_MANIFEST_KEYS = frozenset({"Config", "RepoTags", "Layers", "Parent", "LayerSources"})
_INDEX_KEYS = frozenset({"schemaVersion", "mediaType", "manifests", "annotations"})
_DESCRIPTOR_KEYS = frozenset({"mediaType", "digest", "size", "annotations", "platform"})


def image_facts(text: str, image: ImageConfig | None) -> ImageFacts:
    """Return what policy sees of the image that `text` names.

    An id is shown by a name of that image, one that a registry vouched for first: who may use the name may use the id.
    """
    reference = _named(text, image)
    found = _names_in_clear(image.env) if image else frozenset()
    if reference is None:
        return ImageFacts(is_known=image is not None, state="local" if image else "", env_secrets=found)
    state = ""
    if image is not None:
        state = "pulled" if any(_same_repository(reference, digest) for digest in image.digests) else "local"
    return ImageFacts(reference.registry, reference.repository, reference.tag, reference.digest, image is not None, state, found)


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
        TooLarge: `build.too_large`.
    """
    wants, lines = read_changes(changes)
    yield from _escapes_of(wants)
    for line in lines:
        word = line.replace("\t", " ").partition(" ")[0].upper()
        if word not in CHANGES:
            yield f"image-change:{word[:40]}"


def trigger_escapes(lines: Iterable[str]) -> Iterator[str]:
    """Yield the escapes of lines that a later build would run; an image or address in them is one.

    Raises:
        Forbidden: `ownership.reserved_label`.
        TooLarge: `build.too_large`.
    """
    yield from _escapes_of(read_triggers(lines))


def _escapes_of(wants: Wants) -> Iterator[str]:
    refuse_reserved(wants.labels, "LABEL")
    yield from wants.escapes
    yield from (f"image-change:--from={image}" for image in wants.images)


def loaded_names(member: str, content: bytes) -> tuple[str, ...]:
    """Return the full image names that one captured member of a `docker load` archive gives, each once.

    The Engine reads the member with Go's JSON: keys in any case, what is given twice merged, what follows the first value ignored. Here
    every one of these is refused, since each could give a name that nobody judged.

    Raises:
        Malformed: `json.*` from `gojson.parse`; `image.bad_archive` for another shape or spelling; `image.bad_reference`.
        TooLarge: `image.too_many_names`.
    """
    told = parse(content, f"{member} in the archive")
    names: dict[str, None] = {}
    for reference in _TOLD[member](told, member):
        names[reference.tagged().full] = None
        if len(names) > NAMES_LIMIT:
            raise TooLarge("image.too_many_names", f"{member} in the archive names more than {NAMES_LIMIT} images; save them in parts")
    return tuple(names)


def _of_manifest(told: Any, member: str) -> Iterator[ImageReference]:
    """The names that `manifest.json` gives. Source: moby's `image/tarexport`, `manifestItem`."""
    for at, item in enumerate(_list(told, member)):
        place = f"{member}[{at}]"
        image = _object(item, place, _MANIFEST_KEYS)
        for name in ("Config", "Parent"):
            _text(image.get(name) or "", f"{place}.{name}")
        for layer in _list(image.get("Layers") or [], f"{place}.Layers"):
            _text(layer, f"{place}.Layers")
        for tag in _list(image.get("RepoTags") or [], f"{place}.RepoTags"):
            yield _named_in_archive(_text(tag, f"{place}.RepoTags"), "", place)


def _of_repositories(told: Any, member: str) -> Iterator[ImageReference]:
    """The names that `repositories` gives: keys are names and tags, and Go takes the keys of maps as they are."""
    for repository, tags in _object(told, member).items():
        for tag in _object(tags, f"{member}.{repository}"):
            if not tag:
                raise _bad_archive(f"{member}.{repository}", "has a tag without a name")
            yield _named_in_archive(repository, tag, member)


def _of_index(told: Any, member: str) -> Iterator[ImageReference]:
    """The names that `index.json` gives; a bare tag in `ref.name` names no image. Source: containerd's `imageName`."""
    index = _object(told, member, _INDEX_KEYS)
    for at, item in enumerate(_list(index.get("manifests") or [], f"{member}.manifests")):
        place = f"{member}.manifests[{at}].annotations"
        manifest = _object(item, place.rpartition(".")[0], _DESCRIPTOR_KEYS)
        annotations = _object(manifest.get("annotations") or {}, place, _NAMING_ANNOTATIONS)
        name, reference = (_text(annotations.get(key, ""), f"{place}.{key}") for key in (_OCI_NAME, _OCI_REFERENCE))
        if name:
            yield parse_reference(name)
        if "/" in reference or ":" in reference:
            yield parse_reference(reference)


_TOLD = {"manifest.json": _of_manifest, "repositories": _of_repositories, "index.json": _of_index}


def _named_in_archive(name: str, tag: str, place: str) -> ImageReference:
    found = with_repo_tag(name, tag)
    if found is None:
        raise _bad_archive(place, "has an empty image name")
    return found


def _object(value: Any, place: str, names: frozenset[str] = frozenset()) -> Mapping[str, Any]:
    """`value` as an object in which each of `names` is spelt as it is here: Go would take `repotags` for `RepoTags`."""
    if not isinstance(value, dict):
        raise _bad_archive(place, "is no object")
    folded = {fold(name): name for name in names}
    for key in value:
        if key not in names and fold(key) in folded:
            raise _bad_archive(place, f"has the key {key!r}, which the Engine takes for {folded[fold(key)]!r}")
    return value


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise _bad_archive(place, "is no array")
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise _bad_archive(place, "is no string")
    return value


def _bad_archive(place: str, what: str) -> Malformed:
    return Malformed("image.bad_archive", f"{place} in the archive {what}; save the image again (docker save)")


def _names_in_clear(entries: Iterable[str]) -> frozenset[str]:
    """Return the names of variables, as an image has them, whose values look like secrets."""
    pairs = (entry.partition("=")[::2] for entry in entries)
    return frozenset(name for name, value in pairs if find(name, value) is not None)
