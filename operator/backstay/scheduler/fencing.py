"""Cutting off nodes that may run anything, and taking leave of those that asked to go.

A partition may fence if it has quorum, or is told to ignore the lack of it; without quorum it may still
fence its own members. The DC goes last, for nobody would be left to see the others through.
"""

import itertools

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import NodeView, Resource
from backstay.state.choices import NodeKind, NoQuorumPolicy, Requires
from backstay.transition.graph import ActionKind


def can_fence(plan: Plan, node: NodeView) -> bool:
    """Whether this partition may fence that node."""
    properties = plan.situation.properties
    if not properties.fencing_enabled or not node.fence:
        return False
    if plan.quorate or properties.no_quorum_policy is NoQuorumPolicy.IGNORE:
        return True
    return node.online


def plan_fencing(plan: Plan) -> None:
    """A fencing action for every node that needs one."""
    acts = []
    for node in plan.situation.nodes:
        if node.node.kind is NodeKind.MEMBER and node.unclean and can_fence(plan, node):
            acts.append(_fence(plan, node))
    dc = plan.situation.state.dc
    last = [act for act in acts if act.node is not None and act.node.name == dc]
    others = [act for act in acts if act not in last]
    for act in last:
        for other in others:
            plan.actions.relate(other, act)
    if not plan.situation.properties.concurrent_fencing:
        for first, then in itertools.pairwise(others):
            plan.actions.relate(first, then)


def _fence(plan: Plan, node: NodeView) -> Act:
    properties = plan.situation.properties
    act = plan.actions.add(
        Act(
            kind=ActionKind.FENCING,
            operation="stonith",
            node=node,
            required=True,
            fencing_action=node.node.fence_action or properties.fencing_action,
            reason=node.fence_reason,
            timeout_ms=properties.fencing_timeout_ms,
        )
    )
    plan.fencing[node.name] = act
    return act


def plan_starts_after_fencing(plan: Plan) -> None:
    """What requires fencing starts only when every unclean node is cut off; the rest waits for those nodes of
    which it is not known whether they run it."""
    unclean = [node for node in plan.situation.nodes if node.unclean and node.node.kind is NodeKind.MEMBER]
    if not unclean:
        return
    for leaf in plan.situation.leaves():
        starts = plan.actions.of(leaf, "start") + plan.actions.of(leaf, "promote")
        for start in starts:
            _after_fencing(plan, leaf, start, unclean)


def _after_fencing(plan: Plan, leaf: Resource, start: Act, unclean: list[NodeView]) -> None:
    for node in unclean:
        fence = plan.fencing.get(node.name)
        match leaf.meta.requires:
            case Requires.FENCING | Requires.UNFENCING:
                if fence is None:
                    if start.required and start.runnable:
                        start.runnable = False
                        start.obstacle = "node fencing"
                else:
                    plan.actions.relate(fence, start, Bond.NEEDS)
            case Requires.QUORUM:
                if fence is not None and not leaf.is_known_on(node):
                    plan.actions.relate(fence, start, Bond.NEEDS)
            case Requires.NOTHING:
                continue


def plan_stops_by_fencing(plan: Plan) -> None:
    """A group or clone begins to stop what a node takes down with it only when that node is cut off."""
    for leaf in plan.situation.leaves():
        if leaf.top is leaf or leaf.is_fencing or leaf.meta.requires in (Requires.QUORUM, Requires.NOTHING):
            continue
        for stop in plan.actions.of(leaf, "stop"):
            fence = None if stop.node is None or not stop.pseudo else plan.fencing.get(stop.node.name)
            if fence is not None:
                for mark in plan.actions.of(leaf.top, "stop"):
                    plan.actions.relate(fence, mark)


def plan_shutdown(plan: Plan) -> None:
    """A node that asked to leave is let go once nothing has to be stopped on it any more."""
    for node in plan.situation.nodes:
        if not (node.node.shutdown and node.online) or node.name in plan.fencing:
            continue
        act = plan.actions.add(
            Act(kind=ActionKind.CLUSTER, operation="do_shutdown", node=node, required=True)
        )
        for leaf in plan.situation.leaves():
            stop = plan.actions.find(leaf, "stop", node=node)
            if stop is not None and (leaf.managed or (leaf.blocked and not leaf.maintained)):
                plan.actions.relate(stop, act, Bond.NEEDS)
