"""Nothing waits for strangers (design note 0014), on namespace hosts with real agents.

What is independent of a slow operation is recovered as if that were not there. `ocf:heartbeat:Delay` is the slow stranger, under
another name in each test, since it may outlast its own; each test compares with the same event without it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backstay.api import API_VERSION
from backstay_sandbox import background
from backstay_sandbox.options import SandboxOptions
from backstay_sandbox.outages import OutageWatch
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for
from harness.hosts_cluster import GROUP, ClusterUnderTest
from harness.quiet import telling_what_happened

pytestmark = pytest.mark.hosts
TUTORIAL = Path(__file__).resolve().parents[2] / "examples/tutorial"
SLOW_S = 60
"""How long the stranger's operation takes: far longer than anything else here."""
SLACK_S = 8.0
"""How much later a recovery beside the stranger may be on a busy machine. To wait for it would cost most of `SLOW_S`."""


@pytest.fixture(scope="module")
def running() -> Iterator[ClusterUnderTest]:
    options = SandboxOptions(name=sandbox_name("flight"), nodes=3)
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
def cluster(running: ClusterUnderTest) -> Iterator[ClusterUnderTest]:
    running.settle()
    running.run("kubectl-ha", "cleanup")
    with telling_what_happened(running):
        yield running
    running.run("kubectl", "delete", "haresources", "-l", "stranger", "--wait=false")
    running.run("kubectl", "delete", "haconstraints", "-l", "stranger", "--wait=false")


@pytest.fixture
def slow(request: pytest.FixtureRequest) -> str:
    """The stranger's name: no other test has it."""
    return f"slow{request.session.items.index(request.node)}"


def apply(cluster: ClusterUnderTest, *manifests: dict[str, Any]) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    done = cluster.run("kubectl", "apply", "-f", "-", given=json.dumps(items))
    assert done.returncode == 0, done.stderr


def stranger(slow: str, node: str, **delays: int) -> list[dict[str, Any]]:
    """A resource that takes its time, on this node."""
    params = {name: str(delays.get(name, 0)) for name in ("startdelay", "stopdelay", "mondelay")}
    timeouts = [{"name": name, "timeout": "90s"} for name in ("start", "stop")]
    operations = [*timeouts, {"name": "monitor", "interval": "10s", "timeout": "90s"}]
    spec = {"agent": "ocf:heartbeat:Delay", "params": params, "operations": operations}
    location = {"resource": slow, "node": node, "score": "INFINITY"}
    metadata = {"namespace": "default", "labels": {"stranger": "true"}}
    return [
        {
            "apiVersion": API_VERSION,
            "kind": "HAConstraint",
            "metadata": {**metadata, "name": f"{slow}-place"},
            "spec": {"location": location},
        },
        {
            "apiVersion": API_VERSION,
            "kind": "HAResource",
            "metadata": {**metadata, "name": slow},
            "spec": spec,
        },
    ]


def pending(cluster: ClusterUnderTest, node: str) -> list[str]:
    found = cluster.status_of(f"hanodeplan/{node}").get("pending", [])
    return [f"{one['verb']} {one['resource']}" for one in found]


def put_in_flight(cluster: ClusterUnderTest, verb: str, slow: str, node: str, **delays: int) -> None:
    apply(cluster, *stranger(slow, node, **delays))
    wait_for(
        lambda: f"{verb} {slow}" in pending(cluster, node),
        timeout_s=30.0,
        what=f"{verb} of {slow} is under way",
    )


def bystander(cluster: ClusterUnderTest) -> str:
    """A host that the group does not run on and that is not the DC's: where the stranger shall be."""
    dc = str(cluster.status_of("hacluster/sandbox")["dc"]).partition("_")[0]
    nodes = [one for one in cluster.sandbox.layout.nodes if one != cluster.node_of(GROUP)]
    return next((one for one in nodes if one != dc), nodes[0])


def page_outage_s(cluster: ClusterUnderTest, strike: Callable[[str], None]) -> float:
    """Strike the group's host, and see how long the page is away."""
    node, since = cluster.node_of(GROUP), time.monotonic()
    strike(node)
    assert cluster.watch.wait_outage("page", since=since, timeout_s=8.0)
    assert cluster.watch.wait_up("page", timeout_s=SLOW_S + 40.0)
    return sum(one.seconds for one in cluster.watch.outages("page", since=since))


def cut_power(cluster: ClusterUnderTest) -> Callable[[str], None]:
    return lambda node: cluster.sandbox.ask("crash", node=node)


def kill_apache(cluster: ClusterUnderTest) -> Callable[[str], None]:
    def strike(node: str) -> None:
        assert cluster.sandbox.on_host(node, "pkill", "-9", "apache2").returncode == 0

    return strike


@pytest.mark.parametrize("how", [cut_power, kill_apache], ids=["power cut", "apache killed"])
def test_recovery_does_not_wait_for_a_slow_start_elsewhere(
    cluster: ClusterUnderTest, slow: str, how: Callable[[ClusterUnderTest], Callable[[str], None]]
) -> None:
    alone_s = page_outage_s(cluster, how(cluster))
    cluster.settle()
    cluster.run("kubectl-ha", "cleanup")
    node = bystander(cluster)
    put_in_flight(cluster, "start", slow, node, startdelay=SLOW_S)
    beside_s = page_outage_s(cluster, how(cluster))
    assert f"start {slow}" in pending(cluster, node), "the stranger was still under way"
    print(f"page away for {alone_s:.2f} s alone, {beside_s:.2f} s while a start of {SLOW_S} s is in flight")
    assert beside_s < alone_s + SLACK_S


def test_recovery_does_not_wait_for_a_slow_stop_elsewhere(cluster: ClusterUnderTest, slow: str) -> None:
    alone_s = page_outage_s(cluster, cut_power(cluster))
    cluster.settle()
    node = bystander(cluster)
    apply(cluster, *stranger(slow, node, stopdelay=SLOW_S))
    wait_for(
        lambda: cluster.status_of(f"haresource/{slow}").get("role") == "Started",
        timeout_s=30.0,
        what="slow runs",
    )
    assert cluster.run("kubectl-ha", "resource", "disable", slow).returncode == 0
    wait_for(lambda: f"stop {slow}" in pending(cluster, node), timeout_s=30.0, what="its stop is under way")
    beside_s = page_outage_s(cluster, cut_power(cluster))
    assert f"stop {slow}" in pending(cluster, node), "the stranger was still under way"
    print(f"page away for {alone_s:.2f} s alone, {beside_s:.2f} s while a stop of {SLOW_S} s is in flight")
    assert beside_s < alone_s + SLACK_S


def test_a_resource_whose_first_monitor_hangs_is_disabled_at_once(
    cluster: ClusterUnderTest, slow: str
) -> None:
    node = bystander(cluster)
    put_in_flight(cluster, "monitor", slow, node, mondelay=SLOW_S)
    began = time.monotonic()
    assert cluster.run("kubectl-ha", "resource", "disable", slow).returncode == 0
    wait_for(
        lambda: cluster.status_of(f"haresource/{slow}").get("role") == "Stopped",
        timeout_s=SLOW_S / 2,
        what="slow is stopped before its monitor would have ended",
    )
    print(f"stopped {time.monotonic() - began:.2f} s after it was disabled")
