"""A ClusterState as JSON text and back: what HATransition keeps, so that a decision can be replayed.

Every dataclass and enum of `backstay.state` is written with its class name; what equals the default is left out. Reading refuses
what it does not know, so that an input of another version is told apart from a damaged one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any

from backstay import state as state_module
from backstay.state import choices
from backstay.state import resource as resource_module
from backstay.state.cluster import ClusterState
from backstay.state.history import Absence

_CLASS = "$class"
_ENUM = "$enum"


class StateFormatError(ValueError):
    """The text is not a ClusterState that this version can read."""


def dump_state(state: ClusterState) -> str:
    """JSON, compact, with sorted keys."""
    return json.dumps(_plain(state), separators=(",", ":"), sort_keys=True)


def load_state(text: str) -> ClusterState:
    """The inverse of dump_state. Raises StateFormatError."""
    try:
        value = _value(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise StateFormatError(f"not a cluster state of this version: {error}") from error
    if not isinstance(value, ClusterState):
        raise StateFormatError("not a cluster state: the top is something else")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return {_ENUM: type(value).__name__, "name": value.name}
    if is_dataclass(value):
        out: dict[str, Any] = {_CLASS: type(value).__name__}
        for field in fields(value):
            item = getattr(value, field.name)
            if not _is_default(field, item):
                out[field.name] = _plain(item)
        return out
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, Absence)):
        return [_plain(item) for item in value]
    return value


def _is_default(field: Any, item: Any) -> bool:
    if field.default is not MISSING:
        return bool(item == field.default)
    if field.default_factory is not MISSING:
        return bool(item == field.default_factory())
    return False


def _classes() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module in (state_module, resource_module, choices):
        for name in dir(module):
            item = getattr(module, name)
            if isinstance(item, type):
                found[name] = item
    return found


_KNOWN = _classes()


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    if _ENUM in plain:
        return _KNOWN[plain[_ENUM]][plain["name"]]
    if _CLASS in plain:
        kind = _KNOWN[plain[_CLASS]]
        return kind(**{name: _value(item) for name, item in plain.items() if name != _CLASS})
    return {key: _value(item) for key, item in plain.items()}
