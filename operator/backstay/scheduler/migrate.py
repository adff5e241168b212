"""Live migration: instead of stopping here and starting there, hand a running resource over.

Before it is settled what happens, every move of a healthy resource whose agent allows it is marked as one that may be
handed over. Then these rules hold:

- What is handed over never stops running for those that depend on it: neither its start nor its stop makes anything
  outside its own group or clone restart.
- What must stop before something else does is not handed over if that something stops and comes back (and is not handed
  over itself): both have to be down at the same time. That something only starts, only stops, or comes later in an
  order without its inverse is no hindrance. A group comes back as a group, whether or not its members migrate.
- An order for a group or a clone concerns its marks; its members are handed over in its shadow.

The stop on the source still follows, to clean up; the start on the target becomes a mark that others can wait for.
Whatever the start would have waited for the hand-over waits for, and likewise what would have stopped before the stop:
except for others that are handed over, where the one's arrival comes before the other's leaving.
"""

from collections.abc import Iterator

from backstay.scheduler.actions import Act, ActionSet, Bond, Handing
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import NodeView, Resource
from backstay.state.choices import Role

_BACK = {"stop": "start", "demote": "promote"}


def mark_handings(plan: Plan) -> None:
    """Mark every move that may become a migration."""
    for leaf in plan.situation.leaves():
        if leaf.meta.allow_migrate:
            _mark_handing(plan, leaf)


def is_held_up(handing: Handing, actions: ActionSet) -> bool:
    """Whether it has to be stopped and started after all."""
    stop, start, there = handing.stop, handing.start, handing.there
    if not (stop.runnable and start.runnable) or (there is not None and there.required):
        return True
    return any(
        relation.then.required and not relation.then.handed_over and _comes_back(relation.then, actions)
        for relation in stop.after
        if Bond.DOWN in relation.bond and Bond.PLAIN not in relation.bond
    )


def _comes_back(act: Act, actions: ActionSet) -> bool:
    back = _BACK.get(act.operation)
    if act.resource is None or back is None or (act.handing is not None and act.handing.on):
        return False
    return any(one.required for one in actions.of(act.resource, back))


def plan_migrations(plan: Plan) -> None:
    """Make the acts of what is handed over, when it is settled what is."""
    handings = [
        act.handing
        for act in plan.actions.acts
        if act.handed_over and act.handing is not None and act is act.handing.stop
    ]
    for handing in handings:
        _migrate(plan, handing)
    for handing in handings:
        _order(plan, handing)


def goes_on(leaf: Resource, target: NodeView | None) -> bool:
    """Whether a hand-over found half-way can be finished: its target is still where the resource shall be."""
    found = leaf.handover
    return (
        found is not None
        and found.source is not None
        and found.target is target
        and leaf.meta.allow_migrate
        and leaf.managed
        and not (leaf.failed or leaf.starting)
        and set(leaf.active_on) == {found.source, found.target}
    )


def _mark_handing(plan: Plan, leaf: Resource) -> None:
    """Find the stop and the start of a healthy resource that goes from one node to another."""
    target = plan.target(leaf)
    if target is None or leaf.dangling or leaf.failed or not leaf.managed or leaf.role is Role.STOPPED:
        return
    half = goes_on(leaf, target)
    if not half and (len(leaf.active_on) != 1 or leaf.handover is not None):
        return
    source = leaf.active_on[0]
    if half and leaf.handover is not None and leaf.handover.source is not None:
        source = leaf.handover.source
    if source is target or source.unclean or not source.online:
        return
    if leaf.starting:
        return
    stop = plan.actions.find(leaf, "stop", node=source)
    start = plan.actions.find(leaf, "start", node=target)
    if stop is None or start is None or not (start.required or half):
        return
    there = plan.actions.find(leaf, "stop", node=target) if half else None
    stop.handing = start.handing = Handing(stop=stop, start=start, there=there)


def _leaf_of(handing: Handing) -> Resource:
    assert handing.stop.resource is not None
    return handing.stop.resource


def _migrate(plan: Plan, handing: Handing) -> None:
    leaf, stop, start = _leaf_of(handing), handing.stop, handing.start
    leave = plan.actions.make(leaf, "migrate_to", node=stop.node)
    arrive = plan.actions.make(leaf, "migrate_from", node=start.node)
    leave.required = leaf.handover is None  # else it has left already
    arrive.required = start.required = True
    leave.partner, arrive.partner = start.node, stop.node
    start.pseudo = True
    plan.actions.relate(leave, arrive, Bond.NEEDS)
    plan.actions.relate(arrive, stop, Bond.NEEDS)
    plan.actions.relate(arrive, start, Bond.NEEDS)


def _order(plan: Plan, handing: Handing) -> None:
    """Let the hand-over wait for what the start and the stop would wait for. An order that is only a wish does not make
    anything stop after it: the resource is not really stopped."""
    leaf = _leaf_of(handing)
    leave = plan.actions.make(leaf, "migrate_to", node=handing.stop.node)
    for first in list(_awaited(handing.start, leaf)):
        if first.handed_over and first.operation == "start" and first.resource is not None:
            arrived = plan.actions.find(first.resource, "migrate_from", node=first.node)
            if arrived is not None:
                plan.actions.relate(arrived, leave)
        elif not first.handed_over:
            plan.actions.relate(first, leave)
    for first in list(_awaited(handing.stop, leaf)):
        if not first.handed_over and first.operation != "start":
            plan.actions.relate(first, leave)
    for relation in list(handing.stop.after):
        then = relation.then
        if then.operation in _BACK and Bond.NEEDS not in relation.bond and then.resource is not leaf:
            handing.stop.after.remove(relation)
            then.before.remove(relation)


def _awaited(act: Act, leaf: Resource) -> Iterator[Act]:
    for relation in act.before:
        first = relation.first
        if (relation.bond & (Bond.SILENT | Bond.PLAIN)) or first is act:
            continue
        own = first.resource is not None and first.resource.holds(leaf)
        if not own or (first.operation == "monitor" and first.resource is leaf):
            yield first
