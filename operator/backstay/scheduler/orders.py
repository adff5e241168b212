"""Order constraints, turned into relations between actions.

For a primitive the action itself is what the constraint names. For a group or a clone the marks around its members
are: "start the group, then X" waits for the mark that all members run, "X, then start the group" holds back the
mark that begins it. Clones that interleave are related instance by instance, node by node.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, pairwise

from backstay.scheduler.actions import Act, Bond
from backstay.scheduler.causes import Why
from backstay.scheduler.plan import Plan
from backstay.scheduler.plan_group import mark, placeholder
from backstay.scheduler.situation import Kind, NodeView, Resource
from backstay.state.choices import OrderAction, OrderKind
from backstay.state.constraint import Order, OrderSet, ResourceSet
from backstay.transition.graph import ActionKind

_DONE = {"start": "running", "stop": "stopped", "promote": "promoted", "demote": "demoted"}
_INVERSE = {
    OrderAction.START: OrderAction.STOP,
    OrderAction.STOP: OrderAction.START,
    OrderAction.PROMOTE: OrderAction.DEMOTE,
    OrderAction.DEMOTE: OrderAction.PROMOTE,
}


@dataclass(frozen=True, slots=True)
class End:
    """One side of an order: do this to that."""

    resource: Resource
    action: OrderAction

    @property
    def rises(self) -> bool:
        return self.action in (OrderAction.START, OrderAction.PROMOTE)

    @property
    def inverse(self) -> "End":
        return End(self.resource, _INVERSE[self.action])


def plan_orders(plan: Plan) -> None:
    """Relations for every order constraint."""
    for constraint in plan.situation.state.constraints:
        if isinstance(constraint, Order):
            _plan_order(plan, constraint)
        elif isinstance(constraint, OrderSet):
            for one in expand_set(constraint):
                _plan_order(plan, one)
            for earlier, later in pairwise(constraint.sets):
                if not earlier.require_all:
                    with plan.actions.because(Why.ORDER, constraint.id):
                        _tie_any_of_set(plan, constraint, earlier, later)


def _plan_order(plan: Plan, order: Order) -> None:
    first, then = plan.situation.by_id.get(order.first), plan.situation.by_id.get(order.then)
    if first is None or then is None:
        return
    serial = order.kind is OrderKind.SERIALIZE
    symmetrical = not serial if order.symmetrical is None else order.symmetrical and not serial
    before = End(first, order.first_action)
    after = End(then, order.then_action or order.first_action)
    needed = _needed(order, before)
    with plan.actions.because(Why.ORDER, order.id):
        if needed:
            _tie_any(plan, order, before, after, needed=needed)
        else:
            _Tie(plan, kind=order.kind, symmetrical=symmetrical).tie(before, after)
    if symmetrical:
        kind = OrderKind.OPTIONAL if needed else order.kind
        with plan.actions.because(Why.ORDER_BACK, order.id):
            _Tie(plan, kind=kind, symmetrical=True, inverse=True).tie(after.inverse, before.inverse)


def _needed(order: Order, before: End) -> int:
    """How many instances of the first must run; 0: the usual meaning."""
    clone = before.resource
    if clone.kind is not Kind.CLONE or not before.rises:
        return 0
    return (clone.meta.raw.clone_min or 0) or (0 if order.require_all else 1)


def _tie_any(plan: Plan, order: Order, before: End, after: End, *, needed: int) -> None:
    """Enough instances are enough: a mark of its own stands between, that so many have to reach."""
    name = f"clone-one-or-more:{order.id}"
    act = plan.actions.add(Act(kind=ActionKind.PSEUDO, operation=name, pseudo=True, needs_any=needed))
    for leaf in before.resource.leaves():
        for one in plan.actions.of(leaf, before.action.value):
            plan.actions.relate(one, act, Bond.NEEDS | Bond.PULLS_THEN)
    if len(act.before) < needed:
        act.required, act.runnable = True, False
    for then in ends(plan, after, done=False):
        plan.actions.relate(act, then, Bond.NEEDS)
    for then in inside(plan, after):
        plan.actions.relate(act, then, Bond.NEEDS | Bond.PLAIN)


def _tie_any_of_set(plan: Plan, constraint: OrderSet, earlier: ResourceSet, later: ResourceSet) -> None:
    """One member of a set is enough for all members of the next."""
    name = f"one-or-more:{earlier.id}"
    act = plan.actions.add(Act(kind=ActionKind.PSEUDO, operation=name, pseudo=True, needs_any=1))
    action = earlier.action or OrderAction.START
    bond = Bond.NEEDS if constraint.kind is OrderKind.MANDATORY else Bond.ORDER
    for member in earlier.members:
        resource = plan.situation.by_id.get(member)
        for one in () if resource is None else ends(plan, End(resource, action), done=True):
            plan.actions.relate(one, act, Bond.NEEDS | Bond.PULLS_THEN)
    if not act.before:
        act.required, act.runnable = True, False
    for member in later.members[:1] if later.sequential else later.members:
        resource = plan.situation.by_id.get(member)
        if resource is not None:
            end = End(resource, later.action or OrderAction.START)
            for then in ends(plan, end, done=False):
                plan.actions.relate(act, then, bond)
            for then in inside(plan, end):
                plan.actions.relate(act, then, bond | Bond.PLAIN)


class _Tie:
    """Ties the acts of two ends by one order."""

    def __init__(self, plan: Plan, *, kind: OrderKind, symmetrical: bool, inverse: bool = False) -> None:
        self.plan = plan
        self.kind = kind
        self.symmetrical = symmetrical
        self.inverse = inverse

    def tie(self, first: End, then: End) -> None:
        """Relate every act of the one with every act of the other."""
        if _interleaved(first, then, inverse=self.inverse):
            self._tie_by_node(first, then)
            return
        firsts, thens = ends(self.plan, first, done=True), ends(self.plan, then, done=False)
        if self.inverse and not firsts and first.action is OrderAction.STOP:
            self.plan.after_stop_of.setdefault(first.resource, []).extend(thens)
        mandatory = self.kind is OrderKind.MANDATORY and not self.inverse and first.rises
        if not firsts and mandatory:
            firsts = [placeholder(self.plan, first.resource, first.action.value)]
        elif mandatory and first.resource.kind is Kind.GROUP:
            firsts = firsts + self._missing(first)
        bond = self._bond(first)
        if first.resource.kind is Kind.CLONE and then.resource.kind is not Kind.CLONE and first.rises:
            # An instance more or less is nothing to those that depend on the clone, but their own node's is.
            self._pull_by_node(first, then, bond)
            bond &= ~Bond.PULLS_THEN
        elif then.resource.kind is Kind.CLONE:
            bond &= ~Bond.PULLS_FIRST
        if Bond.DOWN in bond and first.resource.kind is not Kind.PRIMITIVE:
            bond &= ~Bond.NEEDS  # that one of several can not stop holds up nothing
        for one in firsts:
            for other in thens:
                self.plan.actions.relate(one, other, bond)
            for other in inside(self.plan, then):
                self.plan.actions.relate(one, other, bond | Bond.PLAIN)
        self._begin_groups(firsts, then, bond)
        if Bond.DOWN in bond:
            for one in inside(self.plan, first):
                for other in thens:
                    self.plan.actions.relate(one, other, bond | Bond.PLAIN)

    def _begin_groups(self, firsts: list[Act], then: End, bond: Bond) -> None:
        if Bond.PULLS_THEN not in bond:
            return
        for other in _group_marks(self.plan, then):
            for one in firsts:
                self.plan.actions.relate(one, other, bond | Bond.PLAIN)

    def _pull_by_node(self, first: End, then: End, bond: Bond) -> None:
        if Bond.PULLS_THEN not in bond:
            return
        for leaf in first.resource.leaves():
            for one in self.plan.actions.of(leaf, first.action.value):
                for member in then.resource.leaves():
                    for other in self.plan.actions.of(member, then.action.value):
                        if other.node is one.node:
                            self.plan.actions.relate(one, other, Bond.PULLS_THEN)

    def _missing(self, first: End) -> list[Act]:
        """A group runs only if all its members do."""
        return [
            placeholder(self.plan, member, first.action.value)
            for member in first.resource.children
            if not self.plan.actions.of(member, first.action.value)
        ]

    def _tie_by_node(self, first: End, then: End) -> None:
        """Instance by instance: each needs the one on its own node."""
        for other in ends(self.plan, then, done=False):
            for one in ends(self.plan, first, done=True):
                self.plan.actions.relate(one, other)
        bond = self._bond(first)
        self._begin_groups(ends(self.plan, first, done=True), then, bond)
        falls = not first.rises
        for child in then.resource.children:
            for act in _begin(self.plan, child, then.action):
                partner = self._partner(first, _place(self.plan, child, act, falls=falls), falls=falls)
                if Bond.NEEDS in bond and not falls:
                    bond |= Bond.PAIR
                for one in partner:
                    self.plan.actions.relate(one, act, bond | Bond.PLAIN)
                    for inner in inside(self.plan, End(child, then.action)):
                        self.plan.actions.relate(one, inner, bond | Bond.PLAIN)

    def _partner(self, first: End, node: NodeView | None, *, falls: bool) -> list[Act]:
        for child in first.resource.children:
            for act in _finish(self.plan, child, first.action):
                if node is not None and _place(self.plan, child, act, falls=falls) is node:
                    return [act]
        if self.kind is OrderKind.MANDATORY and not falls and not self.inverse:
            return [placeholder(self.plan, first.resource, first.action.value)]
        return []

    def _bond(self, first: End) -> Bond:
        if self.kind is not OrderKind.MANDATORY:
            return Bond.ORDER
        if self.inverse and not first.rises:
            return Bond.PULLS_FIRST | Bond.NEEDS | Bond.DOWN
        if not self.symmetrical:
            return Bond.NEEDS | Bond.NEW_ONLY
        return Bond.NEEDS | Bond.PULLS_THEN


def _interleaved(first: End, then: End, *, inverse: bool) -> bool:
    if first.resource.kind is not Kind.CLONE or then.resource.kind is not Kind.CLONE:
        return False
    decisive = first.resource if inverse else then.resource
    return bool(decisive.meta.raw.interleave)


def _place(plan: Plan, child: Resource, act: Act, *, falls: bool) -> NodeView | None:
    """Where an instance is (when something stops) or will be (when something starts)."""
    if act.node is not None:
        return act.node
    for leaf in child.leaves():
        if falls and leaf.active_on:
            return leaf.active_on[0]
        if not falls and plan.target(leaf) is not None:
            return plan.target(leaf)
    return None


def _begin(plan: Plan, child: Resource, action: OrderAction) -> list[Act]:
    return ends(plan, End(child, action), done=False)


def _finish(plan: Plan, child: Resource, action: OrderAction) -> list[Act]:
    return ends(plan, End(child, action), done=True)


def ends(plan: Plan, end: End, *, done: bool) -> list[Act]:
    """The acts that stand for an action of a resource: its end if it comes first, its beginning if it comes
    then."""
    resource, action = end.resource, end.action.value
    if resource.kind is Kind.PRIMITIVE:
        return plan.actions.of(resource, action)
    if not any(plan.actions.of(leaf, action) for leaf in resource.leaves()):
        return []
    return [mark(plan, resource, _DONE[action] if done else action)]


def inside(plan: Plan, end: End) -> list[Act]:
    """The acts of the members: what requires a mark of a group or clone requires them."""
    if end.resource.kind is Kind.PRIMITIVE:
        return []
    return [act for leaf in end.resource.leaves() for act in plan.actions.of(leaf, end.action.value)]


def _neighbours(kind: OrderKind, members: tuple[str, ...]) -> Iterable[tuple[str, str]]:
    """Each member with the next; those that must not act at the same time with every later one, as the one between the
    two may have nothing to do."""
    return combinations(members, 2) if kind is OrderKind.SERIALIZE else pairwise(members)


def _group_marks(plan: Plan, end: End) -> list[Act]:
    """Where groups begin. What comes first makes them begin, even if no member turns out to act."""
    groups = end.resource.children if end.resource.kind is Kind.CLONE else [end.resource]
    return [mark(plan, one, end.action.value) for one in groups if one.kind is Kind.GROUP]


def expand_set(constraint: OrderSet) -> list[Order]:
    """Pairs of a set constraint: inside a sequential set each member after the one before it; of two neighbouring
    sets, the members of the second after those of the first."""
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
        if one.sequential or constraint.kind is OrderKind.SERIALIZE:
            for first, then in _neighbours(constraint.kind, one.members):
                pair(first, then, one.action, one.action)
    for earlier, later in pairwise(constraint.sets):
        if not earlier.require_all:
            continue  # any one of them will do; see `_tie_any_of_set`
        outer = earlier.members[-1:] if earlier.sequential else earlier.members
        inner = later.members[:1] if later.sequential else later.members
        for first in outer:
            for then in inner:
                pair(first, then, earlier.action, later.action)
    return pairs
