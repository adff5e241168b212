"""Random plans, outages, restarts and failures, from a seed; what must hold always is checked at every command.

A seed that fails is a test: add it to `SEEDS`.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from backstay_nodeagent import commands as do
from backstay_nodeagent import events as ev
from backstay_nodeagent.operation import Operation, Origin
from backstay_nodeagent.orders import Order
from unit.nodeagent.brain_driver import Driver, order

SEEDS = range(60)
LEASE_S, MARGIN_S = 3.0, 1.0
GROUPS = {"a1": "a", "a2": "a", "a3": "a", "b1": "b", "b2": "b", "c": "", "d": ""}
FENCED = ("b1", "b2", "d")


class World:
    """A node under one agent after another. Remembers what really runs, which the agents only believe."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.renewed_at = 1000.0
        self.active: set[str] = set()
        self.begun_ids: list[str] = []
        self.busy: dict[str, Operation] = {}
        self.transition = 0
        self.plan: list[Order] = []
        self.driver = StormDriver(self)
        self.driver.boot()
        self.beat()

    # -- what happens to the node

    def beat(self) -> None:
        self.renewed_at = self.driver.now
        self.driver.renew()

    def let_pass(self, seconds: float, *, online: bool) -> None:
        end = self.driver.now + seconds
        while self.driver.now < end:
            self.driver.run(min(0.25, end - self.driver.now), renewing=False)
            if online and self.driver.now - self.renewed_at >= 1.0:
                self.beat()
            self.check_expiry()

    def new_plan(self) -> None:
        """A few of the old orders stay, as when a transition is aborted and scheduled anew."""
        self.transition += 1
        kept = [one for one in self.plan if self.dice.random() < 0.3]
        fresh: list[Order] = []
        for number in range(self.dice.randrange(1, 8)):
            after = tuple(one.id for one in fresh if self.dice.random() < 0.4)
            fresh.append(self.new_order(f"1-{self.transition}-{number}", after))
        self.plan = kept + fresh
        self.driver.plan(*self.plan)

    def new_order(self, action_id: str, after: tuple[str, ...]) -> Order:
        resource = self.dice.choice(sorted(GROUPS))
        verb = self.dice.choice(
            [
                "start",
                "start",
                "stop",
                "monitor",
                "monitor",
                "promote",
                "demote",
                "cancel",
                "cleanup",
                "forget",
            ]
        )
        interval = self.dice.choice([0, 500, 2000]) if verb in ("monitor", "cancel") else 0
        return order(
            action_id,
            verb,
            resource,
            group=GROUPS[resource],
            requires="fencing" if resource in FENCED else "quorum",
            interval_ms=interval,
            after=after,
            target_rc=7 if verb == "monitor" and not interval else 0,
            start_delay_ms=self.dice.choice([0, 0, 0, 300]),
        )

    def restart(self) -> None:
        """The agent is killed; its processes run on; another agent comes up."""
        old = self.driver
        self.driver = StormDriver(self)
        self.driver.take_over(old)
        renewal = ev.Renewal(self.renewed_at, LEASE_S)
        self.driver.boot(renewal=renewal)
        self.driver.orphans_begin()
        if self.plan:
            self.driver.generation -= 1
            self.driver.plan(*self.plan)

    def script(self, operation: Operation) -> tuple[float, int]:
        verb = operation.order.verb.value
        if verb in ("stop", "demote"):
            return 0.05, 0
        running = operation.order.resource in self.active
        if verb == "monitor":
            return self.dice.choice([0.05, 0.4]), 0 if running else 7
        return self.dice.choice([0.05, 0.3, 5.0]), self.dice.choice([0, 0, 0, 1])

    # -- what must hold

    def begins(self, operation: Operation) -> None:
        one = operation.order
        if operation.origin is Origin.ORDER:
            assert one.id not in self.begun_ids, f"{one.id} runs twice"
            self.begun_ids.append(one.id)
            assert self.driver.now < self.renewed_at + LEASE_S - MARGIN_S, "begun though cut off"
        if one.verb.on_resource:
            other = self.busy.get(one.resource)
            assert other is None, f"{one.verb} overlaps {other.order.verb if other else ''} on {one.resource}"
            self.busy[one.resource] = operation
        if one.verb.value == "start":
            self.active.add(one.resource)

    def ended(self, operation: Operation, rc: int) -> None:
        one = operation.order
        if self.busy.get(one.resource) is operation:
            del self.busy[one.resource]
        if one.verb.value == "stop" and rc == 0:
            self.active.discard(one.resource)

    def check_expiry(self) -> None:
        if self.driver.now >= self.renewed_at + LEASE_S:
            left = sorted(self.active - set(FENCED))
            assert not left, f"others may take over {left}, which still run"


