"""The built-in kinds: enough of Kubernetes for operators, agents and kubectl to live in.

Most are stored only: nothing schedules a pod or rolls a deployment out. Each has the shape that merging needs
(which lists merge by which key) and the few rules of its kind that clients rely on. Assumes nothing; the custom
kinds come from `crd`.
"""

from base64 import b64encode

from backstay.objectstore.document import Json, JsonObject, at_path, with_path
from backstay.objectstore.errors import invalid_value, required_value
from backstay.objectstore.event_forms import event_from_core, event_to_core
from backstay.objectstore.resource import CREATED_AT, Column, NameRule, Resource
from backstay.objectstore.schema import Schema, compile_schema
from backstay.objectstore.validation import Findings

_STRING: JsonObject = {"type": "string"}
_STRINGS: JsonObject = {"type": "object", "additionalProperties": _STRING}
_INTEGER: JsonObject = {"type": "integer", "format": "int32"}
_BOOLEAN: JsonObject = {"type": "boolean"}
_TIME: JsonObject = {"type": "string", "format": "date-time", "nullable": True}


def _open(properties: JsonObject | None = None) -> JsonObject:
    """An object of which only these members are described; the rest is kept as it is."""
    return {"type": "object", "properties": properties or {}, "x-kubernetes-preserve-unknown-fields": True}


def _closed(properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": properties}


def _keyed(item: JsonObject, *keys: str) -> JsonObject:
    """A list that merges by these keys."""
    described = item | {"properties": {**{key: {} for key in keys}, **item.get("properties", {})}}
    return {
        "type": "array",
        "items": described,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": list(keys),
    }


_CONDITIONS = _keyed(_open(), "type")
_REFERENCE = _closed(
    dict.fromkeys(("apiVersion", "kind", "namespace", "name", "uid", "resourceVersion", "fieldPath"), _STRING)
)
_CONTAINER = _open({
    "env": _keyed(_open(), "name"),
    "ports": _keyed(_open({"protocol": {"type": "string", "default": "TCP"}}), "containerPort", "protocol"),
    "volumeMounts": _keyed(_open(), "mountPath"),
})  # fmt: skip
_POD_SPEC = _open({
    "containers": _keyed(_CONTAINER, "name"),
    "initContainers": _keyed(_CONTAINER, "name"),
    "volumes": _keyed(_open(), "name"),
    "imagePullSecrets": _keyed(_open(), "name"),
})  # fmt: skip
_WORKLOAD = _open({
    "spec": _open({"template": _open({"spec": _POD_SPEC})}),
    "status": _open({"conditions": _CONDITIONS}),
})  # fmt: skip
_WITH_CONDITIONS = _open({"status": _open({"conditions": _CONDITIONS})})
_LEASE = _closed({
    "spec": _closed({
        "holderIdentity": _STRING,
        "leaseDurationSeconds": _INTEGER,
        "acquireTime": _TIME,
        "renewTime": _TIME,
        "leaseTransitions": _INTEGER,
        "strategy": _STRING,
        "preferredHolder": _STRING,
    }),
})  # fmt: skip
_EVENT = _closed({
    "involvedObject": _REFERENCE,
    "related": _REFERENCE,
    "reason": _STRING,
    "message": _STRING,
    "source": _closed({"component": _STRING, "host": _STRING}),
    "firstTimestamp": _TIME,
    "lastTimestamp": _TIME,
    "eventTime": _TIME,
    "count": _INTEGER,
    "type": _STRING,
    "action": _STRING,
    "reportingComponent": _STRING,
    "reportingInstance": _STRING,
    "series": _closed({"count": _INTEGER, "lastObservedTime": _TIME}) | {"nullable": True},
})  # fmt: skip
_EVENT_V1 = _closed({
    "regarding": _REFERENCE,
    "related": _REFERENCE,
    "reason": _STRING,
    "note": _STRING,
    "deprecatedSource": _closed({"component": _STRING, "host": _STRING}),
    "deprecatedFirstTimestamp": _TIME,
    "deprecatedLastTimestamp": _TIME,
    "deprecatedCount": _INTEGER,
    "eventTime": _TIME,
    "type": _STRING,
    "action": _STRING,
    "reportingController": _STRING,
    "reportingInstance": _STRING,
    "series": _closed({"count": _INTEGER, "lastObservedTime": _TIME}) | {"nullable": True},
})  # fmt: skip
_CONFIG_MAP = _closed({"data": _STRINGS, "binaryData": _STRINGS, "immutable": _BOOLEAN})
_SECRET = _closed({"data": _STRINGS, "stringData": _STRINGS, "immutable": _BOOLEAN, "type": _STRING})
_NODE = _open({
    "spec": _open({"taints": _keyed(_open(), "key", "effect")}),
    "status": _open({"conditions": _CONDITIONS, "addresses": _keyed(_open(), "type")}),
})  # fmt: skip
_SERVICE = _open({
    "spec": _open({
        "ports": _keyed(_open({"protocol": {"type": "string", "default": "TCP"}}), "port", "protocol"),
    }),
})  # fmt: skip
_ACCOUNT = _open({"secrets": _keyed(_open(), "name"), "imagePullSecrets": _keyed(_open(), "name")})

EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)


