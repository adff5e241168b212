"""Taking Backstay away again; the last file of its folder, because all others need it there."""

from __future__ import annotations

import time

from harness.hosts_cluster import GROUP
from harness.nodes.cluster import NAMESPACE
from harness.nodes.tutorial import RealCluster

ENDLESS = "n3"
"""Whose watchdog cannot be stopped, see test_self_fencing."""
KEEPER = "[b]ackstay_nodeagent.heartbeat"
"""As a pattern that does not match who looks for it."""
GONE_S_MAX = 20.0
"""Less than the minute for which a keeper waits for another agent where its node was not let go."""
BITE_S = 10.0
"""A watchdog that nobody feeds bites sooner."""


def test_uninstall_stops_what_runs_and_leaves_no_pod_no_keeper_and_no_armed_watchdog(
    cluster: RealCluster,
) -> None:
    """Watchdogs are armed here, where the tests before this one have run."""
    nodes, node, boots = cluster.nodes, cluster.node_of(GROUP), cluster.boots()
    nodes.helm("uninstall", "backstay", "--wait", "--timeout", "4m")
    assert "/var/www" not in nodes.on_host(node, "cat", "/proc/1/mounts").stdout
    assert nodes.on_host(node, "test", "-e", "/dev/app_vg/app_lv").returncode == 1
    assert nodes.on_host(node, "pgrep", "apache2").stdout == ""
    nodes.wait(lambda: not nodes.items("pods", "-n", NAMESPACE), 90.0, "no pod is left")
    for one in (name for name in nodes.layout.nodes if name != ENDLESS):
        nodes.wait(lambda one=one: keepers(cluster, one) == "", GONE_S_MAX, f"{one} has no keeper")  # type: ignore[misc]
    time.sleep(BITE_S)
    # A watchdog that cannot be stopped must be fed for ever: its keeper stays, and nothing else.
    assert len(keepers(cluster, ENDLESS).split()) == int(has_armed(cluster, ENDLESS))
    assert cluster.boots() == boots
    assert all(nodes.is_on(one) for one in nodes.layout.nodes)
    assert [one["metadata"]["name"] for one in nodes.items("haclusters")] == ["main"], "objects are kept"
    assert cluster.status_of(f"hanode/{node}")["dismissed"] is True


def has_armed(cluster: RealCluster, node: str) -> bool:
    """Whether the kernel's softdog runs there: it counts its users."""
    return cluster.nodes.on_host(node, "cat", "/sys/module/softdog/refcnt").stdout.strip() not in ("", "0")


def keepers(cluster: RealCluster, node: str) -> str:
    return cluster.nodes.on_host(node, "pgrep", "-f", KEEPER).stdout


def test_installed_again_everything_runs_once_it_is_no_longer_shut_down(cluster_again: RealCluster) -> None:
    nodes = cluster_again.nodes
    for node in nodes.layout.nodes:
        cluster_again.await_node(node, "Stopped", timeout_s=60.0)
    assert cluster_again.node_of(GROUP) == ""
    nodes.kubectl("patch", "hacluster", "main", "--type=merge", "-p", '{"spec":{"shutdown":false}}')
    cluster_again.await_started(timeout_s=90.0)
    cluster_again.await_answers(timeout_s=60.0)
    nodes.helm("uninstall", "backstay", "--wait", "--timeout", "4m")
    nodes.kubectl("delete", "crd", "-l", "app.kubernetes.io/part-of=backstay", "--timeout=60s")
    nodes.kubectl("delete", "namespace", NAMESPACE, "--timeout=80s")
