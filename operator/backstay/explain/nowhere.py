"""Resources that can run nowhere, even if every node were there and well: what the configuration alone rules out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from backstay.explain.placement import why_nowhere
from backstay.explain.scene import scene_of
from backstay.state.choices import Role
from backstay.state.cluster import ClusterState
from backstay.state.constraint import TicketConstraint
from backstay.state.history import Ticket
from backstay.state.node import Node


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
        yield Nowhere(leaf.id, leaf.base_id, why_nowhere(leaf, scene))


def _in_best_health(state: ClusterState) -> ClusterState:
    return replace(
        state,
        nodes=tuple(_well(node) for node in state.nodes),
        histories=(),
        fail_counts=(),
        tickets=_tickets(state),
        have_quorum=True,
        properties=replace(state.properties, stop_all_resources=False, maintenance_mode=False),
    )


def _tickets(state: ClusterState) -> tuple[Ticket, ...]:
    names = {one.ticket for one in state.constraints if isinstance(one, TicketConstraint)}
    return tuple(Ticket(id=name, granted=True) for name in sorted(names))


def _well(node: Node) -> Node:
    return replace(
        node,
        online=True, unclean=False, pending=False, standby=False, maintenance=False, shutdown=False, seen=True,
        fence_requested=False,
        transient={},
    )  # fmt: skip
