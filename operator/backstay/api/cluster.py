"""HACluster: which nodes and namespaces belong together, and the cluster's properties under their Pacemaker names."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from backstay.api.base import Column, Condition, KindInfo, Model, Resource, StatusModel, cel, rules
from backstay.api.quantities import Duration, Score, Timestamp
from backstay.api.resource import (
    ConditionalMeta,
    ConditionalOperationDefaults,
    OperationDefaults,
    ResourceMeta,
)


class ClusterProperties(Model):
    """Cluster options; names and defaults are Pacemaker's ("Pacemaker Explained", Cluster Options)."""

    no_quorum_policy: Literal["ignore", "stop", "freeze", "demote", "suicide", "fence"] = Field(
        default="stop", description="What to do with resources when the cluster has no quorum."
    )
    symmetric_cluster: bool = Field(
        default=True, description="Whether resources may run anywhere by default."
    )
    maintenance_mode: bool = Field(
        default=False, description="Leave every resource alone, monitors included."
    )
    stonith_enabled: bool = Field(default=True, description="Fence nodes that are lost or that fail a stop.")
    stonith_action: Literal["reboot", "off"] = Field(default="reboot", description="How to fence.")
    stonith_timeout: Duration = Field(default="60s", description="How long one fencing action may take.")
    stonith_max_attempts: int = Field(
        default=10, ge=1, le=1000, description="Give up on a target after so many."
    )
    concurrent_fencing: bool = Field(default=True, description="Fence several nodes at a time.")
    startup_fencing: bool = Field(default=True, description="Fence nodes never seen by this cluster's DC.")
    start_failure_is_fatal: bool = Field(
        default=True, description="A failed start bans the node at once; else migrationThreshold decides."
    )
    enable_startup_probes: bool = Field(default=True, description="Probe for what already runs on a node.")
    stop_orphan_resources: bool = Field(
        default=True, description="Stop what was removed from the configuration."
    )
    stop_orphan_actions: bool = Field(
        default=True, description="Cancel monitors removed from the configuration."
    )
    stop_all_resources: bool = Field(
        default=False, description="Stop everything, for example before surgery."
    )
    cluster_recheck_interval: Duration = Field(
        default="15min", description="Look again at least so often: time-based rules, failure timeouts."
    )
    batch_limit: int = Field(
        default=0, ge=0, le=100_000, description="Actions in flight in the cluster; 0 means automatic."
    )
    node_action_limit: int = Field(
        default=0, ge=0, le=100_000, description="Actions in flight on a node; 0 means twice the cores."
    )
    migration_limit: int = Field(
        default=-1, ge=-1, le=100_000, description="Live migrations at a time on a node; -1: no limit."
    )
    placement_strategy: Literal["default", "utilization", "minimal", "balanced"] = Field(
        default="default", description="How utilization counts in placement."
    )
    node_health_strategy: Literal["none", "migrate-on-red", "only-green", "progressive", "custom"] = Field(
        default="none", description="How attributes named #health... count in placement."
    )
    node_health_base: Score = Field(default=0, description="Added to every node's health (progressive).")
    node_health_green: Score = Field(default=0, description="What green is worth (progressive, custom).")
    node_health_yellow: Score = Field(default=0, description="What yellow is worth (progressive, custom).")
    node_health_red: Score = Field(
        default="-INFINITY", description="What red is worth (progressive, custom)."
    )
    priority_fencing_delay: Duration = Field(
        default="0s", description="Head start of the more important side."
    )
    shutdown_lock: bool = Field(
        default=False, description="Keep resources for a node that was stopped cleanly."
    )
    shutdown_lock_limit: Duration = Field(default="0s", description="Give up such a lock after; 0s: never.")


class Heartbeat(Model):
    """Lease timings. The agent must have stopped what others may take over before `leaseDuration` has passed."""

    model_config = rules(
        cel(
            "self.renewIntervalMilliseconds * 2 + self.stopMarginMilliseconds <= self.leaseDurationMilliseconds",
            "two renewals and stopMarginMilliseconds must fit into leaseDurationMilliseconds: "
            "raise leaseDurationMilliseconds or lower renewIntervalMilliseconds",
        )
    )

    renew_interval_milliseconds: int = Field(
        default=1000, ge=50, le=60_000, description="How often an agent renews its Lease."
    )
    lease_duration_milliseconds: int = Field(
        default=3000, ge=300, le=600_000, description="A Lease older than this makes its node unclean."
    )
    stop_margin_milliseconds: int = Field(
        default=1000,
        ge=100,
        le=300_000,
        description="A cut-off agent begins to stop what needs no fencing so long before the lease runs out.",
    )

    @property
    def lease_s(self) -> float:
        """The lease's duration in seconds."""
        return self.lease_duration_milliseconds / 1000


