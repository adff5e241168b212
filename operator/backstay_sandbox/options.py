"""What the user asked of `backstay-sandbox up`, handed to the daemon as JSON."""

from __future__ import annotations

import dataclasses
import enum
import json
from dataclasses import dataclass

from backstay_sandbox.layout import Layout, layout_of

EMBEDDED, REAL, NO_API = "embedded", "real", "none"
OWN_APIS = (EMBEDDED, REAL)
"""They come and go with the sandbox."""
DAEMONS = ("agent", "operator")


class HostKind(enum.StrEnum):
    """What a host is made of."""

    NAMESPACE = "namespace"
    """Namespaces of the machine's kernel, which all hosts share: up in a tenth of a second."""
    UML = "uml"
    """A User-Mode Linux kernel of its own: device mapper, mounts and boot id are the host's alone."""


class VolumeOwnership(enum.StrEnum):
    """How own-kernel hosts agree on who may activate the shared volume group."""

    TAGS = "tags"
    """By a tag that the resource agent sets: LVM with exclusive=true, LVM-activate in tagging mode."""
    SYSTEM_ID = "system-id"
    """By the owner's name in the volume group: LVM-activate in system_id mode."""


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """All choices of one sandbox; the defaults are the tutorial's."""

    name: str = "default"
    nodes: int = 3
    api: str = EMBEDDED
    """EMBEDDED, REAL (a real control plane of our own), NO_API (hosts alone), a kubeconfig's path, or a URL."""
    daemons: tuple[str, ...] = DAEMONS
    """Which of Backstay's daemons run on the hosts."""
    cluster: bool = True
    """Whether `up` makes the HACluster and the FenceDevice."""
    hosts: HostKind = HostKind.NAMESPACE
    ownership: VolumeOwnership = VolumeOwnership.TAGS
    """Of the shared volume group; only own-kernel hosts have one."""

    @property
    def layout(self) -> Layout:
        return layout_of(self.name, self.nodes)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SandboxOptions:
        fields = json.loads(text)
        typed = {
            "daemons": tuple(fields["daemons"]),
            "hosts": HostKind(fields["hosts"]),
            "ownership": VolumeOwnership(fields["ownership"]),
        }
        return cls(**{**fields, **typed})
