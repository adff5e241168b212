"""A host with a kernel of its own that is a node: containerd and kubelet are its daemons, and pods are what they make of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from backstay_sandbox.host_init import ServiceConfig
from backstay_sandbox.hosts import HOST_PATH, HostSoftware
from backstay_sandbox.layout import Layout
from backstay_sandbox.options import VolumeOwnership
from backstay_sandbox.uml.guest_config import GuestConfig
from backstay_sandbox.uml.host import UmlHost, exec_service
from backstay_sandbox.uml.machine import Guest
from harness.nodes.configuration import node_files, pod_network
from harness.nodes.plane import API_SERVICE, NodesControlPlane
from harness.nodes.programs import NodePrograms

MEMORY_MB = 1024
SCRIPT = Path(__file__).with_name("node.sh")
SCRIPT_IN_HOST = "/usr/local/sbin/backstay-node"


class NodeHost(UmlHost):
    """``disk`` holds the images, and is the node's own: what it writes there survives a power cut."""

    def __init__(
        self, layout: Layout, node: str, *, programs: NodePrograms, plane: NodesControlPlane, disk: Path
    ) -> None:
        super().__init__(layout, node, HostSoftware(), bed=programs.bed, ownership=VolumeOwnership.TAGS)
        self._programs = programs
        self._plane = plane
        self._disk = disk

    @property
    def number(self) -> int:
        return self.layout.nodes.index(self.node) + 1

    def _make_guest(self, private_disk: Path, services: list[ServiceConfig]) -> Guest:
        guest = super()._make_guest(private_disk, services)
        trees = [str(self._programs.tree), str(self._programs.binary.parent)]
        return dataclasses.replace(guest, memory_mb=MEMORY_MB, more_disks=[self._disk], more_trees=trees)

    def _guest_config(self, services: list[ServiceConfig]) -> GuestConfig:
        config = super()._guest_config(services)
        config["files"] = node_files(
            tree=self._programs.tree,
            number=self.number,
            kubeconfig=self._plane.as_node(self.node).render(),
            clients_authority=self._plane.clients_authority,
        )
        config["programs"] = {SCRIPT_IN_HOST: SCRIPT.read_text()}
        return config

    def _services(self) -> list[ServiceConfig]:
        services = [
            *(
                ServiceConfig(name=name, argv=[SCRIPT_IN_HOST, name], env=self._environment(), log="")
                for name in ("containerd", "kubelet")
            ),
            exec_service(),
        ]
        for number, service in enumerate(services, start=1):
            service["log"] = f"/dev/ttyS{number}"
        return services

    def _environment(self) -> dict[str, str]:
        others = [one for one in self.layout.nodes if one != self.node]
        routes = [
            f"{pod_network(self.layout.nodes.index(one) + 1)} {self.layout.addresses(one).cluster}"
            for one in others
        ]
        return {
            "PATH": HOST_PATH,
            "TREE": str(self._programs.tree),
            "PROGRAMS": str(self._programs.binary),
            "NODE_IP": self.layout.addresses(self.node).cluster,
            "MACHINE_ID": f"{self.number:032x}",
            "ROUTES": "\n".join(routes),
            "API_SERVICE": API_SERVICE,
            "API_SERVER": self._plane.server.removeprefix("https://"),
        }
