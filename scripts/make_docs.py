"""Make the reference pages from the tables they show: settings, actions, facts, error codes.

`python scripts/make_docs.py` writes them, `--check` exits 1 where a page is not what the tables say.
"""

from __future__ import annotations

import ast
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from dockwarden import settings
from dockwarden.doors.docker.reasons import IN_CLEAR
from dockwarden.engine.escapes import CATALOGUE
from dockwarden.engine.routes.table import ROUTES
from dockwarden.policy.schema import actions, groups_of
from dockwarden.words import errors
from dockwarden.words.ask import Kind, Why

ROOT = Path(__file__).resolve().parent.parent
CODE = re.compile(r"[a-z_]+\.[a-z0-9_]+")
NOTE = "<!-- made by `make docs`; edit the tables, not this page -->\n"


def settings_page() -> str:
    """Every option of dockwarden.toml."""
    lines = ["# Settings", "", NOTE, "Every option of `dockwarden.toml`. An option that is not here refuses to start.", ""]
    sections = [("engine", settings.EngineSettings), ("[door]", settings.DoorSettings)]
    sections += [
        (name, kind)
        for name, kind in typing.get_type_hints(settings.Settings).items()
        if isinstance(kind, type) and issubclass(kind, settings.Section) and kind is not settings.EngineSettings
    ]
    for name, kind in sections:
        lines += [f"## `[{name}]`", "", (kind.__doc__ or "").split("\n")[0], "", "| option | default | what it is |", "|---|---|---|"]
        lines += [f"| `{option}` | {default} | {text} |" for option, default, text in options(kind)]
        lines.append("")
    lines += ["## At the top", "", "| option | default | what it is |", "|---|---|---|"]
    lines += [f"| `{option}` | {default} | {text} |" for option, default, text in options(settings.Settings) if option == "observe"]
    return "\n".join(lines) + "\n"


def options(kind: type[msgspec.Struct]) -> Iterator[tuple[str, str, str]]:
    """Each option of a section as (name, default, help)."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        meta = next((extra for extra in getattr(hints[field.name], "__metadata__", ()) if isinstance(extra, msgspec.Meta)), None)
        if meta is None or field.name == "file":
            continue
        default = "required" if field.required else f"`{msgspec.json.encode(field.default).decode()}`"
        yield field.encode_name, default, str(meta.description)


def actions_page() -> str:
    """Every route, its action and its class."""
    lines = ["# Actions", "", NOTE, f"What policies speak of: {len({route.action for route in ROUTES})} actions over {len(ROUTES)} routes.", ""]
    lines += ["| action | call | class | since | body |", "|---|---|---|---|---|"]
    for route in sorted(ROUTES, key=lambda route: (route.action, route.template)):
        since = ".".join(map(str, route.since))
        body = route.body.__name__ if route.body else str(route.takes.value)
        lines.append(f"| `{route.action}` | `{route.method} {route.template}` | {route.cls.value} | {since} | {body} |")
    called = {route.action for route in ROUTES}
    lines += ["", "## Of dockwarden's own", "", "Asked about what no call of the Engine's is about: the vault, sessions, hosts, people."]
    lines += ["Of the two that are called `secret.list`, one is about swarm's secrets and the other about paths of the vault.", ""]
    lines += ["| action | asked about | in groups |", "|---|---|---|"]
    for action, kinds in actions().items():
        if action not in called or Kind.PATH in kinds:
            about = ", ".join(sorted(kind.value for kind in kinds))
            lines.append(f"| `{action}` | {about} | {', '.join(groups_of(action))} |")
    return "\n".join(lines) + "\n"


def facts_page() -> str:
    """Every escape fact."""
    lines = ["# Escape facts", "", NOTE, "What `context.escape` may hold. A developer gets none of them.", ""]
    lines += ["| fact | what it means | instead |", "|---|---|---|"]
    lines += [f"| `{escape.name}` | {escape.meaning} | {escape.instead} |" for escape in CATALOGUE]
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Every error code that the source names, with its status."""
    lines = ["# Error codes", "", NOTE, "The `code` of a refusal is stable; its `message` says what to do.", ""]
    lines += ["| code | status | where |", "|---|---|---|"]
    lines += [f"| `{code}` | {status} | `{place}` |" for code, status, place in sorted(set(codes()))]
    return "\n".join(lines) + "\n"


def codes() -> Iterator[tuple[str, int, str]]:
    """Each literal code given to a refusal, with its status and its file."""
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "src").rglob("*.py"))}
    statuses = {name: kind.status for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.Refused)}
    for tree in trees.values():
        statuses |= dict(_kinds_of(tree, statuses))
    yield from ((why.value, errors.Forbidden.status, "words/ask.py") for why in Why if why is not Why.PERMITTED)
    yield IN_CLEAR, errors.Forbidden.status, "doors/docker/reasons.py"
    for path, tree in trees.items():
        place = str(path.relative_to(ROOT / "src" / "dockwarden"))
        named = {node.targets[0].id: node.value.value for node in ast.walk(tree) if _is_named_text(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (said := _said(node, statuses, named)):
                yield *said, place


def _kinds_of(tree: ast.Module, known: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Refusals that a file adds to those of `words/errors.py`."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.bases and isinstance(node.bases[0], ast.Name) and node.bases[0].id in known:
            own = [item.value.value for item in node.body if isinstance(item, ast.Assign) and getattr(item.targets[0], "id", "") == "status"]
            yield node.name, own[0] if own else known[node.bases[0].id]


def _is_named_text(node: ast.AST) -> bool:
    is_one = isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
    return is_one and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _said(node: ast.Call, statuses: Mapping[str, int], named: Mapping[str, str]) -> tuple[str, int] | None:
    """The code and status of `Malformed("a.code", …)`, `_Bad(Malformed, "a.code", …)`, `Forbidden(A_NAME, …)`; `None` for any other call."""
    names = [part.id for part in (node.func, *node.args[:1]) if isinstance(part, ast.Name) and part.id in statuses]
    texts = [part.value for part in node.args[:2] if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    texts += [named[inner.id] for part in node.args[:1] for inner in ast.walk(part) if isinstance(inner, ast.Name) and inner.id in named]
    code = next((text for text in texts if CODE.fullmatch(text)), "")
    return (code, statuses[names[0]]) if names and code else None


PAGES = {"settings": settings_page, "actions": actions_page, "facts": facts_page, "errors": errors_page}


def main() -> int:
    """Write or check every page."""
    stale = 0
    for name, make in PAGES.items():
        file = ROOT / "docs" / f"{name}.md"
        text = make()
        if "--check" in sys.argv:
            if not file.exists() or file.read_text("utf-8") != text:
                print(f"docs/{name}.md is not what the tables say; run: make docs")
                stale = 1
        else:
            file.write_text(text, "utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
