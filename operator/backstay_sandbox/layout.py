"""Where everything of one sandbox lives: paths, namespace names, addresses, ports.

One sandbox is known by its name; several may stand side by side, since every path, network namespace and loop
device carries the name and every address is private to the sandbox's own namespaces.  Nothing here touches the
machine: this module only computes.

Addresses (all behind one bridge, none routed anywhere):

    10.0.0.2             services: the API as the hosts see it (port 6443) and the power switch (port 7100)
    10.0.0.11, .12 ...   hosts n1, n2 ...         (10.0.1.11 ... on the second network, same link)
    10.0.0.200           client                   (10.0.1.200)
    10.0.0.3, 10.0.1.100 free: the tutorial's virtual addresses
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

STATE_ROOT = Path("/run/backstay-sandbox")
NETNS_ROOT = Path("/run/netns")
NODES_MAX = 32
PREFIX_LENGTH = 24
SERVICES_ADDRESS = "10.0.0.2"
SERVICES_API_PORT = 6443
SERVICES_POWER_PORT = 7100
OPERATOR_METRICS_PORT, AGENT_METRICS_PORT = 9690, 9691
"""Of every host; the chart has the same."""
CLIENT_ADDRESSES = ("10.0.0.200", "10.0.1.200")
SHARED_DISK_IN_HOST = "/dev/backstay/app_disk"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


class LayoutError(ValueError):
    """A name or a number of hosts that a sandbox cannot have; the message is for the user."""


@dataclass(frozen=True, slots=True)
class HostAddresses:
    """How one host is plugged in; ``mac`` is fixed, as a real card's is."""

    node: str
    cluster: str
    """First network, as a/b/c/d without the prefix length."""
    service: str
    """Second network, on the same link."""
    mac: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The names and places of one sandbox; build it with :func:`layout_of`."""

    name: str
    nodes: tuple[str, ...]

    @property
    def state_dir(self) -> Path:
        return STATE_ROOT / self.name

    @property
    def lock_file(self) -> Path:
        """Held (flock) by the daemon as long as it lives.  Outside state_dir, which `down` removes."""
        return STATE_ROOT / f"{self.name}.lock"

    @property
    def control_socket(self) -> Path:
        return self.state_dir / "control.sock"

    @property
    def kubeconfig(self) -> Path:
        """For the root namespace; the hosts get their own copy with the services address."""
        return self.state_dir / "kubeconfig"

    @property
    def power_password(self) -> Path:
        """Of the power switch, for whoever is root on this machine."""
        return self.state_dir / "power-password"

    @property
    def api_state(self) -> Path:
        """Where the embedded API keeps its objects across `restart-api`."""
        return self.state_dir / "api-state.json"

    @property
    def logs_dir(self) -> Path:
        return self.state_dir / "logs"

    @property
    def shared_image(self) -> Path:
        return self.state_dir / "shared.img"

    @property
    def processes_dir(self) -> Path:
        """One file per process of the sandbox, for the clean-up after a crash of the daemon."""
        return self.state_dir / "processes"

    @property
    def netns_switch(self) -> str:
        return self.netns("switch")

    @property
    def netns_services(self) -> str:
        return self.netns("services")

    @property
    def netns_client(self) -> str:
        return self.netns("client")

    def netns(self, member: str) -> str:
        """Name of a member's network namespace, below /run/netns."""
        return f"{self.netns_prefix}{member}"

    @property
    def netns_prefix(self) -> str:
        # A dot: names of sandboxes hold none, so the prefix of one is never the prefix of another.
        return f"backstay.{self.name}."

    def host_dir(self, node: str) -> Path:
        return self.state_dir / "hosts" / node

    def disk_dir(self, node: str) -> Path:
        """The host's private disk (its /var/lib/backstay): survives a crash and the next boot."""
        return self.host_dir(node) / "disk"

    def stage_dir(self, node: str) -> Path:
        """Mount point where a booting host lays out its private file systems; empty as seen from outside."""
        return self.host_dir(node) / "stage"

    def addresses(self, node: str) -> HostAddresses:
        number = self.nodes.index(node) + 1
        return HostAddresses(
            node=node,
            cluster=f"10.0.0.{10 + number}",
            service=f"10.0.1.{10 + number}",
            mac=f"02:b5:00:00:00:{number:02x}",
        )


def layout_of(name: str, node_count: int) -> Layout:
    """The layout of sandbox ``name`` with hosts n1..n``node_count``; raises LayoutError on what cannot be."""
    if not _NAME.fullmatch(name):
        raise LayoutError(
            f"a sandbox name is lower-case letters, digits and hyphens, at most 32: {name!r} is not"
        )
    if not 1 <= node_count <= NODES_MAX:
        raise LayoutError(f"a sandbox has 1 to {NODES_MAX} hosts, not {node_count}")
    return Layout(name=name, nodes=tuple(f"n{number}" for number in range(1, node_count + 1)))
