"""A whole cluster on sandbox hosts, for end-to-end tests: what it says, and what a client sees of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backstay_sandbox.outages import OutageWatch
from harness.hosts import SandboxUnderTest, wait_for

BIN = Path(sys.executable).parent
GROUP, ADDRESS = "resourcegroup/appgroup", "haresource/cluster-ip"
COMMAND_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class ClusterUnderTest:
    """The tutorial's cluster; ``watch`` probes its page and its address from the client host."""

    sandbox: SandboxUnderTest
    watch: OutageWatch

    def run(self, program: str, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """kubectl or kubectl-ha, as an administrator would."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.sandbox.layout.kubeconfig),
            "KUBECACHEDIR": str(self.sandbox.layout.state_dir / "kubectl-cache"),
        }
        return subprocess.run(
            [str(BIN / program), *words],
            input=given,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def status_of(self, reference: str) -> dict[str, Any]:
        got = self.run("kubectl", "get", reference, "-o", "json")
        return dict(json.loads(got.stdout).get("status") or {}) if got.returncode == 0 else {}

    def node_of(self, reference: str) -> str:
        return str(self.status_of(reference).get("node") or "")

    def boots(self) -> dict[str, int]:
        """How often each host was booted: what the power switch knows of fencing."""
        return {host["node"]: host["boots"] for host in self.sandbox.ask("status")["hosts"]}

    def await_started(self, *, away_from: str = "", timeout_s: float = 30.0) -> None:
        def started() -> bool:
            statuses = [self.status_of(one) for one in (GROUP, ADDRESS)]
            return all(
                one.get("role") == "Started" and one.get("node") not in ("", away_from) for one in statuses
            )

        wait_for(
            started, timeout_s=timeout_s, what=f"all is started{away_from and f' away from {away_from}'}"
        )

    def await_node(self, node: str, state: str, *, timeout_s: float = 30.0) -> None:
        wait_for(
            lambda: self.status_of(f"hanode/{node}").get("state") == state,
            timeout_s=timeout_s,
            what=f"{node} is {state}",
        )

    def await_answers(self, *, timeout_s: float = 30.0) -> None:
        assert self.watch.wait_up("page", timeout_s=timeout_s), "the page answers"
        assert self.watch.wait_up("address", timeout_s=timeout_s), "the address answers"

    def settle(self) -> None:
        """Every host on and connected, every node online, everything started and answering."""
        for node in self.sandbox.layout.nodes:
            self.sandbox.ask("heal", node=node)
            self.sandbox.ask("boot", node=node)
        for node in self.sandbox.layout.nodes:
            self.await_node(node, "Online")
        self.await_started()
        self.await_answers()
