"""Rolling updates move nothing: no resource starts or stops, and a client that asks ten times a second misses nothing."""

from __future__ import annotations

from harness.hosts_cluster import GROUP
from harness.nodes.cluster import CHART, NAMESPACE
from harness.nodes.tutorial import RealCluster, quietly

ROLLOUT_S_MAX = 300.0


def uids(cluster: RealCluster, program: str) -> set[str]:
    return {one["metadata"]["uid"] for one in cluster.nodes.pods(program)}


def upgrade(cluster: RealCluster, program: str, mark: str, *more: str) -> None:
    """Another version of one program's pods, as far as Kubernetes knows: the images are the same."""
    values = ["--reuse-values", "--set-string", f"{program}.podAnnotations.mark={mark}", *more]
    cluster.nodes.helm("upgrade", "backstay", str(CHART), *values)


def rolled_out(cluster: RealCluster, what: str) -> None:
    cluster.nodes.kubectl("rollout", "status", what, "-n", NAMESPACE, "--timeout=80s")


def test_update_of_the_agents_is_not_noticed(cluster: RealCluster) -> None:
    before = uids(cluster, "nodeagent")
    with quietly(cluster):
        upgrade(cluster, "nodeagent", "second")
        rolled_out(cluster, "daemonset/backstay-nodeagent")
    assert not before & uids(cluster, "nodeagent")


def test_update_of_the_operators_is_not_noticed(cluster: RealCluster) -> None:
    before = uids(cluster, "operator")
    with quietly(cluster):
        upgrade(cluster, "operator", "second")
        rolled_out(cluster, "deployment/backstay-operator")
    assert not before & uids(cluster, "operator")


def test_a_dead_node_does_not_block_an_update_of_the_others(cluster: RealCluster) -> None:
    nodes = cluster.nodes
    dead = next(one for one in nodes.layout.nodes if one != cluster.node_of(GROUP))
    # Taken out of the cluster first: a member that vanishes would be fenced, and so be switched on again.
    nodes.ha("node", "stop", dead)
    cluster.await_node(dead, "Stopped", timeout_s=60.0)
    nodes.ask("crash", node=dead)
    nodes.wait(lambda: not nodes.node_ready(dead), 120.0, f"Kubernetes has noticed that {dead} is away")
    alive = [one for one in nodes.layout.nodes if one != dead]
    before = {node: nodes.pod_on("nodeagent", node)["metadata"]["uid"] for node in alive}
    upgrade(cluster, "nodeagent", "third")

    def updated() -> bool:
        found = {one["spec"].get("nodeName"): one["metadata"] for one in nodes.pods("nodeagent")}
        return all(
            node in found
            and found[node]["uid"] != before[node]
            and found[node]["annotations"].get("mark") == "third"
            for node in alive
        )

    nodes.wait(updated, 120.0, f"agents on {alive} are updated although {dead} is dead")
    nodes.ask("boot", node=dead)
    nodes.await_ready(dead)
    cluster.await_node(dead, "Stopped", timeout_s=90.0)
    nodes.ha("node", "start", dead)
    nodes.await_pods()
    assert nodes.pod_on("nodeagent", dead)["metadata"]["annotations"].get("mark") == "third"
