"""End to end on own-kernel hosts: the tutorial's whole group, LVM to the letter, with the real daemons.

Times asserted are bounds that hold on a loaded machine, not what is usually measured (see `make demo HOSTS=uml`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay_sandbox import background
from backstay_sandbox.options import HostKind, SandboxOptions
from backstay_sandbox.outages import OutageWatch
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for
from harness.hosts_cluster import GROUP, ClusterUnderTest

pytestmark = pytest.mark.uml
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OUTAGE_S_MAX = 60.0
MOVE_S_MAX = 60.0


@pytest.fixture(scope="module")
def running() -> Iterator[ClusterUnderTest]:
    options = SandboxOptions(name=sandbox_name("uml-tutorial"), nodes=3, hosts=HostKind.UML)
    background.start(options, progress=lambda _step: None)
    try:
        with OutageWatch(options.layout, url="http://10.0.1.100/", address="10.0.0.3") as watch:
            cluster = ClusterUnderTest(SandboxUnderTest(options.layout), watch)
            for name in ("tutorial/1-cluster-ip.yaml", "tutorial-lvm"):
                applied = cluster.run("kubectl", "apply", "-f", str(EXAMPLES / name))
                assert applied.returncode == 0, applied.stderr
            yield cluster
    finally:
        background.stop(options.layout)


@pytest.fixture
def cluster(running: ClusterUnderTest) -> ClusterUnderTest:
    """Whole and quiet before each test, whatever the one before did."""
    sandbox = running.sandbox
    for node in sandbox.layout.nodes:
        sandbox.ask("heal", node=node)
        sandbox.ask("boot", node=node)
    for node in sandbox.layout.nodes:
        running.await_node(node, "Online", timeout_s=MOVE_S_MAX)
    running.await_started(timeout_s=MOVE_S_MAX)
    running.await_answers(timeout_s=MOVE_S_MAX)
    running.run("kubectl-ha", "cleanup")
    return running


def test_the_whole_group_with_its_volume_group_runs_on_one_node(cluster: ClusterUnderTest) -> None:
    status = cluster.status_of(GROUP)
    assert status["readyMembers"] == "4/4"
    assert {member["node"] for member in status["members"]} == {status["node"]}
    mounts = {
        node: "app_vg-app_lv /var/www xfs" in cluster.sandbox.on_host(node, "cat", "/proc/mounts").stdout
        for node in cluster.sandbox.layout.nodes
    }
    assert mounts == {node: node == status["node"] for node in cluster.sandbox.layout.nodes}
    assert "Website-Testes" in cluster.sandbox.client("curl", "-sS", "-m", "5", "http://10.0.1.100/").stdout


def test_what_was_synced_before_a_power_cut_is_served_by_the_next_host(cluster: ClusterUnderTest) -> None:
    node, boots = cluster.node_of(GROUP), cluster.boots()
    write = "cd /var/www/html && echo precious >kept && sync kept && for n in $(seq 300); do : >$n; done"
    assert cluster.sandbox.on_host(node, "sh", "-c", write).returncode == 0
    logs = cluster.sandbox.layout.logs_dir
    recovered = {path: path.read_text(errors="replace").count("Starting recovery") for path in consoles(logs)}
    since = time.monotonic()
    cluster.sandbox.ask("crash", node=node)
    assert cluster.watch.wait_outage("page", since=since, timeout_s=5.0)
    cluster.await_started(away_from=node, timeout_s=MOVE_S_MAX)
    cluster.await_answers(timeout_s=MOVE_S_MAX)
    outage_s = sum(one.seconds for one in cluster.watch.outages("page", since=since))
    assert outage_s < OUTAGE_S_MAX
    kept = cluster.sandbox.client("curl", "-sS", "-m", "5", "http://10.0.1.100/kept").stdout
    assert kept == "precious\n"
    console = logs / f"{cluster.node_of(GROUP)}.console.log"
    assert console.read_text(errors="replace").count("Starting recovery") == recovered[console] + 1
    # Fenced: the power switch has switched it on again, once, and nobody else.
    wait_for(
        lambda: cluster.boots() == {**boots, node: boots[node] + 1}, timeout_s=30.0, what=f"{node} was cycled"
    )


def consoles(logs: Path) -> list[Path]:
    return sorted(logs.glob("n*.console.log"))


def test_a_clean_stop_moves_the_volume_group_without_fencing_or_recovery(cluster: ClusterUnderTest) -> None:
    node, boots = cluster.node_of(GROUP), cluster.boots()
    logs = cluster.sandbox.layout.logs_dir
    recovered = {path: path.read_text(errors="replace").count("Starting recovery") for path in consoles(logs)}
    try:
        stopped = cluster.run("kubectl-ha", "node", "stop", node)
        assert stopped.returncode == 0, stopped.stderr
        cluster.await_started(away_from=node, timeout_s=MOVE_S_MAX)
        cluster.await_answers(timeout_s=MOVE_S_MAX)
        assert cluster.sandbox.on_host(node, "test", "-e", "/dev/app_vg/app_lv").returncode == 1
    finally:
        cluster.run("kubectl-ha", "node", "start", node)
    assert cluster.boots() == boots
    assert {
        path: path.read_text(errors="replace").count("Starting recovery") for path in consoles(logs)
    } == recovered


def test_a_cut_off_host_loses_its_kernel_before_another_mounts_its_file_system(
    cluster: ClusterUnderTest,
) -> None:
    node, boots = cluster.node_of(GROUP), cluster.boots()
    cluster.sandbox.ask("cut", node=node)
    cluster.await_started(away_from=node, timeout_s=MOVE_S_MAX)
    assert cluster.boots()[node] > boots[node]
    cluster.await_answers(timeout_s=MOVE_S_MAX)
    assert "/var/www" not in cluster.sandbox.on_host(node, "cat", "/proc/mounts").stdout


def test_three_hosts_at_rest_lose_no_heartbeat(cluster: ClusterUnderTest) -> None:
    boots, places = cluster.boots(), cluster.node_of(GROUP)
    until = time.monotonic() + 15.0
    while time.monotonic() < until:
        for node in cluster.sandbox.layout.nodes:
            assert cluster.status_of(f"hanode/{node}")["state"] == "Online"
        time.sleep(1.0)
    assert (cluster.boots(), cluster.node_of(GROUP)) == (boots, places)
