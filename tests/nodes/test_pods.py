"""What Kubernetes does to the agent's pod, and to its node, is not noticed by what runs on the host."""

from __future__ import annotations

import json

from harness.hosts_cluster import GROUP
from harness.nodes.cluster import NAMESPACE, is_ready
from harness.nodes.tutorial import RealCluster, quietly


def test_eviction_of_the_active_agent_is_not_noticed(cluster: RealCluster) -> None:
    nodes, node = cluster.nodes, cluster.node_of(GROUP)
    pod = nodes.pod_on("nodeagent", node)["metadata"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod["name"], "namespace": NAMESPACE},
    }
    with quietly(cluster):
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['name']}/eviction"
        nodes.kubectl("create", "--raw", path, "-f", "-", given=json.dumps(eviction))
        nodes.wait(lambda: replaced(cluster, node, pod["uid"]), 90.0, f"another agent is on {node}")


def replaced(cluster: RealCluster, node: str, uid: str) -> bool:
    found = [one for one in cluster.nodes.pods("nodeagent") if one["spec"].get("nodeName") == node]
    return len(found) == 1 and found[0]["metadata"]["uid"] != uid and is_ready(found[0])


def test_oom_kill_of_the_active_agent_is_not_noticed(cluster: RealCluster) -> None:
    nodes, node = cluster.nodes, cluster.node_of(GROUP)
    pod = nodes.pod_on("nodeagent", node)["metadata"]["name"]
    restarts = container(cluster, node)["restartCount"]
    with quietly(cluster):
        # In the agent's container, whose limit it breaks: the kernel kills all of the container.
        eat = "held = bytearray(600 << 20); held[::4096] = b'x' * len(held[::4096])"
        nodes.try_kubectl("exec", "-n", NAMESPACE, pod, "--", "python3", "-c", eat)
        nodes.wait(
            lambda: container(cluster, node)["restartCount"] > restarts and container(cluster, node)["ready"],
            90.0,
            f"the agent on {node} was killed and is back",
        )
    assert container(cluster, node)["lastState"]["terminated"]["reason"] == "OOMKilled"


def container(cluster: RealCluster, node: str) -> dict[str, object]:
    (status,) = cluster.nodes.pod_on("nodeagent", node)["status"]["containerStatuses"]
    return dict(status)


def test_drain_of_the_active_node_moves_the_operator_and_no_resource(cluster: RealCluster) -> None:
    nodes, node = cluster.nodes, cluster.node_of(GROUP)
    with quietly(cluster):
        nodes.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=80s")
        nodes.wait(
            lambda: (
                len(ready := [one for one in nodes.pods("operator") if is_ready(one)]) == 2
                and node not in {one["spec"]["nodeName"] for one in ready}
            ),
            90.0,
            "both operators run elsewhere",
        )
        assert is_ready(nodes.pod_on("nodeagent", node)), "the agent stays"
        nodes.kubectl("uncordon", node)
