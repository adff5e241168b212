"""Resources, groups and fence devices as the scheduler's tree, with an index from ids to objects and back.

Ids are unique in a cluster: the incumbent keeps an id (backstay.state.claims), another object gets a problem and is
not started.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from backstay.api import FenceDevice, HAResource, ResourceGroup
from backstay.api import ResourceMeta as ApiMeta
from backstay.api.quantities import duration_ms, score_value, timestamp_seconds
from backstay.api.resource import (
    CloneSpec,
    ConditionalMeta,
    ConditionalOperationDefaults,
    ConditionalParams,
    OperationDefaults,
    ResourceTemplate,
)
from backstay.api.resource import Operation as ApiOperation
from backstay.state.assemble_problem import Problem
from backstay.state.assemble_rules import rule_of
from backstay.state.choices import MultipleActive, OnFail, Requires, Role
from backstay.state.claims import ObjectRef, claimant_of, clone_ids, holders, ref_of
from backstay.state.placeholder import UNREADABLE_AGENT
from backstay.state.reach import Reach
from backstay.state.resource import (
    Agent,
    Clone,
    Group,
    MetaSet,
    Operation,
    OperationSet,
    Primitive,
    Resource,
    ResourceMeta,
)
from backstay.state.rule import AttributeSet
from backstay.state.seniority import LAST, position_of, seniority

SECRET_MARK = "secret:"
"""Stands for a value kept in a Secret: params hold where it is, never what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceIndex:
    """The tree, and the way back from it to the objects."""

    resources: tuple[Resource, ...]
    problems: tuple[Problem, ...]
    objects: Mapping[str, ObjectRef]
    """Resource id (primitive, group or clone) -> object."""
    ids: Mapping[tuple[str, str], str]
    """(namespace, object name) -> id to use in constraints: of the clone where it is cloned, else of itself."""
    group_of: Mapping[str, str]
    """Primitive id -> group id."""
    group_meta: Mapping[str, ResourceMeta]
    """Primitive id -> meta of its group."""
    templates: Mapping[str, ResourceTemplate]
    """Primitive id -> what it was written as."""
    primitives: Mapping[str, Primitive]
    """By id: those whose template has no fault."""
    faulty: Mapping[str, str]
    """Primitive id -> code of what is wrong with its definition, its group's or its clone's. It must not be started."""
    reach: Reach = field(default_factory=Reach)

    @staticmethod
    def build(
        resources: Collection[HAResource],
        groups: Collection[ResourceGroup],
        devices: Collection[FenceDevice],
        *,
        before: ResourceIndex | None = None,
        reach: Reach | None = None,
    ) -> ResourceIndex:
        """Index all; see `problems` for what was left out. What was written as the very same in the index `before` is
        taken from it, and what held an id there keeps it."""
        claims = [claimant_of(item) for items in (resources, groups, devices) for item in items]
        builder = _Builder(before, holders(claims, before.objects if before else {}), reach or Reach())
        builder.add_resources(sorted(resources, key=lambda one: seniority(one.metadata)))
        builder.add_groups(sorted(groups, key=lambda one: seniority(one.metadata)))
        builder.add_devices(sorted(devices, key=lambda one: seniority(one.metadata)))
        return builder.finish()

    def top_ids_within_reach(self, namespace: str) -> tuple[str, ...]:
        """What a pattern in a constraint of the namespace is matched against, as Pacemaker does: the ids of resources
        that stand alone, of groups and of clones, and not of what is in a group or a clone."""
        allowed = {
            target: self.reach.allows(namespace, target)
            for target in {ref.namespace for ref in self.objects.values()}
        }
        return tuple(one.id for one in self.resources if allowed[self.objects[one.id].namespace])

    def resolve(self, reference: str, namespace: str) -> str | None:
        """The id that a reference in a manifest means: an object of the namespace first, then an id of the namespace or
        of one within its reach."""
        own = self.ids.get((namespace, reference))
        if own is not None:
            return own
        ref = self.objects.get(reference)
        return reference if ref is not None and self.reach.allows(namespace, ref.namespace) else None

    def holds(self, item: HAResource | ResourceGroup) -> bool:
        """Whether the object's id is its own, not another's."""
        return self.objects.get(item.resource_id) == ref_of(item)


class _Sets(TypedDict):
    param_sets: tuple[AttributeSet, ...]
    meta_sets: tuple[MetaSet, ...]


