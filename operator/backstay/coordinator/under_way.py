"""The transition under way, and what earlier ones left in flight (design note 0014).

One transition is current. A transition that was superseded stays aside until nothing of it is in flight. What a node runs for an
earlier DC, or was sent before a silence, belongs to no run of this term and is read from the node's status. Assumes one instance
per DC term; owns no I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from backstay.api import HANodePlan, PlanAction
from backstay.coordinator.in_flight import Flight, join
from backstay.coordinator.membership import Membership, NodeView
from backstay.coordinator.orders import PlanBook
from backstay.coordinator.relations import Relations
from backstay.coordinator.run import Run
from backstay.coordinator.story import StoryItem
from backstay.coordinator.trigger import Cause, Trigger
from backstay.state.cluster import ClusterState
from backstay.transition.graph import Graph
from backstay.transition.runner import UNFINISHED

_NO_AGENT = ("meta-data", "fence", "notify")
"""Verbs of pending operations that no plan of resources depends on: `fence` is the fencing crew's affair."""


@dataclass(slots=True)
class Fed:
    """What one look at the nodes' answers brought."""

    story: list[StoryItem] = field(default_factory=list)
    news: Trigger | None = None
    """Something that the current transition does not know of has ended, or has begun after all: schedule again."""
    settled: list[Run] = field(default_factory=list)
    """Superseded transitions of which nothing is in flight any more."""


