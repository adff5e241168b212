"""Constraints that can never count, that contradict one another, or that go around in a circle. Pure: a ClusterState goes in."""

from collections.abc import Iterator
from dataclasses import dataclass

from backstay.state.choices import OrderKind, Role
from backstay.state.cluster import ClusterState
from backstay.state.constraint import (
    Colocation,
    ColocationSet,
    Constraint,
    Location,
    Order,
    OrderSet,
    TicketConstraint,
)
from backstay.state.node import Node
from backstay.state.resource import Clone, Group, Resource, primitives_of
from backstay.state.rule import DateExpression, Rule
from backstay.state.rule_match import Facts, matches
from backstay.state.score import INFINITY
from backstay.verify.fault import Fault
from backstay.verify.nearest import suggestion


def check_constraints(state: ClusterState) -> Iterator[Fault]:
    """Everything that one can tell of constraints without placing anything."""
    known = frozenset(name for resource in state.resources for name in names_in(resource))
    nodes = {node.name for node in state.nodes}
    for constraint in state.constraints:
        yield from _unknown_names(constraint, known)
        if isinstance(constraint, Location):
            yield from _location(constraint, state, nodes)
        if isinstance(constraint, Colocation | Order) and _joins_itself(constraint):
            yield _about(
                constraint,
                "JoinsItself",
                "",
                "it ties a resource to itself",
                "name two resources, or delete it",
            )
    yield from _contradicting_locations(state)
    yield from _contradicting_colocations(state)
    yield from _circles(state)
    yield from _repeated(state)


def names_in(resource: Resource) -> Iterator[str]:
    """Ids of a resource and of all in it."""
    yield resource.id
    match resource:
        case Group():
            yield from (member.id for member in resource.members)
        case Clone():
            yield from names_in(resource.child)
        case _:
            return


def names_of(constraint: Constraint) -> tuple[tuple[str, str], ...]:
    """(field, resource id) of everything that a constraint names."""
    match constraint:
        case Location() | TicketConstraint():
            return (("rsc", constraint.resource),)
        case Colocation():
            return (("rsc", constraint.dependent), ("with-rsc", constraint.primary))
        case Order():
            return (("first", constraint.first), ("then", constraint.then))
        case OrderSet() | ColocationSet():
            return tuple((f"set {one.id}", name) for one in constraint.sets for name in one.members)


def _about(
    constraint: Constraint, code: str, field: str, message: str, fix: str, *, error: bool = False
) -> Fault:
    return Fault(
        kind="constraint",
        subject=constraint.id,
        code=code,
        field=field,
        message=message,
        fix=fix,
        severity="error" if error else "warning",
    )


def _unknown_names(constraint: Constraint, known: frozenset[str]) -> Iterator[Fault]:
    for field, name in names_of(constraint):
        if name not in known:
            yield _about(
                constraint,
                "ReferenceNotFound",
                field,
                f"there is no resource {name!r}",
                f"correct the name{suggestion(name, known)}, or delete the constraint",
                error=True,
            )


def _joins_itself(constraint: Colocation | Order) -> bool:
    if isinstance(constraint, Colocation):
        return constraint.dependent == constraint.primary
    return constraint.first == constraint.then and constraint.first_action is (
        constraint.then_action or constraint.first_action
    )


# -- locations


def _location(location: Location, state: ClusterState, nodes: set[str]) -> Iterator[Fault]:
    if location.node is not None and location.node not in nodes:
        yield _about(
            location,
            "UnknownNode",
            "node",
            f"there is no node {location.node!r}",
            f"correct the name{suggestion(location.node, nodes)}, or delete the constraint",
        )
    if location.node is not None and location.score == 0 and not location.rules:
        yield _about(
            location, "NoEffect", "score", "a score of 0 changes nothing", "give it another, or delete it"
        )
    for rule in location.rules:
        if _depends_on_date(rule.rule) or _may_be_set_later(rule.rule, state):
            continue
        if not any(_holds(rule.rule, node, state) for node in state.nodes):
            yield _about(
                location,
                "NeverMatches",
                f"rule {rule.id}",
                "its rule matches no node of this cluster",
                f"correct it, or set the attributes that it asks for ({', '.join(_attributes(rule.rule)) or 'none'})",
            )


def _holds(rule: Rule, node: Node, state: ClusterState) -> bool:
    def attribute(name: str) -> str | None:
        if name == "#is_dc":
            return "true" if state.dc == node.name else "false"
        if name == "#cluster-name":
            return state.cluster_name or None
        return node.attribute(name)

    return matches(rule, Facts(now=state.now, attribute=attribute))


_ATTRIBUTE_SETTERS = frozenset(
    {
        "ping",
        "pingd",
        "ifspeed",
        "attribute",
        "SysInfo",
        "ClusterMon",
        "HealthCPU",
        "HealthIOWait",
        "HealthSMART",
    }
)


def _may_be_set_later(rule: Rule, state: ClusterState) -> bool:
    """Some agents set node attributes while they run: what no node has yet may come of them."""
    if not any(
        one.agent.type in _ATTRIBUTE_SETTERS
        for resource in state.resources
        for one in primitives_of(resource)
    ):
        return False
    names = [name for name in _attributes(rule) if not name.startswith("#")]
    return any(all(node.attribute(name) is None for node in state.nodes) for name in names)


def _depends_on_date(rule: Rule) -> bool:
    return any(
        isinstance(one, DateExpression) or (isinstance(one, Rule) and _depends_on_date(one))
        for one in rule.expressions
    )