class _Builder:
    def __init__(self, before: ResourceIndex | None, holders: Mapping[str, ObjectRef], reach: Reach) -> None:
        self._before = before
        self._holders = holders
        self._reach = reach
        self._primitives: dict[str, Primitive] = {}
        self._standalone: dict[str, HAResource] = {}
        self._tree: list[Resource] = []
        self._problems: list[Problem] = []
        self._objects: dict[str, ObjectRef] = {}
        self._ids: dict[tuple[str, str], str] = {}
        self._group_of: dict[str, str] = {}
        self._group_meta: dict[str, ResourceMeta] = {}
        self._templates: dict[str, ResourceTemplate] = {}
        self._positions: dict[str, int] = {}
        self._by_name: dict[tuple[str, str], HAResource] = {}
        self._faulty: dict[str, str] = {}

    def _claim(self, id_: str, ref: ObjectRef) -> bool:
        """Take an id; False, with a problem, when another object holds it, or this one has taken it already."""
        owner = self._holders[id_]
        if owner == ref and id_ not in self._objects:
            self._objects[id_] = ref
            return True
        self._problem(
            ref,
            "DuplicateId",
            f"the id {id_!r} belongs to {owner.kind} {owner.namespace}/{owner.name}; set another spec.resourceId",
            field="spec.resourceId",
        )
        return False

    def _problem(self, ref: ObjectRef, code: str, message: str, *, field: str = "") -> None:
        self._problems.append(
            Problem(
                kind=ref.kind, namespace=ref.namespace, name=ref.name, code=code, message=message, field=field
            )
        )

    def _claim_all(self, ids: tuple[str, ...], item: HAResource | ResourceGroup) -> bool:
        """Take the ids of an object; without one of them it is left out, and takes none."""
        taken: list[str] = []
        for id_ in ids:
            if not self._claim(id_, ref_of(item)):
                for one in taken:
                    del self._objects[one]
                return False
            taken.append(id_)
        return True

    def add_resources(self, resources: Iterable[HAResource]) -> None:
        for item in resources:
            space = item.metadata.namespace or ""
            if not self._claim_all((item.resource_id, *clone_ids(item.resource_id, item.spec.clone)), item):
                continue
            self._standalone[item.resource_id] = item
            self._by_name[(space, item.metadata.name)] = item
            self._ids[(space, item.metadata.name)] = item.resource_id

    def add_groups(self, groups: Iterable[ResourceGroup]) -> None:
        for group in groups:
            space = group.metadata.namespace or ""
            ref = ref_of(group)
            if not self._claim_all(
                (group.resource_id, *clone_ids(group.resource_id, group.spec.clone)), group
            ):
                continue
            members = tuple(self._members(group, ref))
            if not members:
                continue
            meta = resource_meta(group.spec.meta)
            for member in members:
                self._group_of[member.id] = group.resource_id
                self._group_meta[member.id] = meta
            meta_sets = self._conditional_meta(group.spec.conditional_meta, group.resource_id)
            tree = Group(id=group.resource_id, members=members, meta=meta, meta_sets=meta_sets)
            self._tree.append(self._cloned(tree, group.spec.clone))
            self._positions[self._tree[-1].id] = position_of(group.metadata)
            self._ids.setdefault((space, group.metadata.name), self._tree[-1].id)

    def _members(self, group: ResourceGroup, ref: ObjectRef) -> Iterable[Primitive]:
        for number, member in enumerate(group.spec.members):
            field = f"spec.members[{number}]"
            if member.template is not None and member.name is not None:
                if self._claim(member.name, ref):
                    yield self._primitive(member.name, member.template)
                continue
            found = self._by_name.get((ref.namespace, member.resource or ""))
            if found is None:
                self._problem(
                    ref,
                    "MemberNotFound",
                    f"{field}: there is no HAResource {member.resource!r} in namespace {ref.namespace!r}; "
                    "create it, or correct the name",
                    field=field,
                )
            elif self._group_of.get(found.resource_id):
                self._problem(
                    ref,
                    "MemberInTwoGroups",
                    f"{field}: {member.resource!r} is already a member of group "
                    f"{self._group_of[found.resource_id]!r}; a resource can be in one group",
                    field=field,
                )
            else:
                self._group_of[found.resource_id] = group.resource_id
                if found.spec.clone is not None:
                    self._problem(
                        ref,
                        "ClonedMember",
                        f"{field}: {member.resource!r} has spec.clone; clone the group instead",
                        field=field,
                    )
                yield self._primitive(found.resource_id, found.spec)

    def add_devices(self, devices: Iterable[FenceDevice]) -> None:
        """Fence devices claim their names, so that no resource can take one; they are not scheduled as resources."""
        for device in devices:
            self._claim(device.metadata.name, ref_of(device))

    def finish(self) -> ResourceIndex:
        alone: list[Resource] = []
        for id_, item in self._standalone.items():
            if id_ in self._group_of:
                for unused in clone_ids(id_, item.spec.clone):
                    del self._objects[unused]
            if id_ not in self._group_of:
                alone.append(self._cloned(self._primitive(id_, item.spec), item.spec.clone))
                self._positions[alone[-1].id] = position_of(item.metadata)
        for resource in alone:
            if isinstance(resource, Clone):
                ref = self._objects[resource.child.id]
                self._ids[(ref.namespace, ref.name)] = resource.id
        return ResourceIndex(
            # What has no position comes last: single resources, then groups, each by age.
            resources=tuple(sorted((*alone, *self._tree), key=lambda one: self._positions.get(one.id, LAST))),
            problems=tuple(self._problems),
            objects=self._objects,
            ids=self._ids,
            group_of=self._group_of,
            group_meta=self._group_meta,
            templates=self._templates,
            primitives=self._primitives,
            reach=self._reach,
            faulty=self._faulty_primitives(),
        )

    def _faulty_primitives(self) -> dict[str, str]:
        """What is wrong with a group is wrong with each of its members."""
        inherited = {
            id_: self._faulty[group] for id_, group in self._group_of.items() if group in self._faulty
        }
        return {**inherited, **{id_: code for id_, code in self._faulty.items() if id_ in self._templates}}

    def _fault(self, id_: str, code: str, message: str, *, field: str) -> None:
        """A problem for which the primitive or group `id_` is held back."""
        self._problem(self._objects[id_], code, message, field=field)
        self._faulty.setdefault(id_, code)

    def _primitive(self, id_: str, template: ResourceTemplate) -> Primitive:
        self._templates[id_] = template
        before = self._before
        known = before.primitives.get(id_) if before and before.templates.get(id_) is template else None
        if known is None:
            faults = len(self._problems)
            try:
                known = self._made_of(id_, template)
            except (ValueError, OverflowError) as error:
                self._fault(id_, "Invalid", f"{id_!r}: {error}", field="spec")
                known = Primitive(id=id_, agent=_agent_of(template))
            if len(self._problems) > faults:
                return known
        self._primitives[id_] = known
        return known

    def _made_of(self, id_: str, template: ResourceTemplate) -> Primitive:
        return Primitive(
            id=id_,
            agent=Agent.parse(template.agent),
            params=params_of(template),
            meta=resource_meta(template.meta),
            operations=tuple(_operation(operation, id_) for operation in template.operations),
            utilization=template.utilization,
            **self._under_rules(template, id_),
        )

    def _under_rules(self, template: ResourceTemplate, id_: str) -> _Sets:
        """What applies under rules; with a problem, none of it, where one of the rules cannot be read."""
        try:
            return {
                "param_sets": conditional_params(template.conditional_params, id_),
                "meta_sets": conditional_meta(template.conditional_meta, id_),
            }
        except ValueError as error:
            self._fault(id_, "InvalidRule", f"a rule of {id_!r}: {error}", field="spec")
            return {"param_sets": (), "meta_sets": ()}

    def _conditional_meta(
        self, specs: Iterable[ConditionalMeta], id_: str, *, owner: str | None = None
    ) -> tuple[MetaSet, ...]:
        try:
            return conditional_meta(specs, id_)
        except ValueError as error:
            message = f"a rule of {id_!r}: {error}"
            self._fault(owner or id_, "InvalidRule", message, field="spec.conditionalMeta")
            return ()

    def _cloned(self, resource: Primitive | Group, clone: CloneSpec | None) -> Resource:
        if clone is None:
            return resource
        meta = ResourceMeta(
            clone_max=clone.max,
            clone_node_max=clone.node_max,
            clone_min=clone.min,
            notify=clone.notify,
            globally_unique=clone.globally_unique,
            ordered=clone.ordered,
            interleave=clone.interleave,
            promotable=clone.promotable,
            promoted_max=clone.promoted_max,
            promoted_node_max=clone.promoted_node_max,
        )
        (id_,) = clone_ids(resource.id, clone)
        own = resource.meta if clone.meta is None else resource_meta(clone.meta)
        return Clone(
            id=id_,
            child=resource,
            meta=meta.over(own),
            meta_sets=self._conditional_meta(clone.conditional_meta, id_, owner=resource.id),
        )


