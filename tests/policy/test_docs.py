"""Every policy and row in docs/policies.md loads and does what the page says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from dockwarden.cli.rows import read_row
from dockwarden.engine.facts import Facts
from dockwarden.policy.decide import decide
from dockwarden.policy.load import PolicySet, load
from dockwarden.words.ask import Ask, Kind, Resource
from dockwarden.words.principal import Principal

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policies.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_policy_on_the_page_loads() -> None:
    found = blocks("cedar")

    assert len(found) >= 2
    for text in found:
        assert load({"docs/policies.md": text}).rules


def test_every_row_on_the_page_can_be_read() -> None:
    rows = [row for text in blocks("toml") for row in tomllib.loads(text)["row"]]

    assert rows
    for row in rows:
        assert read_row("docs/policies.md", row).calls


def test_the_exception_on_the_page_lets_the_listed_escapes_pass_and_no_other(starter: PolicySet) -> None:
    """In place of the starter's own rule, as the page and the comment in developers.cedar say."""
    exception = next(text for text in blocks("cedar") if "web-team" in text)
    everything = load({"f": '@id("all") permit (principal, action, resource);\n' + exception})
    web, plain = (Principal("w", frozenset({"developers", *more})) for more in (("web",), ()))

    def may(who: Principal, *escapes: str) -> bool:
        ask = Ask(who, "container.create", Resource(Kind.CONTAINER, owner=who.name), Facts(escape=frozenset(escapes)).context())
        return decide(ask, everything).is_allowed

    assert may(web)
    assert may(web, "port:80")
    assert may(web, "port:80", "port:443")
    assert not may(web, "port:80", "privileged")
    assert not may(plain, "port:80")
    assert may(plain)
