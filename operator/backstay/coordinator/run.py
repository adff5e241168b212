"""One transition on its way: the graph's runner, the fencings in it, and the record of what became of each action.

The run owns no I/O: it puts orders into the PlanBook and reads results from plan statuses. It counts a result only from the boot that
was asked, and only by the id that was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.api import HACluster, HANodePlan
from backstay.api.quantities import timestamp
from backstay.api.transition import Moment as TransitionMoment
from backstay.api.transition import TransitionAction
from backstay.coordinator.fencings import FencingCrew, FencingWish
from backstay.coordinator.membership import Membership
from backstay.coordinator.moments import Moment
from backstay.coordinator.orders import ActionWriter, PlanBook
from backstay.coordinator.results import Answers
from backstay.coordinator.story import StoryItem, Tale
from backstay.coordinator.trigger import Cause, Trigger
from backstay.fencing import FenceMap
from backstay.scheduler import Transition
from backstay.state.assemble import Assembly
from backstay.transition.graph import Action, ActionKind
from backstay.transition.runner import Limits, Outcome, Phase, Runner, Verdict

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
        limits = Limits(batch=batch_limit, per_node=IN_A_PLAN_MAX, refill=IN_A_PLAN_MAX // 2)
        if 0 < node_limit < IN_A_PLAN_MAX:
            limits = Limits(batch=batch_limit, per_node=node_limit)
        self.runner = Runner(context.transition.graph, limits)
        self.writer = ActionWriter(context.assembly, epoch=context.epoch, number=context.number)
        self._fencings: dict[int, str] = {}
        self._entries: dict[int, _Entry] = {}
        self._answers: dict[str, Answers] = {}
        self._abort_cause: Cause | None = None

    @property
    def verdict(self) -> Verdict | None:
        return self.runner.verdict

    @property
    def fencing_failed(self) -> tuple[str, ...]:
        """Nodes that could not be fenced."""
        actions = self.context.transition.graph.actions
        return tuple(
            actions[id_].node or "" for id_ in self._fencings if self.runner.phase(id_) is Phase.FAILED
        )

    def abort(self, reason: Trigger) -> None:
        """Send nothing new; what has begun is waited for."""
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
        for id_ in self.runner.expire(now):
            entry = self._entries.setdefault(id_, _Entry())
            entry.ended, entry.reason = now, "no answer in time"
            late = f"no answer in time: {self.context.transition.graph.actions[id_].describe()}"
            progress.story.append(StoryItem(tale=Tale.LATE, message=late, warning=True))
        return progress

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

    def _finish(self, id_: int, outcome: Outcome, now: float) -> None:
        if self.runner.phase(id_) in (Phase.SENT, Phase.RUNNING):
            self._entries.setdefault(id_, _Entry()).ended = now
        self.runner.finished(id_, outcome, now)

    def _feed_fencing(self, id_: int, now: float) -> None:
        ended = self._crew.outcome(self._fencings[id_])
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
                self._entries[action.id] = _Entry(sent=now, sent_wall=self._wall(now))
                if action.kind is ActionKind.FENCING:
                    self._begin_fencing(action, membership)
                elif self.writer.is_for_agent(action) and action.node is not None:
                    orders[action.id] = self.writer.plan_action(action, dispatch.after)
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

    def withdraw(self, book: PlanBook) -> None:
        """After an abort: take back what its nodes have not begun. What they began anyway is waited for."""
        ids = self.runner.withdrawable
        for id_ in ids:
            action = self.context.transition.graph.actions[id_]
            book.take_back(action.node or "", [self.writer.id_of(id_)])

    def settle_withdrawn(self, plans: Mapping[str, HANodePlan], book: PlanBook, now: float) -> None:
        """Actions taken back count as never run once their node has answered the spec without them."""
        for id_ in self.runner.in_flight:
            action = self.context.transition.graph.actions[id_]
            plan = plans.get(action.node or "")
            order = self.writer.id_of(id_)
            if action.kind is ActionKind.FENCING or plan is None or order in book.holds(action.node or ""):
                continue
            sent = any(one.id == order for one in plan.spec.actions)
            begun = any(one.action_id == order for one in plan.status.pending)
            if not sent and not begun and plan.status.observed_generation >= plan.metadata.generation:
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
            state=_state_word(self.runner.phase(action.id), aborted=self.runner.aborted is not None),
            rc=entry.rc,
            ordered=timestamp(entry.sent_wall) if entry.sent_wall is not None else None,
            started=timestamp(self._wall(started)) if started is not None else None,
            duration_ms=round(took * 1000) if took is not None else None,
            reason=entry.reason,
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
