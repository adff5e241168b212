"""The scheduler's view of a cluster: nodes and resource instances, with what was observed about each.

These objects are made fresh for every scheduling and filled in by one phase each: `tree` makes them,
`observe` fills in what the histories say. From `placement` on they are read only; later phases keep their
results in types of their own. Nothing of them leaves the scheduler except through frozen results.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from backstay.state.choices import (
    WITHOUT_FENCING,
    MultipleActive,
    NodeKind,
    OnFail,
    Requires,
    Role,
)
from backstay.state.cluster import ClusterProperties, ClusterState
from backstay.state.history import OpRecord, ResourceHistory
from backstay.state.node import Node
from backstay.state.resource import Agent, Operation, Primitive, ResourceMeta
from backstay.state.resource import Resource as Configured


@dataclass(slots=True, eq=False)
class NodeView:
    """A node, with the judgements the histories add to it."""

    node: Node
    index: int  # position among all nodes, sorted by name: the deterministic tie-breaker
    unclean: bool
    standby: bool
    unclean_reason: str = ""
    standby_on_failure: bool = False
    fence: bool = False  # shall be fenced (unclean, and not only because there is no quorum)
    fence_reason: str = ""
    health: str | None = None  # RED or YELLOW, when a health strategy makes it matter
    count: int = 0  # instances placed here so far

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def online(self) -> bool:
        return self.node.online

    @property
    def usable(self) -> bool:
        """Whether resources may be placed here."""
        node = self.node
        return (
            node.online
            and node.kind is not NodeKind.PING
            and not self.unclean
            and not self.standby
            and not self.standby_on_failure
            and not node.pending
            and not node.shutdown
            and not node.maintenance
        )

    def __repr__(self) -> str:
        return f"NodeView({self.name})"


class Kind(Enum):
    PRIMITIVE = "primitive"
    GROUP = "group"
    CLONE = "clone"


@dataclass(frozen=True, slots=True)
class Effective:
    """Meta attributes after inheritance and defaults."""

    priority: int
    target_role: Role | None
    is_managed: bool
    maintenance: bool
    critical: bool
    stickiness: int
    requires: Requires
    migration_threshold: int
    failure_timeout_ms: int
    multiple_active: MultipleActive
    allow_migrate: bool
    allow_unhealthy_nodes: bool
    raw: ResourceMeta


@dataclass(slots=True, eq=False)
class Activity:
    """What one node's history says about one instance."""

    node: NodeView
    history: ResourceHistory
    role: Role = Role.STOPPED
    failed: bool = False
    on_fail: OnFail | None = None  # the worst that the history calls for; None: nothing failed
    failure_ignored: bool = False
    pending: str = ""  # the operation under way (the first of several), "" if none
    starting: bool = False  # a start is under way, or was when this was recorded
    failed_record: OpRecord | None = None
    expired: bool = False  # a failure on record there is older than the failure timeout
    known: bool = False  # a probe or any other result tells whether it runs
    hard_error: OpRecord | None = None  # can not run on this node
    fatal_error: OpRecord | None = None  # can not run anywhere
    stop_failed: bool = False
    not_installed: bool = False
    records: tuple[OpRecord, ...] = ()  # by call id
    left: OpRecord | None = None  # the latest `migrate_to`, unless it was started here anew since
    stopped_since: bool = False  # a stop succeeded after that
    stopping_since: bool = False  # a stop is under way since
    arrived: OpRecord | None = None  # the latest `migrate_from` that ended
    plain: bool = False  # says just that it was probed, and is not there
    obsolete: bool = False  # recorded of another kind of resource by the same name

    @property
    def active(self) -> bool:
        return self.role not in (Role.STOPPED, Role.UNKNOWN)


@dataclass(frozen=True, slots=True, eq=False)
class Handover:
    """A live migration that was not finished. Without a source nothing is left to hand over: the copy on the
    target has to be restarted."""

    source: NodeView | None
    target: NodeView
    rumour: bool = False  # it left badly, and was stopped where it left: it counts as there, but stopped


