"""What is, as Prometheus gauges: rendered from the DC's newest scene when somebody scrapes, in the scraper's thread.

The names and labels of ClusterLabs' ha_cluster_exporter are kept (its doc/metrics.md), so that its users' dashboards and rules
carry over; a label `cluster` is added, since one Kubernetes may have several HAClusters. Only the DC shows its cluster: a replica
that leads no more shows nothing of it. A scene is not changed once it is made (but for the phases of its transition, each read
alone), so that another thread can read it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backstay.api import HANode
from backstay.liveness.nodes import NodeCondition
from backstay.scheduler import situation as seen
from backstay.state.choices import Role
from backstay.state.constraint import Location
from backstay.state.history import Absence
from backstay.state.score import INFINITY
from backstay.transition.runner import Phase
from backstay_operator.statuses import Scene, role_word

_PENDING = {"Starting", "Stopping", "Promoting", "Demoting"}
_GOOD = {"Started", "Promoted", "Unpromoted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one cluster's DC shows. The functions are asked at scrape time, from another thread: they must only read."""

    scene: Scene
    lease_ages: Callable[[], Mapping[str, float]]
    """Seconds since each node's renewal was last seen."""
    agent_present: Callable[[str], bool]
    """Whether the keeper of a node's Lease says that its agent is there."""
    queues: Callable[[], Mapping[str, int]]
    """Depth of each queue of the DC's writers."""


@dataclass(slots=True)
class _Family:
    """Samples by labels: two instances of a clone that cannot be told apart become one sample, the larger."""

    name: str
    text: str
    labels: tuple[str, ...] = ()
    samples: dict[tuple[str, ...], float] = field(default_factory=dict)

    def put(self, value: float, *labels: str) -> None:
        self.samples[labels] = max(value, self.samples.get(labels, value))

    def metric(self, cluster: str, into: dict[str, GaugeMetricFamily]) -> None:
        family = into.get(self.name)
        if family is None:
            family = into[self.name] = GaugeMetricFamily(
                self.name, self.text, labels=("cluster", *self.labels)
            )
        for labels, value in sorted(self.samples.items()):
            family.add_metric((cluster, *labels), value)


class SceneCollector(Collector):
    """Registered once per process; `show` and `hide` are called by the clusters' loops."""

    def __init__(self) -> None:
        self._shown: dict[str, Shown] = {}

    def show(self, cluster: str, shown: Shown) -> None:
        self._shown[cluster] = shown

    def hide(self, cluster: str) -> None:
        self._shown.pop(cluster, None)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not render."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Everything, cluster after cluster."""
        families: dict[str, GaugeMetricFamily] = {}
        for cluster, shown in sorted(self._shown.copy().items()):
            for family in families_of(shown):
                family.metric(cluster, families)
        return families.values()


def families_of(shown: Shown) -> Iterator[_Family]:
    """All gauges of one cluster."""
    scene = shown.scene
    yield _resources(scene)
    yield from _readiness(scene)
    yield _nodes(scene)
    yield _node_attributes(scene)
    yield from _failures(scene)
    yield _location_constraints(scene)
    yield from _properties(scene)
    yield from _votes(scene)
    yield from _leases(shown)
    yield from _work(shown)


def _resources(scene: Scene) -> _Family:
    family = _Family(
        "ha_cluster_pacemaker_resources",
        "The status of each resource in the cluster; 1 means the resource is in that status, 0 otherwise",
        ("node", "resource", "role", "managed", "status", "agent", "group", "clone"),
    )
    for leaf in scene.picture.situation.leaves():
        clone = leaf.clone
        states = {
            "active": bool(leaf.active_on),
            "orphaned": leaf.orphan,
            "blocked": leaf.blocked,
            "failed": leaf.failed,
            "failure_ignored": leaf.failure_ignored,
        }
        for node in [one.name for one in leaf.active_on] or [""]:
            for status, on in states.items():
                family.put(
                    float(on),
                    *(node, leaf.base_id, _role(leaf), "true" if leaf.managed else "false", status),
                    *(str(leaf.agent), group_of(scene, leaf.base_id), clone.base_id if clone else ""),
                )
    return family


def group_of(scene: Scene, resource: str) -> str:
    """The group of a member; empty for all others."""
    return scene.picture.assembly.index.group_of.get(resource, "")


def _role(leaf: seen.Resource) -> str:
    """As crm_mon has it, in lower case; failures are told by `status`, not by the role."""
    word = role_word(leaf)
    if word in _PENDING:
        return word.lower()
    if not leaf.active_on:
        return "stopped"
    return leaf.role.value.lower() if leaf.role is not Role.UNKNOWN else "started"


