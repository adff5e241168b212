"""The constraints section."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import assert_never

from backstay.cib.exporting.elements import Element, Ids, add_rule, present, words
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
from backstay.state.score import text as score_text


def add_constraint(parent: Element, constraint: Constraint, *, ids: Ids) -> None:
    """One constraint."""
    match constraint:
        case Location():
            _add_location(parent, constraint, ids=ids)
        case Colocation():
            given = {
                "rsc": constraint.dependent,
                "with-rsc": constraint.primary,
                "score": score_text(constraint.score),
                "rsc-role": _role(constraint.dependent_role),
                "with-rsc-role": _role(constraint.primary_role),
                "node-attribute": constraint.node_attribute,
                "influence": constraint.influence,
            }
            _add(parent, "rsc_colocation", constraint.id, given, ids=ids)
        case ColocationSet():
            given = {"score": score_text(constraint.score), "influence": constraint.influence}
            element = _add(parent, "rsc_colocation", constraint.id, given, ids=ids)
            _add_sets(element, constraint.sets, ids=ids)
        case Order():
            _add_order(parent, constraint, ids=ids)
        case OrderSet():
            given = {"kind": constraint.kind.value, "symmetrical": constraint.symmetrical}
            _add_sets(_add(parent, "rsc_order", constraint.id, given, ids=ids), constraint.sets, ids=ids)
        case TicketConstraint():
            policy = constraint.loss_policy
            given = {
                "rsc": constraint.resource,
                "rsc-role": _role(constraint.role),
                "ticket": constraint.ticket,
                "loss-policy": None if policy is LossPolicy.STOP else policy.value,
            }
            _add(parent, "rsc_ticket", constraint.id, given, ids=ids)
        case _:
            assert_never(constraint)


def _add(parent: Element, tag: str, wanted: str, given: Mapping[str, object], *, ids: Ids) -> Element:
    return ET.SubElement(parent, tag, {"id": ids.claim(wanted), **dict(words(given))})


def _role(role: Role | None) -> str | None:
    return None if role is None else role.value


def _add_location(parent: Element, location: Location, *, ids: Ids) -> None:
    discovery = location.discovery
    given = {
        "rsc": location.resource,
        "role": _role(location.role),
        "resource-discovery": None if discovery is Discovery.ALWAYS else discovery.value,
    }
    if location.node is not None:
        given |= {"node": location.node, "score": score_text(location.score)}
    element = _add(parent, "rsc_location", location.id, dict(given), ids=ids)
    for one in location.rules:
        score = None if one.score_attribute else score_text(one.score)
        more = present({"score": score, "score-attribute": one.score_attribute, "role": _role(one.role)})
        add_rule(element, one.rule, ids=ids, more=more)


def _add_order(parent: Element, order: Order, *, ids: Ids) -> None:
    first_action = order.first_action
    given = {
        "first": order.first,
        "then": order.then,
        "first-action": None if first_action is OrderAction.START else first_action.value,
        "then-action": None if order.then_action is None else order.then_action.value,
        "kind": None if order.kind is OrderKind.MANDATORY else order.kind.value,
        "symmetrical": order.symmetrical,
        "require-all": None if order.require_all else False,
    }
    _add(parent, "rsc_order", order.id, dict(given), ids=ids)


def _add_sets(parent: Element, sets: Iterable[ResourceSet], *, ids: Ids) -> None:
    for number, one in enumerate(sets):
        given = {
            "sequential": None if one.sequential else False,
            "require-all": None if one.require_all else False,
            "action": None if one.action is None else one.action.value,
            "role": _role(one.role),
            "score": None if one.score is None else score_text(one.score),
            "kind": None if one.kind is None else one.kind.value,
        }
        element = _add(parent, "resource_set", one.id or f"{parent.get('id')}-{number}", dict(given), ids=ids)
        for member in one.members:
            ET.SubElement(element, "resource_ref", {"id": member})
