"""Doing each kind of fault to a sandbox of namespace hosts, and undoing it.

A fault that is undone leaves every host on and connected; what the cluster makes of that is not this module's business.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from backstay_sandbox.control import call
from backstay_sandbox.layout import Layout
from backstay_sandbox.process_record import kill
from faults.checkers import GROUP_ADDRESS, SINGLE_ADDRESS
from faults.object_injection import ObjectFaultError, ObjectInjector
from faults.schedule import Kind
from harness import full_disk, partition
from harness.host_processes import AGENT, KEEPER, OPERATOR, freeze_all, signal_matching, thaw_all

COMMAND_TIMEOUT_S = 30.0

Administrator = Callable[..., subprocess.CompletedProcess[str]]
"""Runs kubectl-ha with these words."""


class FaultError(RuntimeError):
    """The fault could not be made; the message says why."""


@dataclass
class Injector:
    """One fault at a time: :meth:`begin`, and :meth:`end` afterwards in any case."""

    layout: Layout
    administrator: Administrator
    objects: ObjectInjector
    frozen: set[str] = field(default_factory=set)
    """Hosts that are frozen as a whole."""
    holes: set[str] = field(default_factory=set)
    """Hosts whose group address was taken away; the caller empties it when the cluster has recovered."""

    def begin(self, kind: Kind, node: str, *, number: int = 0) -> None:
        match kind:
            case Kind.POWER_CUT:
                self._ask("crash", node)
            case Kind.TWO_POWER_CUTS:
                self._ask("crash", node)
                self._ask("crash", self._next(node))
            case Kind.CABLE_CUT:
                self._ask("cut", node)
            case Kind.API_CUT:
                partition.cut_from_api(self.layout, node)
            case Kind.PEER_CUT:
                partition.cut_from_peers(self.layout, node)
            case Kind.BOTH_CUT:
                partition.cut_from_api(self.layout, node)
                partition.cut_from_peers(self.layout, node)
            case Kind.API_OUTAGE:
                self._ask("stop-api")
            case Kind.API_RESTART:
                self._ask("restart-api")
            case Kind.STANDBY:
                self._order("node", "standby", node, "--no-wait")
            case Kind.NODE_STOP:
                self._order("node", "stop", node, "--no-wait")
            case Kind.MOVE:
                self._order("resource", "move", ("appgroup", "ClusterIP")[number % 2], "--no-wait")
            case Kind.DISK_FULL:
                self._fill_disk(node)
            case Kind.VIP_DELETED:
                self.holes.add(node)
                self._take_address(node, GROUP_ADDRESS)
            case Kind.ADDRESS_DELETED:
                self._take_address(node, SINGLE_ADDRESS)
            case _ if self._of_objects(self.objects.begin, kind, node):
                self._strike_beside(kind, node)
            case _:
                self._strike_processes(kind, node)

    def end(self, kind: Kind, node: str) -> None:
        """Undo it, and see that every host is on and connected."""
        match kind:
            case Kind.API_OUTAGE:
                self._ask("start-api")
            case Kind.AGENT_FROZEN:
                self._signal(node, AGENT, signal.SIGCONT)
            case Kind.OPERATOR_FROZEN:
                self._signal(node, OPERATOR, signal.SIGCONT)
            case Kind.HOST_FROZEN:
                if (pid := self._pid(node)) is not None:
                    thaw_all(pid)
                self.frozen.discard(node)
            case Kind.DISK_FULL:
                if (pid := self._pid(node)) is not None:
                    full_disk.clear(pid)
            case Kind.STANDBY:
                self._order("node", "unstandby", node, "--no-wait")
            case Kind.NODE_STOP:
                self._order("node", "start", node, "--no-wait")
            case _:
                self._of_objects(self.objects.end, kind, node)
        partition.mend(self.layout)
        for one in self.layout.nodes:
            self._ask("heal", one)
            self._ask("boot", one)

    def _fill_disk(self, node: str) -> None:
        if (pid := self._pid(node)) is None:
            raise FaultError(f"{node} is off")
        try:
            full_disk.fill(pid)
        except full_disk.FullDiskError as error:
            raise FaultError(str(error)) from None

    @staticmethod
    def _of_objects(step: Callable[[Kind, str], bool], kind: Kind, node: str) -> bool:
        try:
            return step(kind, node)
        except subprocess.TimeoutExpired:
            raise FaultError(f"{kind}: kubectl did not end in time") from None
        except ObjectFaultError as error:
            raise FaultError(str(error)) from None

    def _strike_beside(self, kind: Kind, node: str) -> None:
        """What comes right after something was done to an object."""
        if kind is Kind.NODE_DELETED_AND_DEAD:
            self._ask("crash", node)
        elif kind is Kind.KIND_UNSERVED:
            for one in self.layout.nodes:
                self._signal(one, OPERATOR, signal.SIGKILL, must=True)

    def _strike_processes(self, kind: Kind, node: str) -> None:
        match kind:
            case Kind.AGENT_KILLED:
                self._signal(node, AGENT, signal.SIGKILL, must=True)
            case Kind.AGENT_FROZEN:
                self._signal(node, AGENT, signal.SIGSTOP, must=True)
            case Kind.KEEPER_KILLED:
                self._signal(node, KEEPER, signal.SIGKILL, must=True)
            case Kind.OPERATOR_KILLED:
                self._signal(node, OPERATOR, signal.SIGKILL, must=True)
            case Kind.OPERATOR_FROZEN:
                self._signal(node, OPERATOR, signal.SIGSTOP, must=True)
            case Kind.APACHE_KILLED:
                self._signal(node, "apache2", signal.SIGKILL, must=True)
            case Kind.HOST_FROZEN:
                self.frozen.add(node)
                if (pid := self._pid(node)) is None or not freeze_all(pid):
                    raise FaultError(f"{node} is off")
            case Kind.API_KILLED:
                kill(int((self.layout.processes_dir / "api").read_text().split()[0]))
            case _:
                raise AssertionError(kind)

    def _next(self, node: str) -> str:
        nodes = self.layout.nodes
        return nodes[(nodes.index(node) + 1) % len(nodes)]

    def _pid(self, node: str) -> int | None:
        return next(host["pid"] for host in self._ask("status")["hosts"] if host["node"] == node)

    def _signal(self, node: str, pattern: str, number: signal.Signals, *, must: bool = False) -> None:
        pid = self._pid(node)
        struck = signal_matching(pid, pattern, number) if pid is not None else []
        if must and not struck:
            raise FaultError(f"nothing on {node} is {pattern}")

    def _take_address(self, node: str, address: str) -> None:
        done = subprocess.run(
            ["ip", "-n", self.layout.netns(node), "addr", "del", f"{address}/24", "dev", "eth0"],
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise FaultError(f"{node} has no {address}: {done.stderr.strip()}")

    def _ask(self, op: str, node: str | None = None) -> Any:
        return call(self.layout.control_socket, op, node=node)

    def _order(self, *words: str) -> None:
        try:
            done = self.administrator(*words)
        except subprocess.TimeoutExpired:
            raise FaultError(f"kubectl ha {' '.join(words)} did not end in time") from None
        if done.returncode != 0:
            raise FaultError(f"kubectl ha {' '.join(words)}: {(done.stderr or done.stdout).strip()}")
