"""HANode objects, and the end of a membership (design note 0013).

The DC makes an HANode for each member. It deletes HANodes and plans of members that have left, and of no other: against a fresh list of
Nodes, and only the very object that was judged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from backstay.api import GROUP, HACluster, HANode
from backstay.coordinator import Leaver
from backstay_kube import kinds
from backstay_kube.client import Obj
from backstay_kube.errors import ApiConflict, ApiError, ApiNotFound
from backstay_operator.membership import matches
from backstay_operator.validation import Stray, no_member, stray
from backstay_operator.world import World

log = logging.getLogger(__name__)

MEMBER_LABEL = f"{GROUP}/cluster"
"""On HANodes that a DC made, as opposed to those that a user wrote."""
TIMEOUT_S = 2.0
DELETE_ATTEMPTS = 3
"""The publisher writes the HANode's status, and so another version, at any time."""


async def ensure_members(world: World, cluster: HACluster) -> bool:
    """Create what is missing; whether nothing is. An HANode that a user wrote first is taken over as it is."""
    missing = [name for name in world.nodes_of(cluster) if world.get(kinds.HANODE, name) is None]
    try:
        async with asyncio.timeout(TIMEOUT_S):
            for name in missing:
                await ensure_member(world, cluster.metadata.name, name)
    except (ApiError, TimeoutError) as error:
        # They are members all the same, and a later round tries again.
        log.warning("cannot create an HANode for each of %s: %r", " ".join(missing), error)
        return False
    return True


async def ensure_member(world: World, cluster: str, name: str) -> None:
    """Create the HANode, if there is none. Raises ApiError."""
    body: Obj = {
        "metadata": {"name": name, "labels": {MEMBER_LABEL: cluster}},
        "spec": {"cluster": cluster},
    }
    try:
        world.accept(kinds.HANODE, await world.client.create(kinds.HANODE, body))
        log.info("HANode created", extra={"cluster": cluster, "node": name})
    except ApiConflict:
        world.accept(kinds.HANODE, await world.client.get(kinds.HANODE, name))


async def let_go(world: World, cluster: HACluster, leavers: Iterable[Leaver]) -> None:
    """Delete the objects of members that have left, unless a fresh look shows that the cluster selects them. What fails is judged, and
    tried, again by the next step."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            selected = await _selected_now(world, cluster)
            for one in leavers:
                if one.node not in selected:
                    await _let_go(world, cluster, one)
    except (ApiError, TimeoutError) as error:
        log.info("cannot delete the objects of a node that has left yet: %r", error)


async def remove_strangers(world: World, cluster: HACluster) -> None:
    """Delete HANodes that a DC of this cluster made for Nodes that never ran an agent, and are not selected any more. What a user wrote
    is told, not deleted."""
    members = {name for one in world.clusters() for name in world.nodes_of(one)}
    strangers = [
        (obj["metadata"]["name"], str(obj["metadata"].get("uid", "")))
        for obj in world.raw(kinds.HANODE)
        if obj["metadata"]["name"] not in members
        and (obj["metadata"].get("labels") or {}).get(MEMBER_LABEL) == cluster.metadata.name
    ]
    if not strangers:
        return
    try:
        async with asyncio.timeout(TIMEOUT_S):
            selected = await _selected_now(world, cluster)
            for name, uid in strangers:
                if name not in selected and world.plans.get(name) is None:
                    await _delete_node(world, name, uid)
    except (ApiError, TimeoutError) as error:
        log.info("cannot delete an HANode that belongs to no member yet: %r", error)


async def _selected_now(world: World, cluster: HACluster) -> set[str]:
    """By reads that were asked for now."""
    fresh = await world.client.get(kinds.HACLUSTER, cluster.metadata.name)
    listed = await world.client.list(kinds.NODE, metadata_only=True)
    selector = (fresh.get("spec") or {}).get("nodeSelector") or {}
    return {
        obj["metadata"]["name"]
        for obj in listed.items
        if matches(selector, obj["metadata"].get("labels") or {})
    }


async def _let_go(world: World, cluster: HACluster, one: Leaver) -> None:
    """The plan first: while the HANode is there, and says which boot was heard or fenced, nothing is lost by a failure in between."""
    if one.plan_uid:
        try:
            await world.client.delete(
                kinds.HANODEPLAN, one.node, uid=one.plan_uid, resource_version=one.plan_version
            )
        except ApiNotFound:
            log.debug("the plan of %s is gone already", one.node)
        world.deleted(kinds.HANODEPLAN, one.node, one.plan_uid)
    present = world.get(kinds.HANODE, one.node)
    if present is not None and MEMBER_LABEL in (present["metadata"].get("labels") or {}):
        await _delete_node(world, one.node, one.node_uid)
    elif present is not None:
        body = {"status": no_member(cluster.metadata.name)}
        answer = await world.client.patch(kinds.HANODE, one.node, body, subresource="status")
        world.accept(kinds.HANODE, answer)
    log.info(
        "node has left the cluster: %s", one.proof, extra={"cluster": cluster.metadata.name, "node": one.node}
    )


async def _delete_node(world: World, name: str, uid: str) -> None:
    """Raises ApiConflict where another HANode has taken its place, or it changes all the time."""
    for attempt in range(DELETE_ATTEMPTS):
        try:
            fresh = await world.client.get(kinds.HANODE, name)
            version = str(fresh["metadata"]["resourceVersion"])
            await world.client.delete(kinds.HANODE, name, uid=uid, resource_version=version)
        except ApiNotFound:
            break
        except ApiConflict:
            if attempt == DELETE_ATTEMPTS - 1:
                raise
        else:
            break
    world.deleted(kinds.HANODE, name, uid)


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
        if node.metadata.labels.get(MEMBER_LABEL) in names:
            continue  # about to be removed
        selector = cluster.spec.node_selector if node.metadata.name in nodes else None
        found.append(stray(node, selector=selector, cluster=cluster.metadata.name, kubernetes_nodes=nodes))
    return tuple(found)
