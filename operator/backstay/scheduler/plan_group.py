"""A group's own marks: when its start begins and is done, when its stop begins and is done.

Members start in order and stop in reverse; each needs the one before it. The marks are what other resources'
orders refer to. Groups in promotable clones have marks for promoting and demoting besides.
"""

from itertools import pairwise

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.plan import Plan
from backstay.scheduler.plan_roles import is_promotable
from backstay.scheduler.situation import Kind, Resource
from backstay.transition.graph import ActionKind

DONE = {"start": "running", "stop": "stopped", "promote": "promoted", "demote": "demoted"}
RISING = ("start", "promote")


def plan_group(plan: Plan, group: Resource) -> None:
    """Make a group's marks, and tie its members to them and to each other."""
    operations = tuple(DONE) if is_promotable(group) else ("start", "stop")
    for operation in operations:
        _mark_members(plan, group, operation)
    order_marks(plan, group, promotable=is_promotable(group))
    for operation in operations:
        if operation in RISING:
            for earlier, later in pairwise(group.children):
                _rise_in_order(plan, earlier, later, operation)
        else:
            if operation == "stop":
                _note_missing(plan, group)
            falling = [at for at, one in enumerate(group.children) if plan.actions.of(one, operation)]
            for at, then in pairwise(falling):
                _fall_in_order(
                    plan, group.children[at], group.children[then], operation, close=then == at + 1
                )


def _mark_members(plan: Plan, group: Resource, operation: str) -> None:
    begin, done = mark(plan, group, operation), mark(plan, group, DONE[operation])
    plan.actions.relate(begin, done)
    starts = operation == "start" and any(plan.actions.of(member, operation) for member in group.children)
    for member in group.children:
        for act in plan.actions.of(member, operation):
            plan.actions.relate(begin, act, Bond.PULLS_FIRST)
            plan.actions.relate(act, done, Bond.PULLS_THEN | Bond.NEEDS)
        if starts and not plan.actions.of(member, operation):  # it runs only if all of it does
            plan.actions.relate(placeholder(plan, member, operation), done, Bond.NEEDS)


def order_marks(plan: Plan, resource: Resource, *, promotable: bool) -> None:
    """Demoted before stopping, stopped before starting, running before promoting."""
    plan.actions.relate(mark(plan, resource, "stopped"), mark(plan, resource, "start"))
    if promotable:
        plan.actions.relate(mark(plan, resource, "demoted"), mark(plan, resource, "stop"))
        plan.actions.relate(mark(plan, resource, "demoted"), mark(plan, resource, "promote"))
        plan.actions.relate(mark(plan, resource, "demoted"), mark(plan, resource, "start"))
        plan.actions.relate(mark(plan, resource, "running"), mark(plan, resource, "promote"))
        plan.actions.relate(mark(plan, resource, "stopped"), mark(plan, resource, "promote"))


def mark(plan: Plan, resource: Resource, name: str) -> Act:
    """A pseudo action of a group or clone."""
    act = plan.actions.make(resource, name, node=None, kind=ActionKind.PSEUDO)
    act.pseudo = True
    return act


def is_begun(plan: Plan, resource: Resource, operation: str) -> bool:
    """Whether a group or clone begins an operation, although perhaps no member comes to do it."""
    begin = plan.actions.find(resource, operation, node=None)
    if begin is None or not begin.announced:
        return False
    acts = [act for leaf in resource.leaves() for act in plan.actions.of(leaf, operation)]
    return any(act.required and not act.barred for act in acts)


def _rise_in_order(plan: Plan, earlier: Resource, later: Resource, operation: str) -> None:
    """The later member starts after the earlier, and restarts with it."""
    firsts, thens = plan.actions.of(earlier, operation), plan.actions.of(later, operation)
    if thens and not firsts and operation == "start":
        firsts = [placeholder(plan, earlier, operation)]
    for first in firsts:
        for then in thens:
            plan.actions.relate(first, then, Bond.NEEDS | Bond.PULLS_THEN)


def _fall_in_order(plan: Plan, earlier: Resource, later: Resource, operation: str, *, close: bool) -> None:
    """The later member stops before the earlier may. If what is between them does not run (they are not close), it is
    not needed that it can."""
    bond = Bond.PULLS_FIRST | Bond.NEEDS | Bond.DOWN if close else Bond.ORDER
    for first in plan.actions.of(later, operation):
        for then in plan.actions.of(earlier, operation):
            plan.actions.relate(first, then, bond)


def _note_missing(plan: Plan, group: Resource) -> None:
    """What would have to stop first if it turned out to run."""
    for earlier, later in pairwise(group.children):
        if not plan.actions.of(later, "stop"):
            plan.after_stop_of.setdefault(later, []).extend(plan.actions.of(earlier, "stop"))


def placeholder(plan: Plan, resource: Resource, operation: str) -> Act:
    """Stands for an action that will not happen, so that what needs it can not happen either."""
    if resource.kind is Kind.PRIMITIVE:
        act = plan.actions.make(resource, operation, node=None)
    else:  # its own mark stays what it is: other instances may start
        act = plan.actions.add(Act(kind=ActionKind.PSEUDO, operation=operation, resource=resource))
    act.placeholder = True
    act.required = True
    act.runnable = False
    return act
