"""Shutdown locks: what ran on a node that was cleanly shut down waits for that node, instead of moving.

Documented under `shutdown-lock` and `shutdown-lock-limit`: only primitives outside of clones are locked, and no fence
devices. A lock is recorded in the node's history when the node goes; it ends when the resource runs again, or, with a
limit, that long after the shutdown began. A node that must be cut off did not shut down cleanly: it locks nothing.
"""

from backstay.numerals import whole
from backstay.scheduler.actions import Act
from backstay.scheduler.contributions import Reason
from backstay.scheduler.locations import Scores
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import Activity, NodeView, Resource, Situation
from backstay.state.score import INFINITY
from backstay.transition.graph import ActionKind


def recall_locks(situation: Situation) -> None:
    """Take the recorded locks that still hold out of the histories."""
    if not situation.properties.shutdown_lock:
        return
    for leaf in situation.leaves():
        if not _is_lockable(leaf) or leaf.active_on:
            continue
        held = [one for one in leaf.noted if _holds(situation, one)]
        newest = max(held, key=_locked_at, default=None)
        if newest is not None:
            leaf.lock_node = newest.node


def apply_locks(scores: Scores) -> None:
    """Lock what runs on nodes that are leaving, and ban everything locked from all other nodes."""
    situation = scores.situation
    if not situation.properties.shutdown_lock:
        return
    for leaf in situation.leaves():
        if not _is_lockable(leaf):
            continue
        if len(leaf.active_on) == 1 and leaf.active_on[0].node.shutdown and not leaf.active_on[0].unclean:
            leaf.lock_node = leaf.active_on[0]
        if leaf.lock_node is None:
            continue
        for node in situation.nodes:
            if node is not leaf.lock_node:
                scores.add(leaf, node, -INFINITY, reason=Reason.LOCK, source=leaf.lock_node.name)


def plan_lock_removal(plan: Plan) -> None:
    """Forget recorded locks that have run out."""
    if not plan.situation.properties.shutdown_lock:
        return
    for leaf in plan.situation.leaves():
        for activity in leaf.noted:
            if not _is_lockable(leaf) or activity.history.shutdown_lock_at is None:
                continue
            if _has_run_out(plan.situation, activity):
                act = Act(
                    kind=ActionKind.CLUSTER,
                    operation="lrm_delete",
                    resource=leaf,
                    node=activity.node,
                    required=True,
                    reason="its shutdown lock has run out",
                )
                plan.actions.add(act)


def lock_ends(situation: Situation, leaf: Resource) -> float | None:
    """When a resource's lock runs out by itself (epoch seconds); None if it is not locked, or for ever."""
    limit_ms = situation.properties.shutdown_lock_limit_ms
    if leaf.lock_node is None or limit_ms <= 0:
        return None
    activity = leaf.activities.get(leaf.lock_node.name)
    since = None if activity is None else activity.history.shutdown_lock_at
    since = _shutdown_began(leaf.lock_node) if since is None else since
    return None if since is None else since + limit_ms / 1000


def _is_lockable(leaf: Resource) -> bool:
    return leaf.clone is None and not leaf.is_fencing and not leaf.orphan


def _locked_at(activity: Activity) -> float:
    return activity.history.shutdown_lock_at or 0.0


def _holds(situation: Situation, activity: Activity) -> bool:
    return (
        activity.history.shutdown_lock_at is not None
        and not activity.node.unclean
        and not _has_run_out(situation, activity)
    )


def _has_run_out(situation: Situation, activity: Activity) -> bool:
    limit_ms = situation.properties.shutdown_lock_limit_ms
    return limit_ms > 0 and situation.state.now > _locked_at(activity) + limit_ms / 1000


def _shutdown_began(node: NodeView) -> float | None:
    """The time that a node gave when it asked to leave."""
    text = node.node.transient.get("shutdown", "")
    return float(whole(text) or 0) or None
