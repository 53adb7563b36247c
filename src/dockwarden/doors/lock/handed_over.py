"""Which request bodies the Engine hands over to its authorization plugin, and what can be said of one that it didn't.

Source: Docker Engine, `pkg/authorization/authz.go`; tried on Debian's 20.10.24 with every form below. A body is handed over if its
content type (the first, if there are several) is `application/json`, whatever the case and the parameters, and it is shorter than
1 MiB. Other Engines differ: before the fix of CVE-2024-41110 none was handed over whose length was not announced, and some skip `/auth`,
whose body is a password. Newer ones take up to 4 MiB; what they would hand over on top makes no difference here.

Of the request's framing only `Content-Length` is shown, and not if the body is chunked. So "no body was handed over" means "there
is none" only where the length is shown to be 0.
"""

from __future__ import annotations

from collections.abc import Mapping

MOST_BYTES = (1 << 20) - 1
JSON = "application/json"


def is_handed_over(target: str, content_type: str, length: int) -> bool:
    """Whether every Engine surely hands over a body of `length` bytes that we send with its length announced."""
    path = target.partition("?")[0]
    return 0 < length <= MOST_BYTES and content_type.partition(";")[0].strip().lower() == JSON and "/auth" not in path


def body_seen(body: bytes, headers: Mapping[str, str]) -> bytes | None:
    """The request's body as far as it is known: whole, surely empty (`b""`), or `None`, which says "perhaps there is one".

    `headers` as the Engine shows them. A body of another length than was announced is not the whole one.
    """
    announced = next((value for name, value in headers.items() if name.lower() == "content-length"), "")
    if not body:
        return b"" if announced == "0" else None
    return body if announced in {"", str(len(body))} else None
