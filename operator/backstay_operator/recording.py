"""The HANode's condition that says whether its host takes records of operations."""

from __future__ import annotations

from backstay.api import HANode
from backstay.coordinator.membership import NodeView
from backstay_operator.validation import Status, condition


def recording_condition(node: HANode, view: NodeView, now: float) -> Status:
    """Whether its host's disk takes the records without which nothing is started."""
    trouble = view.recording_trouble
    return condition(
        node,
        node.status.conditions,
        type_="Recording",
        ok=not trouble,
        reason="DiskTrouble" if trouble else "Recorded",
        message=f"nothing is started there; what runs stays, and stops go on: {trouble}" if trouble else "",
        now=now,
    )
