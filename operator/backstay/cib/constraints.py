"""The constraints section. Tags, templates and patterns are replaced by the resources they stand for."""

from collections.abc import Iterator
from itertools import product

from backstay.cib.rules import read_rule
from backstay.cib.tree import Element, Index, label, parsed, read, required
from backstay.cib.values import CibError, boolean, choice, role, score
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
from backstay.state.pattern import PatternError, filled_rule, matching
from backstay.state.rule import LocationRule


class ConstraintReader:
    """Reads constraint elements of one CIB."""

    def __init__(self, root: Element, index: Index) -> None:
        self._index = index
        self._ids = [
            element.get("id") or ""
            for element in root.iterfind("configuration/resources//*")
            if element.tag in ("primitive", "group", "clone", "master", "bundle")
        ]
        self._top_ids = [
            element.get("id") or ""
            for element in root.iterfind("configuration/resources/*")
            if element.tag in ("primitive", "group", "clone", "master", "bundle")
        ]
        """What a pattern is matched against: no member of a group or clone."""
        self._known = frozenset(self._ids)
        self._standing_for: dict[str, tuple[str, ...]] = {}
        for primitive in root.iterfind("configuration/resources//primitive"):
            template = primitive.get("template")
            if template:
                found = self._standing_for.get(template, ())
                self._standing_for[template] = (*found, primitive.get("id") or "")
        for tag in root.iterfind("configuration/tags/tag"):
            members = tuple(ref.get("id") or "" for ref in tag.findall("obj_ref"))
            self._standing_for[tag.get("id") or ""] = members

    def read(self, element: Element) -> Iterator[Constraint]:
        """The constraints that an element stands for. Raises CibError."""
        match element.tag:
            case "rsc_location":
                yield from self._location(element)
            case "rsc_colocation":
                yield from self._colocation(element)
            case "rsc_order":
                yield from self._order(element)
            case "rsc_ticket":
                yield from self._ticket(element)

    def read_pattern(self, element: Element) -> Iterator[Location]:
        """A location with `rsc-pattern` as it is written: once, for a resource without a name, with nothing captured,
        whether or not the pattern matches. Raises CibError."""
        yield from self._one_location(element, name="", wanted_role=read(element, "role", role), captured=())

    def _expand(self, name: str) -> tuple[str, ...]:
        if name in self._known or name not in self._standing_for:
            return (name,)
        return self._standing_for[name]

    # -- locations

    def _location(self, element: Element) -> Iterator[Location]:
        for name, wanted_role, captured in self._location_targets(element):
            yield from self._one_location(element, name=name, wanted_role=wanted_role, captured=captured)

    def _location_targets(self, element: Element) -> Iterator[tuple[str, Role | None, tuple[str, ...]]]:
        own_role = read(element, "role", role)
        pattern = element.get("rsc-pattern")
        if pattern is not None:
            try:
                found = list(matching(pattern, self._top_ids))
            except PatternError as error:
                raise CibError(str(error), element=label(element), attribute="rsc-pattern") from None
            for name, captured in found:
                yield name, own_role, captured
            return
        sets = element.findall("resource_set")
        if not sets:
            for name in self._expand(required(element, "rsc")):
                yield name, own_role, ()
        for one in self._sets(element):
            for name in one.members:
                yield name, one.role or own_role, ()

    def _one_location(
        self, element: Element, *, name: str, wanted_role: Role | None, captured: tuple[str, ...]
    ) -> Iterator[Location]:
        discovery = read(element, "resource-discovery", lambda text: choice(Discovery, text))
        rules = tuple(self._location_rule(one, captured) for one in element.findall("rule"))
        node = element.get("node")
        if node is None and not rules:
            raise CibError("needs a node or a rule", element=label(element))
        yield Location(
            id=element.get("id") or "",
            resource=name,
            node=node,
            score=read(element, "score", score) or 0,
            role=wanted_role,
            discovery=discovery or Discovery.ALWAYS,
            rules=rules,
        )

    def _location_rule(self, element: Element, captured: tuple[str, ...]) -> LocationRule:
        element = self._index.resolve(element)
        found = LocationRule(
            id=element.get("id") or "",
            rule=read_rule(element, self._index),
            score=read(element, "score", score) or 0,
            score_attribute=element.get("score-attribute"),
            role=read(element, "role", role),
        )
        return filled_rule(found, captured) if captured else found

    # -- colocations

    def _colocation(self, element: Element) -> Iterator[Colocation | ColocationSet]:
        identity = element.get("id") or ""
        value = read(element, "score", score)
        influence = read(element, "influence", boolean)
        if element.find("resource_set") is not None:
            sets = tuple(self._sets(element))
            yield ColocationSet(
                id=identity, sets=sets, score=0 if value is None else value, influence=influence
            )
            return
        dependents = self._expand(required(element, "rsc"))
        primaries = self._expand(required(element, "with-rsc"))
        if len(dependents) > 1 and len(primaries) > 1:
            return  # "only one template may be referenced": Pacemaker ignores such a constraint, with tags too
        for dependent, primary in product(dependents, primaries):
            yield Colocation(
                id=identity,
                dependent=dependent,
                primary=primary,
                score=0 if value is None else value,
                dependent_role=read(element, "rsc-role", _any_role),
                primary_role=read(element, "with-rsc-role", _any_role),
                node_attribute=element.get("node-attribute"),
                influence=influence,
            )

    # -- orders

    def _order(self, element: Element) -> Iterator[Order | OrderSet]:
        identity = element.get("id") or ""
        kind = read(element, "kind", lambda text: choice(OrderKind, text))
        if kind is None:
            old = read(element, "score", score)
            kind = OrderKind.OPTIONAL if old == 0 else OrderKind.MANDATORY
        symmetrical = read(element, "symmetrical", boolean)
        if element.find("resource_set") is not None:
            yield OrderSet(id=identity, sets=tuple(self._sets(element)), kind=kind, symmetrical=symmetrical)
            return
        firsts = self._expand(required(element, "first"))
        thens = self._expand(required(element, "then"))
        for first, then in product(firsts, thens):
            yield Order(
                id=identity,
                first=first,
                then=then,
                first_action=read(element, "first-action", _order_action) or OrderAction.START,
                then_action=read(element, "then-action", _order_action),
                kind=kind,
                symmetrical=symmetrical,
                require_all=read(element, "require-all", boolean) is not False,
            )

    # -- tickets

    def _ticket(self, element: Element) -> Iterator[TicketConstraint]:
        policy = read(element, "loss-policy", lambda text: choice(LossPolicy, text)) or LossPolicy.STOP
        targets: list[tuple[str, Role | None]] = []
        if element.find("resource_set") is None:
            own_role = read(element, "rsc-role", _any_role)
            targets = [(name, own_role) for name in self._expand(required(element, "rsc"))]
        for one in self._sets(element):
            targets += [(name, one.role) for name in one.members]
        for name, wanted_role in targets:
            yield TicketConstraint(
                id=element.get("id") or "",
                ticket=required(element, "ticket"),
                resource=name,
                role=wanted_role,
                loss_policy=policy,
            )

    def _sets(self, element: Element) -> Iterator[ResourceSet]:
        for one in self._index.children(element, "resource_set"):
            members: list[str] = []
            for reference in one.findall("resource_ref"):
                members += self._expand(required(reference, "id"))
            sequential = read(one, "sequential", boolean)
            yield ResourceSet(
                id=one.get("id") or "",
                members=tuple(members),
                sequential=sequential is not False,
                require_all=read(one, "require-all", boolean) is not False,
                action=read(one, "action", _order_action),
                role=read(one, "role", _any_role),
                score=read(one, "score", score),
                kind=read(one, "kind", lambda text: choice(OrderKind, text)),
            )


def _any_role(text: str) -> Role | None:
    found = role(text)
    return None if found is Role.STARTED else found


def _order_action(text: str) -> OrderAction:
    return parsed(text, lambda word: choice(OrderAction, word), element="", attribute="")
