"""What an agent counts: operations by what became of them, and renewals that were late."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from backstay.ocf.exitcode import OpStatus
from backstay_nodeagent.events import Renewal
from backstay_nodeagent.metrics import AgentMetrics
from backstay_nodeagent.operation import Instant, Operation, Origin, Outcome
from backstay_nodeagent.orders import Order, Verb

IP = "ocf:heartbeat:IPaddr2"


@pytest.fixture
def metrics() -> AgentMetrics:
    return AgentMetrics(CollectorRegistry())


def operation(verb: Verb = Verb.START, *, target_rc: int = 0, began: float = 10.0) -> Operation:
    order = Order(id="1-1-1", verb=verb, resource="ip", agent=IP, target_rc=target_rc, timeout_ms=20_000)
    at = Instant(began, began)
    return Operation(call_id=1, order=order, origin=Origin.ORDER, ready=at, started=at)


def value(metrics: AgentMetrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("rc", "status", "target_rc", "result"),
    [
        (0, OpStatus.DONE, 0, "ok"),
        (7, OpStatus.DONE, 7, "ok"),
        (1, OpStatus.ERROR, 0, "failed"),
        (1, OpStatus.TIMEOUT, 0, "timeout"),
        (1, OpStatus.CANCELLED, 0, "cancelled"),
    ],
)
def test_operation_is_counted_by_its_result(
    metrics: AgentMetrics, rc: int, status: OpStatus, target_rc: int, result: str
) -> None:
    ended = Outcome(rc=rc, status=status)
    metrics.operation_ended(operation(Verb.MONITOR, target_rc=target_rc), ended, Instant(10.5, 0.0))
    labels = {"agent": IP, "operation": "monitor"}
    assert value(metrics, "backstay_actions_total", **labels, result=result) == 1
    assert value(metrics, "backstay_action_seconds_sum", **labels) == 0.5


def test_only_a_renewal_after_half_a_lease_is_late(metrics: AgentMetrics) -> None:
    for sent_at in (10.0, 11.0, 12.2, 14.0):
        metrics.renewed(Renewal(sent_at, 3.0))
    assert value(metrics, "backstay_lease_renewals_total") == 4
    assert value(metrics, "backstay_lease_renewals_late_total") == 1


def test_renewal_told_again_by_a_new_link_counts_once(metrics: AgentMetrics) -> None:
    metrics.renewed(Renewal(10.0, 3.0))
    metrics.renewed(Renewal(10.0, 3.0))
    assert value(metrics, "backstay_lease_renewals_total") == 1


def test_age_and_queue_are_those_of_the_moment_of_the_scrape(metrics: AgentMetrics) -> None:
    clock, running = [20.0], [1]
    metrics.follow(
        lambda: Instant(clock[0], 0.0),
        running=lambda: running[0],
        waiting=lambda: 4,
        recording=lambda: running[0] == 0,
    )
    metrics.renewed(Renewal(19.0, 3.0))
    assert value(metrics, "backstay_lease_renewal_age_seconds") == 1.0
    clock[0], running[0] = 22.5, 3
    assert value(metrics, "backstay_lease_renewal_age_seconds") == 3.5
    assert value(metrics, "backstay_agent_queue", state="running") == 3
    assert value(metrics, "backstay_agent_queue", state="waiting") == 4
