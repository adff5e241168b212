"""The DC's view of the nodes: verdicts from leases, boots, plan statuses and fencing, and who must answer a sync first.

One instance per DC term. It keeps only what cannot be read back from the objects: what each node was judged last, and which of them
have answered this DC.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from backstay.api import HANode, HANodePlan
from backstay.coordinator.epoch_claims import refusal_words
from backstay.coordinator.footprint import Footprint, footprint_of
from backstay.coordinator.former_boots import FormerBoot, FormerBoots
from backstay.liveness.brake import NO_BRAKE, Brake, StormBrake
from backstay.liveness.leases import LeaseTracker, Pulse
from backstay.liveness.machine import NO_IDENTITY, MachineIdentity, SameMachine
from backstay.liveness.nodes import NodeCondition, NodeFacts, NodeVerdict, judge_node
from backstay.liveness.quorum import has_quorum
from backstay.liveness.takeover import LEAD_PER_LEASE, TakeoverJudge
from backstay.liveness.watchdog import WatchdogClaim, WatchdogRule
from backstay.state.assemble import NodeJudgement
from backstay.state.choices import Requires
from backstay.state.kept import Kept


@dataclass(frozen=True, slots=True)
class FencedBoot:
    """A boot that was ended, and when this DC knew it (monotonic seconds)."""

    boot_id: str
    at: float
    perhaps: str = ""
    """A later boot under the same name, which the fencing has ended too if no renewal of it is seen after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node, judged."""

    name: str
    verdict: NodeVerdict
    pulse: Pulse
    boot_id: str
    synced: bool
    history_counts: bool
    stale: bool
    given_up: bool
    """It was silent, and others may have taken over what needs no fencing; until it has answered a fresh sync."""
    beat: int | None
    """What its keeper knows of challenges; None where it knows of none."""
    watchdog: WatchdogClaim | None = None
    """Of its last renewal."""
    bitten: bool = False
    """Its watchdog has reset it: what ran there does not run any more."""
    may_run: frozenset[str] = frozenset()
    """Of a node that is to be shut down or to leave: resources that may be active there, or were ordered to be."""
    lost: bool = False
    """Its plan was deleted or cannot be read, and it has not reported since (design note 0013)."""
    unaccounted: bool = False
    """It may run anything: the API's history went back (design note 0012) or its report is lost and not remembered (0013), and it has
    not said since what it runs."""
    braked: bool = False
    """Silent, and left alone: it may be our view that is wrong (the storm brake)."""
    recording_trouble: str = ""
    """Why its agent records nothing, and so starts nothing."""
    former: FormerBoot | None = None
    """A boot that may still run something, while another one renews the Lease. `boot_id` is then this one's."""
    machine: MachineIdentity = NO_IDENTITY
    """Of the Lease."""
    plan_boot: str = ""
    """The boot that the plan shall be meant for; empty: none may run anything."""

    @property
    def fresh(self) -> bool:
        """Its renewals are heard."""
        return self.pulse is Pulse.FRESH

    @property
    def usable(self) -> bool:
        """Orders may go there."""
        return self.verdict.condition is NodeCondition.ONLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """All nodes at one moment."""

    nodes: Mapping[str, NodeView]
    quorum: bool
    voters: tuple[str, ...] = ()
    """Whose vote is expected."""
    votes: tuple[str, ...] = ()
    """Whose vote is counted now."""
    brake: Brake = NO_BRAKE
    leaving: Mapping[str, str] = field(default_factory=dict)
    """Those that are to leave the cluster, and why."""

    @property
    def online(self) -> tuple[str, ...]:
        return tuple(name for name, view in self.nodes.items() if view.usable)

    def heard(self, now: float) -> list[str]:
        """Nodes that nobody may declare dead: heard, or not watched long enough to know. Where another boot is heard, and the lease of
        the former one has run out, an administrator may speak for the former."""
        return [
            name
            for name, view in self.nodes.items()
            if view.pulse in (Pulse.FRESH, Pulse.WAITING)
            and not (view.former is not None and view.former.lease_over(now))
        ]

    def judgements(
        self, fence_requested: Mapping[str, str], *, let_in: Collection[str] = ()
    ) -> dict[str, NodeJudgement]:
        """For the scheduler's input. `let_in`: nodes that every unfencing device has let in, in their present boot."""
        return {
            name: _judgement(view, fence_requested.get(name), let_in=name in let_in)
            for name, view in self.nodes.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the judgement goes by, besides what is known of each node."""

    fencing_enabled: bool
    shutdown: bool = False
    """Of the cluster, so of every node."""
    watchdog: WatchdogRule | None = None
    rewound_epoch: int = 0
    """What is from before it may be of a past of the API."""
    leaving: Mapping[str, str] = field(default_factory=dict)
    """Members that are to leave, and why."""
    recalled: Collection[str] = ()
    """Nodes whose plan is remembered, because their report was lost."""


class MembershipKeeper:
    """Turns leases and objects into a Membership, again and again."""

    def __init__(self, tracker: LeaseTracker, *, epoch: int) -> None:
        self.judge = TakeoverJudge(tracker, epoch=epoch)
        self._epoch = epoch
        self._tracker = tracker
        self._given_up: set[str] = set()
        self._backed: dict[str, tuple[str, float]] = {}
        """Silent node -> token of its last renewal, and since when a quorum stands behind a takeover."""
        self._before: dict[str, NodeCondition] = {}
        self._synced: dict[str, str] = {}
        self._sync: dict[str, int] = {}
        self._stale: set[str] = set()
        self._absent_since: dict[str, float] = {}
        self._footprints: dict[str, Kept[Footprint]] = {}
        self._brake = StormBrake()
        self._formers = FormerBoots(tracker)
        self._former: Mapping[str, FormerBoot] = {}
        self._shutdown = False
        self._unaccounted: frozenset[str] = frozenset()
        self._of_past: frozenset[str] = frozenset()
        self._lost: frozenset[str] = frozenset()
        self._leaving: Mapping[str, str] = {}
        self._began: float | None = None
        self.lease_s = 0.0
        """For so long the first DC after a past waits for nodes of which that past knows nothing."""
        self.vouches = True
        """Whether nodes are given peers now, so that one whose plan is not to be trusted may have some."""

    def sync_of(self, node: str) -> int:
        """The sync number that the node's plan shall carry."""
        return self._sync.get(node, 1)

    def look(
        self,
        nodes: Mapping[str, HANode],
        plans: Mapping[str, HANodePlan],
        *,
        fenced: Mapping[str, FencedBoot],
        epoch: int,
        circumstances: Circumstances,
        requires: Mapping[str, Requires],
        now: float,
    ) -> Membership:
        """Judge every node at `now` (monotonic seconds). `fenced`: boots that this DC ended, and recorded as ended."""
        fencing_enabled, watchdog = circumstances.fencing_enabled, circumstances.watchdog
        rewound_epoch = circumstances.rewound_epoch
        self._shutdown, self._leaving = circumstances.shutdown, circumstances.leaving
        for gone in self._before.keys() - nodes.keys():
            self._forget(gone)
        self._began = now if self._began is None else self._began
        awaits_unknown = rewound_epoch == epoch and now < self._began + self.lease_s
        self._note_unknown(nodes, plans, fenced, circumstances)
        views: dict[str, NodeView] = {}
        self.judge.obeyed_by = frozenset(self._synced)
        self._former = self._find_former(nodes, plans, fenced, now)
        self._challenge(nodes, plans, now)
        self._let_go_former(plans, requires, fencing_enabled, now)

        def facts_of(name: str, pulse: Pulse) -> NodeFacts:
            plan, ended = plans.get(name), fenced.get(name)
            return self._facts(nodes[name], plan, pulse, now, requires, fencing_enabled, ended)

        pulses = {
            name: self._patient(name, plans.get(name), self._tracker.pulse(name, now), now)
            for name in sorted(nodes)
        }
        brake = self._look_for_storm({name: facts_of(name, pulse) for name, pulse in pulses.items()}, now)
        for name, pulse in pulses.items():
            plan, braked = plans.get(name), name in brake.nodes
            silent = pulse in (Pulse.EXPIRED, Pulse.ABSENT)
            if silent and not braked and self._may_give_up(name, plans, now):
                self._given_up.add(name)
                self._back(name, now)
            self._follow_sync(name, plan, pulse, epoch)
            facts = facts_of(name, pulse)
            verdict = judge_node(facts)
            self._before[name] = verdict.condition
            former = self._former.get(name)
            boot = former.boot_id if former is not None else facts.lease_boot or facts.status_boot
            lease = self._tracker.lease(name)
            views[name] = NodeView(
                name=name,
                verdict=verdict,
                pulse=pulse,
                boot_id=boot,
                synced=facts.synced,
                history_counts=_reports_of(plan, boot) and facts.fenced_boot != boot,
                stale=name in self._stale,
                given_up=name in self._given_up,
                beat=lease.beat if lease is not None else None,
                watchdog=lease.watchdog if lease is not None else None,
                machine=lease.machine if lease is not None else NO_IDENTITY,
                may_run=self._left_on(name, plan, requires, shutdown=facts.shutdown),
                lost=name in self._lost,
                bitten=verdict.condition is NodeCondition.UNCLEAN and self._is_bitten(name, watchdog, now),
                unaccounted=name in self._unaccounted or (awaits_unknown and not boot),
                braked=braked,
                recording_trouble=plan.status.recording_trouble if plan is not None else "",
                former=former,
                plan_boot=_plan_boot(verdict, pulse, boot, plan),
            )
        return self._counted(views, brake)

    def _challenge(self, nodes: Collection[str], plans: Mapping[str, HANodePlan], now: float) -> None:
        asking = [name for name in nodes if _peers_of(plans.get(name)) is not None]
        former = [self._former[name].lease for name in sorted(self._former)]
        self.judge.look({*asking, *self._unaccounted}, now, former)

    def _find_former(
        self,
        nodes: Mapping[str, HANode],
        plans: Mapping[str, HANodePlan],
        fenced: Mapping[str, FencedBoot],
        now: float,
    ) -> dict[str, FormerBoot]:
        """Boots that another one has followed without a proof that they have ended (design note 0015)."""
        for name, one in fenced.items():
            self._formers.ended(name, one.boot_id)
        for name, node in nodes.items():
            if node.status.fenced is not None and name not in self._unaccounted:
                self._formers.ended(name, node.status.fenced.boot_id)
        return {name: one for name, one in self._formers.look(plans, now).items() if name in nodes}

    def _let_go_former(
        self,
        plans: Mapping[str, HANodePlan],
        requires: Mapping[str, Requires],
        fencing_enabled: bool,
        now: float,
    ) -> None:
        """Once the lease of a former boot has run out, what requires no fencing has ended there; that may be all that it ran."""
        for name, former in list(self._former.items()):
            peers = _peers_of(plans[name])
            others = [one for one in plans if one != name and self._was_heard(one, plans[one])]
            backed = (peers is None and name not in self._unaccounted) or all(
                self.judge.may_take(former.lease.key, voters, now) for voters in (peers or (), others)
            )
            footprint = self._footprint(name, plans[name], requires)
            known = plans[name].status.boot_id == former.boot_id
            idle = known and not footprint.resources
            if former.lease_over(now) and backed:
                self._given_up.add(name)
                self._backed.setdefault(f"{name}/{former.boot_id}", ("", now))
                idle = idle or not fencing_enabled or (known and footprint.only_free)
            if idle and name not in self._unaccounted:
                self._formers.ended(name, former.boot_id)
                self._former = {one: kept for one, kept in self._former.items() if one != name}

    def _note_unknown(
        self,
        nodes: Mapping[str, HANode],
        plans: Mapping[str, HANodePlan],
        fenced: Mapping[str, FencedBoot],
        circumstances: Circumstances,
    ) -> None:
        """Of which nodes the report is lost, and which may therefore run anything."""
        self._of_past = frozenset(
            name
            for name, node in nodes.items()
            if self._is_unaccounted(node, plans.get(name), fenced.get(name), circumstances.rewound_epoch)
        )
        unknown = frozenset(name for name, node in nodes.items() if self._is_unknown(node, plans.get(name)))
        self._lost = unknown.union(circumstances.recalled)
        self._unaccounted = self._of_past | {
            name for name in unknown if not _has_ended(nodes[name], fenced.get(name))
        }

    def _left_on(
        self, name: str, plan: HANodePlan | None, requires: Mapping[str, Requires], *, shutdown: bool
    ) -> frozenset[str]:
        """What may run on a node that shall run nothing."""
        empties = shutdown or name in self._leaving
        return self._footprint(name, plan, requires).resources if empties else frozenset()

    def _counted(self, views: Mapping[str, NodeView], brake: Brake) -> Membership:
        members = [view for view in views.values() if view.pulse is not Pulse.ABSENT or view.boot_id]
        alive = [view for view in members if view.pulse is Pulse.FRESH or self._trusted(view)]
        return Membership(
            nodes=views,
            quorum=has_quorum(members=len(members), alive=len(alive)),
            voters=tuple(view.name for view in members),
            votes=tuple(view.name for view in alive),
            brake=brake,
            leaving=self._leaving,
        )

    def _look_for_storm(self, facts: Mapping[str, NodeFacts], now: float) -> Brake:
        """Which of the silent nodes are to be left alone for now."""
        members = [name for name, one in facts.items() if one.pulse is not Pulse.ABSENT or one.lease_boot]
        members += [name for name, one in facts.items() if one.status_boot and name not in members]
        alive = [
            name
            for name in members
            if facts[name].pulse is Pulse.FRESH
            or (facts[name].pulse is Pulse.WAITING and facts[name].before is NodeCondition.ONLINE)
        ]
        lost: dict[str, float] = {}
        overdue: dict[str, float] = {}
        window_s = 0.0
        for name in members:
            lease, age_s = self._tracker.lease(name), self._tracker.age_s(name, now)
            lease_s = lease.duration_s if lease is not None else 0.0
            window_s = max(window_s, lease_s)
            # Once lost it stays so until it is heard, also while its age begins anew after a silence of the API.
            if facts[name].pulse is not Pulse.FRESH and name not in alive:
                if judge_node(facts[name]).condition is NodeCondition.UNCLEAN:
                    lost[name] = now - age_s if age_s is not None else self._absent_since.get(name, now)
            elif name in alive and age_s is not None and age_s >= lease_s * (1 - LEAD_PER_LEASE):
                overdue[name] = now - age_s
        return self._brake.look(
            lost=lost,
            overdue=overdue,
            members=len(members),
            quorum=has_quorum(members=len(members), alive=len(alive)),
            window_s=window_s,
        )

    def _is_bitten(self, name: str, rule: WatchdogRule | None, now: float) -> bool:
        """Whether its watchdog must have reset it by now (design note 0005)."""
        at = None if rule is None else self.bite_at(name, rule, now)
        if at is None or rule is None or now < at:
            return False
        if name in self._former:
            return True  # it cannot have renewed its Lease since another boot did
        return self._tracker.silent_for(name, rule.takeover_delay_s, now)

    def _back(self, name: str, now: float) -> None:
        lease = self._tracker.lease(name)
        if lease is not None and self._backed.get(name, ("", 0.0))[0] != lease.token:
            self._backed[name] = (lease.token, now)

    def bite_at(self, name: str, rule: WatchdogRule, now: float) -> float | None:
        """When it will be so, if nothing is heard; None: it can't be said."""
        if name in self._of_past:
            return None  # that a watchdog was armed is of a past, too
        former = self._former.get(name)
        if former is not None:
            if former.watchdog is None or not rule.covers(former.watchdog):
                return None
            _, since = self._backed.get(f"{name}/{former.boot_id}", ("", now))
            return max(
                former.lease.since + rule.takeover_delay_s, since + rule.after_quorum_s(former.watchdog)
            )
        lease, age_s = self._tracker.lease(name), self._tracker.age_s(name, now)
        if lease is None or age_s is None or lease.watchdog is None or not rule.covers(lease.watchdog):
            return None
        token, since = self._backed.get(name, ("", now))
        if token != lease.token:
            since = now
        return max(now - age_s + rule.takeover_delay_s, since + rule.after_quorum_s(lease.watchdog))

    def _may_give_up(self, name: str, plans: Mapping[str, HANodePlan], now: float) -> bool:
        """Whether others may start what this silent node ran. Where it knows of peers, a quorum of both those and the present members
        must stand behind it (design note 0003)."""
        if not self._was_heard(name, plans.get(name)):
            return False  # there is nothing to be taken over
        peers = _peers_of(plans.get(name))
        if peers is None and not (name in self._unaccounted and self.vouches):
            return True
        present = [one for one in plans if self._was_heard(one, plans[one])]
        of_peers = peers is None or self.judge.may_take(name, peers, now)
        return of_peers and self.judge.may_take(name, present, now)

    def _was_heard(self, name: str, plan: HANodePlan | None) -> bool:
        """Whether its agent was there at some time."""
        return self._tracker.lease(name) is not None or (plan is not None and bool(plan.status.boot_id))

    def _patient(self, name: str, plan: HANodePlan | None, pulse: Pulse, now: float) -> Pulse:
        """A node that reported once and has no Lease (it may be about to make its first) is watched for a lease before it is judged."""
        if pulse is not Pulse.ABSENT or plan is None or not plan.status.boot_id:
            self._absent_since.pop(name, None)
            return pulse
        since = self._absent_since.setdefault(name, now)
        return Pulse.WAITING if now - since < plan.spec.heartbeat.lease_s else pulse

    @staticmethod
    def _trusted(view: NodeView) -> bool:
        return view.pulse is Pulse.WAITING and view.verdict.condition is NodeCondition.ONLINE

    def _follow_sync(self, name: str, plan: HANodePlan | None, pulse: Pulse, epoch: int) -> None:
        """Whether the node has answered this DC since it was last silent; ask anew after a silence."""
        lease = self._tracker.lease(name)
        boot = lease.boot_id if lease else ""
        if pulse is Pulse.EXPIRED:
            if name not in self._stale:
                self._stale.add(name)
                self._sync[name] = self.sync_of(name) + 1
            self._synced.pop(name, None)
            return
        if self._synced.get(name, boot) != boot or (name in self._lost and name in self._synced):
            del self._synced[name]
            self._sync[name] = self.sync_of(name) + 1
        if plan is None or name in self._synced or pulse is not Pulse.FRESH:
            return
        answered = (
            plan.spec.epoch == epoch
            and plan.spec.sync == self.sync_of(name)
            and plan.spec.boot_id == boot
            and plan.status.boot_id == boot
            and plan.status.observed_epoch == epoch
            and plan.status.required_epoch <= epoch
            and plan.status.observed_generation >= plan.metadata.generation
        )
        if answered and plan.status.released:
            # Cut off for a moment that was too short to be seen from here. It says so until it reads a newer plan.
            self._sync[name] = self.sync_of(name) + 1
        elif answered:
            self._synced[name] = boot
            self._stale.discard(name)
            self._given_up.discard(name)

    def _forget(self, name: str) -> None:
        """It has left. Should it return, it is another node; only its sync number goes on."""
        for kept in (self._before, self._synced, self._absent_since, self._backed, self._footprints):
            kept.pop(name, None)
        self._stale.discard(name)
        self._given_up.discard(name)

    def _is_unknown(self, node: HANode, plan: HANodePlan | None) -> bool:
        """Whether its agent had reported in the boot that was heard last, and no report is there: what it runs is not known.
        A plan with a report of another boot has never held one of this boot, so this boot was ordered to do nothing."""
        if (plan is not None and plan.status.boot_id) or not node.status.agent_version:
            return False
        lease = self._tracker.lease(node.metadata.name)
        return bool(node.status.boot_id) and (lease is None or lease.boot_id == node.status.boot_id)

    def _is_unaccounted(
        self, node: HANode, plan: HANodePlan | None, fenced: FencedBoot | None, rewound_epoch: int
    ) -> bool:
        """Whether all that is known of the node may be of a past of the API: its report, that it was fenced or shut down, its
        watchdog. Then it may run anything. (One that was never heard of is no member.)"""
        if not rewound_epoch or (plan is not None and plan.status.observed_epoch >= rewound_epoch):
            return False
        lease, record = self._tracker.lease(node.metadata.name), node.status.fenced
        boot = lease.boot_id if lease is not None else plan.status.boot_id if plan is not None else ""
        ended = fenced is not None and fenced.boot_id == boot
        recorded = record is not None and record.epoch >= rewound_epoch and record.boot_id == boot
        return bool(boot) and not ended and not recorded

    def _former_boot(self, node: HANode) -> str:
        """Of a node whose report is lost, and whose Lease may be, the boot that was published."""
        return node.status.boot_id if node.metadata.name in self._lost else ""

    def _is_echo(self, name: str, fenced: FencedBoot, now: float) -> bool:
        """Whether the last renewal that was seen can be from before the fencing: a watch may be late, within reason."""
        lease, age_s = self._tracker.lease(name), self._tracker.age_s(name, now)
        return lease is not None and age_s is not None and now - age_s <= fenced.at + lease.duration_s

    def _footprint(self, name: str, plan: HANodePlan | None, requires: Mapping[str, Requires]) -> Footprint:
        if plan is None:
            return footprint_of(None, requires)
        status, actions = plan.status, plan.spec.actions
        parts = (requires, *status.history, None, *status.pending, None, *status.results, None, *actions)
        return self._footprints.setdefault(name, Kept()).of(parts, lambda: footprint_of(plan, requires))

    def _facts(
        self,
        node: HANode,
        plan: HANodePlan | None,
        pulse: Pulse,
        now: float,
        requires: Mapping[str, Requires],
        fencing_enabled: bool,
        fenced: FencedBoot | None,
    ) -> NodeFacts:
        name = node.metadata.name
        lost = name in self._unaccounted
        recorded = node.status.fenced.boot_id if node.status.fenced and not lost else ""
        lease = self._tracker.lease(name)
        footprint = self._footprint(name, plan, requires)
        lease_boot = lease.boot_id if lease else ""
        echo = fenced is not None and self._is_echo(name, fenced, now)
        ended = fenced.boot_id if fenced is not None else recorded
        if fenced is not None and fenced.perhaps and fenced.perhaps == lease_boot and echo:
            ended = lease_boot
        former = self._former.get(name)
        return NodeFacts(
            pulse=pulse,
            lease_boot=lease_boot,
            status_boot=(plan.status.boot_id if plan else "") or self._former_boot(node),
            fenced_boot=ended,
            echo=echo,
            unproven=former.words if former is not None else "",
            refuses=refusal_words(plan, self._epoch),
            idle=plan is not None and bool(lease_boot) and not plan.spec.boot_id,
            synced=name in self._synced,
            may_run=lost or bool(footprint.resources),
            only_free=not fencing_enabled if lost else footprint.only_free,
            shutdown=(node.spec.shutdown or self._shutdown) and not lost,
            unaccounted=lost,
            lost=name in self._lost,
            fencing_enabled=fencing_enabled,
            before=self._before.get(name),
            age_s=self._tracker.age_s(name, now),
            given_up=name in self._given_up,
        )


def _plan_boot(verdict: NodeVerdict, pulse: Pulse, boot: str, plan: HANodePlan | None) -> str:
    """Which boot the node's plan shall be meant for. It stands there until it is proven to have ended."""
    if verdict.condition is NodeCondition.OFFLINE:
        return ""
    return boot if pulse is Pulse.FRESH or plan is None else plan.spec.boot_id


def _reports_of(plan: HANodePlan | None, boot: str) -> bool:
    return bool(boot) and plan is not None and plan.status.boot_id == boot


def _has_ended(node: HANode, fenced: FencedBoot | None) -> bool:
    """Whether the boot that was published is known to be over."""
    boot, record = node.status.boot_id, node.status.fenced
    recorded = record is not None and record.boot_id == boot
    return recorded or (fenced is not None and fenced.boot_id == boot)


def _peers_of(plan: HANodePlan | None) -> list[str] | None:
    """Whom the node may ask for promises, by the plan that it has; None: it asks nobody."""
    if plan is None or plan.spec.vouching is None:
        return None
    return [peer.name for peer in plan.spec.vouching.peers]


def _judgement(view: NodeView, fence_requested: str | None, *, let_in: bool) -> NodeJudgement:
    condition = view.verdict.condition
    unanswered = condition is NodeCondition.PENDING and view.history_counts
    if view.braked:
        # As if in maintenance: what it ran is left where it is, and nobody fences it unless an administrator asks for it.
        return NodeJudgement(
            name=view.name,
            online=True,
            frozen=True,
            seen=True,
            reason=f"{view.verdict.reason}; left alone by the storm brake",
            history_counts=view.history_counts,
            fence_requested=fence_requested is not None,
            fence_action=fence_requested or "",
            let_in=let_in,
        )
    return NodeJudgement(
        name=view.name,
        online=condition in (NodeCondition.ONLINE, NodeCondition.PENDING)
        or (condition is NodeCondition.UNCLEAN and view.pulse is Pulse.FRESH),
        unclean=condition is NodeCondition.UNCLEAN,
        pending=condition is NodeCondition.PENDING and not unanswered,
        frozen=unanswered or view.verdict.frozen,
        seen=bool(view.boot_id),
        reason=view.verdict.reason,
        history_counts=view.history_counts,
        starts_nothing=bool(view.recording_trouble) and view.history_counts,
        released=view.verdict.released or (view.stale and view.given_up),
        fence_requested=fence_requested is not None,
        fence_action=fence_requested or "",
        fence_withheld=fence_requested is None
        and view.former is not None
        and view.former.same is SameMachine.NO,
        let_in=let_in,
    )
