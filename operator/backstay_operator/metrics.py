"""What happened, as Prometheus counters and histograms of one operator process. What *is* comes from `exposition`, at scrape time.

Label sets are bounded by what is configured: a resource, node or cluster that is gone takes its series along. Nothing here waits, does
I/O or walks the cluster while a failover is under way; the exposition renders in the HTTP server's thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from backstay.coordinator import Finished, Orders, Run, StoryItem, Tale
from backstay.coordinator.trigger import Cause
from backstay.state.assemble_problem import Problem
from backstay.transition.graph import ActionKind

VERSION = version("backstay")
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_FAILOVER_SECONDS = (0.01, 0.03, 0.1, 0.3, 0.6, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 60.0, 180.0)
_FAILOVERS = (Cause.NODE_LOST, Cause.FAILURE)
PARTS = ("step", "round", "election", "statuses", "events", "transitions")
PHASES = ("detect", "decide", "fence", "stop", "start")


class Metrics:
    """All counters and histograms. Methods are called by the DC's loop of each cluster."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        Info("backstay_operator", "This operator.", registry=registry).info({"version": VERSION})
        self._moves = Counter(
            "backstay_resource_moves",
            "Resources and groups that moved from one node to another.",
            ["cluster", "resource", "group", "from", "to", "reason"],
            registry=registry,
        )
        self._recoveries = Counter(
            "backstay_resource_recoveries",
            "Resources and groups that were started again on the same node.",
            ["cluster", "resource", "group", "node"],
            registry=registry,
        )
        self._dc_changes = Counter(
            "backstay_dc_changes", "Terms begun by this replica.", ["cluster"], registry=registry
        )
        self._is_dc = Gauge("backstay_dc", "1 while this replica is the DC.", ["cluster"], registry=registry)
        self._transitions = Counter(
            "backstay_transitions", "Transitions that ended.", ["cluster", "verdict"], registry=registry
        )
        self._transition_s = self._histogram("backstay_transition_seconds", "How long transitions took.")
        self._step_s = self._histogram("backstay_decide_seconds", "How long one step of the DC took.")
        self._schedule_s = self._histogram(
            "backstay_schedule_seconds", "How long those steps of the DC took that made a transition."
        )
        self._failover_s = Histogram(
            "backstay_failover_seconds",
            "What a failover spent its time on: from a node's last heartbeat seen until it counted as lost (detect), the decision "
            "(decide), and in the transition from the first order to the last answer of fencings, stops and starts.",
            ["cluster", "phase"],
            buckets=_FAILOVER_SECONDS,
            registry=registry,
        )
        self._fencings = Counter(
            "backstay_fencings",
            "Fencings: those that succeeded, those confirmed by an administrator, and attempts that failed.",
            ["cluster", "node", "result"],
            registry=registry,
        )
        self._nodes_lost = Counter(
            "backstay_nodes_lost", "Nodes that fell silent.", ["cluster", "node"], registry=registry
        )
        self._rewinds = Counter(
            "backstay_api_rewinds",
            "How often a term began because the API's history had gone back (an etcd restored from a backup).",
            ["cluster"],
            registry=registry,
        )
        self._claims = Counter(
            "backstay_epoch_claims_ignored",
            "Terms in which a node's agent claimed an epoch that is too far above the DC's to be believed.",
            ["cluster", "node"],
            registry=registry,
        )
        self._unreadable = Gauge(
            "backstay_kind_unreadable",
            "1 while this replica cannot read a kind of objects, and therefore leads no cluster.",
            ["kind"],
            registry=registry,
        )
        self._failures = _failures(registry)
        self._quarantine = _quarantine(registry)
        self._moved: set[str] = set()
        """Clusters of which something moved since their last transition ended."""
        self._configured: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._kept_out: dict[str, set[tuple[str, str, str]]] = {}

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, ["cluster"], buckets=_SECONDS, registry=self.registry)

    def reads(self, kind: str, *, is_read: bool) -> None:
        """Whether this replica can read a kind."""
        self._unreadable.labels(kind).set(0 if is_read else 1)

    def elected(self, cluster: str) -> None:
        """A term of this replica begins. Its counters begin at zero, so that their first increase is one."""
        self._dc_changes.labels(cluster).inc()
        self._is_dc.labels(cluster).set(1)
        self._rewinds.labels(cluster)
        for part in PARTS:
            self._failures.labels(cluster, part)

    def failed(self, cluster: str, part: str) -> None:
        """An error of our own in one of PARTS."""
        self._failures.labels(cluster, part).inc()

    def quarantined(self, cluster: str, problems: Iterable[Problem]) -> None:
        """The objects that are in quarantine now; no others."""
        wanted = {(one.kind, one.namespace, one.name) for one in problems}
        if self._kept_out.get(cluster, set()) == wanted:
            return
        self._kept_out[cluster] = wanted
        _drop(self._quarantine, lambda labels: labels["cluster"] == cluster)
        for key in sorted(wanted):
            self._quarantine.labels(cluster, *key).set(1)

    def stands(self, cluster: str) -> None:
        """This replica takes part in the cluster's election, and does not lead (any more)."""
        self._is_dc.labels(cluster).set(0)
        self._moved.discard(cluster)
        self.quarantined(cluster, ())

    def forget(self, cluster: str) -> None:
        """The HACluster is gone."""
        self._moved.discard(cluster)
        self._configured.pop(cluster, None)
        for metric in (
            *(self._dc_changes, self._is_dc, self._transition_s, self._step_s, self._schedule_s),
            *(self._moves, self._recoveries, self._transitions, self._failover_s),
            *(
                self._fencings,
                self._nodes_lost,
                self._rewinds,
                self._claims,
                self._failures,
                self._quarantine,
            ),
        ):
            _drop(metric, lambda labels: labels["cluster"] == cluster)

    def tidy(self, cluster: str, *, resources: Iterable[str], nodes: Iterable[str]) -> None:
        """Drop the series of resources and nodes that are configured no more."""
        configured = (frozenset(resources), frozenset(nodes))
        if self._configured.get(cluster) == configured:
            return
        self._configured[cluster] = configured
        here, there = configured
        for metric in (self._moves, self._recoveries):
            # An instance of a clone carries its number: `web:1`.
            _drop(
                metric,
                lambda labels: (
                    labels["cluster"] == cluster and labels["resource"].partition(":")[0] not in here
                ),
            )
        for metric in (self._nodes_lost, self._fencings, self._claims):
            _drop(metric, lambda labels: labels["cluster"] == cluster and labels["node"] not in there)
        for node, result in itertools.product(sorted(there), ("success", "confirmed", "failure")):
            self._fencings.labels(cluster, node, result)

    def told(self, cluster: str, item: StoryItem, *, group: str, lost_after_s: float | None = None) -> None:
        """Something happened. `group` is that of the resource, if it is a member; `lost_after_s` a lost node's lease age."""
        facts = {name: str(value) for name, value in item.facts.items()}
        match item.tale:
            case Tale.MOVED:
                where = (facts["from"], facts["to"])
                self._moves.labels(cluster, facts["resource"], group, *where, facts["cause"]).inc()
                self._moved.add(cluster)
            case Tale.RECOVERED:
                self._recoveries.labels(cluster, facts["resource"], group, facts["to"]).inc()
            case Tale.NODE_LOST:
                self._nodes_lost.labels(cluster, facts["node"]).inc()
                if lost_after_s is not None:
                    self._failover_s.labels(cluster, "detect").observe(lost_after_s)
            case Tale.REWOUND:
                self._rewinds.labels(cluster).inc()
            case Tale.EPOCH_IGNORED:
                self._claims.labels(cluster, facts["node"]).inc()
            case Tale.FENCING_FAILED:
                self._fencings.labels(cluster, facts["node"], "failure").inc()
            case _:
                pass

    def stepped(self, cluster: str, orders: Orders, seconds: float) -> None:
        """One step of the DC, after its story was told."""
        self._step_s.labels(cluster).observe(seconds)
        if orders.begun:
            self._schedule_s.labels(cluster).observe(seconds)
        if any(run.context.trigger.cause in _FAILOVERS for run in orders.begun):
            self._failover_s.labels(cluster, "decide").observe(seconds)
        for fenced in orders.fenced:
            result = "confirmed" if fenced.action == "confirmed" else "success"
            self._fencings.labels(cluster, fenced.node, result).inc()
        for ended in orders.finished:
            self._ended(cluster, ended)

    def _ended(self, cluster: str, ended: Finished) -> None:
        self._transitions.labels(cluster, ended.verdict.name.lower()).inc()
        self._transition_s.labels(cluster).observe(ended.duration_s)
        if cluster not in self._moved:
            return
        self._moved.discard(cluster)
        for phase, seconds in phase_seconds(ended.run).items():
            self._failover_s.labels(cluster, phase).observe(seconds)


