"""Live migration: instead of stopping here and starting there, hand a running resource over.

Planned when it is settled what moves. A resource is handed over if its agent allows it, if it is healthy, and if
nothing it depends on has to be started anew (handing that over as well is fine). The stop on the old node still
follows, to clean up; the start on the new one becomes a mark that others can wait for.
"""

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import NodeView, Resource
from backstay.state.choices import Role
from backstay.transition.graph import ActionKind


def plan_migrations(plan: Plan) -> None:
    """Turn moves into migrations where that is possible."""
    moving = {leaf: acts for leaf in plan.situation.leaves() if (acts := _move_of(plan, leaf)) is not None}
    while unfit := [leaf for leaf, (_, start) in moving.items() if _is_held_up(start, moving)]:
        for leaf in unfit:
            del moving[leaf]
    for leaf, (stop, start) in moving.items():
        _migrate(plan, leaf, stop, start)
    for leaf, (stop, start) in moving.items():
        _order(plan, leaf, stop, start, moving)


Moves = dict[Resource, tuple[Act, Act]]


def goes_on(leaf: Resource, target: NodeView | None) -> bool:
    """Whether a hand-over found half-way can be finished: its target is still where the resource shall be."""
    found = leaf.handover
    return (
        found is not None
        and found.source is not None
        and found.target is target
        and leaf.meta.allow_migrate
        and leaf.managed
        and not leaf.failed
        and set(leaf.active_on) == {found.source, found.target}
    )


def _move_of(plan: Plan, leaf: Resource) -> tuple[Act, Act] | None:
    """The stop and the start of a healthy resource that goes from one node to another."""
    target = plan.target(leaf)
    if not leaf.meta.allow_migrate or target is None or leaf.clone is not None or leaf.dangling:
        return None
    half = goes_on(leaf, target)
    if not half and (len(leaf.active_on) != 1 or leaf.handover is not None):
        return None
    source = leaf.active_on[0]
    if half and leaf.handover is not None and leaf.handover.source is not None:
        source = leaf.handover.source
    if source is target or leaf.failed or leaf.role is not Role.STARTED or not leaf.managed:
        return None
    if source.unclean or not source.online or leaf.activities[source.name].pending not in ("", "migrate_to"):
        return None
    stop = plan.actions.find(leaf, "stop", node=source)
    if half:
        there = plan.actions.find(leaf, "stop", node=target)
        if there is not None and there.required:
            return None  # something it depends on is restarted: both copies are stopped
    start = plan.actions.find(leaf, "start", node=target)
    if stop is None or start is None or not (stop.runnable and start.runnable):
        return None
    if not start.required and not half:
        return None
    return stop, start


def _is_held_up(start: Act, moving: Moves) -> bool:
    for relation in start.before:
        first = relation.first
        other = first.resource
        if other is None or other is start.resource or first.operation not in ("start", "promote"):
            continue
        if (
            first.required
            and first.kind is ActionKind.RESOURCE
            and other not in moving
            and _ties(relation.bond)
        ):
            return True
    return False


def _ties(bond: Bond) -> bool:
    return Bond.NEEDS in bond and Bond.SILENT not in bond


def _migrate(plan: Plan, leaf: Resource, stop: Act, start: Act) -> None:
    leave = plan.actions.make(leaf, "migrate_to", node=stop.node)
    arrive = plan.actions.make(leaf, "migrate_from", node=start.node)
    leave.required = leaf.handover is None  # else it has left already
    arrive.required = start.required = True
    leave.partner, arrive.partner = start.node, stop.node
    start.pseudo = True
    plan.actions.relate(leave, arrive, Bond.NEEDS)
    plan.actions.relate(arrive, stop, Bond.NEEDS)
    plan.actions.relate(arrive, start, Bond.NEEDS)


def _order(plan: Plan, leaf: Resource, stop: Act, start: Act, moving: Moves) -> None:
    leave = plan.actions.make(leaf, "migrate_to", node=stop.node)
    for relation in list(start.before):
        first = relation.first
        if Bond.SILENT in relation.bond or (first.resource is leaf and first.operation != "monitor"):
            continue
        if first.resource in moving and first.operation == "start":
            arrived = plan.actions.find(first.resource, "migrate_from", node=first.node)
            if arrived is not None:
                plan.actions.relate(arrived, leave)
        elif first.operation == "monitor" or first.kind is ActionKind.FENCING:
            plan.actions.relate(first, leave, Bond.NEEDS)
        elif first.operation.startswith("load_stopped_"):
            plan.actions.relate(first, leave)
    for relation in list(stop.before):
        first = relation.first
        waits = first.operation == "stop" and first.kind is ActionKind.RESOURCE and first.required
        if waits and first.resource is not leaf and first.resource not in moving:
            plan.actions.relate(first, leave)
