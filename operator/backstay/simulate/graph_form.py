"""A transition graph for other programs: as XML in the form of Pacemaker's saved graphs, as plain data for JSON, and as DOT.

An action's label names it once and for all: operation key and node. In the XML an action is a synapse with one
`action_set` and one trigger for each action it waits for.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import Any

from backstay.scheduler.transition import Transition
from backstay.simulate.report import action_text
from backstay.transition.graph import Action, ActionKind, Graph

_XML_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]*$")
_TAGS = {ActionKind.PSEUDO: "pseudo_event", ActionKind.RESOURCE: "rsc_op"}


def label(action: Action) -> str:
    """`rsc1_start_0 node1`, `stonith reboot node1`, `do_shutdown do_shutdown-node1 node1`."""
    match action.kind:
        case ActionKind.FENCING:
            return f"stonith {action.fencing_action} {action.node}"
        case ActionKind.CLUSTER:
            return f"{action.operation} {action.key} {action.node}"
        case ActionKind.PSEUDO:
            return f"{action.key} {action.node}" if _has_place(action) else action.key
        case ActionKind.RESOURCE:
            cancel = "cancel " if action.operation == "cancel" else ""
            return f"{cancel}{_renamed(_key(action), action)} {action.node}"


def graph_data(graph: Graph) -> dict[str, Any]:
    """`nodes` (labels), `edges` (pairs of labels, the earlier first) and `actions` in full."""
    labels = [label(action) for action in graph.actions]
    return {
        "nodes": labels,
        "edges": [[labels[one], labels[action.id]] for action in graph.actions for one in action.inputs],
        "actions": [
            {
                "id": action.id,
                "label": labels[action.id],
                "kind": action.kind.value,
                "operation": action.operation,
                "resource": action.resource,
                "node": action.node,
                "intervalMs": action.interval_ms,
                "after": list(action.inputs),
            }
            for action in graph.actions
        ],
    }


def graph_xml(transition: Transition, *, node_ids: Mapping[str, str]) -> str:
    """The graph as Pacemaker saves one. `node_ids`: the node's name -> its id in the cluster layer."""
    root = ET.Element("transition_graph", {"transition_id": "1"})
    actions = transition.graph.actions
    for action in actions:
        attributes = {"id": str(action.id)}
        if action.priority:
            attributes["priority"] = str(action.priority)
        synapse = ET.SubElement(root, "synapse", attributes)
        element = _element(ET.SubElement(synapse, "action_set"), action, node_ids)
        _details(element, action)
        inputs = ET.SubElement(synapse, "inputs")
        for one in action.inputs:
            _element(ET.SubElement(inputs, "trigger"), actions[one], node_ids)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def graph_dot(graph: Graph) -> str:
    """For graphviz: agents' operations green, fencing red, marks in the order of things orange."""
    lines = ['digraph "g" {']
    for action in graph.actions:
        colour = {ActionKind.PSEUDO: "orange", ActionKind.FENCING: "red"}.get(action.kind, "green")
        tooltip = " ".join(action_text(action).split())
        name = label(action) if _has_place(action) or not action.node else f"{label(action)} {action.node}"
        lines.append(
            f"a{action.id} [ label={_quoted(name)} style=bold color={colour} tooltip={_quoted(tooltip)} ]"
        )
    lines += [f"a{one} -> a{action.id}" for action in graph.actions for one in action.inputs]
    return "\n".join((*lines, "}")) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _key(action: Action) -> str:
    """The key under which Pacemaker saves an action: what is cancelled is a monitor."""
    if action.operation == "cancel":
        return action.key.replace("_cancel_", "_monitor_")
    return action.key


def _renamed(key: str, action: Action) -> str:
    """A key by the instance's own name; the node may know the instance by another one."""
    if action.xml_id is None or action.resource is None or not key.startswith(f"{action.xml_id}_"):
        return key
    return action.resource + key.removeprefix(action.xml_id)


def _has_place(action: Action) -> bool:
    """Marks stand nowhere, also those for what fencing implies on a node; only the fencing of a guest is one with a node."""
    return bool(action.node) and (action.kind is not ActionKind.PSEUDO or action.operation == "stonith")


def _element(parent: ET.Element, action: Action, node_ids: Mapping[str, str]) -> ET.Element:
    key = _key(action)
    attributes = {"id": str(action.id + 1), "operation": action.operation, "operation_key": key}
    if action.kind is ActionKind.RESOURCE and _renamed(key, action) != key:
        attributes["internal_operation_key"] = _renamed(key, action)
    if action.node and _has_place(action):
        attributes |= {"on_node": action.node, "on_node_uuid": node_ids.get(action.node, action.node)}
    return ET.SubElement(parent, _TAGS.get(action.kind, "crm_event"), attributes)


def _details(element: ET.Element, action: Action) -> None:
    if action.resource is not None and action.agent is not None and action.kind is not ActionKind.PSEUDO:
        name = action.xml_id or action.resource
        base = action.base_id or name
        attributes = {"id": base, "class": action.agent.standard, "type": action.agent.type}
        if name != base:
            attributes["long-id"] = name
        if action.agent.provider:
            attributes["provider"] = action.agent.provider
        ET.SubElement(element, "primitive", attributes)
    # A parameter whose name is no XML name can stand in no such graph.
    attributes = {name: value for name, value in sorted(_attributes(action)) if _XML_NAME.match(name)}
    ET.SubElement(element, "attributes", attributes)


def _attributes(action: Action) -> Iterator[tuple[str, str]]:
    if action.kind is ActionKind.FENCING:
        yield "CRM_meta_stonith_action", action.fencing_action or ""
    if action.node and action.kind is not ActionKind.PSEUDO:
        yield "CRM_meta_on_node", action.node
    if action.kind is ActionKind.RESOURCE:
        yield "CRM_meta_timeout", str(action.timeout_ms)
        if action.interval_ms:
            yield "CRM_meta_interval", str(action.interval_ms)
        if action.target_rc is not None:
            yield "CRM_meta_op_target_rc", str(action.target_rc)
        for name, value in action.meta.items():
            yield f"CRM_meta_{name}", value
        yield from action.params.items()
