"""The chart on real nodes: its pods run, its probes and its test answer, and what the tutorial declares runs on the hosts."""

from __future__ import annotations

import pytest

from harness.hosts_cluster import GROUP
from harness.nodes.cluster import NAMESPACE
from harness.nodes.images import version
from harness.nodes.tutorial import URL, RealCluster


def test_helm_test_passes(cluster: RealCluster) -> None:
    assert "Phase:          Succeeded" in cluster.nodes.helm("test", "backstay", "--timeout", "2m")


def test_an_agent_is_on_every_node_and_the_operators_are_on_two(cluster: RealCluster) -> None:
    nodes = cluster.nodes
    assert {one["spec"]["nodeName"] for one in nodes.pods("nodeagent")} == set(nodes.layout.nodes)
    assert len({one["spec"]["nodeName"] for one in nodes.pods("operator")}) == 2


@pytest.mark.parametrize("program", ["operator", "nodeagent"])
def test_programs_in_the_images_tell_their_version(cluster: RealCluster, program: str) -> None:
    pod = cluster.nodes.pods(program)[0]["metadata"]["name"]
    told = cluster.nodes.kubectl("exec", "-n", NAMESPACE, pod, "--", f"backstay-{program}", "--version")
    assert told == f"backstay-{program} {version()}\n"


def test_the_group_runs_on_one_host_and_not_in_a_pod(cluster: RealCluster) -> None:
    nodes, status = cluster.nodes, cluster.status_of(GROUP)
    assert status["readyMembers"] == "4/4"
    mounts = {
        node: "app_vg-app_lv /var/www xfs" in nodes.on_host(node, "cat", "/proc/1/mounts").stdout
        for node in nodes.layout.nodes
    }
    assert mounts == {node: node == status["node"] for node in nodes.layout.nodes}
    servers = nodes.on_host(status["node"], "pgrep", "-o", "apache2").stdout.strip()
    assert "0::/backstay" in nodes.on_host(status["node"], "cat", f"/proc/{servers}/cgroup").stdout
    assert "Website-Testes" in nodes.client("curl", "-sS", "-m", "5", URL).stdout


def test_an_agent_that_hangs_is_not_ready(cluster: RealCluster) -> None:
    """And its host keeps what it runs: the keeper renews."""
    nodes = cluster.nodes
    node = next(one for one in nodes.layout.nodes if one != cluster.node_of(GROUP))
    (pid,) = nodes.on_host(node, "pgrep", "-f", "backstay-nodeagent --host-namespaces").stdout.split()
    nodes.on_host(node, "kill", "-STOP", pid)
    try:
        nodes.wait(lambda: not ready_on(cluster, node), 60.0, f"the agent's pod on {node} is not ready")
    finally:
        nodes.on_host(node, "kill", "-CONT", pid)
    nodes.wait(lambda: ready_on(cluster, node), 60.0, f"the agent's pod on {node} is ready again")


def ready_on(cluster: RealCluster, node: str) -> bool:
    conditions = cluster.nodes.pod_on("nodeagent", node)["status"]["conditions"]
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
