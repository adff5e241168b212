"""The cluster's status in crm_simulate's words: nodes and resources, as an indented list."""

from collections.abc import Iterator

from backstay.scheduler.situation import Kind, NodeView, Resource, Situation
from backstay.simulate.clone_status import clone_lines
from backstay.simulate.instance_status import family_flags, instance_text, is_disabled
from backstay.state.choices import NodeKind


def status_lines(situation: Situation) -> list[str]:
    """The body of `Current cluster status`."""
    lines = ["  * Node List:"]
    lines += [f"    * {line}" for line in _node_lines(situation)]
    lines += ["", "  * Full List of Resources:"]
    for resource in situation.resources:
        lines += [f"    {line}" for line in _resource_lines(resource)]
    if not situation.resources:
        lines.append("    * No resources")
    return lines


def disabled_line(situation: Situation) -> str | None:
    """The count of disabled and blocked instances; None if there are none."""
    leaves = [leaf for leaf in situation.leaves() if leaf.active_on or not leaf.orphan]
    disabled = sum(1 for leaf in leaves if is_disabled(leaf))
    blocked = sum(1 for leaf in leaves if leaf.blocked)
    if not disabled and not blocked:
        return None
    return (
        f"{disabled} of {len(leaves)} resource instances DISABLED and {blocked} BLOCKED "
        "from further action due to failure"
    )


# -- nodes


def _node_lines(situation: Situation) -> Iterator[str]:
    online: list[str] = []
    offline: list[str] = []
    for node in situation.nodes:
        if node.node.kind is NodeKind.PING:
            continue
        word = _node_word(situation, node)
        if word == "online":
            online.append(node.name)
        elif word == "OFFLINE":
            offline.append(node.name)
        else:
            yield f"Node {node.name}: {word}"
    if online:
        yield f"Online: [ {' '.join(online)} ]"
    if offline:
        yield f"OFFLINE: [ {' '.join(offline)} ]"


def _node_word(situation: Situation, node: NodeView) -> str:
    if node.unclean:
        if node.node.pending:
            return "UNCLEAN (pending)"
        return "UNCLEAN (online)" if node.online else "UNCLEAN (offline)"
    if node.node.pending:
        return "pending"
    if node.standby_on_failure and node.online:
        return "standby (on-fail)"
    if node.standby:
        if not node.online:
            return "OFFLINE (standby)"
        active = any(node in leaf.active_on for leaf in situation.leaves())
        return "standby (with active resources)" if active else "standby"
    if node.node.maintenance and (node.online or node.node.seen):
        return "maintenance" if node.online else "OFFLINE (maintenance)"
    if node.online:
        return "online" if node.health is None else f"online (health is {node.health})"
    return "OFFLINE" if node.health is None else f"OFFLINE (health is {node.health})"


# -- resources


def _resource_lines(resource: Resource) -> Iterator[str]:
    match resource.kind:
        case Kind.PRIMITIVE:
            if not resource.orphan or resource.active_on:
                yield f"* {instance_text(resource)}"
        case Kind.GROUP:
            yield f"* Resource Group: {resource.id}{family_flags(resource)}:"
            for member in resource.children:
                yield f"  * {instance_text(member)}"
        case Kind.CLONE:
            yield from clone_lines(resource)
