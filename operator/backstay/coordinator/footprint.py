"""What may be active on a node, by its plan: its history, its pending operations, and actions without an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.api import HANodePlan
from backstay.state.choices import WITHOUT_FENCING, Requires

_INACTIVE_RC = 7
_OF_NO_RESOURCE = ("monitor", "meta-data", "fence")
"""Verbs that make nothing active where they run; a fence order names a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What may run on a node, by its plan."""

    resources: frozenset[str]
    only_free: bool


def footprint_of(plan: HANodePlan | None, requires: Mapping[str, Requires]) -> Footprint:
    """Everything that may be active by the node's history, its pending operations, and orders without an answer."""
    if plan is None:
        return Footprint(resources=frozenset(), only_free=True)
    newest: dict[str, tuple[int, bool]] = {}
    for record in plan.status.history:
        if record.operation not in (
            "start",
            "stop",
            "monitor",
            "promote",
            "demote",
            "migrate_from",
            "migrate_to",
        ):
            continue
        stopped = (record.operation == "stop" and record.rc == 0) or (
            record.operation == "monitor" and record.rc == _INACTIVE_RC
        )
        missing = record.status == "NotInstalled"
        if record.call_id >= newest.get(record.resource, (-1, False))[0]:
            newest[record.resource] = (record.call_id, not (stopped or missing))
    active = {resource for resource, (_, runs) in newest.items() if runs}
    active |= {pending.resource for pending in plan.status.pending if pending.verb not in _OF_NO_RESOURCE}
    answered = {result.id for result in plan.status.results}
    active |= {
        action.resource
        for action in plan.spec.actions
        if action.verb in ("start", "promote", "migrate_from") and action.id not in answered
    }
    active.discard("")
    free = all(requires.get(resource, Requires.FENCING) in WITHOUT_FENCING for resource in active)
    return Footprint(resources=frozenset(active), only_free=free)
