"""What must be together can only start together: if the one can not start, neither can what must be with it."""

from backstay.scheduler.actions import Bond
from backstay.scheduler.causes import Why
from backstay.scheduler.colocations import Colocations, Link
from backstay.scheduler.orders import End, ends
from backstay.scheduler.plan import Plan
from backstay.state.choices import OrderAction, Role
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
                plan.actions.relate(first, then, Bond.NEEDS | Bond.PULLS_FIRST | Bond.DOWN)


def tie_fates(plan: Plan, links: Colocations) -> None:
    """For every mandatory colocation, let the dependent's new start share the fate of the primary's."""
    for link in links.links:
        with plan.actions.because(Why.APART, link.id):
            _make_way(plan, link)
        if link.score < INFINITY:
            continue
        if link.primary.parent is not None and link.primary.parent is link.dependent.parent:
            continue  # members of a group are ordered anyway
        needed = "promote" if link.primary_role is Role.PROMOTED else "start"
        wanted = "promote" if link.dependent_role is Role.PROMOTED else "start"
        for primary in link.primary.leaves():
            if primary.blocked:
                continue  # it is there, and left as it is
            for first in plan.actions.of(primary, needed):
                for dependent in link.dependent.leaves():
                    for then in plan.actions.of(dependent, wanted):
                        if primary.clone is None or first.node is then.node:
                            plan.actions.relate(first, then, Bond.NEEDS | Bond.NEW_ONLY | Bond.SILENT)


_RISES = {Role.PROMOTED: OrderAction.PROMOTE, Role.UNPROMOTED: OrderAction.DEMOTE}
_FALLS = {Role.PROMOTED: OrderAction.DEMOTE, Role.UNPROMOTED: OrderAction.PROMOTE}


def _make_way(plan: Plan, link: Link) -> None:
    """What must not be where another is comes only after that other has left, whichever of the two it is. Leaving a
    role is to stop, or to be demoted (or promoted) out of it."""
    if link.score > -INFINITY:
        return
    dependent = (link.dependent, link.dependent_role or Role.STARTED)
    primary = (link.primary, link.primary_role or Role.STARTED)
    for (leaver, left), (comer, taken) in ((dependent, primary), (primary, dependent)):
        falls = End(leaver, _FALLS.get(left, OrderAction.STOP))
        firsts = ends(plan, falls, done=True)
        if falls.action is OrderAction.STOP:
            firsts = firsts + [act for act in plan.actions.of(leaver, "monitor") if act.required]
        for then in ends(plan, End(comer, _RISES.get(taken, OrderAction.START)), done=False):
            for first in firsts:
                if first.node is None or then.node is None or first.node is then.node:
                    plan.actions.relate(first, then, Bond.PLAIN)