def _readiness(scene: Scene) -> Iterator[_Family]:
    """Per configured resource: of a clone, one good instance is enough to be ready."""
    labels = ("resource", "group")
    wanted = _Family("backstay_resource_wanted", "1 if the resource is managed and meant to run.", labels)
    ready = _Family(
        "backstay_resource_ready", "1 if the resource is active and well (of a clone: somewhere).", labels
    )
    for leaf in scene.picture.situation.leaves():
        if leaf.orphan:
            continue
        names = (leaf.base_id, group_of(scene, leaf.base_id))
        wanted.put(float(leaf.managed and leaf.meta.target_role is not Role.STOPPED), *names)
        ready.put(float(role_word(leaf) in _GOOD), *names)
    yield wanted
    yield ready


def _nodes(scene: Scene) -> _Family:
    family = _Family(
        "ha_cluster_pacemaker_nodes",
        "The status of each node in the cluster; 1 means the node is in that status, 0 otherwise",
        ("node", "type", "status"),
    )
    views = scene.picture.membership.nodes
    for node in scene.objects.nodes:
        name = node.metadata.name
        if name in views:
            for status, on in _node_states(scene, node).items():
                family.put(float(on), name, "member", status)
    return family


def _node_states(scene: Scene, node: HANode) -> Mapping[str, bool]:
    name = node.metadata.name
    view = scene.picture.membership.nodes[name]
    condition = view.verdict.condition
    shutdown = node.spec.shutdown or scene.objects.cluster.spec.shutdown
    in_scheduler = scene.picture.situation.node_by_name.get(name)
    return {
        "online": condition is NodeCondition.ONLINE,
        "standby": node.spec.standby,
        "standby_onfail": in_scheduler is not None and in_scheduler.standby_on_failure,
        "maintenance": node.spec.maintenance,
        "pending": condition is NodeCondition.PENDING,
        "unclean": condition is NodeCondition.UNCLEAN,
        "shutdown": shutdown,
        "expected_up": bool(view.boot_id) and not shutdown,
        "dc": name == scene.dc_node,
    }


def _node_attributes(scene: Scene) -> _Family:
    """What HANodes say; the labels of Kubernetes Nodes are another exporter's (kube-state-metrics)."""
    family = _Family(
        "ha_cluster_pacemaker_node_attributes",
        "Metadata attributes of each node; value is always 1",
        ("node", "name", "value"),
    )
    for node in scene.objects.nodes:
        for name, value in node.spec.attributes.items():
            family.put(1.0, node.metadata.name, name, str(value))
    return family


def _failures(scene: Scene) -> Iterator[_Family]:
    counts = _Family(
        "ha_cluster_pacemaker_fail_count",
        "The Fail count number per node and resource id",
        ("node", "resource"),
    )
    thresholds = _Family(
        "ha_cluster_pacemaker_migration_threshold",
        "The migration_threshold number per node and resource id",
        ("node", "resource"),
    )
    state = scene.picture.assembly.state
    leaves = {name: leaf for leaf in scene.picture.situation.leaves() for name in (leaf.id, leaf.base_id)}
    totals = {  # of what a node has had, not of what it was asked for once and never had
        (one.node, one.resource): 0
        for one in state.histories
        if one.resource in leaves and not isinstance(one.operations, Absence)
    }
    for count in state.fail_counts:
        key = (count.node, count.resource)
        totals[key] = min(INFINITY, totals.get(key, 0) + count.count)
    for (node, resource), total in totals.items():
        leaf = leaves.get(resource)
        name = leaf.base_id if leaf is not None else resource
        counts.put(float("inf") if total >= INFINITY else float(total), node, name)
        if leaf is not None:
            thresholds.put(float(leaf.meta.migration_threshold), node, name)
    yield counts
    yield thresholds


def _location_constraints(scene: Scene) -> _Family:
    """Those that name a node; what rules say is not one score."""
    family = _Family(
        "ha_cluster_pacemaker_location_constraints",
        "Resource location constraints. The value indicates the score.",
        ("constraint", "node", "resource", "role"),
    )
    for one in scene.picture.assembly.state.constraints:
        if isinstance(one, Location) and one.node is not None:
            score = float(one.score)
            if abs(one.score) >= INFINITY:
                score = float("inf") if one.score > 0 else float("-inf")
            family.put(score, one.id, one.node, one.resource, one.role.value.lower() if one.role else "")
    return family


