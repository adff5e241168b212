"""`make simulate-mutants`: the same simulation with one thing broken on purpose. A checker that never fails proves nothing.

Each mutant replaces a function of the real modules, in the process of its seed only. It names the rules that may catch it, the faults
that bring it out, and seeds that caught it once, which are tried first; the unbroken programs pass the very same seeds (`--sound` shows
it). Ends with {"mutants":, "caught":}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backstay.coordinator import Coordinator, membership, orders, quarantine, requests
from backstay.fencing import fencer
from backstay.liveness import leases, takeover
from backstay.liveness.brake import NO_BRAKE
from backstay.liveness.leases import LeaseTracker
from backstay.liveness.nodes import NodeCondition, NodeFacts, NodeVerdict, judge_node
from backstay.scheduler import plan
from backstay.state import assemble_resources
from backstay_kube import reflector
from backstay_kube.errors import ApiError
from backstay_kube.kinds import HACLUSTER
from backstay_nodeagent import (
    brain,
    history,
    keeper_logic,
    lease_guard,
    lease_term,
    orderbook,
    recording,
    resources,
    status_writer,
    vouching,
    watchdog_logic,
)
from backstay_nodeagent.operation import Origin
from backstay_nodeagent.orders import Orders, Verb
from backstay_operator import dc, world
from backstay_operator.drive import PlanDriver
from simulation import virtual_time
from simulation.clone_mutants import instances_by_number
from simulation.in_flight_mutants import STRANGERS, fencing_assumed, flight_forgotten, waits_for_strangers
from simulation.member_mutants import left_is_gone, let_go_at_once, lost_plan_is_empty
from simulation.neighbour_mutants import ids_go_by_position, namespaces_reach_all, requests_by_id
from simulation.pool import run_all
from simulation.setting import Dog

ALONE = "never active on two nodes"
PROOF = "no start before the proof of death"
ONE_DC = "at most one DC acts per epoch"
QUORUM = "fences only with a quorum"
HEALTHY = "a healthy host is not fenced"
ORDER = "a group starts in order"
ONCE = "an order runs at most once"
COUNTS = "no fail count is lost"
COUNTED = "every failure is counted"
RECOVERS = "recovers within the bound"
LEASE = "what needs no fencing ends with the lease"
BEGUN = "nothing is begun without a lease"
OVERLAP = "operations of one resource do not overlap"
STORM = "who falls silent with most others is left alone"
STARTS = "starts nothing without a quorum"
UNDONE = "a stop undoes what was started"
WORD = "who is heard is not taken for dead"
PLAIN = {"policy": "stop", "fencing": "switch", "dog": None, "slow": False}
SLOW = {**PLAIN, "slow": True}
LEVELS = {**PLAIN, "fencing": "levels"}
DOG = {**PLAIN, "fencing": "none", "dog": Dog(3000, 1)}
BARE = {**PLAIN, "fencing": "none"}
IGNORE = {**PLAIN, "policy": "ignore", "hosts": 3}
OTHER = "nothing is stopped for another object"
CUTS = ("isolate", "cut_api", "cut_peers", "bad_link")


@dataclass(frozen=True)
class Mutant:
    """What is broken, by which faults it shows, and which rules may say so."""

    name: str
    break_it: Callable[[], None]
    faults: tuple[str, ...]
    rules: tuple[str, ...]
    first: tuple[int, ...] = ()
    setting: Mapping[str, Any] = field(default_factory=lambda: PLAIN)
    """Seeds that are tried before all others, because they caught it once. Only a wish for speed: any may catch it.
    `setting`: of what kind of cluster, where not what the seed draws."""


# -- the operator


def no_wait_for_death() -> None:
    """A silent node counts as dead."""

    def judge(facts: NodeFacts) -> NodeVerdict:
        found = judge_node(facts)
        if found.condition is NodeCondition.UNCLEAN:
            return NodeVerdict(condition=NodeCondition.OFFLINE, reason="surely dead", released=True)
        return found

    membership.judge_node = judge  # type: ignore[attr-defined]


def epoch_never_raised() -> None:
    """Each DC acts in epoch 1."""
    real = dc.ClusterTask._begin_term

    async def begin(self: Any, cluster: Any) -> Any:
        term = await real(self, cluster)
        number = term.coordinator.number
        coordinator = Coordinator(
            cluster=self.name, epoch=1, number=number, tracker=self._world.tracker, homes={}
        )
        driver = PlanDriver(self._client, self._world.plans, epoch=1, may_write=self._elector.leads)
        return dc.Term(coordinator, driver, since=term.since)

    dc.ClusterTask._begin_term = begin  # type: ignore[method-assign]


def stale_leases_count() -> None:
    """Whoever ever had a Lease counts in every quorum."""
    takeover.TakeoverJudge._is_plain = lambda self, node, beat, now: self._tracker.lease(node) is not None  # type: ignore[method-assign]
    membership.has_quorum = lambda *, members, alive: members > 0  # type: ignore[attr-defined]


def quorum_not_needed() -> None:
    """The DC acts alone too."""
    membership.has_quorum = lambda *, members, alive: members > 0  # type: ignore[attr-defined]


def ages_not_reset() -> None:
    """After a gap in the DC's own reads the ages go on."""

    def succeeded(self: LeaseTracker, now: float, *, sent_at: float | None = None) -> bool:
        self._advance(now)
        self._read_at = max(self._read_at or 0.0, now if sent_at is None else sent_at)
        return False

    leases.LeaseTracker.read_succeeded = succeeded  # type: ignore[method-assign]
    takeover.TakeoverJudge.may_take = lambda self, node, voters, now: True  # type: ignore[method-assign]


