"""Clones that lose some of their instances and are counted anew.

Where others wait for enough instances, or where an instance gives way because its interleaved partner is missing, a
clone that still runs elsewhere passes through its start marks again, although no instance starts: what waits for
the clone learns so that what is left counts as running. Assumes that it is settled what happens.
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
            and (clone in awaited or _gives_way(plan, clone))
        ):
            for name in ("start", "running"):
                act = mark(plan, clone, name)
                act.required = act.runnable = act.recounted = True


def _shrinks(plan: Plan, clone: Resource) -> bool:
    """Whether some instances stop while others stay."""
    acts = [act for leaf in clone.leaves() for act in plan.actions.of(leaf, "stop")]
    return any(act.required and act.runnable for act in acts) and any(not act.required for act in acts)


def _gives_way(plan: Plan, clone: Resource) -> bool:
    return any(act.inhibited for leaf in clone.leaves() for act in plan.actions.of(leaf, "start"))
