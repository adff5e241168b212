"""HAConstraint objects as the scheduler's constraints; references that lead nowhere become problems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backstay.api import HAConstraint
from backstay.api import constraint as api
from backstay.api.quantities import score_value
from backstay.state.assemble_problem import Problem
from backstay.state.assemble_resources import ResourceIndex
from backstay.state.assemble_rules import rule_of
from backstay.state.choices import Discovery, LossPolicy, OrderAction, OrderKind, Role
from backstay.state.constraint import (
    Colocation,
    ColocationSet,
    Constraint,
    Location,
    Order,
    OrderSet,
    ResourceSet,
    TicketConstraint,
)
from backstay.state.pattern import filled_rule, matching
from backstay.state.rule import LocationRule
from backstay.state.seniority import position_of


class _Unresolved(Exception):
    """A reference that names nothing, or nothing that it may name."""

    def __init__(self, *, field: str, code: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.code = code


def constraints_of(
    objects: Iterable[HAConstraint], index: ResourceIndex
) -> tuple[tuple[Constraint, ...], tuple[Problem, ...]]:
    """All constraints, sorted by id, and what was wrong with the others."""
    found: list[Constraint] = []
    problems: list[Problem] = []
    for item in sorted(objects, key=lambda one: (position_of(one.metadata), one.key)):
        try:
            found += _Reader(item, index).read()
        except _Unresolved as error:
            problems.append(_problem(item, error.code, str(error), error.field))
        except ValueError as error:
            problems.append(_problem(item, "Invalid", str(error), "spec"))
    return tuple(found), tuple(problems)


def _problem(item: HAConstraint, code: str, message: str, field: str) -> Problem:
    return Problem(
        kind="HAConstraint",
        namespace=item.metadata.namespace or "",
        name=item.metadata.name,
        code=code,
        message=message,
        field=field,
    )


class _Reader:
    """Reads one object."""

    def __init__(self, item: HAConstraint, index: ResourceIndex) -> None:
        self._item = item
        self._index = index
        self._space = item.metadata.namespace or ""
        self._id = item.spec.constraint_id or f"{self._space}/{item.metadata.name}"

    def read(self) -> list[Constraint]:
        spec = self._item.spec
        if spec.location is not None:
            return list(self._locations(spec.location))
        if spec.colocation is not None:
            return [self._colocation(spec.colocation)]
        if spec.order is not None:
            return [self._order(spec.order)]
        if spec.ticket is not None:
            return list(self._tickets(spec.ticket))
        raise ValueError("spec: exactly one of location, colocation, order and ticket is needed")

    def _resource(self, reference: str | None, field: str) -> str:
        name = reference or ""
        found = self._index.resolve(name, self._space)
        if found is not None:
            return found
        missing = f"there is no resource or group {name!r} in namespace {self._space!r}"
        owner = self._index.objects.get(name)
        if owner is None:
            raise _Unresolved(
                field=field,
                code="ReferenceNotFound",
                message=f"{missing}; correct the name, or create it",
            )
        raise _Unresolved(
            field=field,
            code="ReferenceNotAllowed",
            message=f"{missing}, and spec.allowedReferences of the HACluster does not let its constraints name those of "
            f"namespace {owner.namespace!r}; add it there, or correct the name",
        )

    def _locations(self, spec: api.Location) -> Iterator[Location]:
        for target, captured in self._location_targets(spec):
            rules = tuple(
                _location_rule(rule, f"{self._id}-rule-{number}")
                for number, rule in enumerate(spec.rules or ())
            )
            yield Location(
                id=self._id,
                resource=target,
                node=spec.node,
                score=score_value(spec.score) if spec.score is not None else 0,
                role=_role(spec.role),
                discovery=Discovery(spec.resource_discovery or "always"),
                rules=tuple(filled_rule(rule, captured) for rule in rules) if captured else rules,
            )

    def _location_targets(self, spec: api.Location) -> list[tuple[str, tuple[str, ...]]]:
        """Resources, each with what a pattern captured in its id."""
        if spec.resource is not None:
            return [(self._resource(spec.resource, "spec.location.resource"), ())]
        if spec.resource_pattern is not None:
            return list(matching(spec.resource_pattern, self._index.top_ids_within_reach(self._space)))
        return [
            (self._resource(name, f"spec.location.sets[{number}]"), ())
            for number, one in enumerate(spec.sets or ())
            for name in one.resources
        ]

    def _colocation(self, spec: api.Colocation) -> Constraint:
        if spec.sets:
            return ColocationSet(
                id=self._id,
                sets=self._sets(spec.sets, "spec.colocation"),
                score=score_value(spec.score),
                influence=spec.influence,
            )
        return Colocation(
            id=self._id,
            dependent=self._resource(spec.resource, "spec.colocation.resource"),
            primary=self._resource(spec.with_resource, "spec.colocation.withResource"),
            score=score_value(spec.score),
            dependent_role=_role(spec.resource_role),
            primary_role=_role(spec.with_role),
            node_attribute=spec.node_attribute,
            influence=spec.influence,
        )

    def _order(self, spec: api.Order) -> Constraint:
        kind = OrderKind(spec.kind or "Mandatory")
        if spec.sets:
            sets = self._sets(spec.sets, "spec.order")
            return OrderSet(id=self._id, sets=sets, kind=kind, symmetrical=spec.symmetrical)
        return Order(
            id=self._id,
            first=self._resource(spec.first, "spec.order.first"),
            then=self._resource(spec.then, "spec.order.then"),
            first_action=OrderAction(spec.first_action or "start"),
            then_action=OrderAction(spec.then_action) if spec.then_action else None,
            kind=kind,
            symmetrical=spec.symmetrical,
            require_all=spec.require_all is not False,
        )

    def _tickets(self, spec: api.Ticket) -> Iterator[TicketConstraint]:
        names = [(spec.resource, spec.role)] if spec.resource else []
        names += [(name, one.role or spec.role) for one in spec.sets or () for name in one.resources]
        for name, role in names:
            yield TicketConstraint(
                id=self._id,
                ticket=spec.ticket,
                resource=self._resource(name, "spec.ticket.resource"),
                role=_role(role),
                loss_policy=LossPolicy(spec.loss_policy or "stop"),
            )

    def _sets(self, sets: list[api.ResourceSet], field: str) -> tuple[ResourceSet, ...]:
        return tuple(
            ResourceSet(
                id=one.id or f"{self._id}-set-{number}",
                members=tuple(self._resource(name, f"{field}.sets[{number}]") for name in one.resources),
                sequential=one.sequential is not False,
                require_all=one.require_all is not False,
                action=OrderAction(one.action) if one.action else None,
                role=_role(one.role),
                score=score_value(one.score) if one.score is not None else None,
                kind=OrderKind(one.kind) if one.kind else None,
            )
            for number, one in enumerate(sets)
        )


def _role(name: str | None) -> Role | None:
    return Role(name) if name else None


def _location_rule(spec: api.LocationRule, id_: str) -> LocationRule:
    return LocationRule(
        rule=rule_of(spec, id_),
        score=score_value(spec.score) if spec.score is not None else 0,
        score_attribute=spec.score_attribute,
        role=_role(spec.role),
        id=id_,
    )
