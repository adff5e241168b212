"""Cluster options (crm_config), in old and new spelling."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from backstay.cib.rules import read_sets
from backstay.cib.tree import Element, Index, parsed
from backstay.cib.values import CibError, boolean, choice, duration_ms, integer, score
from backstay.state.choices import HealthStrategy, NoQuorumPolicy, PlacementStrategy
from backstay.state.cluster import ClusterProperties
from backstay.state.rule_match import Facts, matches


def _policy(text: str) -> NoQuorumPolicy:
    return NoQuorumPolicy.FENCE if text.strip().lower() == "suicide" else choice(NoQuorumPolicy, text)


def _action(text: str) -> str:
    word = text.strip().lower()
    if word not in ("reboot", "off"):  # "poweroff" is no longer one; what is not one means the default
        raise CibError(f"{text!r} is not a fencing action")
    return word


_READERS: dict[str, Callable[[str], object]] = {
    "symmetric_cluster": boolean,
    "maintenance_mode": boolean,
    "no_quorum_policy": _policy,
    "fencing_enabled": boolean,
    "fencing_action": _action,
    "fencing_timeout_ms": duration_ms,
    "concurrent_fencing": boolean,
    "startup_fencing": boolean,
    "have_watchdog": boolean,
    "fencing_watchdog_timeout_ms": duration_ms,
    "priority_fencing_delay_ms": duration_ms,
    "node_pending_timeout_ms": duration_ms,
    "start_failure_is_fatal": boolean,
    "enable_startup_probes": boolean,
    "stop_all_resources": boolean,
    "stop_removed_resources": boolean,
    "cancel_removed_actions": boolean,
    "remove_after_stop": boolean,
    "shutdown_lock": boolean,
    "shutdown_lock_limit_ms": duration_ms,
    "placement_strategy": lambda text: choice(PlacementStrategy, text),
    "node_health_strategy": lambda text: choice(HealthStrategy, text),
    "node_health_base": score,
    "node_health_green": score,
    "node_health_yellow": score,
    "node_health_red": score,
    "cluster_delay_ms": duration_ms,
    "batch_limit": integer,
    "migration_limit": integer,
}
_OLD_NAMES = {
    "stop-orphan-resources": "stop_removed_resources",
    "stop-orphan-actions": "cancel_removed_actions",
}


def read_properties(crm_config: Element | None, index: Index, *, now: float) -> ClusterProperties:
    """Typed cluster options. A value that can not be read falls back to its default, as in Pacemaker:
    a cluster with one bad option must still be importable. Raises CibError for structural faults only."""
    return properties_of(raw_options(crm_config, index, now=now))


def raw_options(crm_config: Element | None, index: Index, *, now: float) -> dict[str, str]:
    """Every option as written, rules judged."""
    raw: dict[str, str] = {}
    if crm_config is None:
        return raw
    sets = read_sets(crm_config, "cluster_property_set", index)
    sets.sort(key=lambda one: one.id != "cib-bootstrap-options")
    for one in sets:
        if one.rule is None or matches(one.rule, Facts(now=now)):
            for name, value in one.values.items():
                raw.setdefault(name, value)
    return raw


def properties_of(raw: dict[str, str]) -> ClusterProperties:
    """Typed options from raw name/value pairs."""
    typed: dict[str, object] = {}
    extra: dict[str, str] = {}
    for name, value in raw.items():
        field = _field(name)
        if field is None:
            extra[name] = value
            continue
        try:
            typed.setdefault(field, parsed(value, _READERS[field], element="crm_config", attribute=name))
        except CibError:
            extra[name] = value
    stricter = ClusterProperties(manage_without_devices=False, trust_maintenance=False, extra=extra)
    return replace(stricter, **typed)  # type: ignore[arg-type]


def with_options(properties: ClusterProperties, raw: Mapping[str, str]) -> ClusterProperties:
    """The properties with some options set anew. Raises CibError for an unknown option, and for a senseless value."""
    typed: dict[str, Any] = {}
    for name, value in raw.items():
        field = _field(name)
        if field is None:
            raise CibError(f"there is no cluster option {name!r}")
        typed[field] = parsed(value, _READERS[field], element="crm_config", attribute=name)
    return replace(properties, **typed)


def option_names() -> frozenset[str]:
    """The options that mean something here, in their new spelling."""
    return frozenset(field.removesuffix("_ms").replace("_", "-") for field in _READERS)


def _field(name: str) -> str | None:
    if name in _OLD_NAMES:
        return _OLD_NAMES[name]
    field = name.replace("-", "_")
    if field.startswith("stonith_"):
        field = "fencing_" + field.removeprefix("stonith_")
    for candidate in (field, field + "_ms"):
        if candidate in _READERS:
            return candidate
    return None
