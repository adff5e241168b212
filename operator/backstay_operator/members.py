"""HANode objects: the DC makes one for each Node of its cluster, and removes those whose Node is gone."""

from __future__ import annotations

import logging

from backstay.api import GROUP, HACluster, HANode
from backstay_kube import kinds
from backstay_kube.errors import ApiConflict, ApiError, ApiNotFound
from backstay_operator.validation import Stray, stray
from backstay_operator.world import World

log = logging.getLogger(__name__)

MEMBER_LABEL = f"{GROUP}/cluster"
"""On HANodes that a DC made, as opposed to those that a user wrote."""


async def ensure_members(world: World, cluster: HACluster) -> None:
    """Create what is missing. An HANode that a user wrote first is taken over as it is."""
    wanted = world.nodes_of(cluster)
    for name in wanted:
        if world.get(kinds.HANODE, name) is not None:
            continue
        body = {
            "metadata": {"name": name, "labels": {MEMBER_LABEL: cluster.metadata.name}},
            "spec": {"cluster": cluster.metadata.name},
        }
        try:
            world.accept(kinds.HANODE, await world.client.create(kinds.HANODE, body))
            log.info("node joined the configuration", extra={"cluster": cluster.metadata.name, "node": name})
        except ApiConflict:
            world.accept(kinds.HANODE, await world.client.get(kinds.HANODE, name))
        except ApiError as error:
            log.warning("cannot create HANode %s: %s", name, error)


async def remove_strangers(world: World, cluster: HACluster) -> None:
    """Delete plans of this cluster whose Node is gone, and HANodes that a DC made. What a user wrote is told, not deleted."""
    nodes = {obj["metadata"]["name"] for obj in world.raw(kinds.NODE)}
    for obj in list(world.raw(kinds.HANODE)):
        name = obj["metadata"]["name"]
        if name in nodes or (obj.get("spec") or {}).get("cluster") != cluster.metadata.name:
            continue
        ours = MEMBER_LABEL in (obj["metadata"].get("labels") or {})
        has_plan = world.plans.get(name) is not None
        for kind in ((kinds.HANODE,) if ours else ()) + ((kinds.HANODEPLAN,) if has_plan else ()):
            try:
                await world.client.delete(kind, name)
            except ApiNotFound:
                continue
            except ApiError as error:
                log.warning("cannot delete %s %s: %s", kind.name, name, error)


def strays_of(world: World, cluster: HACluster) -> tuple[Stray, ...]:
    """HANodes that belong to no cluster, as far as this one has to tell: those that name it; for the oldest, all others too."""
    clusters = world.clusters()
    members = {name for one in clusters for name in world.nodes_of(one)}
    names = {one.metadata.name for one in clusters}
    nodes = {obj["metadata"]["name"] for obj in world.raw(kinds.NODE)}
    oldest = clusters[0].metadata.name if clusters else ""
    found = []
    for node in world.parsed(kinds.HANODE, HANode):
        teller = node.spec.cluster if node.spec.cluster in names else oldest
        if node.metadata.name in members or teller != cluster.metadata.name:
            continue
        if MEMBER_LABEL in node.metadata.labels and node.metadata.name not in nodes:
            continue  # about to be removed
        selector = cluster.spec.node_selector if node.metadata.name in nodes else None
        found.append(stray(node, selector=selector, cluster=cluster.metadata.name, kubernetes_nodes=nodes))
    return tuple(found)