def past_not_noticed() -> None:
    """An etcd that was restored is taken for the present."""
    reflector.Reflector._is_past = lambda *_a: False  # type: ignore[method-assign, assignment]
    orderbook.OrderBook.contradicted = lambda self, orders_, read_at: False  # type: ignore[method-assign]
    status_writer.StatusWriter.compare = lambda self, plan, read_at: None  # type: ignore[method-assign]


def chain_dropped() -> None:
    """Orders of a chain go out without what they have to wait for."""
    real = orders.ActionWriter.plan_action
    orders.ActionWriter.plan_action = lambda self, action, after: real(self, action, ())  # type: ignore[method-assign]


# -- reading


def failed_list_is_empty() -> None:
    """Of a kind that cannot be listed there is nothing."""
    real = reflector.Reflector.list_now

    async def list_now(self: Any, *, anew: bool = False) -> str:
        try:
            return await real(self, anew=anew)
        except ApiError:
            for key in sorted(self._objects):
                gone = self._objects.pop(key)
                self.token = object()
                self._on_change("DELETED", gone, gone)
            self.synced.set()
            raise

    reflector.Reflector.list_now = list_now  # type: ignore[method-assign]
    reflector.Reflector._failed = lambda self, error: None  # type: ignore[method-assign]


def odd_object_raises() -> None:
    """An operation that cannot be read raises what nothing expects."""
    real = assemble_resources._operation

    def read(spec: Any, resource: str) -> Any:
        if spec.interval_origin is not None:
            raise KeyError(spec.interval_origin)
        return real(spec, resource)

    assemble_resources._operation = read  # type: ignore[assignment]


def step_unguarded() -> None:
    """And no object is put into quarantine for it."""
    odd_object_raises()
    quarantine.Quarantine.examine = lambda *_: ()  # type: ignore[method-assign, assignment]


def term_before_all_is_read() -> None:
    """A DC begins with what it has read so far."""

    async def read_everything(self: Any) -> None:
        await asyncio.gather(
            self.plans.synced.wait(), self.leases.synced.wait(), self._copies[HACLUSTER].synced.wait()
        )

    world.World.read_everything = read_everything  # type: ignore[method-assign]
    world.World.is_complete = property(lambda self: True)  # type: ignore[method-assign, assignment]
    world.World.unread = lambda self, now: {}  # type: ignore[method-assign]


# -- fencing, and words of people


def one_device_is_enough() -> None:
    """Of a level's devices the first that works ends the fencing."""
    real = fencer.Fencer._next_device

    def next_device(self: Any) -> None:
        if self.stage is fencer.Stage.CUT:
            self._device = len(self._levels[self._level].devices) - 1
        real(self)

    fencer.Fencer._next_device = next_device  # type: ignore[method-assign]


