"""Everything that the commands know of one cluster at one moment: the objects, read through the API's own models.

A View is gathered once (`gather`) and then only read. What could not be read as its kind is named in `warnings`, not dropped
in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from pydantic import ValidationError

from backstay.api import (
    ANNOTATION_AGENT_ALIVE,
    FenceDevice,
    HACluster,
    HAConstraint,
    HANode,
    HANodePlan,
    HAResource,
    HAResourceStatus,
    HATransition,
    ResourceGroup,
    ResourceGroupStatus,
)
from backstay.api.base import Resource
from backstay.api.quantities import timestamp_seconds
from backstay.api.resource import ResourceTemplate
from backstay_cli.errors import CliError, nearest

Obj = Mapping[str, Any]
R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A heartbeat. `age_s` compares clocks of several machines: for people to read, never for a decision."""

    name: str
    holder: str = ""
    age_s: float | None = None
    duration_s: float = 0.0
    agent_alive: bool = True

    @property
    def fresh(self) -> bool:
        return self.age_s is not None and self.age_s <= self.duration_s


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One cluster. Every tuple is in order of namespace and name; `now` is epoch seconds."""

    now: float
    cluster: HACluster
    nodes: tuple[HANode, ...] = ()
    plans: tuple[HANodePlan, ...] = ()
    resources: tuple[HAResource, ...] = ()
    groups: tuple[ResourceGroup, ...] = ()
    constraints: tuple[HAConstraint, ...] = ()
    fence_devices: tuple[FenceDevice, ...] = ()
    transitions: tuple[HATransition, ...] = ()
    leases: tuple[Lease, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.cluster.metadata.name

    def lease(self, name: str) -> Lease | None:
        return next((lease for lease in self.leases if lease.name == name), None)

    def node(self, name: str) -> HANode:
        """Raises CliError for a node that is not in the cluster."""
        for node in self.nodes:
            if node.metadata.name == name:
                return node
        names = [node.metadata.name for node in self.nodes]
        raise CliError(f"there is no node {name!r} in the cluster {self.name}", hint=nearest(name, names))


class TargetKind(Enum):
    """What a word on the command line names."""

    RESOURCE = "resource"
    GROUP = "group"
    INLINE = "inline member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One resource or group. `name` is of the object that holds it: an inline member is held by its group.

    `group` is what it is a member of; `index` where, for an inline member."""

    id: str
    kind: TargetKind
    namespace: str
    name: str
    template: ResourceTemplate | None = None
    resource: HAResource | None = None
    group: ResourceGroup | None = None
    index: int = -1

    @property
    def agent(self) -> str:
        return self.template.agent if self.template else ""

    @property
    def role(self) -> str:
        if self.resource is not None:
            return self.resource.status.role
        if self.kind is TargetKind.GROUP and self.group is not None:
            return self.group.status.role
        return next((m.role for m in self._member_statuses()), "")

    @property
    def nodes(self) -> tuple[str, ...]:
        """Where it is active, in the order of the status."""
        status: HAResourceStatus | ResourceGroupStatus | None = None
        if self.resource is not None:
            status = self.resource.status
        elif self.kind is TargetKind.GROUP and self.group is not None:
            status = self.group.status
        if status is not None:
            # A group is active once for each member, a clone once for each instance.
            return tuple(dict.fromkeys(active.node for active in status.active)) or _words(status.node)
        return tuple(node for m in self._member_statuses() for node in _words(m.node))

    def _member_statuses(self) -> Iterator[Any]:
        if self.group is not None:
            yield from (m for m in self.group.status.members if m.name == self.id)


def targets(view: View) -> Iterator[Target]:
    """All resources, groups and inline members: what stands alone first, then each group followed by its members."""
    inside = {
        (group.metadata.namespace, member.resource): group
        for group in view.groups
        for member in group.spec.members
        if member.resource
    }
    by_key = {(r.metadata.namespace, r.metadata.name): r for r in view.resources}
    for resource in view.resources:
        if (resource.metadata.namespace, resource.metadata.name) not in inside:
            yield _of_resource(resource, None)
    for group in view.groups:
        namespace = group.metadata.namespace or ""
        yield Target(
            id=group.resource_id,
            kind=TargetKind.GROUP,
            namespace=namespace,
            name=group.metadata.name,
            group=group,
        )
        for index, member in enumerate(group.spec.members):
            found = by_key.get((group.metadata.namespace, member.resource or ""))
            if found is not None:
                yield _of_resource(found, group)
            elif member.template is not None:
                yield Target(
                    id=member.name or "",
                    kind=TargetKind.INLINE,
                    namespace=namespace,
                    name=group.metadata.name,
                    template=member.template,
                    group=group,
                    index=index,
                )


