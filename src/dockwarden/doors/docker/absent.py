"""What is hidden, answered as what is not there: by the Engine itself.

The call is sent with a name in place of the hidden one that nothing can have, and the caller's own word is put back into the answer. So the
words are the Engine's for this very route and version, and nobody can tell hidden from absent by them.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

import msgspec

from dockwarden.doors.docker.lookups import Asked, absent
from dockwarden.engine.call import Answer, EngineCall, Request, Takes
from dockwarden.engine.write import write_call
from dockwarden.words.ask import Kind
from dockwarden.words.errors import Hidden, Refused


async def as_absent(call: EngineCall, ask: Asked) -> Hidden:
    """Return the Engine's words for `call`, were the thing in its path not there."""
    route = call.route
    text = call.names[route.ref]
    plain = absent(route.kind, text)
    if route.takes is Takes.TAR or route.answer is Answer.HIJACK:
        return plain
    nobody = f"none{secrets.token_hex(12)}x"
    request = write_call(replace(call, names={**call.names, route.ref: nobody}, headers={}, body=None))
    if route.takes is Takes.JSON:
        request = Request(request.method, request.target, (("content-type", "application/json"),), b"{}")
    try:
        answer = await ask(request)
        message = str(msgspec.json.decode(answer.body)["message"]) if answer.status == 404 else ""
    except (Refused, msgspec.DecodeError, KeyError, TypeError):
        return plain
    return Hidden("engine.absent", _put_back(message, nobody, text)) if nobody in message else plain


async def image_absent(text: str, ask: Asked, version: str) -> Hidden:
    """Return the Engine's words for a create whose image is not there: it is asked to create with an image that nothing can be."""
    nobody = f"none{secrets.token_hex(12)}x"
    _, colon, tag = text.rpartition("/")[2].partition(":")
    image = f"{nobody}{colon}{tag}" if "@" not in text else nobody
    target = f"/v{version}/containers/create" if version else "/containers/create"
    try:
        answer = await ask(Request("POST", target, (("content-type", "application/json"),), msgspec.json.encode({"Image": image, "Cmd": ["-"]})))
        message = str(msgspec.json.decode(answer.body)["message"]) if answer.status == 404 else ""
    except (Refused, msgspec.DecodeError, KeyError, TypeError):
        return absent(Kind.IMAGE, text)
    said = message.replace(f"{nobody}:latest", f"{text}:latest" if not colon else text).replace(image, text)
    return Hidden("engine.absent", said) if nobody in message and nobody not in said else absent(Kind.IMAGE, text)


def _put_back(message: str, nobody: str, text: str) -> str:
    """The caller's word in place of ours; the Engine adds `:latest` to an image name that has no tag."""
    has_tag = ":" in text.rpartition("/")[2] or "@" in text
    return message.replace(f"{nobody}:latest", text).replace(nobody, text) if has_tag else message.replace(nobody, text)
