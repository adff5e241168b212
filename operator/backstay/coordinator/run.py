"""One transition on its way: the graph's runner, the fencings in it, and the record of what became of each action.

The run owns no I/O: it puts orders into the PlanBook and reads results from plan statuses. It counts a result only from the boot that
was asked, and only by the id that was sent.

A run that is superseded (`supersede`) sends nothing more. A later run takes over what it wants of the actions in flight
(`take`, design note 0014); the rest ends by itself, or is withdrawn where it has not begun.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from backstay.api import HACluster, HANodePlan, PlanAction
from backstay.api.quantities import timestamp
from backstay.api.transition import Moment as TransitionMoment
from backstay.api.transition import TransitionAction
from backstay.coordinator.fencings import FencingCrew, FencingWish
from backstay.coordinator.in_flight import Flight, Joined
from backstay.coordinator.membership import Membership
from backstay.coordinator.moments import Moment
from backstay.coordinator.orders import ActionWriter, PlanBook
from backstay.coordinator.results import Answers, result_of
from backstay.coordinator.story import StoryItem, Tale
from backstay.coordinator.trigger import Cause, Trigger
from backstay.fencing import FenceMap
from backstay.scheduler import Transition
from backstay.state.assemble import Assembly
from backstay.transition.graph import Action, ActionKind, Graph
from backstay.transition.runner import OVER, Limits, Outcome, Phase, Runner, Verdict

_OUTCOMES = {
    "Done": Outcome.DONE,
    "Failed": Outcome.FAILED,
    "Refused": Outcome.FAILED,
    "Skipped": Outcome.CANCELLED,
    "Cancelled": Outcome.CANCELLED,
}


@dataclass(slots=True)
class _Entry:
    """What is kept of one action for the record."""

    sent_wall: float | None = None
    sent: float | None = None
    ended: float | None = None
    exec_s: float | None = None
    """As the node measured it."""
    rc: int | None = None
    reason: str = ""
    boot_id: str = ""
    """Of the node that it was sent to, or is to fence."""
    order: PlanAction | None = None
    taken_from: int | None = None
    """The transition that sent it, if it was not this one; 0: one of an earlier DC."""
    taken_by: int = 0
    """The later transition that took it over in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What a run is about; fixed when it begins."""

    number: int
    epoch: int
    trigger: Trigger
    transition: Transition
    assembly: Assembly
    cluster: HACluster
    fences: FenceMap
    fence_delays_ms: Mapping[str, int]
    """By target: priority-fencing-delay, where it has that."""
    began: float
    began_wall: float
    decide_ms: float
    moments: tuple[Moment, ...] = ()


@dataclass(slots=True)
class Progress:
    """What one feeding brought."""

    story: list[StoryItem] = field(default_factory=list)


IN_A_PLAN_MAX = 100
"""Actions of a transition in flight on a node; it gets more when half of them are answered, and answered ones leave the plan with that
write. A plan has room for ten times as many, but each of them costs an API server .4 ms whenever anything of the plan or its status is
written (docs/bench-scale.md)."""


class Run:
    """A transition from its first action to its verdict."""

    def __init__(self, context: RunContext, crew: FencingCrew, *, batch_limit: int, node_limit: int) -> None:
        self.context = context
        self._crew = crew
        own = 0 < node_limit < IN_A_PLAN_MAX
        limits = Limits(
            batch=batch_limit,
            per_node=node_limit if own else IN_A_PLAN_MAX,
            refill=None if own else IN_A_PLAN_MAX // 2,
            migrations=context.assembly.state.properties.migration_limit,
        )
        self.runner = Runner(context.transition.graph, limits)
        self.writer = ActionWriter(context.assembly, epoch=context.epoch, number=context.number)
        self._fencings: dict[int, str] = {}
        self._entries: dict[int, _Entry] = {}
        self._answers: dict[str, Answers] = {}
        self._abort_cause: Cause | None = None
        self._superseded = False
        self._late: set[int] = set()
        """Actions without an answer in time. They count as failed, and as in flight: their nodes may be at work on them yet."""
        self._waits: dict[int, tuple[Flight, ...]] = {}

    @property
    def verdict(self) -> Verdict | None:
        return Verdict.ABORTED if self._superseded else self.runner.verdict

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is in flight any more."""
        return not self.runner.in_flight and not self._late

    @property
    def fencing_failed(self) -> tuple[str, ...]:
        """Nodes that could not be fenced."""
        actions = self.context.transition.graph.actions
        return tuple(
            actions[id_].node or "" for id_ in self._fencings if self.runner.phase(id_) is Phase.FAILED
        )

    def supersede(self, reason: Trigger) -> None:
        """Send nothing new: another transition follows, while what is in flight goes on."""
        self.abort(reason)
        self._superseded = True

    def abort(self, reason: Trigger) -> None:
        """Send nothing new."""
        if self.runner.aborted is None:
            self._abort_cause = reason.cause
        self.runner.abort(reason.sentence)

    @property
    def abort_reason(self) -> Trigger:
        """Of a run that was aborted or is stuck."""
        if self.runner.aborted is None:
            return Trigger(Cause.OTHER, "it is stuck: nothing can start")
        # Of itself it is aborted by an action that failed.
        return Trigger(self._abort_cause or Cause.FAILURE, self.runner.aborted)

    def feed(self, plans: Mapping[str, HANodePlan], membership: Membership, now: float) -> Progress:
        """Take in results; give up on nodes that are gone; let late actions expire."""
        progress = Progress()
        for id_ in self.runner.in_flight:
            action = self.context.transition.graph.actions[id_]
            if action.kind is ActionKind.FENCING:
                self._feed_fencing(id_, now)
            else:
                self._feed_action(id_, action, plans, membership, now)
        self._feed_late(plans, membership)
        for id_ in self.runner.expire(now):
            self._late.add(id_)
            entry = self._entries.setdefault(id_, _Entry())
            entry.ended, entry.reason = now, "no answer in time"
            late = f"no answer in time: {self.context.transition.graph.actions[id_].describe()}"
            progress.story.append(StoryItem(tale=Tale.LATE, message=late, warning=True))
        return progress

    def _feed_late(self, plans: Mapping[str, HANodePlan], membership: Membership) -> None:
        """An answer that is late says at least that nothing is in flight any more."""
        for id_ in sorted(self._late):
            node = self.context.transition.graph.actions[id_].node or ""
            view = membership.nodes.get(node)
            plan, order = plans.get(node), self.writer.id_of(id_)
            gone = view is None or not view.usable or view.boot_id != self._entries[id_].boot_id
            if gone or (view is not None and result_of(plan, order, view.boot_id) is not None):
                self._late.discard(id_)

    def _feed_action(
        self, id_: int, action: Action, plans: Mapping[str, HANodePlan], membership: Membership, now: float
    ) -> None:
        node = action.node or ""
        view = membership.nodes.get(node)
        if view is None or not view.usable:
            self._entries[id_].reason = f"node {node} is gone"
            self.abort(Trigger(Cause.NODE_LOST, f"node {node} is gone"))
            self._finish(id_, Outcome.CANCELLED, now)
            return
        plan = plans.get(node)
        answers = self._answers.setdefault(node, Answers())
        result = answers.result(plan, self.writer.id_of(id_), view.boot_id)
        if result is not None:
            entry = self._entries[id_]
            entry.rc, entry.reason = result.rc, result.message
            entry.exec_s = None if result.exec_ms is None else result.exec_ms / 1000
            self._finish(id_, _OUTCOMES[result.state], now)
        elif answers.is_pending(plan, self.writer.id_of(id_)):
            self.runner.started(id_, now)
        elif self._superseded and (rc := _recorded(plan, self.writer.id_of(id_), view.boot_id)) is not None:
            self._entries[id_].rc = rc
            done = rc == (action.target_rc or 0)
            self._finish(id_, Outcome.DONE if done else Outcome.FAILED, now)

    def _finish(self, id_: int, outcome: Outcome, now: float) -> None:
        if self.runner.phase(id_) in (Phase.SENT, Phase.RUNNING):
            self._entries.setdefault(id_, _Entry()).ended = now
        self.runner.finished(id_, outcome, now)

    def _feed_fencing(self, id_: int, now: float) -> None:
        # Nothing follows in an aborted run, so there it does not wait for the record.
        ended = self._crew.outcome(self._fencings[id_], recorded=self.runner.aborted is None)
        if ended is not None:
            self._entries[id_].reason = ended.reason
            self._finish(id_, Outcome.DONE if ended.succeeded else Outcome.FAILED, now)

    def dispatch(
        self, book: PlanBook, membership: Membership, plans: Mapping[str, HANodePlan], now: float
    ) -> None:
        """Put what may start now into the book."""
        batch: dict[str, list[int]] = {}
        orders = {}
        sent = self.runner.ready(now)
        while sent:
            bookkeeping = False
            for dispatch in sent:
                action = dispatch.action
                view = membership.nodes.get(action.node or "")
                entry = _Entry(sent=now, sent_wall=self._wall(now), boot_id=view.boot_id if view else "")
                self._entries[action.id] = entry
                if action.kind is ActionKind.FENCING:
                    self._begin_fencing(action, membership)
                elif self.writer.is_for_agent(action) and action.node is not None:
                    entry.order = orders[action.id] = self.writer.plan_action(action, dispatch.after)
                    batch.setdefault(action.node, []).append(action.id)
                else:
                    bookkeeping = True
                    self._finish(action.id, Outcome.DONE, now)
            sent = self.runner.ready(now) if bookkeeping else ()
        book.tidy(plans, sorted(batch))
        for node in sorted(batch):
            book.add(node, [orders[one] for one in batch[node]])

    def _begin_fencing(self, action: Action, membership: Membership) -> None:
        assert self.context.assembly.state.properties.fencing_enabled
        target, wanted = action.node or "", action.fencing_action or "reboot"
        view = membership.nodes.get(target)
        fences = self.context.fences
        key = self.writer.id_of(action.id)
        self._fencings[action.id] = key
        self._crew.begin(
            FencingWish(
                key=key,
                target=target,
                action=wanted,
                levels=fences.letting_in(target) if wanted == "on" else fences.levels(target),
                boot_id=view.boot_id if view is not None else "",
                delay_ms=self.context.fence_delays_ms.get(target, 0),
                why=self.context.trigger.sentence,
            )
        )

    # -- what is in flight, from one run to the next

    def flying(self) -> dict[str, tuple[str, str, str]]:
        """Of what is in flight, by order: node, operation and resource."""
        actions = self.context.transition.graph.actions
        return {
            self._fencings.get(id_, self.writer.id_of(id_)): (
                actions[id_].node or "",
                actions[id_].operation,
                self.writer.name_on_node(actions[id_]),
            )
            for id_ in (*self.runner.in_flight, *self._late)
        }

    def flights(self, book: PlanBook) -> list[Flight]:
        """What it has in flight. `book` tells what was withdrawn."""
        return [self._flight(id_, book) for id_ in (*self.runner.in_flight, *sorted(self._late))]

    def _flight(self, id_: int, book: PlanBook) -> Flight:
        action, entry = self.context.transition.graph.actions[id_], self._entries[id_]
        order, node, late = self.writer.id_of(id_), action.node or "", id_ in self._late
        until = self.runner.deadline(id_)
        flight = Flight(
            order=order,
            node=node,
            operation="fence",
            begun=True,
            fencing_action=action.fencing_action or "reboot",
            boot_id=entry.boot_id,
            since=entry.sent or 0.0,
            until=until if until != float("inf") else None,
            number=self.context.number if entry.taken_from is None else entry.taken_from,
        )
        if action.kind is ActionKind.FENCING:
            return replace(flight, order=self._fencings[id_])
        return replace(
            flight,
            operation=entry.order.verb if entry.order is not None else action.operation,
            resource=self.writer.name_on_node(action),
            base=action.base_id or (action.resource or "").partition(":")[0],
            interval_ms=action.interval_ms,
            begun=self.runner.phase(id_) is Phase.RUNNING,
            withdrawn=late or order not in book.holds(node),
            after=tuple(self.writer.id_of(one) for one in self.runner.open_inputs(id_)),
            action=entry.order,
            fencing_action="",
        )

    def ran(self, order: str) -> bool:
        """Whether the action of this id ended as something that its node, or a fence device, has done."""
        for id_, entry in self._entries.items():
            if self._fencings.get(id_, self.writer.id_of(id_)) == order:
                done = self.runner.phase(id_) in (Phase.DONE, Phase.FAILED)
                return done and entry.taken_by == 0
        return False

    def concerns(self, names: Collection[str]) -> bool:
        """Whether it has an action for one of these (configured ids) that is not over."""
        return any(
            (one.base_id or one.resource or "") in names
            and one.operation != "monitor"
            and self.runner.phase(one.id) not in OVER
            for one in self.context.transition.graph.actions
        )

    def wants(self, graph: Graph) -> bool:
        """Whether its actions that are not over are those of the graph."""
        mine = self.context.transition.graph.actions
        left = Counter(likeness_of(one) for one in mine if self.runner.phase(one.id) not in OVER)
        wanted = Counter(likeness_of(one) for one in graph.actions)
        return left - Counter({None: left[None]}) == wanted - Counter({None: wanted[None]})

    def hand_over(self, orders: Collection[str], number: int) -> None:
        """Transition `number` has taken these over."""
        for id_ in self.runner.in_flight:
            if self._fencings.get(id_, self.writer.id_of(id_)) in orders:
                self._entries[id_].taken_by = number
                self.runner.give_up(id_)

    def take(self, joined: Joined, book: PlanBook) -> None:
        """At the beginning: adopt what is in flight already, and hold what must wait for the rest."""
        ids = {flight.order: id_ for id_, flight in joined.taken.items()}
        for id_, flight in sorted(joined.taken.items()):
            self._entries[id_] = _Entry(
                sent=flight.since,
                sent_wall=self._wall(flight.since),
                boot_id=flight.boot_id,
                order=flight.action,
                taken_from=flight.number,
            )
            if flight.is_fencing:
                self._fencings[id_] = flight.order
            else:
                self.writer.take(id_, flight.order)
            after = tuple(ids[one] for one in flight.after if one in ids)
            self.runner.adopt(id_, begun=flight.begun, after=after, deadline=self._deadline_of(id_, flight))
            if flight.action is not None and flight.order not in book.holds(flight.node):
                book.add(flight.node, [flight.action])
        self._waits = dict(joined.waits)
        for id_ in self._waits:
            self.runner.hold(id_)

    def _deadline_of(self, id_: int, flight: Flight) -> float | None:
        if flight.until is not None or flight.after:
            return flight.until
        action = self.context.transition.graph.actions[id_]
        if action.kind is ActionKind.FENCING:
            return float("inf")
        return flight.since + (action.timeout_ms + self.runner.limits.grace_ms) / 1000

    def release(self, flying: Collection[str]) -> None:
        """Let go what waited for flights that have ended. `flying`: all that are in flight."""
        for id_ in list(self._waits):
            left = tuple(flight for flight in self._waits[id_] if flight.order in flying)
            if left:
                self._waits[id_] = left
            else:
                del self._waits[id_]
                self.runner.release(id_)

    @property
    def waits(self) -> Mapping[int, tuple[Flight, ...]]:
        """Actions that wait for flights of other transitions, by id."""
        return self._waits

    def withdraw(self, plans: Mapping[str, HANodePlan], book: PlanBook) -> None:
        """Take back what has not begun. An order that no plan has shown yet stays in the book until one does: its write may have
        failed, or may arrive late, and only a plan that has shown it can show that it is gone."""
        for id_ in self.runner.in_flight:
            action = self.context.transition.graph.actions[id_]
            if self.runner.phase(id_) is Phase.SENT and action.kind is not ActionKind.FENCING:
                self._take_back(action.node or "", self.writer.id_of(id_), plans, book)
        for id_ in self._late:
            node = self.context.transition.graph.actions[id_].node or ""
            self._take_back(node, self.writer.id_of(id_), plans, book)

    @staticmethod
    def _take_back(node: str, order: str, plans: Mapping[str, HANodePlan], book: PlanBook) -> None:
        plan = plans.get(node)
        if order in book.holds(node) and plan is not None and _shows(plan, order):
            book.take_back(node, [order])

    def settle_withdrawn(self, plans: Mapping[str, HANodePlan], book: PlanBook, now: float) -> None:
        """Actions taken back count as never run once their node has answered the spec without them."""
        for id_ in (*self.runner.in_flight, *sorted(self._late)):
            action = self.context.transition.graph.actions[id_]
            plan = plans.get(action.node or "")
            order = self.writer.id_of(id_)
            if action.kind is ActionKind.FENCING or plan is None or order in book.holds(action.node or ""):
                continue
            begun = any(one.action_id == order for one in plan.status.pending)
            answered = plan.status.observed_generation >= plan.metadata.generation
            if not _shows(plan, order) and not begun and answered:
                self._late.discard(id_)
                self._finish(id_, Outcome.CANCELLED, now)

    @property
    def next_deadline(self) -> float | None:
        """When something will be late."""
        return self.runner.next_deadline

    def _wall(self, now: float) -> float:
        return self.context.began_wall + (now - self.context.began)

    def moments(self) -> list[TransitionMoment]:
        """The record of what led here."""
        return [
            TransitionMoment(time=timestamp(self._wall(one.at)), node=one.node, what=one.what)
            for one in self.context.moments
        ]

    def span(self, action_id: int) -> tuple[float, float] | None:
        """When the action was sent and when it ended (monotonic seconds); None if it never ran or never ended."""
        entry = self._entries.get(action_id)
        if entry is None or entry.sent is None or entry.ended is None:
            return None
        return entry.sent, entry.ended

    def actions(self) -> list[TransitionAction]:
        """The record of every real action, in graph order."""
        return [
            self._record(action)
            for action in self.context.transition.graph.actions
            if action.kind is not ActionKind.PSEUDO
        ]

    def _record(self, action: Action) -> TransitionAction:
        entry = self._entries.get(action.id, _Entry())
        started, took = self._when(entry)
        return TransitionAction(
            number=action.id,
            action=action.key or action.describe(),
            node=action.node or "",
            state="TakenOver"
            if entry.taken_by
            else _state_word(self.runner.phase(action.id), aborted=self.runner.aborted is not None),
            rc=entry.rc,
            ordered=timestamp(entry.sent_wall) if entry.sent_wall is not None else None,
            started=timestamp(self._wall(started)) if started is not None else None,
            duration_ms=round(took * 1000) if took is not None else None,
            reason=entry.reason,
            taken_from=entry.taken_from,
            taken_by=entry.taken_by,
            waits_for=[flight.describe() for flight in self._waits.get(action.id, ())][:16],
        )

    @staticmethod
    def _when(entry: _Entry) -> tuple[float | None, float | None]:
        """When it began (monotonic seconds) and how long it ran. Without the node's own measure: from when it was sent."""
        if entry.sent is None or entry.ended is None:
            return entry.sent, None
        ran_s = entry.ended - entry.sent
        if entry.exec_s is not None:
            ran_s = min(ran_s, entry.exec_s)
        return entry.ended - ran_s, ran_s


def likeness_of(action: Action) -> object:
    """What actions have alike that do the same; pseudo actions do nothing."""
    if action.kind is ActionKind.PSEUDO:
        return None
    return (action.operation, action.resource, action.node, action.interval_ms, action.fencing_action)


def _recorded(plan: HANodePlan | None, order: str, boot_id: str) -> int | None:
    """The exit code of a withdrawn action that had run before its node read so: then it has no result any more, but a record."""
    if plan is None or plan.status.boot_id != boot_id:
        return None
    return next((one.rc for one in plan.status.history if one.action_id == order), None)


def _shows(plan: HANodePlan, order: str) -> bool:
    """Whether the plan, as it was read last, holds the order."""
    return any(one.id == order for one in plan.spec.actions)


def _state_word(phase: Phase, *, aborted: bool) -> str:
    match phase:
        case Phase.WAITING:
            return "Aborted" if aborted else "Waiting"
        case Phase.SENT | Phase.RUNNING:
            return "Running"
        case Phase.DONE:
            return "Done"
        case Phase.FAILED:
            return "Failed"
        case Phase.SKIPPED:
            return "Skipped"
