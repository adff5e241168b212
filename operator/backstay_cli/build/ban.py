"""Bans: location constraints of -INFINITY that `resource ban` makes and `resource clear` finds again by their label. Pure.

A lifetime is a date rule, so it ends by itself, by the cluster's clock, whether or not anybody clears it; the annotation is for people.
"""

from __future__ import annotations

from typing import Any

from backstay.api import HAConstraint
from backstay.api.quantities import duration_ms, timestamp, timestamp_seconds
from backstay_cli.build.names import ban_name
from backstay_cli.errors import UsageError

LABEL = "ha.backstay.io/created-by"
LABEL_VALUE = "kubectl-ha-ban"
EXPIRES = "ha.backstay.io/expires"


def lifetime_s(text: str) -> float:
    """Seconds of a --lifetime. Raises UsageError."""
    try:
        seconds = duration_ms(text) / 1000
    except ValueError as error:
        raise UsageError(f"--lifetime: {error}") from None
    if seconds <= 0:
        raise UsageError("--lifetime: it must be longer than nothing")
    return seconds


def ban_manifest(
    *, resource: str, namespace: str, node: str, now: float, lifetime: float | None
) -> dict[str, Any]:
    """The constraint. `resource` is an object name (or the id of an inline member)."""
    metadata: dict[str, Any] = {
        "name": ban_name(resource.lower().replace("_", "-"), node),
        "namespace": namespace,
        "labels": {LABEL: LABEL_VALUE},
    }
    location: dict[str, Any] = {"resource": resource}
    if lifetime is None:
        location |= {"node": node, "score": "-INFINITY"}
    else:
        end = f"{timestamp(round(now + lifetime)).partition('.')[0]}Z"  # whole seconds, as date rules are written
        metadata["annotations"] = {EXPIRES: end}
        location["rules"] = [
            {
                "score": "-INFINITY",
                "booleanOp": "and",
                "expressions": [
                    {"attribute": "#uname", "operation": "eq", "value": node, "type": "string"},
                    {"operation": "lt", "end": end},
                ],
            }
        ]
    return {
        "apiVersion": "ha.backstay.io/v1alpha1",
        "kind": "HAConstraint",
        "metadata": metadata,
        "spec": {"location": location},
    }


def is_ban(constraint: HAConstraint) -> bool:
    return constraint.metadata.labels.get(LABEL) == LABEL_VALUE


def banned_node(constraint: HAConstraint) -> str:
    """Where it keeps its resource away from."""
    location = constraint.spec.location
    if location is None:
        return ""
    if location.node is not None:
        return location.node
    values = [e.value for rule in location.rules or () for e in rule.expressions if e.attribute == "#uname"]
    return next((value for value in values if value), "")


def is_expired(constraint: HAConstraint, now: float) -> bool:
    text = constraint.metadata.annotations.get(EXPIRES)
    try:
        return text is not None and timestamp_seconds(text) <= now
    except ValueError:
        return False
