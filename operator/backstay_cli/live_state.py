"""The scheduler's input for the live cluster, as near to the DC's own as the published objects allow. Pure.

The DC judges nodes by leases that it watches itself; here its published verdicts (HANode.status) are taken. Moves in progress are the
DC's secret, so they are not in it. Everything else comes from the same `assemble` that the DC uses.
"""

from __future__ import annotations

from collections.abc import Mapping

from backstay.api import HANode, HANodePlan
from backstay.liveness.quorum import has_quorum
from backstay.state.assemble import Assembly, NodeJudgement, Objects, assemble
from backstay.state.cluster import ClusterState
from backstay_cli.view import View

_HEARD = ("Online", "Standby", "Maintenance", "Stopped", "Leaving", "Pending")
NodeLabels = Mapping[str, Mapping[str, str]]


def live_assembly(view: View, *, node_labels: NodeLabels) -> Assembly:
    """Needs a view with plans, constraints and fencing."""
    objects = live_objects(view, node_labels=node_labels)
    plans = objects.plans
    judgements = {node.metadata.name: _judgement(node, plans.get(node.metadata.name)) for node in view.nodes}
    return assemble(
        objects, judgements=judgements, now=view.now, quorum=view.cluster.status.quorum is not False
    )


def live_objects(view: View, *, node_labels: NodeLabels) -> Objects:
    """What the view holds, for the core."""
    return Objects(
        cluster=view.cluster,
        nodes=view.nodes,
        resources=view.resources,
        groups=view.groups,
        constraints=view.constraints,
        devices=view.fence_devices,
        plans={plan.metadata.name: plan for plan in view.plans},
        node_labels=node_labels,
        leaving={
            node.metadata.name: node.status.reason for node in view.nodes if node.status.state == "Leaving"
        },
    )


def quorum_after(state: ClusterState, *, down: tuple[str, ...], up: tuple[str, ...]) -> bool:
    """Whether the nodes that are heard would still be a quorum, counted as the DC counts."""
    alive = {node.name for node in state.nodes if node.online and not node.unclean}
    alive = (alive | set(up)) - set(down)
    return has_quorum(members=len(state.nodes), alive=len(alive))


def _judgement(node: HANode, plan: HANodePlan | None) -> NodeJudgement:
    state = node.status.state
    boot = node.status.boot_id
    counts = plan is not None and bool(boot) and plan.status.boot_id == boot
    return NodeJudgement(
        name=node.metadata.name,
        online=state in _HEARD,
        unclean=state == "Unclean",
        pending=state == "Pending" and not counts,
        frozen=state == "Pending" and counts,
        seen=bool(boot),
        reason=node.status.reason,
        history_counts=counts,
        released=state in ("Unclean", "Offline"),
        fence_requested=_fence_requested(node),
    )


def _fence_requested(node: HANode) -> bool:
    answered = {ack.id for ack in node.status.requests if ack.state != "Accepted"}
    return any(
        wish.type == "fence" and wish.action != "on" and wish.id not in answered
        for wish in node.spec.requests
    )