def _attributes(rule: Rule) -> list[str]:
    found: list[str] = []
    for one in rule.expressions:
        if isinstance(one, Rule):
            found += _attributes(one)
        else:
            name = getattr(one, "attribute", None)
            if isinstance(name, str):
                found.append(name)
    return list(dict.fromkeys(found))


def _contradicting_locations(state: ClusterState) -> Iterator[Fault]:
    wanted: dict[tuple[str, str, Role | None], Location] = {}
    forbidden: dict[tuple[str, str, Role | None], Location] = {}
    for one in state.constraints:
        if not isinstance(one, Location):
            continue
        for node, score in _plain_scores(one, state):
            if abs(score) >= INFINITY:
                side = wanted if score > 0 else forbidden
                side.setdefault((one.resource, node, one.role), one)
    for key in sorted(wanted.keys() & forbidden.keys(), key=str):
        resource, node, _ = key
        yield _about(
            wanted[key],
            "Contradiction",
            "score",
            f"{resource} must run on {node} by it, and must not by {forbidden[key].id}: -INFINITY wins",
            "delete one of the two",
        )


def _plain_scores(location: Location, state: ClusterState) -> Iterator[tuple[str, int]]:
    if location.node is not None:
        yield location.node, location.score
    for rule in location.rules:
        if rule.score_attribute is None and not _depends_on_date(rule.rule):
            for node in state.nodes:
                if _holds(rule.rule, node, state):
                    yield node.name, rule.score


# -- colocations


def _contradicting_colocations(state: ClusterState) -> Iterator[Fault]:
    together: dict[frozenset[str], Colocation] = {}
    apart: dict[frozenset[str], Colocation] = {}
    for one in state.constraints:
        if isinstance(one, Colocation) and abs(one.score) >= INFINITY and not _about_roles(one):
            side = together if one.score > 0 else apart
            side.setdefault(frozenset((one.dependent, one.primary)), one)
    for pair in sorted(together.keys() & apart.keys(), key=sorted):
        one, other = together[pair], apart[pair]
        yield _about(
            one,
            "Contradiction",
            "score",
            f"{one.dependent} must be with {one.primary} by it, and must not by {other.id}: {one.dependent} can run nowhere",
            "delete one of the two",
            error=True,
        )
    for resource in state.resources:
        group = resource.child if isinstance(resource, Clone) else resource
        if isinstance(group, Group):
            yield from _torn_group(group, apart)


def _about_roles(one: Colocation) -> bool:
    return one.dependent_role in (Role.PROMOTED, Role.UNPROMOTED) or one.primary_role in (
        Role.PROMOTED,
        Role.UNPROMOTED,
    )


def _torn_group(group: Group, apart: dict[frozenset[str], Colocation]) -> Iterator[Fault]:
    members = {member.id for member in group.members}
    for pair, one in apart.items():
        if pair <= members and len(pair) == 2:
            yield _about(
                one,
                "Contradiction",
                "score",
                f"{one.dependent} and {one.primary} are members of group {group.id}, which keeps them together",
                "delete the constraint, or take one of them out of the group",
                error=True,
            )


# -- orders


@dataclass(frozen=True, slots=True)
class _Step:
    first: str
    then: str
    constraint: Order


def _circles(state: ClusterState) -> Iterator[Fault]:
    """Mandatory orders of starts that come back to where they began: none of these can start first."""
    steps: dict[str, list[_Step]] = {}
    for one in state.constraints:
        if isinstance(one, Order) and one.kind is OrderKind.MANDATORY and one.first != one.then:
            start = f"{one.first} {one.first_action.value}"
            then = f"{one.then} {(one.then_action or one.first_action).value}"
            steps.setdefault(start, []).append(_Step(start, then, one))
    told: set[frozenset[str]] = set()
    for begin in sorted(steps):
        circle = _circle_from(begin, steps)
        ids = frozenset(step.constraint.id for step in circle)
        if circle and ids not in told:
            told.add(ids)
            way = " -> ".join([step.first for step in circle] + [circle[0].first])
            yield _about(
                circle[0].constraint,
                "OrderCircle",
                "",
                f"orders go around in a circle: {way}",
                f"delete one of {', '.join(sorted(ids))}, or make it kind=Optional",
                error=True,
            )


def _circle_from(begin: str, steps: dict[str, list[_Step]]) -> list[_Step]:
    """The shortest way from a step back to it; empty if there is none."""
    ways: list[list[_Step]] = [[step] for step in steps.get(begin, ())]
    seen: set[str] = set()
    while ways:
        longer = []
        for way in ways:
            end = way[-1].then
            if end == begin:
                return way
            if end not in seen:
                seen.add(end)
                longer += [[*way, step] for step in steps.get(end, ())]
        ways = longer
    return []


def _repeated(state: ClusterState) -> Iterator[Fault]:
    seen: dict[object, Constraint] = {}
    for one in state.constraints:
        if isinstance(one, Colocation):
            key: object = ("colocation", one.dependent, one.primary, one.dependent_role, one.primary_role)
        elif isinstance(one, Order):
            key = ("order", one.first, one.then, one.first_action, one.then_action)
        elif isinstance(one, Location) and one.node is not None:
            key = ("location", one.resource, one.node, one.role)
        else:
            continue
        other = seen.setdefault(key, one)
        if other is not one and not (
            isinstance(one, Location) and one.score * getattr(other, "score", 0) < 0
        ):
            yield _about(
                one,
                "Repeated",
                "",
                f"it says of the same resources what {other.id} says",
                "delete one of the two",
            )
