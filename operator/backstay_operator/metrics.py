"""Prometheus metrics of the operator. Label sets are bounded by what is configured; series of what is gone are removed."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from backstay.coordinator import StoryItem
from backstay.liveness.nodes import NodeCondition
from backstay_operator.statuses import Scene, role_word

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Metrics:
    """All metrics of one operator process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._moves = Counter(
            "backstay_resource_moves",
            "Resources that moved from one node to another.",
            ["cluster", "resource", "from", "to"],
            registry=registry,
        )
        self._dc_changes = Counter(
            "backstay_dc_changes", "Terms begun by this replica.", ["cluster"], registry=registry
        )
        self._is_dc = Gauge("backstay_dc", "1 while this replica is the DC.", ["cluster"], registry=registry)
        self._quorum = Gauge(
            "backstay_quorate", "1 while a majority is heard.", ["cluster"], registry=registry
        )
        self._transitions = Counter(
            "backstay_transitions", "Transitions that ended.", ["cluster", "verdict"], registry=registry
        )
        self._transition_s = Histogram(
            "backstay_transition_seconds",
            "How long transitions took.",
            ["cluster"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._step_s = Histogram(
            "backstay_decide_seconds",
            "How long one step of the DC took.",
            ["cluster"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._resources = Gauge(
            "backstay_resource_active",
            "1 where a resource is active.",
            ["cluster", "resource", "node", "role"],
            registry=registry,
        )
        self._nodes = Gauge(
            "backstay_node", "1 for the state of a node.", ["cluster", "node", "state"], registry=registry
        )
        self._failures = Gauge(
            "backstay_fail_count",
            "Fail count of a resource on a node.",
            ["cluster", "resource", "node"],
            registry=registry,
        )

    def elected(self, cluster: str, identity: str) -> None:
        self._dc_changes.labels(cluster).inc()
        self._is_dc.labels(cluster).set(1)

    def lost(self, cluster: str) -> None:
        self._is_dc.labels(cluster).set(0)

    def moved(self, cluster: str, item: StoryItem) -> None:
        facts = item.facts
        self._moves.labels(cluster, facts["resource"], facts["from"], facts["to"]).inc()

    def transition(self, cluster: str, verdict: str, seconds: float) -> None:
        self._transitions.labels(cluster, verdict).inc()
        self._transition_s.labels(cluster).observe(seconds)

    def step(self, cluster: str, seconds: float) -> None:
        self._step_s.labels(cluster).observe(seconds)

    def show(self, cluster: str, scene: Scene) -> None:
        """Gauges of the present picture; stale series are dropped by clearing first."""
        self._quorum.labels(cluster).set(1 if scene.picture.membership.quorum else 0)
        for gauge in (self._resources, self._nodes, self._failures):
            gauge.clear()
        for leaf in scene.picture.situation.leaves():
            for node in leaf.active_on:
                self._resources.labels(cluster, leaf.id, node.name, role_word(leaf)).set(1)
        for name, view in scene.picture.membership.nodes.items():
            for condition in NodeCondition:
                on = 1 if view.verdict.condition is condition else 0
                self._nodes.labels(cluster, name, condition.value).set(on)
        for count in scene.picture.assembly.state.fail_counts:
            self._failures.labels(cluster, count.resource, count.node).set(count.count)
