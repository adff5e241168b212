"""Order constraints, turned into relations between actions.

For a primitive the action itself is what the constraint names. For a group the marks around its members
are: "start the group, then X" waits for the mark that all members run, "X, then start the group" holds back
the mark that begins it.
"""

from itertools import pairwise

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.plan import Plan
from backstay.scheduler.plan_group import mark, placeholder
from backstay.scheduler.situation import Kind, Resource
from backstay.state.choices import OrderAction, OrderKind
from backstay.state.constraint import Order, OrderSet

_DONE = {"start": "running", "stop": "stopped", "promote": "promoted", "demote": "demoted"}
_INVERSE = {
    OrderAction.START: OrderAction.STOP,
    OrderAction.STOP: OrderAction.START,
    OrderAction.PROMOTE: OrderAction.DEMOTE,
    OrderAction.DEMOTE: OrderAction.PROMOTE,
}


def plan_orders(plan: Plan) -> None:
    """Relations for every order constraint."""
    for constraint in plan.situation.state.constraints:
        if isinstance(constraint, Order):
            _plan_order(plan, constraint)
        elif isinstance(constraint, OrderSet):
            for one in expand_set(constraint):
                _plan_order(plan, one)


def _plan_order(plan: Plan, order: Order) -> None:
    first, then = plan.situation.by_id.get(order.first), plan.situation.by_id.get(order.then)
    if first is None or then is None:
        return
    symmetrical = order.kind is not OrderKind.SERIALIZE if order.symmetrical is None else order.symmetrical
    then_action = order.then_action or order.first_action
    forward = Relating(plan, kind=order.kind, symmetrical=symmetrical)
    forward.tie(first, order.first_action, then, then_action)
    if symmetrical and order.kind is not OrderKind.SERIALIZE:
        backward = Relating(plan, kind=order.kind, symmetrical=symmetrical, inverse=True)
        backward.tie(then, _INVERSE[then_action], first, _INVERSE[order.first_action])


class Relating:
    """Ties the acts of two resources by one order."""

    def __init__(self, plan: Plan, *, kind: OrderKind, symmetrical: bool, inverse: bool = False) -> None:
        self.plan = plan
        self.kind = kind
        self.symmetrical = symmetrical
        self.inverse = inverse

    def tie(
        self, first: Resource, first_action: OrderAction, then: Resource, then_action: OrderAction
    ) -> None:
        """Relate every act of the one with every act of the other."""
        firsts = ends(self.plan, first, first_action, done=True)
        thens = ends(self.plan, then, then_action, done=False)
        if not firsts and self.kind is OrderKind.MANDATORY and not self.inverse and _rises(first_action):
            firsts = [placeholder(self.plan, first, first_action.value)]
        bond = self._bond(first_action)
        for one in firsts:
            for other in (*thens, *inside(self.plan, then, then_action)):
                self.plan.actions.relate(one, other, bond)
        if firsts and _rises(first_action) and Bond.NEEDS in bond:
            self._need_all_members(first, first_action, thens, bond, then, then_action)
        if Bond.PULLS_FIRST in bond:
            for one in inside(self.plan, first, first_action):
                for other in thens:
                    self.plan.actions.relate(one, other, bond)

    def _need_all_members(
        self,
        first: Resource,
        action: OrderAction,
        thens: list[Act],
        bond: Bond,
        then: Resource,
        then_action: OrderAction,
    ) -> None:
        """A group runs only if all its members do."""
        if first.kind is not Kind.GROUP:
            return
        for member in first.children:
            if not self.plan.actions.of(member, action.value):
                missing = placeholder(self.plan, member, action.value)
                for other in (*thens, *inside(self.plan, then, then_action)):
                    self.plan.actions.relate(missing, other, bond)

    def _bond(self, first_action: OrderAction) -> Bond:
        if self.kind is not OrderKind.MANDATORY:
            return Bond.ORDER
        if self.inverse and not _rises(first_action):
            return Bond.PULLS_FIRST | Bond.NEEDS
        if not self.symmetrical:
            return Bond.NEEDS | Bond.NEW_ONLY
        return Bond.NEEDS | Bond.PULLS_THEN


def _rises(action: OrderAction) -> bool:
    return action in (OrderAction.START, OrderAction.PROMOTE)


def ends(plan: Plan, resource: Resource, action: OrderAction, *, done: bool) -> list[Act]:
    """The acts that stand for an action of a resource: its end if it comes first, its beginning if it comes
    then."""
    if resource.kind is Kind.PRIMITIVE:
        return plan.actions.of(resource, action.value)
    leaves = list(resource.leaves())
    if not any(plan.actions.of(leaf, action.value) for leaf in leaves):
        return []
    return [mark(plan, resource, _DONE[action.value] if done else action.value)]


def inside(plan: Plan, resource: Resource, action: OrderAction) -> list[Act]:
    """The acts of a group's members: what requires the group's mark requires them."""
    if resource.kind is Kind.PRIMITIVE:
        return []
    return [act for leaf in resource.leaves() for act in plan.actions.of(leaf, action.value)]


def expand_set(constraint: OrderSet) -> list[Order]:
    """Pairs of a set constraint: inside a sequential set each member after the one before it; of two
    neighbouring sets, the members of the second after those of the first."""
    pairs: list[Order] = []

    def pair(
        first: str, then: str, first_action: OrderAction | None, then_action: OrderAction | None
    ) -> None:
        pairs.append(
            Order(
                id=constraint.id,
                first=first,
                then=then,
                first_action=first_action or OrderAction.START,
                then_action=then_action or OrderAction.START,
                kind=constraint.kind,
                symmetrical=constraint.symmetrical,
            )
        )

    for one in constraint.sets:
        if one.sequential:
            for first, then in pairwise(one.members):
                pair(first, then, one.action, one.action)
    for earlier, later in pairwise(constraint.sets):
        outer = earlier.members[-1:] if earlier.sequential else earlier.members
        inner = later.members[:1] if later.sequential else later.members
        for first in outer:
            for then in inner:
                pair(first, then, earlier.action, later.action)
    return pairs
