"""Power loss of real nodes: what they ran goes on elsewhere long before Kubernetes has noticed, and they come back as members."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from harness.hosts_cluster import GROUP
from harness.nodes.cluster import NAMESPACE
from harness.nodes.tutorial import RealCluster

MOVE_S_MAX = 90.0
SHORT, LONG = (3000, 1000), (10_000, 2000)
"""Lease and stop margin in milliseconds: the default, and what the other tests here have."""


def dc_node(cluster: RealCluster) -> str:
    """Where the operator runs that is DC."""
    return str(cluster.status_of("hacluster/main")["dc"]).partition("_")[0]


def put_group(cluster: RealCluster, node: str) -> None:
    if cluster.node_of(GROUP) != node:
        cluster.nodes.ha("resource", "move", "appgroup", node)
        cluster.nodes.wait(lambda: cluster.node_of(GROUP) == node, MOVE_S_MAX, f"the group is on {node}")
        cluster.await_answers(timeout_s=MOVE_S_MAX)


@pytest.fixture
def default_lease(cluster: RealCluster) -> Iterator[RealCluster]:
    """With the lease that a cluster has by default."""
    set_lease(cluster, *SHORT)
    try:
        yield cluster
    finally:
        set_lease(cluster, *LONG)


def set_lease(cluster: RealCluster, lease_ms: int, margin_ms: int) -> None:
    heartbeat = {"leaseDurationMilliseconds": lease_ms, "stopMarginMilliseconds": margin_ms}
    patch = json.dumps({"spec": {"heartbeat": heartbeat}})
    cluster.nodes.kubectl("patch", "hacluster", "main", "--type=merge", "-p", patch)

    def carried() -> bool:
        leases = cluster.nodes.items("leases", "-n", NAMESPACE)
        found = [
            one["metadata"]["annotations"]["ha.backstay.io/lease-duration-ms"]
            for one in leases
            if one["metadata"]["name"] in [f"node-{node}" for node in cluster.nodes.layout.nodes]
        ]
        return found == [str(lease_ms)] * len(cluster.nodes.layout.nodes)

    cluster.nodes.wait(carried, 30.0, f"every Lease is of {lease_ms} ms")


def lose(cluster: RealCluster, node: str) -> float:
    """Cut the power of the node that runs the group; the seconds for which its page was away."""
    boots, asked, since = cluster.boots(), len(cluster.nodes.controllers.log), time.monotonic()
    cluster.nodes.ask("crash", node=node)
    assert cluster.watch.wait_outage("page", since=since, timeout_s=10.0)
    cluster.await_started(away_from=node, timeout_s=MOVE_S_MAX)
    cluster.await_answers(timeout_s=MOVE_S_MAX)
    # By the fence agent in the image; it finds the host off already, so it only switches on.
    assert (node, "On") in cluster.nodes.controllers.log[asked:]
    cluster.nodes.wait(lambda: cluster.boots()[node] > boots[node], 60.0, f"{node} was switched on again")
    outage_s = sum(one.seconds for one in cluster.watch.outages("page", since=since))
    print(f"power cut of {node}: page away for {outage_s:.2f} s")
    return outage_s


def test_power_loss_of_the_active_node_without_the_dc(cluster: RealCluster) -> None:
    active = next(one for one in cluster.nodes.layout.nodes if one != dc_node(cluster))
    put_group(cluster, active)
    written = "cd /var/www/html && echo precious >kept && sync kept"
    assert cluster.nodes.on_host(active, "sh", "-c", written).returncode == 0
    assert lose(cluster, active) < MOVE_S_MAX
    assert cluster.nodes.client("curl", "-sS", "-m", "5", "http://10.0.1.100/kept").stdout == "precious\n"


def test_power_loss_of_the_active_node_with_the_dc(cluster: RealCluster) -> None:
    active = dc_node(cluster)
    put_group(cluster, active)
    assert lose(cluster, active) < MOVE_S_MAX
    assert dc_node(cluster) != active


@pytest.mark.parametrize("with_dc", [False, True], ids=["without-dc", "with-dc"])
def test_power_loss_of_the_active_node_with_the_default_lease(
    default_lease: RealCluster, with_dc: bool
) -> None:
    cluster = default_lease
    dc = dc_node(cluster)
    active = dc if with_dc else next(one for one in cluster.nodes.layout.nodes if one != dc)
    put_group(cluster, active)
    assert lose(cluster, active) < MOVE_S_MAX


def test_a_node_that_is_rebooted_cleanly_comes_back_as_a_member_without_fencing(cluster: RealCluster) -> None:
    """As an administrator does it: drain, stop the node's cluster services, reboot, and start them again."""
    nodes, node = cluster.nodes, cluster.node_of(GROUP)
    fenced = list(nodes.controllers.log)
    nodes.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=80s")
    nodes.ha("node", "stop", node)
    cluster.await_started(away_from=node, timeout_s=MOVE_S_MAX)
    cluster.await_node(node, "Stopped", timeout_s=MOVE_S_MAX)
    nodes.ask("crash", node=node)
    cluster.await_node(node, "Offline", timeout_s=60.0)
    nodes.ask("boot", node=node)
    nodes.await_ready(node)
    nodes.kubectl("uncordon", node)
    # Its agent is heard: one that is wanted, and silent, would be fenced.
    cluster.await_node(node, "Stopped", timeout_s=MOVE_S_MAX)
    nodes.ha("node", "start", node)
    cluster.await_node(node, "Online", timeout_s=MOVE_S_MAX)
    assert nodes.controllers.log == fenced
    assert nodes.kubectl("get", "pods", "-n", NAMESPACE, "-o", "name")
