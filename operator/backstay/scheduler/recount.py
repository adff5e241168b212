"""Clones that lose some of their instances and are counted anew, and groups whose start is called
off.

Where others wait for enough instances, where an instance gives way because its interleaved partner
is missing, or where one is stopped that was just being started, a clone that still runs elsewhere
passes through its start marks again, although no instance starts: what waits for the clone learns
so that what is left counts as running. A group with a member that was just being started and is
stopped passes the mark of the start that was begun. Assumes that it is settled what happens.
"""

from backstay.scheduler.plan import Plan
from backstay.scheduler.plan_group import mark
from backstay.scheduler.situation import Kind, Resource


def plan_recounts(plan: Plan) -> None:
    """Let every such clone pass through its start marks."""
    awaited = {
        relation.first.resource.clone
        for act in plan.actions.acts
        if act.needs_any and act.resource is None
        for relation in act.before
        if relation.first.resource is not None
    }
    for clone in plan.situation.resources:
        if (
            clone.kind is Kind.CLONE
            and _shrinks(plan, clone)
            and (clone in awaited or _gives_way(plan, clone) or _is_called_off(plan, clone))
        ):
            _pass(plan, clone, "start", "running")
    for leaf in plan.situation.leaves():
        group = leaf.parent
        if group is not None and group.kind is Kind.GROUP and _is_called_off(plan, leaf):
            _pass(plan, group, "start")


def _pass(plan: Plan, resource: Resource, *marks: str) -> None:
    for name in marks:
        act = mark(plan, resource, name)
        act.required = act.runnable = act.recounted = True


def _is_called_off(plan: Plan, resource: Resource) -> bool:
    """Whether something in it is stopped whose start is still under way."""
    return any(
        act.required and act.runnable
        for leaf in resource.leaves()
        if leaf.starting
        for act in plan.actions.of(leaf, "stop")
    )


def _shrinks(plan: Plan, clone: Resource) -> bool:
    """Whether some instances stop while others stay."""
    acts = [act for leaf in clone.leaves() for act in plan.actions.of(leaf, "stop")]
    return any(act.required and act.runnable for act in acts) and any(not act.required for act in acts)


def _gives_way(plan: Plan, clone: Resource) -> bool:
    return any(act.inhibited for leaf in clone.leaves() for act in plan.actions.of(leaf, "start"))
