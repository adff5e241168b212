"""Fencing by a topology, with the real fence agent and hosts with two supplies: a broken first level, a second one of two devices.

The lost host is alive and only cut off, so what proves its death is the switch, not the silence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backstay_sandbox import background
from backstay_sandbox.options import SandboxOptions
from backstay_sandbox.outages import OutageWatch
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for
from harness.hosts_cluster import GROUP, ClusterUnderTest

pytestmark = pytest.mark.hosts
TUTORIAL = Path(__file__).resolve().parents[2] / "examples/tutorial"
NODES = ("n1", "n2", "n3")
MONITOR_S = 3


def device(name: str, supply: str, **params: str) -> dict[str, Any]:
    secret = {"name": "sandbox-power-switch", "namespace": "backstay-system", "key": "password"}
    spec: dict[str, Any] = {
        "cluster": "sandbox",
        "agent": "stonith:fence_sandbox",
        "params": {"ip": "10.0.0.2", "ipport": "7100", **params},
        "hostMap": {node: f"{node}{supply}" for node in NODES},
        "monitorInterval": f"{MONITOR_S}s",
        "timeout": "10s",
        "attempts": 1,
    }
    if "password" not in params:
        spec["paramsFrom"] = {"password": {"secretKeyRef": secret}}
    return {
        "apiVersion": "ha.backstay.io/v1alpha1",
        "kind": "FenceDevice",
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    options = SandboxOptions(name=sandbox_name("fencing"), nodes=3)
    background.start(options, progress=lambda _step: None)
    try:
        with OutageWatch(options.layout, url="http://10.0.1.100/", address="10.0.0.3") as watch:
            made = ClusterUnderTest(SandboxUnderTest(options.layout), watch)
            devices = [device("ipmi", "", password="wrong"), device("pdu-a", ".a"), device("pdu-b", ".b")]
            file = tmp_path_factory.mktemp("fencing") / "devices.yaml"
            file.write_text("\n---\n".join(json.dumps(one) for one in devices))
            for words in (
                ("apply", "-f", str(file)),
                ("delete", "fencedevice", "power-switch"),
                ("patch", "hacluster", "sandbox", "--type=merge", "-p", json.dumps({"spec": topology()})),
                ("apply", "-f", str(TUTORIAL)),
            ):
                done = made.run("kubectl", *words)
                assert done.returncode == 0, done.stderr
            made.settle()
            yield made
    finally:
        background.stop(options.layout)


def topology() -> dict[str, Any]:
    return {
        "fencingTopology": [
            {"level": 1, "devices": ["ipmi"], "nodePattern": "n.*"},
            {"level": 2, "devices": ["pdu-a", "pdu-b"], "nodePattern": "n.*"},
        ]
    }


def history(cluster: ClusterUnderTest, node: str) -> list[dict[str, Any]]:
    return list(cluster.status_of(f"hanode/{node}").get("fencingHistory") or [])


def test_checks_tell_which_device_can_be_used(cluster: ClusterUnderTest) -> None:
    def ready(name: str) -> str:
        conditions = cluster.status_of(f"fencedevice/{name}").get("conditions") or []
        return next((f"{one['status']} {one['reason']}" for one in conditions if one["type"] == "Ready"), "")

    wait_for(lambda: ready("ipmi") == "False MonitorFailed", timeout_s=30.0, what="ipmi is found broken")
    assert ready("pdu-a") == ready("pdu-b") == "True Usable"
    status = cluster.status_of("fencedevice/ipmi")
    assert any("wrong password" in one for one in status["monitored"])


def test_cut_off_host_is_fenced_by_the_second_level_with_both_supplies(cluster: ClusterUnderTest) -> None:
    home, boots = cluster.node_of(GROUP), cluster.boots()
    cluster.sandbox.ask("cut", node=home)
    cluster.await_started(away_from=home, timeout_s=40.0)
    # The switch has ended the boot that held the mount; it may be back already.
    wait_for(lambda: cluster.boots()[home] == boots[home] + 1, timeout_s=20.0, what=f"{home} was rebooted")
    wait_for(lambda: bool(history(cluster, home)), timeout_s=10.0, what="the history is written")
    record = history(cluster, home)[0]
    assert record["succeeded"]
    assert record["by"].startswith("pdu-a on n")
    assert " and pdu-b on n" in record["by"]
    told = cluster.run("kubectl-ha", "fence", "history").stdout
    assert f"reboot of {home} by pdu-a on" in told
    cluster.sandbox.ask("heal", node=home)
    cluster.await_node(home, "Online", timeout_s=40.0)


def test_fence_by_hand_off_stays_off_and_on_brings_it_back(cluster: ClusterUnderTest) -> None:
    cluster.settle()
    home = cluster.node_of(GROUP)
    off = cluster.run("kubectl-ha", "fence", home, "--off")
    assert off.returncode == 0, off.stderr
    assert cluster.sandbox.host_status(home)["power"] == "off"
    cluster.await_started(away_from=home, timeout_s=40.0)
    time.sleep(2.0)
    assert cluster.sandbox.host_status(home)["power"] == "off"
    on = cluster.run("kubectl-ha", "fence", home, "--on")
    assert on.returncode == 0, on.stderr
    assert cluster.sandbox.host_status(home)["power"] == "on"
    cluster.await_node(home, "Online", timeout_s=40.0)
