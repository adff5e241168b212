"""spec.watchdog with agents in pods: what Kubernetes does to a pod resets nobody, a host that is cut off is dead in time.

Last but one of its folder, and it leaves the watchdogs armed: the uninstallation that follows must reset nobody.
"""

from __future__ import annotations

import json
import time

import pytest

from harness.hosts_cluster import GROUP
from harness.nodes.cluster import NAMESPACE
from harness.nodes.tutorial import RealCluster, quietly

DEVICE = "/dev/watchdog1"
"""softdog; the first one is User-Mode Linux's own, which is not reliable."""
D_MS, W_S, R_MS, L_MS = 10_000, 5, 1000, 30_000
LEASE_S = 20.0
"""Long enough that the watchdog bites before the DC asks a management controller; all of it for a machine with other work."""
ENDLESS = "n3"
"""The host whose watchdog cannot be stopped once it runs, as many kernels have it."""
AGENT = "backstay-nodeagent --host-namespaces"


@pytest.fixture
def guarded(cluster: RealCluster) -> RealCluster:
    """Every host with an armed watchdog, whose module was loaded after the agents' containers had begun."""
    nodes = cluster.nodes
    for node in nodes.layout.nodes:
        words = (f"soft_margin={W_S}", f"nowayout={int(node == ENDLESS)}")
        loaded = nodes.on_host(node, "modprobe", "softdog", *words)
        assert loaded.returncode == 0, loaded.stderr
    watchdog = {
        "device": DEVICE,
        "deadlineMilliseconds": D_MS,
        "timeoutSeconds": W_S,
        "resetMilliseconds": R_MS,
        "takeoverDelayMilliseconds": L_MS,
    }
    heartbeat = {"leaseDurationMilliseconds": round(LEASE_S * 1000)}
    patch = json.dumps({"spec": {"watchdog": watchdog, "heartbeat": heartbeat}})
    nodes.kubectl("patch", "hacluster", "main", "--type=merge", "-p", patch)
    for node in nodes.layout.nodes:
        nodes.wait(lambda node=node: armed(cluster, node), 60.0, f"{node} has armed its watchdog")  # type: ignore[misc]
    return cluster


def armed(cluster: RealCluster, node: str) -> bool:
    return str(cluster.status_of(f"hanode/{node}").get("watchdog")).startswith("armed")


def another_agent(cluster: RealCluster, node: str, uid: str) -> bool:
    found = [one for one in cluster.nodes.pods("nodeagent") if one["spec"].get("nodeName") == node]
    return len(found) == 1 and found[0]["metadata"]["uid"] != uid


def test_deleted_killed_and_updated_agents_reset_nobody(guarded: RealCluster) -> None:
    nodes, node = guarded.nodes, guarded.node_of(GROUP)
    with quietly(guarded):
        pod = nodes.pod_on("nodeagent", node)["metadata"]
        nodes.kubectl("delete", "pod", "-n", NAMESPACE, pod["name"], "--timeout=80s")
        nodes.wait(lambda: another_agent(guarded, node, pod["uid"]), 60.0, f"another agent is on {node}")
        nodes.await_pods()
        killed = nodes.on_host(node, "pkill", "-KILL", "-f", AGENT)
        assert killed.returncode == 0, killed.stderr
        time.sleep(D_MS / 1000 + W_S + 2)
        nodes.await_pods()
        nodes.kubectl("rollout", "restart", "-n", NAMESPACE, "daemonset/backstay-nodeagent")
        nodes.kubectl("rollout", "status", "-n", NAMESPACE, "daemonset/backstay-nodeagent", "--timeout=80s")
    assert all(armed(guarded, one) for one in nodes.layout.nodes)


def test_cut_off_host_is_reset_by_its_watchdog_before_anybody_takes_over(guarded: RealCluster) -> None:
    nodes, node = guarded.nodes, guarded.node_of(GROUP)
    asked, cut_at = len(nodes.controllers.log), time.monotonic()
    nodes.ask("cut", node=node)
    nodes.wait(lambda: not nodes.is_on(node), D_MS / 1000 + 3 * W_S + R_MS / 1000, f"{node} is reset")
    died_s = time.monotonic() - cut_at
    assert nodes.controllers.log[asked:] == [], "by nobody else"
    guarded.await_started(away_from=node, timeout_s=90.0)
    moved_s = time.monotonic() - cut_at
    print(f"cut off: dead after {died_s:.1f} s, all started elsewhere after {moved_s:.1f} s")
    assert died_s < LEASE_S < moved_s