class UnderWay:
    """Feed it at every step, `begin` a run, `supersede` it, and `withdraw` what is left."""

    def __init__(self, *, epoch: int) -> None:
        self.run: Run | None = None
        self._epoch = epoch
        self._aside: list[Run] = []
        self._strangers: dict[str, Flight] = {}
        self._orders: dict[str, PlanAction] = {}
        """What pending operations of nobody's run were asked for, as long as a plan said so."""
        self._cancels = 0

    # -- questions

    def flights(self, book: PlanBook) -> list[Flight]:
        """All that is in flight and does not belong to the current run."""
        return [
            *(flight for run in self._aside for flight in run.flights(book)),
            *(self._strangers[one] for one in sorted(self._strangers)),
        ]

    def flying(self) -> Iterator[tuple[str, str, str]]:
        """Node, operation and resource of all that is in flight, the current run's actions too."""
        for run in [*self._aside, *([self.run] if self.run is not None else [])]:
            yield from run.flying().values()
        for flight in self._strangers.values():
            yield (flight.node, flight.operation, flight.resource)

    @property
    def next_deadline(self) -> float | None:
        """When an answer will be late."""
        runs = [*self._aside, *([self.run] if self.run is not None else [])]
        return min((at for run in runs if (at := run.next_deadline) is not None), default=None)

    @property
    def busy(self) -> bool:
        """Whether anything of any transition is on its way."""
        return self.run is not None or bool(self._aside)

    def busy_nodes(self) -> frozenset[str]:
        """Nodes on which the current transition has something left to do, or that it fences."""
        if self.run is None:
            return frozenset()
        runner = self.run.runner
        actions = self.run.context.transition.graph.actions
        return frozenset(
            action.node
            for action in actions
            if action.node is not None and runner.phase(action.id) in UNFINISHED
        )

    def concerns(self, names: Collection[str], book: PlanBook) -> bool:
        """Whether anything is to be done, or in flight, for one of these (configured ids)."""
        if any(flight.base in names for flight in self.flights(book)):
            return True
        return self.run is not None and self.run.concerns(names)

    # -- steps

    def feed(
        self, plans: Mapping[str, HANodePlan], membership: Membership, book: PlanBook, now: float
    ) -> Fed:
        """Take the nodes' answers in."""
        fed = Fed()
        self._feed_aside(fed, plans, membership, book, now)
        self._find_strangers(fed, plans, membership, now)
        if self.run is not None:
            fed.story += self.run.feed(plans, membership, now).story
        self._occupy(book)
        return fed

    def _feed_aside(
        self,
        fed: Fed,
        plans: Mapping[str, HANodePlan],
        membership: Membership,
        book: PlanBook,
        now: float,
    ) -> None:
        for run in list(self._aside):
            before = {flight.order: flight for flight in run.flights(book)}
            fed.story += run.feed(plans, membership, now).story
            after = {flight.order: flight for flight in run.flights(book)}
            for order, flight in before.items():
                if flight.recurs:
                    continue
                if order not in after and run.ran(order):
                    fed.news = fed.news or _ended(flight)
                elif order in after and after[order].begun and not flight.begun:
                    began = f"{flight.describe()} had begun before it was withdrawn"
                    fed.news = fed.news or Trigger(Cause.NEWS, began, again=True)
            run.withdraw(plans, book)
            run.settle_withdrawn(plans, book, now)
            if run.is_over:
                self._aside.remove(run)
                fed.settled.append(run)

    def _find_strangers(
        self,
        fed: Fed,
        plans: Mapping[str, HANodePlan],
        membership: Membership,
        now: float,
    ) -> None:
        """What nodes run for nobody that is known here."""
        if not self._strangers and not any(plan.status.pending for plan in plans.values()):
            return
        own = {order for run in self._aside for order in run.flying()}
        own |= set(self.run.flying()) if self.run is not None else set()
        found: dict[str, Flight] = {}
        for name, view in membership.nodes.items():
            plan = plans.get(name)
            if plan is None or not plan.status.pending or not view.usable:
                continue
            found.update(self._strangers_on(name, view, plan, own, now))
        for order, flight in self._strangers.items():
            if order not in found and order not in own and not flight.recurs:
                fed.news = fed.news or _ended(flight)
        self._strangers = found
        self._orders = {one: self._orders[one] for one in found if one in self._orders}

    def _strangers_on(
        self, name: str, view: NodeView, plan: HANodePlan, own: set[str], now: float
    ) -> Mapping[str, Flight]:
        if plan.status.boot_id != view.boot_id:
            return {}
        found: dict[str, Flight] = {}
        for pending in plan.status.pending:
            # What the agent runs by itself (a release, an adoption) has no id of the DC's.
            order = pending.action_id or f"{name} {pending.verb} {pending.resource}"
            if order in own or pending.verb in _NO_AGENT:
                continue
            known = self._strangers.get(order)
            if order not in self._orders:
                self._orders |= {one.id: one for one in plan.spec.actions if one.id == order}
            found[order] = known or Flight(
                order=order,
                node=name,
                operation=pending.verb,
                resource=pending.resource,
                base=pending.resource.partition(":")[0],
                interval_ms=pending.interval_ms,
                begun=True,
                action=self._orders.get(order),
                boot_id=view.boot_id,
                since=now,
            )
        return found

    def _occupy(self, book: PlanBook) -> None:
        if self.run is None:
            return
        flights = self.flights(book)
        self.run.release({flight.order for flight in flights})
        migrating = [one for one in flights if one.operation in ("migrate_to", "migrate_from")]
        self.run.runner.occupy(
            Counter(one.node for one in flights if not one.is_fencing),
            migrating=Counter(one.node for one in migrating),
        )

    def supersede(self, reason: Trigger) -> Run:
        """The current run sends nothing more; what it has in flight stays there."""
        run = self.run
        assert run is not None
        run.supersede(reason)
        self._aside.append(run)
        self.run = None
        return run

    def end(self) -> None:
        """The current run is over."""
        assert self.run is not None
        if not self.run.is_over:
            self._aside.append(self.run)
        self.run = None

    def begin(self, run: Run, state: ClusterState, membership: Membership, book: PlanBook) -> None:
        """Make this the current run, joined to what is in flight."""
        assert self.run is None
        joined = join(
            run.context.transition.graph,
            self.flights(book),
            writer=run.writer,
            boots={name: view.boot_id for name, view in membership.nodes.items()},
            relations=Relations(state),
        )
        run.take(joined, book)
        orders = {flight.order for flight in joined.taken.values()}
        for one in self._aside:
            one.hand_over(orders, run.context.number)
        self._strangers = {one: flight for one, flight in self._strangers.items() if one not in orders}
        self.run = run
        self._occupy(book)

    def settle(self, plans: Mapping[str, HANodePlan], book: PlanBook, now: float) -> None:
        """After the scheduling: withdraw what is aside and has not begun."""
        for run in self._aside:
            run.withdraw(plans, book)
            run.settle_withdrawn(plans, book, now)
        self._occupy(book)

    def keeps(self, graph: Graph) -> bool:
        """Whether the current run has in hand, or before it, just what the graph asks for."""
        return self.run is not None and self.run.wants(graph)


def _ended(flight: Flight) -> Trigger:
    return Trigger(Cause.NEWS, f"{flight.describe()} has ended", again=True)
