"""A clone's own marks around its instances: when starting begins and is done, when stopping begins and is done.

A clone counts as running when one instance runs; those that can not start do not stand in its way.
"""

from itertools import combinations

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.plan import Plan
from backstay.scheduler.plan_group import DONE, RISING, mark, order_marks
from backstay.scheduler.situation import Kind, Resource


def plan_clone(plan: Plan, clone: Resource) -> None:
    """Make a clone's marks and tie its instances to them."""
    promotable = bool(clone.meta.raw.promotable)
    for operation in tuple(DONE) if promotable else ("start", "stop"):
        _mark_instances(plan, clone, operation)
    order_marks(plan, clone, promotable=promotable)
    if clone.meta.raw.ordered:
        _in_order(plan, clone)


def _mark_instances(plan: Plan, clone: Resource, operation: str) -> None:
    begin, done = mark(plan, clone, operation), mark(plan, clone, DONE[operation])
    if operation in RISING:
        done.needs_any = 1
    if operation in ("start", "stop"):
        plan.actions.relate(begin, done, Bond.PULLS_THEN)
    for child in clone.children:
        if child.kind is Kind.GROUP:
            plan.actions.relate(begin, mark(plan, child, operation))
        for act in begins(plan, child, operation):
            plan.actions.relate(begin, act, Bond.PULLS_FIRST)
        for act in finishes(plan, child, operation):
            bond = Bond.PULLS_THEN | Bond.NEEDS if operation in RISING else Bond.PULLS_THEN
            plan.actions.relate(act, done, bond)


def begins(plan: Plan, child: Resource, operation: str) -> list[Act]:
    """The acts with which an instance's start or stop begins."""
    if child.kind is Kind.GROUP:
        return [mark(plan, child, operation)] if _acts(plan, child, operation) else []
    return plan.actions.of(child, operation)


def finishes(plan: Plan, child: Resource, operation: str) -> list[Act]:
    """The acts with which it is done."""
    if child.kind is Kind.GROUP:
        return [mark(plan, child, DONE[operation])] if _acts(plan, child, operation) else []
    return plan.actions.of(child, operation)


def _acts(plan: Plan, child: Resource, operation: str) -> bool:
    return any(plan.actions.of(leaf, operation) for leaf in child.leaves())


def _in_order(plan: Plan, clone: Resource) -> None:
    """Every pair, as what is between two instances may have nothing to do."""
    for earlier, later in combinations(clone.children, 2):
        for first in finishes(plan, earlier, "start"):
            for then in _begin(plan, later):
                plan.actions.relate(first, then)
        for first in finishes(plan, later, "stop"):
            for then in begins(plan, earlier, "stop"):
                plan.actions.relate(first, then)


def _begin(plan: Plan, child: Resource) -> list[Act]:
    """What begins an instance's start: of a group its mark, which may be passed although no member starts."""
    return [mark(plan, child, "start")] if child.kind is Kind.GROUP else begins(plan, child, "start")
