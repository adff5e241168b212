"""Reads one cluster from the API into a View: eight lists side by side, nothing kept between calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backstay.api import (
    LEASE_NAMESPACE,
    FenceDevice,
    HACluster,
    HAConstraint,
    HANode,
    HANodePlan,
    HAResource,
    HATransition,
    ResourceGroup,
)
from backstay_cli.errors import CliError, nearest
from backstay_cli.session import Session
from backstay_cli.view import Lease, View, lease_of, newest_renewal, read
from backstay_kube import kinds
from backstay_kube.errors import ApiForbidden, ApiNotFound
from backstay_kube.kinds import Kind

SECOND_LOOK_S_MAX = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a command needs beside cluster, nodes, resources and groups."""

    plans: bool = False
    constraints: bool = False
    fencing: bool = False
    transitions: bool = False
    leases: bool = False


EVERYTHING = Wanted(plans=True, constraints=True, fencing=True, transitions=True, leases=True)


async def gather(session: Session, wanted: Wanted) -> View:
    """Raises CliError (no cluster, or several and none chosen) and the API's errors."""
    warnings: list[str] = []
    cluster = await chosen_cluster(session)
    name = cluster.metadata.name
    spaces = (session.namespace,) if session.namespace else tuple(cluster.spec.namespaces)

    async def nothing() -> list[Any]:
        return []

    def perhaps(asked: bool, kind: Kind) -> Any:
        return _list(session, kind, spaces, warnings) if asked else nothing()

    lists = await asyncio.gather(
        _list(session, kinds.HANODE, (), warnings),
        _list(session, kinds.HARESOURCE, spaces, warnings),
        _list(session, kinds.RESOURCEGROUP, spaces, warnings),
        perhaps(wanted.plans, kinds.HANODEPLAN),
        perhaps(wanted.constraints, kinds.HACONSTRAINT),
        perhaps(wanted.fencing, kinds.FENCEDEVICE),
        perhaps(wanted.transitions, kinds.HATRANSITION),
        _leases(session, name, warnings) if wanted.leases else nothing(),
    )
    nodes, resources, groups, plans, constraints, devices, transitions, leases = lists
    now = session.clock()
    return View(
        now=now,
        cluster=cluster,
        nodes=tuple(n for n in read(HANode, nodes, warnings) if name in (n.status.cluster, n.spec.cluster)),
        plans=tuple(p for p in read(HANodePlan, plans, warnings) if p.spec.cluster == name),
        resources=tuple(r for r in read(HAResource, resources, warnings) if r.status.cluster in ("", name)),
        groups=tuple(g for g in read(ResourceGroup, groups, warnings) if g.status.cluster in ("", name)),
        constraints=tuple(
            c for c in read(HAConstraint, constraints, warnings) if c.status.cluster in ("", name)
        ),
        fence_devices=tuple(d for d in read(FenceDevice, devices, warnings) if d.spec.cluster == name),
        transitions=tuple(t for t in read(HATransition, transitions, warnings) if t.spec.cluster == name),
        leases=tuple(leases),
        warnings=tuple(warnings),
    )


async def _leases(session: Session, cluster: str, warnings: list[str]) -> tuple[Lease, ...]:
    """Heartbeats with their ages, by the cluster's own clocks where ours is found to be wrong.

    A DC that looks silent is looked at again: if it renews, it is our clock that is ahead, and ages count from its newest renewal.
    Ours is behind when there are renewals of the future."""
    objects = await _list(session, kinds.LEASE, (LEASE_NAMESPACE,), warnings)
    now = session.clock()
    dc = next((lease_of(obj, now=now) for obj in objects if obj["metadata"]["name"] == f"dc-{cluster}"), None)
    newest = newest_renewal(objects)
    if dc is not None and dc.holder and not dc.fresh and newest is not None:
        await session.sleep(min(SECOND_LOOK_S_MAX, 1.5 * dc.duration_s))
        objects = await _list(session, kinds.LEASE, (LEASE_NAMESPACE,), [])
        now = session.clock()
        later = newest_renewal(objects)
        if later is not None and later > newest:
            now = later
    elif newest is not None:
        now = max(now, newest)
    return tuple(lease_of(obj, now=now) for obj in objects)


async def chosen_cluster(session: Session) -> HACluster:
    """The HACluster of --cluster, or the only one."""
    try:
        listed = await session.api.list(kinds.HACLUSTER)
    except ApiNotFound:
        raise CliError(
            "this Kubernetes has no Backstay: the kind HACluster (ha.backstay.io/v1alpha1) is not known",
            hint="install the chart, or apply the CRDs: kubectl apply -f crds/",
        ) from None
    warnings: list[str] = []
    clusters = read(HACluster, listed.items, warnings)
    names = [cluster.metadata.name for cluster in clusters]
    if session.cluster is not None:
        for cluster in clusters:
            if cluster.metadata.name == session.cluster:
                return cluster
        raise CliError(f"there is no HACluster {session.cluster!r}", hint=nearest(session.cluster, names))
    if not clusters:
        raise CliError(
            warnings[0] if warnings else "there is no HACluster",
            hint="make one: kubectl apply -f - with kind: HACluster, apiVersion: ha.backstay.io/v1alpha1",
        )
    if len(clusters) > 1:
        raise CliError(
            f"there are {len(clusters)} clusters: {', '.join(names)}", hint="choose with --cluster NAME"
        )
    return clusters[0]


async def node_labels(session: Session) -> dict[str, dict[str, str]]:
    """Labels of the Nodes, which rules may speak of; none where they may not be listed."""
    warnings: list[str] = []
    nodes = await _list(session, kinds.NODE, (), warnings)
    for warning in warnings:
        session.say(f"warning: {warning}")
    return {obj["metadata"]["name"]: obj["metadata"].get("labels") or {} for obj in nodes}


async def _list(
    session: Session, kind: Kind, namespaces: Sequence[str], warnings: list[str]
) -> list[dict[str, Any]]:
    """One collection. A kind that may not be read is a warning: the rest is still worth showing."""
    try:
        if not kind.namespaced or not namespaces:
            return (await session.api.list(kind)).items
        found: list[dict[str, Any]] = []
        for namespace in namespaces:
            found += (await session.api.list(kind, namespace)).items
        return found
    except ApiForbidden:
        where = f" in {', '.join(namespaces)}" if kind.namespaced and namespaces else ""
        warnings.append(f"not allowed to list {kind.plural}{where}: what follows is incomplete")
        return []
    except ApiNotFound:
        warnings.append(f"the kind {kind.name} is not known to this Kubernetes")
        return []
