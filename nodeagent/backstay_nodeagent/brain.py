"""The node agent's decisions: a step function that is told events and answers with commands.

It owns no process, disk, socket or clock; the shell (`agent`) does what it says and reports back, and a simulation may do the same
under a virtual clock. The protocol is design note 0001. What holds here whatever happens:

- an order runs at most once (`ledger`), and is in the journal before it runs;
- no two operations on one resource overlap;
- nothing is begun for the DC unless the lease is good and the plan was read since it is (`lease_guard`);
- once cut off, what needs no fencing is stopped, newest first (`release`), and orders not begun are void.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, assert_never

from backstay.ocf.exitcode import OpStatus
from backstay_nodeagent import commands as do
from backstay_nodeagent import events as ev
from backstay_nodeagent.dispatch import Dispatch
from backstay_nodeagent.documents import DocumentShelf, document_of
from backstay_nodeagent.history import History
from backstay_nodeagent.lease_guard import LeaseGuard, LeaseState
from backstay_nodeagent.ledger import Ledger, Result, ResultState
from backstay_nodeagent.obedience import Obedience
from backstay_nodeagent.operation import Instant, Operation, Origin, Outcome
from backstay_nodeagent.orderbook import OrderBook
from backstay_nodeagent.orders import Order, Orders, Timings, Verb, VouchOrders, WatchdogOrders
from backstay_nodeagent.outcomes import message_of, record_of_keeper_stop, result_of
from backstay_nodeagent.recording import Recording
from backstay_nodeagent.recovery import Recovery, adoption_probe, pending_marks
from backstay_nodeagent.release import Release
from backstay_nodeagent.resources import ResourceBook, ResourceState, release_chains

KEEPER_SPEAKS_S = 0.15
"""A keeper greets an agent within milliseconds, and says if it is releasing in its stead. Both at once would stop a resource twice."""


class Brain:
    """The agent of `node` for the boot `boot_id`; `slots` bound what runs at a time (`dispatch`), releases apart.

    `step` is the only way in. `status_revision` and `resources.revision` rise when the status, or what a release would do,
    has changed."""

    def __init__(self, *, node: str, boot_id: str, slots: int) -> None:
        self.node = node
        self.boot_id = boot_id
        self._journal: dict[str, Any] = {}
        self._commands: list[do.Command] = []
        self.guard = LeaseGuard()
        self.ledger = Ledger()
        self.book = OrderBook()
        self.history = History(self._journal)
        self.resources = ResourceBook(self._journal)
        self.documents = DocumentShelf(self._journal)
        self.dispatch = Dispatch(slots=slots, journal=self._journal)
        self.obedience = Obedience(self._journal)
        self.recording = Recording()
        self.released = False
        self.status_revision = 0
        self._release: Release | None = None
        self._keeper_releasing = False
        self._keeper_speaks_by = float("-inf")
        """Until then a keeper that was there before this agent may still say that it is releasing."""
        self._released_seen_at: int | None = None
        self._recovery = Recovery()
        self._vouching_known: tuple[VouchOrders | None, int] | None = None
        self._watchdog_known: tuple[WatchdogOrders | None] | None = None
        self._dismissed_known: bool | None = None

    # -- the way in

    def step(self, event: ev.Event, instant: Instant) -> list[do.Command]:
        """Take one event in; returns what is to be done now, in order. Then wake it at `next_wake`, if nothing comes before."""
        self._commands = []
        self.dispatch.look(instant.at)
        if isinstance(event, ev.FROM_KEEPER) or instant.at >= self._keeper_speaks_by:
            self._keeper_speaks_by = float("-inf")
        self._take_in(event, instant)
        self._mind_lease(instant)
        self._advance(instant)
        if self._journal:
            self._commands.insert(0, do.WriteJournal(dict(self._journal)))
            self._journal.clear()
        return self._commands

    @property
    def epochs(self) -> dict[str, int]:
        """By cluster, the highest that was obeyed."""
        return self.obedience.epochs

    def next_wake(self) -> float:
        """When to step again though nothing happens (CLOCK_BOOTTIME); infinite if never."""
        times = [
            self.book.delayed_until,
            self.recording.refuse_at,
            self.dispatch.due_at(self.resources, but=self._may_be_keepers),
        ]
        if self.guard.judge_at is not None:
            times.append(self.guard.judge_at)
        if self._keeper_speaks_by > float("-inf"):
            times.append(self._keeper_speaks_by)
        return min(times)

    def _take_in(self, event: ev.Event, instant: Instant) -> None:
        match event:
            case ev.Recovered():
                self._recover(event, instant)
            case ev.OrdersSeen():
                self._take_orders(event.orders, event.read_at, instant)
                self._plan_read(event.read_at)
            case ev.OrdersGone():
                self.book.clear()
                self._leave_cluster()
                self._changed()
                self._plan_read(event.read_at)
            case ev.OperationSpawned():
                self.recording.began(event.call_id)
                self.dispatch.spawned(event.call_id, event.process)
            case ev.OperationFinished():
                self._finish(event.call_id, event.outcome, instant)
            case ev.OrphanEnded():
                self._orphan_ended(event.call_id)
            case ev.LeaseRenewed():
                self._renewed(event.renewal, instant)
            case ev.Vouched():
                self.guard.vouched(event.until)
            case ev.KeeperReleasing():
                self._keeper_releasing = True
            case ev.KeeperReleased():
                self._released_by_keeper(event, instant)
            case ev.KeeperLost():
                self._keeper_releasing = False
            case ev.RecordingFailed():
                self._recording_failed(event)
            case ev.RecordingWorks():
                self.recording.trouble = ""
                self._tell("operations can be recorded again")
                self._changed()
            case ev.StatusWritten():
                self._status_written(event)
            case ev.Tick():
                pass
            case _:
                assert_never(event)

    # -- the plan

    def _take_orders(self, orders: Orders, read_at: float | None, instant: Instant) -> None:
        if self.book.contradicted(orders, read_at):
            self._api_went_back(orders)
        elif self.book.outdated(orders):
            return
        objection = self.obedience.objection(orders)
        if objection:
            self._refuse(orders, objection, instant)
        elif orders.actions and orders.boot_id != self.boot_id:
            reason = f"meant for boot {orders.boot_id or '(none)'}, this is boot {self.boot_id}"
            self._refuse(orders, reason, instant)
        else:
            self._accept(orders, instant)
        for gone in self.ledger.forget_old(self.book.ids):
            self._journal[f"result/{gone}"] = None
        self._changed()

    def _api_went_back(self, orders: Orders) -> None:
        """What these orders ask for was overtaken once, by orders that nobody but us remembers. What waits is void, and a DC must come
        whose epoch is above all that was seen."""
        before = self.book.generation
        self._void_orders()
        least = self.obedience.demand_newer(orders.cluster)
        self._released_seen_at = None
        facts = {"generation": orders.generation, "before": before, "least_epoch": least}
        self._tell("the API went back in time", warning=True, **facts)

    def _refuse(self, orders: Orders, reason: str, instant: Instant) -> None:
        self.book.refuse(orders, reason, instant)
        self._tell("orders refused", warning=True, generation=orders.generation, reason=reason)

    def _accept(self, orders: Orders, instant: Instant) -> None:
        if self.obedience.obeyed(orders):
            self._commands.append(do.StoreEpoch(orders.cluster, orders.epoch))
        self._follow_vouching(orders)
        if orders.timings != self.guard.timings:
            self.guard.timings = orders.timings
            self._journal["timings"] = asdict(orders.timings)
            self._commands.append(do.SetTimings(orders.timings))
        self.book.accept(orders, self.ledger, instant)
        fresh = [order.id for order in orders.actions if not self.ledger.began(order.id)]
        if fresh:
            self._tell("orders accepted", generation=orders.generation, epoch=orders.epoch, new=len(fresh))
        seen_at = self._released_seen_at
        if self.released and seen_at is not None and orders.generation > seen_at:
            # The DC wrote after it could read that we had released: it knows.
            self.released, self._released_seen_at = False, None

    def _follow_vouching(self, orders: Orders) -> None:
        """Hand the keeper what it needs; what it was handed before this agent began is not known here."""
        if self._vouching_known is None or self._vouching_known[0] != orders.vouching:
            self._commands.append(do.SetVouching(orders.vouching))
        if self._vouching_known is None or self._vouching_known[1] != orders.beat:
            self._commands.append(do.SetBeat(orders.beat))
        self._vouching_known = (orders.vouching, orders.beat)
        self._follow_guard(orders.watchdog, dismissed=orders.dismissed)

    def _follow_guard(self, watchdog: WatchdogOrders | None, *, dismissed: bool) -> None:
        if self._watchdog_known is None or self._watchdog_known[0] != watchdog:
            self._watchdog_known = (watchdog,)
            self._commands.append(do.SetWatchdog(watchdog))
        if self._dismissed_known is not dismissed:
            self._dismissed_known = dismissed
            self._commands.append(do.SetDismissed(dismissed))

    def _leave_cluster(self) -> None:
        """No plan, no cluster that this node belongs to: with nothing active there is nothing to guard. Another plan arms it again."""
        if not any(state.active for state in self.resources):
            self._follow_guard(None, dismissed=True)

    def _plan_read(self, read_at: float | None) -> None:
        if read_at is not None:
            self.guard.plan_read(read_at)

    def _status_written(self, event: ev.StatusWritten) -> None:
        if event.released and self.released and self._released_seen_at is None:
            self._released_seen_at = event.observed_generation

    # -- the lease

    def _renewed(self, renewal: ev.Renewal, instant: Instant) -> None:
        expires_at = self.guard.expires_at
        self.guard.renewed(renewal)
        # A keeper that greets an agent says again what it renewed last: no reason to leave running what must be stopped by now.
        in_time = expires_at is not None and instant.at < expires_at
        if self._release is not None and in_time and self.guard.is_good(instant.at):
            self._release.break_off()

    def _mind_lease(self, instant: Instant) -> None:
        before = self.guard.state
        now = self.guard.judge(instant.at)
        if now is before:
            return
        if now is LeaseState.CUT_OFF:
            self._tell("cut off", warning=True, lease_expires_in_s=self._until_expiry(instant))
            self._void_orders()
            self._release = Release(release_chains(iter(self.resources)))
        elif now is LeaseState.VOUCHED:
            self._tell("cut off, and going on by the promises of peers", warning=True)
        elif now is LeaseState.GOOD:
            self._tell("lease is good", before=before.value)
        if self.guard.needs_read:
            self._commands.append(do.ReadPlan())

    def _void_orders(self) -> None:
        """Orders that were not begun are from a DC that may have judged us dead since."""
        for order in self.book.waiting():
            self._end_order(Result(id=order.id, state=ResultState.CANCELLED, message="the node was cut off"))

    def _until_expiry(self, instant: Instant) -> float | None:
        expires_at = self.guard.expires_at
        return None if expires_at is None else round(expires_at - instant.at, 3)

    # -- what can begin now

    def _advance(self, instant: Instant) -> None:
        self._continue_adoption(instant)
        self._continue_release(instant)
        releasing = self._release is not None or self._keeper_releasing
        self.book.delayed_until = self.recording.refuse_at = float("inf")
        if self.guard.orders_hold and not releasing:
            self._skip_hopeless()
            while self._run_ready_orders(instant):
                self._skip_hopeless()
        for order in self.dispatch.due(self.resources, instant.at, but=self._may_be_keepers):
            self._begin(order, origin=Origin.RECURRING, ready=instant, instant=instant)

    @property
    def _keeper_first(self) -> bool:
        """Whether the keeper is releasing in our stead, or may say so yet."""
        return self._keeper_releasing or self._keeper_speaks_by > float("-inf")

    def _may_be_keepers(self, state: ResourceState) -> bool:
        """Whether the keeper may be stopping this one: what is found meanwhile would count as later than the stop."""
        return self._keeper_first and state.releasable

    def _continue_release(self, instant: Instant) -> None:
        if self._release is None or self._keeper_first:
            return
        for order in self._release.next_steps(self.resources):
            state = self.resources.of(order)
            self._end_monitors(state, "the node was cut off")
            running = state.running
            if running is None:
                self._release.began(order)
                self._begin(order, origin=Origin.RELEASE, ready=instant, instant=instant)
            elif running.origin is not Origin.RELEASE and running.order.verb is not Verb.STOP:
                self._end_operation(running, "the node was cut off")
        if self._release.done and not self.dispatch.runs(Origin.RELEASE):
            self.released = self._release.clean and self.guard.known and self._nothing_to_release
            self._tell("release ended", clean=self._release.clean, broken_off=self._release.broken_off)
            self._release = None
            self._changed()

    @property
    def _nothing_to_release(self) -> bool:
        """Whether all has stopped, whoever stopped it: a release that was broken off may have found the keeper's done."""
        return not any(state.releasable for state in self.resources)

    def _continue_adoption(self, instant: Instant) -> None:
        for mark in self._recovery.unprobed:
            state = self.resources.of(mark.order)
            another = state.running is not None and state.running.call_id != mark.call_id
            if another or self._may_be_keepers(state):
                continue
            # The end of the orphan and the probe in one step: the journal is never without a mark of the order.
            self._recovery.took(mark)
            self.dispatch.finish(mark.call_id)
            state.running = None
            probe = adoption_probe(state.order, mark.order.id)
            self._begin(probe, origin=Origin.ADOPTION, ready=instant, instant=instant)

    def _skip_hopeless(self) -> None:
        while hopeless := self.book.hopeless():
            for order, reason in hopeless:
                self._end_order(Result(id=order.id, state=ResultState.SKIPPED, message=reason))

    def _run_ready_orders(self, instant: Instant) -> bool:
        """Begin what can begin; True if something ended by that, so that more may be ready."""
        ended = False
        for order in self.book.ready(instant, full=self.dispatch.is_full):
            if self.recording.holds(order):
                if refusal := self.recording.refusal(order, self.book.ready_since(order), instant):
                    self._end_order(refusal)
                    ended = True
            elif not order.verb.needs_process:
                ended = self._keep_books(order) or ended
            elif order.verb.on_resource:
                self._run_on_resource(order, instant)
            elif self.dispatch.may_begin(order):
                self._begin_order(order, instant)
        return ended

    def _recording_failed(self, event: ev.RecordingFailed) -> None:
        """What was withheld has not run, and the books say so."""
        self._tell("operations can't be recorded: none begins", warning=True, reason=event.reason)
        self.recording.trouble = event.reason
        for call_id in event.withheld:
            if operation := self.dispatch.finish(call_id):
                self._end_order(self.recording.undo(operation, self.resources))
        self._changed()

    def _run_on_resource(self, order: Order, instant: Instant) -> None:
        state = self.resources.of(order)
        if order.verb is Verb.STOP and self._waits_for_members(order, state):
            return
        if order.verb.ends_monitors:
            self._end_monitors(state, f"{order.verb.value} was ordered")
        if state.running is None and self.dispatch.may_begin(order):
            self._begin_order(order, instant)

    def _waits_for_members(self, order: Order, state: ResourceState) -> bool:
        """Whether a stop waits for those of its group's members that stand on it and are to be stopped too.

        The DC orders them by itself, but for a group that was deleted: what stood on what is then known only here."""
        for stop in self.book.stops_of(self.resources.standing_on(state)):
            result = self.ledger.result(stop.id)
            if order.id in stop.after or (result is not None and result.state is ResultState.DONE):
                continue
            if result is not None:
                reason = f"{stop.resource}, which stands on it, did not stop"
                self._end_order(Result(id=order.id, state=ResultState.SKIPPED, message=reason))
            return True
        return False

    def _keep_books(self, order: Order) -> bool:
        """Run an order that takes no process; False if it has to wait."""
        state = self.resources.get(order.resource)
        match order.verb:
            case Verb.CANCEL:
                if state is not None:
                    self._end_monitors(state, "cancel was ordered", interval_ms=order.interval_ms)
                self.history.forget_record((order.resource, Verb.MONITOR.value, order.interval_ms))
            case Verb.CLEANUP:
                self.history.forget_failures(
                    order.resource, operation=order.cleanup_operation, interval_ms=order.cleanup_interval_ms
                )
            case Verb.FORGET:
                if state is not None:
                    self._end_monitors(state, "forget was ordered")
                    if state.running is not None:
                        return False
                    if not state.active:
                        self.resources.drop(state)
                self.history.forget_resource(order.resource)
            case _:
                raise AssertionError(f"{order.verb} takes a process")
        self._end_order(Result(id=order.id, state=ResultState.DONE))
        return True

    # -- operations

    def _begin_order(self, order: Order, instant: Instant) -> None:
        if order.recurring:
            state = self.resources.of(order)
            if self.resources.end_recurring(state, order.interval_ms):
                self.history.forget_record((order.resource, order.verb.value, order.interval_ms))
        self.ledger.begin(order.id)
        self.book.began(order.id)
        ready = self.book.ready_since(order) or instant
        as_it_runs = self.resources.as_it_runs(order)
        self._begin(as_it_runs, origin=Origin.ORDER, ready=ready, instant=instant)
        self._changed()

    def _begin(self, order: Order, *, origin: Origin, ready: Instant, instant: Instant) -> None:
        operation = self.dispatch.begin(order, origin=origin, ready=ready, instant=instant)
        if order.verb.on_resource:
            self.recording.begins(operation, self.resources)
            self.resources.of(order).running = operation
            if origin is Origin.ORDER:
                self.resources.begins(order)
        self._commands.append(do.StartOperation(operation))
        if origin is not Origin.RECURRING:
            self._tell("operation begins", **operation.named)

    def _end_operation(self, operation: Operation, reason: str) -> None:
        if self.dispatch.end(operation.call_id):
            self._commands.append(do.EndOperation(operation.call_id, reason))

    def _end_monitors(self, state: ResourceState, reason: str, *, interval_ms: int | None = None) -> None:
        """End recurring monitors, the one in flight too; all of them, or that of one interval."""
        for interval in list(state.recurring):
            if interval_ms in (None, interval):
                self.resources.end_recurring(state, interval)
                self.history.forget_record((state.id, Verb.MONITOR.value, interval))
                self._changed()
        running = state.running
        if running is None or not running.order.recurring:
            return
        if interval_ms in (None, running.order.interval_ms):
            self._end_operation(running, reason)

    def _finish(self, call_id: int, outcome: Outcome, instant: Instant) -> None:
        operation = self.dispatch.finish(call_id)
        if operation is None:
            return
        order = operation.order
        self.recording.began(call_id)
        if order.verb.on_resource:
            self.resources.of(order).running = None
        if outcome.status is OpStatus.CANCELLED:
            self._end_order(Result(id=order.id, state=ResultState.CANCELLED, message=outcome.reason))
            self._repeat(operation, instant)
            self._changed()
            return
        match order.verb:
            case Verb.META_DATA:
                self.documents.put(document_of(order.agent, outcome.rc, outcome.document))
                self._end_order(result_of(operation, outcome, instant))
            case Verb.FENCE:
                self._end_order(result_of(operation, outcome, instant))
            case _:
                self._finish_on_resource(operation, outcome, instant)
        if operation.origin is not Origin.RECURRING:
            self._tell_end(operation, outcome, instant)
            self._changed()

    def _finish_on_resource(self, operation: Operation, outcome: Outcome, instant: Instant) -> None:
        order = operation.order
        if operation.origin is Origin.RELEASE and not outcome.reason:
            outcome = replace(outcome, reason="released: the node was cut off")
        self.resources.ended(order, outcome)
        if order.verb is not Verb.NOTIFY and self._still_wanted(operation):
            news = self.history.note(operation, outcome, instant)
            if news and operation.origin is Origin.RECURRING:
                self._tell_end(operation, outcome, instant)
                self._changed()
        match operation.origin:
            case Origin.ORDER:
                self._end_order(result_of(operation, outcome, instant))
                if order.recurring:
                    self.resources.recur(order, instant.at + order.interval_ms / 1000)
            case Origin.RECURRING:
                self._repeat(operation, instant)
            case Origin.ADOPTION:
                message = f"interrupted by a restart of the agent; a probe then found: {message_of(outcome)}"
                self._end_order(Result(id=order.id, state=ResultState.FAILED, rc=None, message=message))
            case Origin.RELEASE:
                pass
            case _:
                assert_never(operation.origin)

    def _repeat(self, operation: Operation, instant: Instant) -> None:
        """Let a recurring monitor run again, one interval from its end."""
        order = operation.order
        if operation.origin is Origin.RECURRING:
            recurring = self.resources.of(order).recurring.get(order.interval_ms)
            if recurring is not None and recurring.order.id == order.id:
                recurring.due_at = instant.at + order.interval_ms / 1000

    def _still_wanted(self, operation: Operation) -> bool:
        """False for a recurring monitor that was cancelled when it had just ended by itself."""
        if operation.origin is not Origin.RECURRING:
            return True
        order = operation.order
        return order.interval_ms in self.resources.of(order).recurring

    def _end_order(self, result: Result) -> None:
        if result.id and self.ledger.result(result.id) is None:
            self.ledger.end(result)
            self.book.ended(result)
            self._journal[f"result/{result.id}"] = result.to_json()
            self._changed()

    # -- after a restart

    def _recover(self, event: ev.Recovered, instant: Instant) -> None:
        journal = event.journal
        self._keeper_speaks_by = instant.at + KEEPER_SPEAKS_S
        self.obedience.load(journal, event.epochs)
        for name, value in journal.items():
            if name.startswith("result/"):
                self.ledger.end(Result.from_json(value))
        if "timings" in journal:
            # The keeper goes on with these; defaults, even for a moment, could cost a short lease.
            self.guard.timings = Timings(**journal["timings"])
        self.history.load(journal)
        self.resources.load(journal, instant.at)
        self.documents.load(journal)
        self.dispatch.load(journal)
        for mark in pending_marks(journal):
            operation = self.dispatch.adopt(mark, instant)
            if mark.order.verb.on_resource:
                self.resources.of(mark.order).running = operation
            if mark.order.id and not self.ledger.began(mark.order.id):
                self.ledger.begin(mark.order.id)
            self._recovery.expect(mark)
            at_once = mark.order.verb in (Verb.MONITOR, Verb.META_DATA)
            self._commands.append(do.EndOrphan(mark.call_id, mark.process, at_once))
        self.guard.vouched(event.kept_until)
        if event.last_renewal is not None:
            self.guard.renewed(event.last_renewal)
        elif not self._nothing_to_release:
            self.guard.lose()
            self._release = Release(release_chains(iter(self.resources)))
        self._tell("recovered", records=len(self.history.records), interrupted=len(self._recovery))
        self._changed()

    def _orphan_ended(self, call_id: int) -> None:
        mark = self._recovery.ended(call_id)
        if mark is None:
            return
        order = mark.order
        if order.verb.on_resource and mark.origin is not Origin.RECURRING:
            self._recovery.want_probe(mark)
        else:
            self.dispatch.finish(call_id)
            if order.verb.on_resource:
                self.resources.of(order).running = None
            else:
                message = "interrupted by a restart of the agent"
                self._end_order(Result(id=order.id, state=ResultState.FAILED, message=message))
        self._changed()

    def _released_by_keeper(self, event: ev.KeeperReleased, instant: Instant) -> None:
        """The keeper stopped resources in the agent's absence; take its word as results of our own."""
        self._keeper_releasing = False
        clean = True
        for stop in event.stops:
            state = self.resources.get(stop.resource)
            if state is None:
                continue
            self._end_monitors(state, "the node was cut off")
            operation, outcome = record_of_keeper_stop(stop, state, self.dispatch.next_call_id(), instant)
            self.resources.ended(operation.order, outcome)
            self.history.note(operation, outcome, instant)
            clean = clean and outcome.success(operation.order)
        if event.stops:
            self._void_orders()
            self.released = clean and self._nothing_to_release
            self._tell("keeper had released", warning=True, stops=len(event.stops), clean=clean)
            self._changed()

    # -- telling

    def _changed(self) -> None:
        self.status_revision += 1

    def _tell(self, phrase: str, *, warning: bool = False, **fields: Any) -> None:
        self._commands.append(do.Tell(phrase, fields, warning))

    def _tell_end(self, operation: Operation, outcome: Outcome, instant: Instant) -> None:
        order = operation.order
        self._tell(
            "operation ended",
            warning=not outcome.success(order) and not order.probe,
            **operation.named,
            rc=outcome.rc,
            status=outcome.status.value,
            exec_ms=round((instant.at - operation.started.at) * 1000),
            reason=outcome.reason,
        )
