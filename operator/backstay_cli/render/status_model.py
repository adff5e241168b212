"""The form of a cluster's status: what `status -o json` prints, and what the text is made from.

The JSON is an interface: fields are added, never renamed or removed; `apiVersion` names its form.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

FORM = "backstay.io/status.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DcStatus:
    """`alive` is None when there is no Lease to judge by."""

    name: str
    since: str | None
    epoch: int
    alive: bool | None
    silent_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """`heartbeat_age_seconds` is None when no Lease was ever written."""

    name: str
    state: str
    reason: str
    dc: bool
    resources: int
    agent_version: str
    agent_alive: bool
    heartbeat_age_seconds: float | None
    heartbeat_fresh: bool
    watchdog: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    node: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceStatus:
    """One resource, clone or group; `members` only for groups. `kind` is resource, clone, group."""

    id: str
    kind: str
    namespace: str
    name: str
    agent: str
    role: str
    active: tuple[Place, ...]
    disabled: bool
    managed: bool
    maintenance: bool
    blocked: bool
    failures: int
    failed_on: tuple[str, ...]
    """The nodes that have counted failures, where the status says which."""
    promotable: bool
    why: str
    members: tuple[ResourceStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAction:
    resource: str
    operation: str
    interval_ms: int
    node: str
    count: int
    rc: int
    status: str
    reason: str
    call: int
    last_failure: str
    exec_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FencingEvent:
    node: str
    action: str
    by: str
    time: str
    why: str = ""
    failure: str = ""
    """What went wrong; empty: it succeeded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionStatus:
    number: int
    phase: str
    trigger: str
    time: str | None
    summary: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A condition that is not as it should be, or an object that could not be read. `of` is the object."""

    of: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    nodes: int
    resource_instances: int
    disabled: int
    blocked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusDocument:
    api_version: str
    cluster: str
    last_updated: str
    dc: DcStatus
    quorum: bool | None
    maintenance_mode: bool
    fencing_enabled: bool
    last_transition: TransitionStatus | None
    counts: Counts
    nodes: tuple[NodeStatus, ...]
    resources: tuple[ResourceStatus, ...]
    failed_actions: tuple[FailedAction, ...]
    fencing: tuple[FencingEvent, ...]
    operators: tuple[str, ...]
    problems: tuple[Problem, ...]


def as_json(value: Any) -> Any:
    """Dataclasses as objects with camelCase keys, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {_camel(f.name): as_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    return value


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
