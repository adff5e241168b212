"""What a node's status says in words: its state, the reason, and the version that its agent reported. Pure."""

from __future__ import annotations

from backstay.api import HACluster, HANode, HANodePlan
from backstay.coordinator.leaving import leaving_words
from backstay.coordinator.membership import NodeView
from backstay.liveness.nodes import NodeCondition

REPORT_LOST = "ReportLost"
"""Reason of the Ready condition while nobody knows what the node reported (design note 0013)."""


def node_state(cluster: HACluster, node: HANode, view: NodeView, *, leaving: bool = False) -> str:
    """One word: life first, then wishes."""
    condition = view.verdict.condition
    if condition is not NodeCondition.ONLINE:
        return str(condition.value)
    if leaving:
        return "Leaving"
    if node.spec.shutdown or cluster.spec.shutdown:
        return "Stopped"
    if node.spec.standby:
        return "Standby"
    return "Maintenance" if node.spec.maintenance else "Online"


def node_reason(view: NodeView, why: str) -> str:
    """Why it is in its state. `why`: it is to leave; empty where it is not."""
    # A status that counts seconds would be written every second.
    reason = view.verdict.reason.split(" for ", maxsplit=1)[0]
    if not why:
        return reason
    return leaving_words(view, why) if view.usable else f"{reason}; it leaves the cluster: {why}"


def reported_version(node: HANode, view: NodeView, plan: HANodePlan | None) -> str:
    """Of its agent. It stays while the report is lost: by this a DC that follows knows that there was one."""
    if plan is not None and plan.status.boot_id:
        return plan.status.agent_version
    return node.status.agent_version if view.lost else ""
