"""What must be together can only start together: if the one can not start, neither can what must be with it."""

from backstay.scheduler.actions import Bond
from backstay.scheduler.colocations import Colocations, Link
from backstay.scheduler.plan import Plan
from backstay.scheduler.plan_group import mark
from backstay.scheduler.situation import Kind
from backstay.state.choices import Role
from backstay.state.score import INFINITY


def order_containers(plan: Plan) -> None:
    """What runs inside a container starts after it, stops before it, and restarts with it."""
    for leaf in plan.situation.leaves():
        if leaf.container is None:
            continue
        for first in plan.actions.of(leaf.container, "start"):
            for then in plan.actions.of(leaf, "start"):
                plan.actions.relate(first, then, Bond.NEEDS | Bond.PULLS_THEN)
        for first in plan.actions.of(leaf, "stop"):
            for then in plan.actions.of(leaf.container, "stop"):
                plan.actions.relate(first, then, Bond.NEEDS | Bond.PULLS_FIRST)


def tie_fates(plan: Plan, links: Colocations) -> None:
    """For every mandatory colocation, let the dependent's new start share the fate of the primary's."""
    for link in links.links:
        _make_way(plan, link)
        if link.score < INFINITY or Role.PROMOTED in (link.dependent_role, link.primary_role):
            continue
        if link.primary.parent is not None and link.primary.parent is link.dependent.parent:
            continue  # members of a group are ordered anyway
        for primary in link.primary.leaves():
            for first in plan.actions.of(primary, "start"):
                for dependent in link.dependent.leaves():
                    for then in plan.actions.of(dependent, "start"):
                        plan.actions.relate(first, then, Bond.NEEDS | Bond.NEW_ONLY | Bond.SILENT)


def _make_way(plan: Plan, link: Link) -> None:
    """What must not be where another is in some role starts there only after that role was given up."""
    if link.score > -INFINITY or link.primary.kind is not Kind.CLONE:
        return
    left_by = {Role.PROMOTED: "demoted", Role.UNPROMOTED: "promoted"}.get(link.primary_role or Role.STARTED)
    if left_by is None:
        return
    for leaf in link.dependent.leaves():
        for start in plan.actions.of(leaf, "start"):
            plan.actions.relate(mark(plan, link.primary, left_by), start)
