"""Make the scheduler's resources from the configured ones: inheritance of meta attributes, instances of
clones.

Clone instances are made here by number; which node's history belongs to which instance is `observe`'s
business. Bundles are refused by leaving them out (the caller lists them as unsupported).
"""

import re
from dataclasses import dataclass, replace

from backstay.numerals import whole
from backstay.scheduler.situation import Effective, Kind, NodeView, Resource, Situation
from backstay.state.choices import MultipleActive, NodeKind, Requires
from backstay.state.cluster import ClusterState
from backstay.state.resource import Clone, Group, MetaSet, Primitive, ResourceMeta, primitives_of
from backstay.state.resource import Resource as Configured
from backstay.state.rule_match import Facts, matches
from backstay.state.score import INFINITY


def situation_of(state: ClusterState) -> Situation:
    """Nodes and resources of a state, nothing observed yet."""
    nodes = [
        NodeView(
            node=node,
            index=position,
            unclean=node.unclean,
            standby=node.standby,
            unclean_reason=node.unclean_reason,
        )
        for position, node in enumerate(sorted(state.nodes, key=lambda one: natural(one.name)))
    ]
    builder = _Builder(state)
    resources = [made for one in state.resources if (made := builder.build(one)) is not None]
    situation = Situation(
        state=state,
        nodes=nodes,
        resources=resources,
        by_id=builder.by_id,
        node_by_name={view.name: view for view in nodes},
        instances_of=builder.instances_of,
        configured={one.id: one for one in state.resources},
    )
    for position, one in enumerate(every(situation)):
        one.index = position
    return situation


