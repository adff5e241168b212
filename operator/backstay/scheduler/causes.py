"""Why one action waits for another: noted with every relation as it is made, so that an explanation has nothing to guess."""

from dataclasses import dataclass
from enum import IntEnum, auto


class Why(IntEnum):
    """What relates two actions. Of several along a way through marks the last of this list says most."""

    SAME = auto()  # one thing after the other on one resource
    CLONE = auto()  # instances of a clone
    GROUP = auto()  # members of a group
    PROBE = auto()  # it is not known yet what runs
    CLEANUP = auto()  # failures are forgotten
    ROOM = auto()  # what leaves makes room (utilization)
    NOTIFY = auto()  # instances are told of one another
    MIGRATION = auto()  # a live migration goes step by step
    CONTAINER = auto()  # it runs inside the other
    SHUTDOWN = auto()  # the node takes its leave
    UNFENCING = auto()  # the node is let in by a fence device
    APART = auto()  # a colocation keeps them apart
    ORDER = auto()  # an order constraint
    ORDER_BACK = auto()  # the same, the other way round
    FENCING = auto()  # the other node must be dead


@dataclass(frozen=True, slots=True)
class Cause:
    """`source` is the id of the constraint behind it, "" where there is none."""

    why: Why
    source: str = ""


@dataclass(frozen=True, slots=True)
class Tie:
    """`then` waits for `first` (ids of actions in the graph) because of all `causes`."""

    first: int
    then: int
    causes: tuple[Cause, ...]
