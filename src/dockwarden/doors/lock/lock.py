"""The answer to "may this call be?": a ticket's word, or policy's for the raw socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from dockwarden.doors.lock.handed_over import body_seen
from dockwarden.doors.lock.tickets import HEADER, Ticket, Tickets
from dockwarden.doors.plugin.socket import Answer, PluginCall, in_our_words
from dockwarden.logs import get_logger
from dockwarden.words.ask import Verdict
from dockwarden.words.errors import Refused

IMPLEMENTS = ("authz",)
RAW_SOCKET = "raw-socket"
"""The name of the principal who calls without a ticket."""

JUDGE_S = 20.0
"""The longest a judgement may take; the Engine itself waits for ever."""

JudgeRaw = Callable[[str, str, Mapping[str, str], bytes | None], Awaitable[Verdict | Refused]]
"""Judges a call of the raw socket: method, target as received, headers as shown, body (`None`: there may be one that we don't see).

Two duties that only the judge can fulfil: a route that takes a body must refuse `None`, and a call that the verdict's obligations
would change must be refused, since nothing can be changed on this way. The headers leave out what the Engine hides (`Authorization`,
`X-Registry-Auth`, `X-Registry-Config`) and show only the last of several values, so nothing may be permitted because of one.
"""


class AuthZRequest(msgspec.Struct):
    """What the Engine shows of a call, as far as it is judged. Source: `pkg/authorization/api.go`; all of it may be absent."""

    RequestMethod: str = ""
    RequestUri: str = ""
    RequestBody: bytes | None = None
    RequestHeaders: dict[str, str] | None = None


class Lock:
    """Answers the Engine's two questions. Fails closed: there is no way through it that ends in `Allow` by accident."""

    def __init__(self, tickets: Tickets, judge_raw: JudgeRaw) -> None:
        self._tickets, self._judge_raw = tickets, judge_raw
        self._log = get_logger("dockwarden.lock")

    def answers(self) -> Mapping[str, Answer]:
        """One for each call of the protocol."""
        return {"/AuthZPlugin.AuthZReq": self.request, "/AuthZPlugin.AuthZRes": self.response}

    async def request(self, call: PluginCall) -> object:
        """May this call be? Never raises."""
        try:
            asked = msgspec.json.decode(call.document, type=AuthZRequest)
            async with asyncio.timeout(JUDGE_S):
                refusal = await self._refusal(asked)
        except msgspec.MsgspecError:
            return _no("the Engine asked in a form that is not understood")
        except TimeoutError:
            return _no("the call could not be judged in time, and doubt refuses")
        except Refused as error:
            return _no(in_our_words(error))
        except Exception as error:  # noqa: BLE001  the root of a question: whatever fails in us, the answer is no
            self._log.error("a call could not be judged", kind=type(error).__name__)
            return _no("an internal failure, and doubt refuses; the operator's log has more")
        return {"Allow": True} if refusal is None else _no(refusal)

    async def response(self, _: PluginCall) -> object:
        """May this answer go out? What was allowed to be asked may be answered; the document is not even read."""
        return {"Allow": True}

    async def _refusal(self, asked: AuthZRequest) -> str | None:
        """Return why not, or `None` for "may be"."""
        headers = asked.RequestHeaders or {}
        body = asked.RequestBody or b""
        ticket = next((value for name, value in headers.items() if name.lower() == HEADER), None)
        if ticket is not None:
            redeemed = self._tickets.redeem(ticket, asked.RequestMethod, asked.RequestUri, body)
            return None if isinstance(redeemed, Ticket) else in_our_words(redeemed)
        judged = await self._judge_raw(asked.RequestMethod, asked.RequestUri, headers, body_seen(body, headers))
        if isinstance(judged, Refused):
            return in_our_words(judged)
        if judged.is_allowed:
            return None
        return "dockwarden: the policy does not permit this call on the Engine's own socket; use a dockwarden door"


def _no(why: str) -> dict[str, object]:
    """INVARIANT: the words stand in `Msg`; what stands in `Err` alone, an Engine of 20.10 does not show."""
    text = why if why.startswith("dockwarden: ") else f"dockwarden: {why}"
    return {"Allow": False, "Msg": text, "Err": text}
