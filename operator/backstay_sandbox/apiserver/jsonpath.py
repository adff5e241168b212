"""The JSONPath of printer columns and selectable fields, compiled once.

Knows members (`.a`, `['a']`, `\\.` for a dot inside a name), indexes, `[*]`, and filters that compare one member
with a literal (`[?(@.type=="Ready")]`). Assumes nothing about the value: a path that leads nowhere yields nothing.
Refuses, with PathError, anything else.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from backstay.objectstore import Json
from backstay.objectstore.document import kind_name

Step = Callable[[Json], list[Json]]


class PathError(Exception):
    """Not a path this program understands."""


_TOKEN = re.compile(
    r"""
      \.(?P<member>(?:\\.|[^.\[\]\\])+)
    | \[\s*(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\s*\]
    | \[(?P<index>-?\d+)\]
    | (?P<star>\[\*\]|\.\*)
    | \[\?\(\s*@(?P<path>(?:\.[A-Za-z0-9_-]+)+)\s*(?P<op>==|!=)\s*(?P<literal>"[^"]*"|'[^']*'|[^)\s]+)\s*\)\]
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=512)
def compile_path(path: str) -> tuple[Step, ...]:
    """The steps of a path. Raises PathError."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if text and text[0] not in ".[":
        text = "." + text
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise PathError(f"cannot understand {text[at:]!r} in {path!r}")
        steps.append(_step(found))
        at = found.end()
    return tuple(steps)


def values_at(path: str, value: Json) -> list[Json]:
    """Everything a path finds in a value. Raises PathError."""
    found = [value]
    for step in compile_path(path):
        found = [item for each in found for item in step(each)]
    return found


def _step(found: re.Match[str]) -> Step:
    if found["member"] is not None:
        return _member(re.sub(r"\\(.)", r"\1", found["member"]))
    if found["quote"] is not None:
        return _member(found["quoted"])
    if found["index"] is not None:
        return _index(int(found["index"]))
    if found["star"] is not None:
        return _all
    return _filter(found["path"], found["op"] == "==", found["literal"].strip("\"'"))


def _member(name: str) -> Step:
    return lambda value: [value[name]] if isinstance(value, dict) and name in value else []


def _index(at: int) -> Step:
    return lambda value: [value[at]] if isinstance(value, list) and -len(value) <= at < len(value) else []


def _all(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _filter(path: str, wants_equal: bool, literal: str) -> Step:
    def keep(item: Json) -> bool:
        found = values_at(path, item)
        return bool(found) and (text_of(found[0]) == literal) is wants_equal

    return lambda value: [item for item in _all(value) if keep(item)]


def text_of(value: Json) -> str:
    """A scalar as text, the way Go prints it."""
    if kind_name(value) == "boolean":
        return "true" if value else "false"
    return str(value)
