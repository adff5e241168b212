"""Actions of one primitive: stop it where it shall not be, start it where it shall, watch it there.

Stops and starts that would only serve a restart are made too, as optional: something the resource depends
on may require them. A start never comes before every other copy is known to be stopped.
"""

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.changes import Change, definition_change
from backstay.scheduler.fencing import can_fence
from backstay.scheduler.migrate import goes_on
from backstay.scheduler.plan import Plan
from backstay.scheduler.plan_roles import is_promotable, plan_roles
from backstay.scheduler.recurring import plan_recurring
from backstay.scheduler.situation import Kind, NodeView, Resource
from backstay.state.choices import NoQuorumPolicy, OnFail, Requires, Role


def plan_primitive(plan: Plan, resource: Resource) -> None:
    """Make the acts of one primitive and the relations among them."""
    target = plan.target(resource)
    stops = [_plan_stop(plan, resource, node, target) for node in _to_stop(resource)]
    start = _plan_start(plan, resource, target, stops)
    for stop in stops:
        if start is None:
            continue
        bond = Bond.NEEDS
        if (stop.node is target or _is_spare(resource, stop.node)) and not start.pseudo:
            bond |= Bond.RESTART
        plan.actions.relate(stop, start, bond)
    if is_promotable(resource) or resource.role is Role.PROMOTED:
        plan_roles(plan, resource, target, start=start, stops=stops)
    _plan_change(plan, resource, target)
    plan_recurring(plan, resource, target, start=start, stops=stops)
    _plan_delete(plan, resource)


# -- stop


def _to_stop(resource: Resource) -> list[NodeView]:
    """Where it is active, and where a hand-over has left something to clean up."""
    if resource.role is Role.STOPPED:  # nothing is known to run there any more
        return resource.dangling
    here = [*resource.places, *(node for node in resource.active_on if node not in resource.places)]
    return here + [node for node in resource.dangling if node not in here]


def _is_spare(resource: Resource, node: NodeView | None) -> bool:
    """Whether a copy that does not count is there: it stops when the resource stops, and not before."""
    return node in resource.active_on and node not in resource.places


def _plan_stop(plan: Plan, resource: Resource, node: NodeView, target: NodeView | None) -> Act:
    stop = plan.actions.make(resource, "stop", node=node)
    if _must_stop(resource, node, target):
        stop.required = True
        stop.reason = _stop_reason(resource, target)
    if not resource.managed:
        stop.runnable = False
        stop.reason = stop.reason or "unmanaged"
    elif node.unclean:
        fence = plan.fencing.get(node.name)
        if fence is not None:
            stop.pseudo = True
            if not resource.is_fencing:
                plan.actions.relate(fence, stop, Bond.NEEDS)
        elif not node.online or not can_fence(plan, node):
            stop.runnable = False
            stop.obstacle = "the node can not be reached"
    elif not node.online:
        stop.runnable = False
        stop.obstacle = "the node can not be reached"
    return stop


def _must_stop(resource: Resource, node: NodeView, target: NodeView | None) -> bool:
    if _is_spare(resource, node):
        return target is None
    if node is not target or node in resource.dangling:
        return True
    if resource.handover is not None and not goes_on(resource, target):
        return True
    several = (resource.managed or resource.blocked) and len(resource.places) > 1
    if several and not resource.stop_unexpected and resource.handover is None:
        return True
    if resource.restart_wanted or (resource.role is Role.PROMOTED and not is_promotable(resource)):
        return True
    activity = resource.activities.get(node.name)
    if activity is None or not activity.failed or resource.stop_unexpected:
        return False
    return activity.on_fail is not OnFail.DEMOTE


def _stop_reason(resource: Resource, target: NodeView | None) -> str:
    return "node availability" if target is None else ""


# -- start


def _plan_start(plan: Plan, resource: Resource, target: NodeView | None, stops: list[Act]) -> Act | None:
    if target is None:
        return None
    start = plan.actions.make(resource, "start", node=target)
    running_there = target in resource.active_on
    start.again = running_there and resource.starting
    if (
        not running_there
        or resource.role is Role.STOPPED
        or any(stop.required and stop.node is target for stop in stops)
    ):
        start.required = True
    if not resource.managed:
        start.runnable = False
        start.reason = "unmanaged"
    elif not target.usable and not running_there:
        start.runnable = False
        start.reason = "node availability"
    if running_there and resource.stop_unexpected:
        start.required = start.pseudo = True
        start.reason = "being multiply active"
    _need_quorum(plan, resource, start)
    return start


def _need_quorum(plan: Plan, resource: Resource, start: Act) -> None:
    policy = plan.quorum_lost
    if policy is None or resource.meta.requires is Requires.NOTHING:
        return
    if policy is NoQuorumPolicy.DEMOTE and is_promotable(resource) and resource.active_on:
        return  # that it is demoted is enough
    match policy:
        case NoQuorumPolicy.STOP | NoQuorumPolicy.DEMOTE | NoQuorumPolicy.FENCE:
            start.required = True
            start.runnable = False
            start.reason = "no quorum"
            group = resource.parent
            if resource.active_on and resource.managed and group is not None and group.kind is Kind.GROUP:
                start.obstacle = start.reason  # the group begins to start again, and gets no further
        case NoQuorumPolicy.FREEZE:
            if start.required and not resource.active_on:
                start.runnable = False
                start.reason = "quorum freeze"
        case NoQuorumPolicy.IGNORE:
            return


# -- changes of the definition, removal


def _plan_change(plan: Plan, resource: Resource, target: NodeView | None) -> None:
    if target is None or target not in resource.active_on or not resource.managed:
        return
    stop = plan.actions.find(resource, "stop", node=target)
    start = plan.actions.find(resource, "start", node=target)
    if stop is None or start is None or stop.required:
        return
    match definition_change(plan.situation, resource, target):
        case Change.RESTART:
            stop.required = start.required = True
            stop.reason = start.reason = "resource definition change"
            if plan.quorum_lost is NoQuorumPolicy.FREEZE:
                start.runnable = False  # unlike a recovery this is a start like any other
        case Change.RELOAD:
            reload = plan.actions.make(resource, "reload-agent", node=target)
            reload.required = True
            reload.reason = "resource definition change"
            plan.actions.relate(stop, reload)
        case Change.NONE:
            return


def _plan_delete(plan: Plan, resource: Resource) -> None:
    """Forget what a removed resource, or one of another kind by the same name, did: once it is stopped
    everywhere. What failed is not forgotten: the failure may be all that tells of it."""
    if not resource.managed or resource.failed:
        return
    for activity in resource.noted:
        node = activity.node
        stays = plan.target(resource) is node or node not in resource.active_on
        if (
            not node.online
            or node.unclean
            or node.standby
            or not (resource.orphan or (activity.obsolete and stays))
        ):
            continue
        delete = plan.actions.make(resource, "delete", node=node)
        delete.required = True
        for stop in plan.actions.of(resource, "stop"):
            plan.actions.relate(stop, delete, Bond.NEEDS if stop.node is node else Bond.ORDER)
        for start in plan.actions.of(resource, "start"):
            plan.actions.relate(delete, start)
