"""FenceDevice: a fence agent, and the nodes that it can power off."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from backstay.api.base import (
    Column,
    Condition,
    KindInfo,
    Model,
    ParamSource,
    Resource,
    StatusModel,
    cel,
    rules,
)
from backstay.api.limits import NODES_MAX
from backstay.api.quantities import Duration, ParamValue, Timestamp

FenceAgent = Annotated[str, StringConstraints(pattern=r"^stonith:[A-Za-z0-9._-]+$", max_length=253)]


class FenceTargets(Model):
    """Which nodes it can fence; nothing given (and no hostMap): all of the cluster."""

    nodes: list[str] = Field(default_factory=list, max_length=256, description="By name (pcmk_host_list).")
    node_selector: dict[str, str] = Field(default_factory=dict, description="By label.")


class FenceCommand(Model):
    """How the device is asked for one action, where it differs from the rest."""

    action: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="The agent's word for it (pcmk_reboot_action...).",
    )
    timeout: Duration | None = Field(
        default=None, description="Instead of spec.timeout (pcmk_off_timeout...)."
    )
    attempts: int | None = Field(
        default=None, ge=1, le=10, description="Instead of spec.attempts (pcmk_reboot_retries...)."
    )


class FenceCommands(Model):
    """By action."""

    off: FenceCommand | None = None
    on: FenceCommand | None = None
    reboot: FenceCommand | None = None
    monitor: FenceCommand | None = None


class FenceDeviceSpec(Model):
    """One device."""

    model_config = rules(
        cel(
            "self.agent.startsWith('stonith:fence_')",
            "agent: only programs named fence_* are run as fence agents, such as stonith:fence_ipmilan",
            field_path=".agent",
        )
    )

    cluster: str = Field(description="The HACluster that it belongs to.")
    agent: FenceAgent = Field(
        description="Fence agent: stonith:fence_NAME, a program of that name in the node agents' image."
    )
    params: dict[str, ParamValue] = Field(default_factory=dict)
    params_from: dict[str, ParamSource] = Field(default_factory=dict)
    targets: FenceTargets = Field(default_factory=FenceTargets)
    host_map: dict[str, str] = Field(
        default_factory=dict,
        max_length=NODES_MAX,
        description="The device's own name (plug) of a node, where it differs (pcmk_host_map).",
    )
    host_check: Literal["static-list", "dynamic-list", "status", "none"] = Field(
        default="static-list",
        description="How to know whether it can fence a node: by targets and hostMap (static-list; neither given: every node), "
        "by asking the device for its list or for the node's status right before, or by belief (none).",
    )
    host_argument: str = Field(default="plug", description="The agent's parameter that names the target.")
    level: int | None = Field(
        default=None,
        ge=1,
        le=9,
        description="Topology level of its targets: lower ones are tried first, and all devices of a level must succeed. None "
        "anywhere: every device is enough by itself. HACluster.spec.fencingTopology overrides it.",
    )
    priority: int = Field(default=0, description="The device with the higher one goes first.")
    action: Literal["reboot", "off"] | None = Field(default=None, description="Instead of stonithAction.")
    commands: FenceCommands = Field(default_factory=FenceCommands)
    timeout: Duration = Field(default="60s", description="Of one command, its repetitions included.")
    attempts: int = Field(
        default=2,
        ge=1,
        le=10,
        description="Tries on one fencing node, if there is time, before another is asked.",
    )
    delay_base: Duration | None = Field(
        default=None, description="Wait so long before off or reboot (pcmk_delay_base)."
    )
    delay_max: Duration | None = Field(
        default=None, description="Wait a random time more, up to this in all (pcmk_delay_max)."
    )
    node_delays: dict[str, Duration] = Field(
        default_factory=dict, max_length=NODES_MAX, description="delayBase of single targets, by node."
    )
    action_limit: int = Field(
        default=1,
        ge=-1,
        le=64,
        description="Commands to the device at a time; -1: any number (pcmk_action_limit).",
    )
    monitor_interval: Duration = Field(
        default="60s",
        description="How often the device is checked, from one node after the other; 0s: never.",
    )
    unfencing: bool | None = Field(
        default=None,
        description="Nodes must be let in by it (action on) before they may run what requires unfencing. Left out: what the "
        "agent's meta-data says.",
    )


class FenceDeviceStatus(StatusModel):
    """Written by the DC."""

    last_used: Timestamp | None = None
    last_result: str = ""
    last_monitor: Timestamp | None = None
    monitored: list[str] = Field(
        default_factory=list, description="Node: what its last check of the device said."
    )
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