def one_supply_after_the_other() -> None:
    """A reboot by several devices is a reboot by each of them."""
    fencer.Fencer._command = lambda self, device: "reboot" if self.stage is fencer.Stage.CUT else "on"  # type: ignore[method-assign]


def liar_believed() -> None:
    """Who was fenced and renews is heard no more."""
    membership.MembershipKeeper._is_echo = lambda self, name, fenced, now: True  # type: ignore[method-assign]


def confirmed_whoever_is_heard() -> None:
    """A confirmation is believed of a node that renews."""
    real = requests.RequestDesk._take_node_request

    def take(self: Any, *arguments: Any) -> None:
        real(self, *arguments[:-1], ())

    requests.RequestDesk._take_node_request = take  # type: ignore[method-assign]


def confirmation_forgotten() -> None:
    """A confirmation is answered, and nothing follows."""
    Coordinator._confirm = lambda self, *arguments: None  # type: ignore[method-assign]


def no_storm_brake() -> None:
    """Many that fall silent at once are as dead as one."""
    membership.StormBrake.look = lambda self, **_facts: NO_BRAKE  # type: ignore[attr-defined]


def policy_ignored() -> None:
    """What runs is scheduled as with a quorum."""
    plan.Plan.quorate = property(lambda self: True)  # type: ignore[assignment, method-assign]


# -- the watchdog


def fed_for_ever() -> None:
    """The watchdog is fed whatever becomes of the lease."""
    watchdog_logic.WatchdogLogic.may_feed = (  # type: ignore[method-assign]
        lambda self, now, *, sent_at, kept_until: self.force is not None
    )


def bite_not_awaited() -> None:
    """A silent node with a watchdog is dead at once."""

    def is_bitten(self: Any, name: str, rule: Any, now: float) -> bool:
        return rule is not None and self.bite_at(name, rule, now) is not None

    membership.MembershipKeeper._is_bitten = is_bitten  # type: ignore[method-assign]


def disarmed_unheard() -> None:
    """The watchdog is disarmed as soon as it is not wanted, before any renewal has said so."""
    real = watchdog_logic.WatchdogLogic.want

    def want(self: Any, claim: Any, now: float) -> None:
        real(self, claim, now)
        if self.state is watchdog_logic.WatchdogState.LEAVING:
            self.state, self.force = watchdog_logic.WatchdogState.OFF, None

    watchdog_logic.WatchdogLogic.want = want  # type: ignore[method-assign]


# -- the agent


def order_for_another_boot() -> None:
    """What was meant for the boot before is run."""
    real = brain.Brain._take_orders

    def take(self: Any, orders_: Orders, *rest: Any) -> None:
        real(self, replace(orders_, boot_id=self.boot_id), *rest)

    brain.Brain._take_orders = take  # type: ignore[method-assign]
    membership.MembershipKeeper._follow_sync = _follow_any_boot  # type: ignore[method-assign]
    orders.PlanBook.forget_node = lambda self, node: None  # type: ignore[method-assign]


def _follow_any_boot(self: Any, name: str, plan: Any, pulse: Any, epoch: int) -> None:
    lease = self._tracker.lease(name)
    if plan is not None and lease is not None:
        self._synced[name] = lease.boot_id
        self._stale.discard(name)


def ledger_forgotten() -> None:
    """A restarted agent does not know which orders it has run."""
    real = brain.Brain._recover

    def recover(self: Any, event: Any, instant: Any) -> None:
        kept = {
            key: value for key, value in event.journal.items() if not key.startswith(("result/", "pending/"))
        }
        real(self, replace(event, journal=kept), instant)

    brain.Brain._recover = recover  # type: ignore[method-assign]


def fail_counts_forgotten() -> None:
    """A restarted agent begins to count anew."""
    real = history.History.load

    def load(self: Any, journal: Any) -> None:
        real(self, {key: value for key, value in journal.items() if not key.startswith("failure/")})

    history.History.load = load  # type: ignore[method-assign]


