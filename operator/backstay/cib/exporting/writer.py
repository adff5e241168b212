"""From a ClusterState to a CIB's XML: the configuration, and of the status only the tickets.

Cluster options get their older spelling (stonith-...), which every version of Pacemaker takes. What equals Pacemaker's default is
left out.
"""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import fields
from enum import Enum

from backstay.cib.exporting.constraints import add_constraint
from backstay.cib.exporting.elements import Element, Ids, milliseconds, pairs, words
from backstay.cib.exporting.resources import add_resource, meta_values, operation_values
from backstay.state.choices import NodeKind
from backstay.state.cluster import ClusterProperties, ClusterState, FencingLevel
from backstay.state.node import Node
from backstay.state.resource import Operation
from backstay.state.score import text as score_text

SCHEMA = "pacemaker-3.7"

# What the running cluster finds out or what Backstay always does: no configuration.
_NOT_WRITTEN = frozenset(
    {
        "extra",
        "have_watchdog",
        "default_action_timeout_ms",
        "remove_after_stop",
        "manage_without_devices",
        "trust_maintenance",
    }
)
_SPELLED = {
    "stop_removed_resources": "stop-orphan-resources",
    "cancel_removed_actions": "stop-orphan-actions",
}


def export_cib(state: ClusterState) -> str:
    """The whole document."""
    ids = Ids()
    root = ET.Element(
        "cib",
        {"validate-with": SCHEMA, "admin_epoch": "0", "epoch": "1", "num_updates": "0",
         "have-quorum": "1" if state.have_quorum else "0"},
    )  # fmt: skip
    configuration = ET.SubElement(root, "configuration")
    options = option_values(state.properties)
    if state.cluster_name:
        options.setdefault("cluster-name", state.cluster_name)
    pairs(
        ET.SubElement(configuration, "crm_config"),
        "cluster_property_set",
        options,
        ids=ids,
        wanted="cib-bootstrap-options",
    )
    nodes = ET.SubElement(configuration, "nodes")
    for node in state.nodes:
        _add_node(nodes, node, ids=ids)
    resources = ET.SubElement(configuration, "resources")
    for resource in state.resources:
        add_resource(resources, resource, ids=ids)
    constraints = ET.SubElement(configuration, "constraints")
    for constraint in state.constraints:
        add_constraint(constraints, constraint, ids=ids)
    _add_topology(configuration, state.fencing_levels, ids=ids)
    _add_defaults(configuration, state, ids=ids)
    _add_status(root, state)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def option_values(properties: ClusterProperties) -> dict[str, str]:
    """Cluster options that differ from Pacemaker's defaults, as written in a CIB."""
    defaults = ClusterProperties()
    values: dict[str, object] = {}
    for field in fields(properties):
        value = getattr(properties, field.name)
        if field.name in _NOT_WRITTEN or value == getattr(defaults, field.name):
            continue
        name = _SPELLED.get(field.name, field.name.removesuffix("_ms").replace("_", "-"))
        if name.startswith("fencing-"):
            name = "stonith-" + name.removeprefix("fencing-")
        if field.name.endswith("_ms"):
            value = milliseconds(value)
        elif field.name.startswith("node_health_") and isinstance(value, int):
            value = score_text(value)
        values[name] = value.value if isinstance(value, Enum) else value
    return {**dict(words(values)), **properties.extra}


def _add_node(parent: Element, node: Node, *, ids: Ids) -> None:
    attributes = {"id": ids.claim(node.uuid) if not node.uuid.isdigit() else node.uuid, "uname": node.name}
    if node.kind is not NodeKind.MEMBER:
        attributes["type"] = node.kind.value
    element = ET.SubElement(parent, "node", attributes)
    values = dict(node.attributes)
    if node.standby:
        values["standby"] = "on"
    if node.maintenance:
        values["maintenance"] = "true"
    prefix = f"nodes-{attributes['id']}"
    pairs(element, "instance_attributes", values, ids=ids, wanted=prefix)
    capacity = {name: str(value) for name, value in node.utilization.items()}
    pairs(element, "utilization", capacity, ids=ids, wanted=f"{prefix}-utilization")


def _add_topology(parent: Element, levels: Sequence[FencingLevel], *, ids: Ids) -> None:
    if not levels:
        return
    topology = ET.SubElement(parent, "fencing-topology")
    for number, level in enumerate(levels):
        attributes = {"id": ids.claim(f"fencing-level-{number + 1}"), "index": str(level.index)}
        if level.target is not None:
            attributes["target"] = level.target
        if level.target_pattern is not None:
            attributes["target-pattern"] = level.target_pattern
        if level.target_attribute is not None:
            name, value = level.target_attribute
            attributes |= {"target-attribute": name, "target-value": value}
        ET.SubElement(topology, "fencing-level", {**attributes, "devices": ",".join(level.devices)})


def _add_defaults(parent: Element, state: ClusterState, *, ids: Ids) -> None:
    resource = ET.Element("rsc_defaults")
    for one in state.resource_default_sets:
        pairs(
            resource,
            "meta_attributes",
            meta_values(one.meta),
            ids=ids,
            wanted=one.id or "rsc-options",
            rule=one.rule,
            score=one.score,
        )
    pairs(resource, "meta_attributes", meta_values(state.resource_defaults), ids=ids, wanted="rsc-options")
    operation = ET.Element("op_defaults")
    for set_ in state.operation_default_sets:
        pairs(
            operation,
            "meta_attributes",
            _operation_default_values(set_.defaults),
            ids=ids,
            wanted=set_.id or "op-options",
            rule=set_.rule,
            score=set_.score,
        )
    values = _operation_default_values(state.operation_defaults)
    pairs(operation, "meta_attributes", values, ids=ids, wanted="op-options")
    for element in (resource, operation):
        if len(element):
            parent.append(element)


def _operation_default_values(operation: Operation) -> dict[str, str]:
    interval = {"interval": milliseconds(operation.interval_ms)} if operation.interval_ms else {}
    return {**interval, **operation_values(operation)}


def _add_status(root: Element, state: ClusterState) -> None:
    status = ET.SubElement(root, "status")
    if not state.tickets:
        return
    tickets = ET.SubElement(status, "tickets")
    for ticket in state.tickets:
        attributes = {"id": ticket.id, "granted": "true" if ticket.granted else "false"}
        if ticket.standby:
            attributes["standby"] = "true"
        if ticket.last_granted is not None:
            attributes["last-granted"] = str(int(ticket.last_granted))
        ET.SubElement(tickets, "ticket_state", attributes)