def _failures(registry: CollectorRegistry) -> Counter:
    return Counter(
        "backstay_step_failures",
        "Errors of Backstay's own in the DC's work, by the part that failed; `step`: nothing was decided, and what "
        "was decided before stayed in force.",
        ["cluster", "part"],
        registry=registry,
    )


def _quarantine(registry: CollectorRegistry) -> Gauge:
    return Gauge(
        "backstay_quarantined_objects",
        "1 for each object that the DC cannot work with: it is held back, and everything else goes on.",
        ["cluster", "kind", "namespace", "name"],
        registry=registry,
    )


def phase_seconds(run: Run) -> Mapping[str, float]:
    """Seconds from the first order to the last answer of each phase that the transition had."""
    spans: dict[str, tuple[float, float]] = {}
    for action in run.context.transition.graph.actions:
        phase = "fence" if action.kind is ActionKind.FENCING else action.operation
        span = run.span(action.id)
        if phase not in PHASES or action.kind is ActionKind.PSEUDO or span is None:
            continue
        first, last = spans.get(phase, span)
        spans[phase] = (min(first, span[0]), max(last, span[1]))
    return {phase: last - first for phase, (first, last) in spans.items()}


def _drop(metric: Counter | Gauge | Histogram, gone: Callable[[Mapping[str, str]], bool]) -> None:
    """Remove the children whose labels `gone` says yes to."""
    found = {
        tuple((name, value) for name, value in sample.labels.items() if name != "le")
        for family in metric.collect()
        for sample in family.samples
    }
    for labels in found:
        if gone(dict(labels)):
            metric.remove(*(value for _, value in labels))
