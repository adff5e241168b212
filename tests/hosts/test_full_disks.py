"""The host that runs everything has a full disk: what runs stays, an agent that restarts there remembers it, and it
can be moved away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay_sandbox import background
from backstay_sandbox.control import call
from backstay_sandbox.options import SandboxOptions
from backstay_sandbox.outages import OutageWatch
from harness import full_disk
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for
from harness.hosts_cluster import GROUP, ClusterUnderTest
from harness.quiet import plans

pytestmark = pytest.mark.hosts
TUTORIAL = Path(__file__).resolve().parents[2] / "examples/tutorial"
AGENT = "backstay_nodeagent --node"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterUnderTest]:
    options = SandboxOptions(name=sandbox_name("fulldisk"), nodes=3)
    background.start(options, progress=lambda _step: None)
    try:
        with OutageWatch(options.layout, url="http://10.0.1.100/", address="10.0.0.3") as watch:
            made = ClusterUnderTest(SandboxUnderTest(options.layout), watch)
            applied = made.run("kubectl", "apply", "-f", str(TUTORIAL))
            assert applied.returncode == 0, applied.stderr
            made.settle()
            yield made
    finally:
        background.stop(options.layout)


def pid1_of(cluster: ClusterUnderTest, node: str) -> int:
    hosts = call(cluster.sandbox.layout.control_socket, "status")["hosts"]
    return int(next(host["pid"] for host in hosts if host["node"] == node))


def test_record_of_what_runs_outlives_a_full_disk_and_a_restart_and_it_moves_away(
    cluster: ClusterUnderTest,
) -> None:
    home = cluster.node_of(GROUP)
    pid1 = pid1_of(cluster, home)
    full_disk.fill(pid1)
    try:
        full = cluster.sandbox.on_host(home, "sh", "-c", "head -c 65536 /dev/zero > /run/more")
        assert full.returncode != 0, "the disk has room"
        before = plans(cluster)[home]["incarnation"]
        pids = cluster.sandbox.on_host(home, "pgrep", "-f", AGENT).stdout.split()
        cluster.sandbox.on_host(home, "kill", "-KILL", *pids)
        wait_for(
            lambda: plans(cluster)[home]["incarnation"] != before,
            timeout_s=30.0,
            what="a new agent reports from the full disk",
        )
        history = {one["resource"] for one in plans(cluster)[home]["history"]}
        assert {"app_fs", "VIP"} <= history, json.dumps(sorted(history))
        assert cluster.node_of(GROUP) == home
        assert cluster.run("kubectl-ha", "node", "standby", home).returncode == 0
        cluster.await_started(away_from=home)
        assert cluster.boots()[home] == 1, "it was fenced"
    finally:
        full_disk.clear(pid1)
        cluster.run("kubectl-ha", "node", "unstandby", home)
