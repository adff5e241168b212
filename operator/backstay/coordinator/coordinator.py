"""The DC's loop as a step function: `step(view) -> Orders`.

The shell gathers what it knows into a View, calls `step`, writes what the Orders say, and calls again when something
changed or `wake_in` seconds have passed. All decisions are here; nothing here reads a clock, sleeps, or talks to anybody.
One Coordinator serves one term of one DC: it is made with the epoch that the election won.

A step: judge the nodes; feed results to the transition under way, and to what earlier ones left in flight; supersede it on a surprise;
when something changed, schedule, and join the new graph to what is in flight (design note 0014); say what every plan shall hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backstay.api import HANodePlanSpec
from backstay.api.quantities import duration_ms
from backstay.coordinator.brake import Brake
from backstay.coordinator.dismissals import unguarded_nodes
from backstay.coordinator.doubts import Doubts
from backstay.coordinator.epoch_claims import EpochClaims
from backstay.coordinator.failure_news import FailureNews
from backstay.coordinator.fencings import Fenced
from backstay.coordinator.fingerprint import Fingerprint, Printer
from backstay.coordinator.gate import Gate
from backstay.coordinator.guards import FencingDesk, priority_delays_ms
from backstay.coordinator.leaving import leavers_of
from backstay.coordinator.membership import Circumstances, Membership, MembershipKeeper
from backstay.coordinator.moments import Watchman
from backstay.coordinator.news import members_news, quorum_news, state_news
from backstay.coordinator.orders import PlanBook
from backstay.coordinator.peers import PeerBook
from backstay.coordinator.placement_tracker import PlacementTracker
from backstay.coordinator.proofs import Proofs
from backstay.coordinator.recall import Recall
from backstay.coordinator.requests import RequestDesk, never
from backstay.coordinator.run import Run, RunContext
from backstay.coordinator.sight import Sight
from backstay.coordinator.spared import news_of_nodes, spared
from backstay.coordinator.step import Finished, Orders, Picture, View
from backstay.coordinator.story import StoryItem, Tale
from backstay.coordinator.trigger import NOTHING_YET, Cause, Trigger
from backstay.coordinator.under_way import UnderWay
from backstay.coordinator.watchdogs import watchdog_of, watchdog_rule
from backstay.coordinator.words import REWOUND, condition_of, placed_nodes
from backstay.liveness.leases import LeaseTracker, Pulse
from backstay.liveness.nodes import NodeCondition
from backstay.scheduler import Transition, schedule
from backstay.scheduler.situation import Situation
from backstay.state.assemble import Assembly, Memory, Objects, assemble
from backstay.state.choices import Requires
from backstay.state.kept import Kept
from backstay.state.resource import primitives_of
from backstay.transition.runner import Verdict

HOLD_MIN_S = 3.0
RECORD_AGAIN_S = 0.25
"""Before a fencing of which no object tells is recorded once more."""


class Coordinator:
    """One DC term of one cluster."""

    def __init__(
        self,
        *,
        cluster: str,
        epoch: int,
        number: int,
        tracker: LeaseTracker,
        homes: Mapping[str, str],
        term: str = "",
        rewound: bool = False,
    ) -> None:
        """`term` tells this DC from any other that may get the same epoch. `rewound`: it begins because the API's history went back."""
        self.cluster = cluster
        self.epoch = epoch
        self.number = number
        self.desk = RequestDesk(epoch=epoch, distrusts=rewound)
        self._tracker = tracker
        self._members = MembershipKeeper(tracker, epoch=epoch)
        self._book = PlanBook(cluster=cluster, epoch=epoch, term=term)
        self._untold_rewind = rewound
        self._placements = PlacementTracker(homes)
        self._failures = FailureNews()
        self._way = UnderWay(epoch=epoch)
        self._doubts = Doubts()
        self._looked: Fingerprint | None = None
        self._transition: Transition | None = None
        self._trigger = NOTHING_YET
        self._assembly: Assembly | None = None
        self._memory = Memory()
        self._sight = Sight()
        self._prints = Printer()
        self._places: Kept[Mapping[str, tuple[str, ...]]] = Kept()
        self._membership: Membership | None = None
        self._proofs = Proofs()
        self._recall = Recall()
        self._guards = FencingDesk(epoch=epoch)
        self._requires: Mapping[str, Requires] = {}
        self._look_again_at: float | None = None
        self._hold_since: float | None = None
        self._brake = Brake()
        self._again: Trigger | None = None
        self._news: Trigger | None = None
        """What ended, or began, of which no transition knows: scheduled before anything else is sent."""
        self._last: Finished | None = None
        self._gate = Gate(epoch=epoch)
        self._peers = PeerBook()
        self._watchman = Watchman(epoch=epoch)
        self._claims = EpochClaims(epoch=epoch)
        self._lost: frozenset[str] = frozenset()
        """Nodes whose report is a memory, because their plan was deleted or cannot be read."""
        self._told: dict[str, NodeCondition | None] = {}
        """How each node is by what was told last, by this DC or one before it."""

    # -- one step

    def step(self, view: View) -> Orders:
        """Decide. Same views, same orders."""
        orders = Orders(plans={}, picture=None, wake_in=1.0)  # type: ignore[arg-type]
        orders.story += self._claims.news(view.objects.plans)
        seen = view.objects
        view = self._recalled(view)
        if self._untold_rewind:
            self._untold_rewind = False
            orders.story.append(StoryItem(tale=Tale.REWOUND, message=REWOUND, warning=True))
        membership, assembly = self._judge(view, orders)
        if not self._requires:
            # `requires` comes out of the assembly, and judging needs it: the first step judges twice.
            membership, assembly = self._judge(view, orders)
        situation, active = self._sight.look(assembly.state)
        asked = (self.desk.moves, self.desk.fence_requested)
        heard = membership.heard(view.now)
        confirmed = self.desk.take(view.objects, active, assembly.index.objects, view.now, view.wall, heard)
        self._confirm(confirmed, membership, view.now, orders)
        fenced = self._fence(view, membership, orders)
        if (self.desk.moves, self.desk.fence_requested) != asked or confirmed or fenced:
            # What was just asked for must be in what is scheduled now, since the fingerprint will say that it was.
            membership, assembly = self._judge(view, orders)
        gated = self._gate.look(view.objects, assembly, active=active, membership=membership, now=view.now)
        assembly = gated.assembly
        self._feed(view, membership, orders)
        look = self._prints.fingerprint(
            view.objects, membership, tuple(move.key for move in self.desk.moves), held=gated.held
        )
        self._follow(look, view, orders)
        orders.story += self._failures.look(view.objects.plans, assembly.index.objects)
        self._settle_requests(view, membership)
        held = self._held(view, membership)
        if not held:
            self._maybe_schedule(look, view, membership, assembly, situation, orders)
        if self._news is not None and self._way.run is not None:
            # What the current transition knows nothing of has happened: it must send nothing more.
            self._way.run.abort(self._news)
            self._finish(self._way.run, view, orders)
        self._way.settle(view.objects.plans, self._book, view.now)
        if self._way.run is not None:
            self._way.run.dispatch(self._book, membership, view.objects.plans, view.now)
        settled = self._way.run is None and not held
        places, index = self._sight.places, assembly.index
        orders.story += self._placements.update(places, index, reason=self._trigger, settled=settled)
        self._gate.ask(
            view.objects, membership=membership, plan_book=self._book, busy=not settled, now=view.now
        )
        orders.plans = self._plans(view, membership, situation)
        orders.picture = Picture(
            membership=membership,
            assembly=assembly,
            situation=situation,
            active=active,
            transition=self._transition,
            run=self._way.run,
            last=self._last,
            trigger=self._trigger,
            held=gated.held,
            fencing=self._guards.records,
            device_uses=self._guards.uses,
            device_checks={
                one.name: self._guards.watch.checks(one.name) for one in self._guards.fences.devices
            },
        )
        orders.wake_in = max(0.002, min(self._wake_in(view), gated.wake_in))
        self._mind_members(seen, view.objects, orders, decided=not held and self._is_decided(look))
        return orders

    def _is_decided(self, look: Fingerprint) -> bool:
        """Whether nothing has happened since the last scheduling that the next one must look at.

        A history that was forgotten on request, say, which is to be probed again (simulation seed 226)."""
        if self._looked is None or self._again is not None or self._news is not None:
            return False
        return self._way.run is not None or not look.difference(self._looked)

    def _mind_members(self, seen: Objects, known: Objects, orders: Orders, *, decided: bool) -> None:
        """What is to be recorded of members, and who has left. `seen`: the objects of the API; `known`: with what is remembered."""
        membership = orders.picture.membership
        orders.fenced = self._proofs.to_record(seen.nodes, membership)
        busy = self._way.busy_nodes() if decided else known.leaving
        orders.leavers = leavers_of(seen, known, membership, self._book, busy=busy)
        self._recall.may_go = frozenset(one.node for one in orders.leavers)

    def _recalled(self, view: View) -> View:
        """With what is remembered of objects that are gone, and what was recorded of fencings since."""
        recalled = self._recall.complete(view.objects, holds=self._book.holds, wall=view.wall)
        self._lost = recalled.lost
        addresses = self._recall.addresses(view.addresses, recalled.objects.plans)
        self._proofs.acknowledge(recalled.objects.nodes, self._membership)
        self._guards.crew.unrecorded = self._proofs.unrecorded
        self.desk.settle_confirmed(self._proofs.unrecorded, view.wall)
        return replace(view, objects=recalled.objects, addresses=addresses)

    # -- judging

    def _judge(self, view: View, orders: Orders) -> tuple[Membership, Assembly]:
        objects = view.objects
        nodes = {node.metadata.name: node for node in objects.nodes}
        if self._membership is None:
            self._told = {name: condition_of(node.status.state) for name, node in nodes.items()}
            self._watchman.begin(self._told, view.now)
        self._members.lease_s = objects.cluster.spec.heartbeat.lease_s
        membership = self._members.look(
            nodes,
            objects.plans,
            fenced=self._proofs.recorded,
            epoch=self.epoch,
            circumstances=Circumstances(
                fencing_enabled=objects.cluster.spec.properties.stonith_enabled,
                shutdown=objects.cluster.spec.shutdown,
                watchdog=watchdog_rule(objects.cluster),
                rewound_epoch=objects.cluster.status.rewound_epoch,
                leaving=objects.leaving,
                recalled=self._lost,
            ),
            requires=self._requires,
            now=view.now,
        )
        self._tell_nodes(membership, orders)
        orders.story += news_of_nodes(self._membership, membership)
        orders.story += members_news(self._membership, membership, objects.leaving)
        self._watchman.look(membership, self._tracker, view.now)
        self._membership = membership
        self._doubts.look(membership, self._book, self._way.flying())
        for name, node in membership.nodes.items():
            if not node.usable:
                # An order that it may never have read must not reach it when it is back: others may have taken over since.
                self._book.forget_node(name)
        extra = tuple(one for move in self.desk.moves for one in move.constraints())
        fences = self._guards.look(objects, self._gate.book.document)
        boots = {name: node.boot_id for name, node in membership.nodes.items()}
        assembly = assemble(
            objects,
            judgements=membership.judgements(
                self.desk.fence_requested, let_in=self._guards.let_in(objects.nodes, boots)
            ),
            unfencing=tuple(sorted(one.name for one in fences.devices if one.unfences)),
            now=view.wall,
            quorum=membership.quorum,
            extra=extra,
            memory=self._memory,
        )
        self._requires = assembly.requires
        return membership, assembly

    def _tell_nodes(self, membership: Membership, orders: Orders) -> None:
        before = self._membership.nodes if self._membership is not None else {}
        for name, view in membership.nodes.items():
            condition = view.verdict.condition
            if name in before and before[name].boot_id != view.boot_id:
                self._book.forget_node(name)
                self._told[name] = None
            if condition is self._told.get(name) or condition is NodeCondition.PENDING:
                continue  # pending is no news: what it was, or will be, is
            self._told[name] = condition
            orders.story.append(state_news(view))
        if self._membership is not None:
            orders.story += quorum_news(self._membership, membership)

    def _confirm(
        self, confirmed: list[tuple[str, str]], membership: Membership, now: float, orders: Orders
    ) -> None:
        for name, _request in confirmed:
            view = membership.nodes.get(name)
            if view is not None and view.boot_id:
                fenced = Fenced(node=name, boot_id=view.boot_id, action="confirmed", by="administrator")
                self._record_fenced(fenced, now, orders)

    def _fence(self, view: View, membership: Membership, orders: Orders) -> bool:
        """Drive the fencings under way; True when what is known of nodes has changed by it."""
        for key, node in self.desk.take_let_in():
            self._guards.switch_on(key, node)
        bitten = self._take_bitten(view, membership, orders)
        rule = watchdog_rule(view.objects.cluster)

        def awaits_bite(name: str) -> bool:
            node = membership.nodes.get(name)
            silent = node is not None and node.verdict.condition is NodeCondition.UNCLEAN
            silent = silent and node is not None and node.pulse is not Pulse.FRESH
            return silent and rule is not None and self._members.bite_at(name, rule, view.now) is not None

        orders.needs_list = rule is not None and any(
            (at := self._members.bite_at(name, rule, view.now)) is not None and at <= view.now
            for name in membership.nodes
            if awaits_bite(name) and name not in bitten
        )
        news = self._guards.step(
            view.objects,
            membership,
            awaits_bite=awaits_bite,
            spared=spared(membership, view.objects.cluster, asked=self.desk.fence_requested),
            book=self._book,
            idle=self._way.run is None,
            now=view.now,
            wall=view.wall,
        )
        for fenced in news.fenced:
            if fenced.action == "on":
                orders.let_in += self._guards.note_let_in(fenced, membership)
            else:
                self._record_fenced(fenced, view.now, orders)
        for node, record in news.records:
            failure = "" if record.succeeded else record.message
            self.desk.fencing_ended(node, record.action, failure=failure, by=record.by, wall=view.wall)
        orders.story += news.story
        return bool(news.records or bitten)

    def _take_bitten(self, view: View, membership: Membership, orders: Orders) -> list[str]:
        """Nodes that their own watchdogs have reset, as far as this DC can prove it (design note 0005)."""
        if not view.objects.cluster.spec.properties.stonith_enabled:
            return []
        bitten = [
            name
            for name, node in membership.nodes.items()
            if node.bitten and not self._proofs.prove(name, node.boot_id)
        ]
        for name in bitten:
            fenced, records = self._guards.bitten(name, membership.nodes[name].boot_id, view.wall)
            self._record_fenced(fenced, view.now, orders)
            for node, record in records:
                self.desk.fencing_ended(node, record.action, failure="", by=record.by, wall=view.wall)
        return bitten

    def _record_fenced(self, fenced: Fenced, now: float, orders: Orders) -> None:
        """It is used once an object says so (`_recalled`)."""
        view, lease = self._membership, self._tracker.lease(fenced.node)
        newcomer = view is not None and fenced.node in view.nodes and view.nodes[fenced.node].former
        switched = lease is not None and fenced.action not in ("confirmed", "watchdog")
        perhaps = lease.boot_id if lease is not None and newcomer and switched else ""
        self._proofs.add(fenced, now, perhaps=perhaps)
        self._guards.crew.unrecorded = self._proofs.unrecorded
        message = f"Node {fenced.node} fenced ({fenced.action}) by {fenced.by}"
        orders.story.append(
            StoryItem(tale=Tale.FENCED, message=message, warning=True, facts={"node": fenced.node})
        )

    # -- the transition under way

    def _feed(self, view: View, membership: Membership, orders: Orders) -> None:
        """Take answers in."""
        fed = self._way.feed(view.objects.plans, membership, self._book, view.now)
        orders.story += fed.story
        orders.settled += fed.settled
        self._news = self._news or fed.news

    def _follow(self, look: Fingerprint, view: View, orders: Orders) -> None:
        """End the current transition when it is over, has failed, or the cluster is not what it was scheduled for."""
        run = self._way.run
        if run is None:
            return
        assert self._looked is not None
        if run.verdict is None and run.runner.aborted is None:
            surprise = look.surprise_since(self._looked)
            if surprise is None:
                return
            run.abort(surprise)
        self._finish(run, view, orders)

    def _finish(self, run: Run, view: View, orders: Orders) -> None:
        if run.verdict is None:
            self._way.supersede(run.abort_reason)
        else:
            self._way.end()
        assert run.verdict is not None
        took = view.now - run.context.began
        self._last = Finished(run=run, verdict=run.verdict, duration_s=took)
        orders.finished.append(self._last)
        number = run.context.number
        if run.verdict is Verdict.COMPLETE:
            message = f"Transition {number} complete in {took:.2f} s"
            orders.story.append(StoryItem(tale=Tale.COMPLETE, message=message, facts={"transition": number}))
        else:
            self._again = run.abort_reason.after_abort(number)
            message = f"Transition {number} aborted after {took:.2f} s: {run.abort_reason}"
            orders.story.append(
                StoryItem(tale=Tale.ABORTED, message=message, warning=True, facts={"transition": number})
            )
        properties = run.context.cluster.spec.properties
        gave_up = self._guards.gave_up(run.fencing_failed, max_attempts=properties.stonith_max_attempts)
        # stonithMaxAttempts: not again by itself, until something changes or the recheck is due.
        recheck_s = duration_ms(properties.cluster_recheck_interval) / 1000
        self._brake.ended(run, view.now, gave_up_for_s=recheck_s if gave_up else 0.0)

    # -- scheduling

    def _held(self, view: View, membership: Membership) -> bool:
        """Whether to wait for answers before deciding anything."""
        unanswered = [
            name
            for name, node in membership.nodes.items()
            if node.verdict.condition is NodeCondition.PENDING
            and (node.history_counts or node.stale or node.lost or node.pulse is Pulse.WAITING)
        ]
        if not unanswered:
            self._hold_since = None
        elif self._hold_since is None:
            self._hold_since = view.now
        lease_s = view.objects.cluster.spec.heartbeat.lease_s
        waiting = self._hold_since is not None and view.now - self._hold_since < max(HOLD_MIN_S, lease_s)
        # The silent are left alone one by one; a policy that would fence those who are left must wait as a whole.
        policy = view.objects.cluster.spec.properties.no_quorum_policy
        return waiting or (membership.brake.engaged and policy in ("fence", "suicide"))

    def _maybe_schedule(
        self,
        look: Fingerprint,
        view: View,
        membership: Membership,
        assembly: Assembly,
        situation: Situation,
        orders: Orders,
    ) -> None:
        running = self._way.run is not None
        surprise = look.surprise_since(self._looked) if self._looked is not None else None
        if not (surprise or self._news) and view.now < self._brake.not_before:
            return
        difference = None if running else look.difference(self._looked)
        trigger = surprise or self._news or difference or self._again
        if not trigger and self._look_again_at is not None and view.now >= self._look_again_at:
            trigger = Trigger(Cause.RECHECK, "time has passed (recheck)")
        if trigger is None:
            return
        self._looked = look
        self._again = self._news = None
        if self.desk.moves:
            trigger = trigger.with_requests(" ".join(move.key for move in self.desk.moves))
        transition = self._doubts.loosen(schedule(assembly.state), situation)
        self._look_again_at = view.now + self._recheck_s(view, transition)
        if self._way.keeps(transition.graph):
            return
        if self._way.run is not None:
            self._way.run.abort(trigger)
            self._finish(self._way.run, view, orders)
            self._again = None
        self._transition = transition
        self._assembly = assembly
        if not transition.graph.actions:
            self._brake.nothing_to_do()
            return
        self._trigger = trigger
        self.number += 1
        properties = view.objects.cluster.spec.properties
        context = RunContext(
            number=self.number,
            epoch=self.epoch,
            trigger=trigger,
            transition=transition,
            assembly=assembly,
            cluster=view.objects.cluster,
            fences=self._guards.fences,
            fence_delays_ms=priority_delays_ms(situation, membership, properties=assembly.state.properties),
            began=view.now,
            began_wall=view.wall,
            decide_ms=0.0,
            moments=self._watchman.tell(view.now, f"the DC decides: {trigger}"),
        )
        run = Run(
            context,
            self._guards.crew,
            batch_limit=properties.batch_limit,
            node_limit=properties.node_action_limit,
        )
        self._way.begin(run, assembly.state, membership, self._book)
        orders.begun.append(run)
        orders.story.append(
            StoryItem(
                tale=Tale.TRANSITION,
                message=f"Transition {self.number} ({len(transition.graph)} actions): {trigger}",
                facts={"transition": self.number, "actions": len(transition.graph)},
            )
        )

    @staticmethod
    def _recheck_s(view: View, transition: Transition) -> float:
        """When time alone may change the answer: the recheck interval, or what the scheduler knows of."""
        recheck = duration_ms(view.objects.cluster.spec.properties.cluster_recheck_interval) / 1000
        if transition.next_check is not None:
            recheck = min(recheck, transition.next_check - view.wall + 0.05)
        return max(0.1, recheck)

    # -- requests

    def _settle_requests(self, view: View, membership: Membership) -> None:
        moves_before = self.desk.moves
        ended = self.desk.settle(
            plans=view.objects.plans,
            membership=membership,
            places=self._sight.places,
            placed=self._placed(),
            failure=self._failures.cause,
            is_idle=self._is_idle if self._looked is not None and self._knows(moves_before) else never,
            now=view.now,
            wall=view.wall,
        )
        for chore in ended:
            self._book.take_back(chore.node, [chore.action.id])
            if self._way.run is not None and chore.action.resource:
                done = f"{chore.action.verb} of {chore.action.resource} on {chore.node} was done"
                self._again = Trigger(Cause.REQUEST, done)
        for chore in self.desk.chores:
            if chore.action.id not in self._book.holds(chore.node):
                self._book.add(chore.node, [chore.action])

    def _is_idle(self, resource: str) -> bool:
        """Whether nothing is under way, or in flight, for the resource or a member of it."""
        state = self._assembly.state if self._assembly is not None else None
        found = [one for one in state.resources if one.id == resource] if state is not None else []
        names = {one.id for item in found for one in primitives_of(item)} | {resource}
        return not self._way.concerns(names, self._book)

    def _knows(self, moves: tuple[object, ...]) -> bool:
        """Whether the last scheduling took these moves into account."""
        assert self._looked is not None
        return self._looked.moves == tuple(getattr(move, "key", "") for move in moves)

    def _placed(self) -> Mapping[str, tuple[str, ...]] | None:
        if self._transition is None or self._assembly is None:
            return None
        transition, assembly = self._transition, self._assembly
        return self._places.of((transition, assembly), lambda: placed_nodes(transition, assembly))

    # -- plans and time

    def _plans(self, view: View, membership: Membership, situation: Situation) -> dict[str, HANodePlanSpec]:
        syncs = {name: self._members.sync_of(name) for name in membership.nodes}
        spec = view.objects.cluster.spec
        unguarded = unguarded_nodes(view.objects, membership, situation)
        vouching = self._peers.vouching_of(
            membership, spec.properties, addresses=view.addresses, plans=view.objects.plans
        )
        self._members.vouches = bool(vouching)
        return self._book.specs(
            membership,
            heartbeat=spec.heartbeat,
            syncs=syncs,
            vouching=vouching,
            watchdog=watchdog_of(view.objects.cluster, [name for name in vouching if name not in unguarded]),
            dismissed=unguarded if spec.shutdown else (),
            beat=self._members.judge.beat,
            plans=view.objects.plans,
        )

    def _wake_in(self, view: View) -> float:
        times = [view.now + 1.0]
        expiry = self._tracker.next_expiry(view.now)
        if expiry is not None:
            times.append(expiry + 0.002)
        overdue = self._members.judge.next_look(view.now)
        if overdue is not None:
            times.append(overdue + 0.002)
        if self._way.next_deadline is not None:
            times.append(self._way.next_deadline)
        if self._guards.crew.next_deadline is not None:
            times.append(self._guards.crew.next_deadline)
        rule = watchdog_rule(view.objects.cluster)
        for name in view.objects.plans:
            at = self._members.bite_at(name, rule, view.now) if rule is not None else None
            if at is not None and at > view.now:
                times.append(at + 0.002)
        if self._look_again_at is not None:
            times.append(self._look_again_at)
        if self._brake.not_before > view.now:
            times.append(self._brake.not_before)
        if self._proofs.unrecorded:
            times.append(view.now + RECORD_AGAIN_S)
        return max(0.002, min(times) - view.now)
