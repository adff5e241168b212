"""HACluster and HANode: cluster options, defaults, tickets, and what the CIB says of the nodes."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from enum import Enum
from typing import Any

from backstay.api import ANNOTATION_POSITION, API_VERSION
from backstay.api.quantities import duration_text, timestamp
from backstay.cib.importing.names import Names
from backstay.cib.importing.resources import conditional_meta
from backstay.cib.importing.rules import (
    given,
    meta_manifest,
    operation_options,
    score_manifest,
    under_rules,
)
from backstay.numerals import whole
from backstay.state.choices import NodeKind
from backstay.state.cluster import ClusterProperties, ClusterState
from backstay.state.node import Node

Obj = dict[str, Any]

# Field of ClusterProperties -> property of an HACluster.
_PROPERTIES = {
    "no_quorum_policy": "noQuorumPolicy",
    "symmetric_cluster": "symmetricCluster",
    "maintenance_mode": "maintenanceMode",
    "fencing_enabled": "stonithEnabled",
    "fencing_action": "stonithAction",
    "fencing_timeout_ms": "stonithTimeout",
    "concurrent_fencing": "concurrentFencing",
    "startup_fencing": "startupFencing",
    "start_failure_is_fatal": "startFailureIsFatal",
    "enable_startup_probes": "enableStartupProbes",
    "stop_removed_resources": "stopOrphanResources",
    "cancel_removed_actions": "stopOrphanActions",
    "stop_all_resources": "stopAllResources",
    "batch_limit": "batchLimit",
    "migration_limit": "migrationLimit",
    "placement_strategy": "placementStrategy",
    "node_health_strategy": "nodeHealthStrategy",
    "node_health_base": "nodeHealthBase",
    "node_health_green": "nodeHealthGreen",
    "node_health_yellow": "nodeHealthYellow",
    "node_health_red": "nodeHealthRed",
    "priority_fencing_delay_ms": "priorityFencingDelay",
    "shutdown_lock": "shutdownLock",
    "shutdown_lock_limit_ms": "shutdownLockLimit",
}
BY_OPTION = {
    "cluster-recheck-interval": "clusterRecheckInterval",
    "stonith-max-attempts": "stonithMaxAttempts",
    "fencing-max-attempts": "stonithMaxAttempts",
    "node-action-limit": "nodeActionLimit",
}
"""Options that the scheduler does not read, and an HACluster has all the same."""

CARRIED = frozenset(_PROPERTIES)
"""Fields of ClusterProperties that an HACluster holds."""


def cluster_manifest(state: ClusterState, *, name: str, complain: Callable[[str], None]) -> Obj:
    """The HACluster."""
    spec: Obj = {"properties": dict(_properties(state.properties))}
    spec["resourceDefaults"] = meta_manifest(state.resource_defaults)
    conditional = conditional_meta(state.resource_default_sets, complain)
    if conditional:
        spec["conditionalResourceDefaults"] = conditional
    defaults = operation_options(state.operation_defaults)
    if defaults:
        spec["operationDefaults"] = defaults
    conditional = _conditional_operation_defaults(state, complain)
    if conditional:
        spec["conditionalOperationDefaults"] = conditional
    if state.tickets:
        spec["tickets"] = [
            given(
                {
                    "id": ticket.id,
                    "granted": ticket.granted,
                    "standby": ticket.standby or None,
                    "lastGranted": None if ticket.last_granted is None else timestamp(ticket.last_granted),
                }
            )
            for ticket in state.tickets
        ]
    return {"apiVersion": API_VERSION, "kind": "HACluster", "metadata": {"name": name}, "spec": spec}


def _properties(properties: ClusterProperties) -> Iterator[tuple[str, Any]]:
    """What differs from Pacemaker's defaults, which are Backstay's too."""
    defaults = ClusterProperties()
    for field in fields(properties):
        value = getattr(properties, field.name)
        if field.name not in _PROPERTIES or value == getattr(defaults, field.name):
            continue
        if isinstance(value, Enum):
            value = value.value
        elif field.name.endswith("_ms"):
            value = duration_text(value)
        elif field.name.startswith("node_health_"):
            value = score_manifest(value)
        yield _PROPERTIES[field.name], value
    for option, value in properties.extra.items():
        if option in BY_OPTION:
            number = whole(value) if "nterval" not in option else None
            yield BY_OPTION[option], value if number is None else number


def _conditional_operation_defaults(state: ClusterState, complain: Callable[[str], None]) -> list[Obj]:
    sets = (
        (one.rule, one.score, {"defaults": operation_options(one.defaults)})
        for one in state.operation_default_sets
    )
    return under_rules(sets, "operation defaults", complain)


def node_manifests(state: ClusterState, *, cluster: str, names: Names) -> Iterator[Obj]:
    """An HANode for each full member of the cluster."""
    for position, node in enumerate(state.nodes):
        if node.kind is not NodeKind.MEMBER:
            continue
        attributes = {
            name: value for name, value in node.attributes.items() if name not in ("standby", "maintenance")
        }
        spec: Obj = {"cluster": cluster}
        if _is_on(node, "standby"):
            spec["standby"] = True
        if _is_on(node, "maintenance"):
            spec["maintenance"] = True
        if attributes:
            spec["attributes"] = attributes
        if node.utilization:
            spec["utilization"] = dict(node.utilization)
        yield {
            "apiVersion": API_VERSION,
            "kind": "HANode",
            "metadata": {
                "name": names.of_node(node.name),
                "annotations": {ANNOTATION_POSITION: str(position + 1)},
            },
            "spec": spec,
        }


def _is_on(node: Node, name: str) -> bool:
    return node.attributes.get(name, "").strip().lower() in ("true", "on", "yes", "y", "1")
