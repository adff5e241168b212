"""From Kubernetes objects to the scheduler's input: `assemble(objects, ...) -> Assembly`.

Assumes parsed models (backstay.api) and judgements already made about nodes (backstay.liveness). It refuses nothing: what is wrong in
the configuration becomes a `Problem` that names the object and the fix, and the object is left out, so that one bad manifest
never stops the rest of the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.api import ClusterProperties as ApiProperties
from backstay.api import (
    FenceDevice,
    HACluster,
    HAConstraint,
    HANode,
    HANodePlan,
    HAResource,
    ResourceGroup,
)
from backstay.api.quantities import duration_ms, score_value, timestamp_seconds
from backstay.state.assemble_constraints import constraints_of
from backstay.state.assemble_history import Shelf, fail_counts_of
from backstay.state.assemble_problem import Problem
from backstay.state.assemble_resources import (
    ResourceIndex,
    conditional_meta,
    conditional_operation_defaults,
    operation_defaults,
    resource_meta,
)
from backstay.state.choices import (
    HealthStrategy,
    NoQuorumPolicy,
    PlacementStrategy,
    Requires,
)
from backstay.state.cluster import ClusterProperties, ClusterState
from backstay.state.constraint import Constraint
from backstay.state.history import Ticket
from backstay.state.kept import Kept, Same
from backstay.state.node import UNFENCED, Node
from backstay.state.placeholder import Key, Unread
from backstay.state.reach import Reach, reach_of
from backstay.state.resource import MetaSet, Operation, OperationSet, Primitive, ResourceMeta, primitives_of
from backstay.state.seniority import position_of, seniority


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeJudgement:
    """What liveness knows of a node. `history_counts`: its plan status describes the boot that is judged."""

    name: str
    online: bool = False
    unclean: bool = False
    pending: bool = False
    seen: bool = True
    reason: str = ""
    history_counts: bool = True
    released: bool = False
    """It is cut off and its lease has run out: what needs no fencing has been stopped there, by the protocol."""
    fence_requested: bool = False
    fence_action: str = ""
    fence_withheld: bool = False
    """Unclean, and not to be fenced by its name unless an administrator asks for it."""
    let_in: bool = False
    """By every device that unfences."""
    frozen: bool = False
    """Alive, but its agent has not answered this DC: what runs there is left alone, and nothing new is sent."""
    starts_nothing: bool = False
    """Its host's disk takes no records: what is active there stays, nothing is started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """All objects of one cluster, parsed."""

    cluster: HACluster
    nodes: tuple[HANode, ...] = ()
    resources: tuple[HAResource, ...] = ()
    groups: tuple[ResourceGroup, ...] = ()
    constraints: tuple[HAConstraint, ...] = ()
    devices: tuple[FenceDevice, ...] = ()
    plans: Mapping[str, HANodePlan] = field(default_factory=dict)
    node_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unreadable: frozenset[Key] = frozenset()
    """HAResources and ResourceGroups that are here as placeholders: they are held back, with what depends on them."""
    unread: tuple[Unread, ...] = ()
    """Other objects that cannot be read."""
    leaving: Mapping[str, str] = field(default_factory=dict)
    """Members that are to leave the cluster, and why: drained like a node in standby (design note 0013)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """The state, what was wrong, and how ids and objects correspond."""

    state: ClusterState
    problems: tuple[Problem, ...]
    index: ResourceIndex
    requires: Mapping[str, Requires]
    """Effective `requires` of each primitive."""
    faulty: Mapping[str, str] = field(default_factory=dict)
    """Primitives that must not be started, and the code of what is wrong with their definition."""


def assemble(
    objects: Objects,
    *,
    judgements: Mapping[str, NodeJudgement],
    now: float,
    quorum: bool,
    extra: tuple[Constraint, ...] = (),
    unfencing: tuple[str, ...] = (),
    memory: Memory | None = None,
) -> Assembly:
    """The scheduler's input. `now` is epoch seconds; `extra` are constraints that stand in no object (moves in progress);
    `unfencing` names the devices that nodes must be let in by. With the `memory` of an earlier call only what was made of other
    objects then is made anew; the answer is the same."""
    memory = Memory() if memory is None else memory
    spec = objects.cluster.spec
    settings = memory.settings.of((objects.cluster,), lambda: _settings(objects.cluster))
    properties, defaults = settings.properties, settings.defaults
    reach = memory.reach.of(reach_of(objects.cluster))
    index = memory.index.of(
        (*_definitions(objects, memory), reach),
        lambda: ResourceIndex.build(
            objects.resources, objects.groups, objects.devices, before=memory.index.last, reach=reach
        ),
    )
    constraints, constraint_problems = memory.constraints.of(
        (index, *objects.constraints), lambda: constraints_of(objects.constraints, index)
    )
    requires = memory.requires.of(
        (index, settings, bool(unfencing)), lambda: _requires(index, settings, unfencing=bool(unfencing))
    )
    state = ClusterState(
        now=now,
        nodes=tuple(
            _node(node, judgements.get(node.metadata.name), objects)
            for node in sorted(objects.nodes, key=lambda one: position_of(one.metadata))
        ),
        resources=index.resources,
        constraints=(*constraints, *extra),
        histories=memory.shelf.histories_of(objects.plans, judgements=judgements, requires=requires),
        fail_counts=fail_counts_of(
            objects.plans, judgements=judgements, fatal_start=properties.start_failure_is_fatal
        ),
        fencing_devices=tuple(sorted(device.metadata.name for device in objects.devices)),
        unfencing_devices=unfencing,
        properties=properties,
        resource_defaults=defaults,
        operation_defaults=settings.operation_defaults,
        resource_default_sets=settings.resource_sets,
        operation_default_sets=settings.operation_sets,
        tickets=tuple(
            Ticket(
                id=ticket.id,
                granted=ticket.granted,
                standby=ticket.standby,
                last_granted=timestamp_seconds(ticket.last_granted) if ticket.last_granted else None,
            )
            for ticket in spec.tickets
        ),
        have_quorum=quorum,
        dc=None,
        cluster_name=objects.cluster.metadata.name,
    )
    return Assembly(
        state=state,
        problems=(*index.problems, *constraint_problems, *settings.problems),
        index=index,
        requires=requires,
        faulty={**_unreadable(index, objects.unreadable), **index.faulty},
    )


def _unreadable(index: ResourceIndex, keys: frozenset[Key]) -> dict[str, str]:
    """Primitives of unreadable objects: a group's members are its own."""
    if not keys:
        return {}
    ids = {id_ for id_, ref in index.objects.items() if (ref.kind, ref.namespace, ref.name) in keys}
    return {id_: "Invalid" for id_ in index.templates if id_ in ids or index.group_of.get(id_) in ids}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """What the HACluster says."""

    properties: ClusterProperties
    defaults: ResourceMeta
    operation_defaults: Operation
    resource_sets: tuple[MetaSet, ...]
    operation_sets: tuple[OperationSet, ...]
    problems: tuple[Problem, ...]


