"""One run: fault after fault on one sandbox, each undone, then waited for until the cluster is whole, with the checkers on always."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from backstay_sandbox.outages import OutageWatch
from faults.checkers import GROUP_ADDRESS, SINGLE_ADDRESS
from faults.growth import Growth, sample
from faults.injection import FaultError, Injector
from faults.lookout import Lookout
from faults.object_injection import ObjectInjector
from faults.schedule import HARMLESS, LASTING, LEAVING, LONG_S, UNFENCED, Fault, Kind, Victim
from faults.sight import holders, look
from faults.wholeness import TARGETS, NotWholeError, Wholeness
from harness.arp_watch import ArpWatch
from harness.cluster_view import ClusterView, Snapshot
from harness.hosts_cluster import ClusterUnderTest

WHOLE_S_MAX = 90.0
"""Until everything runs again, from the moment when the last of the fault was undone. A machine that others use is slow."""
NOTICE_S = {Kind.APACHE_KILLED: 30.0, Kind.VIP_DELETED: 40.0, Kind.ADDRESS_DELETED: 60.0}
"""Only a monitor can notice these, and it comes when it comes; so the fault's effect is waited for."""
EFFECT_S_MAX = 10.0
LEFT_S_MAX = 60.0
"""Until a host that does not belong any more has stopped everything, and its HANode and plan are gone."""
POLL_S = 0.1

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one fault, in seconds."""

    fault: Fault
    node: str
    away_s: dict[str, float]
    """For how long the client missed the page, and the single address, since the fault."""
    whole_s: float
    """From undoing it (or from the fault, where there is nothing to undo) until the cluster was whole."""


@dataclass
class Run:
    """``problems`` are violations of the checkers' rules and of the promises made here; the first fault with some ends the run."""

    cluster: ClusterUnderTest
    view: ClusterView
    tell: Tell
    watch: OutageWatch
    arp: ArpWatch
    outcomes: list[Outcome] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    growth: Growth = field(default_factory=Growth)
    failures_cleaned: int = 0

    def __post_init__(self) -> None:
        layout = self.cluster.sandbox.layout
        self.objects = ObjectInjector(
            lambda *words, given="": self.cluster.run("kubectl", *words, given=given)
        )
        self.injector = Injector(layout, lambda *words: self.cluster.run("kubectl-ha", *words), self.objects)
        self.lookout = Lookout(lambda: look(layout), frozen=self.injector.frozen, holes=self.injector.holes)
        self.wholeness = Wholeness(self.view, self.lookout, self.watch, layout)

    def go(self, faults: Iterable[Fault], *, until: float = float("inf")) -> None:
        """All of them, one after the other, with the lookout on; none is begun after ``until`` (CLOCK_MONOTONIC)."""
        if self._await_whole("before the first fault") is None:
            return
        for fault in faults:
            if time.monotonic() >= until:
                self.tell("no time left for more")
                break
            self._one(fault)
            self.problems += [str(one) for one in self.lookout.violations()] + self._answered_twice(fault)
            if self.problems:
                return
        self.problems += self.growth.problems()

    def _one(self, fault: Fault) -> None:
        before = self.view.snapshot()
        if before is None:
            self.problems.append(f"{fault}: the API does not answer before it")
            return
        node = self._victim(fault.victim, before)
        homes, boots = self.wholeness.homes(), self.cluster.boots()
        since = time.monotonic()
        try:
            self.injector.begin(fault.kind, node, number=fault.number)
            self._last(fault, node, since)
        except FaultError as error:
            self.problems.append(f"{fault}: {error}")
        finally:
            self._undo(fault, node)
        whole_s = self._await_whole(f"{fault}, on {node}")
        if whole_s is None:
            return
        self.injector.holes.clear()
        now = (self.wholeness.homes(), self.cluster.boots())
        if fault.kind in HARMLESS and now != (homes, boots):
            self.problems.append(
                f"{fault}, on {node}: moved or fenced without need: {(homes, boots)}, then {now}"
            )
        elif fault.kind in UNFENCED and now[1] != boots:
            self.problems.append(f"{fault}, on {node}: fenced without need: {boots}, then {now[1]}")
        self._note(Outcome(fault, node, self._away(since), whole_s), homes)

    def _answered_twice(self, fault: Fault) -> list[str]:
        """Addresses that two hosts claimed at once, in the eyes of the bridge."""
        found = {(one["address"], *one["answered_by"]) for one in self.arp.twice}
        self.arp.twice.clear()
        if fault.kind is Kind.HOST_FROZEN:  # its kernel is everybody's, and answers on
            found = {one for one in found if one[0] != SINGLE_ADDRESS}
        return [f"{fault}: {address} answered by {' and '.join(cards)}" for address, *cards in sorted(found)]

    def _undo(self, fault: Fault, node: str) -> None:
        try:
            self.injector.end(fault.kind, node)
        except FaultError as error:
            self.problems.append(f"undoing {fault}: {error}")

    def _last(self, fault: Fault, node: str, since: float) -> None:
        """Let it last; what only a monitor notices must at least be noticed by the client."""
        if fault.kind in LASTING:
            time.sleep(fault.hold_s)
            if fault.kind in LEAVING and fault.hold_s >= LONG_S[0]:
                self._await_left(node)
        elif fault.kind is Kind.APACHE_KILLED and not self.watch.wait_outage(
            "page", since=since, timeout_s=EFFECT_S_MAX
        ):
            raise FaultError("the page did not go away")
        elif fault.kind in NOTICE_S:
            self._await_noticed(fault.kind)

    def _await_left(self, node: str) -> None:
        """Until a host that does not belong any more runs nothing, and nothing tells of it."""
        deadline = time.monotonic() + LEFT_S_MAX
        while True:
            sight, snapshot = self.lookout.sights()[node], self.view.snapshot()
            runs = sight.mounted or sight.serves or bool(sight.addresses & {GROUP_ADDRESS, SINGLE_ADDRESS})
            known = snapshot is None or node in snapshot.nodes or node in snapshot.plans
            if not runs and not known:
                return
            if time.monotonic() >= deadline:
                what = "it runs something" if runs else "its HANode or plan is there"
                raise FaultError(f"{node} has not left after {LEFT_S_MAX:.0f} s: {what}")
            time.sleep(POLL_S)

    def _await_noticed(self, kind: Kind) -> None:
        """Until it is repaired, which may take until the next monitor."""
        address = SINGLE_ADDRESS if kind is Kind.ADDRESS_DELETED else GROUP_ADDRESS
        deadline = time.monotonic() + NOTICE_S[kind]
        while not holders(self.lookout.sights(), address):
            if time.monotonic() >= deadline:
                raise FaultError(f"{address} did not come back in {NOTICE_S[kind]:.0f} s")
            time.sleep(POLL_S)

    def _note(self, outcome: Outcome, homes: dict[str, str]) -> None:
        self.outcomes.append(outcome)
        volume, now = self.view.volume(), self.view.snapshot()
        if volume is not None:
            self.growth.samples.append(sample(self.cluster.sandbox.layout, volume))
        if now is not None and now.failures:
            self.failures_cleaned += now.failures
            self.cluster.run("kubectl-ha", "cleanup")
        away = ", ".join(f"{target} away {seconds:.2f} s" for target, seconds in outcome.away_s.items())
        moved = f"group {homes['group']} -> {self.wholeness.homes()['group']}"
        self.tell(f"{outcome.fault}, on {outcome.node}: {away}; whole {outcome.whole_s:.1f} s later; {moved}")

    def _victim(self, victim: Victim, snapshot: Snapshot) -> str:
        nodes, homes = self.cluster.sandbox.layout.nodes, self.wholeness.homes()
        found = {
            Victim.GROUP: homes["group"],
            Victim.ADDRESS: homes["address"],
            Victim.DC: snapshot.dc,
            **dict(zip((Victim.FIRST, Victim.SECOND, Victim.THIRD), nodes, strict=True)),
        }[victim]
        assert found, "the cluster was whole a moment ago"
        return found

    def _away(self, since: float) -> dict[str, float]:
        return {
            target: sum(one.seconds for one in self.watch.outages(target, since=since)) for target in TARGETS
        }

    def _await_whole(self, after: str) -> float | None:
        """Seconds until the cluster was whole, and stayed so; None, and a problem, when it was not in time."""
        try:
            return self.wholeness.wait(timeout_s=WHOLE_S_MAX)
        except NotWholeError as error:
            self.problems.append(f"{after}: {error}")
            return None
