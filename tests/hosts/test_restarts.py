"""Restarts that nobody notices: every agent, keeper, operator and the API, restarted and upgraded while a client asks the page and the
address ten times a second. No miss, and by the agents' own records no start and no stop.

The outage of the API lasts BACKSTAY_OUTAGE_S seconds (default 20; the full proof takes 300)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import backstay_nodeagent
import backstay_operator
from backstay_sandbox import background
from backstay_sandbox.options import SandboxOptions
from backstay_sandbox.outages import OutageWatch
from harness import quiet
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for
from harness.hosts_cluster import ADDRESS, GROUP, ClusterUnderTest
from harness.quiet import plans

pytestmark = pytest.mark.hosts
TUTORIAL = Path(__file__).resolve().parents[2] / "examples/tutorial"
OUTAGE_S = float(os.environ.get("BACKSTAY_OUTAGE_S", "20"))
URL, PINGED = "http://10.0.1.100/", "10.0.0.3"
OUTAGE_S_MAX = 10.0
AGENT, OPERATOR = "backstay_nodeagent --node", "backstay_operator"
KEEPER = "backstay_nodeagent.heartbeat import main"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterUnderTest]:
    options = SandboxOptions(name=sandbox_name("restarts"), nodes=3)
    background.start(options, progress=lambda _step: None)
    try:
        with OutageWatch(options.layout, url=URL, address=PINGED) as watch:
            made = ClusterUnderTest(SandboxUnderTest(options.layout), watch)
            applied = made.run("kubectl", "apply", "-f", str(TUTORIAL))
            assert applied.returncode == 0, applied.stderr
            made.settle()
            yield made
    finally:
        background.stop(options.layout)


def pids(cluster: ClusterUnderTest, node: str, pattern: str) -> list[str]:
    return cluster.sandbox.on_host(node, "pgrep", "-f", pattern).stdout.split()


def kill(cluster: ClusterUnderTest, node: str, pattern: str, signal: str = "TERM") -> None:
    """By number, on one host; returns when they are gone."""
    found = pids(cluster, node, pattern)
    assert found, f"nothing on {node} is {pattern}"
    cluster.sandbox.on_host(node, "kill", f"-{signal}", *found)
    wait_for(
        lambda: not set(found) & set(pids(cluster, node, pattern)),
        timeout_s=15.0,
        what=f"{pattern} has ended on {node}",
    )


def restart_agent(cluster: ClusterUnderTest, node: str, signal: str = "TERM") -> None:
    """As a rolling update does: the next one only when this one is back."""
    before = plans(cluster)[node]["incarnation"]
    kill(cluster, node, AGENT, signal)
    wait_for(
        lambda: plans(cluster)[node]["incarnation"] != before,
        timeout_s=30.0,
        what=f"a new agent reports on {node}",
    )


def replicas(cluster: ClusterUnderTest, node: str) -> set[str]:
    """Operators of a host that have shown themselves: each start has a Lease of its own, which fades when it is not renewed."""
    got = cluster.run("kubectl", "get", "leases", "-n", "backstay-system", "-o", "name")
    return {one for one in got.stdout.split() if f"/operator-{node}-" in one}


def restart_operator(cluster: ClusterUnderTest, node: str, signal: str = "TERM") -> None:
    before = replicas(cluster, node)
    kill(cluster, node, OPERATOR, signal)
    wait_for(
        lambda: bool(replicas(cluster, node) - before),
        timeout_s=20.0,
        what=f"the operator of {node} is there again",
    )


def nobody_notices(cluster: ClusterUnderTest) -> AbstractContextManager[None]:
    return quiet.nobody_notices(cluster, url=URL, address=PINGED)


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_rolling_restart_of_every_agent_is_not_noticed(cluster: ClusterUnderTest, signal: str) -> None:
    with nobody_notices(cluster):
        for node in cluster.sandbox.layout.nodes:
            restart_agent(cluster, node, signal)


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_rolling_restart_of_every_operator_is_not_noticed(cluster: ClusterUnderTest, signal: str) -> None:
    epoch = cluster.status_of("hacluster/sandbox")["epoch"]
    with nobody_notices(cluster):
        for node in cluster.sandbox.layout.nodes:
            restart_operator(cluster, node, signal)
    wait_for(
        lambda: cluster.status_of("hacluster/sandbox")["epoch"] > epoch,
        timeout_s=10.0,
        what="the DC was among them",
    )


def test_death_of_every_keeper_is_not_noticed(cluster: ClusterUnderTest) -> None:
    with nobody_notices(cluster):
        for node in cluster.sandbox.layout.nodes:
            kill(cluster, node, KEEPER, "KILL")
            wait_for(
                lambda node=node: bool(pids(cluster, node, KEEPER)),
                timeout_s=10.0,
                what=f"{node} has a keeper",
            )  # type: ignore[misc]


def test_everything_of_a_node_restarted_at_once_is_not_noticed(cluster: ClusterUnderTest) -> None:
    """Agent, keeper and operator of the host that runs the group."""
    node = cluster.node_of(GROUP)
    with nobody_notices(cluster):
        before = plans(cluster)[node]["incarnation"]
        for pattern in (OPERATOR, KEEPER, AGENT):
            cluster.sandbox.on_host(node, "kill", "-KILL", *pids(cluster, node, pattern))
        wait_for(
            lambda: plans(cluster)[node]["incarnation"] != before, timeout_s=30.0, what=f"{node} is back"
        )


def test_restart_of_the_api_is_not_noticed(cluster: ClusterUnderTest) -> None:
    with nobody_notices(cluster):
        cluster.sandbox.ask("restart-api")


def test_outage_of_the_api_is_not_noticed(cluster: ClusterUnderTest) -> None:
    """What requires fencing runs on in any case; the address, which requires only quorum, by the hosts' promises to one another."""
    with nobody_notices(cluster):
        cluster.sandbox.ask("stop-api")
        try:
            time.sleep(OUTAGE_S)
        finally:
            cluster.sandbox.ask("start-api")


