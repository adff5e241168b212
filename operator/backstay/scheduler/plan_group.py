"""A group's own marks: when its start begins and is done, when its stop begins and is done.

Members start in order and stop in reverse; each needs the one before it. The marks are what other resources'
orders refer to.
"""

from itertools import pairwise

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import Resource
from backstay.transition.graph import ActionKind

MARKS = ("start", "running", "stop", "stopped")


def plan_group(plan: Plan, group: Resource) -> None:
    """Make a group's marks, and tie its members to them and to each other."""
    start, running, stop, stopped = (mark(plan, group, name) for name in MARKS)
    plan.actions.relate(stopped, start)
    plan.actions.relate(stop, stopped)
    plan.actions.relate(start, running)
    for member in group.children:
        for act in plan.actions.of(member, "start"):
            plan.actions.relate(start, act, Bond.PULLS_FIRST)
            plan.actions.relate(act, running, Bond.PULLS_THEN | Bond.NEEDS)
        for act in plan.actions.of(member, "stop"):
            plan.actions.relate(stop, act, Bond.PULLS_FIRST)
            plan.actions.relate(act, stopped, Bond.PULLS_THEN | Bond.NEEDS)
    for earlier, later in pairwise(group.children):
        _start_in_order(plan, earlier, later)
    stopping = [member for member in group.children if plan.actions.of(member, "stop")]
    for earlier, later in pairwise(stopping):
        _stop_in_order(plan, earlier, later)


def mark(plan: Plan, resource: Resource, name: str) -> Act:
    """A pseudo action of a group or clone."""
    act = plan.actions.make(resource, name, node=None, kind=ActionKind.PSEUDO)
    act.pseudo = True
    return act


def _start_in_order(plan: Plan, earlier: Resource, later: Resource) -> None:
    """The later member starts after the earlier, and restarts with it."""
    starts = plan.actions.of(earlier, "start") or [placeholder(plan, earlier, "start")]
    for first in starts:
        for then in plan.actions.of(later, "start"):
            plan.actions.relate(first, then, Bond.NEEDS | Bond.PULLS_THEN)


def _stop_in_order(plan: Plan, earlier: Resource, later: Resource) -> None:
    """The later member stops before the earlier may."""
    for first in plan.actions.of(later, "stop"):
        for then in plan.actions.of(earlier, "stop"):
            plan.actions.relate(first, then, Bond.PULLS_FIRST | Bond.NEEDS)


def placeholder(plan: Plan, resource: Resource, operation: str) -> Act:
    """Stands for an action that will not happen, so that what needs it can not happen either."""
    act = plan.actions.make(resource, operation, node=None)
    act.placeholder = True
    act.required = True
    act.runnable = False
    return act