def every(situation: Situation) -> list[Resource]:
    """All resources at all levels, parents first."""
    found: list[Resource] = []
    stack = list(reversed(situation.resources))
    while stack:
        one = stack.pop()
        found.append(one)
        stack += reversed(one.children)
    return found


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """A sort key under which node2 comes before node10."""
    parts = [part for part in re.split(r"([0-9]+)", name) if part]
    numbers = [whole(part) for part in parts]
    return tuple(
        (0, number) if number is not None else (1, part.lower())
        for part, number in zip(parts, numbers, strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneSize:
    """How many instances a clone has, and where."""

    instances: int
    per_node: int
    promoted: int
    promoted_per_node: int
    promotable: bool
    unique: bool
    interleave: bool
    ordered: bool
    notify: bool
    clone_min: int


def clone_size(meta: ResourceMeta, *, nodes: int) -> CloneSize:
    """The numbers of a clone; by default one instance per node."""
    promotable = bool(meta.promotable)
    instances = meta.clone_max if meta.clone_max is not None and meta.clone_max >= 0 else max(1, nodes)
    promoted = 1 if meta.promoted_max is None else max(0, meta.promoted_max)
    return CloneSize(
        instances=instances,
        per_node=1 if meta.clone_node_max is None else meta.clone_node_max,
        promoted=min(promoted, instances) if promotable else 0,
        promoted_per_node=1 if meta.promoted_node_max is None else meta.promoted_node_max,
        promotable=promotable,
        unique=bool(meta.globally_unique),
        interleave=bool(meta.interleave),
        ordered=bool(meta.ordered),
        notify=bool(meta.notify),
        clone_min=meta.clone_min or 0,
    )


class _Builder:
    def __init__(self, state: ClusterState) -> None:
        self.state = state
        self.by_id: dict[str, Resource] = {}
        self.instances_of: dict[str, list[Resource]] = {}
        self._unfencing = bool(state.unfencing_devices) or any(
            leaf.agent.is_fencing and "unfencing" in leaf.meta.extra.get("provides", "")
            for one in state.resources
            for leaf in primitives_of(one)
        )
        self._over: dict[tuple[int, int], tuple[ResourceMeta, ...]] = {}  # by identity, which it keeps
        self._effects: dict[tuple[int, bool], tuple[Effective, ResourceMeta]] = {}
        self._members = sum(1 for node in state.nodes if node.kind is NodeKind.MEMBER)

    def build(self, configured: Configured) -> Resource | None:
        match configured:
            case Primitive():
                return self._primitive(configured, parents=(), parent=None, suffix="")
            case Group():
                return self._group(configured, parents=(), parent=None, suffix="")
            case Clone():
                return self._clone(configured)
            case _:
                return None

    def _primitive(
        self, one: Primitive, *, parents: tuple[ResourceMeta, ...], parent: Resource | None, suffix: str
    ) -> Resource:
        meta = self._meta(one, parents)
        made = Resource(
            id=one.id + suffix,
            base_id=one.id,
            kind=Kind.PRIMITIVE,
            meta=self._effective(meta, one),
            parent=parent,
            primitive=one,
        )
        self._register(made)
        return made

    def _group(
        self, one: Group, *, parents: tuple[ResourceMeta, ...], parent: Resource | None, suffix: str
    ) -> Resource:
        meta = self._meta(one, parents)
        made = Resource(
            id=one.id + suffix,
            base_id=one.id,
            kind=Kind.GROUP,
            meta=self._effective(meta, None),
            parent=parent,
        )
        self._register(made)
        own = (self._own_meta(one), *parents)
        for member in one.members:
            made.children.append(self._primitive(member, parents=own, parent=made, suffix=suffix))
        return made

    def _clone(self, one: Clone) -> Resource:
        meta = self._meta(one, ())
        if meta.globally_unique is None and (meta.clone_node_max or 1) > 1:
            meta = replace(meta, globally_unique=True)  # several on one node must be told apart
        made = Resource(id=one.id, base_id=one.id, kind=Kind.CLONE, meta=self._effective(meta, None))
        self._register(made)
        size = clone_size(meta, nodes=self._members)
        for number in range(size.instances):
            self.add_instance(made, one, number)
        return made

    def add_instance(self, made: Resource, one: Clone, number: int) -> Resource:
        """One more instance of a clone."""
        parents = (self._own_meta(one),)
        suffix = f":{number}"
        child = (
            self._primitive(one.child, parents=parents, parent=made, suffix=suffix)
            if isinstance(one.child, Primitive)
            else self._group(one.child, parents=parents, parent=made, suffix=suffix)
        )
        made.children.append(child)
        return child

    def _register(self, made: Resource) -> None:
        self.by_id.setdefault(made.base_id, made)
        self.instances_of.setdefault(made.base_id, []).append(made)

    def _own_meta(self, one: Primitive | Group | Clone) -> ResourceMeta:
        agent = one.agent if isinstance(one, Primitive) else None
        return _conditional(one.meta, one.meta_sets, Facts(now=self.state.now, agent=agent))

    def _meta(self, one: Primitive | Group | Clone, parents: tuple[ResourceMeta, ...]) -> ResourceMeta:
        meta = self._own_meta(one)
        for parent in parents:
            meta = self._merged(meta, parent)
        agent = one.agent if isinstance(one, Primitive) else None
        defaults = _conditional(
            self.state.resource_defaults,
            self.state.resource_default_sets,
            Facts(now=self.state.now, agent=agent),
        )
        return self._merged(meta, defaults)

    def _merged(self, meta: ResourceMeta, base: ResourceMeta) -> ResourceMeta:
        """Most resources set nothing, or what others set too: the same over the same is worked out once."""
        found = self._over.get((id(meta), id(base)))
        if found is None:
            found = self._over[(id(meta), id(base))] = (meta.over(base), meta, base)
        return found[0]

    def _effective(self, meta: ResourceMeta, primitive: Primitive | None) -> Effective:
        key = (id(meta), primitive is not None and primitive.agent.is_fencing)
        found = self._effects.get(key)
        if found is None:
            found = self._effects[key] = (self._made_effective(meta, primitive), meta)
        return found[0]

    def _made_effective(self, meta: ResourceMeta, primitive: Primitive | None) -> Effective:
        properties = self.state.properties
        managed = True if meta.is_managed is None else meta.is_managed
        return Effective(
            priority=meta.priority or 0,
            target_role=meta.target_role,
            is_managed=managed,
            maintenance=bool(meta.maintenance) or properties.maintenance_mode,
            critical=meta.critical is not False,
            stickiness=meta.resource_stickiness or 0,
            requires=_requires(
                meta, primitive, fencing=properties.fencing_enabled, unfencing=self._unfencing
            ),
            migration_threshold=INFINITY if meta.migration_threshold is None else meta.migration_threshold,
            failure_timeout_ms=meta.failure_timeout_ms or 0,
            multiple_active=meta.multiple_active or MultipleActive.STOP_START,
            allow_migrate=bool(meta.allow_migrate),
            allow_unhealthy_nodes=bool(meta.allow_unhealthy_nodes),
            raw=meta,
        )


def _conditional(meta: ResourceMeta, sets: tuple[MetaSet, ...], facts: Facts) -> ResourceMeta:
    for one in sorted(sets, key=lambda candidate: candidate.score):
        if matches(one.rule, facts):
            meta = one.meta.over(meta)
    return meta


def _requires(meta: ResourceMeta, primitive: Primitive | None, *, fencing: bool, unfencing: bool) -> Requires:
    """Pacemaker's default: fence devices need quorum, the rest needs fencing if that is enabled at all."""
    is_device = primitive is not None and primitive.agent.is_fencing
    if meta.requires is None:
        if unfencing and fencing and not is_device:
            return Requires.UNFENCING
        return Requires.FENCING if fencing and not is_device else Requires.QUORUM
    if meta.requires in (Requires.FENCING, Requires.UNFENCING) and not fencing:
        return Requires.QUORUM
    if meta.requires is Requires.UNFENCING and is_device:
        return Requires.QUORUM
    return meta.requires