def _properties(scene: Scene) -> Iterator[_Family]:
    properties = scene.objects.cluster.spec.properties
    yield _single(
        "ha_cluster_pacemaker_stonith_enabled",
        "Whether or not stonith is enabled",
        float(properties.stonith_enabled),
    )
    yield _single(
        "ha_cluster_pacemaker_maintenance_mode_enabled",
        "Whether or not cluster wide maintenance-mode is enabled",
        float(properties.maintenance_mode),
    )
    yield _single("backstay_fence_devices", "FenceDevices of the cluster.", float(len(scene.objects.devices)))
    problems = _Family(
        "backstay_configuration_problems", "Findings about manifests, by severity.", ("severity",)
    )
    for severity in ("error", "warning"):
        problems.put(float(sum(1 for one in scene.problems if one.severity == severity)), severity)
    yield problems


def _single(name: str, text: str, value: float) -> _Family:
    family = _Family(name, text)
    family.put(value)
    return family


def _votes(scene: Scene) -> Iterator[_Family]:
    """corosync's names for what the Leases say. There are no rings here, so their metrics are not made up."""
    membership = scene.picture.membership
    yield _single(
        "ha_cluster_corosync_quorate", "Whether or not the cluster is quorate", float(membership.quorum)
    )
    yield _single(
        "backstay_storm_brake_nodes",
        "Silent nodes that are left alone because too many fell silent together.",
        float(len(membership.brake.nodes) if membership.brake.engaged else 0),
    )
    votes = _Family("ha_cluster_corosync_quorum_votes", "Cluster quorum votes; one line per type", ("type",))
    expected = len(membership.voters)
    votes.put(float(expected), "expected_votes")
    votes.put(float(expected), "highest_expected")
    votes.put(float(len(membership.votes)), "total_votes")
    votes.put(float(expected - expected // 2), "quorum")
    yield votes
    members = _Family(
        "ha_cluster_corosync_member_votes",
        "How many votes each member node has contributed with to the current quorum",
        ("node_id", "node", "local"),
    )
    for position, name in enumerate(sorted(membership.nodes), start=1):
        if name in membership.votes:
            members.put(1.0, str(position), name, "true" if name == scene.dc_node else "false")
    yield members


def _leases(shown: Shown) -> Iterator[_Family]:
    ages = _Family(
        "backstay_lease_age_seconds", "Time since the DC last saw the node's Lease renewed.", ("node",)
    )
    nodes = shown.scene.picture.membership.nodes
    present = _Family(
        "backstay_agent_present", "1 if the Lease's keeper says that the node's agent is there.", ("node",)
    )
    for node, age in shown.lease_ages().items():
        if node in nodes:
            ages.put(age, node)
            present.put(float(shown.agent_present(node)), node)
    recording = _Family(
        "backstay_node_recording",
        "1 if the node's host records its operations; 0: its disk takes none, and nothing is started there.",
        ("node",),
    )
    for node, view in nodes.items():
        recording.put(float(not view.recording_trouble), node)
    yield ages
    yield present
    yield recording
    milliseconds = shown.scene.objects.cluster.spec.heartbeat.lease_duration_milliseconds
    yield _single("backstay_lease_duration_seconds", "Age at which a Lease has run out.", milliseconds / 1000)


def _work(shown: Shown) -> Iterator[_Family]:
    actions = _Family("backstay_actions", "Actions of the transition under way, by phase.", ("phase",))
    run = shown.scene.picture.run
    phases = [run.runner.phase(one.id) for one in run.context.transition.graph.actions] if run else []
    actions.put(float(sum(1 for one in phases if one in (Phase.SENT, Phase.RUNNING))), "in_flight")
    actions.put(float(phases.count(Phase.WAITING)), "waiting")
    yield actions
    queues = _Family(
        "backstay_queue_depth", "What waits to be written, by queue (Events, transitions).", ("queue",)
    )
    for queue, depth in shown.queues().items():
        queues.put(float(depth), queue)
    yield queues
    yield _single("backstay_epoch", "The DC's epoch.", float(shown.scene.epoch))
    yield _single("backstay_shown_timestamp_seconds", "When the DC last looked.", shown.scene.now)


def lease_ages_of(ages: Callable[[float], Mapping[str, float]]) -> Callable[[], Mapping[str, float]]:
    """Ages by the monotonic clock, for a reader in another thread: a Lease that comes or goes meanwhile makes it look again."""

    def read() -> Mapping[str, float]:
        for _ in range(3):
            try:
                return ages(time.monotonic())
            except (RuntimeError, KeyError):
                continue
        return {}

    return read
