"""Write what in charts/backstay is made of something else: files/crds from crds/, and README.md's table from values.yaml.

`--check` only compares and fails on a difference. Every value must have a comment; that comment is its documentation.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts/backstay"
BEGIN, END = "<!-- values: made by `make chart` -->", "<!-- /values -->"
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][A-Za-z0-9]*):")


class Undocumented(Exception):
    """A value without a comment."""


@dataclass(frozen=True, slots=True)
class Line:
    """A key of values.yaml, with the comment above it."""

    path: tuple[str, ...]
    comment: str


def lines(text: str) -> Iterator[Line]:
    """Keys in order. Values are written in block style down to the documented ones, flow style below."""
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.lstrip("# ").rstrip())
            continue
        match = _KEY.match(line)
        if match is not None:
            del path[len(match["indent"]) // 2 :]
            path.append(match["key"])
            yield Line(tuple(path), " ".join(comment))
        comment = []


def rows(text: str) -> list[tuple[str, str, str]]:
    """Name, default as JSON, and text of every value."""
    values: dict[str, Any] = yaml.safe_load(text)
    found = []
    documented: set[tuple[str, ...]] = set()
    for line in lines(text):
        if any(line.path[:depth] in documented for depth in range(1, len(line.path))):
            continue  # below a value that is documented as a whole
        value: Any = values
        for key in line.path:
            value = value[key]
        if not line.comment:
            if isinstance(value, dict) and value:
                continue
            raise Undocumented(f"values.yaml: {'.'.join(line.path)} has no comment")
        documented.add(line.path)
        found.append((".".join(line.path), json.dumps(value), line.comment))
    return found


def table(text: str) -> str:
    """In Markdown."""
    head = "| value | default | what |\n|---|---|---|\n"
    return head + "".join(f"| `{name}` | `{default}` | {what} |\n" for name, default, what in rows(text))


def rendered() -> dict[Path, str]:
    """File -> text."""
    files = {
        CHART / "files/crds" / path.name: path.read_text() for path in sorted((ROOT / "crds").glob("*.yaml"))
    }
    readme = (CHART / "README.md").read_text()
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    values = table((CHART / "values.yaml").read_text())
    files[CHART / "README.md"] = f"{before}{BEGIN}\n{values}{END}{after}"
    return files


def main() -> int:
    """0 when the chart is as generated."""
    files = rendered()
    gone = [path for path in sorted((CHART / "files/crds").glob("*.yaml")) if path not in files]
    if "--check" in sys.argv[1:]:
        stale = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
        for path in (*stale, *gone):
            print(f"{path.relative_to(ROOT)} is not up to date; run `make chart` and commit", file=sys.stderr)
        return 1 if stale or gone else 0
    for path in gone:
        path.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(f"wrote {len(files)} files below charts/backstay")
    return 0


if __name__ == "__main__":
    sys.exit(main())
