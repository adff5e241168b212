"""Every metric that operator and agent expose, by asking them: what docs, alerts and dashboards may name."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from backstay_nodeagent.metrics import AgentMetrics
from backstay_nodeagent.operation import Instant
from unit.operator.test_metrics import Measured

ROOT = Path(__file__).resolve().parents[3]


def families() -> dict[str, Metric]:
    """By the name that a query uses; histograms and counters without their suffixes too."""
    measured = Measured("n1", "n2", "n3")
    measured.model.run(1)
    agent = AgentMetrics(CollectorRegistry())
    agent.follow(lambda: Instant(0.0, 0.0), running=lambda: 0, waiting=lambda: 0, recording=lambda: True)
    found = {}
    for registry in (measured.metrics.registry, agent.registry):
        for family in registry.collect():
            suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
            found[family.name + suffix] = family
    return found


def query_names() -> frozenset[str]:
    """Every series name that an expression may use."""
    names = set()
    for name, family in families().items():
        names.add(name)
        if family.type == "histogram":
            names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return frozenset(names)
