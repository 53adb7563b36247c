"""What one call leaves in the ledger: an intent before anything moves, an outcome after, or why it was refused."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dockwarden.engine.finding import masked
from dockwarden.ledger.entry import Entry
from dockwarden.words.ask import Resource, Verdict
from dockwarden.words.errors import Refused
from dockwarden.words.principal import Principal

if TYPE_CHECKING:
    from dockwarden.doors.operate.metrics import Metrics
    from dockwarden.engine.call import EngineCall, Request
    from dockwarden.engine.facts import Facts
    from dockwarden.ledger.writer import Ledger

LONGEST_TARGET, LONGEST_MESSAGE, MOST_FACTS = 300, 1200, 64
ID_CHARS = 32
IDS_AT_ONCE = 256


def _made_ids() -> Iterator[str]:
    """Random ids; the kernel is asked for many at once."""
    while True:
        block = secrets.token_hex(ID_CHARS // 2 * IDS_AT_ONCE)
        for start in range(0, len(block), ID_CHARS):
            yield block[start : start + ID_CHARS]


_ids = _made_ids()


class Trail:
    """The record of one call. `intent` is awaited before a changing call moves; everything else is appended and goes on."""

    __slots__ = ("_facts", "_ledger", "_metrics", "_resource", "_sent", "_started", "_verdict", "action", "call_id", "door", "principal", "target")

    def __init__(self, ledger: Ledger, metrics: Metrics, principal: Principal, door: str, target: str) -> None:
        self._ledger, self._metrics = ledger, metrics
        self.principal, self.door, self.target = principal, door, target
        self.action = "unread"
        self.call_id = next(_ids)
        self._started = time.monotonic()
        self._resource = ""
        self._verdict: Verdict | None = None
        self._facts: tuple[str, ...] = ()
        self._sent = ""

    def judged(self, resource: Resource, verdict: Verdict, facts: Facts | None) -> None:
        """Remember what was decided, about what."""
        self._resource = f"{resource.kind}:{resource.id or resource.name}"[:LONGEST_TARGET]
        self._verdict = verdict
        self._facts = _named(facts) if facts is not None else ()

    def entry_of_tape(self) -> Entry:
        """What the tape of this call is opened with."""
        return self._entry("tape", detail={})

    def sending(self, call: EngineCall, request: Request) -> None:
        """Remember what goes upstream, as a digest of the canonical call."""
        seen = hashlib.sha256(f"{request.method} {request.target}\n".encode())
        seen.update(request.body)
        self._sent = seen.hexdigest()
        self.action = call.route.action

    async def intent(self, detail: Mapping[str, Any]) -> None:
        """Write that the call is about to be done; return when that is durable.

        Raises:
            Unavailable: `ledger.unwritable`; an unrecorded deed is not done.
        """
        seq = self._ledger.append(self._entry("intent", detail=detail))
        await self._ledger.settle(seq)

    def outcome(self, status: int, *, bytes_in: int = 0, bytes_out: int = 0, detail: Mapping[str, Any] | None = None, changing: bool) -> None:
        """Write how it ended; for a call that changes nothing this is its only entry."""
        kind = "outcome" if changing else "read"
        self._ledger.append(self._entry(kind, status=status, bytes_in=bytes_in, bytes_out=bytes_out, detail=detail or {}))
        self._metrics.count(self.action, "done" if status < 500 else "failed", self.seconds)

    def refused(self, error: Refused, *, detail: Mapping[str, Any] | None = None) -> None:
        """Write that nothing was done, and why."""
        told = {"code": error.code, "message": said(error.message), "target": said(without_values(self.target), LONGEST_TARGET), **(detail or {})}
        self._ledger.append(self._entry("refused", status=error.status, detail=told))
        self._metrics.count(self.action, "malformed" if error.status == 400 else "refused", self.seconds)

    def observed(self, error: Refused) -> None:
        """Write that the call would have been refused, but for `observe = true`."""
        self._ledger.append(self._entry("observed", status=error.status, detail={"code": error.code, "message": said(error.message)}))
        self._metrics.observed.inc()

    @property
    def seconds(self) -> float:
        """How long the call has taken so far."""
        return time.monotonic() - self._started

    def _entry(
        self, kind: str, *, status: int = 0, bytes_in: int = 0, bytes_out: int = 0, detail: Mapping[str, Any]
    ) -> Entry:
        verdict = self._verdict
        return Entry(
            kind=kind,
            call=self.call_id,
            principal=self.principal.name,
            groups=tuple(sorted(self.principal.groups)),
            via=self.principal.via,
            door=self.door,
            action=self.action,
            resource=self._resource,
            why=verdict.why.value if verdict else "",
            policies=verdict.policies if verdict else (),
            harden=verdict.harden if verdict else (),
            facts=self._facts,
            digest=self._sent,
            status=status,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            duration_us=int(self.seconds * 1e6) if kind != "intent" else 0,
            detail=dict(detail),
        )


def _named(facts: Facts) -> tuple[str, ...]:
    """Every fact of a call by name."""
    if not (facts.escape or facts.foreign or facts.moves):
        return ()
    others = (f"foreign:{kind}" for kind in facts.foreign)
    names = sorted((*facts.escape, *others, *(f"moves:{how}" for how in facts.moves)))
    return tuple(said(name, LONGEST_TARGET) for name in names[:MOST_FACTS]) + (("…",) if len(names) > MOST_FACTS else ())


def said(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Words that may repeat what a caller wrote, as the ledger keeps them: of a bounded length, and with no secret in them."""
    short = masked(text[:longest])
    return short if len(text) <= longest else f"{short[:longest]}…"


def without_values(target: str) -> str:
    """A request's target with the names of its parameters, and not their values: people put secrets there."""
    path, mark, query = target.partition("?")
    return f"{path}{mark}{'&'.join(part.partition('=')[0] for part in query.split('&'))}"
