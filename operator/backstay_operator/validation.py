"""How findings about the configuration reach people: conditions, and one Event each. Pure.

`Ready` is False with the code of the first error. `Valid` is False for anything that was found, warnings too, and tells what `Ready`
does not. A finding that stands in its object's conditions already was told by this DC or the one before, and is not told again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from backstay.api import Condition, HANode, HAResource, Resource, ResourceGroup
from backstay.api.quantities import timestamp
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.state.placeholder import Unread
from backstay.verify import listed

MESSAGE_MAX = 1024
TELLING_KINDS = (HAResource, ResourceGroup)

Status = dict[str, Any]
Key = tuple[str, str, str]


def condition(
    item: Resource | Unread,
    old: Iterable[Condition],
    *,
    type_: str,
    ok: bool | None,
    reason: str,
    message: str,
    now: float,
) -> Status:
    """One condition; its time changes only when its status does."""
    word = {True: "True", False: "False", None: "Unknown"}[ok]
    since = next(
        (one.last_transition_time for one in old if one.type == type_ and one.status == word), timestamp(now)
    )
    return {
        "type": type_,
        "status": word,
        "reason": reason,
        "message": message[:MESSAGE_MAX],
        "observedGeneration": item.metadata.generation,
        "lastTransitionTime": since,
    }


def key_of(item: Resource) -> Key:
    """As problems name their object."""
    return (type(item).info.kind, item.metadata.namespace or "", item.metadata.name)


def problems_by_object(problems: Iterable[Problem]) -> Mapping[Key, list[Problem]]:
    """Those of each object that has any, errors first."""
    found: dict[Key, list[Problem]] = defaultdict(list)
    for one in sorted(problems, key=lambda one: one.severity != "error"):
        found[(one.kind, one.namespace, one.name)].append(one)
    return found


def first_error(problems: Iterable[Problem]) -> Problem | None:
    """What `Ready` tells; warnings don't make anything unready."""
    return next((one for one in problems if one.severity == "error"), None)


def valid_condition(
    item: Resource,
    old: Iterable[Condition],
    *,
    problems: list[Problem],
    verifying: bool,
    now: float,
    ready_tells: bool = True,
) -> Status:
    """`Valid`; its message holds what `Ready` does not say (it tells the first error, or, with not `ready_tells`, nothing of this).
    `problems` are the object's own, errors first."""
    if not problems:
        reason = "Verifying" if verifying else "Verified"
        message = "waiting for the agent's meta-data" if verifying else ""
        ok = None if verifying else True
        return condition(item, old, type_="Valid", ok=ok, reason=reason, message=message, now=now)
    told = first_error(problems) if ready_tells else None
    rest = "; ".join(one.message for one in problems if one is not told)
    return condition(item, old, type_="Valid", ok=False, reason=problems[0].code, message=rest, now=now)


def untold(problems: Iterable[Problem], conditions: Mapping[Key, list[Condition]]) -> list[Problem]:
    """Findings that their objects don't show yet, in a stable order."""
    fresh = [
        one
        for one in problems
        if not any(
            shown.status == "False" and one.message[:MESSAGE_MAX] in shown.message
            for shown in conditions.get((one.kind, one.namespace, one.name), ())
        )
    ]
    return sorted(
        fresh, key=lambda one: (one.kind, one.namespace, one.name, one.field, one.code, one.message)
    )


def conditions_of(objects: Objects, strays: Iterable[HANode] = ()) -> dict[Key, list[Condition]]:
    """What each object shows now."""
    everything: list[Any] = [
        objects.cluster,
        *objects.nodes,
        *objects.resources,
        *objects.groups,
        *objects.constraints,
        *objects.devices,
        *strays,
    ]
    return {key_of(item): list(item.status.conditions) for item in everything}


def cautious(objects: Objects, unreadable: Iterable[Problem]) -> Objects:
    """While a resource can't be read, nobody knows what belongs to it: what seems to belong to nobody is not stopped."""
    kinds = {kind.info.kind for kind in TELLING_KINDS}
    cluster = objects.cluster
    if not any(one.kind in kinds for one in unreadable) or not cluster.spec.properties.stop_orphan_resources:
        return objects
    properties = cluster.spec.properties.model_copy(update={"stop_orphan_resources": False})
    spec = cluster.spec.model_copy(update={"properties": properties})
    return replace(objects, cluster=cluster.model_copy(update={"spec": spec}))


# -- objects that cannot be read


def unread_status(one: Unread, *, now: float) -> Status:
    """It takes part in nothing, and why."""
    types = ("Ready", "Valid")
    reason, message = one.problem.code, one.problem.message
    return {
        "conditions": [
            condition(one, one.conditions, type_=type_, ok=False, reason=reason, message=message, now=now)
            for type_ in types
        ]
    }


# -- nodes that are none


@dataclass(frozen=True, slots=True)
class Stray:
    """An HANode that belongs to no cluster, and why."""

    node: HANode
    problem: Problem


def stray(
    node: HANode, *, selector: Mapping[str, str] | None, cluster: str, kubernetes_nodes: Iterable[str]
) -> Stray:
    """`selector` is the HACluster's, None where there is no Node of this name at all."""
    name = node.metadata.name
    if selector is None:
        message = f"metadata.name: there is no Node {name!r}; there are {listed(kubernetes_nodes)}: correct the name, or delete this"
    else:
        labels = " ".join(f"{key}={value}" for key, value in sorted(selector.items()))
        message = (
            f"metadata.name: Node {name!r} is no member of HACluster {cluster!r}; "
            f"to make it one: kubectl label node {name} {labels}"
        )
    problem = Problem(
        kind="HANode", namespace="", name=name, code="NotAMember", message=message, field="metadata.name"
    )
    return Stray(node, problem)


def no_member(cluster: str) -> Status:
    """What an HANode that a user wrote says once its node has left: nothing by which it would be taken for a member."""
    reason = f"it has left HACluster {cluster!r}"
    return {
        "cluster": "",
        "state": "NotAMember",
        "dc": False,
        "reason": reason,
        "bootId": "",
        "agentVersion": "",
    }


def stray_status(one: Stray, *, now: float) -> Status:
    """It takes part in nothing."""
    return {
        "cluster": "",
        "state": "NotAMember",
        "dc": False,
        "reason": one.problem.message,
        "conditions": [
            condition(
                one.node,
                one.node.status.conditions,
                type_="Ready",
                ok=False,
                reason=one.problem.code,
                message=one.problem.message,
                now=now,
            )
        ],
    }