def test_a_restart_of_every_agent_in_an_outage_of_the_api_is_not_noticed(cluster: ClusterUnderTest) -> None:
    with nobody_notices(cluster):
        cluster.sandbox.ask("stop-api")
        try:
            time.sleep(5.0)
            for node in cluster.sandbox.layout.nodes:
                kill(cluster, node, AGENT, "KILL")
                time.sleep(1.0)
            time.sleep(5.0)
        finally:
            cluster.sandbox.ask("start-api")


def test_host_that_loses_the_api_alone_gives_its_address_up_in_time(cluster: ClusterUnderTest) -> None:
    """It reaches its peers, but they are connected and promise nothing."""
    cluster.settle()
    node, boots, since = cluster.node_of(ADDRESS), cluster.boots(), time.monotonic()
    assert cluster.sandbox.on_host(node, "ip", "route", "add", "unreachable", "10.0.0.2/32").returncode == 0
    wait_for(
        lambda: cluster.node_of(ADDRESS) not in ("", node), timeout_s=40.0, what="the address is elsewhere"
    )
    assert cluster.watch.wait_up("address", timeout_s=10.0)
    assert sum(one.seconds for one in cluster.watch.outages("address", since=since)) < OUTAGE_S_MAX
    wait_for(
        lambda: cluster.boots()[node] > boots[node],
        timeout_s=20.0,
        what="the host was fenced, which mends it",
    )
    cluster.settle()


# -- upgrades


def put_new_version(cluster: ClusterUnderTest, node: str, version: str) -> None:
    """Another version of agent, keeper and operator in the host's own view of the file system."""
    for package, change in (
        (
            backstay_nodeagent,
            f"sed -i 's/^VERSION = .*/VERSION = \"{version}\"/' __init__.py; echo '# {version}' >> heartbeat.py",
        ),
        (backstay_operator, f"echo '# {version}' >> dc.py"),
    ):
        source = Path(str(package.__file__)).parent
        copy = f"/run/upgrade-{version}/{source.name}"
        done = cluster.sandbox.on_host(
            node,
            "sh",
            "-ec",
            f"mkdir -p {copy}; cp -a {source}/. {copy}; cd {copy}; {change}; mount --bind {copy} {source}",
        )
        assert done.returncode == 0, done.stderr


def test_rolling_upgrade_of_agents_keepers_and_operators_is_not_noticed(cluster: ClusterUnderTest) -> None:
    nodes = cluster.sandbox.layout.nodes
    keepers = {node: pids(cluster, node, KEEPER) for node in nodes}
    with nobody_notices(cluster):
        for node in nodes:
            put_new_version(cluster, node, "9.9.9")
            restart_agent(cluster, node)
        for node in nodes:
            restart_operator(cluster, node)
    assert {node: plans(cluster)[node]["agentVersion"] for node in nodes} == dict.fromkeys(nodes, "9.9.9")
    for node in nodes:
        assert pids(cluster, node, KEEPER) not in ([], keepers[node]), "the keeper was replaced too"