class StormDriver(Driver):
    """A driver whose processes belong to the world and outlive it."""

    def __init__(self, world: World) -> None:
        super().__init__(script=world.script)
        self.world = world
        self.orphan_ends: dict[int, float] = {}
        self.orphan_operations: dict[int, Operation] = {}

    def take_over(self, old: StormDriver) -> None:
        self.journal, self.now, self.generation = dict(old.journal), old.now, old.generation
        self.orphan_ends = dict(old.orphan_ends) | {one: flight[0] for one, flight in old.flights.items()}
        self.orphan_operations = old.orphan_operations | {
            one: flight[1] for one, flight in old.flights.items()
        }

    def orphans_begin(self) -> None:
        """The shell waits for, or ends, what the former agent had running."""
        for orphan in self.orphans:
            if orphan.at_once or orphan.call_id not in self.orphan_ends:
                self.orphan_ends[orphan.call_id] = self.now
        self._end_orphans()

    def run(self, seconds: float, *, renewing: bool = True) -> None:
        super().run(seconds, renewing=renewing)
        self._end_orphans()

    def _end_orphans(self) -> None:
        for call_id in sorted(self.orphan_ends):
            if self.orphan_ends[call_id] <= self.now:
                del self.orphan_ends[call_id]
                operation = self.orphan_operations.get(call_id)
                if operation is not None:
                    self.world.ended(operation, 0)
                self.post(ev.OrphanEnded(call_id))

    def _carry_out(self, command: do.Command) -> None:
        if isinstance(command, do.StartOperation):
            self.world.begins(command.operation)
        if isinstance(command, do.EndOperation) and command.call_id in self.orphan_ends:
            self.orphan_ends[command.call_id] = self.now
        super()._carry_out(command)

    def finish(self, call_id: int) -> None:
        _, operation, rc = self.flights[call_id]
        cancelled = call_id in self.endings
        self.world.ended(operation, 1 if cancelled else rc)
        super().finish(call_id)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_overlaps_repeats_begins_cut_off_or_outlives_the_lease(seed: int) -> None:
    world = World(seed)
    world.new_plan()
    for _ in range(40):
        match world.dice.choice(["plan", "plan", "pass", "pass", "restart", "outage"]):
            case "plan":
                world.new_plan()
            case "pass":
                world.let_pass(world.dice.uniform(0.1, 3.0), online=True)
            case "restart":
                world.restart()
            case "outage":
                world.let_pass(world.dice.uniform(0.5, 8.0), online=False)
                world.beat()
    settle(world)


def settle(world: World) -> None:
    """With everything well again, each order of the plan gets its result."""
    world.beat()
    world.driver.see(renumbered(world), fresh=True)
    world.let_pass(40.0, online=True)
    results = world.driver.results
    assert [one.id for one in world.plan if one.id not in results] == []
    assert not [one for one in world.driver.journal if one.startswith("pending/")] or world.driver.flights


def renumbered(world: World) -> Any:
    from dataclasses import replace

    assert world.driver.brain.book.orders is not None
    world.driver.generation += 1
    return replace(world.driver.brain.book.orders, generation=world.driver.generation)
