"""Real nodes: brought up without the sandbox's daemon, because here the kubelets, the scheduler and the chart do what it does.

    services  10.0.0.2      API server, scheduler, controller manager, management controllers; kubectl and helm run here too
    n1 n2 n3  10.0.0.11...  own kernels with containerd and kubelet, one shared disk with the tutorial's volume group
    client    10.0.0.200    who asks for the page

Everything is torn down by `down`; what a killed run leaves, `remove_sandboxes_of_dead_runs` removes. Every wait is bounded.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from backstay_sandbox import network, remnants
from backstay_sandbox.hosts import Power
from backstay_sandbox.inspection import guest_command, host_environment, namespace_command
from backstay_sandbox.layout import SERVICES_ADDRESS, Layout, layout_of
from backstay_sandbox.options import VolumeOwnership
from backstay_sandbox.uml.shared_volume import make_shared_volume
from harness.helm import Helm
from harness.hosts import wait_for
from harness.nodes import bmc
from harness.nodes.host import NodeHost
from harness.nodes.plane import NodesControlPlane, route_pods
from harness.nodes.programs import NodePrograms

NAMESPACE = "backstay-system"
COMMAND_TIMEOUT_S, HELM_TIMEOUT_S, LOOP_TIMEOUT_S = 90.0, 300.0, 120.0
READY_TIMEOUT_S = 180.0
BIN = Path(sys.executable).parent
CHART = Path(__file__).resolve().parents[3] / "charts/backstay"
Result = TypeVar("Result")


class RealNodes:
    """Make one, :meth:`up`, and :meth:`down` in any case."""

    def __init__(
        self, name: str, programs: NodePrograms, disk: Path, *, count: int, helm: Helm | None = None
    ) -> None:
        self.layout: Layout = layout_of(name, count)
        self.hosts: dict[str, NodeHost] = {}
        self.plane = NodesControlPlane(self.layout, programs)
        self.controllers = bmc.ManagementControllers(self.hosts)
        self.helm_program = helm
        self._programs = programs
        self._disk = disk
        self._lock = remnants.SandboxLock(self.layout)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nodes", daemon=True)

    # -- life

    def up(self) -> None:
        """Returns when every node is Ready."""
        assert self._lock.acquire(), f"{self.layout.name} is up already"
        remnants.remove(self.layout)
        for directory in (self.layout.logs_dir, self.layout.processes_dir, self.layout.state_dir / "disks"):
            directory.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        self.on_loop(network.build_switch(self.layout))
        self.on_loop(route_pods(self.layout))
        self.on_loop(make_shared_volume(self.layout, self._programs.bed, VolumeOwnership.TAGS))
        self.plane.start()
        self.layout.kubeconfig.touch(mode=0o600)
        self.layout.kubeconfig.write_text(self.plane.admin().render())
        for node in self.layout.nodes:
            disk = self.layout.state_dir / "disks" / f"{node}.img"
            subprocess.run(
                ["cp", "--sparse=always", str(self._disk), str(disk)], check=True, timeout=COMMAND_TIMEOUT_S
            )
            self.hosts[node] = NodeHost(
                self.layout, node, programs=self._programs, plane=self.plane, disk=disk
            )
        listening = network.listen_inside(self.layout, "services", (SERVICES_ADDRESS, bmc.PORT))
        self.on_loop(self.controllers.start(listening, self.plane.credentials.serving.server_context()))
        self.on_loop(self._boot_all())
        self.await_ready(*self.layout.nodes)

    def down(self) -> None:
        """Nothing is left, not even logs."""
        try:
            if self._thread.is_alive():
                self.on_loop(self.controllers.stop())
                for host in self.hosts.values():
                    self.on_loop(host.crash())
            self.plane.stop()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            if self._thread.is_alive():
                self._thread.join(10)
            remnants.remove(self.layout)
            self._lock.release(remove=True)

    async def _boot_all(self) -> None:
        await asyncio.gather(*(host.boot() for host in self.hosts.values()))

    def on_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Hosts live on a loop of their own, since they watch their processes."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LOOP_TIMEOUT_S)

    # -- power and cable

    def ask(self, op: str, *, node: str | None = None) -> Any:
        """What the sandbox's daemon would be asked: crash, boot, cut, heal, and how the hosts are."""
        if op == "status":
            return {"hosts": [{"node": host.node, "boots": host.boots} for host in self.hosts.values()]}
        assert node is not None
        return self.on_loop(getattr(self.hosts[node], op)())

    def is_on(self, node: str) -> bool:
        return self.hosts[node].power is Power.ON

    # -- commands

    def try_kubectl(
        self, *words: str, given: str = "", program: str = "kubectl"
    ) -> subprocess.CompletedProcess[str]:
        """kubectl (or kubectl-ha) as the administrator, whatever comes of it."""
        return subprocess.run(
            namespace_command(self.layout.netns_services, [str(BIN / program), *words]),
            input=given,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def kubectl(self, *words: str, given: str = "", program: str = "kubectl") -> str:
        """What it printed; it must have worked."""
        done = self.try_kubectl(*words, given=given, program=program)
        assert done.returncode == 0, f"{program} {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def ha(self, *words: str) -> str:
        return self.kubectl(*words, program="kubectl-ha")

    def get(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self.kubectl("get", *words, "-o", "json")))

    def items(self, *words: str) -> list[dict[str, Any]]:
        return list(self.get(*words)["items"])

    def helm(self, *words: str) -> str:
        """With the chart's namespace; it must have worked."""
        assert self.helm_program is not None
        done = subprocess.run(
            namespace_command(
                self.layout.netns_services, [str(self.helm_program.path), *words, "--namespace", NAMESPACE]
            ),
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=HELM_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"helm {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def on_host(self, node: str, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            guest_command(self.layout, node, command),
            env=host_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def client(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            namespace_command(self.layout.netns_client, command),
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        state = self.layout.state_dir
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(state),
            "KUBECONFIG": str(self.layout.kubeconfig),
            "KUBECACHEDIR": str(state / "kubectl-cache"),
        }

    # -- questions

    def node_ready(self, node: str) -> bool:
        got = self.try_kubectl("get", "node", node, "-o", "json")
        if got.returncode != 0:
            return False
        conditions = json.loads(got.stdout).get("status", {}).get("conditions", [])
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def await_ready(self, *nodes: str) -> None:
        for node in nodes:
            self.wait(lambda node=node: self.node_ready(node), READY_TIMEOUT_S, f"{node} is Ready")

    def pods(self, program: str) -> list[dict[str, Any]]:
        """Of "operator" or "nodeagent", those that are not on their way out."""
        found = self.items("pods", "-n", NAMESPACE, "-l", f"app.kubernetes.io/name=backstay-{program}")
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    def pod_on(self, program: str, node: str) -> dict[str, Any]:
        (found,) = [one for one in self.pods(program) if one["spec"].get("nodeName") == node]
        return found

    def await_pods(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Every pod of the operators and agents is ready, and on every node is an agent."""

        def all_ready() -> bool:
            agents, operators = self.pods("nodeagent"), self.pods("operator")
            on = {one["spec"].get("nodeName") for one in agents}
            return on == set(self.layout.nodes) and all(is_ready(one) for one in (*agents, *operators))

        self.wait(all_ready, timeout_s, "all pods are ready")

    def status_of(self, reference: str) -> dict[str, Any]:
        got = self.try_kubectl("get", reference, "-o", "json")
        return dict(json.loads(got.stdout).get("status") or {}) if got.returncode == 0 else {}

    def wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> float:
        """As harness.hosts.wait_for, but gentle: kubectl is a process."""

        def slowly() -> bool:
            if condition():
                return True
            time.sleep(0.3)
            return False

        try:
            return wait_for(slowly, timeout_s=timeout_s, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.picture()}") from None

    def picture(self) -> str:
        """For a failure's message: what the administrator would look at first."""
        looks = [
            ("kubectl", ("get", "nodes")),
            ("kubectl", ("get", "pods", "-A", "-o", "wide")),
            ("kubectl-ha", ("status",)),
        ]
        return "\n".join(
            (got := self.try_kubectl(*words, program=program)).stdout + got.stderr for program, words in looks
        )


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