@dataclass(slots=True, eq=False)
class Resource:
    """A primitive, a group or a clone as the scheduler sees it; instances of clones are resources of their
    own."""

    id: str  # as printed: instances of clones carry a number
    base_id: str  # as configured
    kind: Kind
    meta: Effective
    parent: "Resource | None" = None
    children: list["Resource"] = field(default_factory=list)
    primitive: Primitive | None = None
    orphan: bool = False
    surplus: bool = False  # an instance beyond the clone's number, found running
    index: int = 0  # in configuration order
    # observed (primitives only)
    activities: dict[str, Activity] = field(
        default_factory=dict
    )  # by node name; not those that are just absent
    absent: dict[str, ResourceHistory] = field(
        default_factory=dict
    )  # by node name: asked once, and not there
    noted: list[Activity] = field(default_factory=list)  # those that say more than "probed, and not there"
    active_on: list[NodeView] = field(default_factory=list)
    pending: str = ""  # the operation under way, as the first node that has one says; "" if none
    pending_on: NodeView | None = None  # that node
    starting: bool = False  # its start is under way somewhere: it is repeated where it runs
    role: Role = Role.STOPPED
    failed: bool = False
    blocked: bool = False
    blocked_as_multiple: bool = False
    managed: bool = True
    maintained: bool = False
    stop_wanted: bool = False  # on-fail=stop, or several active and stop_only
    stop_unexpected: bool = False
    restart_wanted: bool = False  # something inside this container failed
    handover: Handover | None = None
    dangling: list[NodeView] = field(default_factory=list)  # it was handed over from there; clean up
    container: "Resource | None" = None
    is_container: bool = False
    failure_ignored: bool = False
    fail_role: Role | None = None
    lock_node: NodeView | None = None
    known_as: str = ""  # clone instances: the name that nodes' histories have for it
    node_names: list[str] = field(default_factory=list)  # clones: every member node, sorted
    seen_on: list[str] = field(default_factory=list)  # clones: those of them where it might be

    @property
    def agent(self) -> Agent:
        assert self.primitive is not None
        return self.primitive.agent

    @property
    def node_name(self) -> str:
        """What a node calls it: instances of anonymous clones may go by another number, or none."""
        return self.known_as or self.id

    @property
    def operations(self) -> tuple[Operation, ...]:
        return () if self.primitive is None else self.primitive.operations

    @property
    def top(self) -> "Resource":
        one = self
        while one.parent is not None:
            one = one.parent
        return one

    @property
    def clone(self) -> "Resource | None":
        """The clone this is an instance (or part of an instance) of."""
        one: Resource | None = self
        while one is not None and one.kind is not Kind.CLONE:
            one = one.parent
        return one

    def is_known_on(self, node: NodeView) -> bool:
        """Whether the node was asked, or anything else tells whether it runs there."""
        if node.name in self.absent:
            return True
        activity = self.activities.get(node.name)
        return activity is not None and activity.known

    def holds(self, other: "Resource") -> bool:
        """Whether it is that resource, or the group or clone that it is in."""
        one: Resource | None = other
        while one is not None and one is not self:
            one = one.parent
        return one is self

    def leaves(self) -> Iterator["Resource"]:
        """The primitives in it, in order."""
        if self.kind is Kind.PRIMITIVE:
            yield self
        for child in self.children:
            yield from child.leaves()

    @property
    def places(self) -> list[NodeView]:
        """Where it counts as active, the first being the one that is meant. What waits for no fencing is harmless on a node
        that is gone, a fence device on any that is about to be cut off: if one is left it counts alone. Of several the
        first on a clean node is meant."""
        if len(self.active_on) < 2 or self.meta.requires not in WITHOUT_FENCING:
            return self.active_on
        left = [node for node in self.active_on if not node.unclean or (node.online and not self.is_fencing)]
        return left if len(left) == 1 else sorted(self.active_on, key=lambda node: node.unclean)

    @property
    def is_fencing(self) -> bool:
        return self.primitive is not None and self.primitive.agent.is_fencing

    def __repr__(self) -> str:
        return f"Resource({self.id})"


@dataclass(slots=True, eq=False)
class Situation:
    """Everything observed. `by_id` finds resources by configured id (of clones: the clone, not instances)."""

    state: ClusterState
    nodes: list[NodeView]  # sorted by name
    resources: list[Resource]  # top level, configuration order, then orphans
    by_id: dict[str, Resource]
    node_by_name: dict[str, NodeView]
    configured: dict[str, Configured] = field(default_factory=dict)  # top level, by id
    instances_of: dict[str, list[Resource]] = field(default_factory=dict)  # configured id -> instances

    @property
    def properties(self) -> ClusterProperties:
        return self.state.properties

    def leaves(self) -> Iterator[Resource]:
        for one in self.resources:
            yield from one.leaves()

    @property
    def fencing_devices_exist(self) -> bool:
        return bool(self.state.fencing_devices) or any(leaf.is_fencing for leaf in self.leaves())