class Memory:
    """What one assembling leaves for the next: parts of it, by what they were made of."""

    def __init__(self) -> None:
        self.settings: Kept[_Settings] = Kept()
        self.names: Same[tuple[object, ...]] = Same()
        self.reach: Same[Reach] = Same()
        self.index: Kept[ResourceIndex] = Kept()
        self.constraints: Kept[tuple[tuple[Constraint, ...], tuple[Problem, ...]]] = Kept()
        self.requires: Kept[Mapping[str, Requires]] = Kept()
        self.shelf = Shelf()


def _definitions(objects: Objects, memory: Memory) -> tuple[object, ...]:
    """What the index is made of: specs, and what tells objects apart. Statuses, of which the DC writes thousands, are no part of it."""
    kinds = (objects.resources, objects.groups, objects.devices)
    names = tuple(tuple((one.metadata.uid, *seniority(one.metadata)) for one in items) for items in kinds)
    return (*(one.spec for items in kinds for one in items), memory.names.of(names))


def _settings(cluster: HACluster) -> _Settings:
    resource_sets, operation_sets, problems = _defaults_under_rules(cluster)
    return _Settings(
        properties=_properties(cluster.spec.properties, shutdown=cluster.spec.shutdown),
        defaults=resource_meta(cluster.spec.resource_defaults),
        operation_defaults=operation_defaults(cluster.spec.operation_defaults),
        resource_sets=resource_sets,
        operation_sets=operation_sets,
        problems=problems,
    )


def _requires(index: ResourceIndex, settings: _Settings, *, unfencing: bool) -> Mapping[str, Requires]:
    return {
        item.id: effective_requires(
            item,
            index=index,
            defaults=settings.defaults,
            properties=settings.properties,
            unfencing=unfencing,
        )
        for resource in index.resources
        for item in primitives_of(resource)
    }


