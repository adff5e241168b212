"""What would happen: schedule a state, pretend to carry the transition out, and show what comes of it.

The modifiers change the state first: a node lost or back, an operation that fails, quorum lost or regained, a ticket granted, an
option set. They work on any ClusterState, imported or live.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from backstay.cib.options import with_options
from backstay.scheduler.observe import observe
from backstay.scheduler.schedule import schedule_situation
from backstay.scheduler.situation import Situation
from backstay.scheduler.transition import Transition
from backstay.simulate.effects import World
from backstay.simulate.executor import Execution, execute
from backstay.simulate.op_spec import OpSpec, refuse_unknown
from backstay.simulate.report import Report, report
from backstay.state.cluster import ClusterState
from backstay.state.history import Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """Changes to make before scheduling. `inject` are results that operations had; `fail` is what shall fail when it is run in
    the simulation. `options` are cluster options as written in a CIB."""

    nodes_up: tuple[str, ...] = ()
    nodes_down: tuple[str, ...] = ()  # cleanly
    nodes_lost: tuple[str, ...] = ()  # unclean
    nodes_standby: tuple[str, ...] = ()
    quorum: bool | None = None
    watchdog: bool | None = None
    tickets_granted: tuple[str, ...] = ()
    tickets_revoked: tuple[str, ...] = ()
    tickets_standby: tuple[str, ...] = ()
    tickets_active: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    inject: tuple[OpSpec, ...] = ()
    fail: tuple[OpSpec, ...] = ()

    def apply(self, state: ClusterState) -> ClusterState:
        """The state with the changes made. Raises UnknownName for a node or resource that does not exist, and CibError for an
        option that does not."""
        nodes = (*self.nodes_up, *self.nodes_down, *self.nodes_lost, *self.nodes_standby)
        refuse_unknown(state, nodes=nodes, specs=(*self.inject, *self.fail))
        state = replace(state, properties=with_options(state.properties, self.options))
        if self.watchdog is not None:
            state = replace(state, properties=replace(state.properties, have_watchdog=self.watchdog))
        world = World(state)
        for name in self.nodes_up:
            world.join(name)
        for name in self.nodes_down:
            world.lose(name, clean=True)
        for name in self.nodes_lost:
            world.lose(name, clean=not state.properties.fencing_enabled)
        for name in self.nodes_standby:
            world.stand_by(name)
        for spec in self.inject:
            world.inject(spec)
        changed = replace(world.state, tickets=self._tickets(state.tickets))
        return changed if self.quorum is None else replace(changed, have_quorum=self.quorum)

    def _tickets(self, tickets: tuple[Ticket, ...]) -> tuple[Ticket, ...]:
        known = {ticket.id: ticket for ticket in tickets}

        def ticket(name: str) -> Ticket:
            return known.get(name, Ticket(id=name))

        known |= {name: replace(ticket(name), granted=True) for name in self.tickets_granted}
        known |= {name: replace(ticket(name), granted=False) for name in self.tickets_revoked}
        known |= {name: replace(ticket(name), standby=True) for name in self.tickets_standby}
        known |= {name: replace(ticket(name), standby=False) for name in self.tickets_active}
        return tuple(known.values())

    def lines(self) -> Iterator[str]:
        """The changes in crm_simulate's words."""
        yield from (f"Setting {name}: {value}" for name, value in self.options.items())
        if self.watchdog is not None:
            yield f"Setting watchdog: {str(self.watchdog).lower()}"
        if self.quorum is not None:
            yield f"Setting quorum: {str(self.quorum).lower()}"
        yield from (f"Bringing node {name} online" for name in self.nodes_up)
        yield from (f"Taking node {name} offline" for name in self.nodes_down)
        yield from (f"Failing node {name}" for name in self.nodes_lost)
        yield from (f"Putting node {name} into standby" for name in self.nodes_standby)
        yield from (f"Granting ticket {name}" for name in self.tickets_granted)
        yield from (f"Revoking ticket {name}" for name in self.tickets_revoked)
        yield from (f"Making ticket {name} standby" for name in self.tickets_standby)
        yield from (f"Activating ticket {name}" for name in self.tickets_active)
        yield from (f"Injecting {spec} into the configuration" for spec in self.inject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything a simulation yields. `current` is the state before the changes, `before` after them."""

    current: Situation
    before: Situation
    transition: Transition
    execution: Execution
    after: Situation
    changes: tuple[str, ...] = ()


def run(state: ClusterState, what_if: WhatIf | None = None) -> Outcome:
    """Schedule and carry out. Raises what `WhatIf.apply` raises."""
    changes = what_if or WhatIf()
    changed = changes.apply(state)
    lines = tuple(changes.lines())
    before, ledger = observe(changed)
    transition = schedule_situation(before, ledger)
    before, _ = observe(changed)  # scheduling marks what it decides; the status is from before
    current = observe(state)[0] if lines else before
    fail = {(one.resource, one.operation, one.interval_ms, one.node): one.rc for one in changes.fail}
    execution = execute(transition.graph, changed, fail=fail)
    after, _ = observe(execution.state)
    for leaf in after.leaves():
        leaf.pending = ""  # whatever was under way counts as done; where it was is still told
    return Outcome(
        current=current,
        before=before,
        transition=transition,
        execution=execution,
        after=after,
        changes=lines,
    )


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
        before=outcome.current,
        changes=outcome.changes,
        transition=outcome.transition,
        execution=outcome.execution,
        after=outcome.after,
        show_scores=show_scores,
        original_date=original_date,
    )
