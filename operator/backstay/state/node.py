"""The nodes of a cluster, as they stand at one moment.

`online` and `unclean` are judgements already made (by `backstay.liveness` from leases, or by the CIB reader
from node_state): an unclean node may still run anything and must be fenced before its resources move. Doubt
means unclean, never offline. The scheduler may add further unclean nodes (a failed stop with
on-fail=fence).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.state.choices import NodeKind

UNFENCED = "#node-unfenced"
"""The attribute that says of a node that it was let in by the devices that unfence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node. Invariant: a pending node is online (it joined, but does not run resources yet)."""

    name: str
    id: str = ""  # Pacemaker's uuid or number; empty means the name
    kind: NodeKind = NodeKind.MEMBER
    online: bool = True
    unclean: bool = False
    unclean_reason: str = ""  # e.g. "peer is no longer part of the cluster", for the summary
    pending: bool = False
    standby: bool = False
    maintenance: bool = False
    shutdown: bool = False  # it asked to leave: stop its resources, then let it go
    left: bool = (
        False  # offline by its own word: it is unclean if its history says that something managed runs there
    )
    seen: bool = True  # False: configured, but no status was ever recorded
    starts_nothing: bool = False  # what is active there stays; nothing is started or promoted there
    discovery: bool = True  # False: never probe here (`resource-discovery-enabled`)
    fence_requested: bool = False  # an administrator, or `terminate`, asks for it
    fence_action: str = ""  # how, where that differs from the cluster's own way
    fence_withheld: bool = (
        False  # unclean, and yet not to be fenced unless somebody asks: that could hit another machine
    )
    feature_set: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)  # permanent
    transient: Mapping[str, str] = field(default_factory=dict)  # gone when the node leaves
    utilization: Mapping[str, int] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        return self.id or self.name

    def attribute(self, name: str) -> str | None:
        """The value of a node attribute: transient before permanent, and Pacemaker's built-in ones."""
        match name:
            case "#uname":
                return self.name
            case "#id":
                return self.uuid
            case "#kind":
                return "remote" if self.kind is NodeKind.REMOTE else "cluster"
            case _:
                found = self.transient.get(name)
                return self.attributes.get(name) if found is None else found