def builtin_resources() -> tuple[Resource, ...]:
    """Every built-in kind except CustomResourceDefinition, which `crd` makes. Fresh on each call."""
    return (*_core(), *_events(), *_workloads(), *_coordination(), *_access(), *_stored_only())


def _core() -> tuple[Resource, ...]:
    def core(plural: str, kind: str, raw: JsonObject, **more: Json) -> Resource:
        schema = _compiled(raw)
        settings: JsonObject = {"namespaced": True, "has_generation": False, **more}
        return Resource("", "v1", plural, kind, schema=schema, open_api=raw, **settings)

    return (
        core(
            "namespaces",
            "Namespace",
            _WITH_CONDITIONS,
            namespaced=False,
            short_names=("ns",),
            subresources=("status", "finalize"),
            name_rule=NameRule.LABEL,
            selectable_fields=("status.phase",),
            prepare=_prepared_namespace,
        ),
        core("configmaps", "ConfigMap", _CONFIG_MAP, short_names=("cm",)),
        core("secrets", "Secret", _SECRET, selectable_fields=("type",), prepare=_prepared_secret),
        core("serviceaccounts", "ServiceAccount", _ACCOUNT, short_names=("sa",)),
        core(
            "nodes",
            "Node",
            _NODE,
            namespaced=False,
            short_names=("no",),
            subresources=("status",),
            keeps_status_on_create=True,
            selectable_fields=("spec.unschedulable",),
        ),
        core(
            "pods",
            "Pod",
            _open({"spec": _POD_SPEC, "status": _open({"conditions": _CONDITIONS})}),
            short_names=("po",),
            categories=("all",),
            subresources=("status",),
            has_generation=True,
            selectable_fields=("spec.nodeName", "spec.serviceAccountName", "status.phase", "status.podIP"),
            prepare=_prepared_pod,
        ),
        core(
            "services",
            "Service",
            _SERVICE,
            short_names=("svc",),
            categories=("all",),
            subresources=("status",),
            name_rule=NameRule.LABEL,
        ),
    )


def _compiled(raw: JsonObject) -> Schema:
    return compile_schema(raw)


def _events() -> tuple[Resource, ...]:
    core = Resource(
        "",
        "v1",
        "events",
        "Event",
        namespaced=True,
        short_names=("ev",),
        has_generation=False,
        schema=_compiled(_EVENT),
        open_api=_EVENT,
        selectable_fields=EVENT_FIELDS,
        examine=_examine_event,
    )
    modern = Resource(
        "events.k8s.io",
        "v1",
        "events",
        "Event",
        namespaced=True,
        short_names=("ev",),
        has_generation=False,
        schema=_compiled(_EVENT_V1),
        open_api=_EVENT_V1,
        storage=core.storage,
        selectable_fields=(
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "reason",
            "reportingController",
            "type",
        ),
        examine=_examine_modern_event,
        to_storage=event_to_core,
        from_storage=event_from_core,
    )
    return core, modern


def _workloads() -> tuple[Resource, ...]:
    schema = _compiled(_WORKLOAD)

    def apps(plural: str, kind: str, short: str) -> Resource:
        return Resource(
            "apps",
            "v1",
            plural,
            kind,
            namespaced=True,
            short_names=(short,),
            categories=("all",),
            subresources=("status",),
            schema=schema,
            open_api=_WORKLOAD,
        )

    return (
        apps("deployments", "Deployment", "deploy"),
        apps("daemonsets", "DaemonSet", "ds"),
        apps("statefulsets", "StatefulSet", "sts"),
        apps("replicasets", "ReplicaSet", "rs"),
    )


def _coordination() -> tuple[Resource, ...]:
    return (
        Resource(
            "coordination.k8s.io",
            "v1",
            "leases",
            "Lease",
            namespaced=True,
            has_generation=False,
            needs_version_to_update=True,
            schema=_compiled(_LEASE),
            open_api=_LEASE,
            examine=_examine_lease,
            columns=(
                Column("Holder", "string", ".spec.holderIdentity"),
                Column("Age", "date", ".metadata.creationTimestamp"),
            ),
        ),
    )


