"""Which nodes guard nothing any more: an administrator wants them down, and nothing is left there that anybody is responsible for.

Such a node has no watchdog armed (operator/design/0005), so its pods may go, and its host be switched off, without a reset. If the
whole cluster is shut down it is let go: its heartbeat ends with its agent. A single node that is stopped goes on to vote, so its
heartbeat must outlive a restart of its agent as ever. Judged anew with every step, and only of nodes that answer: what was told to
one that has fallen silent stands, or it would come back for nothing.
"""

from __future__ import annotations

from backstay.api import HANode, HANodePlan
from backstay.coordinator.membership import Membership, NodeView
from backstay.scheduler.situation import Resource, Situation
from backstay.state.assemble import Objects


def unguarded_nodes(objects: Objects, membership: Membership, situation: Situation) -> frozenset[str]:
    """By name, of those that answer."""
    everybody = objects.cluster.spec.shutdown
    leaving = {one.metadata.name: one for one in objects.nodes if everybody or one.spec.shutdown}
    if not leaving:
        return frozenset()
    leaves = {key: leaf for leaf in situation.leaves() for key in (leaf.base_id, leaf.id)}
    return frozenset(
        name
        for name, view in membership.nodes.items()
        if name in leaving
        and view.usable
        and all(_is_left(leaves.get(one), leaving[name]) for one in view.may_run)
    )


def _is_left(leaf: Resource | None, node: HANode) -> bool:
    """Whether it is meant to stay as it is, without the cluster. What could not be stopped is not."""
    if leaf is None:
        return False
    return leaf.meta.maintenance or node.spec.maintenance or (not leaf.meta.is_managed and not leaf.blocked)


def has_gone_along(view: NodeView, plan: HANodePlan | None) -> bool:
    """Whether the node knows that it is let go, and its renewals tell of no watchdog any more."""
    if plan is None or not plan.spec.dismissed or view.watchdog is not None:
        return False
    return plan.status.observed_generation >= plan.metadata.generation
