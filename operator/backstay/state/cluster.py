"""The whole input of one scheduling: everything known about a cluster at one moment.

`backstay.cib.parse_cib` builds it from a CIB, `backstay.state.assemble` from Kubernetes objects. It is a
value: nothing in it changes, `schedule` reads it and the clock is its `now`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.state.choices import HealthStrategy, NoQuorumPolicy, PlacementStrategy
from backstay.state.constraint import Constraint
from backstay.state.history import FailCount, ResourceHistory, Ticket
from backstay.state.node import Node
from backstay.state.resource import MetaSet, Operation, OperationSet, Resource, ResourceMeta


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterProperties:
    """Cluster options under Pacemaker's names (new spelling), typed, with Pacemaker's defaults."""

    symmetric_cluster: bool = True
    maintenance_mode: bool = False
    no_quorum_policy: NoQuorumPolicy = NoQuorumPolicy.STOP
    fencing_enabled: bool = True
    manage_without_devices: bool = True  # with fencing enabled, but nothing to fence with; Pacemaker does not
    trust_maintenance: bool = (
        True  # what an unreachable node in maintenance runs stays there; Pacemaker asks for fencing
    )
    fencing_action: str = "reboot"
    fencing_timeout_ms: int = 60_000
    concurrent_fencing: bool = True
    startup_fencing: bool = True
    have_watchdog: bool = False
    fencing_watchdog_timeout_ms: int = 0
    priority_fencing_delay_ms: int = 0
    node_pending_timeout_ms: int = 0
    start_failure_is_fatal: bool = True
    enable_startup_probes: bool = True
    stop_all_resources: bool = False
    stop_removed_resources: bool = True
    cancel_removed_actions: bool = True
    remove_after_stop: bool = False
    shutdown_lock: bool = False
    shutdown_lock_limit_ms: int = 0
    placement_strategy: PlacementStrategy = PlacementStrategy.DEFAULT
    node_health_strategy: HealthStrategy = HealthStrategy.NONE
    node_health_base: int = 0
    node_health_green: int = 0
    node_health_yellow: int = 0
    node_health_red: int = -1_000_000
    cluster_delay_ms: int = 60_000
    batch_limit: int = 0  # actions in flight at once; 0: no limit
    migration_limit: int = -1
    default_action_timeout_ms: int = 20_000
    extra: Mapping[str, str] = field(default_factory=dict)  # everything else, as written


@dataclass(frozen=True, slots=True, kw_only=True)
class FencingLevel:
    """Devices tried together as one step of fencing a target; lower index first. Exactly one target is set."""

    index: int
    devices: tuple[str, ...]
    target: str | None = None
    target_pattern: str | None = None
    target_attribute: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterState:
    """`now` is epoch seconds. Fencing devices are primitives with a `stonith:` agent among the resources."""

    now: float
    nodes: tuple[Node, ...] = ()
    resources: tuple[Resource, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    histories: tuple[ResourceHistory, ...] = ()
    fail_counts: tuple[FailCount, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    fencing_levels: tuple[FencingLevel, ...] = ()
    fencing_devices: tuple[
        str, ...
    ] = ()  # names of devices that are no resources (Backstay's FenceDevice objects)
    unfencing_devices: tuple[str, ...] = ()  # those of them that nodes must be let in by
    properties: ClusterProperties = field(default_factory=ClusterProperties)
    resource_defaults: ResourceMeta = field(default_factory=ResourceMeta)
    operation_defaults: Operation = field(default_factory=lambda: Operation(name=""))
    resource_default_sets: tuple[MetaSet, ...] = ()
    operation_default_sets: tuple[OperationSet, ...] = ()
    have_quorum: bool = True
    dc: str | None = None  # node name
    cluster_name: str = ""