def _access() -> tuple[Resource, ...]:
    raw = _open()
    schema = _compiled(raw)

    def rbac(plural: str, kind: str, *, namespaced: bool, columns: tuple[Column, ...]) -> Resource:
        return Resource(
            "rbac.authorization.k8s.io",
            "v1",
            plural,
            kind,
            namespaced=namespaced,
            has_generation=False,
            schema=schema,
            open_api=raw,
            name_rule=NameRule.PATH_SEGMENT,
            columns=columns,
        )

    role = Column("Role", "string", ".roleRef.name")
    age = Column("Age", "date", ".metadata.creationTimestamp")
    return (
        rbac("roles", "Role", namespaced=True, columns=(CREATED_AT,)),
        rbac("rolebindings", "RoleBinding", namespaced=True, columns=(role, age)),
        rbac("clusterroles", "ClusterRole", namespaced=False, columns=(CREATED_AT,)),
        rbac("clusterrolebindings", "ClusterRoleBinding", namespaced=False, columns=(role, age)),
    )


# What charts ship besides the kinds above: kept and shown, never acted on (no policy is enforced here).
_STORED_ONLY: tuple[tuple[str, str, str, str, bool], ...] = (
    ("", "v1", "endpoints", "Endpoints", True),
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True),
    ("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", False),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        False,
    ),
    ("batch", "v1", "jobs", "Job", True),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True),
    ("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False),
)


def _stored_only() -> tuple[Resource, ...]:
    schema = _compiled(_WITH_CONDITIONS)
    return tuple(
        Resource(
            group,
            version,
            plural,
            kind,
            namespaced=namespaced,
            subresources=("status",),
            schema=schema,
            open_api=_WITH_CONDITIONS,
        )
        for group, version, plural, kind, namespaced in _STORED_ONLY
    )


def _prepared_namespace(document: JsonObject, stored: JsonObject | None) -> JsonObject:
    name = document["metadata"]["name"]
    labels = {**(document["metadata"].get("labels") or {}), "kubernetes.io/metadata.name": name}
    document = with_path(document, ("metadata", "labels"), labels)
    if stored is None:
        document = with_path(document, ("spec", "finalizers"), ["kubernetes"])
        document = with_path(document, ("status",), {"phase": "Active"})
    return document


def _prepared_secret(document: JsonObject, stored: JsonObject | None) -> JsonObject:
    plain = document.get("stringData")
    if plain:
        encoded = {key: b64encode(str(value).encode()).decode() for key, value in plain.items()}
        document = {**document, "data": {**(document.get("data") or {}), **encoded}}
    document = {key: value for key, value in document.items() if key != "stringData"}
    return {**document, "type": document.get("type") or "Opaque"}


def _prepared_pod(document: JsonObject, stored: JsonObject | None) -> JsonObject:
    if stored is not None:
        return document
    return with_path(document, ("status",), {"phase": "Pending"})


def _examine_lease(document: JsonObject, stored: JsonObject | None, findings: Findings) -> None:
    spec = document.get("spec") or {}
    duration = spec.get("leaseDurationSeconds")
    if isinstance(duration, int) and duration <= 0:
        findings.add(invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    transitions = spec.get("leaseTransitions")
    if isinstance(transitions, int) and transitions < 0:
        findings.add(
            invalid_value("spec.leaseTransitions", transitions, "must be greater than or equal to 0")
        )


def _examine_event(document: JsonObject, stored: JsonObject | None, findings: Findings) -> None:
    involved = at_path(document, ("involvedObject", "namespace"), "")
    _check_event_namespace(document, involved, "involvedObject.namespace", findings)


def _check_event_namespace(document: JsonObject, involved: str, path: str, findings: Findings) -> None:
    # An event about a cluster-scoped object lives in `default` (or kube-system).
    own = document["metadata"].get("namespace", "")
    fits = own == involved if involved else own in ("default", "kube-system")
    if not fits:
        findings.add(invalid_value(path, involved, "does not match event.namespace"))


def _examine_modern_event(document: JsonObject, stored: JsonObject | None, findings: Findings) -> None:
    involved = at_path(document, ("regarding", "namespace"), "")
    _check_event_namespace(document, involved, "regarding.namespace", findings)
    if stored is not None:
        return
    for name in ("eventTime", "reportingController", "reportingInstance", "action", "reason"):
        if not document.get(name):
            findings.add(required_value(name))
    if document.get("type") not in ("Normal", "Warning"):
        findings.add(invalid_value("type", document.get("type", ""), "has invalid value"))
