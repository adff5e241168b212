"""What a node's agent exposes to Prometheus: operations by agent and result, the Lease's renewals, what waits and what runs.

Labels are bounded by the agents that this node was told to run. Everything is noted in the agent's loop and rendered in the HTTP
server's thread; nothing of it is on the way of an operation. Loaded once the plan is followed, so that a restart is not slower for it.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from backstay.ocf.exitcode import OpStatus
from backstay_kube.metrics_server import Endpoint, MetricsServer
from backstay_nodeagent import VERSION
from backstay_nodeagent.events import Renewal
from backstay_nodeagent.operation import Instant, Operation, Outcome

_SECONDS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
LATE_PART = 0.5
"""A renewal is late when it comes after half of the lease since the one before it: with the default profile, 1.5 s instead of 1 s."""


class AgentMetrics:
    """All metrics of one agent process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        Info("backstay_nodeagent", "This node agent.", registry=registry).info({"version": VERSION})
        self._seconds = Histogram(
            "backstay_action_seconds",
            "How long operations of resource and fence agents took.",
            ["agent", "operation"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._ended = Counter(
            "backstay_actions",
            "Operations of resource and fence agents that ended, by result.",
            ["agent", "operation", "result"],
            registry=registry,
        )
        self._renewals = Counter(
            "backstay_lease_renewals", "Renewals of the node's Lease that succeeded.", registry=registry
        )
        self._late = Counter(
            "backstay_lease_renewals_late",
            "Renewals that came later than half of the lease after the one before.",
            registry=registry,
        )
        self._failed = Counter(
            "backstay_lease_renewals_failed", "Renewals of the node's Lease that failed.", registry=registry
        )
        self._last: Renewal | None = None

    def follow(
        self,
        now: Callable[[], Instant],
        *,
        running: Callable[[], int],
        waiting: Callable[[], int],
        recording: Callable[[], bool],
    ) -> None:
        """Show the depth of the queue and the age of the last renewal, asked for when somebody scrapes."""
        queue = Gauge(
            "backstay_agent_queue",
            "Operations that run, and ordered actions that wait.",
            ["state"],
            registry=self.registry,
        )
        queue.labels("running").set_function(running)
        queue.labels("waiting").set_function(waiting)
        Gauge(
            "backstay_agent_recording",
            "1 if operations can be recorded on this host, 0 if its disk takes no records.",
            registry=self.registry,
        ).set_function(recording)
        Gauge(
            "backstay_lease_renewal_age_seconds",
            "Time since the last good renewal of the node's Lease was sent; NaN before the first.",
            registry=self.registry,
        ).set_function(lambda: now().at - self._last.sent_at if self._last else float("nan"))

    def operation_ended(self, operation: Operation, outcome: Outcome, now: Instant) -> None:
        """`result` is ok, failed, timeout or cancelled."""
        order = operation.order
        labels = (order.agent, order.verb.value)
        self._seconds.labels(*labels).observe(max(0.0, now.at - operation.started.at))
        self._ended.labels(*labels, result_of(operation, outcome)).inc()

    def renewed(self, renewal: Renewal) -> None:
        """The keeper says so; a renewal may be told twice, when the link to the keeper is new."""
        last = self._last
        if last is not None and renewal.sent_at <= last.sent_at:
            return
        self._last = renewal
        self._renewals.inc()
        if last is not None and renewal.sent_at - last.sent_at > LATE_PART * last.lease_duration_s:
            self._late.inc()

    def renewal_failed(self) -> None:
        self._failed.inc()


def result_of(operation: Operation, outcome: Outcome) -> str:
    """One of four words. A monitor that finds what a probe was to find is ok, whatever its exit code."""
    match outcome.status:
        case OpStatus.TIMEOUT:
            return "timeout"
        case OpStatus.CANCELLED:
            return "cancelled"
        case _:
            return "ok" if outcome.success(operation.order) else "failed"


def serve(metrics: AgentMetrics, endpoint: Endpoint) -> MetricsServer:
    """GET /metrics there, in a thread. Raises OSError when the port is taken, or the certificate can't be read."""
    server = MetricsServer(lambda: generate_latest(metrics.registry), endpoint)
    server.start()
    return server
