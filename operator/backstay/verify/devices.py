"""Fence devices: is the fence agent there, and does it take these parameters? Told, and never acted upon: a device in doubt may still
be the one that saves the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from backstay.api import FenceDevice, HACluster
from backstay.fencing import complaints_about
from backstay.ocf.agentspec import is_fence_agent
from backstay.ocf.hostmap import parse_host_map
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.state.pattern import PatternError, compiled
from backstay.verify.agents import AgentBook, Broken
from backstay.verify.nearest import listed, suggestion

_COMMON = ("action", "plug", "port", "method", "delay", "verbose", "debug")
"""Given by whoever runs the fence agent, or understood by every one."""


def check_devices(objects: Objects, book: AgentBook) -> Iterator[Problem]:
    """All devices of the cluster."""
    yield from _check_topology(objects)
    members = sorted(node.metadata.name for node in objects.nodes)
    for device in sorted(objects.devices, key=lambda one: one.metadata.name):
        agent = device.spec.agent
        for complaint in complaints_about(device):
            yield _problem(device, "InvalidParameter", complaint.field, complaint.message, warning=True)
        yield from _check_nodes(device, members, objects.cluster.metadata.name)
        if not is_fence_agent(agent.removeprefix("stonith:")):
            message = f"{agent!r}: only programs named fence_* are run as fence agents, so it fences nobody"
            yield _problem(device, "NotAFenceAgent", "spec.agent", f"{message}; use another agent")
            continue
        if book.exists(agent) is False:
            yield _problem(
                device,
                "UnknownAgent",
                "spec.agent",
                f"no node has the fence agent {agent!r} (asked: {listed(book.members)})"
                + (suggestion(agent, book.known_agents("stonith")) or "; install it on the nodes"),
            )
            continue
        document = book.document(agent)
        if document is None or isinstance(document, Broken):
            continue
        names = [one.name for one in document.parameters]
        given = {
            one for one in {*device.spec.params, *device.spec.params_from} if not one.startswith("pcmk_")
        }
        for name in sorted(given - {*names, *_COMMON, device.spec.host_argument}):
            field = f"spec.params.{name}"
            fix = suggestion(name, names) or f"; it has {listed(names)}"
            message = f"{agent} has no such parameter{fix}"
            yield _problem(device, "UnknownParameter", field, message, warning=True)
        supplied = given | {device.spec.host_argument, *_COMMON}
        for one in document.parameters:
            if one.required and not one.default and not one.deprecated and one.name not in supplied:
                yield _problem(
                    device,
                    "MissingParameter",
                    f"spec.params.{one.name}",
                    f"{agent} requires it; add it",
                    warning=True,
                )


def _check_nodes(device: FenceDevice, members: Sequence[str], cluster: str) -> Iterator[Problem]:
    """Nodes that a device names and the cluster does not have: it can fence no node by that name."""
    spec, params = device.spec, device.spec.params
    host_list = params.get("pcmk_host_list", "").replace(",", " ").replace(";", " ").split()
    delays = params.get("pcmk_delay_base", "")
    named: dict[str, Iterable[str]] = {
        "spec.targets.nodes": spec.targets.nodes,
        "spec.hostMap": spec.host_map,
        "spec.nodeDelays": spec.node_delays,
        "spec.params.pcmk_host_list": host_list,
        "spec.params.pcmk_host_map": _mapped(params.get("pcmk_host_map", "")),
        "spec.params.pcmk_delay_base": _mapped(delays) if ":" in delays or "=" in delays else (),
    }
    for field, nodes in named.items():
        for node in sorted(set(nodes) - {*members}):
            message = (
                f"{node!r} is no node of HACluster {cluster!r}, which has {listed(members) or 'none'}"
                + (suggestion(node, members) or "; correct the name, or remove the entry")
            )
            yield _problem(device, "UnknownNode", field, message, warning=True)


def _mapped(text: str) -> list[str]:
    return [node for node, _ in parse_host_map(text).entries]


def _check_topology(objects: Objects) -> Iterator[Problem]:
    """Levels that can never succeed, because they name what is not there."""
    names = {device.metadata.name for device in objects.devices}
    for number, level in enumerate(objects.cluster.spec.fencing_topology):
        field = f"spec.fencingTopology[{number}]"
        for device in level.devices:
            if device not in names:
                fix = suggestion(device, names) or "; the level is passed over until it is created"
                message = f"there is no FenceDevice {device!r} in this cluster{fix}"
                yield _cluster_problem(objects.cluster, f"{field}.devices", message)
        try:
            compiled(level.node_pattern or "")
        except PatternError as error:
            message = f"{error}; it matches no node"
            yield _cluster_problem(objects.cluster, f"{field}.nodePattern", message)


def _cluster_problem(cluster: HACluster, field: str, message: str) -> Problem:
    return Problem(
        kind="HACluster",
        namespace="",
        name=cluster.metadata.name,
        code="FencingTopology",
        message=f"{field}: {message}",
        field=field,
        severity="warning",
    )


def _problem(device: FenceDevice, code: str, field: str, message: str, *, warning: bool = False) -> Problem:
    return Problem(
        kind="FenceDevice",
        namespace="",
        name=device.metadata.name,
        code=code,
        message=f"{field}: {message}",
        field=field,
        severity="warning" if warning else "error",
    )
