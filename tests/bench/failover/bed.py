"""Three namespace hosts on one bridge, on which every contender runs in turn: power, commands, daemons, addresses.

The hosts carry no daemon of their own: what a contender needs it starts itself after each boot, so all begin alike.  One
API server, the embedded one or a real one, stands by the bridge the whole time; only Backstay asks it anything.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from backstay_sandbox import background
from backstay_sandbox.control import call
from backstay_sandbox.inspection import host_command, host_environment
from backstay_sandbox.layout import Layout, layout_of
from backstay_sandbox.options import EMBEDDED, SandboxOptions

NAME = "bench-failover"
NODES = 3
COMMAND_TIMEOUT_S = 30.0
POLL_S = 0.1


class BenchError(RuntimeError):
    """Something did not do what the measurement needs; the message is for the user."""


class Bed:
    """The hosts; a context that leaves nothing behind."""

    def __init__(self, *, name: str = NAME, nodes: int = NODES, api: str = EMBEDDED) -> None:
        self._api = api
        self.layout: Layout = layout_of(name, nodes)
        self.nodes = self.layout.nodes

    def __enter__(self) -> Bed:
        options = SandboxOptions(
            name=self.layout.name, nodes=len(self.nodes), api=self._api, daemons=(), cluster=False
        )
        background.start(options, progress=lambda step: print(f"- {step}", flush=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        background.stop(self.layout)

    # -- power

    def crash(self, node: str) -> None:
        """Cut the power; returns when nothing of the host is left."""
        call(self.layout.control_socket, "crash", node=node)

    def boot(self, node: str) -> None:
        call(self.layout.control_socket, "boot", node=node)

    def reboot_all(self) -> None:
        """Fresh hosts, with nothing on them but their disk."""
        for node in self.nodes:
            self.crash(node)
        for node in self.nodes:
            self.boot(node)

    def pids(self) -> dict[str, int]:
        """Pid 1 of each host that is on."""
        hosts = call(self.layout.control_socket, "status")["hosts"]
        return {host["node"]: int(host["pid"]) for host in hosts if host["pid"] is not None}

    # -- programs on hosts

    def run(
        self, node: str, *argv: str, stdin: str = "", timeout_s: float = COMMAND_TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host; a bad status is for the caller to judge."""
        pid = self.pids().get(node)
        if pid is None:
            raise BenchError(f"{node} is off")
        try:
            return subprocess.run(
                host_command(pid, argv),
                env=host_environment(),
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BenchError(f"{node}: `{' '.join(argv)}` did not end in {timeout_s:.0f} s") from None

    def write(self, node: str, path: str, content: str, *, mode: str = "0644") -> None:
        """Put a file onto a host."""
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
        done = self.run(node, "sh", "-c", script, "sh", path, mode, stdin=content)
        if done.returncode != 0:
            raise BenchError(f"{node}: cannot write {path}: {done.stderr.strip()}")

    def spawn(
        self, node: str, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None
    ) -> None:
        """Start a daemon that dies with its host; its output goes to the sandbox's logs."""
        with self.log(node, name).open("ab") as log:
            done = subprocess.run(
                host_command(self.pids()[node], ["setsid", "--fork", *argv]),
                env=dict(env) if env is not None else host_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        if done.returncode != 0:
            raise BenchError(f"{node}: {name} cannot be started; see {self.log(node, name)}")

    def log(self, node: str, name: str) -> Path:
        return self.layout.logs_dir / f"{node}.{name}.log"

    def copy_logs(self, target: Path) -> None:
        """Keep what the daemons wrote, beyond the sandbox's end."""
        shutil.copytree(self.layout.logs_dir, target, dirs_exist_ok=True)

    # -- what the network shows

    def holders(self, address: str) -> list[str]:
        """The hosts that have the address, whatever their cluster manager believes."""
        found = []
        for node in self.nodes:
            shown = subprocess.run(
                ["ip", "-n", self.layout.netns(node), "-o", "-4", "addr", "show"],
                capture_output=True,
                text=True,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
            if f" {address}/" in shown.stdout:
                found.append(node)
        return found

    def holder(self, address: str) -> str:
        """The one host that has it; empty when it is none, or more than one."""
        holders = self.holders(address)
        return holders[0] if len(holders) == 1 else ""


def await_true(condition: Callable[[], bool], what: str, *, timeout_s: float) -> None:
    """Raises BenchError when it is not so in time."""
    await_nothing_missing(lambda: "" if condition() else what, timeout_s=timeout_s)


def await_nothing_missing(missing: Callable[[], str], *, timeout_s: float) -> None:
    """`missing` says in words what is still to come; raises BenchError with its last word."""
    deadline = time.monotonic() + timeout_s
    while what := missing():
        if time.monotonic() >= deadline:
            raise BenchError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(POLL_S)
