"""The words after `resource create ID AGENT`, in pcs syntax: parameters, `op`, `meta`, `clone`, `promotable`.

ip=10.0.0.3 cidr_netmask=24 op monitor interval=30s op start timeout=60s meta priority=10 clone interleave=true

Only taken apart and typed here; whether an agent knows a parameter is `validation`'s business. Names of meta
attributes and operation options are Pacemaker's (hyphens), or those of the manifests (camelCase). A wrong word is a
UsageError that names the nearest right one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backstay.numerals import signed
from backstay_cli.errors import UsageError, nearest

SECTIONS = ("op", "meta", "clone", "promotable")

OPERATIONS = (
    "start",
    "stop",
    "monitor",
    "promote",
    "demote",
    "notify",
    "reload",
    "migrate_to",
    "migrate_from",
)
OPERATION_OPTIONS = {
    "interval": "interval",
    "timeout": "timeout",
    "on-fail": "onFail",
    "role": "role",
    "enabled": "enabled",
    "start-delay": "startDelay",
    "interval-origin": "intervalOrigin",
    "record-pending": "recordPending",
}
META = {
    "target-role": "targetRole",
    "priority": "priority",
    "resource-stickiness": "resourceStickiness",
    "migration-threshold": "migrationThreshold",
    "failure-timeout": "failureTimeout",
    "is-managed": "isManaged",
    "maintenance": "maintenance",
    "requires": "requires",
    "multiple-active": "multipleActive",
    "allow-migrate": "allowMigrate",
    "allow-unhealthy-nodes": "allowUnhealthyNodes",
    "critical": "critical",
}
CLONE = {
    "clone-max": "max",
    "clone-node-max": "nodeMax",
    "clone-min": "min",
    "notify": "notify",
    "globally-unique": "globallyUnique",
    "ordered": "ordered",
    "interleave": "interleave",
    "promotable": "promotable",
    "promoted-max": "promotedMax",
    "promoted-node-max": "promotedNodeMax",
    "master-max": "promotedMax",
    "master-node-max": "promotedNodeMax",
}
_BOOLEAN = frozenset(
    [
        "enabled",
        "recordPending",
        "isManaged",
        "maintenance",
        "allowMigrate",
        "allowUnhealthyNodes",
        "critical",
        "notify",
        "globallyUnique",
        "ordered",
        "interleave",
        "promotable",
    ]
)
_INTEGER = frozenset(["max", "nodeMax", "min", "promotedMax", "promotedNodeMax"])
_SCORE = frozenset(("priority", "resourceStickiness", "migrationThreshold"))
_ROLE = frozenset(("targetRole", "role"))
_TRUE = ("true", "yes", "on", "y", "1")
_FALSE = ("false", "no", "off", "n", "0")
_ROLES = {"master": "Promoted", "slave": "Unpromoted"}

Value = str | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the words say, under the manifest's field names. `clone` is None unless a clone was asked for."""

    params: Mapping[str, str] = field(default_factory=dict)
    operations: tuple[Mapping[str, Value], ...] = ()
    meta: Mapping[str, Value] = field(default_factory=dict)
    clone: Mapping[str, Value] | None = None


def parse_words(words: Sequence[str]) -> Words:
    """Take the words apart. Raises UsageError."""
    sections = _split(words)
    clone: dict[str, Value] = {}
    meta: dict[str, Value] = {}
    for head, tail in sections:
        if head in ("clone", "promotable"):
            clone |= ({"promotable": True} if head == "promotable" else {}) | _clone(tail)
        elif head == "meta":
            of_clone = [word for word in tail if word.partition("=")[0] in CLONE]
            meta |= _pairs([word for word in tail if word not in of_clone], META, "meta attribute")
            clone |= _clone(of_clone)
    cloned = any(head in ("clone", "promotable") for head, _ in sections)
    if clone and not cloned:
        raise UsageError(
            "options of a clone, but no clone", hint="write the word clone (or promotable) before them"
        )
    return Words(
        params=_params(next(tail for head, tail in sections if head == "")),
        operations=tuple(op for head, tail in sections if head == "op" for op in _operations(tail)),
        meta=meta,
        clone=clone if cloned else None,
    )


def typed_value(name: str, field_name: str, text: str) -> Value:
    """A value in the type of its field; `name` is what the user called it. Raises UsageError."""
    if field_name in _BOOLEAN:
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise UsageError(f"{name}={text}: it is a boolean", hint="write true or false")
    if field_name in _INTEGER or (field_name in _SCORE and signed(text) is not None):
        try:
            return int(text)
        except ValueError:
            raise UsageError(f"{name}={text}: it is an integer") from None
    if field_name in _ROLE:
        return _ROLES.get(text.lower(), text[:1].upper() + text[1:])
    return text


def _split(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """(section, its words), the parameters first under an empty section."""
    sections: list[tuple[str, list[str]]] = [("", [])]
    for word in words:
        if word in SECTIONS:
            sections.append((word, []))
        else:
            sections[-1][1].append(word)
    return sections


def _params(words: Sequence[str]) -> dict[str, str]:
    params: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(
                f"{word!r} is neither a parameter (name=value) nor one of {', '.join(SECTIONS)}",
                hint="for example: resource create ClusterIP ocf:heartbeat:IPaddr2 ip=10.0.0.3 op monitor interval=30s",
            )
        if params.get(name, value) != value:
            raise UsageError(f"parameter {name!r} is given twice, as {params[name]!r} and as {value!r}")
        params[name] = value
    return params


def _pairs(words: Sequence[str], fields: Mapping[str, str], what: str) -> dict[str, Value]:
    pairs: dict[str, Value] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r}: a {what} is written name=value")
        field_name = _field(name, fields)
        if field_name is None:
            raise UsageError(f"{name!r} is not a {what}", hint=nearest(name, fields))
        pairs[field_name] = typed_value(name, field_name, value)
    return pairs


def _field(name: str, fields: Mapping[str, str]) -> str | None:
    found = fields.get(name.replace("_", "-"))
    return found or (name if name in fields.values() else None)


def _clone(words: Sequence[str]) -> dict[str, Value]:
    return _pairs(words, CLONE, "clone option")


def _operations(words: Sequence[str]) -> list[dict[str, Any]]:
    """`monitor interval=30s start timeout=60s` holds two operations, as in pcs."""
    found: list[dict[str, Any]] = []
    for word in words:
        if "=" not in word:
            if word not in OPERATIONS:
                raise UsageError(f"op {word}: there is no such operation", hint=nearest(word, OPERATIONS))
            found.append({"name": word})
        elif not found:
            raise UsageError(f"op {word}: the operation's name comes first", hint=f"write: op monitor {word}")
        elif word.startswith("OCF_") and "=" in word:
            # An operation's own parameter, such as OCF_CHECK_LEVEL=20, which pcs writes in the same place.
            name, _, value = word.partition("=")
            found[-1].setdefault("params", {})[name] = value
        else:
            found[-1] |= _pairs([word], OPERATION_OPTIONS, "operation option")
    if not found:
        raise UsageError("op: the name of an operation is missing", hint="write: op monitor interval=30s")
    return found
