"""Promote and demote: the acts that promotable instances have besides start and stop.

A promoted instance is demoted before it is stopped; one is promoted only once it runs, and once what was promoted
before in its place is demoted.
"""

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import NodeView, Resource
from backstay.state.choices import OnFail, Role


def is_promotable(resource: Resource) -> bool:
    """Whether it is an instance (or part of one) of a promotable clone."""
    clone = resource.clone
    return clone is not None and bool(clone.meta.raw.promotable)


def plan_roles(
    plan: Plan, resource: Resource, target: NodeView | None, *, start: Act | None, stops: list[Act]
) -> None:
    """Make the demote acts of what is promoted and the promote act of what shall be."""
    demotes = [
        _plan_demote(plan, resource, stop, target)
        for stop in stops
        if stop.node is not None and _is_promoted(resource, stop.node)
    ]
    if start is None or target is None or plan.placement.role.get(resource) is not Role.PROMOTED:
        return
    promote = plan.actions.make(resource, "promote", node=target)
    promote.required = start.required or not _is_promoted(resource, target)
    # What waits for quorum to start waits for it to be promoted: there is no telling who else was.
    promote.runnable = resource.managed and (start.runnable or start.reason != "no quorum")
    plan.actions.relate(start, promote, Bond.NEEDS | Bond.PULLS_THEN)
    for demote in demotes:
        bond = Bond.NEEDS
        if demote.node is target:
            bond |= Bond.RESTART
        plan.actions.relate(demote, promote, bond)
        if demote.required and demote.node is target:
            promote.required = True


def _is_promoted(resource: Resource, node: NodeView) -> bool:
    """Whether it is there, and promoted somewhere: of several copies none is trusted to be a lesser one."""
    activity = resource.activities.get(node.name)
    return activity is not None and activity.active and resource.role is Role.PROMOTED


def _plan_demote(plan: Plan, resource: Resource, stop: Act, target: NodeView | None) -> Act:
    node = stop.node
    assert node is not None
    demote = plan.actions.make(resource, "demote", node=node)
    stays = node is target and plan.placement.role.get(resource) is Role.PROMOTED
    activity = resource.activities[node.name]
    demote.required = stop.required or not stays or activity.on_fail is OnFail.DEMOTE
    demote.runnable = stop.runnable
    demote.pseudo = stop.pseudo
    if stop.pseudo and node.name in plan.fencing:
        plan.actions.relate(plan.fencing[node.name], demote, Bond.NEEDS)
    plan.actions.relate(demote, stop, Bond.NEEDS | Bond.PULLS_FIRST)
    return demote
