"""Make the reference pages from the tables they show: settings, actions, facts, error codes.

`python scripts/make_docs.py` writes them, `--check` exits 1 where a page is not what the tables say.
"""

from __future__ import annotations

import ast
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dockwarden import settings
from dockwarden.engine.escapes import CATALOGUE
from dockwarden.engine.routes.table import ROUTES
from dockwarden.words import errors

ROOT = Path(__file__).resolve().parent.parent
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
    kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.Refused)}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value, kinds[node.func.id].status, str(path.relative_to(ROOT / "src" / "dockwarden"))


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
