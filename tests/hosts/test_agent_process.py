"""The whole agent as a process, with its keeper, a real OCF agent and an API server: orders, restarts, outages.

Needs root and the resource-agents package. Everything speaks over loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiError
from backstay_nodeagent.host_state import EpochFile

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(
        not Path("/usr/lib/ocf/resource.d/pacemaker/Dummy").exists(), reason="needs OCF agents"
    ),
]
CRDS = Path(__file__).resolve().parents[2] / "crds"
AGENT = "ocf:pacemaker:Dummy"

Status = dict[str, Any]


@dataclass
class Bed:
    """One node's worth of processes below `root`."""

    root: Path
    api: subprocess.Popen[bytes]
    client: KubeClient
    agent: subprocess.Popen[bytes] | None = None
    actions: list[dict[str, Any]] = field(default_factory=list)
    boot: str = ""

    def start_agent(self) -> None:
        log = (self.root / "agent.log").open("ab")
        self.agent = subprocess.Popen(
            [
                *(sys.executable, "-m", "backstay_nodeagent", "--node", "n1"),
                *("--kubeconfig", str(self.root / "kubeconfig")),
                *("--state-dir", str(self.root / "state"), "--run-dir", str(self.root / "run")),
            ],
            stderr=log,
        )
        log.close()

    def end_agent(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Returns how long it took, in seconds."""
        assert self.agent is not None
        began = time.monotonic()
        self.agent.send_signal(number)
        self.agent.wait(timeout=10)
        return time.monotonic() - began

    @property
    def log(self) -> str:
        return (self.root / "agent.log").read_text()

    async def order(self, *actions: dict[str, Any]) -> None:
        """Write a plan of these actions only."""
        spec = {"epoch": 1, "bootId": self.boot, "actions": list(actions)}
        await self.client.patch(kinds.HANODEPLAN, "n1", {"spec": spec})

    async def status(self, wanted: Callable[[Status], Any], seconds: float = 15.0) -> Status:
        """The plan's status, as soon as it is as wanted."""
        end = time.monotonic() + seconds
        status: Status = {}
        while time.monotonic() < end:
            with contextlib.suppress(ApiError):
                status = (await self.client.get(kinds.HANODEPLAN, "n1")).get("status") or {}
                if wanted(status):
                    return status
            await asyncio.sleep(0.02)
        raise AssertionError(f"status did not become as wanted: {status}\n{self.log[-4000:]}")

    async def results(self, *states: str) -> Status:
        return await self.status(
            lambda status: [one["state"] for one in status.get("results", [])] == list(states)
        )

    def runs(self, resource: str) -> bool:
        return (self.root / f"{resource}.state").exists()

    def action(self, action_id: str, verb: str, resource: str, **more: Any) -> dict[str, Any]:
        params = {"state": str(self.root / f"{resource}.state")} | more.pop("params", {})
        whole = {"id": action_id, "verb": verb, "resource": resource, "agent": AGENT, "params": params}
        return whole | {"requires": "quorum"} | more


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    kubeconfig = tmp_path / "kubeconfig"
    with (tmp_path / "api.log").open("wb") as log:
        api = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "backstay_sandbox.apiserver",
                "--port",
                "0",
                "--kubeconfig-out",
                str(kubeconfig),
            ],
            stdout=log,
            stderr=log,
        )
    client: KubeClient | None = None
    made: Bed | None = None
    try:
        client = await reach(kubeconfig)
        made = Bed(tmp_path, api, client)
        await prepare(client)
        made.start_agent()
        made.boot = (await made.status(lambda status: status.get("bootId")))["bootId"]
        yield made
    finally:
        api.send_signal(signal.SIGCONT)
        if made is not None and made.agent is not None and made.agent.poll() is None:
            made.agent.send_signal(signal.SIGCONT)
            made.end_agent(signal.SIGKILL)
        stop = [
            sys.executable,
            "-m",
            "backstay_nodeagent",
            "--stop-keeper",
            "--run-dir",
            str(tmp_path / "run"),
        ]
        subprocess.run(stop, check=False, timeout=20, stderr=subprocess.DEVNULL)
        if client is not None:
            await client.close()
        api.terminate()
        api.wait(timeout=10)


