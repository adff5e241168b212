"""A shell for the brain under a virtual clock: operations take as long, and end, as a script says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from backstay.ocf.exitcode import status_of
from backstay.state.choices import Requires
from backstay_nodeagent import commands as do
from backstay_nodeagent import events as ev
from backstay_nodeagent.brain import Brain
from backstay_nodeagent.operation import CANCELLED, Instant, Operation, Outcome
from backstay_nodeagent.orders import Order, Orders, Timings, Verb, WatchdogOrders
from backstay_nodeagent.status_view import status_of as wire_status

BOOT = "boot-1"
WALL = 1_700_000_000.0
AGENT = "ocf:heartbeat:Dummy"

Script = Callable[[Operation], tuple[float, int]]
"""How long an operation takes, and its exit code."""


def order(action_id: str, verb: str, resource: str = "vip", **more: Any) -> Order:
    """An order with a short spelling: `requires` as a word."""
    if "requires" in more:
        more["requires"] = Requires(more["requires"])
    return Order(id=action_id, verb=Verb(verb), resource=resource, agent=more.pop("agent", AGENT), **more)


@dataclass
class Driver:
    """Steps a brain; everything that happened is in `story`."""

    script: Script = lambda _operation: (0.1, 0)
    journal: dict[str, Any] = field(default_factory=dict)
    now: float = 1000.0
    slots: int = 4
    brain: Brain = field(init=False)
    story: list[str] = field(default_factory=list)
    flights: dict[int, tuple[float, Operation, int]] = field(default_factory=dict)
    endings: dict[int, Outcome] = field(default_factory=dict)
    orphans: list[do.EndOrphan] = field(default_factory=list)
    epochs: dict[str, int] = field(default_factory=dict)
    reads: int = 0
    watchdog: WatchdogOrders | None = None
    dismissed: bool = False
    generation: int = 0

    def __post_init__(self) -> None:
        self.brain = Brain(node="n1", boot_id=BOOT, slots=self.slots)

    @property
    def instant(self) -> Instant:
        return Instant(self.now, WALL + self.now)

    def post(self, event: ev.Event) -> None:
        for command in self.brain.step(event, self.instant):
            self._carry_out(command)
        assert self.brain.next_wake() > self.now, "it would wake for ever without doing anything"

    def boot(self, *, renewal: ev.Renewal | None = None) -> Driver:
        self.post(ev.Recovered(journal=dict(self.journal), epochs=dict(self.epochs), last_renewal=renewal))
        return self

    def renew(self, lease_s: float = 3.0) -> None:
        self.post(ev.LeaseRenewed(ev.Renewal(self.now, lease_s)))

    def online(self) -> Driver:
        """Booted, the lease good, an empty plan read."""
        self.boot()
        self.renew()
        self.plan()
        return self

    def plan(
        self, *actions: Order, epoch: int = 1, boot: str = BOOT, fresh: bool = True, uid: str = "u1"
    ) -> None:
        """The DC writes a plan, and we see it."""
        self.generation += 1
        orders = Orders(
            uid=uid, generation=self.generation, cluster="c", epoch=epoch, boot_id=boot, actions=actions
        )
        self.see(orders, fresh=fresh)

    def see(self, orders: Orders, *, fresh: bool = True) -> None:
        self.post(ev.OrdersSeen(orders, self.now if fresh else None))

    def run(self, seconds: float, *, renewing: bool = True) -> None:
        """Let time pass; the Lease is renewed each second unless the node is cut off."""
        end = self.now + seconds
        beat = self.now + 1.0 if renewing else float("inf")
        while True:
            done_at = min((flight[0] for flight in self.flights.values()), default=float("inf"))
            at = min(end, beat, done_at, max(self.now, self.brain.next_wake()))
            self.now = at
            if at == done_at:
                call_id = next(one for one, flight in self.flights.items() if flight[0] == done_at)
                self.finish(call_id)
            elif at == beat:
                beat += 1.0
                self.renew()
            elif at == end:
                self.post(ev.Tick())
                return
            else:
                self.post(ev.Tick())

    def finish(self, call_id: int) -> None:
        _, operation, rc = self.flights.pop(call_id)
        outcome = self.endings.pop(call_id, None)
        target = operation.order.target_rc
        status = status_of(rc, operation=operation.order.verb.value, target_rc=target)
        self._note("ended", operation.order, f"rc={rc}")
        self.post(ev.OperationFinished(call_id, outcome or Outcome(rc=rc, status=status)))

    def restart(self) -> Driver:
        """Another agent in the same boot, from what the journal holds."""
        return Driver(
            script=self.script,
            journal=dict(self.journal),
            now=self.now,
            slots=self.slots,
            epochs=dict(self.epochs),
            generation=self.generation,
        )

    @property
    def status(self) -> dict[str, Any]:
        return wire_status(self.brain, incarnation="i1", agent_version="0")

    @property
    def results(self) -> dict[str, str]:
        return {one["id"]: one["state"] for one in self.status["results"]}

    def begun(self) -> list[str]:
        """Operations in the order in which they began, as `verb resource`."""
        return [line.split(" ", 1)[1] for line in self.story if line.startswith("begins")]

    def _carry_out(self, command: do.Command) -> None:
        match command:
            case do.WriteJournal(entries):
                for key, value in entries.items():
                    if value is None:
                        self.journal.pop(key, None)
                    else:
                        self.journal[key] = value
            case do.StartOperation(operation):
                assert f"pending/{operation.call_id}" in self.journal, (
                    "it must be in the journal before it runs"
                )
                duration_s, rc = self.script(operation)
                self.flights[operation.call_id] = (self.now + duration_s, operation, rc)
                self._note("begins", operation.order)
            case do.EndOperation(call_id, reason):
                if call_id in self.flights:
                    _, operation, _ = self.flights[call_id]
                    self._note("killed", operation.order)
                    self.flights[call_id] = (self.now, operation, 1)
                    self.endings[call_id] = replace(CANCELLED, reason=reason)
            case do.EndOrphan():
                self.orphans.append(command)
            case do.StoreEpoch(cluster, epoch):
                self.epochs[cluster] = epoch
            case do.ReadPlan():
                self.reads += 1
            case do.Tell(event):
                self.story.append(f"tells {event}")
            case do.SetTimings(timings):
                assert isinstance(timings, Timings)
            case do.SetWatchdog(watchdog):
                self.watchdog = watchdog
            case do.SetDismissed(dismissed):
                self.dismissed = dismissed

    def _note(self, what: str, one: Order, more: str = "") -> None:
        interval = f" every {one.interval_ms}" if one.interval_ms else ""
        self.story.append(f"{what} {one.verb.value} {one.resource}{interval} {more}".strip())