def failures_not_counted() -> None:
    """No operation ever fails as far as the counts go."""
    history.counts_as_failure = lambda operation, outcome: False  # type: ignore[assignment]


def stop_failure_ignored() -> None:
    """A stop that failed is told as done."""
    real = brain.Brain._finish

    def finish(self: Any, call_id: int, outcome: Any, instant: Any) -> None:
        running = self.dispatch._running.get(call_id)
        if running is not None and running.order.verb is Verb.STOP:
            outcome = replace(outcome, rc=0, status=brain.OpStatus.DONE)
        real(self, call_id, outcome, instant)

    brain.Brain._finish = finish  # type: ignore[method-assign]


def active_forgotten() -> None:
    """A restarted agent does not know what runs, and lets go of nothing."""
    real = resources.ResourceBook.load

    def load(self: Any, journal: Any, now: float) -> None:
        real(self, {key: value for key, value in journal.items() if not key.startswith("resource/")}, now)

    resources.ResourceBook.load = load  # type: ignore[method-assign]


def stopped_as_defined() -> None:
    resources.ResourceBook.as_it_runs = lambda self, order: order  # type: ignore[method-assign]


def nothing_released() -> None:
    """A node that is cut off goes on."""
    brain.release_chains = lambda states: []  # type: ignore[assignment]
    keeper_logic.KeeperLogic.must_release = lambda self, now: False  # type: ignore[method-assign]


def orders_survive_a_cut() -> None:
    """Orders from before a cut are run after it, and the plan is not read again first."""
    brain.Brain._void_orders = lambda self: None  # type: ignore[method-assign]
    lease_guard.LeaseGuard.needs_read = property(lambda self: False)  # type: ignore[assignment, method-assign]
    lease_guard.LeaseGuard.orders_hold = property(lambda self: True)  # type: ignore[assignment, method-assign]


def operations_overlap() -> None:
    """A second operation of a resource does not wait for the first."""
    real = brain.Brain._begin

    def begin(self: Any, order: Any, *, origin: Origin, ready: Any, instant: Any) -> None:
        real(self, order, origin=origin, ready=ready, instant=instant)
        if order.verb.on_resource:
            self.resources.of(order).running = None

    brain.Brain._begin = begin  # type: ignore[method-assign]


# -- the keeper


def deadline_from_the_answer() -> None:
    """The lease is counted from when the answer came, not from before the renewal was sent."""
    real = keeper_logic.KeeperLogic.renewed

    def renewed(self: Any, sent_at: float, lease_s: float) -> None:
        real(self, virtual_time.local_now(), lease_s)

    keeper_logic.KeeperLogic.renewed = renewed  # type: ignore[method-assign]


def no_margin() -> None:
    """It begins to stop only when the lease has run out."""
    lease_term.LeaseTerm.stop_at = lease_term.LeaseTerm.expires_at  # type: ignore[method-assign, assignment]


def keeper_never_releases() -> None:
    """Nobody stops anything while the agent is away."""
    keeper_logic.KeeperLogic.must_release = lambda self, now: False  # type: ignore[method-assign]


def promise_not_marked() -> None:
    """Who has promised renews as if nothing were."""
    vouching.Vouching.attempted = lambda self, now: 0.0  # type: ignore[method-assign]


def promise_never_ends() -> None:
    """A promise once given holds for ever."""

    def keep_until(self: Any, now: float) -> float | None:
        if self.peers is None:
            return None
        needed = (len(self.peers) + 1) // 2
        return now + self.lease_s if len(self._promises) >= needed else None

    vouching.Vouching.keep_until = keep_until  # type: ignore[method-assign]


def half_is_a_majority() -> None:
    """Whoever is cut off needs the promises of half of the members, itself included."""

    def keep_until(self: Any, now: float) -> float | None:
        if not self.peers or self._lapsed:
            return None
        needed = len(self.peers) // 2
        standing = sorted((until for until in self._promises.values() if until > now), reverse=True)
        return (
            now + self.lease_s if needed == 0 else (standing[needed - 1] if len(standing) >= needed else None)
        )

    vouching.Vouching.keep_until = keep_until  # type: ignore[method-assign]