async def reach(kubeconfig: Path) -> KubeClient:
    end = time.monotonic() + 15.0
    while True:
        with contextlib.suppress(ApiError, FileNotFoundError):
            client = await KubeClient.connect(str(kubeconfig), timeout_s=3.0)
            try:
                await client.list(kinds.NAMESPACE)
            except ApiError:
                await client.close()
            else:
                return client
        assert time.monotonic() < end, "the API server does not answer"
        await asyncio.sleep(0.1)


async def prepare(client: KubeClient) -> None:
    await client.create(kinds.CRD, yaml.safe_load((CRDS / "hanodeplans.ha.backstay.io.yaml").read_text()))
    await client.create(kinds.NAMESPACE, {"metadata": {"name": "backstay-system"}})
    plan = {"metadata": {"name": "n1"}, "spec": {"cluster": "c", "epoch": 0}}
    end = time.monotonic() + 5.0
    while True:
        try:
            await client.create(kinds.HANODEPLAN, plan)
        except ApiError:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        else:
            return


async def group_runs(bed: Bed) -> None:
    await bed.order(
        bed.action("1-1-1", "start", "fs", group="g"),
        bed.action("1-1-2", "start", "vip", group="g", after=["1-1-1"]),
        bed.action("1-1-3", "monitor", "vip", group="g", after=["1-1-2"], intervalMs=500),
    )
    await bed.results("Done", "Done", "Done")
    assert bed.runs("fs")
    assert bed.runs("vip")


async def test_group_is_started_reported_and_stopped(bed: Bed) -> None:
    await group_runs(bed)
    began = time.monotonic()
    await bed.order(bed.action("1-2-1", "stop", "vip"), bed.action("1-2-2", "stop", "fs", after=["1-2-1"]))
    await bed.results("Done", "Done")
    assert time.monotonic() - began < 2.0
    assert not bed.runs("vip")
    assert not bed.runs("fs")


async def test_monitor_reports_a_resource_that_vanished(bed: Bed) -> None:
    await group_runs(bed)
    (bed.root / "vip.state").unlink()
    status = await bed.status(lambda status: status.get("failures"))
    assert [(one["resource"], one["rc"], one["count"]) for one in status["failures"]] == [("vip", 7, 1)]


async def test_restart_of_the_agent_is_fast_and_touches_nothing(bed: Bed) -> None:
    await group_runs(bed)
    before = await bed.status(lambda status: True)
    inodes = [(bed.root / f"{name}.state").stat().st_mtime_ns for name in ("fs", "vip")]
    assert bed.end_agent() < 1.0
    lease = await bed.client.get(kinds.LEASE, "node-n1", "backstay-system")
    bed.start_agent()
    after = await bed.status(lambda status: status["incarnation"] != before["incarnation"])
    assert [(bed.root / f"{name}.state").stat().st_mtime_ns for name in ("fs", "vip")] == inodes
    assert after["results"] == before["results"]
    assert after["history"] == before["history"]
    sequence = "ha.backstay.io/sequence"
    async with asyncio.timeout(10.0):  # the restart may fall between two renewals of the same keeper
        while True:
            renewed = await bed.client.get(kinds.LEASE, "node-n1", "backstay-system")
            if int(renewed["metadata"]["annotations"][sequence]) > int(
                lease["metadata"]["annotations"][sequence]
            ):
                break
            await asyncio.sleep(0.05)
    assert "cut off" not in bed.log


async def test_agent_killed_in_the_middle_of_a_start_reports_it_interrupted_and_what_it_found(
    bed: Bed,
) -> None:
    await bed.order(bed.action("1-1-1", "start", "slow", params={"op_sleep": "2"}, timeoutMs=10_000))
    await bed.status(lambda status: status.get("pending"))
    bed.end_agent(signal.SIGKILL)
    bed.start_agent()
    status = await bed.results("Failed")
    (result,) = status["results"]
    assert "interrupted" in result["message"]
    assert "rc" not in result
    assert bed.runs("slow"), "the start was waited for"
    probe = next(one for one in status["history"] if one["operation"] == "monitor")
    assert probe["rc"] == 0
    assert status["failures"] == []


