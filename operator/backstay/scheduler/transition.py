"""What scheduling answers: the graph, where everything goes, why, and what changes for whom.

Everything here is frozen and typed; words are made of it elsewhere.
"""

from dataclasses import dataclass
from enum import Enum

from backstay.scheduler.causes import Tie
from backstay.scheduler.contributions import Contribution, Entry, written_out
from backstay.state.choices import Role
from backstay.transition.graph import Graph


class Verb(Enum):
    """What happens to a resource, in the words of a transition summary."""

    START = "Start"
    STOP = "Stop"
    RESTART = "Restart"
    RECOVER = "Recover"
    MOVE = "Move"
    MIGRATE = "Migrate"
    RELOAD = "Reload"
    PROMOTE = "Promote"
    REPROMOTE = "Re-promote"
    DEMOTE = "Demote"
    FENCE = "Fence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a transition summary. For FENCE, `resource` is empty and `to_node` the target."""

    verb: Verb
    resource: str = ""
    from_node: str | None = None
    to_node: str | None = None
    from_role: Role | None = None
    to_role: Role | None = None
    reason: str = ""
    blocked: bool = False  # it would have to happen but can not
    fencing_action: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an instance shall be; node None: nowhere."""

    resource: str
    node: str | None
    role: Role


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """The score of an instance on a node at the moment its place was chosen. `stage` is primitive, group,
    clone."""

    stage: str
    resource: str
    node: str
    score: int


@dataclass(frozen=True, slots=True)
class PromotionScore:
    """How much an instance is to be promoted on its node; node "" if it was placed nowhere."""

    resource: str
    node: str
    score: int


@dataclass(frozen=True, slots=True)
class Blocked:
    """A resource that the cluster will not touch, or can not bring where it should be, and why."""

    resource: str
    reason: str


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """The scores of an instance on all `nodes` at that moment: ScoreLines, unwritten."""

    stage: str
    resource: str
    nodes: tuple[str, ...]
    scores: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """The answer of `schedule`. `next_check` is when time alone may change it (a failure expires); None: never.
    `promotion_reasons` are what promotion scores are made of: of an instance's, and under the clone's id of those of all its
    instances on a node. `ties` say why actions wait, if that was asked for.

    Scores and reasons are kept as they fell (there are as many as resources times nodes) and written out when asked
    for: a failover does not wait for them."""

    graph: Graph
    placements: tuple[Placed, ...]
    changes: tuple[Change, ...]
    score_rows: tuple[ScoreRow, ...]
    promotion_scores: tuple[PromotionScore, ...]
    promotion_reasons: tuple[Entry, ...]
    reasons: tuple[Entry, ...]
    blocked: tuple[Blocked, ...]
    next_check: float | None = None
    ties: tuple[Tie, ...] = ()

    def contributions_for(self, resource: str, node: str) -> tuple[Contribution, ...]:
        """Why a resource has its score on a node."""
        own = (one for one in self.reasons if one[0] == resource)
        return tuple(one for one in written_out(own) if one.node == node)

    @property
    def contributions(self) -> tuple[Contribution, ...]:
        """What every score is made of, in the order in which it came about."""
        return tuple(written_out(self.reasons))

    @property
    def scores(self) -> tuple[ScoreLine, ...]:
        """Every score when its resource was placed, and when its group or clone was."""
        return tuple(
            ScoreLine(row.stage, row.resource, node, score)
            for row in self.score_rows
            for node, score in zip(row.nodes, row.scores, strict=True)
        )