def _agent_of(template: ResourceTemplate) -> Agent:
    try:
        return Agent.parse(template.agent)
    except ValueError:
        return Agent.parse(UNREADABLE_AGENT)


def conditional_params(specs: Iterable[ConditionalParams], owner: str) -> tuple[AttributeSet, ...]:
    """Parameters under rules. Raises ValueError for a rule that cannot be read."""
    sets = (
        AttributeSet(
            id=f"{owner}-params-{number}",
            rule=None if one.rule is None else rule_of(one.rule, f"{owner}-params-{number}-rule"),
            score=_score(one.score) or 0,
            values=one.params,
        )
        for number, one in enumerate(specs)
    )
    return tuple(sorted(sets, key=lambda one: -one.score))


def conditional_meta(specs: Iterable[ConditionalMeta], owner: str) -> tuple[MetaSet, ...]:
    """Meta attributes under rules. Raises ValueError for a rule that cannot be read."""
    sets = (
        MetaSet(
            id=f"{owner}-meta-{number}",
            rule=rule_of(one.rule, f"{owner}-meta-{number}-rule"),
            score=_score(one.score) or 0,
            meta=resource_meta(one.meta),
        )
        for number, one in enumerate(specs)
    )
    return tuple(sorted(sets, key=lambda one: -one.score))


