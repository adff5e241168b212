"""A clone's own marks around its instances: when starting begins and is done, when stopping begins and is done.

A clone counts as running when one instance runs; those that can not start do not stand in its way.
"""

from itertools import pairwise

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.plan import Plan
from backstay.scheduler.plan_group import MARKS, mark
from backstay.scheduler.situation import Kind, Resource


def plan_clone(plan: Plan, clone: Resource) -> None:
    """Make a clone's marks and tie its instances to them."""
    start, running, stop, stopped = (mark(plan, clone, name) for name in MARKS)
    running.needs_any = 1
    plan.actions.relate(stopped, start)
    plan.actions.relate(stop, stopped)
    plan.actions.relate(start, running)
    for child in clone.children:
        for act in begins(plan, child, "start"):
            plan.actions.relate(start, act, Bond.PULLS_FIRST)
        for act in done(plan, child, "start"):
            plan.actions.relate(act, running, Bond.PULLS_THEN | Bond.NEEDS)
        for act in begins(plan, child, "stop"):
            plan.actions.relate(stop, act, Bond.PULLS_FIRST)
        for act in done(plan, child, "stop"):
            plan.actions.relate(act, stopped, Bond.PULLS_THEN)
    if clone.meta.raw.ordered:
        _in_order(plan, clone)


_DONE = {"start": "running", "stop": "stopped"}


def begins(plan: Plan, child: Resource, operation: str) -> list[Act]:
    """The acts with which an instance's start or stop begins."""
    if child.kind is Kind.GROUP:
        return [mark(plan, child, operation)] if _acts(plan, child, operation) else []
    return plan.actions.of(child, operation)


def done(plan: Plan, child: Resource, operation: str) -> list[Act]:
    """The acts with which it is done."""
    if child.kind is Kind.GROUP:
        return [mark(plan, child, _DONE[operation])] if _acts(plan, child, operation) else []
    return plan.actions.of(child, operation)


def _acts(plan: Plan, child: Resource, operation: str) -> bool:
    return any(plan.actions.of(leaf, operation) for leaf in child.leaves())


def _in_order(plan: Plan, clone: Resource) -> None:
    for earlier, later in pairwise(clone.children):
        for first in done(plan, earlier, "start"):
            for then in begins(plan, later, "start"):
                plan.actions.relate(first, then)
        for first in done(plan, later, "stop"):
            for then in begins(plan, earlier, "stop"):
                plan.actions.relate(first, then)
