"""The objects a sandbox puts into its API.

The sandbox plays the parts that a real cluster has besides Backstay: the chart (definitions and namespace), the
kubelets (a Node per host, with a heartbeat) and the administrator of the tutorial (the HACluster, the FenceDevice
and the secret of the power switch).  Everything is a server-side apply, so doing it twice changes nothing.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import TYPE_CHECKING, Any

from backstay.api import API_VERSION, KINDS, LEASE_NAMESPACE
from backstay.api.crd import custom_resource_definition
from backstay_kube import kinds
from backstay_kube.errors import ApiNotFound
from backstay_kube.kinds import Kind
from backstay_sandbox.layout import SERVICES_ADDRESS, SERVICES_POWER_PORT, Layout

if TYPE_CHECKING:
    # The client costs half a second to import, and a sandbox of hosts alone needs none.
    from backstay_kube.client import KubeClient

APPLY_PATCH = "application/apply-patch+yaml"
CLUSTER = "sandbox"
NODE_LABELS = {"backstay.io/sandbox-host": "true"}
POWER_SECRET = "sandbox-power-switch"
FIELD_MANAGER = "backstay-sandbox"
SERVED_TIMEOUT_S = 10.0
SERVED_POLL_S = 0.1

Manifest = dict[str, Any]


KIND_OF: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *(kinds.NAMESPACE, kinds.NODE, kinds.SECRET, kinds.LEASE, kinds.CRD),
        *(kinds.HACLUSTER, kinds.FENCEDEVICE, kinds.HANODE, kinds.HANODEPLAN),
    )
}


async def apply(client: KubeClient, manifest: Manifest) -> None:
    """Server-side apply; a kind that was defined a moment ago is waited for, since servers take a moment."""
    metadata = manifest["metadata"]
    deadline = asyncio.get_running_loop().time() + SERVED_TIMEOUT_S
    while True:
        try:
            await client.patch(
                KIND_OF[manifest["kind"]],
                metadata["name"],
                manifest,
                namespace=metadata.get("namespace"),
                content_type=APPLY_PATCH,
            )
            return
        except ApiNotFound:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(SERVED_POLL_S)


async def delete(client: KubeClient, manifest: Manifest) -> None:
    """Delete; an object that is not there is deleted."""
    metadata = manifest["metadata"]
    with contextlib.suppress(ApiNotFound):
        await client.delete(KIND_OF[manifest["kind"]], metadata["name"], metadata.get("namespace"))


def definitions() -> list[Manifest]:
    """The CRDs, from the same models as crds/."""
    return [custom_resource_definition(kind) for kind in KINDS]


def system_namespace() -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASE_NAMESPACE}}


def node(name: str) -> Manifest:
    """A host as Kubernetes knows it."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        **NODE_LABELS,
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def node_status(layout: Layout, name: str, *, ready: bool, time: str, since: str) -> Manifest:
    """A kubelet's heartbeat, or with ``ready`` False what the node controller makes of its silence."""
    condition = {
        "type": "Ready",
        "status": "True" if ready else "Unknown",
        "reason": "KubeletReady" if ready else "NodeStatusUnknown",
        "message": "the host is up" if ready else "the host stopped posting its status",
        "lastHeartbeatTime": time,
        "lastTransitionTime": since,
    }
    addresses = [
        {"type": "InternalIP", "address": layout.addresses(name).cluster},
        {"type": "Hostname", "address": name},
    ]
    return {**node(name), "status": {"conditions": [condition], "addresses": addresses}}


def cluster() -> Manifest:
    """The tutorial's cluster: fencing on, since the sandbox has a power switch."""
    return {
        "apiVersion": API_VERSION,
        "kind": "HACluster",
        "metadata": {"name": CLUSTER},
        "spec": {
            "nodeSelector": dict(NODE_LABELS),
            "properties": {"stonithEnabled": True},
        },
    }


def lease_name(node: str) -> str:
    """Of a node agent's Lease in LEASE_NAMESPACE."""
    return f"node-{node}"


def made_by_backstay(name: str) -> list[Manifest]:
    """What Backstay's own programs make for a node; only good for deleting."""
    lease = {"kind": "Lease", "metadata": {"name": lease_name(name), "namespace": LEASE_NAMESPACE}}
    return [lease, *({"kind": kind, "metadata": {"name": name}} for kind in ("HANodePlan", "HANode"))]


def power_secret(password: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": POWER_SECRET, "namespace": LEASE_NAMESPACE},
        "type": "Opaque",
        "data": {"password": base64.b64encode(password.encode()).decode()},
    }


def fence_device() -> Manifest:
    """The power switch, as the cluster's way to make sure that a node is dead."""
    secret = {"name": POWER_SECRET, "namespace": LEASE_NAMESPACE, "key": "password"}
    return {
        "apiVersion": API_VERSION,
        "kind": "FenceDevice",
        "metadata": {"name": "power-switch"},
        "spec": {
            "cluster": CLUSTER,
            "agent": "stonith:fence_sandbox",
            "params": {"ip": SERVICES_ADDRESS, "ipport": str(SERVICES_POWER_PORT)},
            "paramsFrom": {"password": {"secretKeyRef": secret}},
            "timeout": "20s",
        },
    }
