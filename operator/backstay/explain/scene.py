"""One scheduling run, kept with all that an explanation asks of it."""

from dataclasses import dataclass

from backstay.scheduler.contributions import Contribution
from backstay.scheduler.failures import FailureLedger
from backstay.scheduler.observe import observe
from backstay.scheduler.schedule import schedule_situation
from backstay.scheduler.situation import Resource, Situation
from backstay.scheduler.transition import Placed, Transition
from backstay.state.cluster import ClusterState
from backstay.state.constraint import Constraint
from backstay.state.score import add


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """`before` is what was observed; the transition comes of it."""

    before: Situation
    ledger: FailureLedger
    transition: Transition
    constraints: dict[str, Constraint]
    placed: dict[str, Placed]
    scores: dict[tuple[str, str], int]
    parts: dict[tuple[str, str], tuple[Contribution, ...]]

    @property
    def state(self) -> ClusterState:
        return self.before.state

    def leaf(self, name: str) -> Resource | None:
        """An instance by its name."""
        return next((one for one in self.before.leaves() if one.id == name), None)

    def places_of(self, name: str) -> list[str]:
        """Where a resource (or all instances in it) shall be."""
        found = self.before.by_id.get(name)
        leaves = [leaf.id for leaf in found.leaves()] if found is not None else [name]
        nodes = [self.placed[one].node for one in leaves if one in self.placed]
        return sorted({node for node in nodes if node is not None})


def scene_of(state: ClusterState) -> Scene:
    """Schedule, and keep what is asked for."""
    situation, ledger = observe(state)
    transition = schedule_situation(situation, ledger, with_ties=True)
    before, ledger = observe(state)
    parts: dict[tuple[str, str], list[Contribution]] = {}
    for one in transition.contributions:
        merged(parts.setdefault((one.resource, one.node), []), one)
    return Scene(
        before=before,
        ledger=ledger,
        transition=transition,
        constraints={one.id: one for one in reversed(state.constraints)},
        placed={one.resource: one for one in transition.placements},
        scores={
            (line.resource, line.node): line.score for line in transition.scores if line.stage == "primitive"
        },
        parts={place: tuple(found) for place, found in parts.items()},
    )


def merged(found: list[Contribution], one: Contribution) -> None:
    """Two contributions of one source are one."""
    for number, other in enumerate(found):
        if (other.reason, other.source) == (one.reason, one.source):
            score = add(other.score, one.score)
            found[number] = Contribution(one.resource, one.node, one.reason, one.source, score)
            return
    found.append(one)
