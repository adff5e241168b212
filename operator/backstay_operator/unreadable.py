"""What becomes of objects that cannot be read: placeholders that are held back, and a cluster without its faulty fields.

An object that the API server accepted may still say what no schema rules out, or what only a later version knows. It is told in
its condition and by an Event; the rest of the cluster goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from backstay.api import FenceDevice, HACluster, HAConstraint, HAResource, Resource, ResourceGroup
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.state.placeholder import (
    Unread,
    conditions_of,
    group_placeholder,
    key_of,
    metadata_of,
    resource_placeholder,
)
from backstay_kube import kinds
from backstay_kube.client import Obj
from backstay_kube.kinds import Kind

Get = Callable[[Kind, str, str], Obj | None]

REMOVALS_MAX = 64
"""Fields that are left out of an HACluster before it counts as empty."""
_TAKES_PART: Mapping[str, Kind] = {
    HAResource.info.kind: kinds.HARESOURCE,
    ResourceGroup.info.kind: kinds.RESOURCEGROUP,
}
_IS_LEFT_OUT: Mapping[str, tuple[Kind, type[Resource]]] = {
    HAConstraint.info.kind: (kinds.HACONSTRAINT, HAConstraint),
    FenceDevice.info.kind: (kinds.FENCEDEVICE, FenceDevice),
}


def is_object(obj: object) -> bool:
    """Whether it has what every object of the API has: metadata with a name."""
    metadata = obj.get("metadata") if isinstance(obj, Mapping) else None
    return isinstance(metadata, Mapping) and isinstance(metadata.get("name"), str)


def with_placeholders(objects: Objects, problems: Iterable[Problem], get: Get) -> Objects:
    """The objects, with placeholders for resources and groups that cannot be read, and a list of the others."""
    resources, groups = list(objects.resources), list(objects.groups)
    held, unread = set(), []
    for problem in problems:
        if problem.kind in _TAKES_PART:
            item = _placeholder(problem, get)
            if isinstance(item, HAResource):
                resources.append(item)
            elif isinstance(item, ResourceGroup):
                groups.append(item)
            if item is not None:
                held.add(key_of(item))
        elif problem.kind in _IS_LEFT_OUT:
            unread += _left_out(problem, get)
    if not held and not unread:
        return objects
    return replace(
        objects,
        resources=tuple(sorted(resources, key=lambda one: one.key)),
        groups=tuple(sorted(groups, key=lambda one: one.key)),
        unreadable=frozenset(held),
        unread=tuple(unread),
    )


def _placeholder(problem: Problem, get: Get) -> HAResource | ResourceGroup | None:
    obj = get(_TAKES_PART[problem.kind], problem.name, problem.namespace)
    if obj is None:
        return None
    try:
        return resource_placeholder(obj) if problem.kind == HAResource.info.kind else group_placeholder(obj)
    except ValidationError:
        return None


def _left_out(problem: Problem, get: Get) -> list[Unread]:
    kind, model = _IS_LEFT_OUT[problem.kind]
    obj = get(kind, problem.name, problem.namespace)
    if obj is None:
        return []
    try:
        metadata = metadata_of(obj)
    except ValidationError:
        return []
    return [Unread(kind=model, metadata=metadata, conditions=conditions_of(obj), problem=problem)]


def legible_cluster(obj: Obj) -> HACluster:
    """An HACluster without the fields that cannot be read, which then have their defaults. Whom it consists of is never guessed:
    where its selectors cannot be read, no Node belongs to it."""
    rest: Any = deepcopy({**obj, "metadata": metadata_of(obj).model_dump(by_alias=True, exclude_none=True)})
    lost: set[object] = set()
    for _ in range(REMOVALS_MAX):
        try:
            return _without_members(HACluster.model_validate(rest, extra="ignore"), lost)
        except ValidationError as error:
            path = error.errors(include_input=False, include_url=False)[0]["loc"]
            lost.update(path[1:2])
            if not _remove(rest, path):
                break
    return _without_members(HACluster(metadata=metadata_of(obj)), _SELECTORS)


_SELECTORS = {"nodeSelector", "namespaces", "allowedAgents"}
UNREADABLE = "ha.backstay.io/unreadable"
_NOBODY = {UNREADABLE: "true"}


def _without_members(cluster: HACluster, lost: Iterable[object]) -> HACluster:
    if not _SELECTORS.intersection(lost):
        return cluster
    spec = cluster.spec.model_copy(update={"node_selector": _NOBODY})
    return cluster.model_copy(update={"spec": spec})


def _remove(holder: Any, path: tuple[int | str, ...]) -> bool:
    """Remove the deepest part of the path that is there; False where that is nothing below the object itself."""
    parents: list[tuple[Any, int | str]] = []
    for step in path:
        inside = (isinstance(holder, dict) and step in holder) or (
            isinstance(holder, list) and isinstance(step, int) and step < len(holder)
        )
        if not inside:
            break
        parents.append((holder, step))
        holder = holder[step]
    if not parents:
        return False
    owner, step = parents[-1]
    del owner[step]
    return True
