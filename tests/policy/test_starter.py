"""The starter policies: what they promise, beside the corpus of rows."""

from __future__ import annotations

import pytest

from dockwarden.engine.capabilities import DEFAULT
from dockwarden.engine.escapes import CATALOGUE
from dockwarden.engine.facts import Facts
from dockwarden.engine.facts.model import UserFacts
from dockwarden.engine.obligations import parse_obligations
from dockwarden.policy.decide import decide
from dockwarden.policy.load import PolicySet
from dockwarden.policy.schema import ENV_READ, GROUPS, KEEPING_ACTIONS, actions
from dockwarden.words.ask import SYSTEM, Ask, Kind, Resource
from dockwarden.words.principal import NOBODY, Principal

ALICE = Principal("alice", frozenset({"developers"}), None, "unix")
RUNNER = Principal("runner-1", frozenset({"ci"}), None, "door")
OLGA = Principal("olga", frozenset({"operators"}), None, "unix")
AUDRA = Principal("audra", frozenset({"auditors"}), None, "unix")
ADAM = Principal("adam", frozenset({"admins", "developers"}), None, "unix")
RAW = Principal("raw-socket", frozenset({"raw"}), None, "raw")

ORDINARY_IMAGES_NEED = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"}
"""What entry points of common images use: hand a folder over, then become their own user, then open port 80."""


def of(owner: str, kind: Kind = Kind.CONTAINER, *, is_shared: bool = False) -> Resource:
    return Resource(kind, "x" * 64, "thing", owner, is_shared)


def allowed(who: Principal, action: str, resource: Resource, policies: PolicySet, facts: Facts | None = None) -> bool:
    return decide(Ask(who, action, resource, facts.context() if facts else {}), policies).is_allowed


@pytest.mark.parametrize("who", [ALICE, RUNNER], ids=["developers", "ci"])
@pytest.mark.parametrize("fact", [f"{escape.name}x" if escape.name.endswith(":") else escape.name for escape in CATALOGUE])
def test_no_escape_is_permitted_to_who_runs_containers(starter: PolicySet, who: Principal, fact: str) -> None:
    facts = Facts(escape=frozenset({fact}))
    for action in ("container.create", "container.update", "container.start", "exec.create", "image.build", "network.create", "volume.create"):
        kind = next(iter(actions()[action]))
        assert not allowed(who, action, of(who.name, kind), starter, facts), action
        assert allowed(ADAM, action, of("adam", kind), starter, facts), action


@pytest.mark.parametrize("who", [ALICE, RUNNER], ids=["developers", "ci"])
def test_what_is_another_s_is_neither_seen_nor_touched(starter: PolicySet, who: Principal) -> None:
    for action, kinds in actions().items():
        for kind in kinds - {Kind.SYSTEM}:
            may = allowed(who, action, of("bob", kind), starter)
            assert not may, (action, kind)


def test_shared_things_are_looked_at_and_used_but_not_changed(starter: PolicySet) -> None:
    shared = of("", Kind.IMAGE, is_shared=True)

    assert allowed(ALICE, "image.inspect", shared, starter)
    assert allowed(ALICE, ENV_READ, shared, starter)
    assert not allowed(ALICE, "image.remove", shared, starter)
    assert not allowed(ALICE, "network.remove", of("", Kind.NETWORK, is_shared=True), starter)


def test_environment_values_of_containers_stay_masked_for_all_but_admins(starter: PolicySet) -> None:
    for who in (ALICE, RUNNER, OLGA, AUDRA):
        assert not allowed(who, ENV_READ, of(who.name), starter), who.name
    assert allowed(ADAM, ENV_READ, of("bob"), starter)


def test_root_by_name_is_refused_and_root_by_default_is_run_as_the_caller(starter: PolicySet) -> None:
    by_default = decide(Ask(ALICE, "container.create", of("alice"), Facts(user=UserFacts(is_root=True)).context()), starter)

    assert by_default.is_allowed
    assert parse_obligations(by_default.harden).run_as_caller
    assert not allowed(ALICE, "container.create", of("alice"), starter, Facts(user=UserFacts(is_root=True, is_given=True)))
    assert not allowed(ALICE, "exec.create", of("alice"), starter, Facts(user=UserFacts(is_root=True)))
    assert allowed(ALICE, "exec.create", of("alice"), starter, Facts(user=UserFacts(uid=1000, gid=1000)))


def test_another_uid_is_fine_unless_host_files_are_mounted_with_another_account_s(starter: PolicySet) -> None:
    stranger, account = UserFacts(uid=4242, gid=4242), UserFacts(uid=20002, gid=20002, is_other_account=True)

    assert allowed(ALICE, "container.create", of("alice"), starter, Facts(user=stranger, binds=1))
    assert allowed(ALICE, "container.create", of("alice"), starter, Facts(user=account))
    assert not allowed(ALICE, "container.create", of("alice"), starter, Facts(user=account, binds=1))


