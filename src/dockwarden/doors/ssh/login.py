"""Whether somebody may come in at all, and by what: asked of policy once their key is proven."""

from __future__ import annotations

from dockwarden.doors.docker.trail import Trail
from dockwarden.doors.ssh.house import SshHouse
from dockwarden.engine.facts import Facts
from dockwarden.engine.obligations import parse_obligations
from dockwarden.policy.decide import decide
from dockwarden.policy.schema import SSH_LOGIN
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.errors import Forbidden, Refused
from dockwarden.words.principal import Principal

SSH = Resource(Kind.SYSTEM, id="ssh", name="ssh")


def login_trail(house: SshHouse, person: Principal) -> Trail:
    """The record of one login."""
    trail = Trail(house.ledger, house.metrics, person, house.listen, "ssh")
    trail.action = SSH_LOGIN
    return trail


async def wants_second(house: SshHouse, person: Principal, trail: Trail) -> bool:
    """Whether policy lets them in only with a second factor. What refuses them is written down.

    Raises:
        Forbidden: policy permits no login, or asks for a second factor that they do not have.
        Refused: that cannot be found out now.
    """
    try:
        verdict = decide(Ask(person, SSH_LOGIN, SSH, Facts(via="ssh", door=house.listen).context()), house.rulebook.rules.policies)
        trail.judged(SSH, verdict, None)
        if not verdict.is_allowed:
            reasons = "; ".join(verdict.advice) or "no policy permits it; ask an admin"
            raise Forbidden(verdict.why.value, f"{SSH_LOGIN} is refused for {person.name}: {reasons}", policies=verdict.policies)
        if not parse_obligations(verdict.harden).second_factor:
            return False
        if not await house.factors.is_enrolled(person.name):
            raise Forbidden("totp.none", "policy asks for a second factor, and you have none yet; make one on that machine: dockwarden totp enroll")
    except Refused as error:
        trail.refused(error)
        raise
    return True