def conditional_operation_defaults(
    specs: Iterable[ConditionalOperationDefaults],
) -> tuple[OperationSet, ...]:
    """Defaults of operations under rules. Raises ValueError for a rule that cannot be read."""
    sets = (
        OperationSet(
            id=f"op-defaults-{number}",
            rule=rule_of(one.rule, f"op-defaults-{number}-rule"),
            score=_score(one.score) or 0,
            defaults=operation_defaults(one.defaults),
        )
        for number, one in enumerate(specs)
    )
    return tuple(sorted(sets, key=lambda one: -one.score))


def params_of(template: ResourceTemplate) -> dict[str, str]:
    """Parameters; those from Secrets as a mark of where the value is kept."""
    marks = {
        name: f"{SECRET_MARK}{source.secret_key_ref.name}/{source.secret_key_ref.key}"
        for name, source in template.params_from.items()
    }
    return {**template.params, **marks}


def resource_meta(meta: ApiMeta) -> ResourceMeta:
    """Typed meta attributes; None where the manifest says nothing."""
    return ResourceMeta(
        priority=_score(meta.priority),
        target_role=Role(meta.target_role) if meta.target_role else None,
        is_managed=meta.is_managed,
        maintenance=meta.maintenance,
        critical=meta.critical,
        resource_stickiness=_score(meta.resource_stickiness),
        requires=Requires(meta.requires) if meta.requires else None,
        migration_threshold=_score(meta.migration_threshold),
        failure_timeout_ms=_duration(meta.failure_timeout),
        multiple_active=MultipleActive(meta.multiple_active) if meta.multiple_active else None,
        allow_migrate=meta.allow_migrate,
        allow_unhealthy_nodes=meta.allow_unhealthy_nodes,
    )


def operation_defaults(spec: OperationDefaults) -> Operation:
    """op_defaults."""
    return Operation(
        name="",
        timeout_ms=_duration(spec.timeout),
        on_fail=OnFail(spec.on_fail) if spec.on_fail else None,
        record_pending=spec.record_pending,
    )


def _operation(spec: ApiOperation, resource: str) -> Operation:
    interval_ms = duration_ms(spec.interval) if spec.interval is not None else 0
    return Operation(
        name=spec.name,
        interval_ms=interval_ms,
        timeout_ms=_duration(spec.timeout),
        on_fail=OnFail(spec.on_fail) if spec.on_fail else None,
        enabled=spec.enabled,
        role=Role(spec.role) if spec.role else None,
        start_delay_ms=_duration(spec.start_delay) or 0,
        interval_origin=timestamp_seconds(spec.interval_origin) if spec.interval_origin else None,
        record_pending=spec.record_pending,
        params=spec.params,
        id=f"{resource}-{spec.name}-{interval_ms}ms",
    )


def _score(value: int | str | None) -> int | None:
    return None if value is None else score_value(value)


def _duration(value: str | None) -> int | None:
    return None if value is None else duration_ms(value)