HEARTBEAT_DEFAULT = {"default": Heartbeat().wire()}
"""Spelt out in the schema: the API server judges a default by the rules before it fills in the defaults inside it."""


class TicketState(Model):
    """A ticket of a site, as its administrator or a booth says."""

    id: str = Field(min_length=1, max_length=253)
    granted: bool = False
    standby: bool = Field(default=False, description="Granted, and not to be used.")
    last_granted: Timestamp | None = None


_BOUND = (
    "(self.deadlineMilliseconds + 3 * self.timeoutSeconds * 1000 + self.resetMilliseconds)"
    " * (1000 + self.clockErrorPermille)"
)
_WAIT = "self.takeoverDelayMilliseconds * (1000 - self.clockErrorPermille)"


class Watchdog(Model):
    """Self-fencing: a node that can't renew its Lease is reset by its watchdog, and others wait for that. The numbers must prove it
    (operator/design/0005-watchdog.md): L (1 - rho) >= (D + 3 W + R) (1 + rho)."""

    model_config = rules(
        cel(
            f"{_WAIT} >= {_BOUND}",
            # Static: a message put together from numbers is over the API server's cost budget, since it can't bound their spelling.
            "unsafe: takeoverDelayMilliseconds x (1000 - clockErrorPermille) must be at least (deadlineMilliseconds + 3000 x "
            "timeoutSeconds + resetMilliseconds) x (1000 + clockErrorPermille), L(1-rho) >= (D+3W+R)(1+rho); "
            "raise takeoverDelayMilliseconds",
        )
    )

    device: str = Field(
        default="/dev/watchdog",
        pattern=r"^/dev/[A-Za-z0-9/_.-]+$",
        description="On every node. A node that cannot open it goes without, and says so.",
    )
    deadline_milliseconds: int = Field(
        default=3000,
        ge=500,
        le=600_000,
        description="D: it is fed only while the last good renewal is younger, or a majority of peers has promised to wait.",
    )
    timeout_seconds: int = Field(
        default=5, ge=1, le=300, description="W: it resets the node so long after it was fed last."
    )
    reset_milliseconds: int = Field(
        default=500,
        ge=0,
        le=60_000,
        description="R: what the reset itself may take, until nothing runs any more.",
    )
    clock_error_permille: int = Field(
        default=10, ge=1, le=100, description="rho: by how much any clock may run too fast or too slow."
    )
    takeover_delay_milliseconds: int = Field(
        default=20_000,
        ge=1000,
        le=3_600_000,
        description="L: so long after the last renewal that was seen, others may start what the node ran.",
    )


class FencingLevel(Model):
    """One step of fencing some nodes: all its devices, in this order, must succeed; else the next level is tried."""

    level: int = Field(ge=1, le=9, description="Lower ones are tried first.")
    devices: list[str] = Field(min_length=1, max_length=16, description="Names of FenceDevices.")
    nodes: list[str] = Field(default_factory=list, max_length=256, description="Targets by name.")
    node_pattern: str | None = Field(
        default=None,
        max_length=253,
        description="Targets by a regular expression that their whole name matches.",
    )
    node_selector: dict[str, str] = Field(default_factory=dict, description="Targets by label.")


class History(Model):
    """How much is kept."""

    transitions: int = Field(default=50, ge=1, le=500, description="HATransition objects kept.")


NamespacePattern = Annotated[
    str, StringConstraints(pattern=r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$", max_length=63)
]
AgentNamePattern = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*|(ocf|systemd|lsb|service):[A-Za-z0-9@._:\\-]*\*?)$", min_length=1, max_length=253
    ),
]


class AllowedAgents(Model):
    """Which resource agents some namespaces may use."""

    namespaces: list[NamespacePattern] = Field(
        min_length=1, max_length=64, description="By name; * means every namespace."
    )
    agents: list[AgentNamePattern] = Field(
        min_length=1,
        max_length=64,
        description="Such as ocf:heartbeat:IPaddr2; a * at the end stands for anything: ocf:heartbeat:*, systemd:*, *.",
    )


class AllowedReferences(Model):
    """Whose constraints may name resources of which other namespaces."""

    namespaces: list[NamespacePattern] = Field(
        min_length=1, max_length=64, description="Of the constraints, by name; * means every namespace."
    )
    targets: list[NamespacePattern] = Field(
        min_length=1,
        max_length=64,
        description="Of the resources that they may name, by name; * means every namespace.",
    )


