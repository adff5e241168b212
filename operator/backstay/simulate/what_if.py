"""What would happen: schedule a state, pretend to carry the transition out, and show what comes of it.

The modifiers change the state first: a node lost or back, an operation that fails, quorum lost or regained.
They work on any ClusterState, imported or live.
"""

from dataclasses import dataclass, field, replace

from backstay.scheduler.observe import observe
from backstay.scheduler.schedule import schedule_situation
from backstay.scheduler.situation import Situation
from backstay.scheduler.transition import Transition
from backstay.simulate.effects import World
from backstay.simulate.executor import Execution, execute
from backstay.simulate.report import Report, report
from backstay.state.cluster import ClusterState


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """Changes to make before scheduling. `fail` names operations that shall fail when run in the simulation:
    (resource, operation, interval in ms, node) -> return code."""

    nodes_up: tuple[str, ...] = ()
    nodes_down: tuple[str, ...] = ()  # cleanly
    nodes_lost: tuple[str, ...] = ()  # unclean
    quorum: bool | None = None
    fail: dict[tuple[str, str, int, str], int] = field(default_factory=dict)

    def apply(self, state: ClusterState) -> ClusterState:
        """The state with the changes made. Raises KeyError for a node that does not exist."""
        world = World(state)
        for name in self.nodes_up:
            world.join(name)
        for name in self.nodes_down:
            world.lose(name, clean=True)
        for name in self.nodes_lost:
            world.lose(name, clean=not state.properties.fencing_enabled)
        changed = world.state
        return changed if self.quorum is None else replace(changed, have_quorum=self.quorum)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything a simulation yields."""

    before: Situation
    transition: Transition
    execution: Execution
    after: Situation


def run(state: ClusterState, what_if: WhatIf | None = None) -> Outcome:
    """Schedule and carry out."""
    changes = what_if or WhatIf()
    state = changes.apply(state)
    before, ledger = observe(state)
    transition = schedule_situation(before, ledger)
    before, _ = observe(state)  # scheduling marks what it decides; the status is from before
    execution = execute(transition.graph, state, fail=changes.fail)
    after, _ = observe(execution.state)
    for leaf in after.leaves():
        for activity in leaf.activities.values():
            activity.pending = ""  # whatever was under way counts as done
    return Outcome(before, transition, execution, after)


def simulate(
    state: ClusterState,
    what_if: WhatIf | None = None,
    *,
    show_scores: bool = False,
    original_date: bool = False,
) -> Report:
    """The same, as text sections in crm_simulate's words."""
    return told(run(state, what_if), show_scores=show_scores, original_date=original_date)


def told(outcome: Outcome, *, show_scores: bool = False, original_date: bool = False) -> Report:
    """An outcome in words."""
    return report(
        before=outcome.before,
        transition=outcome.transition,
        execution=outcome.execution,
        after=outcome.after,
        show_scores=show_scores,
        original_date=original_date,
    )
