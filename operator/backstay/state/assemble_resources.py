"""Resources, groups and fence devices as the scheduler's tree, with an index from ids to objects and back.

Ids are unique in a cluster: the older object keeps an id, the younger gets a problem and is not started.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backstay.api import FenceDevice, HAResource, ResourceGroup
from backstay.api import ResourceMeta as ApiMeta
from backstay.api.quantities import duration_ms, score_value
from backstay.api.resource import CloneSpec, OperationDefaults, ResourceTemplate
from backstay.api.resource import Operation as ApiOperation
from backstay.state.assemble_problem import Problem
from backstay.state.choices import MultipleActive, OnFail, Requires, Role
from backstay.state.resource import Agent, Clone, Group, Operation, Primitive, Resource, ResourceMeta

SECRET_MARK = "secret:"
"""Stands for a value kept in a Secret: params hold where it is, never what it is."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """The object that a resource id comes from."""

    kind: str
    namespace: str
    name: str


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

    @staticmethod
    def build(
        resources: Iterable[HAResource], groups: Iterable[ResourceGroup], devices: Iterable[FenceDevice]
    ) -> ResourceIndex:
        """Index all; see `problems` for what was left out."""
        builder = _Builder()
        builder.add_resources(sorted(resources, key=_age))
        builder.add_groups(sorted(groups, key=_age))
        builder.add_devices(sorted(devices, key=_age))
        return builder.finish()

    def resolve(self, reference: str, namespace: str) -> str | None:
        """The id that a reference in a manifest means: an object of the namespace first, then any id."""
        return self.ids.get((namespace, reference)) or (reference if reference in self.objects else None)


def _age(item: HAResource | ResourceGroup | FenceDevice) -> tuple[str, str, str]:
    metadata = item.metadata
    return metadata.creation_timestamp or "", metadata.namespace or "", metadata.name


class _Builder:
    def __init__(self) -> None:
        self._standalone: dict[str, HAResource] = {}
        self._tree: list[Resource] = []
        self._problems: list[Problem] = []
        self._objects: dict[str, ObjectRef] = {}
        self._ids: dict[tuple[str, str], str] = {}
        self._group_of: dict[str, str] = {}
        self._group_meta: dict[str, ResourceMeta] = {}
        self._templates: dict[str, ResourceTemplate] = {}
        self._by_name: dict[tuple[str, str], HAResource] = {}

    def _claim(self, id_: str, ref: ObjectRef) -> bool:
        """Take an id; False, with a problem, when an older object has it."""
        owner = self._objects.get(id_)
        if owner is None:
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

    def add_resources(self, resources: Iterable[HAResource]) -> None:
        for item in resources:
            space = item.metadata.namespace or ""
            if not self._claim(item.resource_id, ObjectRef("HAResource", space, item.metadata.name)):
                continue
            self._standalone[item.resource_id] = item
            self._by_name[(space, item.metadata.name)] = item
            self._ids[(space, item.metadata.name)] = item.resource_id

    def add_groups(self, groups: Iterable[ResourceGroup]) -> None:
        for group in groups:
            space = group.metadata.namespace or ""
            ref = ObjectRef("ResourceGroup", space, group.metadata.name)
            if not self._claim(group.resource_id, ref):
                continue
            members = tuple(self._members(group, ref))
            if not members:
                continue
            meta = resource_meta(group.spec.meta)
            for member in members:
                self._group_of[member.id] = group.resource_id
                self._group_meta[member.id] = meta
            tree = Group(id=group.resource_id, members=members, meta=meta)
            self._tree.append(self._cloned(tree, group.spec.clone))
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
            self._claim(device.metadata.name, ObjectRef("FenceDevice", "", device.metadata.name))

    def finish(self) -> ResourceIndex:
        alone = [
            self._cloned(self._primitive(id_, item.spec), item.spec.clone)
            for id_, item in self._standalone.items()
            if id_ not in self._group_of
        ]
        for resource in alone:
            if isinstance(resource, Clone):
                ref = self._objects[resource.child.id]
                self._ids[(ref.namespace, ref.name)] = resource.id
        for resource in (*self._tree, *alone):
            if isinstance(resource, Clone):
                self._objects.setdefault(resource.id, self._objects[resource.child.id])
        return ResourceIndex(
            resources=(*alone, *self._tree),
            problems=tuple(self._problems),
            objects=self._objects,
            ids=self._ids,
            group_of=self._group_of,
            group_meta=self._group_meta,
            templates=self._templates,
        )

    def _primitive(self, id_: str, template: ResourceTemplate) -> Primitive:
        self._templates[id_] = template
        return Primitive(
            id=id_,
            agent=Agent.parse(template.agent),
            params=params_of(template),
            meta=resource_meta(template.meta),
            operations=tuple(_operation(operation, id_) for operation in template.operations),
            utilization=template.utilization,
        )

    @staticmethod
    def _cloned(resource: Primitive | Group, clone: CloneSpec | None) -> Resource:
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
        return Clone(id=f"{resource.id}-clone", child=resource, meta=meta.over(resource.meta))


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
        params=spec.params,
        id=f"{resource}-{spec.name}-{interval_ms}ms",
    )


def _score(value: int | str | None) -> int | None:
    return None if value is None else score_value(value)


def _duration(value: str | None) -> int | None:
    return None if value is None else duration_ms(value)
