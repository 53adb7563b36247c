"""Every session begins here: no lock is on it, policy lets it begin now and from there, what policy obliges it to is known, and its person
may still record something today.

A recorder takes nothing but what was admitted, so that no door can forget to ask.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from dockwarden.engine.obligations import Recording, parse_obligations
from dockwarden.policy.decide import decide
from dockwarden.policy.load import NO_FACTS, PolicySet
from dockwarden.policy.schema import SESSION_START
from dockwarden.tape.budget import Budget
from dockwarden.tape.locks import Locks
from dockwarden.tape.opening import Opening
from dockwarden.tape.terms import NO_LIMIT, Allowance, Terms
from dockwarden.tape.vigil import Whose
from dockwarden.words.ask import Ask, Kind, Plain, Resource, Verdict, Why
from dockwarden.words.errors import Forbidden
from dockwarden.words.principal import Principal

HERE, LOOPBACK = "unix", "127.0.0.1"
"""Where somebody is who came by a unix socket, and as an address."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A session that somebody wants. `facts` and `obligations` (the texts of `@harden`) are those of the action that let them ask: an exec,
    a shell; `asked` is what was asked about that. `labels` are those of what it is in, `names` its other names and ids; `source` is `unix` or
    an IP address."""

    principal: Principal
    opening: Opening
    source: str = HERE
    names: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Plain] = field(default_factory=dict)
    obligations: tuple[str, ...] = ()
    asked: Ask | None = None

    @property
    def whose(self) -> Whose:
        """Who and what a lock on it would name."""
        return Whose(self.opening.person, self.names | {self.opening.target})


@dataclass(frozen=True, slots=True)
class Admitted:
    """A session that may begin, and on what terms. Only `Admissions` makes one. `observed` is why it would have been refused."""

    opening: Opening
    whose: Whose
    terms: Terms
    recording: Recording
    verdict: Verdict
    observed: Forbidden | None = None


class Admissions:
    """Admits sessions. `is_observing`: what policy would refuse passes, and it obliges to nothing; locks count all the same."""

    def __init__(
        self, locks: Locks, budget: Budget | None = None, allowance: Allowance = NO_LIMIT, *, is_observing: bool = False,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        """`budget` is what was recorded today, `allowance` what may be where policy does not say; `now` is the time in UTC."""
        self._locks, self._budget, self._allowance = locks, budget or Budget(), allowance
        self._is_observing, self._now = is_observing, now

    def admit(self, wish: Wish, policies: PolicySet) -> Admitted:
        """Let a session begin.

        Raises:
            Forbidden: `session.locked`, `session.spent`, `policy.…`; it may not, and the message says why.
        """
        self._locks.check(wish.whose.person, wish.whose.targets)
        ask = self.ask(wish)
        verdict = decide(ask, policies)
        if self._is_observing:
            return Admitted(wish.opening, wish.whose, Terms(), Recording.ALARM, verdict, None if verdict.is_allowed else _refused(wish, verdict))
        if not verdict.is_allowed:
            raise _refused(wish, verdict)
        obliged = parse_obligations((*wish.obligations, *verdict.harden))
        # INVARIANT: who has to be watched is recorded: a watcher sees what is on the tape
        recording = Recording.STRICT if obliged.watched else obliged.recording or Recording.STRICT
        terms = Terms.of(obliged, self._allowance)
        if recording is not Recording.OFF:
            self._budget.check(wish.whose.person, terms.daily_bytes)
        whose = replace(wish.whose, asks=(wish.asked, ask) if wish.asked else (ask,))
        return Admitted(wish.opening, whose, terms, recording, verdict)

    def ask(self, wish: Wish) -> Ask:
        """What policy is asked. The session has no id yet; its name is what it is in, its tags are the labels of that."""
        opening, now = wish.opening, self._now()
        resource = Resource(Kind.SESSION, "", opening.target, opening.person, labels=wish.labels)
        is_session: dict[str, Plain] = {"kind": opening.kind, "isTerminal": opening.is_terminal}
        context: dict[str, Plain] = {
            **NO_FACTS, "via": wish.principal.via, **wish.facts, "source": wish.source, "address": _address(wish.source),
            "hour": now.hour, "weekday": now.isoweekday(), "session": is_session,
        }  # fmt: skip
        return Ask(wish.principal, SESSION_START, resource, context)


def _address(source: str) -> Mapping[str, Plain]:
    """Where somebody is as Cedar's own kind of address, IPv4 as such however it came; what is no address is one that nobody has."""
    try:
        address = ipaddress.ip_address(LOOPBACK if source == HERE else source.partition("%")[0])
    except ValueError:
        address = ipaddress.IPv4Address(0)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return {"__extn": {"fn": "ip", "arg": str(mapped or address)}}


def _refused(wish: Wish, verdict: Verdict) -> Forbidden:
    what = f"a session ({wish.opening.kind} on {wish.opening.target}) of {wish.principal.name or 'a caller nobody knows'}"
    if verdict.why is Why.NO_POLICY:
        reason = f'no policy permits it; an admin adds the permit of {SESSION_START} from the starter policies (sessions.cedar: "sessions-may-begin")'
    else:
        reason = "; ".join(filter(None, (*verdict.advice, f"refused by {', '.join(verdict.policies) or 'a policy that is broken'}")))
    return Forbidden(verdict.why.value, f"{what} does not begin: {reason}", policies=verdict.policies)
