"""JSON documents as immutable values.

Everything the store holds is a tree of dict, list and scalars that nobody changes after it was handed over:
a change builds a new tree that shares the untouched parts with the old one. So "did this part change" is an
identity test, a copy costs nothing, and a reader never needs a lock or a deep copy.

Assumes trees as `json.loads` makes them (str keys, no tuples, no cycles). Refuses nothing: these functions are
total on such trees.
"""

from typing import Any

Json = Any
"""Any JSON value: dict, list, str, int, float, bool, None."""

JsonObject = dict[str, Any]
"""A JSON object; treat it as frozen once it was handed to the store or came from it."""

MISSING: Any = object()
"""Stands for "no value here", which None cannot do in JSON."""


def graft(old: Json, new: Json) -> Json:
    """`new`, with every part that equals the same part of `old` replaced by that very object.

    Returns `old` itself when the two are equal, so `graft(old, new) is old` means "no change". Unlike Python's
    `==` it tells true from 1, and 1 from 1.0.
    """
    if old is new or type(old) is not type(new):
        return new
    if type(new) is dict:
        return _graft_object(old, new)
    if type(new) is list:
        return _graft_list(old, new)
    return old if old == new else new


def _graft_object(old: JsonObject, new: JsonObject) -> JsonObject:
    shared: JsonObject = {}
    same = len(old) == len(new)
    for key, value in new.items():
        before = old.get(key, MISSING)
        part = value if before is MISSING else graft(before, value)
        shared[key] = part
        same = same and part is before
    return old if same else shared


def _graft_list(old: list[Json], new: list[Json]) -> list[Json]:
    count = len(old)
    shared = [graft(old[at], value) if at < count else value for at, value in enumerate(new)]
    if count == len(shared) and all(a is b for a, b in zip(old, shared, strict=True)):
        return old
    return shared


def same(a: Json, b: Json) -> bool:
    """Whether two documents are equal as JSON (true is not 1)."""
    return graft(a, b) is a


def copy_of(value: Json) -> Json:
    """A copy that shares no container with `value`; for a caller that wants to change what it was given."""
    if type(value) is dict:
        return {key: copy_of(item) for key, item in value.items()}
    if type(value) is list:
        return [copy_of(item) for item in value]
    return value


def with_key(document: JsonObject, key: str, value: Json) -> JsonObject:
    """`document` with `key` set, or without it when `value` is MISSING; `document` itself when that is so already."""
    if value is MISSING:
        if key not in document:
            return document
        return {name: item for name, item in document.items() if name != key}
    if document.get(key, MISSING) is value:
        return document
    return {**document, key: value}


def with_path(document: JsonObject, path: tuple[str, ...], value: Json) -> JsonObject:
    """`document` with the member at `path` set (missing parents are made) or, for MISSING, taken away."""
    head, rest = path[0], path[1:]
    if not rest:
        return with_key(document, head, value)
    child = document.get(head)
    if not isinstance(child, dict):
        if value is MISSING:
            return document
        child = {}
    return with_key(document, head, with_path(child, rest, value))


def at_path(document: Json, path: tuple[str, ...], default: Json = None) -> Json:
    """The member at `path`, or `default` where a step is missing or not an object."""
    for step in path:
        if not isinstance(document, dict) or step not in document:
            return default
        document = document[step]
    return document


def kind_name(value: Json) -> str:
    """The JSON type's name, as error messages spell it."""
    if value is None:
        return "null"
    return _KIND_NAMES.get(type(value), "unknown")


_KIND_NAMES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
