"""Resources that can run nowhere, even if every node were there and well: what the configuration alone rules out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from backstay.explain.placement import why_nowhere
from backstay.explain.scene import scene_of
from backstay.scheduler.situation import Kind, Resource
from backstay.state.choices import Role
from backstay.state.cluster import ClusterState
from backstay.state.constraint import Colocation, ColocationSet, Constraint, TicketConstraint
from backstay.state.history import Ticket
from backstay.state.node import Node

_FAILURES = ("fail-count-", "last-failure-")


@dataclass(frozen=True, slots=True)
class Nowhere:
    """An instance, the configured resource it is one of, and what stands against it."""

    resource: str
    base_id: str
    reason: str


def runs_nowhere(state: ClusterState) -> Iterator[Nowhere]:
    """What should run and has no place. Tickets count as granted; what is disabled is left out; of a clone only the first
    instance must have one."""
    scene = scene_of(_in_best_health(state))
    told: set[str] = set()
    for leaf in scene.before.leaves():
        placed = scene.placed.get(leaf.id)
        if placed is None or placed.node is not None or leaf.base_id in told:
            continue
        if leaf.orphan or leaf.meta.target_role is Role.STOPPED or not leaf.managed:
            continue
        family = scene.before.instances_of.get(leaf.base_id, [leaf])
        if any((one := scene.placed.get(other.id)) is not None and one.node for other in family):
            continue
        told.add(leaf.base_id)
        if _goes_with_another(leaf, told):
            continue  # its group's first member was told
        yield Nowhere(leaf.id, leaf.base_id, why_nowhere(leaf, scene))


def _goes_with_another(leaf: Resource, told: set[str]) -> bool:
    group = leaf.parent
    if group is None or group.kind is not Kind.GROUP:
        return False
    before = group.children[: group.children.index(leaf)]
    return any(one.base_id in told for one in before)


def _in_best_health(state: ClusterState) -> ClusterState:
    return replace(
        state,
        nodes=tuple(_well(node) for node in state.nodes),
        histories=(),
        fail_counts=(),
        constraints=tuple(one for one in state.constraints if not _waits_for_promotion(one)),
        tickets=_tickets(state),
        have_quorum=True,
        properties=replace(state.properties, stop_all_resources=False, maintenance_mode=False),
    )


def _tickets(state: ClusterState) -> tuple[Ticket, ...]:
    names = {one.ticket for one in state.constraints if isinstance(one, TicketConstraint)}
    return tuple(Ticket(id=name, granted=True) for name in sorted(names))


def _waits_for_promotion(constraint: Constraint) -> bool:
    """Who is promoted is known only when the agents have said whom they want."""
    roles: tuple[Role | None, ...] = ()
    if isinstance(constraint, Colocation):
        roles = (constraint.dependent_role, constraint.primary_role)
    elif isinstance(constraint, ColocationSet):
        roles = tuple(one.role for one in constraint.sets)
    return Role.PROMOTED in roles or Role.UNPROMOTED in roles


def _well(node: Node) -> Node:
    return replace(
        node,
        online=True, unclean=False, pending=False, standby=False, maintenance=False, shutdown=False, seen=True,
        fence_requested=False,
        transient={name: value for name, value in node.transient.items() if not name.startswith(_FAILURES)},
    )  # fmt: skip
