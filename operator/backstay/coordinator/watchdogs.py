"""From HACluster.spec.watchdog to what the DC reckons with and what nodes are told (design note 0005)."""

from __future__ import annotations

from collections.abc import Collection

from backstay.api import HACluster, HANodePlanSpec, WatchdogSpec
from backstay.coordinator.membership import NodeView
from backstay.liveness.watchdog import WatchdogClaim, WatchdogRule


def watchdog_rule(cluster: HACluster) -> WatchdogRule | None:
    """None: nobody's death is proven by a watchdog, also where the numbers would prove nothing."""
    spec = cluster.spec.watchdog
    if spec is None:
        return None
    rule = WatchdogRule(
        reset_s=spec.reset_milliseconds / 1000,
        clock_error=spec.clock_error_permille / 1000,
        takeover_delay_s=spec.takeover_delay_milliseconds / 1000,
    )
    configured = WatchdogClaim(
        deadline_s=spec.deadline_milliseconds / 1000, timeout_s=float(spec.timeout_seconds)
    )
    return rule if rule.covers(configured) else None


def watchdog_of(cluster: HACluster, vouched: Collection[str]) -> dict[str, WatchdogSpec]:
    """By node. Only where peers can be asked in an outage of the API: without them it would reset every node at once."""
    spec = cluster.spec.watchdog
    if spec is None or watchdog_rule(cluster) is None:
        return {}
    orders = WatchdogSpec(
        device=spec.device,
        deadline_milliseconds=spec.deadline_milliseconds,
        timeout_seconds=spec.timeout_seconds,
    )
    return dict.fromkeys(vouched, orders)


def watchdog_words(cluster: HACluster, view: NodeView, told: HANodePlanSpec) -> str:
    """Of one node, for its status: empty where none is asked for. `told`: its plan."""
    claim = view.watchdog
    if claim is not None:
        return f"armed: deadline {claim.deadline_s:g}s, timeout {claim.timeout_s:g}s"
    if cluster.spec.watchdog is None:
        return ""
    if watchdog_rule(cluster) is None:
        return "not armed: spec.watchdog is unsafe, L(1-rho) < (D+3W+R)(1+rho)"
    if told.watchdog is None and told.vouching is not None:
        return "not armed: the node is shut down, and nothing runs there that it would guard"
    if told.vouching is None:
        return "not armed: peers cannot be asked in an outage of the API (noQuorumPolicy ignore, or no InternalIP of a node)"
    return f"not armed: see the node's log about {cluster.spec.watchdog.device}"
