"""The tutorial on real nodes: the chart installed by helm, a cluster with fencing, and what a client sees of it."""

from __future__ import annotations

import base64
import subprocess
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from backstay_sandbox.layout import SERVICES_ADDRESS
from harness import quiet
from harness.hosts_cluster import ClusterUnderTest
from harness.nodes import bmc
from harness.nodes.cluster import CHART, NAMESPACE, RealNodes

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
URL, ADDRESS_PINGED = "http://10.0.1.100/", "10.0.0.3"
LONGER_THAN_A_LEASE_S = 12.0
CLUSTER = """
apiVersion: ha.backstay.io/v1alpha1
kind: HACluster
metadata: {{name: main}}
spec:
  nodeSelector: {{ha.backstay.io/member: "true"}}
  properties: {{stonithEnabled: true}}
  # Three nodes with kubelets share the cores of one machine, which has other work: the default lease of 3 s is for quieter ones.
  heartbeat: {{leaseDurationMilliseconds: 10000, stopMarginMilliseconds: 2000}}
---
apiVersion: v1
kind: Secret
metadata: {{name: bmc, namespace: {namespace}}}
data: {{password: {password}}}
---
# The servers' management controllers, by the fence agent that is in the node agent's image.
apiVersion: ha.backstay.io/v1alpha1
kind: FenceDevice
metadata: {{name: bmc}}
spec:
  cluster: main
  agent: stonith:fence_redfish
  params: {{ip: {address}, ipport: "{port}", ssl_insecure: "1", username: {user}}}
  paramsFrom: {{password: {{secretKeyRef: {{name: bmc, namespace: {namespace}, key: password}}}}}}
  hostArgument: systems_uri
  hostMap: {{{plugs}}}
  timeout: 40s
"""


@dataclass(frozen=True, slots=True)
class RealCluster(ClusterUnderTest):
    """``sandbox`` is a RealNodes."""

    @property
    def nodes(self) -> RealNodes:
        assert isinstance(self.sandbox, RealNodes)
        return self.sandbox

    def run(self, program: str, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return self.nodes.try_kubectl(*words, given=given, program=program)

    def settle(self) -> None:
        """Every node on, connected, Ready, schedulable and online, every pod ready, everything started and answering."""
        for node in self.nodes.layout.nodes:
            self.nodes.ask("heal", node=node)
            self.nodes.ask("boot", node=node)
            self.nodes.kubectl("uncordon", node)
            self.run("kubectl-ha", "node", "start", node)  # once it is a member
        self.nodes.await_ready(*self.nodes.layout.nodes)
        self.nodes.await_pods()
        for node in self.nodes.layout.nodes:
            self.await_node(node, "Online", timeout_s=60.0)
        self.await_started(timeout_s=60.0)
        self.await_answers(timeout_s=60.0)
        self.run("kubectl-ha", "cleanup")


def quietly(cluster: RealCluster) -> AbstractContextManager[None]:
    """Nothing moves, starts, stops, is fenced, or is missed by the client meanwhile."""
    return quiet.nobody_notices(cluster, url=URL, address=ADDRESS_PINGED, wait_s=LONGER_THAN_A_LEASE_S)


def install(nodes: RealNodes, *more: str) -> None:
    """The chart, with the names that it has by default; returns when all its pods are ready."""
    nodes.helm("install", "backstay", str(CHART), "--create-namespace", "--wait", "--timeout", "3m", *more)


def cluster_manifests(nodes: RealNodes) -> str:
    """HACluster and FenceDevice, as an administrator would write them."""
    plugs = ", ".join(f"{node}: {bmc.SYSTEMS}/{node}" for node in nodes.layout.nodes)
    return CLUSTER.format(
        namespace=NAMESPACE,
        password=base64.b64encode(nodes.controllers.password.encode()).decode(),
        address=SERVICES_ADDRESS,
        port=bmc.PORT,
        user=bmc.USER,
        plugs=plugs,
    )


def declare(nodes: RealNodes) -> None:
    """Members, fencing, and the tutorial's manifests, with kubectl."""
    nodes.kubectl("label", "node", *nodes.layout.nodes, "ha.backstay.io/member=true", "--overwrite")
    nodes.kubectl("apply", "-f", "-", given=cluster_manifests(nodes))
    for name in ("tutorial/1-cluster-ip.yaml", "tutorial-lvm"):
        nodes.kubectl("apply", "-f", str(EXAMPLES / name))
