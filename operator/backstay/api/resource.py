"""HAResource: one service that must run on one node (or as a clone on several), by a real resource agent."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from backstay.api.base import (
    Column,
    Condition,
    KindInfo,
    LocalParamSource,
    Model,
    Resource,
    StatusModel,
    cel,
    rules,
)
from backstay.api.limits import NODES_MAX
from backstay.api.quantities import Duration, ParamValue, Score, Timestamp
from backstay.api.rule import Rule

AGENT_PATTERN = r"^(ocf:[A-Za-z0-9._-]+:[A-Za-z0-9._-]+|systemd:[A-Za-z0-9@._:\\-]+|lsb:[A-Za-z0-9._-]+|service:[A-Za-z0-9@._-]+)$"
Agent = Annotated[str, StringConstraints(pattern=AGENT_PATTERN, max_length=253)]
ResourceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9._-]*$", max_length=128)]
COPIES_MAX = NODES_MAX
"""Instances of a clone."""
OnFail = Literal["ignore", "block", "stop", "restart", "standby", "fence", "demote", "restart-container"]
Role = Literal["Started", "Stopped", "Promoted", "Unpromoted"]
RequiresName = Literal["nothing", "quorum", "fencing", "unfencing"]


class OperationDefaults(Model):
    """Defaults for operations that do not set them."""

    timeout: Duration | None = Field(default=None, description="How long an operation may take; default 20s.")
    on_fail: OnFail | None = Field(default=None, description="What a failure leads to.")
    record_pending: bool | None = Field(default=None, description="Show operations that run as pending.")


class Operation(Model):
    """One operation of a resource: usually a recurring monitor, or the timeout of start or stop."""

    model_config = rules(
        cel(
            "self.name == 'monitor' || !has(self.interval) || self.interval == 0 || self.interval == '0' || self.interval == '0s'",
            "interval is for monitor operations; remove it, or name the operation monitor",
        )
    )

    name: Literal[
        "start",
        "stop",
        "monitor",
        "promote",
        "demote",
        "notify",
        "reload",
        "reload-agent",
        "migrate_to",
        "migrate_from",
        "validate-all",
        "meta-data",
    ]
    interval: Duration | None = Field(
        default=None, description="How often a monitor is repeated, for example 30s."
    )
    timeout: Duration | None = Field(default=None, description="How long it may take before it is killed.")
    on_fail: OnFail | None = Field(
        default=None, description="What a failure leads to; default restart, for stop fence or block."
    )
    role: Role | None = Field(default=None, description="Run this monitor only in this role.")
    enabled: bool | None = Field(default=None, description="false: as if it were not there.")
    start_delay: Duration | None = Field(
        default=None, description="Wait so long after the start before the first run."
    )
    interval_origin: str | None = Field(
        default=None, description="A time (ISO 8601) from which intervals are counted."
    )
    record_pending: bool | None = Field(default=None, description="Show it as pending while it runs.")
    params: dict[str, ParamValue] = Field(
        default_factory=dict, description="Parameters of this operation only, for example OCF_CHECK_LEVEL."
    )


class ResourceMeta(Model):
    """Meta attributes, under Pacemaker's names in camelCase."""

    target_role: Role | None = Field(
        default=None, description="The role that the cluster keeps; Stopped stops it."
    )
    priority: Score | None = Field(default=None, description="Placed earlier, kept longer.")
    resource_stickiness: Score | None = Field(
        default=None, description="How much it prefers to stay where it is."
    )
    migration_threshold: Score | None = Field(
        default=None, description="Failures on a node before it is banned there."
    )
    failure_timeout: Duration | None = Field(
        default=None, description="Forget failures after so long; 0: never."
    )
    is_managed: bool | None = Field(default=None, description="false: neither start nor stop it.")
    maintenance: bool | None = Field(default=None, description="true: leave it alone, monitors included.")
    requires: RequiresName | None = Field(
        default=None,
        description="When it may start elsewhere after its node was lost: nothing|quorum: once the lease ran out; "
        "fencing: once the node is fenced. Default: fencing if stonithEnabled, else quorum.",
    )
    multiple_active: Literal["block", "stop_only", "stop_start", "stop_unexpected"] | None = Field(
        default=None, description="What to do when it is found active more than once; default stop_start."
    )
    allow_migrate: bool | None = Field(default=None, description="Use live migration where the agent can.")
    allow_unhealthy_nodes: bool | None = Field(default=None, description="Ignore node health.")
    critical: bool | None = Field(default=None, description="false: never drags what it is colocated with.")


class ConditionalMeta(Model):
    """Meta attributes that apply while the rule holds, and then win over unconditional ones."""

    rule: Rule
    score: Score | None = Field(default=None, description="Of several that hold the highest wins.")
    meta: ResourceMeta = Field(default_factory=ResourceMeta)


class ConditionalParams(Model):
    """Parameters that apply while the rule holds, and then win over those of `params`."""

    rule: Rule | None = Field(
        default=None, description="Left out: always; for what shall win over a rule further down."
    )
    score: Score | None = Field(
        default=None, description="Of several that hold the highest wins, then the first."
    )
    params: dict[str, ParamValue] = Field(default_factory=dict)


class ConditionalOperationDefaults(Model):
    """Defaults of operations that apply while the rule holds."""

    rule: Rule
    score: Score | None = Field(default=None, description="Of several that hold the highest wins.")
    defaults: OperationDefaults = Field(default_factory=OperationDefaults)