def find(view: View, word: str, *, namespace: str | None) -> Target:
    """The target with this id or object name; `namespace` narrows it. A clone also goes by `ID-clone`, and its instances by `ID:N`.

    Raises CliError when there is none, or more than one."""
    everything = [t for t in targets(view) if namespace is None or t.namespace == namespace]
    found = _named(everything, word)
    if not found:
        found = [t for t in _named(everything, _cloned_id(word)) if _is_cloned(t)]
    if len(found) > 1:
        where = ", ".join(f"{t.kind.value} {t.namespace}/{t.name}" for t in found)
        raise CliError(f"{word!r} is ambiguous: {where}", hint="name the namespace with -n")
    if not found:
        space = f" in namespace {namespace}" if namespace else ""
        raise CliError(
            f"there is no resource or group {word!r}{space} in the cluster {view.name}",
            hint=nearest(word, {t.id for t in everything}),
        )
    return found[0]


def _named(everything: Iterable[Target], word: str) -> list[Target]:
    """By id; only where there is none, by object name."""
    known = list(everything)
    found = [t for t in known if t.id == word]
    return found or [t for t in known if t.kind is not TargetKind.INLINE and t.name == word]


def _cloned_id(word: str) -> str:
    """What `cl-clone` or `cl:2` is a clone, or an instance, of."""
    base, colon, number = word.rpartition(":")
    return base if colon and number.isdecimal() else word.removesuffix("-clone")


def _is_cloned(target: Target) -> bool:
    """Whether it, or the group that it is a member of, is a clone."""
    own = target.resource.spec.clone if target.resource is not None else None
    return own is not None or (target.group is not None and target.group.spec.clone is not None)


def missing_members(group: ResourceGroup, resources: Iterable[HAResource]) -> list[str]:
    """Members that refer to an HAResource that is not there."""
    there = {r.metadata.name for r in resources if r.metadata.namespace == group.metadata.namespace}
    return [m.resource for m in group.spec.members if m.resource and m.resource not in there]


def read(kind: type[R], items: Iterable[Obj], warnings: list[str]) -> tuple[R, ...]:
    """Objects as their kind, in order of namespace and name; what is wrong with the others goes into `warnings`."""
    found = []
    for item in items:
        try:
            found.append(kind.parse(dict(item)))
        except ValidationError as error:
            fault = error.errors()[0]
            name = item.get("metadata", {}).get("name", "?")
            where = ".".join(str(part) for part in fault["loc"])
            said = f"{fault['input']!r} has a wrong form" if "pattern" in fault["type"] else fault["msg"]
            warnings.append(f"{kind.info.kind} {name} cannot be read: {where}: {said}")
    return tuple(sorted(found, key=lambda obj: (obj.metadata.namespace or "", obj.metadata.name)))


def lease_of(obj: Obj, *, now: float) -> Lease:
    """A coordination.k8s.io Lease as a Lease. A missing or broken time is an unknown age."""
    spec = obj.get("spec") or {}
    annotations = obj["metadata"].get("annotations") or {}
    renewed = renewed_at(obj)
    return Lease(
        name=obj["metadata"]["name"],
        holder=spec.get("holderIdentity") or "",
        age_s=None if renewed is None else max(0.0, now - renewed),
        duration_s=float(spec.get("leaseDurationSeconds") or 0),
        agent_alive=annotations.get(ANNOTATION_AGENT_ALIVE, "alive") == "alive",
    )


def renewed_at(obj: Obj) -> float | None:
    """Epoch seconds of a Lease's renewTime, by its holder's clock."""
    try:
        return timestamp_seconds(str((obj.get("spec") or {})["renewTime"]))
    except (KeyError, ValueError):
        return None


def newest_renewal(objs: Iterable[Obj]) -> float | None:
    """When any of these Leases was renewed last."""
    return max((at for at in map(renewed_at, objs) if at is not None), default=None)


def _of_resource(resource: HAResource, group: ResourceGroup | None) -> Target:
    return Target(
        id=resource.resource_id,
        kind=TargetKind.RESOURCE,
        namespace=resource.metadata.namespace or "",
        name=resource.metadata.name,
        template=resource.spec,
        resource=resource,
        group=group,
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())
