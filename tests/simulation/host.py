"""One simulated host: power, boots, the disk and the run directory, processes, and the resource agents that run on it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from backstay.liveness.machine import MachineIdentity
from backstay_nodeagent.operation import Operation, Origin
from backstay_nodeagent.orders import Order, Verb
from backstay_nodeagent.vouch_keys import KeyRing
from simulation.disk import HostDisk
from simulation.truth import Behaviour
from simulation.virtual_time import Clock, Process
from simulation.watchdog import KernelWatchdog

if TYPE_CHECKING:
    from simulation.agent import Agent
    from simulation.keeper import Keeper
    from simulation.world import World


@dataclass
class RunDirectory:
    """What lasts as long as the boot."""

    journal: dict[str, str] = field(default_factory=dict)
    release: list[list[Order]] = field(default_factory=list)
    renewal: dict[str, Any] = field(default_factory=dict)
    promise: tuple[float, float] | None = None
    config: dict[str, Any] = field(default_factory=dict)


@dataclass
class Call:
    """One run of a resource agent. It belongs to the host, not to who started it."""

    number: int
    order: Order
    done: Callable[[int, bool], None]
    """Called with the exit code, and whether it was killed."""
    finish: Callable[[], None]
    deadline: float = float("inf")
    tag: int = 0
    """The agent's own number for it, as real operations carry it in their environment."""
    running: bool = True


