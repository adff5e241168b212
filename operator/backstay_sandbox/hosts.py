"""One host of the sandbox: power and cable.

A host is on while its pid 1 (``host_init``) lives; that is the only truth, there is no second flag.  ``crash`` and
the power switch's ``off`` are the same thing: link down, SIGKILL of pid 1, and wait until the kernel has collected
the whole PID namespace.  When they return, nothing of the host runs and nothing of it is mounted.

Every operation on one host takes its lock: a fence agent's ``off`` and a user's ``boot`` never interleave.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backstay_sandbox import network
from backstay_sandbox.host_init import IDENTITY_FILE, HostConfig, ServiceConfig
from backstay_sandbox.layout import AGENT_METRICS_PORT, OPERATOR_METRICS_PORT, SHARED_DISK_IN_HOST, Layout
from backstay_sandbox.options import HostKind
from backstay_sandbox.process_record import forget, record
from backstay_sandbox.shared_disk import SharedDisk

BOOT_TIMEOUT_S = 30.0
DEATH_TIMEOUT_S = 20.0
HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FENCE_AGENT_IN_HOST = "/usr/sbin/fence_sandbox"
LOG = logging.getLogger(__name__)


class HostError(RuntimeError):
    """A host did not boot or did not die in time; the message is for the user."""


class Power(enum.Enum):
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class HostSoftware:
    """What a host finds when it boots."""

    kubeconfigs: Mapping[str, str] = field(default_factory=dict)
    """Content, by daemon; none when hosts have no API."""
    fence_agent: str | None = None
    """The program fence_sandbox, put into /usr/sbin."""
    daemons: tuple[str, ...] = ()
    """Which of "agent" and "operator" pid 1 supervises."""
    disk: SharedDisk | None = None


@dataclass(slots=True)
class Host:
    """A host; make one per node and keep it: it owns the process."""

    layout: Layout
    node: str
    software: HostSoftware
    link_cut: bool = False
    pid: int | None = None
    """Of its pid 1, as the machine counts; None while it is off."""
    boots: int = 0
    _unshare: asyncio.subprocess.Process | None = None
    _pidfd: int = -1
    """Of pid 1: a number alone could by now be somebody else's."""
    _watcher: asyncio.Task[None] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def power(self) -> Power:
        return Power.OFF if self.pid is None else Power.ON

    async def boot(self) -> None:
        """Power on; returns when pid 1 has laid the host out.  Does nothing to a host that is on."""
        async with self._lock:
            if self.pid is not None:
                return
            await network.unplug_host(self.layout, self.node)
            await self._plug_in()
            await self._start()
            self.boots += 1

    async def crash(self) -> None:
        """Power off, without any warning; returns when nothing of the host is left.  No-op when it is off."""
        async with self._lock:
            if self.pid is None or self._unshare is None:
                return
            await network.set_port(self.layout, self.node, up=False)
            with contextlib.suppress(ProcessLookupError):  # it may have died by itself a moment ago
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            try:
                async with asyncio.timeout(DEATH_TIMEOUT_S):
                    await self._unshare.wait()
            except TimeoutError:
                raise HostError(
                    f"{self.node}: pid 1 was killed and is not dead after {DEATH_TIMEOUT_S:.0f} s"
                ) from None
            self._gone()
            await network.unplug_host(self.layout, self.node)

    async def cut(self) -> None:
        """Pull the network cable; it stays pulled over a power cycle, until :meth:`heal`."""
        async with self._lock:
            self.link_cut = True
            if self.pid is not None:
                await network.set_port(self.layout, self.node, up=False)

    async def heal(self) -> None:
        async with self._lock:
            self.link_cut = False
            if self.pid is not None:
                await network.set_port(self.layout, self.node, up=True)

    async def _start(self) -> None:
        self.layout.logs_dir.mkdir(parents=True, exist_ok=True)
        process = await self._launch()
        try:
            async with asyncio.timeout(BOOT_TIMEOUT_S):
                await self._await_ready(process)
        except (TimeoutError, ConnectionError, HostError) as error:
            if process.returncode is None:
                process.kill()  # unshare's death kills its child
            await process.wait()
            why = await self._last_words(process) or str(error) or "no answer in time"
            raise HostError(f"{self.node} did not boot: {why}") from None
        self._unshare, self.pid = process, only_child_of(process.pid)
        self._pidfd = os.pidfd_open(self.pid)
        record(self.layout.processes_dir, self.node, self.pid)
        self._watcher = asyncio.create_task(self._watch(process))

    # -- what differs between the kinds of hosts

    @property
    def kind(self) -> HostKind:
        return HostKind.NAMESPACE

    async def _plug_in(self) -> None:
        """Make the host's network namespace and its cable."""
        await network.plug_in_host(self.layout, self.node, link_up=not self.link_cut)

    async def _launch(self) -> asyncio.subprocess.Process:
        """Start ``unshare`` with the host's pid 1 as its child."""
        for directory in (self.layout.stage_dir(self.node), self.layout.disk_dir(self.node)):
            directory.mkdir(parents=True, exist_ok=True)
        return await asyncio.create_subprocess_exec(
            "nsenter",
            f"--net={network.netns_path(self.layout, self.node)}",
            *("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=SIGKILL"),
            *(sys.executable, "-I", "-S", str(Path(__file__).with_name("host_init.py"))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": HOST_PATH, "BACKSTAY_SANDBOX": self.layout.name, "BACKSTAY_HOST": self.node},
            start_new_session=True,
        )

    async def _await_ready(self, process: asyncio.subprocess.Process) -> None:
        """Return when the host is up; raises HostError, or ConnectionError."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(self._config()).encode())
        await process.stdin.drain()
        process.stdin.close()
        if await process.stdout.readline() != b"ready\n":
            raise HostError("its pid 1 ended")

    async def _last_words(self, process: asyncio.subprocess.Process) -> str:
        """Why it did not boot, as it told; it is dead."""
        assert process.stderr is not None
        return (await process.stderr.read()).decode(errors="replace").strip()

    # --

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Bring the books in line when the host dies by itself: its pid 1 was killed behind our back."""
        await process.wait()
        async with self._lock:
            if self._unshare is process:
                LOG.warning("%s died by itself", self.node)
                self._gone()
                await network.unplug_host(self.layout, self.node)

    def _gone(self) -> None:
        os.close(self._pidfd)
        self.pid, self._unshare, self._pidfd = None, None, -1
        forget(self.layout.processes_dir, self.node)

    def _config(self) -> HostConfig:
        software, layout = self.software, self.layout
        return HostConfig(
            node=self.node,
            stage=str(layout.stage_dir(self.node)),
            log=str(log_file(layout, self.node, "init")),
            disk=str(layout.disk_dir(self.node)),
            hosts={node: layout.addresses(node).cluster for node in layout.nodes},
            files=kubeconfig_files(software),
            programs={FENCE_AGENT_IN_HOST: software.fence_agent} if software.fence_agent is not None else {},
            devices={SHARED_DISK_IN_HOST: software.disk.device_number} if software.disk is not None else {},
            keep_visible=code_trees(),
            services=[daemon_service(layout, self.node, name) for name in software.daemons],
        )


def kubeconfig_in_host(daemon: str) -> str:
    """Each daemon has its own way in, as each pod has its own token."""
    return f"/run/backstay-host/{daemon}.kubeconfig"


def kubeconfig_files(software: HostSoftware) -> dict[str, str]:
    """Path in the host to content."""
    return {kubeconfig_in_host(daemon): text for daemon, text in software.kubeconfigs.items()}


def fence_agent_program() -> str:
    """fence_sandbox as hosts get it: one file that needs nothing but the interpreter."""
    return f"#!{sys.executable} -IS\n" + Path(__file__).with_name("fence_sandbox.py").read_text()


def daemon_service(layout: Layout, node: str, name: str) -> ServiceConfig:
    """How pid 1 runs one of Backstay's own daemons."""
    arguments = {
        "agent": (
            *("backstay_nodeagent", "--node", node, "--kubeconfig", kubeconfig_in_host(name)),
            *("--state-dir", "/var/lib/backstay", "--run-dir", "/run/backstay"),
            *("--identity-file", IDENTITY_FILE),
            *("--metrics-port", str(AGENT_METRICS_PORT)),
        ),
        "operator": (
            *("backstay_operator", "--kubeconfig", kubeconfig_in_host(name)),
            *("--identity", node, "--namespace", "backstay-system"),
            *("--metrics-port", str(OPERATOR_METRICS_PORT)),
        ),
    }[name]
    return ServiceConfig(
        name=name,
        argv=[sys.executable, "-m", *arguments],
        env={
            "PATH": HOST_PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PYTHONSAFEPATH": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            # What a daemon that is killed leaves behind is gone with its host.
            "TMPDIR": "/run/backstay-host",
            # Hosts run the code that the sandbox runs.
            **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
        },
        log=str(log_file(layout, node, name)),
    )


def log_file(layout: Layout, node: str, daemon: str) -> Path:
    """Where the output of a host's ``daemon`` ("init", "agent", "operator") goes."""
    return layout.logs_dir / f"{node}.{daemon}.log"


def code_trees() -> list[str]:
    """The directories Python needs to run this code inside a host, wherever they lie."""
    package_root = str(Path(__file__).resolve().parents[1])
    entries = [sys.prefix, sys.base_prefix, package_root, *sys.path]
    return sorted({os.path.realpath(entry) for entry in entries if entry and os.path.isdir(entry)})


def only_child_of(pid: int) -> int:
    """The child of ``unshare --fork``: the host's pid 1."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if len(children) != 1:
        raise HostError(f"unshare has {len(children)} children instead of one")
    return int(children[0])
