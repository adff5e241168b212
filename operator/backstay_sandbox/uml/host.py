"""One host with a kernel of its own: power and cable as every host's, a User-Mode Linux kernel as what boots.

Its disks are files: a private one (/var/lib/backstay), which survives power cuts as the private directory of a
namespace host does, and the shared one with the volume group.  Its daemons write to serial lines, whose other ends
are the logs, so a log holds what was written up to the moment of a power cut.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from backstay_sandbox import network
from backstay_sandbox.host_init import ServiceConfig
from backstay_sandbox.hosts import (
    FENCE_AGENT_IN_HOST,
    HOST_PATH,
    Host,
    HostSoftware,
    daemon_service,
    kubeconfig_files,
    log_file,
)
from backstay_sandbox.layout import Layout
from backstay_sandbox.options import HostKind, VolumeOwnership
from backstay_sandbox.uml import machine
from backstay_sandbox.uml.bed import Bed
from backstay_sandbox.uml.bytecode import VARIABLE, bytecode_directory
from backstay_sandbox.uml.guest_config import SHARED_DISK, GuestConfig
from backstay_sandbox.uml.lvm import lvm_conf
from backstay_sandbox.uml.machine import Guest, RunningGuest
from backstay_sandbox.uml.network import (
    EXEC_ADDRESS,
    MANAGEMENT_GUEST,
    MANAGEMENT_LENGTH,
    addresses,
    cluster_card,
    management_card,
    plug_in_guest,
)

PRIVATE_DISK_BYTES = 64 << 20
CONSOLE = "console"


class UmlHost(Host):
    """A host on ``bed``; see :class:`Host` for what it can do."""

    def __init__(
        self, layout: Layout, node: str, software: HostSoftware, *, bed: Bed, ownership: VolumeOwnership
    ) -> None:
        super().__init__(layout, node, software)
        self._bed = bed
        self._ownership = ownership
        self._guest: RunningGuest | None = None

    @property
    def kind(self) -> HostKind:
        return HostKind.UML

    async def _plug_in(self) -> None:
        await plug_in_guest(self.layout, self.node, link_up=not self.link_cut)

    async def _launch(self) -> asyncio.subprocess.Process:
        private_disk = self.layout.disk_dir(self.node) / "private.img"
        private_disk.parent.mkdir(parents=True, exist_ok=True)
        make_sparse(private_disk, PRIVATE_DISK_BYTES)
        services = self._services()
        self._guest = await machine.start(
            self._bed, self._make_guest(private_disk, services), self._guest_config(services)
        )
        return self._guest.process

    def _make_guest(self, private_disk: Path, services: list[ServiceConfig]) -> Guest:
        return Guest(
            name=self.node,
            directory=self.layout.host_dir(self.node),
            console=log_file(self.layout, self.node, CONSOLE),
            private_disk=private_disk,
            shared_disk=self.layout.shared_image,
            netns=network.netns_path(self.layout, self.node),
            cluster_card=cluster_card(self.layout, self.node),
            management_card=management_card(self.layout, self.node),
            lines=[log_file(self.layout, self.node, one["name"]) for one in services],
            environment={"BACKSTAY_SANDBOX": self.layout.name, "BACKSTAY_HOST": self.node},
        )

    async def _await_ready(self, process: asyncio.subprocess.Process) -> None:
        assert self._guest is not None
        assert self._guest.process is process
        try:
            await self._guest.await_ready()
        finally:
            self._guest.close()

    async def _last_words(self, process: asyncio.subprocess.Process) -> str:
        return machine.last_words(log_file(self.layout, self.node, CONSOLE))

    def _services(self) -> list[ServiceConfig]:
        """The daemons, and the command channel; each writes to a serial line of its own."""
        services = [
            *(daemon_service(self.layout, self.node, name) for name in self.software.daemons),
            exec_service(),
        ]
        for number, service in enumerate(services, start=1):
            service["log"] = f"/dev/ttyS{number}"
            service["env"] = {**service["env"], VARIABLE: str(bytecode_directory())}
        return services

    def _guest_config(self, services: list[ServiceConfig]) -> GuestConfig:
        software, layout = self.software, self.layout
        return GuestConfig(
            node=self.node,
            hosts={node: layout.addresses(node).cluster for node in layout.nodes},
            files=kubeconfig_files(software),
            programs={FENCE_AGENT_IN_HOST: software.fence_agent} if software.fence_agent is not None else {},
            addresses=addresses(layout, self.node),
            management=f"{MANAGEMENT_GUEST}/{MANAGEMENT_LENGTH}",
            lvm_conf=lvm_conf(self._ownership, disk=SHARED_DISK),
            services=services,
            task="",
        )


def exec_service() -> ServiceConfig:
    """How a guest's pid 1 runs the far end of `backstay-sandbox exec`."""
    address, port = EXEC_ADDRESS
    return ServiceConfig(
        name="exec",
        argv=[sys.executable, "-S", "-P", "-m", "backstay_sandbox.uml.exec_server", address, str(port)],
        env={
            "PATH": HOST_PATH,
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        log="",
    )


def make_sparse(path: Path, size_bytes: int) -> None:
    """A file of that size, empty, unless there is one."""
    if not path.exists():
        with path.open("wb") as file:
            os.truncate(file.fileno(), size_bytes)
