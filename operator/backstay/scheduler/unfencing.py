"""Unfencing: some fence devices must let a node in again before it may do anything.

A node that no such device has let in yet is let in before the first action there of a resource that needs it. One that
was let in by a device that is defined differently today is let in anew: what needs it is stopped before and started after.
"""

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.changes import Change, definition_change
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import NodeView, Resource
from backstay.state.choices import NodeKind, Requires
from backstay.state.node import UNFENCED
from backstay.transition.graph import ActionKind


def plan_unfencing(plan: Plan) -> None:
    """A fencing action `on` for every node that needs it, before what needs it there."""
    if not plan.situation.properties.fencing_enabled:
        return
    devices = [leaf for leaf in plan.situation.leaves() if unfences(leaf)]
    if not devices and not plan.situation.state.unfencing_devices:
        return
    for node in plan.situation.nodes:
        if not node.online or node.unclean or node.node.kind is not NodeKind.MEMBER:
            continue
        if node.node.attribute(UNFENCED) not in (None, "0", ""):
            _let_in_anew(plan, node, devices)
            continue
        waiting = [act for act in plan.actions.acts if act.node is node and _needs_it(act, devices)]
        if waiting:
            first = min(waiting, key=lambda act: (act.operation != "monitor", act.sequence))
            act = _let_in(plan, node, reason=f"required by {first.name}")
            for then in waiting:
                plan.actions.relate(act, then, Bond.NEEDS)


def _let_in_anew(plan: Plan, node: NodeView, devices: list[Resource]) -> None:
    changed = [
        one
        for one in devices
        if node in one.active_on and definition_change(plan.situation, one, node) is Change.RESTART
    ]
    if not changed:
        return
    act = _let_in(plan, node, reason="Device parameters changed")
    for leaf in plan.situation.leaves():
        if leaf not in changed and leaf.meta.requires is not Requires.UNFENCING:
            continue
        for start in plan.actions.of(leaf, "start"):
            if start.node is node:
                plan.actions.relate(act, start, Bond.NEEDS | Bond.PULLS_THEN)
        for stop in () if leaf in changed else plan.actions.of(leaf, "stop"):
            if stop.node is node:
                plan.actions.relate(stop, act)


def unfences(leaf: Resource) -> bool:
    """Whether this is a device that nodes must be let in by."""
    return leaf.is_fencing and "unfencing" in leaf.meta.raw.extra.get("provides", "")


def _needs_it(act: Act, devices: list[Resource]) -> bool:
    resource = act.resource
    if resource is None or not act.required or act.kind is not ActionKind.RESOURCE:
        return False
    if act.operation not in ("start", "promote") and not (act.operation == "monitor" and not act.interval_ms):
        return False
    return resource in devices or resource.meta.requires is Requires.UNFENCING


def _let_in(plan: Plan, node: NodeView, *, reason: str) -> Act:
    act = plan.actions.add(
        Act(
            kind=ActionKind.FENCING,
            operation="stonith",
            node=node,
            required=True,
            fencing_action="on",
            reason=reason,
            timeout_ms=plan.situation.properties.fencing_timeout_ms,
        )
    )
    plan.unfencing.append(act)
    return act