class HAClusterSpec(Model):
    """What belongs to this cluster and how it behaves."""

    node_selector: dict[str, str] = Field(
        default_factory=dict, description="Labels of the Nodes that belong to it; empty: every Node."
    )
    namespaces: list[str] = Field(
        default_factory=list,
        max_length=64,
        description="Namespaces whose resources it runs; empty: every namespace.",
    )
    allowed_agents: list[AllowedAgents] = Field(
        default_factory=list,
        max_length=64,
        description="Resource agents that each namespace may use; nothing else is started. Empty: every agent everywhere.",
    )
    allowed_references: list[AllowedReferences] = Field(
        default_factory=list,
        max_length=64,
        description="Namespaces whose constraints may name resources of other namespaces. Empty: a constraint names, and its "
        "resourcePattern matches, resources of its own namespace only.",
    )
    properties: ClusterProperties = Field(
        default_factory=ClusterProperties,
        description="Cluster properties, under Pacemaker's names.",
        json_schema_extra={"default": {}},
    )
    shutdown: bool = Field(
        default=False,
        description="Stop everything on every node, cleanly, and let the nodes go: watchdogs are disarmed, and a node's heartbeat ends "
        "with its agent. An uninstallation sets it; resources run again when it is false.",
    )
    heartbeat: Heartbeat = Field(
        default_factory=Heartbeat, description="Lease timings.", json_schema_extra={**HEARTBEAT_DEFAULT}
    )
    watchdog: Watchdog | None = Field(
        default=None,
        description="Self-fencing by watchdog; left out: none, and only FenceDevices prove a death.",
    )
    fencing_topology: list[FencingLevel] = Field(
        default_factory=list,
        max_length=64,
        description="Which FenceDevices fence which nodes in which order. For a node, entries by name go before those by pattern, "
        "by label, and those without targets; a node that none matches is fenced by the devices' own levels.",
    )
    resource_defaults: ResourceMeta = Field(
        default_factory=lambda: ResourceMeta(resource_stickiness=1),
        description="Meta attributes where a resource sets none (rsc_defaults). Left out altogether: resourceStickiness 1, "
        "as pcs sets it up, so that nothing moves only to balance.",
        json_schema_extra={"default": {"resourceStickiness": 1}},
    )
    operation_defaults: OperationDefaults = Field(
        default_factory=OperationDefaults, description="Where an operation sets none (op_defaults)."
    )
    conditional_resource_defaults: list[ConditionalMeta] = Field(
        default_factory=list, max_length=16, description="Meta attributes under rules."
    )
    conditional_operation_defaults: list[ConditionalOperationDefaults] = Field(
        default_factory=list, max_length=16, description="Defaults of operations under rules."
    )
    tickets: list[TicketState] = Field(
        default_factory=list,
        max_length=64,
        description="Tickets that ticket constraints ask for; one that is not here is not granted.",
        json_schema_extra={"x-map-key": "id"},
    )
    history: History = Field(
        default_factory=History, description="How much history is kept.", json_schema_extra={"default": {}}
    )


class Counts(StatusModel):
    """How many nodes or resources there are, by state."""

    total: int = 0
    online: int | None = None
    started: int | None = None
    failed: int | None = None
    blocked: int | None = None


class LastTransition(StatusModel):
    """The newest transition."""

    number: int
    phase: str
    trigger: str = ""
    time: Timestamp | None = None


class HAClusterStatus(StatusModel):
    """Written by the DC."""

    epoch: int = Field(default=0, description="Fencing token: rises with every new DC, never goes back.")
    rewound_epoch: int = Field(
        default=0,
        description="Of the first DC after the API's history last went back (a restored etcd). What a node that has obeyed no DC since "
        "then may run is not known.",
    )
    transition_number: int = Field(default=0, description="The last transition number given out.")
    dc: str = Field(default="", description="Identity of the DC: the operator replica that decides.")
    dc_since: Timestamp | None = None
    operators: list[str] = Field(default_factory=list, description="Replicas seen, the DC included.")
    quorum: bool | None = Field(default=None, description="Whether a majority of the nodes is heard.")
    nodes: Counts | None = None
    nodes_summary: str = ""
    resources: Counts | None = None
    resources_summary: str = ""
    last_transition: LastTransition | None = None
    conditions: list[Condition] = Field(default_factory=list, json_schema_extra={"x-map-key": "type"})


class HACluster(Resource):
    """A cluster: nodes, namespaces, and the properties under which its DC schedules."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="HACluster",
        plural="haclusters",
        namespaced=False,
        short_names=("hac",),
        columns=(
            Column("DC", ".status.dc"),
            Column("Quorum", ".status.quorum", "boolean"),
            Column("Nodes", ".status.nodesSummary"),
            Column("Resources", ".status.resourcesSummary"),
            Column("Transition", ".status.transitionNumber", "integer"),
            Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            Column("Epoch", ".status.epoch", "integer", priority=1),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )
    spec: HAClusterSpec = Field(default_factory=HAClusterSpec)
    status: HAClusterStatus = Field(default_factory=HAClusterStatus)