@pytest.mark.parametrize("policy", ["developers-run", "ci-run"])
def test_runs_are_hardened_and_ordinary_images_keep_what_they_need(starter: PolicySet, policy: str) -> None:
    found = parse_obligations(starter.rules[policy].harden)

    assert found.no_new_privileges
    assert found.default_seccomp
    assert min(found.pids, found.memory, found.nano_cpus) > 0
    assert found.drop_caps <= DEFAULT
    assert not found.drop_caps & ORDINARY_IMAGES_NEED
    assert {"MKNOD", "NET_RAW", "SETFCAP"} <= found.drop_caps


@pytest.mark.parametrize(("how", "may"), [("new", True), ("own", True), ("refresh", True), ("shared", False), ("other", False)])
def test_image_names_that_others_trust_are_not_moved(starter: PolicySet, how: str, may: bool) -> None:
    facts = Facts(moves=frozenset({how}))
    for who in (ALICE, RUNNER):
        for action in (*GROUPS["make-images"], "image.pull"):
            assert may == allowed(who, action, of(who.name, Kind.IMAGE), starter, facts), (who.name, action)


def test_operators_keep_everyone_s_containers_running_and_enter_none(starter: PolicySet) -> None:
    for action in ("container.inspect", "container.logs", "container.stats", "container.start", "container.stop", "container.restart", "container.kill"):
        assert allowed(OLGA, action, of("bob"), starter), action
    for action in ("container.create", "exec.create", "exec.start", "container.attach", "container.archive.get", "container.remove", "container.export"):
        assert not allowed(OLGA, action, of("bob"), starter), action


def test_auditors_look_at_everything_and_at_tapes_and_read_no_other_output(starter: PolicySet) -> None:
    for action in GROUPS["look"]:
        assert allowed(AUDRA, action, of("bob", next(iter(actions()[action]))), starter), action
    # what was shown, to whom: recorded, and theirs to audit and to keep
    tapes = {"session.list", "session.play", "session.export", "session.watch", "session.search", "session.hold"}
    for action in tapes:
        assert allowed(AUDRA, action, of("bob", next(iter(actions()[action]))), starter), action
    for action in actions().keys() - set(GROUPS["look"]) - tapes - {"system.ping", "system.version", "system.options"}:
        assert not allowed(AUDRA, action, of("bob", next(iter(actions()[action]))), starter), action


def test_who_keeps_tapes_deletes_none_who_deletes_keeps_none_and_nobody_either_of_their_own(starter: PolicySet) -> None:
    def may(*groups: str, owner: str = "alice") -> list[str]:
        who = Principal("carol", frozenset(groups), None, "unix")
        return [action for action in KEEPING_ACTIONS if allowed(who, action, of(owner, Kind.SESSION), starter)]

    assert [[], [], [], ["session.hold"], ["session.delete"]] == [may(), may("developers"), may("operators"), may("auditors"), may("admins")]
    assert ["session.hold"] == may("auditors", "admins")
    assert [[], [], []] == [may("auditors", owner="carol"), may("admins", owner="carol"), may("auditors", "admins", owner="carol")]


def test_ci_has_no_folder_of_the_host_and_no_root(starter: PolicySet) -> None:
    assert allowed(RUNNER, "container.create", of("runner-1"), starter, Facts(user=UserFacts(uid=7)))
    assert not allowed(RUNNER, "container.create", of("runner-1"), starter, Facts(binds=1))
    assert not allowed(RUNNER, "container.create", of("runner-1"), starter, Facts(user=UserFacts(is_root=True)))
    assert allowed(RUNNER, "container.prune", of("runner-1"), starter)


def test_a_stranger_may_ping_and_nothing_else(starter: PolicySet) -> None:
    permitted = {action for action, kinds in actions().items() for kind in kinds if allowed(NOBODY, action, Resource(kind), starter)}

    assert {"system.ping"} == permitted
    assert allowed(NOBODY, "system.ping", SYSTEM, starter)


def test_the_raw_socket_may_do_nothing_that_a_door_is_for(starter: PolicySet) -> None:
    permitted = {action for action, kinds in actions().items() for kind in kinds if allowed(RAW, action, Resource(kind), starter)}

    assert permitted <= set(GROUPS["ping"])


def test_every_policy_is_named_after_its_file_and_every_refusal_teaches(starter: PolicySet) -> None:
    """What an escape is, the refusal says by itself (engine/escapes.py); any other forbid has its own advice."""
    prefixes = {"everyone.cedar": ("anyone-", "people-")}
    for rule in starter.rules.values():
        assert rule.id.startswith(prefixes.get(rule.file, (rule.file.removesuffix("s.cedar"), rule.file.removesuffix(".cedar")))), rule.id
        if rule.effect == "forbid":
            assert rule.advice or rule.id.endswith(("-no-escape", "-no-secrets-in-environment")), rule.id
