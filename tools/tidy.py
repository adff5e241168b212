"""Rules about the tree that no other linter checks: lengths, names, and what must not be in a commit. Exit 1 names each offence."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
VAGUE = {"utils.py", "helpers.py", "common.py", "misc.py"}
FOREIGN_PATH = re.compile(r"/work/(main|shared|\.library)")


def tracked() -> list[Path]:
    """Files that git knows."""
    out = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    return [ROOT / name for name in out.split("\0") if name]


def offences() -> Iterator[str]:
    """One line each."""
    for path in tracked():
        name = path.relative_to(ROOT)
        if not path.is_file():
            continue
        if name.parts[0] == "operator" and len(name.parts) == 2 and path.suffix == ".py":
            yield f"{name}: operator/ is a folder, never a package; nothing in Python goes directly inside"
        if path.name in VAGUE:
            yield f"{name}: name the file after the noun in it"
        if path.suffix in (".py", ".md", ".yaml", ".toml", ".sh") or path.name in ("Makefile", "Dockerfile"):
            text = path.read_text(encoding="utf-8")
            if name != Path("tools/tidy.py") and FOREIGN_PATH.search(text):
                yield f"{name}: holds a path of one machine"
            if path.suffix == ".py":
                yield from python_offences(name, text)


def python_offences(name: Path, text: str) -> Iterator[str]:
    """Lengths."""
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{name}: {lines} lines; what does a file over {FILE_LINES_MAX} hide?"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines, more than {FUNCTION_LINES_MAX}"


def main() -> int:
    """0 when tidy."""
    found = list(offences())
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
