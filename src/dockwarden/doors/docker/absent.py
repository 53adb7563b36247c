"""What is hidden, answered as what is not there: by the Engine itself, and in one way for both.

The call is sent with a name in place of the hidden one that nothing can have, and the caller's own word is put back into the answer. So the
words are the Engine's for this very route and version, and nobody can tell hidden from absent by them. Where the Engine has no such words
(it makes a container for a network that is not there, and fails at its start) the words are ours, the same for both.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

import msgspec

from dockwarden.doors.docker.lookups import Asked, absent
from dockwarden.engine.call import Answer, EngineCall, Request, Takes
from dockwarden.engine.references import Reference
from dockwarden.engine.write import write_call
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.words.ask import Kind
from dockwarden.words.errors import Hidden, Missing, Refused

MAKES = frozenset({"container.create", "service.create", "service.update"})
"""Actions whose 404 means a missing image to a client."""
REPLACED = {"image.save": "names", "image.commit": "container"}
"""Query parameters that name a thing, by actions that can be asked about nothing."""
JSON = (("content-type", "application/json"),)


class NotThere(Hidden):
    """What `reference` names is not there, or not the caller's to know of: `not_there` has the words that are answered."""

    def __init__(self, reference: Reference) -> None:
        plain = absent(reference.kind, reference.text)
        super().__init__(plain.code, plain.message)
        self.reference = reference


async def not_there(call: EngineCall, reference: Reference, ask: Asked) -> Refused:
    """The answer to `call`, were what `reference` names not there."""
    action = call.route.action
    if reference.place == "path":
        return await as_absent(call, ask)
    if reference.place == "Image" and action == "container.create":
        return await image_absent(reference.text, ask, call.version)
    if action in MAKES:
        return missing(reference)
    return await _asked(call, reference, ask)


def missing(reference: Reference) -> Missing:
    """The answer to a call that would make something of what its body names, and that is not there."""
    kind = reference.kind.value.lower()
    instead = f"name one that {'docker ps -a' if kind == 'container' else f'docker {kind} ls'} shows you, or make it first"
    return Missing("engine.missing", f"{reference.place} names a {kind} {reference.text} that is not there; {instead}")


async def as_absent(call: EngineCall, ask: Asked) -> Hidden:
    """Return the Engine's words for `call`, were the thing in its path not there."""
    return await _asked(call, Reference(call.route.kind, call.names[call.route.ref], "path"), ask)


async def image_absent(text: str, ask: Asked, version: str) -> Hidden:
    """Return the Engine's words for a create whose image is not there: it is asked to create with an image that nothing can be."""
    no_one = nobody()
    image = no_one + _tag_of(text)
    has_tag = ":" in text.rpartition("/")[2]
    target = f"/v{version}/containers/create" if version else "/containers/create"
    said = await _say(Request("POST", target, JSON, msgspec.json.encode({"Cmd": ["-"], "Image": image})), ask)
    message = _message(said)
    words = message.replace(f"{no_one}:latest", text if has_tag else f"{text}:latest").replace(image, text)
    if no_one not in message or no_one in words:
        words = absent(Kind.IMAGE, text).message
    return Hidden("engine.absent", words, headers=await _headers(said, ask))


async def _asked(call: EngineCall, reference: Reference, ask: Asked) -> Hidden:
    no_one, text, action = nobody(), reference.text, call.route.action
    said, message = None, ""
    can_ask = call.route.takes is not Takes.TAR and call.route.answer is not Answer.HIJACK
    if can_ask and (reference.place == "path" or action in REPLACED):
        no_one += _tag_of(text) if reference.kind is Kind.IMAGE else ""
        said = await _say(_about_nobody(call, reference, no_one), ask)
        message = put_back(_message(said), no_one, text)
    return Hidden("engine.absent", message or absent(reference.kind, text).message, headers=await _headers(said, ask))


def _about_nobody(call: EngineCall, reference: Reference, no_one: str) -> Request:
    """`call` with `no_one` in place of what is not there, and no body."""
    if reference.place == "path":
        changed = replace(call, names={**call.names, call.route.ref: no_one})
    else:
        changed = replace(call, query={**call.query, REPLACED[call.route.action]: (no_one,)})
    request = write_call(replace(changed, headers={}, body=None))
    return Request(request.method, request.target, JSON, b"{}") if call.route.takes is Takes.JSON else request


def _tag_of(image: str) -> str:
    """The tag of an image's name with its colon, "" where it has none or goes by a digest."""
    last = image.rpartition("/")[2]
    return last[last.index(":"):] if ":" in last and "@" not in last else ""


def nobody() -> str:
    """A name that nothing has."""
    return f"none{secrets.token_hex(12)}x"


async def _say(request: Request, ask: Asked) -> WholeAnswer | None:
    """The Engine's answer that something is not there; `None` where it says anything else."""
    try:
        answer = await ask(request)
    except Refused:
        return None
    return answer if answer.status == 404 else None


def _message(answer: WholeAnswer | None) -> str:
    try:
        return str(msgspec.json.decode(answer.body)["message"]) if answer is not None else ""
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""


async def _headers(said: WholeAnswer | None, ask: Asked) -> tuple[tuple[bytes, bytes], ...]:
    """What the Engine sends along with a 404: of `said`, or of another one where that was none."""
    if said is None:
        said = await _say(Request("GET", f"/containers/{nobody()}/json", (), b""), ask)
    return tuple((name, value) for name, value in said.headers if name != b"content-length") if said is not None else ()


def put_back(message: str, no_one: str, text: str) -> str:
    """The caller's word in place of ours; the Engine adds `:latest` to an image name that has no tag."""
    has_tag = ":" in text.rpartition("/")[2] or "@" in text
    return message.replace(f"{no_one}:latest", text).replace(no_one, text) if has_tag else message.replace(no_one, text)
