"""Taking Backstay away again; the last file of its folder, because all others need it there."""

from __future__ import annotations

from harness.hosts_cluster import GROUP
from harness.nodes.cluster import NAMESPACE
from harness.nodes.tutorial import RealCluster


def test_uninstall_stops_what_runs_and_leaves_no_pod(cluster: RealCluster) -> None:
    nodes, node = cluster.nodes, cluster.node_of(GROUP)
    nodes.helm("uninstall", "backstay", "--wait", "--timeout", "4m")
    assert "/var/www" not in nodes.on_host(node, "cat", "/proc/1/mounts").stdout
    assert nodes.on_host(node, "test", "-e", "/dev/app_vg/app_lv").returncode == 1
    assert nodes.on_host(node, "pgrep", "apache2").stdout == ""
    nodes.wait(lambda: not nodes.items("pods", "-n", NAMESPACE), 90.0, "no pod is left")
    assert [one["metadata"]["name"] for one in nodes.items("haclusters")] == ["main"], "objects are kept"
    nodes.kubectl("delete", "crd", "-l", "app.kubernetes.io/part-of=backstay", "--timeout=60s")
    nodes.kubectl("delete", "namespace", NAMESPACE, "--timeout=80s")
