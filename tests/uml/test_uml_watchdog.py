"""Self-fencing on own-kernel hosts: softdog, the real keeper, and no fence device. What proves a death here is the watchdog alone.

Power is read from outside, from the kernel's process; times asserted are the bounds of design note 0005, with room for a loaded machine
only where the machine, and not the bound, decides.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay_sandbox import background
from backstay_sandbox.inspection import host_pid
from backstay_sandbox.options import HostKind, SandboxOptions
from backstay_sandbox.outages import OutageWatch
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for
from harness.hosts_cluster import ClusterUnderTest

pytestmark = pytest.mark.uml
DEVICE = "/dev/watchdog1"
D_MS, W_S, R_MS, L_MS = 3000, 3, 1000, 14_000
ENDLESS = "n3"
"""The host whose watchdog cannot be stopped once it runs, as many kernels have it."""
KEEPER = "backstay_nodeagent.heartbeat import main"
AGENT = "backstay_nodeagent --node"
RESOURCE = "haresource/data"
MANIFEST = {
    "apiVersion": "ha.backstay.io/v1alpha1",
    "kind": "HAResource",
    "metadata": {"name": "data", "namespace": "default"},
    "spec": {"agent": "ocf:heartbeat:Dummy", "operations": [{"name": "monitor", "interval": "5s"}]},
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    options = SandboxOptions(name=sandbox_name("uml-watchdog"), nodes=3, hosts=HostKind.UML)
    background.start(options, progress=lambda _step: None)
    try:
        with OutageWatch(options.layout, url="http://10.0.1.100/", address="10.0.0.3") as watch:
            cluster = ClusterUnderTest(SandboxUnderTest(options.layout), watch)
            file = tmp_path_factory.mktemp("watchdog") / "data.json"
            file.write_text(json.dumps(MANIFEST))
            spec = {
                "watchdog": {
                    "device": DEVICE,
                    "deadlineMilliseconds": D_MS,
                    "timeoutSeconds": W_S,
                    "resetMilliseconds": R_MS,
                    "takeoverDelayMilliseconds": L_MS,
                }
            }
            for words in (
                ("delete", "fencedevice", "power-switch"),
                ("patch", "hacluster", "sandbox", "--type=merge", "-p", json.dumps({"spec": spec})),
                ("apply", "-f", str(file)),
            ):
                done = cluster.run("kubectl", *words)
                assert done.returncode == 0, done.stderr
            yield cluster
    finally:
        background.stop(options.layout)


@pytest.fixture
def cluster(running: ClusterUnderTest) -> ClusterUnderTest:
    """Every host up with an armed watchdog, the resource started."""
    sandbox = running.sandbox
    for node in sandbox.layout.nodes:
        sandbox.ask("heal", node=node)
        sandbox.ask("boot", node=node)
        words = ("softdog", f"soft_margin={W_S}", f"nowayout={int(node == ENDLESS)}")
        loaded = sandbox.on_host(node, "modprobe", *words)
        assert loaded.returncode == 0, loaded.stderr
    for node in sandbox.layout.nodes:
        running.await_node(node, "Online", timeout_s=60.0)
    for node in sandbox.layout.nodes:
        wait_for(lambda node=node: armed(running, node), timeout_s=30.0, what=f"{node} has armed")  # type: ignore[misc]
    wait_for(lambda: started_on(running) != "", timeout_s=60.0, what="the resource is started")
    return running


def armed(cluster: ClusterUnderTest, node: str) -> bool:
    return str(cluster.status_of(f"hanode/{node}").get("watchdog")).startswith("armed")


def started_on(cluster: ClusterUnderTest) -> str:
    status = cluster.status_of(RESOURCE)
    return str(status.get("node")) if status.get("role") == "Started" else ""


def powered(cluster: ClusterUnderTest, node: str) -> bool:
    return bool(cluster.sandbox.host_status(node)["power"] == "on")


def await_death(cluster: ClusterUnderTest, node: str, *, timeout_s: float) -> float:
    return wait_for(lambda: not powered(cluster, node), timeout_s=timeout_s, what=f"{node} is reset")


def signal_inside(cluster: ClusterUnderTest, node: str, name: str, *programs: str) -> None:
    for program in programs:
        done = cluster.sandbox.on_host(node, "pkill", f"-{name}", "-f", program)
        assert done.returncode == 0, f"{program}: {done.stderr}"


def everything_of(pid: int) -> list[int]:
    """All processes of the host whose pid 1 this is."""
    namespace = os.readlink(f"/proc/{pid}/ns/pid")
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "ns/pid") == namespace:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_restart_and_crash_of_the_agent_reset_nobody(cluster: ClusterUnderTest) -> None:
    boots, home = cluster.boots(), started_on(cluster)
    for name in ("TERM", "KILL"):
        signal_inside(cluster, home, name, AGENT)
        time.sleep(D_MS / 1000 + W_S + 2)
        assert powered(cluster, home)
    assert cluster.boots() == boots
    assert armed(cluster, home)


def test_killed_keeper_is_replaced_before_the_watchdog_bites(cluster: ClusterUnderTest) -> None:
    boots, home = cluster.boots(), started_on(cluster)
    signal_inside(cluster, home, "KILL", KEEPER)
    time.sleep(D_MS / 1000 + W_S + 2)
    assert powered(cluster, home)
    assert cluster.boots() == boots
    wait_for(lambda: armed(cluster, home), timeout_s=20.0, what="the next keeper has armed")


def test_killed_keeper_that_nobody_replaces_is_the_end_of_the_host(cluster: ClusterUnderTest) -> None:
    home = started_on(cluster)
    signal_inside(cluster, home, "STOP", AGENT)
    signal_inside(cluster, home, "KILL", KEEPER)
    await_death(cluster, home, timeout_s=W_S + R_MS / 1000 + 3)


def test_cut_off_host_is_dead_before_others_take_over(cluster: ClusterUnderTest) -> None:
    home = started_on(cluster)
    cluster.sandbox.ask("cut", node=home)
    cut_at = time.monotonic()
    await_death(cluster, home, timeout_s=D_MS / 1000 + 3 * W_S + R_MS / 1000)
    died_s = time.monotonic() - cut_at
    assert cluster.sandbox.host_status(home)["power"] == "off"
    wait_for(lambda: started_on(cluster) not in ("", home), timeout_s=60.0, what="the resource moved")
    moved_s = time.monotonic() - cut_at
    assert died_s < L_MS / 1000 - 1.0 < moved_s
    fenced = cluster.status_of(f"hanode/{home}")["fenced"]
    assert (fenced["action"], fenced["by"]) == ("watchdog", "its own watchdog")
    print(f"cut off: dead after {died_s:.1f} s, taken over after {moved_s:.1f} s")


def test_host_frozen_past_its_deadline_dies_when_it_thaws(cluster: ClusterUnderTest) -> None:
    home = started_on(cluster)
    frozen = everything_of(host_pid(cluster.sandbox.layout, home))
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: started_on(cluster) not in ("", home), timeout_s=60.0, what="the resource moved")
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    print(f"thawed: dead after {await_death(cluster, home, timeout_s=2.0):.2f} s")


def test_taking_the_watchdog_away_disarms_every_host_and_resets_none(cluster: ClusterUnderTest) -> None:
    boots = cluster.boots()
    before = cluster.run("kubectl", "get", "hacluster", "sandbox", "-o", "jsonpath={.spec.watchdog}").stdout
    gone = cluster.run(
        "kubectl", "patch", "hacluster", "sandbox", "--type=merge", "-p", '{"spec":{"watchdog":null}}'
    )
    assert gone.returncode == 0, gone.stderr
    for node in cluster.sandbox.layout.nodes:
        wait_for(lambda node=node: not armed(cluster, node), timeout_s=20.0, what=f"{node} has disarmed")  # type: ignore[misc]
    stopped = [node for node in cluster.sandbox.layout.nodes if node != ENDLESS]
    for node in stopped:
        signal_inside(cluster, node, "STOP", AGENT, KEEPER)
    time.sleep(W_S + 2)
    assert all(powered(cluster, node) for node in cluster.sandbox.layout.nodes)
    for node in stopped:
        signal_inside(cluster, node, "CONT", AGENT, KEEPER)
    assert cluster.boots() == boots
    again = json.dumps({"spec": {"watchdog": json.loads(before)}})
    assert (
        cluster.run("kubectl", "patch", "hacluster", "sandbox", "--type=merge", "-p", again).returncode == 0
    )
