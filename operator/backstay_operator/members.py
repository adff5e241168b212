"""HANode objects: the DC makes one for each Node of its cluster, and removes those whose Node is gone."""

from __future__ import annotations

import logging

from backstay.api import HACluster
from backstay_kube import kinds
from backstay_kube.errors import ApiConflict, ApiError, ApiNotFound
from backstay_operator.world import World

log = logging.getLogger(__name__)


async def ensure_members(world: World, cluster: HACluster) -> None:
    """Create what is missing. An HANode that a user wrote first is taken over as it is."""
    wanted = world.nodes_of(cluster)
    for name in wanted:
        if world.get(kinds.HANODE, name) is not None:
            continue
        body = {
            "metadata": {"name": name, "labels": {"ha.backstay.io/cluster": cluster.metadata.name}},
            "spec": {"cluster": cluster.metadata.name},
        }
        try:
            world.accept(kinds.HANODE, "ADDED", await world.client.create(kinds.HANODE, body))
            log.info("node joined the configuration", extra={"cluster": cluster.metadata.name, "node": name})
        except ApiConflict:
            world.accept(kinds.HANODE, "ADDED", await world.client.get(kinds.HANODE, name))
        except ApiError as error:
            log.warning("cannot create HANode %s: %s", name, error)


async def remove_strangers(world: World, cluster: HACluster) -> None:
    """Delete HANodes and plans of this cluster whose Node is gone, so that they count for no quorum."""
    nodes = {obj["metadata"]["name"] for obj in world.raw(kinds.NODE)}
    for obj in list(world.raw(kinds.HANODE)):
        name = obj["metadata"]["name"]
        if name in nodes or (obj.get("spec") or {}).get("cluster") != cluster.metadata.name:
            continue
        for kind in (kinds.HANODE, kinds.HANODEPLAN):
            try:
                await world.client.delete(kind, name)
            except ApiNotFound:
                continue
            except ApiError as error:
                log.warning("cannot delete %s %s: %s", kind.name, name, error)
