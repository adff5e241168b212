"""End to end: the tutorial's cluster on three hosts, with the real daemons, agents, fence agent and API.

Times asserted are bounds that hold on a loaded machine, not what is usually measured (see `make demo`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.api import API_VERSION
from backstay_sandbox import background
from backstay_sandbox.options import SandboxOptions
from backstay_sandbox.outages import OutageWatch
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for
from harness.hosts_cluster import ADDRESS, GROUP, ClusterUnderTest

pytestmark = pytest.mark.hosts
TUTORIAL = Path(__file__).resolve().parents[2] / "examples/tutorial"
OUTAGE_S_MAX = 20.0


@pytest.fixture(scope="module")
def running() -> Iterator[ClusterUnderTest]:
    options = SandboxOptions(name=sandbox_name("tutorial"), nodes=3)
    background.start(options, progress=lambda _step: None)
    try:
        with OutageWatch(options.layout, url="http://10.0.1.100/", address="10.0.0.3") as watch:
            cluster = ClusterUnderTest(SandboxUnderTest(options.layout), watch)
            applied = cluster.run("kubectl", "apply", "-f", str(TUTORIAL))
            assert applied.returncode == 0, applied.stderr
            yield cluster
    finally:
        background.stop(options.layout)


@pytest.fixture
def cluster(running: ClusterUnderTest) -> ClusterUnderTest:
    """Whole and quiet before each test, whatever the one before did."""
    running.settle()
    running.run("kubectl-ha", "cleanup")
    return running


def test_group_runs_whole_on_one_node_and_serves_its_page(cluster: ClusterUnderTest) -> None:
    status = cluster.status_of(GROUP)
    assert status["readyMembers"] == "3/3"
    assert {member["node"] for member in status["members"]} == {status["node"]}
    node = status["node"]
    assert (
        "/dev/backstay/app_disk /var/www xfs" in cluster.sandbox.on_host(node, "cat", "/proc/mounts").stdout
    )
    assert "10.0.1.100/24" in cluster.sandbox.on_host(node, "ip", "-4", "-br", "addr").stdout
    assert "Website-Testes" in cluster.sandbox.client("curl", "-sS", "-m", "5", "http://10.0.1.100/").stdout


def test_power_cut_moves_the_group_after_its_node_was_fenced(cluster: ClusterUnderTest) -> None:
    node, boots, since = cluster.node_of(GROUP), cluster.boots(), time.monotonic()
    cluster.sandbox.ask("crash", node=node)
    assert cluster.watch.wait_outage("page", since=since, timeout_s=5.0)
    cluster.await_started(away_from=node)
    cluster.await_answers()
    assert sum(one.seconds for one in cluster.watch.outages("page", since=since)) < OUTAGE_S_MAX
    # Fenced: the power switch has switched it on again, once.
    wait_for(
        lambda: cluster.boots()[node] == boots[node] + 1, timeout_s=10.0, what=f"{node} was power cycled"
    )
    cluster.await_node(node, "Online")
    assert {other: count for other, count in cluster.boots().items() if other != node} == {
        other: count for other, count in boots.items() if other != node
    }


def test_a_cut_off_node_is_fenced_before_its_group_starts_elsewhere(cluster: ClusterUnderTest) -> None:
    node, boots = cluster.node_of(GROUP), cluster.boots()
    cluster.sandbox.ask("cut", node=node)
    cluster.await_started(away_from=node)
    assert cluster.boots()[node] > boots[node]
    cluster.await_answers()
    # It came up again behind its pulled cable, and must not run anything there.
    assert "/var/www" not in cluster.sandbox.on_host(node, "cat", "/proc/mounts").stdout


def test_clean_stop_moves_everything_in_order_without_fencing(cluster: ClusterUnderTest) -> None:
    node, boots, since = cluster.node_of(GROUP), cluster.boots(), time.monotonic()
    try:
        stopped = cluster.run("kubectl-ha", "node", "stop", node)
        assert stopped.returncode == 0, stopped.stderr
        cluster.await_started(away_from=node)
        cluster.await_answers()
        assert cluster.status_of(f"hanode/{node}")["state"] == "Stopped"
        assert "/var/www" not in cluster.sandbox.on_host(node, "cat", "/proc/mounts").stdout
    finally:
        cluster.run("kubectl-ha", "node", "start", node)
    assert cluster.boots() == boots
    assert sum(one.seconds for one in cluster.watch.outages("page", since=since)) < OUTAGE_S_MAX


def test_a_killed_web_server_is_recovered_in_place_by_its_monitor(cluster: ClusterUnderTest) -> None:
    node, since = cluster.node_of(GROUP), time.monotonic()
    assert cluster.sandbox.on_host(node, "pkill", "-9", "apache2").returncode == 0
    assert cluster.watch.wait_outage("page", since=since, timeout_s=5.0)
    cluster.await_answers()
    cluster.await_started()
    assert cluster.node_of(GROUP) == node
    assert cluster.status_of(GROUP)["failures"] == 1


@pytest.mark.parametrize("daemon", ["backstay_nodeagent --node", "backstay_operator"])
def test_a_killed_daemon_moves_nothing(cluster: ClusterUnderTest, daemon: str) -> None:
    places = {one: cluster.node_of(one) for one in (GROUP, ADDRESS)}
    boots, since = cluster.boots(), time.monotonic()
    for node in cluster.sandbox.layout.nodes:
        assert cluster.sandbox.on_host(node, "pkill", "-9", "-f", daemon).returncode == 0
    time.sleep(8.0)  # longer than a lease: what would move has moved by now
    cluster.settle()
    assert {one: cluster.node_of(one) for one in (GROUP, ADDRESS)} == places
    assert cluster.boots() == boots
    assert cluster.watch.outages("page", since=since) == []
    assert cluster.watch.outages("address", since=since) == []


def test_an_outage_of_the_api_takes_no_healthy_service_down(cluster: ClusterUnderTest) -> None:
    places = {one: cluster.node_of(one) for one in (GROUP, ADDRESS)}
    boots, since = cluster.boots(), time.monotonic()
    cluster.sandbox.ask("stop-api")
    try:
        time.sleep(8.0)
    finally:
        cluster.sandbox.ask("start-api")
    cluster.settle()
    assert {one: cluster.node_of(one) for one in (GROUP, ADDRESS)} == places
    assert cluster.boots() == boots
    # The group waits for fencing in any case, so it runs on; what `requires: quorum` may be taken over on lease
    # expiry and is stopped by a node that is cut off and has no peers to vouch for it.
    assert cluster.watch.outages("page", since=since) == []


def test_cluster_ip_comes_back_after_the_power_cut_of_its_node(cluster: ClusterUnderTest) -> None:
    node, since = cluster.node_of(ADDRESS), time.monotonic()
    cluster.sandbox.ask("crash", node=node)
    assert cluster.watch.wait_outage("address", since=since, timeout_s=5.0)
    cluster.await_answers()
    cluster.await_started(away_from="" if cluster.node_of(ADDRESS) != node else node)
    assert sum(one.seconds for one in cluster.watch.outages("address", since=since)) < OUTAGE_S_MAX


def test_power_cut_of_the_dc_elects_another_which_fences_it(cluster: ClusterUnderTest) -> None:
    before = cluster.status_of("hacluster/sandbox")
    node, boots = before["dc"].partition("_")[0], cluster.boots()
    cluster.sandbox.ask("crash", node=node)

    def elected() -> bool:
        return str(cluster.status_of("hacluster/sandbox").get("dc", before["dc"])) != before["dc"]

    wait_for(elected, timeout_s=20.0, what="another replica is the DC")
    wait_for(lambda: cluster.boots()[node] == boots[node] + 1, timeout_s=20.0, what=f"{node} was fenced")
    cluster.settle()
    assert cluster.status_of("hacluster/sandbox")["epoch"] > before["epoch"]


def test_cluster_made_again_under_its_name_is_obeyed_though_hosts_remember_its_epochs(
    cluster: ClusterUnderTest,
) -> None:
    """Deleted with all its plans; the hosts' memory of epochs is on their disks."""

    def remembered() -> list[int]:
        plans = json.loads(cluster.run("kubectl", "get", "hanodeplans", "-o", "json").stdout)["items"]
        return [plan.get("status", {}).get("observedEpoch", 0) for plan in plans]

    before = max(remembered())
    for node in cluster.sandbox.layout.nodes:
        assert cluster.sandbox.on_host(node, "pkill", "-f", "backstay_operator").returncode == 0
    wait_for(
        lambda: min(remembered()) > before, timeout_s=30.0, what="every host obeys one of the new replicas"
    )
    cluster.settle()
    made = cluster.run("kubectl", "get", "hacluster", "sandbox", "-o", "json")
    spec = json.loads(made.stdout)["spec"]
    known = max(remembered())
    assert cluster.run("kubectl", "delete", "hacluster", "sandbox").returncode == 0
    assert cluster.run("kubectl", "delete", "hanodeplans", "--all").returncode == 0
    again = {"apiVersion": API_VERSION, "kind": "HACluster", "metadata": {"name": "sandbox"}, "spec": spec}
    path = cluster.sandbox.layout.state_dir / "again.json"
    path.write_text(json.dumps(again))
    assert cluster.run("kubectl", "create", "-f", str(path)).returncode == 0
    wait_for(
        lambda: cluster.status_of("hacluster/sandbox").get("epoch", 0) > known,
        timeout_s=30.0,
        what="the new cluster's DC is above what the hosts remember",
    )
    cluster.settle()
    moved = cluster.run("kubectl-ha", "resource", "move", "ClusterIP")
    assert moved.returncode == 0, moved.stdout + moved.stderr


def test_an_address_that_is_changed_is_left_on_no_host(cluster: ClusterUnderTest) -> None:
    def holders(address: str) -> list[str]:
        shown = {
            node: cluster.sandbox.on_host(node, "ip", "-4", "-br", "addr").stdout
            for node in cluster.sandbox.layout.nodes
        }
        return [node for node, addresses in shown.items() if f"{address}/" in addresses]

    def change_to(address: str) -> None:
        patch = json.dumps({"spec": {"params": {"ip": address}}})
        changed = cluster.run("kubectl", "patch", ADDRESS, "--type", "merge", "-p", patch)
        assert changed.returncode == 0, changed.stderr

    [node] = holders("10.0.0.3")
    change_to("10.0.0.44")
    wait_for(lambda: holders("10.0.0.44") == [node], timeout_s=20.0, what="the new address is there")
    assert holders("10.0.0.3") == []
    change_to("10.0.0.3")
    wait_for(lambda: holders("10.0.0.3") == [node], timeout_s=20.0, what="the first one is back")
    assert holders("10.0.0.44") == []
