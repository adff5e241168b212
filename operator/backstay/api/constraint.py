"""HAConstraint: exactly one of location, colocation, order, ticket.

References name an HAResource or ResourceGroup of the same namespace, or a Pacemaker id there; ids of other namespaces
only where the HACluster's `allowedReferences` says so.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from backstay.api.base import Column, Condition, KindInfo, Model, Resource, StatusModel, cel, rules
from backstay.api.quantities import Score
from backstay.api.resource import Role
from backstay.api.rule import Rule

Ref = Annotated[str, StringConstraints(min_length=1, max_length=253)]
OrderAction = Literal["start", "stop", "promote", "demote"]


class LocationRule(Rule):
    """Nodes that match get the score."""

    score: Score | None = None
    score_attribute: str | None = None
    role: Role | None = None


class ResourceSet(Model):
    """A set of resources in a constraint."""

    id: str | None = Field(default=None, max_length=253, description="Names it in transitions.")
    resources: list[Ref] = Field(min_length=1, max_length=64)
    sequential: bool | None = None
    require_all: bool | None = None
    action: OrderAction | None = None
    role: Role | None = None
    score: Score | None = None
    ordering: Literal["group", "listed"] | None = None
    kind: Literal["Optional", "Mandatory", "Serialize"] | None = None


class Location(Model):
    """Where a resource prefers to run, or must not."""

    model_config = rules(
        cel(
            "has(self.rules) ? !has(self.node) : (has(self.node) && has(self.score))",
            "location needs node and score, or rules",
        ),
        cel(
            "(has(self.resource) ? 1 : 0) + (has(self.resourcePattern) ? 1 : 0) + (has(self.sets) ? 1 : 0) == 1",
            "location names exactly one of resource, resourcePattern and sets",
        ),
    )

    resource: Ref | None = None
    resource_pattern: str | None = Field(
        default=None,
        description="A regular expression over the ids of this namespace's resources, groups and clones, without the "
        "members of groups and clones, as in Pacemaker (HACluster.spec.allowedReferences adds other namespaces).",
    )
    sets: list[ResourceSet] | None = Field(default=None, max_length=16)
    node: str | None = None
    score: Score | None = None
    role: Role | None = None
    rules: list[LocationRule] | None = Field(default=None, max_length=16)
    resource_discovery: Literal["always", "never", "exclusive"] | None = None


class Colocation(Model):
    """`resource` runs where `withResource` runs."""

    model_config = rules(
        cel(
            "has(self.sets) ? !has(self.resource) && !has(self.withResource) : has(self.resource) && has(self.withResource)",
            "colocation needs resource and withResource, or sets",
        ),
    )

    resource: Ref | None = None
    with_resource: Ref | None = None
    sets: list[ResourceSet] | None = Field(default=None, max_length=16)
    score: Score = Field(default="INFINITY")
    resource_role: Role | None = None
    with_role: Role | None = None
    node_attribute: str | None = None
    influence: bool | None = None


class Order(Model):
    """`first` before `then`."""

    model_config = rules(
        cel(
            "has(self.sets) ? !has(self.first) && !has(self.then) : has(self.first) && has(self.then)",
            "order needs first and then, or sets",
        ),
    )

    first: Ref | None = None
    then: Ref | None = None
    first_action: OrderAction | None = None
    then_action: OrderAction | None = None
    sets: list[ResourceSet] | None = Field(default=None, max_length=16)
    kind: Literal["Optional", "Mandatory", "Serialize"] | None = None
    symmetrical: bool | None = None
    require_all: bool | None = None


class Ticket(Model):
    """A resource that needs a ticket."""

    ticket: str
    resource: Ref | None = None
    role: Role | None = None
    sets: list[ResourceSet] | None = Field(default=None, max_length=16)
    loss_policy: Literal["stop", "demote", "fence", "freeze"] | None = None


class HAConstraintSpec(Model):
    """Exactly one kind of constraint."""

    model_config = rules(
        cel(
            "(has(self.location) ? 1 : 0) + (has(self.colocation) ? 1 : 0) + (has(self.order) ? 1 : 0)"
            " + (has(self.ticket) ? 1 : 0) == 1",
            "exactly one of location, colocation, order and ticket",
        )
    )

    constraint_id: str | None = Field(default=None, description="Pacemaker id; default: the name.")
    location: Location | None = None
    colocation: Colocation | None = None
    order: Order | None = None
    ticket: Ticket | None = None


class HAConstraintStatus(StatusModel):
    """Written by the DC."""

    cluster: str = ""
    summary: str = Field(default="", description="The constraint in one line.")
    conditions: list[Condition] = Field(default_factory=list, json_schema_extra={"x-map-key": "type"})


class HAConstraint(Resource):
    """A rule about where resources run, together with what, and in which order."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="HAConstraint",
        plural="haconstraints",
        namespaced=True,
        short_names=("hacon",),
        columns=(
            Column("Constraint", ".status.summary"),
            Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )
    spec: HAConstraintSpec
    status: HAConstraintStatus = Field(default_factory=HAConstraintStatus)
