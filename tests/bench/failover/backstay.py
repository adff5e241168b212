"""Backstay: an agent and an operator replica on every host, and the tutorial's address, or its group.

The VIP is measured with fencing off, as Pacemaker's is; the group with fencing on, as the tutorial has it, since its file system
must never be mounted twice: the power switch is asked to switch the lost host off before the group starts elsewhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backstay.api import API_VERSION
from backstay_sandbox import objects
from backstay_sandbox.hosts import daemon_service
from bench.failover.bed import Bed, BenchError, await_nothing_missing
from bench.failover.contender import VIP

BIN = Path(sys.executable).parent
UP_TIMEOUT_S = 60.0
COMMAND_TIMEOUT_S = 60.0
KINDS = "haresources,resourcegroups,haconstraints,haclusters,fencedevices,hanodes,hanodeplans,hatransitions"
FAST = {"renewIntervalMilliseconds": 100, "leaseDurationMilliseconds": 500, "stopMarginMilliseconds": 200}
TUTORIAL = "examples/tutorial"


class Backstay:
    """With the VIP alone, with the tutorial's group (`group`), or with `resources`. `heartbeat` as in an HACluster, empty for the
    default."""

    def __init__(
        self,
        bed: Bed,
        *,
        name: str,
        heartbeat: Mapping[str, int] | None = None,
        group: bool = False,
        resources: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.name = name
        self._bed = bed
        self._heartbeat = dict(heartbeat or {})
        self._group = group
        self._resources = resources
        # A name of its own: hosts keep on their disk the highest epoch that they have seen of a cluster.
        self._cluster_name = f"{name}-group" if group else name
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(bed.layout.kubeconfig),
            "KUBECACHEDIR": str(bed.layout.state_dir / "kubectl-cache"),
        }

    # -- the contender

    def bring_up(self) -> None:
        """The API still holds an earlier cluster's objects; its hosts are gone, so they go too."""
        self._tool("kubectl", "delete", KINDS, "--all", "--all-namespaces", "--wait=false")
        self._tool("kubectl", "delete", "leases", "--all", "-n", "backstay-system", "--wait=false")
        self._apply(*self._cluster())
        for node in self._bed.nodes:
            self._start(node)
        await_nothing_missing(lambda: self._missing(started=False), timeout_s=UP_TIMEOUT_S)
        if self._group:
            self._tool("kubectl", "apply", "-f", str(tutorial() / "2-appgroup.yaml"))
        else:
            self._apply(*(self._resources or (virtual_address(),)))
        await_nothing_missing(self._missing, timeout_s=UP_TIMEOUT_S)

    def join(self, node: str) -> None:
        self._start(node)
        await_nothing_missing(self._missing, timeout_s=UP_TIMEOUT_S)

    def leave(self, node: str) -> None:
        self._tool("kubectl-ha", "node", "standby", node, "--no-wait")

    def come_back(self, node: str) -> None:
        self._tool("kubectl-ha", "node", "unstandby", node, "--no-wait")
        await_nothing_missing(self._missing, timeout_s=UP_TIMEOUT_S)

    # -- for whoever counts

    def roles(self) -> list[str]:
        """Of all resources, as published."""
        items = json.loads(self._tool("kubectl", "get", "haresources", "-A", "-o", "json"))["items"]
        return [str((item.get("status") or {}).get("role") or "") for item in items]

    def api_revision(self) -> int:
        """Rises by one with every write to the API."""
        text = self._tool("kubectl", "get", "--raw", "/apis/ha.backstay.io/v1alpha1/haclusters")
        return int(json.loads(text)["metadata"]["resourceVersion"])

    # -- what only Backstay has: a DC whose place matters

    def dc_node(self) -> str:
        """The host of the present DC; empty if there is none."""
        return dc_host(self._status(f"hacluster/{self._cluster_name}"))

    def put_vip(self, *, on_dc: bool) -> None:
        """See to it that the VIP is on the DC's host, or that it is not."""
        dc, holder = self.dc_node(), self._bed.holder(VIP)
        if (holder == dc) == on_dc:
            return
        target = dc if on_dc else next(node for node in self._bed.nodes if node != dc)
        self._tool("kubectl-ha", "resource", "move", "cluster-ip", target)
        await_nothing_missing(self._missing, timeout_s=UP_TIMEOUT_S)
        if (self._bed.holder(VIP) == self.dc_node()) != on_dc:
            raise BenchError("the VIP did not get to where it was to be measured")

    # -- parts

    def _start(self, node: str) -> None:
        bed = self._bed
        for name in ("agent", "operator"):
            service = daemon_service(bed.layout, node, name)
            bed.spawn(node, name, service["argv"], env=service["env"])

    def _cluster(self) -> list[dict[str, Any]]:
        properties = {"stonithEnabled": self._group, "stonithAction": "off"}
        cluster = {
            "apiVersion": API_VERSION,
            "kind": "HACluster",
            "metadata": {"name": self._cluster_name},
            "spec": {
                "nodeSelector": dict(objects.NODE_LABELS),
                "properties": properties,
                "resourceDefaults": {"resourceStickiness": 100},
                **({"heartbeat": self._heartbeat} if self._heartbeat else {}),
            },
        }
        if not self._group:
            return [cluster]
        password = self._bed.layout.power_password.read_text().strip()
        device = objects.fence_device()
        device["spec"]["cluster"] = self._cluster_name
        return [cluster, objects.power_secret(password), device]

    def _missing(self, *, started: bool = True) -> str:
        """What is still to come: a DC, every node online, the resource started, no transition under way."""
        cluster = self._status(f"hacluster/{self._cluster_name}")
        if dc_host(cluster) not in self._bed.nodes:
            return "a DC"
        for node in self._bed.nodes:
            if self._status(f"hanode/{node}").get("state") != "Online":
                return f"{node} to be online"
        if (cluster.get("lastTransition") or {}).get("phase") in ("Running", "Aborting"):
            return "the transition under way"
        operators = {one.rsplit("_", 1)[0] for one in cluster.get("operators") or []}
        absent = [node for node in self._bed.nodes if node not in operators]
        if absent:
            return f"the operator of {absent[0]}"
        if self._resources:
            return ""
        reference = "resourcegroup/appgroup" if self._group else "haresource/cluster-ip"
        status = self._status(reference)
        if started and (status.get("role") != "Started" or not status.get("node")):
            return f"{reference} to be started"
        return ""

    def _status(self, reference: str) -> dict[str, Any]:
        text = self._tool("kubectl", "get", reference, "-o", "json", "--ignore-not-found")
        return dict(json.loads(text).get("status") or {}) if text.strip() else {}

    def _apply(self, *manifests: Mapping[str, Any]) -> None:
        text = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
        self._tool("kubectl", "apply", "--server-side", "-f", "-", stdin=text)

    def _tool(self, program: str, *words: str, stdin: str = "") -> str:
        try:
            done = subprocess.run(
                [str(BIN / program), *words],
                env=self._environment,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BenchError(f"`{program} {' '.join(words)}` did not end in time") from None
        if done.returncode != 0:
            raise BenchError(f"`{program} {' '.join(words)}`: {(done.stderr or done.stdout).strip()}")
        return done.stdout


def virtual_address() -> dict[str, Any]:
    """The tutorial's ClusterIP, monitored every 10 s as Pacemaker's is."""
    return {
        "apiVersion": API_VERSION,
        "kind": "HAResource",
        "metadata": {"name": "cluster-ip", "namespace": "default"},
        "spec": {
            "resourceId": "ClusterIP",
            "agent": "ocf:heartbeat:IPaddr2",
            "params": {"ip": VIP, "cidr_netmask": "24"},
            "operations": [{"name": "monitor", "interval": "10s", "timeout": "20s"}],
            "meta": {"requires": "quorum"},
        },
    }


def dc_host(cluster_status: Mapping[str, Any]) -> str:
    """Identities of replicas are HOST_RANDOM."""
    return str(cluster_status.get("dc") or "").rsplit("_", 1)[0]


def tutorial() -> Path:
    return Path(__file__).resolve().parents[3] / TUTORIAL