def _defaults_under_rules(
    cluster: HACluster,
) -> tuple[tuple[MetaSet, ...], tuple[OperationSet, ...], tuple[Problem, ...]]:
    spec = cluster.spec
    try:
        return (
            conditional_meta(spec.conditional_resource_defaults, "resource-defaults"),
            conditional_operation_defaults(spec.conditional_operation_defaults),
            (),
        )
    except ValueError as error:
        problem = Problem(
            kind="HACluster", namespace="", name=cluster.metadata.name, code="InvalidRule",
            message=f"a rule of the defaults: {error}", field="spec",
        )  # fmt: skip
        return (), (), (problem,)


def effective_requires(
    primitive: Primitive,
    *,
    index: ResourceIndex,
    defaults: ResourceMeta,
    properties: ClusterProperties,
    unfencing: bool = False,
) -> Requires:
    """`requires` after inheritance: the resource, its group, the cluster's defaults, then Pacemaker's own default
    ("Pacemaker Explained", Resource Meta-Attributes: unfencing if a device does that, fencing if it is enabled, else quorum)."""
    own = primitive.meta.requires
    if own is None:
        group = index.group_meta.get(primitive.id)
        own = group.requires if group is not None else None
    if own is None:
        own = defaults.requires
    if own is not None:
        return own
    if not properties.fencing_enabled:
        return Requires.QUORUM
    return Requires.UNFENCING if unfencing else Requires.FENCING


def _properties(spec: ApiProperties, *, shutdown: bool) -> ClusterProperties:
    policy = {"suicide": "fence"}.get(spec.no_quorum_policy, spec.no_quorum_policy)
    if shutdown and policy == "fence":
        policy = "stop"  # nodes leave one after the other: nobody fences those that are left for that
    return ClusterProperties(
        symmetric_cluster=spec.symmetric_cluster,
        maintenance_mode=spec.maintenance_mode,
        no_quorum_policy=NoQuorumPolicy(policy),
        fencing_enabled=spec.stonith_enabled,
        fencing_action=spec.stonith_action,
        fencing_timeout_ms=duration_ms(spec.stonith_timeout),
        concurrent_fencing=spec.concurrent_fencing,
        startup_fencing=spec.startup_fencing,
        start_failure_is_fatal=spec.start_failure_is_fatal,
        enable_startup_probes=spec.enable_startup_probes,
        stop_all_resources=spec.stop_all_resources,
        stop_removed_resources=spec.stop_orphan_resources,
        cancel_removed_actions=spec.stop_orphan_actions,
        remove_after_stop=True,
        shutdown_lock=spec.shutdown_lock,
        shutdown_lock_limit_ms=duration_ms(spec.shutdown_lock_limit),
        placement_strategy=PlacementStrategy(spec.placement_strategy),
        node_health_strategy=HealthStrategy(spec.node_health_strategy),
        node_health_base=score_value(spec.node_health_base),
        node_health_green=score_value(spec.node_health_green),
        node_health_yellow=score_value(spec.node_health_yellow),
        node_health_red=score_value(spec.node_health_red),
        batch_limit=spec.batch_limit,
        migration_limit=spec.migration_limit,
        priority_fencing_delay_ms=duration_ms(spec.priority_fencing_delay),
    )


def _node(node: HANode, judgement: NodeJudgement | None, objects: Objects) -> Node:
    name = node.metadata.name
    verdict = judgement or NodeJudgement(name=name, seen=False)
    labels = objects.node_labels.get(name, {})
    return Node(
        name=name,
        online=verdict.online,
        unclean=verdict.unclean,
        unclean_reason=verdict.reason if verdict.unclean else "",
        pending=verdict.pending,
        standby=node.spec.standby
        or node.spec.shutdown
        or objects.cluster.spec.shutdown
        or name in objects.leaving,
        maintenance=node.spec.maintenance or verdict.frozen,
        # Asked to leave in Pacemaker means that the node's daemons end afterwards; our agent stays and votes, so a node that is
        # stopped is one in standby that people see as stopped.
        shutdown=False,
        seen=verdict.seen,
        starts_nothing=verdict.starts_nothing,
        fence_requested=verdict.fence_requested,
        discovery=node.spec.attributes.get("resource-discovery-enabled", "true").lower()
        not in ("false", "no", "off", "0"),
        fence_action=verdict.fence_action,
        fence_withheld=verdict.fence_withheld,
        transient={UNFENCED: "1"} if verdict.let_in else {},
        attributes={**labels, **node.spec.attributes},
        utilization=node.spec.utilization,
    )
