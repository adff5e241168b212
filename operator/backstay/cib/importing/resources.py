"""Primitives, groups and clones as HAResource and ResourceGroup.

A primitive is an HAResource wherever it stands; a group refers to its members; a clone is what it clones, with `clone`. Templates are
written out in each resource, and a group's or clone's parameters in each member.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from backstay.api import ANNOTATION_POSITION, API_VERSION
from backstay.api.quantities import duration_text, timestamp
from backstay.cib.importing.names import Names
from backstay.cib.importing.rules import (
    TooDeep,
    given,
    meta_manifest,
    operation_options,
    rule_manifest,
    under_rules,
)
from backstay.state.resource import (
    Bundle,
    Clone,
    Group,
    MetaSet,
    Operation,
    Primitive,
    Resource,
)
from backstay.state.rule import AttributeSet, without_fallback

Obj = dict[str, Any]
Complain = Callable[[str, str], None]
"""Told the id of a resource and what of it is lost."""

_STANDARDS = ("ocf", "systemd", "lsb", "service")


class ResourceWriter:
    """Writes the resources of one CIB."""

    def __init__(self, *, names: Names, namespace: str, complain: Complain) -> None:
        self._names = names
        self._namespace = namespace
        self._complain = complain
        self._position = 0

    def write(self, resource: Resource) -> Iterator[Obj]:
        """The objects for one resource at the top level, in the order of the CIB. Fencing devices are none of these."""
        match resource:
            case Primitive():
                yield self._resource(resource)
            case Group():
                yield from self._group(resource)
            case Clone(child=Primitive() as child):
                manifest = self._resource(child, inherited=resource.params)
                manifest["spec"]["clone"] = self._clone(resource)
                yield manifest
            case Clone(child=Group() as child):
                *members, group = self._group(child, inherited=resource.params)
                group["spec"]["clone"] = self._clone(resource)
                yield from members
                yield group
            case Bundle():
                return

    def _resource(self, primitive: Primitive, *, inherited: Mapping[str, str] | None = None) -> Obj:
        name = self._names.of("HAResource", primitive.id)
        spec: Obj = {} if name == primitive.id else {"resourceId": primitive.id}
        if primitive.agent.standard not in _STANDARDS:
            self._complain(primitive.id, f"no host runs agents of class {primitive.agent.standard!r}")
        spec["agent"] = str(primitive.agent)
        params = {**(inherited or {}), **primitive.params}
        if params:
            spec["params"] = params
        sets = without_fallback(primitive.param_sets)
        conditional = [self._conditional_params(one, primitive.id) for one in sets]
        meta = meta_manifest(primitive.meta)
        conditional_meta = self._conditional_meta(primitive.meta_sets, primitive.id)
        operations = [_operation(one) for one in primitive.operations]
        spec |= {
            key: value
            for key, value in (
                ("conditionalParams", [one for one in conditional if one]),
                ("operations", operations),
                ("meta", meta),
                ("conditionalMeta", conditional_meta),
                ("utilization", dict(primitive.utilization)),
            )
            if value
        }
        return self._object("HAResource", name, spec)

    def _group(self, group: Group, *, inherited: Mapping[str, str] | None = None) -> Iterator[Obj]:
        params = {**(inherited or {}), **group.params}
        members = [self._resource(member, inherited=params) for member in group.members]
        yield from members
        name = self._names.of("ResourceGroup", group.id)
        spec: Obj = {} if name == group.id else {"resourceId": group.id}
        spec["members"] = [{"resource": member["metadata"]["name"]} for member in members]
        meta = meta_manifest(group.meta)
        if meta:
            spec["meta"] = meta
        conditional = self._conditional_meta(group.meta_sets, group.id)
        if conditional:
            spec["conditionalMeta"] = conditional
        yield self._object("ResourceGroup", name, spec)

    def _clone(self, clone: Clone) -> Obj:
        meta = clone.meta
        spec = given(
            {
                "id": None if clone.id == f"{clone.child.id}-clone" else clone.id,
                "max": meta.clone_max,
                "nodeMax": meta.clone_node_max,
                "min": meta.clone_min,
                "notify": meta.notify,
                "globallyUnique": meta.globally_unique,
                "ordered": meta.ordered,
                "interleave": meta.interleave,
                "promotable": meta.promotable,
                "promotedMax": meta.promoted_max,
                "promotedNodeMax": meta.promoted_node_max,
                # Its own meta attributes, also when there are none: those of what it clones are not the clone's.
                "meta": meta_manifest(meta),
            }
        )
        conditional = self._conditional_meta(clone.meta_sets, clone.id)
        return {**spec, "conditionalMeta": conditional} if conditional else spec

    def _conditional_params(self, one: AttributeSet, owner: str) -> Obj:
        """Without scores: the sets stand in the order in which they win, and a resource's own win over its template's."""
        if one.rule is None:
            return {"params": dict(one.values)}
        try:
            rule = rule_manifest(one.rule)
        except TooDeep as error:
            self._complain(owner, f"parameters under {error}")
            return {}
        return {"rule": rule, "params": dict(one.values)}

    def _conditional_meta(self, sets: tuple[MetaSet, ...], owner: str) -> list[Obj]:
        return conditional_meta(sets, lambda message: self._complain(owner, message))

    def next_position(self) -> int:
        """The place of what comes next in the CIB's order."""
        self._position += 1
        return self._position

    def _object(self, kind: str, name: str, spec: Obj) -> Obj:
        return {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "annotations": {ANNOTATION_POSITION: str(self.next_position())},
            },
            "spec": spec,
        }


def conditional_meta(sets: tuple[MetaSet, ...], complain: Callable[[str], None]) -> list[Obj]:
    """Meta attributes under rules."""
    held = ((one.rule, one.score, {"meta": meta_manifest(one.meta)}) for one in sets)
    return under_rules(held, "meta attributes", complain)


def _operation(operation: Operation) -> Obj:
    found: Obj = {"name": operation.name}
    if operation.interval_ms:
        found["interval"] = duration_text(operation.interval_ms)
    found |= operation_options(operation)
    if operation.role is not None:
        found["role"] = operation.role.value
    if operation.enabled is not None:
        found["enabled"] = operation.enabled
    if operation.start_delay_ms:
        found["startDelay"] = duration_text(operation.start_delay_ms)
    if operation.interval_origin is not None:
        found["intervalOrigin"] = timestamp(operation.interval_origin)
    if operation.params:
        found["params"] = dict(operation.params)
    return found
