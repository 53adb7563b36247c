"""Whether the locks hold every dependency of pyproject.toml, each with hashes, and name no place of their own."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)")


def normal(name: str) -> str:
    """A package's name in its one spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> dict[str, bool]:
    """Each locked package, and whether it has a hash."""
    found: dict[str, bool] = {}
    current = ""
    for line in text.splitlines():
        match = NAME.match(line)
        if match and "==" in line:
            current = normal(match[1])
            found[current] = False
        if "--hash=sha256:" in line and current:
            found[current] = True
    return found


def main() -> int:
    """Say what is wrong, a line each; 0 if nothing is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {"requirements.lock": project["dependencies"]}
    wanted["requirements-dev.lock"] = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    wrong = []
    for file, needs in wanted.items():
        text = (ROOT / file).read_text("utf-8")
        found = locked(text)
        wrong += [f"{file}: {name} is not locked" for need in needs if (name := normal(NAME.match(need)[1])) not in found]  # type: ignore[index]  # every requirement begins with a name
        wrong += [f"{file}: {name} has no hash" for name, has in found.items() if not has]
        wrong += [f"{file}: names a place ({line.strip()})" for line in text.splitlines() if "://" in line or line.startswith("--")]
    for line in wrong:
        print(f"{line}; run: make lock")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