class CloneSpec(Model):
    """Run on several nodes at once."""

    id: ResourceId | None = Field(
        default=None, description="Its id; default: that of what is cloned, and -clone."
    )
    meta: ResourceMeta | None = Field(
        default=None, description="Meta attributes of the clone itself; default: those of what is cloned."
    )
    conditional_meta: list[ConditionalMeta] = Field(default_factory=list, max_length=16)
    max: int | None = Field(
        default=None, ge=0, le=COPIES_MAX, description="How many copies (clone-max); default: one per node."
    )
    node_max: int | None = Field(
        default=None, ge=0, le=COPIES_MAX, description="Copies per node (clone-node-max)."
    )
    min: int | None = Field(
        default=None, ge=0, le=COPIES_MAX, description="Copies needed by what is ordered after (clone-min)."
    )
    notify: bool | None = None
    globally_unique: bool | None = None
    ordered: bool | None = None
    interleave: bool | None = None
    promotable: bool | None = Field(default=None, description="Some of the copies are promoted.")
    promoted_max: int | None = Field(default=None, ge=0, le=COPIES_MAX)
    promoted_node_max: int | None = Field(default=None, ge=0, le=COPIES_MAX)


class ResourceRequest(Model):
    """Something to do once. The DC acknowledges the id in status.requests."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    type: Literal["cleanup", "refresh", "move"]
    node: str | None = Field(default=None, description="For move: where to; for cleanup: only there.")
    operation: str | None = Field(default=None, description="For cleanup: only this operation's failures.")


class RequestAck(StatusModel):
    """What became of a request."""

    id: str
    state: Literal["Accepted", "Done", "Refused", "TimedOut"]
    message: str = ""
    time: Timestamp | None = None


class ResourceTemplate(Model):
    """What an HAResource and an inline group member share."""

    agent: Agent = Field(
        description="Resource agent: ocf:PROVIDER:NAME, systemd:UNIT, lsb:SCRIPT or service:NAME."
    )
    params: dict[str, ParamValue] = Field(
        default_factory=dict, description="Parameters of the agent (see kubectl ha resource describe AGENT)."
    )
    params_from: dict[str, LocalParamSource] = Field(
        default_factory=dict, description="Parameters whose values are kept in Secrets of this namespace."
    )
    operations: list[Operation] = Field(
        default_factory=list,
        max_length=32,
        description="Recurring monitors, and timeouts of other operations.",
    )
    meta: ResourceMeta = Field(default_factory=ResourceMeta, description="Meta attributes.")
    conditional_params: list[ConditionalParams] = Field(
        default_factory=list, max_length=16, description="Parameters under rules."
    )
    conditional_meta: list[ConditionalMeta] = Field(
        default_factory=list, max_length=16, description="Meta attributes under rules."
    )
    utilization: dict[str, int] = Field(
        default_factory=dict, description="What it uses of a node's capacities."
    )


class HAResourceSpec(ResourceTemplate):
    """One resource."""

    resource_id: ResourceId | None = Field(
        default=None,
        description="The id known to Pacemaker's users, unique in the cluster; default: the name.",
    )
    clone: CloneSpec | None = Field(default=None, description="Run it on several nodes at once.")
    requests: list[ResourceRequest] = Field(
        default_factory=list, max_length=16, description="One-shot requests (kubectl ha writes them)."
    )


class FailCountStatus(StatusModel):
    """Failures of one operation on one node."""

    node: str
    operation: str
    interval: str = "0s"
    count: Score = 0
    last_failure: Timestamp | None = None
    reason: str = ""


class NodeRole(StatusModel):
    """Where it is active."""

    node: str
    role: str


class HAResourceStatus(StatusModel):
    """Written by the DC."""

    cluster: str = ""
    ids: list[str] = Field(
        default_factory=list,
        max_length=128,
        description="Ids that this object holds in its cluster; no other object can take them while it is there.",
    )
    role: str = Field(
        default="", description="Started, Stopped, Promoted, Unpromoted, Starting, Stopping, Failed..."
    )
    node: str = Field(default="", description="Where it is active; several are separated by a space.")
    active: list[NodeRole] = Field(default_factory=list)
    group: str = ""
    managed: bool | None = None
    blocked: bool | None = None
    why: str = Field(default="", description="Why it is where it is, in a sentence.")
    fail_counts: list[FailCountStatus] = Field(default_factory=list)
    failures: int = Field(default=0, description="The highest fail count on any node.")
    requests: list[RequestAck] = Field(default_factory=list)
    conditions: list[Condition] = Field(default_factory=list, json_schema_extra={"x-map-key": "type"})


RESOURCE_COLUMNS = (
    Column("State", ".status.role"),
    Column("Node", ".status.node"),
    Column("Failures", ".status.failures", "integer"),
    Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
)


class HAResource(Resource):
    """A highly available service run by a resource agent."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="HAResource",
        plural="haresources",
        namespaced=True,
        short_names=("har",),
        columns=(
            Column("Agent", ".spec.agent"),
            *RESOURCE_COLUMNS,
            Column("Group", ".status.group", priority=1),
            Column("Why", ".status.why", priority=1),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )
    spec: HAResourceSpec
    status: HAResourceStatus = Field(default_factory=HAResourceStatus)

    @property
    def resource_id(self) -> str:
        """The id under which scheduler, agents and people know it."""
        return self.spec.resource_id or self.metadata.name
