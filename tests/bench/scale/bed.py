"""A real control plane, one operator, and a process full of agents; what each of them costs is read from the kernel."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from backstay.api import API_VERSION, Heartbeat
from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiConflict
from backstay_sandbox import installation, objects
from backstay_sandbox.controlplane.binaries import Binaries
from backstay_sandbox.controlplane.plane import ControlPlane
from backstay_sandbox.objects import Manifest
from bench.scale.agents import AGENT
from harness.real_server import RealServer, install

CLUSTER = "scale"
LABELS = {"backstay.io/scale": "true"}
GROUP_SIZE = 5
MANY = 100
"""From so many nodes on they renew their Leases more slowly: a hundred renewals a second take most of a core of the API server."""
SLOW_HEARTBEAT = Heartbeat(renew_interval_milliseconds=3000, lease_duration_milliseconds=9000)
END_TIMEOUT_S = 10.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
AT_ONCE = 16
MESSAGES_MAX = 10_000


class ScaleError(RuntimeError):
    """The bench could not go on; the message says with what."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds used so far, and resident bytes, of one program."""

    cpu_s: float
    memory: int


class Bed:
    """Use `bed(...)`; everything that it starts ends with it."""

    def __init__(self, server: RealServer, directory: Path, nodes: Sequence[str]) -> None:
        self.server = server
        self.directory = directory
        self.nodes = nodes
        self._operator: subprocess.Popen[bytes] | None = None
        self._agents: subprocess.Popen[str] | None = None
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue(MESSAGES_MAX)

    # -- setting up

    def furnish(self) -> None:
        """Nodes, their agents' tokens, and the HACluster."""
        asyncio.run(self._furnish())

    async def _furnish(self) -> None:
        async with self.server.client() as client:
            limit = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(self._furnish_node(client, node, limit) for node in self.nodes))
            pod = await installation.ensure_pod(client, account=installation.OPERATOR, node=self.nodes[0])
            token = await installation.bound_token(client, account=installation.OPERATOR, pod=pod)
            self.server.kubeconfig_with(token, name="operator")
            await objects.apply(client, cluster(len(self.nodes)))

    async def _furnish_node(self, client: KubeClient, node: str, limit: asyncio.Semaphore) -> None:
        async with limit:
            manifest = objects.node(node)
            manifest["metadata"]["labels"] |= LABELS
            await objects.apply(client, manifest)
            pod = await installation.ensure_pod(client, account=installation.AGENT, node=node)
            token = await installation.bound_token(client, account=installation.AGENT, pod=pod)
            self.server.kubeconfig_with(token, name=node)

    def start_programs(self) -> None:
        """The operator and all agents."""
        operator = ("-m", "backstay_operator", "--kubeconfig", str(self.directory / "operator.kubeconfig"))
        log = (self.directory / "operator.log").open("wb")
        self._operator = subprocess.Popen(
            (sys.executable, *operator, "--identity", self.nodes[0]), stdout=log, stderr=log
        )
        self._agents = subprocess.Popen(
            (sys.executable, "-m", "bench.scale.agents", str(self.directory), *self.nodes),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self.directory / "agents.log").open("wb"),
            text=True,
        )
        assert self._agents.stdout is not None
        threading.Thread(target=self._listen, args=(self._agents.stdout,), daemon=True).start()
        self.hear("ready", timeout_s=120.0)

    def _listen(self, lines: IO[str]) -> None:
        for line in lines:
            self._messages.put(json.loads(line))
        self._messages.put({"what": "ended"})

    def apply_groups(self, resources: int) -> None:
        """HAResources of the pretended agent, GROUP_SIZE to a ResourceGroup."""
        asyncio.run(self._apply_groups(resources))

    async def _apply_groups(self, resources: int) -> None:
        async with self.server.client() as client:
            limit = asyncio.Semaphore(AT_ONCE)

            async def create(manifest: Manifest) -> None:
                async with limit:
                    kind = kinds.HARESOURCE if manifest["kind"] == "HAResource" else kinds.RESOURCEGROUP
                    try:
                        await client.create(kind, manifest, "default")
                    except ApiConflict:
                        return

            await asyncio.gather(*(create(one) for one in manifests(resources)))

    # -- talking with the agents

    def order(self, *words: str) -> None:
        assert self._agents is not None
        assert self._agents.stdin is not None
        self._agents.stdin.write(" ".join(words) + "\n")
        self._agents.stdin.flush()

    def hear(self, what: str, *, timeout_s: float) -> dict[str, Any]:
        """The next message of that kind."""
        return self.hear_until(lambda message: message["what"] == what, what, timeout_s=timeout_s)

    def hear_until(
        self, wanted: Callable[[dict[str, Any]], bool], what: str, *, timeout_s: float
    ) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                message = self._messages.get(timeout=left_s)
            except queue.Empty:
                break
            if message["what"] == "ended":
                raise ScaleError(f"the agents ended by themselves: {self._tail('agents.log')}")
            if wanted(message):
                return message
        raise ScaleError(
            f"no {what} within {timeout_s:.0f} s; the operator says: {self._tail('operator.log')}"
        )

    def _tail(self, name: str) -> str:
        return "\n".join((self.directory / name).read_text(errors="replace").splitlines()[-25:])

    # -- figures

    def costs(self) -> dict[str, Cost]:
        """Of each program, by name."""
        assert self._operator is not None
        assert self._agents is not None
        assert self.server.plane is not None
        pids = self.server.plane.pids() | {"operator": self._operator.pid, "agents": self._agents.pid}
        return {name: cost_of(pid) for name, pid in pids.items()}

    def revision(self) -> int:
        """Of the store; every write raises it by one."""
        return asyncio.run(self._revision())

    async def _revision(self) -> int:
        async with self.server.client() as client:
            listed = await client.request("GET", kinds.HACLUSTER.path(), query={"limit": "1"})
            return int(listed["metadata"]["resourceVersion"])

    def largest_plan(self) -> int:
        """Bytes of the largest HANodePlan as JSON."""
        return asyncio.run(self._largest_plan())

    async def _largest_plan(self) -> int:
        async with self.server.client() as client:
            listed = await client.list(kinds.HANODEPLAN, page_size=20)
            return max(len(json.dumps(one, separators=(",", ":"))) for one in listed.items)

    def close(self) -> None:
        for process in (self._agents, self._operator):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(END_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(END_TIMEOUT_S)


@contextmanager
def bed(binaries: Binaries, directory: Path, nodes: int) -> Iterator[Bed]:
    """A fresh control plane for so many nodes."""
    plane = ControlPlane(directory / "plane", binaries)
    made: Bed | None = None
    try:
        plane.start()
        (directory / "kubeconfig").touch(mode=0o600)
        (directory / "kubeconfig").write_text(plane.admin().render())
        server = RealServer(directory, plane=plane)
        install(server)
        made = Bed(server, directory, [f"node-{number:03d}" for number in range(nodes)])
        made.furnish()
        made.start_programs()
        yield made
    finally:
        if made is not None:
            made.close()
        plane.stop()


def heartbeat_of(nodes: int) -> Heartbeat:
    return SLOW_HEARTBEAT if nodes >= MANY else Heartbeat()


def cluster(nodes: int) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": "HACluster",
        "metadata": {"name": CLUSTER},
        "spec": {
            "nodeSelector": dict(LABELS),
            "properties": {"stonithEnabled": False},
            "heartbeat": heartbeat_of(nodes).wire(),
        },
    }


def manifests(resources: int) -> list[Manifest]:
    """Groups first: a member that is not there yet is no error, and a resource without its group would be placed alone."""
    found: list[Manifest] = []
    names = [f"dummy-{number:05d}" for number in range(resources)]
    for begin in range(0, resources, GROUP_SIZE):
        members = [{"resource": name} for name in names[begin : begin + GROUP_SIZE]]
        found.append(_object("ResourceGroup", f"group-{begin // GROUP_SIZE:05d}", {"members": members}))
    for name in names:
        spec = {
            "agent": AGENT,
            "params": {"state": f"/run/{name}"},
            "meta": {"requires": "quorum"},
            "operations": [{"name": "monitor", "interval": "60s", "timeout": "20s"}],
        }
        found.append(_object("HAResource", name, spec))
    return found


def _object(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def cost_of(pid: int) -> Cost:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Cost(cpu_s=(int(fields[11]) + int(fields[12])) / TICKS_PER_S, memory=resident)