def one_promise_is_enough() -> None:
    """Any peer's promise will do."""

    def keep_until(self: Any, now: float) -> float | None:
        standing = [until for until in self._promises.values() if until > now]
        return max(standing, default=None) if self.peers else None

    vouching.Vouching.keep_until = keep_until  # type: ignore[method-assign]


def begun_without_record() -> None:
    """What the host's disk takes no record of runs all the same."""
    recording._NEEDS_RECORD = ()


MUTANTS = (
    Mutant("no wait for death", no_wait_for_death, ("freeze", "isolate", "crash"), (ALONE, PROOF)),
    Mutant(
        "fencing assumed",
        fencing_assumed,
        ("bad_fencing", "freeze", "crash", "isolate"),
        (ALONE, PROOF),
        (5,),
    ),
    Mutant("epoch never raised", epoch_never_raised, ("kill", "pause_operator"), (ONE_DC,)),
    Mutant("stale leases count", stale_leases_count, ("isolate", "cut_api"), (ALONE, QUORUM), (18,)),
    Mutant("quorum not needed", quorum_not_needed, ("isolate", "crash", "cut_api"), (QUORUM,), (6,)),
    Mutant("ages not reset after a gap", ages_not_reset, ("api_outage",), (HEALTHY, ALONE), (3,)),
    Mutant(
        "restored past not noticed", past_not_noticed, ("restore", "people", "kill"), (ALONE, PROOF, RECOVERS)
    ),
    Mutant("group started in parallel", chain_dropped, ("crash",), (ORDER,)),
    Mutant(
        "orders for another boot", order_for_another_boot, ("ambush", "crash"), (ALONE, PROOF, ORDER), (3,)
    ),
    Mutant("ledger forgotten", ledger_forgotten, ("kill", "people"), (ONCE,)),
    Mutant("fail counts forgotten", fail_counts_forgotten, ("kill", "bad_agent"), (COUNTS,), (1,)),
    Mutant("failures not counted", failures_not_counted, ("bad_agent",), (COUNTED,), (4,)),
    Mutant("stop failure ignored", stop_failure_ignored, ("failing_stop",), (ALONE, PROOF)),
    Mutant("waits for strangers", waits_for_strangers, ("people",), (STRANGERS,), setting=SLOW),
    Mutant("flight forgotten", flight_forgotten, ("people", "isolate"), (ALONE, PROOF), (36,), setting=SLOW),
    Mutant("what runs forgotten", active_forgotten, ("relapse", "kill"), (ALONE, LEASE)),
    Mutant("stopped as defined today", stopped_as_defined, ("people",), (UNDONE, ALONE)),
    Mutant(
        "begun without a record",
        begun_without_record,
        ("break_disk", "service_dies", "people", "kill", "stays_away", "isolate"),
        (ALONE, LEASE, ONCE),
    ),
    Mutant("nothing released", nothing_released, CUTS, (ALONE, LEASE)),
    Mutant("orders survive a cut", orders_survive_a_cut, ("ambush",), (ALONE, PROOF, BEGUN), (1,)),
    Mutant("operations overlap", operations_overlap, ("people", "bad_agent"), (OVERLAP,), (3,)),
    Mutant("deadline from the answer", deadline_from_the_answer, ("late_answers",), (ALONE, LEASE)),
    Mutant("no margin to stop in", no_margin, ("late_answers",), (ALONE, LEASE)),
    Mutant("keeper never releases", keeper_never_releases, ("stays_away",), (ALONE, LEASE)),
    Mutant("promise not marked", promise_not_marked, ("straggler",), (ALONE,), (1,)),
    Mutant("promise never ends", promise_never_ends, ("straggler",), (ALONE, LEASE)),
    Mutant("half is a majority", half_is_a_majority, CUTS, (ALONE, LEASE), setting={**PLAIN, "hosts": 2}),
    Mutant("one device is enough", one_device_is_enough, ("crash", "freeze"), (PROOF, ALONE), setting=LEVELS),
    Mutant(
        "one supply after the other",
        one_supply_after_the_other,
        ("crash", "freeze", "failing_stop"),
        (PROOF, ALONE),
        setting=LEVELS,
    ),
    Mutant("liar believed", liar_believed, ("liar", "isolate", "failing_stop"), (RECOVERS,), (6,)),
    Mutant("confirmed whoever is heard", confirmed_whoever_is_heard, ("mistaken_confirm",), (WORD,)),
    Mutant("confirmation forgotten", confirmation_forgotten, ("confirm",), (RECOVERS,), setting=BARE),
    Mutant("no storm brake", no_storm_brake, ("isolate", "cut_api"), (STORM,), setting=IGNORE),
    Mutant(
        "policy ignored",
        policy_ignored,
        ("crash", "service_dies"),
        (STARTS,),
        (16,),
        setting={**BARE, "hosts": 3},
    ),
    Mutant("step unguarded", step_unguarded, ("nonsense", "crash"), (RECOVERS,)),
    Mutant("failed list is empty", failed_list_is_empty, ("cold_start", "list_fails"), (OTHER, ALONE, PROOF)),
    Mutant("term before all is read", term_before_all_is_read, ("cold_start",), (OTHER, ALONE, PROOF)),
    Mutant("ids go by position", ids_go_by_position, ("usurper",), (OTHER,)),
    Mutant("requests go by id", requests_by_id, ("usurper",), (OTHER,)),
    Mutant("namespaces reach all", namespaces_reach_all, ("foreign_ban",), (OTHER,)),
    Mutant("left is gone", left_is_gone, ("node_relabelled", "node_deleted"), (ALONE, PROOF)),
    Mutant("leaver let go at once", let_go_at_once, ("node_relabelled", "crash"), (ALONE, PROOF, RECOVERS)),
    Mutant("lost plan is empty", lost_plan_is_empty, (), (ALONE, PROOF), (26,)),
    Mutant("fed for ever", fed_for_ever, ("cable",), (ALONE, PROOF), (9,), setting=DOG),
    Mutant("bite not awaited", bite_not_awaited, ("cable",), (ALONE, PROOF), (1,), setting=DOG),
    Mutant("disarmed unheard", disarmed_unheard, ("disarm",), (ALONE, PROOF), setting=DOG),
    Mutant(
        "one promise is enough",
        one_promise_is_enough,
        ("isolate", "straggler"),
        (ALONE, LEASE),
        (4,),
        setting={**PLAIN, "hosts": 5},
    ),
    Mutant("instances by number", instances_by_number, ("crash", "people"), (RECOVERS,), (0, 3, 6)),
)


