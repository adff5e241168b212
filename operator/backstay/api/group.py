"""ResourceGroup: members start in order, stop in reverse order, and stay on one node."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from backstay.api.base import Column, Condition, KindInfo, Model, Resource, StatusModel, cel, rules
from backstay.api.resource import (
    CloneSpec,
    ConditionalMeta,
    FailCountStatus,
    NodeRole,
    RequestAck,
    ResourceId,
    ResourceMeta,
    ResourceRequest,
    ResourceTemplate,
)


class GroupMember(Model):
    """A reference to an HAResource of the same namespace, or a resource written inline."""

    model_config = rules(
        cel(
            "has(self.resource) != has(self.template)",
            "a member is either a reference (resource: NAME) or inline (name: NAME and template:), not both",
        ),
        cel(
            "!has(self.template) || has(self.name)", "name: an inline member needs a name", field_path=".name"
        ),
    )

    resource: Annotated[str, StringConstraints(max_length=253)] | None = Field(
        default=None, description="Name of an HAResource in this namespace."
    )
    name: ResourceId | None = Field(
        default=None, description="Id of an inline member, unique in the cluster."
    )
    template: ResourceTemplate | None = Field(default=None, description="The inline member.")


class ResourceGroupSpec(Model):
    """Members in their order of start."""

    resource_id: ResourceId | None = Field(
        default=None, description="Pacemaker id of the group; default: the name."
    )
    members: list[GroupMember] = Field(min_length=1, max_length=64, description="In their order of start.")
    meta: ResourceMeta = Field(
        default_factory=ResourceMeta, description="Meta attributes that members inherit."
    )
    conditional_meta: list[ConditionalMeta] = Field(
        default_factory=list, max_length=16, description="Meta attributes under rules."
    )
    clone: CloneSpec | None = Field(default=None, description="Run the whole group on several nodes at once.")
    requests: list[ResourceRequest] = Field(default_factory=list, max_length=16)


class MemberStatus(StatusModel):
    """State of one member."""

    name: str
    agent: str = ""
    role: str = ""
    node: str = ""
    failures: int = 0


class ResourceGroupStatus(StatusModel):
    """Written by the DC."""

    cluster: str = ""
    ids: list[str] = Field(
        default_factory=list,
        max_length=128,
        description="Ids that this object holds in its cluster; no other object can take them while it is there.",
    )
    role: str = Field(
        default="", description="Started once every member is; else what the furthest-back member is."
    )
    node: str = ""
    active: list[NodeRole] = Field(default_factory=list)
    ready_members: str = Field(default="", description="Members started, of all.")
    members: list[MemberStatus] = Field(default_factory=list)
    why: str = ""
    fail_counts: list[FailCountStatus] = Field(default_factory=list)
    failures: int = 0
    requests: list[RequestAck] = Field(default_factory=list)
    conditions: list[Condition] = Field(default_factory=list, json_schema_extra={"x-map-key": "type"})


class ResourceGroup(Resource):
    """Resources that start in order, stop in reverse order, and stay together."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="ResourceGroup",
        plural="resourcegroups",
        namespaced=True,
        short_names=("hag",),
        columns=(
            Column("Members", ".status.readyMembers"),
            Column("State", ".status.role"),
            Column("Node", ".status.node"),
            Column("Failures", ".status.failures", "integer"),
            Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            Column("Why", ".status.why", priority=1),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )
    spec: ResourceGroupSpec
    status: ResourceGroupStatus = Field(default_factory=ResourceGroupStatus)

    @property
    def resource_id(self) -> str:
        """The id under which scheduler and people know it."""
        return self.spec.resource_id or self.metadata.name
