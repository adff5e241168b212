"""Relations between resources and nodes, and among resources.

Scores are integers already (INFINITY is 1_000_000). Tags, templates and patterns are resolved by whoever
builds the state: `resource`, `first` and so on name a primitive, a group, a clone or a bundle.
"""

from dataclasses import dataclass

from backstay.state.choices import Discovery, LossPolicy, OrderAction, OrderKind, Role
from backstay.state.rule import LocationRule
from backstay.state.score import INFINITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Either a node and a score, or rules that score nodes."""

    id: str
    resource: str
    node: str | None = None  # node name
    score: int = 0
    role: Role | None = None
    discovery: Discovery = Discovery.ALWAYS
    rules: tuple[LocationRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Colocation:
    """The dependent goes where the primary is (score > 0) or is not (score < 0)."""

    id: str
    dependent: str
    primary: str
    score: int = INFINITY
    dependent_role: Role | None = None
    primary_role: Role | None = None
    node_attribute: str | None = None  # its value is "the place"; None: the node itself
    influence: bool | None = None  # None: the dependent's `critical` meta attribute decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`first_action` of `first` comes before `then_action` of `then`. symmetrical None: by kind."""

    id: str
    first: str
    then: str
    first_action: OrderAction = OrderAction.START
    then_action: OrderAction | None = None  # None: the same as first_action
    kind: OrderKind = OrderKind.MANDATORY
    symmetrical: bool | None = None
    require_all: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSet:
    """One set of a set constraint. `action` counts in orders, `role` in colocations and tickets."""

    id: str
    members: tuple[str, ...]
    sequential: bool = True
    require_all: bool = True
    action: OrderAction | None = None
    role: Role | None = None
    score: int | None = None
    kind: OrderKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSet:
    id: str
    sets: tuple[ResourceSet, ...]
    kind: OrderKind = OrderKind.MANDATORY
    symmetrical: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColocationSet:
    id: str
    sets: tuple[ResourceSet, ...]
    score: int = INFINITY
    influence: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketConstraint:
    id: str
    ticket: str
    resource: str
    role: Role | None = None
    loss_policy: LossPolicy = LossPolicy.STOP


Constraint = Location | Colocation | Order | OrderSet | ColocationSet | TicketConstraint
