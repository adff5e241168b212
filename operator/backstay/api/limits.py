"""Maxima of everything that the API holds: no number, text, list or map is unbounded.

A field may name its own; any other gets those of its model. They are put into pydantic's schema of the model, so that what this
program reads and what the CustomResourceDefinition says are one. What the worst objects cost follows from them (docs/limits.md), and
the API server can bound the cost of CEL rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backstay.api.quantities import NUMBER_MAX

NODES_MAX = 512
"""Nodes of the largest cluster: so many peers a keeper can ask."""


@dataclass(frozen=True, slots=True)
class Limits:
    """For fields without a maximum of their own."""

    text: int = 1024
    """Characters."""
    items: int = 256
    pairs: int = 256
    number: int = NUMBER_MAX


_INSIDE = ("schema", "items_schema", "keys_schema", "values_schema", "json_schema", "python_schema")
_KEY_MAX = 316
"""Characters of a map's key: a prefix of 253, a slash and a name of 63, but for one."""


def bound(schema: Any, limits: Limits) -> None:
    """Give every part of a pydantic core schema that has no maximum the one in `limits`. Models inside have their own."""
    for part in _parts(schema):
        match part.get("type"):
            case "str":
                part.setdefault("max_length", limits.text)
            case "int" | "float":
                if "gt" not in part:
                    part.setdefault("ge", -limits.number)
                part.setdefault("le", limits.number)
            case "list":
                part.setdefault("max_length", limits.items)
            case "dict":
                part.setdefault("max_length", limits.pairs)


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and what is in it, as far as it belongs to the same model."""
    if not isinstance(schema, dict):
        return
    yield schema
    if isinstance(schema.get("keys_schema"), dict) and schema["keys_schema"].get("type") == "str":
        schema["keys_schema"].setdefault("max_length", _KEY_MAX)
    for name in _INSIDE:
        inner = schema.get(name)
        if isinstance(inner, dict) and not (inner.get("type") == "model" and schema.get("type") != "model"):
            yield from _parts(inner)
    fields = schema.get("fields")
    if isinstance(fields, dict):
        for field in fields.values():
            yield from _parts(field)
    for choice in schema.get("choices") or ():
        yield from _parts(choice[0] if isinstance(choice, tuple) else choice)
