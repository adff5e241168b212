"""FenceDevice: a fence agent, and the nodes that it can power off."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from backstay.api.base import Column, Condition, KindInfo, Model, ParamSource, Resource
from backstay.api.quantities import Duration, ParamValue, Timestamp

FenceAgent = Annotated[str, StringConstraints(pattern=r"^stonith:[A-Za-z0-9._-]+$", max_length=253)]


class FenceTargets(Model):
    """Which nodes it can fence; nothing given: all of the cluster."""

    nodes: list[str] = Field(default_factory=list, max_length=256, description="By name.")
    node_selector: dict[str, str] = Field(default_factory=dict, description="By label.")


class FenceDeviceSpec(Model):
    """One device."""

    cluster: str = Field(description="The HACluster that it belongs to.")
    agent: FenceAgent = Field(
        description="Fence agent: stonith:NAME, an executable of that name on the hosts."
    )
    params: dict[str, ParamValue] = Field(default_factory=dict)
    params_from: dict[str, ParamSource] = Field(default_factory=dict)
    targets: FenceTargets = Field(default_factory=FenceTargets)
    host_map: dict[str, str] = Field(
        default_factory=dict, description="The device's own name (plug) of a node, where it differs."
    )
    host_argument: str = Field(default="plug", description="The agent's parameter that names the target.")
    level: int = Field(default=1, ge=1, le=9, description="Topology level: lower ones are tried first.")
    priority: int = Field(default=0, description="Among devices of one level the higher goes first.")
    action: Literal["reboot", "off"] | None = Field(default=None, description="Instead of stonithAction.")
    timeout: Duration = Field(default="60s")
    attempts: int = Field(
        default=2, ge=1, le=10, description="Tries on one fencing node before the next is asked."
    )
    delay_base: Duration | None = None
    delay_max: Duration | None = None


class FenceDeviceStatus(Model):
    """Written by the DC."""

    last_used: Timestamp | None = None
    last_result: str = ""
    conditions: list[Condition] = Field(default_factory=list, json_schema_extra={"x-map-key": "type"})


class FenceDevice(Resource):
    """A way to make sure that a node is dead."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="FenceDevice",
        plural="fencedevices",
        namespaced=False,
        short_names=("fence",),
        columns=(
            Column("Cluster", ".spec.cluster"),
            Column("Agent", ".spec.agent"),
            Column("Level", ".spec.level", "integer"),
            Column("Last", ".status.lastResult"),
            Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )
    spec: FenceDeviceSpec
    status: FenceDeviceStatus = Field(default_factory=FenceDeviceStatus)
