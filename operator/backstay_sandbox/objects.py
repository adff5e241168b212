"""The objects a sandbox puts into its API, and the small client that puts them there.

The sandbox plays the parts that a real cluster has besides Backstay: the chart (definitions and namespace), the
kubelets (a Node per host, with a heartbeat) and the administrator of the tutorial (the HACluster, the FenceDevice
and the secret of the power switch).  Everything is a server-side apply, so doing it twice changes nothing.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
from typing import Any

import aiohttp

from backstay.api import API_VERSION, GROUP, KINDS, LEASE_NAMESPACE, VERSION
from backstay.api.crd import custom_resource_definition
from backstay_sandbox.kubeconfig import Kubeconfig
from backstay_sandbox.layout import SERVICES_ADDRESS, SERVICES_POWER_PORT, Layout

CLUSTER = "sandbox"
NODE_LABEL = "backstay.io/sandbox"
POWER_SECRET = "sandbox-power-switch"
FIELD_MANAGER = "backstay-sandbox"
REQUEST_TIMEOUT_S = 10.0

Manifest = dict[str, Any]


class ObjectError(RuntimeError):
    """The API refused or did not answer; ``status`` is the HTTP status, 0 without one."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ObjectClient:
    """Just enough of a Kubernetes client: apply, patch a status, get, delete.  Use as a context manager."""

    def __init__(self, kubeconfig: Kubeconfig) -> None:
        self._base = kubeconfig.server.rstrip("/")
        headers = {"Authorization": f"Bearer {kubeconfig.token}"} if kubeconfig.token else {}
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
            connector=aiohttp.TCPConnector(ssl=ssl_context(kubeconfig)),
        )
        self._server_name = kubeconfig.tls_server_name

    async def __aenter__(self) -> ObjectClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def apply(self, manifest: Manifest) -> None:
        """Server-side apply."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        await self._call("PATCH", path_of(manifest), manifest, "application/apply-patch+yaml", query)

    async def patch_status(self, manifest: Manifest) -> None:
        """Merge the manifest's ``status``."""
        body = {"status": manifest["status"]}
        await self._call("PATCH", path_of(manifest) + "/status", body, "application/merge-patch+json")

    async def get(self, path: str) -> Any:
        """An object or a list by its path."""
        return await self._call("GET", path)

    async def delete(self, manifest: Manifest) -> None:
        """Delete; an object that is not there is deleted."""
        try:
            await self._call("DELETE", path_of(manifest))
        except ObjectError as error:
            if error.status != 404:
                raise

    async def _call(
        self,
        verb: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Any:
        try:
            async with self._session.request(
                verb,
                self._base + path,
                params=query,
                data=None if body is None else json.dumps(body),
                headers={"Content-Type": content_type} if body is not None else {},
                server_hostname=self._server_name,
            ) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ObjectError(f"{verb} {path}: {str(error) or 'no answer in time'}") from None
        if response.status >= 300:
            raise ObjectError(f"{verb} {path}: {response.status} {_message(text)}", response.status)
        return json.loads(text)


def ssl_context(kubeconfig: Kubeconfig) -> ssl.SSLContext | bool:
    """How to check the server, and what to show it."""
    if not kubeconfig.server.startswith("https"):
        return True
    context = ssl.create_default_context(cadata=kubeconfig.authority)
    if kubeconfig.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if kubeconfig.client_certificate and kubeconfig.client_key:
        _load_pair(context, kubeconfig.client_certificate, kubeconfig.client_key)
    return context


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """The ssl module takes files only: a memory file, which no one else sees."""
    descriptor = os.memfd_create("client-pair", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "w") as file:
        file.write(certificate + "\n" + key)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")


def _message(text: str) -> str:
    try:
        return str(json.loads(text).get("message", text))
    except (ValueError, AttributeError):
        return text[:300]


PLURALS = {
    "Namespace": "namespaces",
    "Node": "nodes",
    "Secret": "secrets",
    "CustomResourceDefinition": "customresourcedefinitions",
    **{kind.info.kind: kind.info.plural for kind in KINDS},
}


def path_of(manifest: Manifest) -> str:
    """The address of the object a manifest describes."""
    version, metadata = manifest["apiVersion"], manifest["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    scope = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{scope}/{PLURALS[manifest['kind']]}/{metadata['name']}"


def definitions() -> list[Manifest]:
    """The CRDs, from the same models as crds/."""
    return [custom_resource_definition(kind) for kind in KINDS]


def system_namespace() -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASE_NAMESPACE}}


def node(layout: Layout, name: str) -> Manifest:
    """A host as Kubernetes knows it."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        NODE_LABEL: layout.name,
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
    return {**node(layout, name), "status": {"conditions": [condition], "addresses": addresses}}


def cluster(layout: Layout) -> Manifest:
    """The tutorial's cluster: fencing on, since the sandbox has a power switch."""
    return {
        "apiVersion": API_VERSION,
        "kind": "HACluster",
        "metadata": {"name": CLUSTER},
        "spec": {
            "nodeSelector": {NODE_LABEL: layout.name},
            "properties": {"stonithEnabled": True},
        },
    }


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


HANODES_PATH = f"/apis/{GROUP}/{VERSION}/hanodes"
CLUSTER_PATH = f"/apis/{GROUP}/{VERSION}/haclusters/{CLUSTER}"
