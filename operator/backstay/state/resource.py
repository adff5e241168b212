"""What the cluster shall run: primitives, groups, clones, and the operations on them.

Meta attributes are typed and optional: None means "not set here", so that a child can inherit from its
parent and all from the cluster's defaults. `ResourceMeta.over` does one step of that inheritance. Units are
in the names. Ids are Pacemaker ids and unique within a cluster; whoever builds a ClusterState guarantees
it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache

from backstay.state.choices import MultipleActive, OnFail, Requires, Role
from backstay.state.rule import AttributeSet, Rule


@dataclass(frozen=True, slots=True, order=True)
class Agent:
    """Names an agent: `ocf:heartbeat:IPaddr2`, `systemd:nginx`, `stonith:fence_xvm`."""

    standard: str
    type: str
    provider: str = ""

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(spec: str) -> "Agent":
        """`standard:type` or `standard:provider:type`. Raises ValueError on anything else."""
        parts = spec.split(":")
        if len(parts) < 2 or not all(parts):
            raise ValueError(f"not an agent: {spec!r}")
        if parts[0] == "ocf":
            if len(parts) != 3:
                raise ValueError(f"an OCF agent is ocf:provider:type, not {spec!r}")
            return Agent.shared(standard="ocf", provider=parts[1], type=parts[2])
        return Agent.shared(standard=parts[0], provider="", type=":".join(parts[1:]))

    def __str__(self) -> str:
        return ":".join(part for part in (self.standard, self.provider, self.type) if part)

    @property
    def is_fencing(self) -> bool:
        return self.standard == "stonith"

    @staticmethod
    @lru_cache(maxsize=4096)
    def shared(*, standard: str, type: str, provider: str) -> "Agent":
        """One and the same for everything that names it, so that comparing two costs nothing."""
        return Agent(standard=standard, type=type, provider=provider)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceMeta:
    """Meta attributes. None: not set here. Those of clones make sense on clones only."""

    priority: int | None = None
    target_role: Role | None = None
    is_managed: bool | None = None
    maintenance: bool | None = None
    critical: bool | None = None
    resource_stickiness: int | None = None
    requires: Requires | None = None
    migration_threshold: int | None = None
    failure_timeout_ms: int | None = None
    multiple_active: MultipleActive | None = None
    allow_migrate: bool | None = None
    allow_unhealthy_nodes: bool | None = None
    container: str | None = None  # id of the resource in which this one runs
    remote_node: str | None = None  # this resource is a guest node of that name
    # clones
    clone_max: int | None = None
    clone_node_max: int | None = None
    clone_min: int | None = None
    promotable: bool | None = None
    promoted_max: int | None = None
    promoted_node_max: int | None = None
    notify: bool | None = None
    globally_unique: bool | None = None
    ordered: bool | None = None
    interleave: bool | None = None
    extra: Mapping[str, str] = field(default_factory=dict)  # everything else, as written

    def over(self, base: "ResourceMeta") -> "ResourceMeta":
        """This one's values, and the base's where this one has none."""
        if base == NOTHING_SET:
            return self
        if self == NOTHING_SET:
            return base
        merged = {
            name: getattr(base, name) if getattr(self, name) is None else getattr(self, name)
            for name in _META_FIELDS
        }
        return ResourceMeta(extra={**base.extra, **self.extra}, **merged)


NOTHING_SET = ResourceMeta()
_META_FIELDS = tuple(f.name for f in fields(ResourceMeta) if f.name != "extra")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaSet:
    """Meta attributes that apply while a rule holds, and then win over unconditional ones."""

    meta: ResourceMeta
    rule: Rule
    score: int = 0
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """How one operation of a resource is to be run. None: not set here (the cluster's default applies)."""

    name: str
    interval_ms: int = 0
    timeout_ms: int | None = None
    on_fail: OnFail | None = None
    enabled: bool | None = None
    role: Role | None = None  # the role in which a recurring monitor runs; None: Started (and Unpromoted)
    start_delay_ms: int = 0
    interval_origin: float | None = None  # epoch seconds at which a recurring operation is anchored
    record_pending: bool | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)  # other meta attributes, as written
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSet:
    """Defaults for operations that apply while a rule (on the agent, the operation, the date) holds."""

    defaults: Operation
    rule: Rule
    score: int = 0
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Primitive:
    """One service. `params` is what stands outside of all rules. If rules are used, `param_sets` are all the
    sets, those without a rule too, the one that wins first."""

    id: str
    agent: Agent
    params: Mapping[str, str] = field(default_factory=dict)
    param_sets: tuple[AttributeSet, ...] = ()
    meta: ResourceMeta = ResourceMeta()
    meta_sets: tuple[MetaSet, ...] = ()
    operations: tuple[Operation, ...] = ()
    utilization: Mapping[str, int] = field(default_factory=dict)
    template: str | None = None  # for resource sets and constraints that name the template


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Members are kept together, started in order, stopped in reverse."""

    id: str
    members: tuple[Primitive, ...]
    params: Mapping[str, str] = field(default_factory=dict)
    meta: ResourceMeta = ResourceMeta()
    meta_sets: tuple[MetaSet, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """Several instances of a primitive or a group; promotable when its meta says so."""

    id: str
    child: Primitive | Group
    params: Mapping[str, str] = field(default_factory=dict)
    meta: ResourceMeta = ResourceMeta()
    meta_sets: tuple[MetaSet, ...] = ()

    @property
    def is_anonymous(self) -> bool:
        """Whether its instances are interchangeable. Several on one node must be told apart."""
        unique = self.meta.globally_unique
        return not ((self.meta.clone_node_max or 1) > 1 if unique is None else unique)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A containerised clone. Known by name so that status can list it; the scheduler refuses to place it."""

    id: str
    child: Primitive | None = None
    image: str = ""
    technology: str = ""
    meta: ResourceMeta = ResourceMeta()
    meta_sets: tuple[MetaSet, ...] = ()


Resource = Primitive | Group | Clone | Bundle


def primitives_of(resource: Resource) -> Iterator[Primitive]:
    """Every primitive in the resource, in configuration order."""
    match resource:
        case Primitive():
            yield resource
        case Group(members=members):
            yield from members
        case Clone(child=child):
            yield from primitives_of(child)
        case Bundle(child=child):
            if child is not None:
                yield child
