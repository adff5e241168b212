"""One transition on its way: the graph's runner, the fencings in it, and the record of what became of each action.

The run owns no I/O: it puts orders into the PlanBook and reads results from plan statuses. It counts a result only from the boot that
was asked, and only by the id that was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from backstay.api import FenceDevice, HANodePlan
from backstay.api.plan import ActionResult
from backstay.api.quantities import duration_ms, timestamp
from backstay.api.transition import Moment as TransitionMoment
from backstay.api.transition import TransitionAction
from backstay.coordinator.membership import Membership
from backstay.coordinator.moments import Moment
from backstay.coordinator.orders import ActionWriter, PlanBook, fence_order
from backstay.fencing import Fencer, devices_for
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
FENCE_GRACE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """A fencing that succeeded: which boot of which node it ended."""

    node: str
    boot_id: str
    action: str
    by: str


@dataclass(slots=True)
class _Fencing:
    fencer: Fencer
    boot_id: str
    order_id: str = ""
    executor: str = ""
    device: str = ""
    deadline: float = 0.0


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
    trigger: str
    transition: Transition
    assembly: Assembly
    devices: tuple[FenceDevice, ...]
    labels: Mapping[str, Mapping[str, str]]
    began: float
    began_wall: float
    decide_ms: float
    moments: tuple[Moment, ...] = ()


@dataclass(slots=True)
class Progress:
    """What one feeding brought."""

    fenced: list[Fenced] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


class Run:
    """A transition from its first action to its verdict."""

    def __init__(self, context: RunContext, *, batch_limit: int, node_limit: int) -> None:
        self.context = context
        self.runner = Runner(context.transition.graph, Limits(batch=batch_limit, per_node=node_limit))
        self.writer = ActionWriter(context.assembly, epoch=context.epoch, number=context.number)
        self._fencings: dict[int, _Fencing] = {}
        self._entries: dict[int, _Entry] = {}

    @property
    def verdict(self) -> Verdict | None:
        return self.runner.verdict

    @property
    def fencing_failed(self) -> bool:
        """Whether some node could not be fenced."""
        return any(self.runner.phase(id_) is Phase.FAILED for id_ in self._fencings)

    def abort(self, reason: str) -> None:
        """Send nothing new; what has begun is waited for."""
        self.runner.abort(reason)

    def feed(self, plans: Mapping[str, HANodePlan], membership: Membership, now: float) -> Progress:
        """Take in results; give up on nodes that are gone; let late actions expire."""
        progress = Progress()
        for id_ in self.runner.in_flight:
            action = self.context.transition.graph.actions[id_]
            if action.kind is ActionKind.FENCING:
                self._feed_fencing(id_, action, plans, membership, now, progress)
            else:
                self._feed_action(id_, action, plans, membership, now)
        for id_ in self.runner.expire(now):
            entry = self._entries.setdefault(id_, _Entry())
            entry.ended, entry.reason = now, "no answer in time"
            progress.lines.append(
                f"no answer in time: {self.context.transition.graph.actions[id_].describe()}"
            )
        return progress

    def _feed_action(
        self, id_: int, action: Action, plans: Mapping[str, HANodePlan], membership: Membership, now: float
    ) -> None:
        node = action.node or ""
        view = membership.nodes.get(node)
        if view is None or not view.usable:
            self._entries[id_].reason = f"node {node} is gone"
            self.runner.abort(f"node {node} is gone")
            self._finish(id_, Outcome.CANCELLED, now)
            return
        plan = plans.get(node)
        result = _result_of(plan, self.writer.id_of(id_), view.boot_id)
        if result is not None:
            entry = self._entries[id_]
            entry.rc, entry.reason = result.rc, result.message
            entry.exec_s = None if result.exec_ms is None else result.exec_ms / 1000
            self._finish(id_, _OUTCOMES[result.state], now)
        elif plan is not None and any(one.action_id == self.writer.id_of(id_) for one in plan.status.pending):
            self.runner.started(id_, now)

    def _finish(self, id_: int, outcome: Outcome, now: float) -> None:
        if self.runner.phase(id_) in (Phase.SENT, Phase.RUNNING):
            self._entries.setdefault(id_, _Entry()).ended = now
        self.runner.finished(id_, outcome, now)

    def _feed_fencing(
        self,
        id_: int,
        action: Action,
        plans: Mapping[str, HANodePlan],
        membership: Membership,
        now: float,
        progress: Progress,
    ) -> None:
        fencing = self._fencings[id_]
        if not fencing.order_id:
            return
        view = membership.nodes.get(fencing.executor)
        usable = view is not None and view.usable
        boot = view.boot_id if view is not None else ""
        result = _result_of(plans.get(fencing.executor), fencing.order_id, boot)
        if result is not None and result.state == "Done":
            progress.fenced.append(
                Fenced(
                    node=action.node or "",
                    boot_id=fencing.boot_id,
                    action=action.fencing_action or "reboot",
                    by=f"{fencing.device} on {fencing.executor}",
                )
            )
            self._entries[id_].reason = f"by {progress.fenced[-1].by}"
            self._finish(id_, Outcome.DONE, now)
        elif result is not None or not usable or now > fencing.deadline:
            why = result.message if result is not None else "no answer"
            progress.lines.append(
                f"fencing {action.node} with {fencing.device} on {fencing.executor} failed: {why}"
            )
            self._entries[id_].reason = why
            fencing.fencer.failed()
            fencing.order_id = ""

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
        self._advance_fencings(book, membership, now)

    def _begin_fencing(self, action: Action, membership: Membership) -> None:
        target = action.node or ""
        properties = self.context.assembly.state.properties
        view = membership.nodes.get(target)
        devices = devices_for(target, self.context.devices, labels=self.context.labels.get(target, {}))
        self._fencings[action.id] = _Fencing(
            Fencer(target, action=action.fencing_action or "reboot", devices=devices, max_attempts=10),
            boot_id=view.boot_id if view is not None else "",
        )
        assert properties.fencing_enabled

    def _advance_fencings(self, book: PlanBook, membership: Membership, now: float) -> None:
        for id_, fencing in self._fencings.items():
            if fencing.order_id or self.runner.phase(id_) not in (Phase.SENT, Phase.RUNNING):
                continue
            step = fencing.fencer.step(membership.online)
            if step is None:
                entry = self._entries[id_]
                entry.reason = entry.reason or (
                    "no FenceDevice can fence it"
                    if fencing.fencer.exhausted
                    else "no healthy node can run the agent"
                )
                self._finish(id_, Outcome.FAILED, now)
                continue
            timeout_ms = duration_ms(step.device.spec.timeout)
            fencing.order_id = f"{self.writer.id_of(id_)}-f{fencing.fencer.tries}"
            fencing.executor = step.executor
            fencing.device = step.device.metadata.name
            fencing.deadline = now + timeout_ms / 1000 + FENCE_GRACE_S
            book.add(
                step.executor,
                [fence_order(fencing.order_id, step, fencing.fencer.target, timeout_ms=timeout_ms)],
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
        times = [one.deadline for one in self._fencings.values() if one.order_id]
        late = self.runner.next_deadline
        return min([*times, late] if late is not None else times, default=None)

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


def _result_of(plan: HANodePlan | None, order_id: str, boot_id: str) -> ActionResult | None:
    if plan is None or plan.status.boot_id != boot_id:
        return None
    results: Iterable[ActionResult] = plan.status.results
    return next((one for one in results if one.id == order_id), None)
