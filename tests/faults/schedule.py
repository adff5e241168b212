"""Which faults a run tries, in which order, whom they strike and how long they last: computed from the seed alone.

A fault names its victim by the part that it plays (the host of the group, the DC's host, ...), since who that is depends on what
came before. Fault N of a seed is the same in a run of 8 as in a run of 200.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """What is done to the cluster."""

    POWER_CUT = "power cut"
    TWO_POWER_CUTS = "power cut of two hosts"
    CABLE_CUT = "cable pulled"
    API_CUT = "cut off from the API"
    PEER_CUT = "cut off from the peers"
    BOTH_CUT = "cut off from API and peers"
    API_OUTAGE = "outage of the API"
    API_RESTART = "restart of the API"
    API_KILLED = "API killed"
    AGENT_KILLED = "agent killed"
    AGENT_FROZEN = "agent frozen"
    KEEPER_KILLED = "keeper killed"
    HOST_FROZEN = "host frozen"
    OPERATOR_KILLED = "operator killed"
    OPERATOR_FROZEN = "operator frozen"
    APACHE_KILLED = "web server killed"
    VIP_DELETED = "address of the group deleted"
    ADDRESS_DELETED = "single address deleted"
    STANDBY = "standby"
    NODE_STOP = "node stopped"
    MOVE = "resource moved"
    DISK_FULL = "disk of a host full"
    NODE_RELABELLED = "Node relabelled"
    NODE_DELETED = "Node deleted"
    NODE_DELETED_AND_DEAD = "Node deleted, then a power cut"
    SELECTOR_EDITED = "nodeSelector leaves a host out"
    HANODE_DELETED = "HANode deleted"
    HANODE_HELD = "HANode deleted, held by a finalizer"
    HANODE_UNREADABLE = "HANode unreadable"
    PLAN_DELETED = "HANodePlan deleted"
    PLAN_UNREADABLE = "HANodePlan unreadable"
    RESOURCE_UNREADABLE = "HAResource unreadable"
    NODE_LEASE_DELETED = "Lease of a node deleted"
    DC_LEASE_DELETED = "Lease of the DC deleted"
    CLUSTER_REPLACED = "HACluster deleted and made again"
    GROUP_REPLACED = "ResourceGroup deleted and made again"
    RIVAL_CLUSTER = "a second HACluster"
    STATUSES_WIPED = "statuses wiped by hand"
    KIND_UNSERVED = "HAResources not served, operators restarted"


class Victim(enum.StrEnum):
    """Whom a fault strikes."""

    GROUP = "host of the group"
    ADDRESS = "host of the single address"
    DC = "host of the DC"
    FIRST = "first host"
    SECOND = "second host"
    THIRD = "third host"


SHORT_S, LONG_S = (0.3, 1.8), (4.0, 10.0)
"""How long a fault that is undone lasts: well within a lease of 3 s, or beyond it."""
MOSTLY_HOME = (
    Victim.GROUP,
    Victim.GROUP,
    Victim.ADDRESS,
    Victim.DC,
    Victim.FIRST,
    Victim.SECOND,
    Victim.THIRD,
)
ONLY_AT = {
    Kind.APACHE_KILLED: Victim.GROUP,
    Kind.VIP_DELETED: Victim.GROUP,
    Kind.ADDRESS_DELETED: Victim.ADDRESS,
    Kind.DC_LEASE_DELETED: Victim.DC,
    Kind.OPERATOR_KILLED: Victim.DC,
    Kind.OPERATOR_FROZEN: Victim.DC,
}
"""Elsewhere they would strike nothing that matters."""
LASTING = frozenset(
    {
        Kind.POWER_CUT,
        Kind.TWO_POWER_CUTS,
        Kind.CABLE_CUT,
        Kind.API_CUT,
        Kind.PEER_CUT,
        Kind.BOTH_CUT,
        Kind.API_OUTAGE,
        Kind.AGENT_FROZEN,
        Kind.HOST_FROZEN,
        Kind.OPERATOR_FROZEN,
        Kind.STANDBY,
        Kind.NODE_STOP,
        Kind.DISK_FULL,
        Kind.NODE_RELABELLED,
        Kind.NODE_DELETED,
        Kind.NODE_DELETED_AND_DEAD,
        Kind.SELECTOR_EDITED,
        Kind.HANODE_HELD,
        Kind.HANODE_UNREADABLE,
        Kind.PLAN_UNREADABLE,
        Kind.RESOURCE_UNREADABLE,
        Kind.GROUP_REPLACED,
        Kind.RIVAL_CLUSTER,
        Kind.KIND_UNSERVED,
    }
)
"""They last until they are undone; the others are over at once."""
HARMLESS = frozenset(
    {
        Kind.PEER_CUT,
        Kind.API_OUTAGE,
        Kind.API_RESTART,
        Kind.AGENT_KILLED,
        Kind.AGENT_FROZEN,
        Kind.KEEPER_KILLED,
        Kind.OPERATOR_KILLED,
        Kind.OPERATOR_FROZEN,
        Kind.HANODE_DELETED,
        Kind.HANODE_HELD,
        Kind.HANODE_UNREADABLE,
        Kind.PLAN_DELETED,
        Kind.PLAN_UNREADABLE,
        Kind.RESOURCE_UNREADABLE,
        Kind.NODE_LEASE_DELETED,
        Kind.DC_LEASE_DELETED,
        Kind.CLUSTER_REPLACED,
        Kind.RIVAL_CLUSTER,
        Kind.STATUSES_WIPED,
        Kind.KIND_UNSERVED,
    }
)
"""Nothing may move for them, and nobody may be fenced."""
LEAVING = frozenset({Kind.NODE_RELABELLED, Kind.NODE_DELETED, Kind.SELECTOR_EDITED})
"""A healthy host is drained for them, not fenced; where they last long, its HANode and plan are gone in the end."""
UNFENCED = HARMLESS | LEAVING | {Kind.GROUP_REPLACED}
OF_OBJECTS = frozenset(list(Kind)[list(Kind).index(Kind.NODE_RELABELLED) :])
"""What is done to Kubernetes objects, by whoever may."""
TRIED = frozenset(Kind)
COPIES = {Kind.POWER_CUT: 3, Kind.CABLE_CUT: 2, Kind.BOTH_CUT: 2, Kind.HOST_FROZEN: 2}
"""How often a kind is in the deck; once where nothing is said."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a run."""

    number: int
    """From 1."""
    kind: Kind
    victim: Victim
    hold_s: float
    """Until it is undone, where it has to be."""

    def __str__(self) -> str:
        return f"{self.number}: {self.kind}, {self.victim}, {self.hold_s:.1f} s"


def schedule(seed: int, count: int, kinds: Collection[Kind] = TRIED) -> Iterator[Fault]:
    """The first ``count`` faults of a seed. Kinds come from a shuffled deck, so that all have come before one comes much oftener."""
    deck: list[Kind] = []
    shuffler = random.Random(f"deck {seed}")
    for number in range(1, count + 1):
        if not deck:
            deck = [kind for kind in Kind if kind in kinds for _ in range(COPIES.get(kind, 1))]
            shuffler.shuffle(deck)
        kind, rng = deck.pop(), random.Random(f"fault {seed} {number}")
        victim = rng.choice(MOSTLY_HOME)
        hold_s = rng.uniform(*rng.choice((SHORT_S, LONG_S)))
        yield Fault(number, kind, ONLY_AT.get(kind, victim), hold_s)
