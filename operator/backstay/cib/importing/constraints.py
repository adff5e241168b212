"""Constraints as HAConstraint. Tags and templates in them are replaced by what they stand for: one object each."""

from collections.abc import Callable, Iterator
from typing import Any, assert_never

from backstay.api import ANNOTATION_POSITION, API_VERSION
from backstay.cib.importing.names import Names
from backstay.cib.importing.rules import TooDeep, given, rule_manifest, score_manifest
from backstay.state.choices import Discovery, LossPolicy, OrderAction, OrderKind, Role
from backstay.state.constraint import (
    Colocation,
    ColocationSet,
    Constraint,
    Location,
    Order,
    OrderSet,
    ResourceSet,
    TicketConstraint,
)

Obj = dict[str, Any]


class ConstraintWriter:
    """Writes the constraints of one CIB."""

    def __init__(self, *, names: Names, namespace: str) -> None:
        self._names = names
        self._namespace = namespace
        self._position = 0

    def write(
        self, constraint: Constraint, *, pattern: str | None = None, complain: Callable[[str], None]
    ) -> Obj | None:
        """One object; None when it cannot be written, and `complain` was told why. `pattern` stands for the resource of a
        location."""
        try:
            spec = self._spec(constraint, pattern)
        except TooDeep as error:
            complain(f"{error}: put the inner conditions into a node attribute of their own")
            return None
        self._position += 1
        return {
            "apiVersion": API_VERSION,
            "kind": "HAConstraint",
            "metadata": {
                "name": self._names.another("HAConstraint", constraint.id),
                "namespace": self._namespace,
                "annotations": {ANNOTATION_POSITION: str(self._position)},
            },
            "spec": {"constraintId": constraint.id, **spec},
        }

    def _spec(self, constraint: Constraint, pattern: str | None) -> Obj:
        match constraint:
            case Location():
                return {"location": self._location(constraint, pattern)}
            case Colocation():
                return {"colocation": _colocation(constraint)}
            case ColocationSet():
                influence = {} if constraint.influence is None else {"influence": constraint.influence}
                score = {"score": score_manifest(constraint.score)}
                return {"colocation": {"sets": _sets(constraint.sets), **score, **influence}}
            case Order():
                return {"order": _order(constraint)}
            case OrderSet():
                return {
                    "order": {
                        "sets": _sets(constraint.sets),
                        **given({"kind": _kind(constraint.kind), "symmetrical": constraint.symmetrical}),
                    }
                }
            case TicketConstraint():
                policy = constraint.loss_policy
                return {
                    "ticket": given(
                        {
                            "ticket": constraint.ticket,
                            "resource": constraint.resource,
                            "role": _role(constraint.role),
                            "lossPolicy": None if policy is LossPolicy.STOP else policy.value,
                        }
                    )
                }
            case _:
                assert_never(constraint)

    def _location(self, location: Location, pattern: str | None) -> Obj:
        target: Obj = {"resource": location.resource} if pattern is None else {"resourcePattern": pattern}
        if location.rules:
            place: Obj = {"rules": list(self._location_rules(location))}
        else:
            node = None if location.node is None else self._names.of_node(location.node)
            place = {"node": node, "score": score_manifest(location.score)}
        discovery = location.discovery
        more = {
            "role": _role(location.role),
            "resourceDiscovery": None if discovery is Discovery.ALWAYS else discovery.value,
        }
        return {**target, **place, **given(more)}

    def _location_rules(self, location: Location) -> Iterator[Obj]:
        for one in location.rules:
            worth = (
                {"scoreAttribute": one.score_attribute}
                if one.score_attribute
                else {"score": score_manifest(one.score)}
            )
            yield {**worth, **given({"role": _role(one.role)}), **rule_manifest(one.rule)}


def _colocation(one: Colocation) -> Obj:
    return given(
        {
            "resource": one.dependent,
            "withResource": one.primary,
            "score": score_manifest(one.score),
            "resourceRole": _role(one.dependent_role),
            "withRole": _role(one.primary_role),
            "nodeAttribute": one.node_attribute,
            "influence": one.influence,
        }
    )


def _order(one: Order) -> Obj:
    first_action = one.first_action
    return given(
        {
            "first": one.first,
            "then": one.then,
            "firstAction": None if first_action is OrderAction.START else first_action.value,
            "thenAction": None if one.then_action is None else one.then_action.value,
            "kind": _kind(one.kind),
            "symmetrical": one.symmetrical,
            "requireAll": None if one.require_all else False,
        }
    )


def _kind(kind: OrderKind) -> str | None:
    return None if kind is OrderKind.MANDATORY else kind.value


def _role(role: Role | None) -> str | None:
    return None if role is None else role.value


def _sets(sets: tuple[ResourceSet, ...]) -> list[Obj]:
    return [
        given(
            {
                "id": one.id or None,
                "resources": list(one.members),
                "sequential": None if one.sequential else False,
                "requireAll": None if one.require_all else False,
                "action": None if one.action is None else one.action.value,
                "role": _role(one.role),
                "score": None if one.score is None else score_manifest(one.score),
                "kind": None if one.kind is None else one.kind.value,
            }
        )
        for one in sets
    ]
