"""The resources section."""

import xml.etree.ElementTree as ET
from typing import assert_never

from backstay.cib.exporting.elements import Element, Ids, date_text, milliseconds, pairs, words
from backstay.state.resource import Bundle, Clone, Group, Operation, Primitive, Resource, ResourceMeta
from backstay.state.rule import without_fallback
from backstay.state.score import text as score_text


def add_resource(parent: Element, resource: Resource, *, ids: Ids) -> None:
    """One resource with all in it. What Backstay does not run (bundles) is left out by whoever builds the state."""
    match resource:
        case Primitive():
            add_primitive(parent, resource, ids=ids)
        case Group():
            element = ET.SubElement(parent, "group", {"id": ids.claim(resource.id)})
            pairs(
                element,
                "instance_attributes",
                resource.params,
                ids=ids,
                wanted=f"{resource.id}-instance_attributes",
            )
            _add_meta(element, resource, ids=ids)
            for member in resource.members:
                add_primitive(element, member, ids=ids)
        case Clone():
            element = ET.SubElement(parent, "clone", {"id": ids.claim(resource.id)})
            pairs(
                element,
                "instance_attributes",
                resource.params,
                ids=ids,
                wanted=f"{resource.id}-instance_attributes",
            )
            _add_meta(element, resource, ids=ids)
            add_resource(element, resource.child, ids=ids)
        case Bundle():
            return
        case _:
            assert_never(resource)


def add_primitive(parent: Element, primitive: Primitive, *, ids: Ids) -> None:
    """A primitive: agent, parameters, meta attributes, operations, utilization."""
    agent = primitive.agent
    attributes = {"id": ids.claim(primitive.id), "class": agent.standard}
    if agent.provider:
        attributes["provider"] = agent.provider
    element = ET.SubElement(parent, "primitive", {**attributes, "type": agent.type})
    wanted = f"{primitive.id}-instance_attributes"
    for one in without_fallback(primitive.param_sets):
        pairs(
            element,
            "instance_attributes",
            one.values,
            ids=ids,
            wanted=one.id or wanted,
            rule=one.rule,
            score=one.score,
        )
    pairs(element, "instance_attributes", primitive.params, ids=ids, wanted=wanted)
    _add_meta(element, primitive, ids=ids)
    if primitive.operations:
        operations = ET.SubElement(element, "operations")
        for operation in primitive.operations:
            _add_operation(operations, operation, primitive.id, ids=ids)
    capacity = {name: str(value) for name, value in primitive.utilization.items()}
    pairs(element, "utilization", capacity, ids=ids, wanted=f"{primitive.id}-utilization")


def _add_meta(parent: Element, resource: Primitive | Group | Clone, *, ids: Ids) -> None:
    wanted = f"{resource.id}-meta_attributes"
    for one in resource.meta_sets:
        pairs(
            parent,
            "meta_attributes",
            meta_values(one.meta),
            ids=ids,
            wanted=one.id or wanted,
            rule=one.rule,
            score=one.score,
        )
    pairs(parent, "meta_attributes", meta_values(resource.meta), ids=ids, wanted=wanted)


def meta_values(meta: ResourceMeta) -> dict[str, str]:
    """Meta attributes as written in a CIB."""
    values = {
        "priority": None if meta.priority is None else score_text(meta.priority),
        "target-role": None if meta.target_role is None else meta.target_role.value,
        "is-managed": meta.is_managed,
        "maintenance": meta.maintenance,
        "critical": meta.critical,
        "resource-stickiness": None
        if meta.resource_stickiness is None
        else score_text(meta.resource_stickiness),
        "requires": None if meta.requires is None else meta.requires.value,
        "migration-threshold": None
        if meta.migration_threshold is None
        else score_text(meta.migration_threshold),
        "failure-timeout": None if meta.failure_timeout_ms is None else milliseconds(meta.failure_timeout_ms),
        "multiple-active": None if meta.multiple_active is None else meta.multiple_active.value,
        "allow-migrate": meta.allow_migrate,
        "allow-unhealthy-nodes": meta.allow_unhealthy_nodes,
        "container": meta.container,
        "remote-node": meta.remote_node,
        "clone-max": meta.clone_max,
        "clone-node-max": meta.clone_node_max,
        "clone-min": meta.clone_min,
        "promotable": meta.promotable,
        "promoted-max": meta.promoted_max,
        "promoted-node-max": meta.promoted_node_max,
        "notify": meta.notify,
        "globally-unique": meta.globally_unique,
        "ordered": meta.ordered,
        "interleave": meta.interleave,
    }
    return {**dict(words(values)), **meta.extra}


def operation_values(operation: Operation) -> dict[str, str]:
    """Everything but name and interval, as written in a CIB."""
    values = {
        "timeout": None if operation.timeout_ms is None else milliseconds(operation.timeout_ms),
        "on-fail": None if operation.on_fail is None else operation.on_fail.value,
        "enabled": operation.enabled,
        "role": None if operation.role is None else operation.role.value,
        "start-delay": milliseconds(operation.start_delay_ms) if operation.start_delay_ms else None,
        "interval-origin": None
        if operation.interval_origin is None
        else date_text(operation.interval_origin),
        "record-pending": operation.record_pending,
    }
    return {**dict(words(values)), **operation.extra}


def _add_operation(parent: Element, operation: Operation, resource: str, *, ids: Ids) -> None:
    interval = milliseconds(operation.interval_ms)
    wanted = operation.id or f"{resource}-{operation.name}-interval-{interval}"
    values = operation_values(operation)
    element = ET.SubElement(
        parent, "op", {"id": ids.claim(wanted), "name": operation.name, "interval": interval, **values}
    )
    params = f"{element.get('id')}-instance_attributes"
    pairs(element, "instance_attributes", operation.params, ids=ids, wanted=params)