async def test_outage_shorter_than_the_lease_touches_nothing(bed: Bed) -> None:
    await group_runs(bed)
    bed.api.send_signal(signal.SIGSTOP)
    await asyncio.sleep(0.8)
    bed.api.send_signal(signal.SIGCONT)
    await asyncio.sleep(2.5)
    assert bed.runs("vip")
    assert "cut off" not in bed.log


async def test_agent_that_hung_while_its_keeper_renewed_takes_nothing_for_cut_off(bed: Bed) -> None:
    """What the keeper said meanwhile waits unread when the agent goes on, and its timer is long past."""
    await group_runs(bed)
    assert bed.agent is not None
    for _ in range(3):
        bed.agent.send_signal(signal.SIGSTOP)
        await asyncio.sleep(4.0)
        bed.agent.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.5)
    assert bed.runs("fs")
    assert bed.runs("vip")
    assert "cut off" not in bed.log


async def test_cut_off_node_has_stopped_before_its_lease_expires(bed: Bed) -> None:
    await group_runs(bed)
    await bed.order(bed.action("1-1-4", "start", "fenced", requires="fencing"))
    await bed.results("Done")
    bed.api.send_signal(signal.SIGSTOP)
    cut_at = time.monotonic()
    while bed.runs("fs"):
        await asyncio.sleep(0.01)
        assert time.monotonic() - cut_at < 3.0, "the lease has expired"
    assert not bed.runs("vip")
    assert bed.runs("fenced"), "it waits for fencing"
    await asyncio.sleep(1.0)
    bed.api.send_signal(signal.SIGCONT)
    status = await bed.status(lambda status: status.get("released"))
    assert [one["resource"] for one in status["history"] if one["operation"] == "stop"] == ["fs", "vip"]
    await bed.order(bed.action("1-2-1", "start", "fs"))
    await bed.status(lambda status: not status["released"])
    await bed.results("Done")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_cut_off_while_the_agent_is_dead_or_hangs_the_keeper_stops_in_its_stead(
    bed: Bed, number: signal.Signals
) -> None:
    await group_runs(bed)
    assert bed.agent is not None
    bed.api.send_signal(signal.SIGSTOP)
    cut_at = time.monotonic()
    bed.agent.send_signal(number)
    while bed.runs("fs"):
        await asyncio.sleep(0.01)
        assert time.monotonic() - cut_at < 3.0, "the lease has expired"
    assert not bed.runs("vip")
    bed.api.send_signal(signal.SIGCONT)
    if number == signal.SIGSTOP:
        bed.agent.send_signal(signal.SIGCONT)
    else:
        bed.agent.wait(timeout=5)
        bed.start_agent()
    status = await bed.status(lambda status: status.get("released"))
    stops = [one for one in status["history"] if one["operation"] == "stop"]
    assert [one["resource"] for one in stops] == ["fs", "vip"]
    assert not [one for one in status["history"] if one["intervalMs"]], "nothing is watched any more"


async def test_plan_of_an_older_epoch_is_refused_by_the_api_and_known_to_the_host(bed: Bed) -> None:
    await bed.client.patch(kinds.HANODEPLAN, "n1", {"spec": {"epoch": 5}})
    await bed.status(lambda status: status.get("observedEpoch") == 5)
    with pytest.raises(ApiError, match="older epoch"):
        await bed.client.patch(kinds.HANODEPLAN, "n1", {"spec": {"epoch": 4}})
    epochs = EpochFile(bed.root / "state")
    async with asyncio.timeout(10):
        # Nobody waits for the disk: it has the epoch a moment after the status says so.
        while epochs.load() != {"c": 5}:
            await asyncio.sleep(0.02)


async def test_plan_that_is_made_anew_gets_the_whole_status_again(bed: Bed) -> None:
    await group_runs(bed)
    await bed.client.delete(kinds.HANODEPLAN, "n1")
    await bed.client.create(
        kinds.HANODEPLAN, {"metadata": {"name": "n1"}, "spec": {"cluster": "c", "epoch": 1}}
    )
    status = await bed.status(lambda status: status.get("history"))
    assert {one["resource"] for one in status["history"]} == {"fs", "vip"}
    assert status["bootId"] == bed.boot
    assert bed.runs("vip")
