"""HANode: what an administrator wants of a node, and what the DC knows of it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from backstay.api.base import Column, Condition, KindInfo, Model, Resource, StatusModel
from backstay.api.quantities import Timestamp
from backstay.api.resource import AGENT_PATTERN, RequestAck

DescribedAgent = Annotated[
    str,
    StringConstraints(
        pattern=AGENT_PATTERN.removesuffix(")$") + r"|stonith:fence_[A-Za-z0-9._-]+)$", max_length=253
    ),
]
"""An agent that may be run for its meta-data."""


class NodeRequest(Model):
    """Something to do to a node once. The DC acknowledges the id in status.requests."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    type: Literal["fence", "confirm", "describe"]
    action: Literal["off", "on", "reboot"] | None = Field(
        default=None, description="For fence; default: stonithAction."
    )
    agent: DescribedAgent | None = Field(
        default=None, description="For describe: the agent whose meta-data is wanted."
    )


class HANodeSpec(Model):
    """What the administrator wants."""

    cluster: str = Field(default="", description="The HACluster; the DC fills it in.")
    standby: bool = Field(default=False, description="Run nothing here; the node still counts and votes.")
    maintenance: bool = Field(default=False, description="Leave everything on it as it is.")
    shutdown: bool = Field(
        default=False,
        description="Stop everything here, cleanly, and disarm the watchdog (kubectl ha node stop).",
    )
    attributes: dict[str, str] = Field(
        default_factory=dict, max_length=1024, description="Node attributes, for rules."
    )
    utilization: dict[str, int] = Field(default_factory=dict, description="Capacities of the node.")
    requests: list[NodeRequest] = Field(default_factory=list, max_length=16)


class FencedStatus(StatusModel):
    """The last successful fencing."""

    boot_id: str = Field(default="", description="The boot that was ended by it.")
    action: str = ""
    by: str = Field(default="", description="Device, node that ran it, or 'administrator'.")
    time: Timestamp
    epoch: int = Field(
        default=0,
        description="Of the DC that recorded it. A record from before the API's history went back proves nothing.",
    )


class UnfencedStatus(StatusModel):
    """By which devices the node was let in, in which boot."""

    boot_id: str = ""
    devices: str = Field(default="", description="Names of the devices, in order.")
    time: Timestamp


class FencingRecord(StatusModel):
    """One fencing of this node, successful or not."""

    action: str
    succeeded: bool
    by: str = Field(
        default="", description="Device and the node that ran it; empty where none could be asked."
    )
    why: str = ""
    message: str = Field(default="", max_length=512)
    time: Timestamp


class HANodeStatus(StatusModel):
    """Written by the DC."""

    cluster: str = ""
    state: str = Field(
        default="Pending",
        description="Online, Standby, Maintenance, Stopped, Leaving, Pending, Unclean, Offline.",
    )
    dc: bool = False
    reason: str = Field(default="", description="Why it is in this state.")
    since: Timestamp | None = None
    boot_id: str = ""
    agent_version: str = ""
    resources: int = 0
    fenced: FencedStatus | None = None
    unfenced: UnfencedStatus | None = None
    fencing_history: list[FencingRecord] = Field(
        default_factory=list, max_length=10, description="The last fencings of it, newest first."
    )
    watchdog: str = ""
    dismissed: bool = Field(
        default=False,
        description="The cluster is shut down, and this node knows that it is let go: no watchdog is armed, its heartbeat ends with "
        "its agent.",
    )
    standards: list[str] = Field(default_factory=list)
    requests: list[RequestAck] = Field(default_factory=list)
    conditions: list[Condition] = Field(default_factory=list, json_schema_extra={"x-map-key": "type"})


class HANode(Resource):
    """A node of a cluster, named as the Kubernetes Node."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="HANode",
        plural="hanodes",
        namespaced=False,
        short_names=("han",),
        columns=(
            Column("State", ".status.state"),
            Column("DC", ".status.dc", "boolean"),
            Column("Resources", ".status.resources", "integer"),
            Column("Agent", ".status.agentVersion"),
            Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            Column("Reason", ".status.reason", priority=1),
            Column("Cluster", ".status.cluster", priority=1),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )
    spec: HANodeSpec = Field(default_factory=HANodeSpec)
    status: HANodeStatus = Field(default_factory=HANodeStatus)