def main() -> int:
    """Exit status 1 if one was not caught."""
    parser = argparse.ArgumentParser(prog="simulation.mutants", description=__doc__)
    parser.add_argument("--seeds", type=int, default=60, help="tries for each mutant")
    parser.add_argument("--only", action="append", help="a mutant by its name")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--sound", action="store_true", help="run the same seeds unbroken: nothing may be found"
    )
    options = parser.parse_args()
    chosen = [one for one in MUTANTS if not options.only or one.name in options.only]
    caught = 0
    for mutant in chosen:
        began = time.monotonic()
        told = hunt(mutant, options)
        caught += bool(told)
        print(f"{mutant.name}: {told or 'NOT CAUGHT'} ({time.monotonic() - began:.0f} s)")
        sys.stdout.flush()
    print(json.dumps({"mutants": len(chosen), "caught": caught}))
    return 0 if (caught == 0 if options.sound else caught == len(chosen)) else 1


def hunt(mutant: Mutant, options: argparse.Namespace) -> str:
    """By which rule, and at which seed; empty if by none."""
    before = (lambda: None) if options.sound else mutant.break_it
    seeds = list(dict.fromkeys((*mutant.first, *range(options.seeds))))
    results = run_all(
        seeds, processes=options.processes, before=before, faults=mutant.faults, overrides=mutant.setting
    )
    for result in results:
        for one in result.report.get("violations", []):
            if one["rule"] in mutant.rules or options.sound:
                results.close()
                return f"{one['rule']} (seed {result.seed}: {one['what']})"
        if result.crash and options.sound:
            return result.crash
    return ""


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
