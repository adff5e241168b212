"""A sandbox for tests: brought up through the real program, driven through its real control socket.

Every wait is bounded.  `SandboxUnderTest` is made by the fixtures in tests/hosts/conftest.py.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backstay_sandbox import background, requirements
from backstay_sandbox.control import ANSWER_TIMEOUT_S, call
from backstay_sandbox.inspection import host_argv, host_environment, namespace_command
from backstay_sandbox.layout import STATE_ROOT, Layout, layout_of

COMMAND_TIMEOUT_S = 60.0
OCF_DIR = "/usr/lib/ocf/resource.d/heartbeat"


def why_no_hosts() -> str | None:
    """The reason why this machine cannot run hosts, None if it can."""
    if os.geteuid() != 0:
        return "hosts need root"
    lacking = requirements.missing(requirements.ALL)
    return requirements.explain(lacking) if lacking else None


def sandbox_name(purpose: str) -> str:
    """A name of this test run's own: another run on the same machine must not take our sandbox for its own."""
    return f"test-{purpose}-{os.getpid()}"


def remove_sandboxes_of_dead_runs() -> None:
    """What a test run that was killed left behind."""
    if not STATE_ROOT.is_dir():
        return
    for path in sorted(STATE_ROOT.glob("test-*")):
        name, _, pid = path.name.removesuffix(".lock").rpartition("-")
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            background.stop(layout_of(f"{name}-{pid}", 1))


def wait_for(condition: Callable[[], bool], *, timeout_s: float, what: str) -> float:
    """Poll until true; returns the seconds it took, fails the test after ``timeout_s``."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < timeout_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - start


@dataclass(frozen=True, slots=True)
class SandboxUnderTest:
    """The operations tests need."""

    layout: Layout

    def ask(self, op: str, *, node: str | None = None, timeout_s: float = ANSWER_TIMEOUT_S) -> Any:
        """One request to the sandbox's daemon."""
        return call(self.layout.control_socket, op, node=node, timeout_s=timeout_s)

    def host_status(self, node: str) -> dict[str, Any]:
        return next(host for host in self.ask("status")["hosts"] if host["node"] == node)

    def on_host(
        self, node: str, *command: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host to its end."""
        return subprocess.run(
            host_argv(self.layout, node, command),
            env={**host_environment(), **(environment or {})},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def in_namespace(self, member: str, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            namespace_command(self.layout.netns(member), command),
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def client(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.in_namespace("client", *command)

    def reaches(self, address: str) -> bool:
        """Whether the client gets an answer to a ping within a second."""
        return self.client("ping", "-n", "-c", "1", "-W", "1", address).returncode == 0

    def agent(
        self, node: str, agent: str, action: str, **parameters: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a real OCF agent by hand, as the node agent would."""
        environment = {
            "OCF_ROOT": "/usr/lib/ocf",
            "OCF_RESOURCE_INSTANCE": f"test-{agent}",
            "OCF_RESKEY_CRM_meta_timeout": "20000",
            "OCF_RESKEY_CRM_meta_interval": "0" if action != "monitor" else "10000",
            **{f"OCF_RESKEY_{name}": value for name, value in parameters.items()},
        }
        return self.on_host(node, f"{OCF_DIR}/{agent}", action, environment=environment)

    def fence(self, node: str, *, action: str, **parameters: str) -> subprocess.CompletedProcess[str]:
        """Run the fence agent on a host, parameters on standard input."""
        lines = {
            "action": action,
            "ip": "10.0.0.2",
            "password": self.layout.power_password.read_text().strip(),
            **parameters,
        }
        return subprocess.run(
            host_argv(self.layout, node, ["fence_sandbox"]),
            env=host_environment(),
            input="".join(f"{key}={value}\n" for key, value in lines.items()),
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