class Host:
    """`boot` begins a life, `power_off` ends it."""

    def __init__(self, world: World, name: str, dice: random.Random) -> None:
        self.world = world
        self.name = name
        self.dice = dice
        self.boots = 0
        self.up = False
        self.frozen = False
        self.clock = Clock(world.loop)
        self.system = Process(f"{name}/os", self.clock)
        self.become("")
        self.disk: dict[str, int] = {}
        """Highest epochs."""
        self.disk_of_records = HostDisk(self)
        self.run = RunDirectory()
        self.behaviour = Behaviour(random.Random(dice.random()))
        self.active: dict[str, str] = {}
        """Resource -> requires, of what runs in truth."""
        self.started_with: dict[str, dict[str, str]] = {}
        """The parameters of what runs: a stop with others stops something else, and says that all went well."""
        self.agent: Agent | None = None
        self.keeper: Keeper | None = None
        self.operator: Process | None = None
        self.calls: dict[int, Call] = {}
        self._serial = 0
        self.peers_up: dict[str, bool] = {}
        self.fence_way_up = True
        self.excuse_from = float("-inf")
        self.excuse_until = float("-inf")
        self.trouble_until = float("-inf")
        self.asked_for = False
        """An administrator wants it fenced."""
        self.acked_at: float | None = None
        """By its own clock: when the last acknowledged renewal of this boot was sent."""
        self.lease_s = 3.0
        self.vouched_until = float("-inf")
        self.unplugged = False
        """Without power, by somebody's hand."""
        self.suspended = False
        """Frozen with its kernel, as a hypervisor does: no watchdog counts."""
        self.dog = KernelWatchdog(self)
        self.traps: list[tuple[Verb, Callable[[], None]]] = []
        """What happens once, a moment after an order of this kind begins."""

    @property
    def boot_id(self) -> str:
        return f"{self.name}-boot{self.boots}"

    def become(self, number: str) -> None:
        """Be the machine of this number that has the host's name, with a key of its own."""
        name = f"{self.name}{number}"
        self.machine = MachineIdentity(f"{name}-machine-id", f"{name}-uuid")
        seed = sha256(f"{name} key".encode()).digest()
        self.keys = KeyRing(X25519PrivateKey.from_private_bytes(seed))

    # -- power

    def boot(self) -> None:
        assert not self.up
        self.boots += 1
        self.up = True
        self.frozen = False
        rate = self.clock.rate
        self.clock = Clock(self.world.loop, rate=rate)
        self.system = Process(f"{self.name}/os", self.clock)
        self.run, self.disk_of_records = RunDirectory(), HostDisk(self)
        self.acked_at, self.vouched_until, self.asked_for = None, float("-inf"), False
        self.suspended, self.dog = False, KernelWatchdog(self)
        if self.excuse_until == float("inf"):
            self.excuse_until = float("-inf")
        self.trouble(2.0)
        self.world.story(f"{self.name} boots ({self.boot_id})")
        self.world.checkers.booted(self)
        self.start_agent()
        self.start_operator()

    def power_off(self, why: str) -> None:
        if not self.up:
            return
        self.world.story(f"{self.name} loses power: {why}")
        self.up = False
        for process in self.processes():
            process.kill()
        self.system.kill()
        self.agent = self.keeper = self.operator = None
        self.calls.clear()
        self.active.clear()
        self.started_with.clear()

    def processes(self) -> list[Process]:
        """Of the programs that are there."""
        found = [
            self.agent.process if self.agent else None,
            self.keeper.process if self.keeper else None,
            self.operator,
        ]
        return [one for one in found if one is not None and one.alive]

    def freeze(self, *, suspended: bool) -> None:
        """Stop all that runs on the host: with its kernel, as a hypervisor does, or as swapping without end does."""
        if self.up and not self.frozen:
            self.frozen, self.suspended = True, suspended
            if suspended:
                self.world.checkers.suspended(self)
            self.excuse(float("inf"))
            for process in (*self.processes(), self.system):
                self.world.loop.pause(process)

    def thaw(self) -> None:
        if self.up and self.frozen:
            self.frozen = self.suspended = False
            self.excuse_until = self.world.loop.time() + 2.0
            for process in (*self.processes(), self.system):
                self.world.loop.resume(process)

    def excuse(self, seconds: float) -> None:
        """For so long nothing can be promised of what needs no fencing: nobody is there, in time, to stop it."""
        now = self.world.loop.time()
        if now > self.excuse_until:
            self.excuse_from = now
        self.excuse_until = max(self.excuse_until, now + seconds)

    def trouble(self, seconds: float) -> None:
        """For so long something is wrong with this host that may get it fenced."""
        self.trouble_until = max(self.trouble_until, self.world.loop.time() + seconds)

    # -- programs

    def start_agent(self) -> None:
        from simulation.agent import Agent

        if self.up and (self.agent is None or not self.agent.process.alive):
            self.agent = Agent(self)
            self.agent.begin()

    def kill_agent(self, *, away_s: float | None = None) -> None:
        """Another begins soon, or after `away_s`."""
        if self.agent is not None:
            self.world.story(f"agent of {self.name} is killed")
            self.agent.die()
            self._later(self.dice.uniform(0.2, 2.0) if away_s is None else away_s, self.start_agent)

    def start_keeper(self) -> None:
        from simulation.keeper import Keeper

        if self.up and (self.keeper is None or not self.keeper.process.alive):
            self.keeper = Keeper(self)
            self.keeper.begin()

    def kill_keeper(self) -> None:
        if self.keeper is not None:
            self.world.story(f"keeper of {self.name} is killed")
            self.keeper.die()
            self.excuse(3.0)

    def start_operator(self) -> None:
        from simulation.operator import start_operator

        if self.up and (self.operator is None or not self.operator.alive):
            self.operator = start_operator(self)

    def kill_operator(self) -> None:
        if self.operator is not None:
            self.world.story(f"operator on {self.name} is killed")
            self.operator.kill()
            self._later(self.dice.uniform(0.5, 5.0), self.start_operator)

    def _later(self, delay: float, what: Callable[[], None]) -> None:
        self.world.loop.post(self.system, what, delay=delay)

    # -- resource agents

    def execute(self, operation: Operation, done: Callable[[int, bool], None]) -> int:
        """Run an agent; `done` is called when it has ended, if its host still lives. Returns a number to kill it by."""
        deadline = operation.started.at + operation.order.timeout_ms / 1000
        if operation.origin is Origin.ORDER:
            for trap in [one for one in self.traps if one[0] is operation.order.verb]:
                self.traps.remove(trap)
                self.world.loop.call_later(0.01, trap[1], context=self.world.api.context)
        return self.run_call(operation.order, done, deadline, tag=operation.call_id)

    def run_call(
        self, order: Order, done: Callable[[int, bool], None], deadline: float, *, tag: int = 0
    ) -> int:
        self._serial += 1
        number = self._serial
        checkers = self.world.checkers
        if order.verb is Verb.FENCE:
            duration_s, finish = self.world.power.plan(self, order)
        elif order.verb is Verb.META_DATA:
            duration_s, finish = 0.05, lambda: 0
        else:
            requires = order.requires.value
            plan = self.behaviour.plan(
                order.verb.value, order.resource, active=order.resource in self.active, requires=requires
            )
            duration_s = self.world.slow.stretched(order, plan.duration_s)
            checkers.begins(self, order)
            if plan.activates:
                self.active[order.resource] = requires
                self.started_with[order.resource] = dict(order.params)

            def finish() -> int:
                if plan.deactivates and not checkers.misses(self, order):
                    self.active.pop(order.resource, None)
                checkers.ended(self, order, plan.rc)
                return plan.rc

        def end() -> None:
            call = self.calls.pop(number, None)
            if call is not None and call.running:
                call.running = False
                call.done(finish(), False)

        self.calls[number] = Call(number, order, done, end, deadline, tag)
        if duration_s != float("inf"):
            self._later(duration_s, end)
        return number

    def kill_call(self, number: int) -> None:
        call = self.calls.pop(number, None)
        if call is None:
            return

        def gone() -> None:
            call.running = False
            if call.order.verb.on_resource:
                self.world.checkers.ended(self, call.order, None)
            call.done(1, True)

        self._later(self.dice.uniform(0.005, 0.03), gone)

    def journal_text(self) -> dict[str, Any]:
        """Read back from the disk: nothing is shared with who wrote it."""
        return {key: json.loads(text) for key, text in self.run.journal.items()}
