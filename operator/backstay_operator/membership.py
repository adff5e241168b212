"""Which Nodes are members of an HACluster, by what the API holds (design note 0013). Pure.

A cluster *selects* Nodes by their labels; where selectors overlap the oldest cluster wins. It *holds* a
node for which it has an HANodePlan, or an HANode that says which boot reported: something of the cluster
may run there, whatever has become of the Node or of its labels. A node that is held by another cluster is
no member before that one has let it go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backstay.api import HACluster, HANode
from backstay_operator.unreadable import UNREADABLE

Obj = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Members:
    """Of one cluster, by name and in order; `leaving` are those that it does not select any more, and why."""

    members: tuple[str, ...]
    leaving: Mapping[str, str]


def members_of(
    cluster: HACluster, clusters: Iterable[HACluster], *, nodes: Iterable[Obj], holders: Mapping[str, str]
) -> Members:
    """`clusters`: all, oldest first. `holders`: as from `holders_of`.

    Where the cluster selects no Node at all, what no other cluster selects stays: a selector that was mistyped stops no service."""
    labels = {obj["metadata"]["name"]: _mapping(obj["metadata"].get("labels")) for obj in nodes}
    name, selected = cluster.metadata.name, selected_by(clusters, labels)
    mine = {node for node, owner in selected.items() if owner == name}
    held = {node for node, holder in holders.items() if holder == name}
    members = held | {node for node in mine if holders.get(node, name) == name}
    leaving = {node: _why(node, labels, selected) for node in sorted(members - mine)}
    if UNREADABLE in cluster.spec.node_selector:
        leaving = {}  # what the selector says cannot be read
    elif not mine:
        leaving = {node: why for node, why in leaving.items() if node in selected}
    return Members(tuple(sorted(members)), leaving)


def selected_by(clusters: Iterable[HACluster], labels: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """By Node, the oldest cluster whose selector matches its labels. `clusters`: oldest first."""
    found: dict[str, str] = {}
    for cluster in clusters:
        for node, own in labels.items():
            if matches(cluster.spec.node_selector, own):
                found.setdefault(node, cluster.metadata.name)
    return found


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def holders_of(plans: Iterable[Obj], hanodes: Iterable[Obj], clusters: Iterable[Obj]) -> dict[str, str]:
    """By node, the cluster of which something may run there. All are raw: what cannot be read holds, too."""
    present = {obj["metadata"]["name"] for obj in clusters}
    found = {}
    for obj in hanodes:
        status = _mapping(obj.get("status"))
        if status.get("bootId") and status.get("agentVersion"):
            found[obj["metadata"]["name"]] = str(status.get("cluster") or "")
    for obj in plans:
        found[obj["metadata"]["name"]] = str(_mapping(obj.get("spec")).get("cluster") or "")
    return {node: cluster for node, cluster in found.items() if cluster in present}


def stand_in(name: str, *, frozen: bool) -> HANode:
    """For a member without an HANode that can be read: it is a member all the same. `frozen`: nobody knows what is wanted of it, so it
    is left as it is."""
    return HANode.parse({"metadata": {"name": name}, "spec": {"maintenance": frozen}})


def _why(node: str, labels: Mapping[str, object], selected: Mapping[str, str]) -> str:
    if node not in labels:
        return "its Node was deleted"
    if node in selected:
        return f"HACluster {selected[node]} selects its Node"
    return "the nodeSelector does not match its Node"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
