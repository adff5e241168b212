"""Placeholders for resources and groups that cannot be read.

An object that the API server accepted may still say what this program cannot read: a value that no schema can rule out, or one of a
later version. Its name, its id and its members are still known. With a placeholder of it in the tree it can be held back, and what
depends on it waits, instead of starting as if the object were not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backstay.api import Condition, HAResource, Metadata, Resource, ResourceGroup
from backstay.api.group import GroupMember, ResourceGroupSpec, ResourceGroupStatus
from backstay.api.resource import (
    Agent,
    CloneSpec,
    HAResourceSpec,
    HAResourceStatus,
    ResourceId,
    ResourceTemplate,
)
from backstay.state.assemble_problem import Problem

Obj = Mapping[str, Any]
Key = tuple[str, str, str]
"""Kind, namespace and name of an object."""
CONDITIONS_MAX = 32
IDS_MAX = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """An object that cannot be read and takes part in nothing; its condition says so."""

    kind: type[Resource]
    metadata: Metadata
    conditions: tuple[Condition, ...]
    problem: Problem

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.metadata.namespace or "", self.metadata.name


UNREADABLE_AGENT = "ocf:backstay:unreadable"
"""Stands for an agent that is not known. It is never run: what cannot be read is never started."""

_AGENT: TypeAdapter[str] = TypeAdapter(Agent)
_ID: TypeAdapter[str] = TypeAdapter(ResourceId)


def metadata_of(obj: Obj) -> Metadata:
    """What is readable of an object's metadata. Raises ValidationError where that is not even a name."""
    return Metadata.model_validate(_metadata(obj))


def conditions_of(obj: Obj) -> tuple[Condition, ...]:
    """The conditions in its status, as far as they can be read."""
    raw = _mapping(obj.get("status")).get("conditions")
    found = []
    for one in raw[:CONDITIONS_MAX] if isinstance(raw, list) else ():
        try:
            found.append(Condition.model_validate(one, extra="ignore"))
        except ValidationError:
            continue
    return tuple(found)


def ids_of(obj: Obj) -> tuple[str, ...]:
    """The ids that a DC recorded in its status: the object keeps them while it cannot be read."""
    raw = _mapping(obj.get("status")).get("ids")
    found = (_id(one) for one in (raw[:IDS_MAX] if isinstance(raw, list) else ()))
    return tuple(one for one in found if one is not None)


def key_of(item: Resource) -> Key:
    """As problems and references name an object."""
    return type(item).info.kind, item.metadata.namespace or "", item.metadata.name


def resource_placeholder(obj: Obj) -> HAResource:
    """Name, id, agent and whether it is cloned; nothing else. Raises ValidationError for an object without usable metadata."""
    spec = _mapping(obj.get("spec"))
    return HAResource(
        metadata=metadata_of(obj),
        spec=HAResourceSpec(
            agent=_agent(spec.get("agent")),
            resource_id=_id(spec.get("resourceId")),
            clone=_clone(spec.get("clone")),
        ),
        status=HAResourceStatus(ids=list(ids_of(obj)), conditions=list(conditions_of(obj))),
    )


def group_placeholder(obj: Obj) -> ResourceGroup | None:
    """Name, id and members; None where not one member is known."""
    spec = _mapping(obj.get("spec"))
    members = list(_members(spec.get("members")))
    if not members:
        return None
    return ResourceGroup(
        metadata=metadata_of(obj),
        spec=ResourceGroupSpec(
            resource_id=_id(spec.get("resourceId")),
            members=members[:64],
            clone=_clone(spec.get("clone")),
        ),
        status=ResourceGroupStatus(ids=list(ids_of(obj)), conditions=list(conditions_of(obj))),
    )


def stripped_resource(item: HAResource) -> HAResource:
    """The placeholder of a resource that can be read, and that the DC cannot work with. Its requests are answered."""
    spec = HAResourceSpec(
        agent=item.spec.agent,
        resource_id=item.spec.resource_id,
        clone=_plain_clone(item.spec.clone),
        requests=item.spec.requests,
    )
    return item.model_copy(update={"spec": spec})


def stripped_group(item: ResourceGroup) -> ResourceGroup:
    """The placeholder of a group that can be read, and that the DC cannot work with."""
    members = [
        GroupMember(
            resource=one.resource,
            name=one.name,
            template=ResourceTemplate(agent=one.template.agent) if one.template is not None else None,
        )
        for one in item.spec.members
    ]
    spec = ResourceGroupSpec(
        resource_id=item.spec.resource_id,
        members=members,
        clone=_plain_clone(item.spec.clone),
        requests=item.spec.requests,
    )
    return item.model_copy(update={"spec": spec})


def _plain_clone(clone: CloneSpec | None) -> CloneSpec | None:
    return None if clone is None else CloneSpec(id=clone.id, promotable=clone.promotable)


def _members(raw: object) -> Iterator[GroupMember]:
    for one in raw if isinstance(raw, list) else ():
        entry = _mapping(one)
        name, resource = _id(entry.get("name")), entry.get("resource")
        if name is not None and "template" in entry:
            agent = _agent(_mapping(entry.get("template")).get("agent"))
            yield GroupMember(name=name, template=ResourceTemplate(agent=agent))
        elif isinstance(resource, str) and 0 < len(resource) <= 253:
            yield GroupMember(resource=resource)


def _clone(raw: object) -> CloneSpec | None:
    if raw is None:
        return None
    entry = _mapping(raw)
    return CloneSpec(id=_id(entry.get("id")), promotable=True if entry.get("promotable") is True else None)


def _agent(raw: object) -> str:
    return _valid(_AGENT, raw) or UNREADABLE_AGENT


def _id(raw: object) -> str | None:
    return _valid(_ID, raw)


def _valid(kind: TypeAdapter[str], raw: object) -> str | None:
    try:
        return kind.validate_python(raw, strict=True)
    except ValidationError:
        return None


def _mapping(raw: object) -> Obj:
    return raw if isinstance(raw, Mapping) else {}


def _metadata(obj: Obj) -> dict[str, Any]:
    """Labels and annotations only where they are text, which Kubernetes guarantees and a test does not."""
    metadata = dict(_mapping(obj.get("metadata")))
    for name in ("labels", "annotations"):
        pairs = _mapping(metadata.get(name)).items()
        metadata[name] = {
            key: value for key, value in pairs if isinstance(key, str) and isinstance(value, str)
        }
    return metadata
