"""What `kubectl get` shows of built-in kinds whose columns no path can express: computed, as the real server does.

Each entry is the columns and a function from an object to its cells (after the name). Kinds not listed here show
their resource's own columns. Assumes stored objects; missing parts show as kubectl shows them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from backstay.objectstore import Column, Json, JsonObject, StorageKey
from backstay.objectstore.document import at_path
from backstay.objectstore.timestamps import unix_seconds
from backstay_sandbox.apiserver.ages import human_age

Cells = Callable[[JsonObject, float], list[Json]]
"""From an object and the time now (Unix seconds) to its cells."""


@dataclass(frozen=True, slots=True)
class Computed:
    columns: tuple[Column, ...]
    cells: Cells


def _column(name: str, kind: str = "string", *, priority: int = 0) -> Column:
    return Column(name, kind, "", priority=priority)


def age_of(timestamp: Json, now: float) -> str:
    """The age of a timestamp; unknown when it is none."""
    moment = unix_seconds(timestamp) if isinstance(timestamp, str) else None
    return "<unknown>" if moment is None else human_age(now - moment)


def _age(document: JsonObject, now: float) -> str:
    return age_of(document["metadata"].get("creationTimestamp"), now)


def _namespace(document: JsonObject, now: float) -> list[Json]:
    return [at_path(document, ("status", "phase"), ""), _age(document, now)]


def _counted_data(document: JsonObject, now: float) -> list[Json]:
    count = len(document.get("data") or {}) + len(document.get("binaryData") or {})
    return [count, _age(document, now)]


def _secret(document: JsonObject, now: float) -> list[Json]:
    return [document.get("type", ""), len(document.get("data") or {}), _age(document, now)]


def _plain(document: JsonObject, now: float) -> list[Json]:
    return [_age(document, now)]


_ROLE_PREFIX = "node-role.kubernetes.io/"


def _node(document: JsonObject, now: float) -> list[Json]:
    conditions = at_path(document, ("status", "conditions")) or []
    ready = next((entry.get("status") for entry in conditions if entry.get("type") == "Ready"), "Unknown")
    status = {"True": "Ready", "False": "NotReady"}.get(ready, "NotReady" if conditions else "Unknown")
    if at_path(document, ("spec", "unschedulable")):
        status += ",SchedulingDisabled"
    labels = document["metadata"].get("labels") or {}
    roles = sorted(key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX))
    info = at_path(document, ("status", "nodeInfo")) or {}
    addresses = {
        entry.get("type"): entry.get("address") for entry in at_path(document, ("status", "addresses")) or []
    }
    return [
        status,
        ",".join(roles) or "<none>",
        _age(document, now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP") or "<none>",
        addresses.get("ExternalIP") or "<none>",
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _pod(document: JsonObject, now: float) -> list[Json]:
    statuses = at_path(document, ("status", "containerStatuses")) or []
    containers = at_path(document, ("spec", "containers")) or []
    ready = sum(bool(status.get("ready")) for status in statuses)
    restarts = sum(status.get("restartCount", 0) for status in statuses)
    phase = at_path(document, ("status", "reason")) or at_path(document, ("status", "phase"), "Unknown")
    if document["metadata"].get("deletionTimestamp"):
        phase = "Terminating"
    return [
        f"{ready}/{len(containers)}",
        phase,
        str(restarts),
        _age(document, now),
        at_path(document, ("status", "podIP")) or "<none>",
        at_path(document, ("spec", "nodeName")) or "<none>",
    ]


def _service(document: JsonObject, now: float) -> list[Json]:
    spec = document.get("spec") or {}
    ports = ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in spec.get("ports") or [])
    return [
        spec.get("type", "ClusterIP"),
        spec.get("clusterIP") or "<none>",
        "<none>",
        ports or "<none>",
        _age(document, now),
    ]


def _deployment(document: JsonObject, now: float) -> list[Json]:
    status = document.get("status") or {}
    wanted = at_path(document, ("spec", "replicas"), 1)
    return [
        f"{status.get('readyReplicas', 0)}/{wanted}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _age(document, now),
    ]


def _daemon_set(document: JsonObject, now: float) -> list[Json]:
    status = document.get("status") or {}
    selector = at_path(document, ("spec", "template", "spec", "nodeSelector")) or {}
    return [
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        ",".join(f"{key}={value}" for key, value in sorted(selector.items())) or "<none>",
        _age(document, now),
    ]


def _event(document: JsonObject, now: float) -> list[Json]:
    modern = document.get("apiVersion") == "events.k8s.io/v1"
    involved = document.get("regarding" if modern else "involvedObject") or {}
    series = document.get("series") or {}
    last = document.get("deprecatedLastTimestamp" if modern else "lastTimestamp")
    last = series.get("lastObservedTime") or last or document.get("eventTime")
    first = document.get("deprecatedFirstTimestamp" if modern else "firstTimestamp") or document.get(
        "eventTime"
    )
    source = document.get("deprecatedSource" if modern else "source") or {}
    component = source.get("component") or document.get(
        "reportingController" if modern else "reportingComponent"
    )
    count = series.get("count") or document.get("deprecatedCount" if modern else "count") or 1
    message = document.get("note" if modern else "message") or ""
    return [
        age_of(last or document["metadata"].get("creationTimestamp"), now),
        document.get("type", ""),
        document.get("reason", ""),
        f"{involved.get('kind', '').lower()}/{involved.get('name', '')}",
        involved.get("fieldPath", ""),
        ", ".join(filter(None, (component, source.get("host")))),
        message.strip(),
        age_of(first, now),
        count,
        document["metadata"]["name"],
    ]


_AGE = _column("Age")
_WIDE = 1

COMPUTED: dict[StorageKey, Computed] = {
    ("", "namespaces"): Computed((_column("Status"), _AGE), _namespace),
    ("", "configmaps"): Computed((_column("Data", "integer"), _AGE), _counted_data),
    ("", "secrets"): Computed((_column("Type"), _column("Data", "integer"), _AGE), _secret),
    ("", "serviceaccounts"): Computed((_AGE,), _plain),
    ("", "nodes"): Computed(
        (
            _column("Status"),
            _column("Roles"),
            _AGE,
            _column("Version"),
            _column("Internal-IP", priority=_WIDE),
            _column("External-IP", priority=_WIDE),
            _column("OS-Image", priority=_WIDE),
            _column("Kernel-Version", priority=_WIDE),
            _column("Container-Runtime", priority=_WIDE),
        ),
        _node,
    ),
    ("", "pods"): Computed(
        (
            _column("Ready"),
            _column("Status"),
            _column("Restarts"),
            _AGE,
            _column("IP", priority=_WIDE),
            _column("Node", priority=_WIDE),
        ),
        _pod,
    ),
    ("", "services"): Computed(
        (_column("Type"), _column("Cluster-IP"), _column("External-IP"), _column("Port(s)"), _AGE), _service
    ),
    ("", "events"): Computed(
        (
            _column("Last Seen"),
            _column("Type"),
            _column("Reason"),
            _column("Object"),
            _column("Subobject", priority=_WIDE),
            _column("Source", priority=_WIDE),
            _column("Message"),
            _column("First Seen", priority=_WIDE),
            _column("Count", "integer", priority=_WIDE),
            _column("Name", priority=_WIDE),
        ),
        _event,
    ),
    ("apps", "deployments"): Computed(
        (_column("Ready"), _column("Up-to-date", "integer"), _column("Available", "integer"), _AGE),
        _deployment,
    ),
    ("apps", "daemonsets"): Computed(
        (
            _column("Desired", "integer"),
            _column("Current", "integer"),
            _column("Ready", "integer"),
            _column("Up-to-date", "integer"),
            _column("Available", "integer"),
            _column("Node Selector"),
            _AGE,
        ),
        _daemon_set,
    ),
}
