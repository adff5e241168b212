"""What stands in a CIB and has no place in Backstay: found by walking the XML, each finding with its path."""

from collections.abc import Iterator

from backstay.cib.importing.cluster import BY_OPTION, CARRIED
from backstay.cib.importing.report import Element, Report
from backstay.cib.options import properties_of
from backstay.cib.resources import meta_of, operation_of
from backstay.cib.tree import Index
from backstay.ocf.agentspec import is_fence_agent

_OF_NO_CONSEQUENCE = {
    "dc-version": "what Pacemaker's cluster found out",
    "cluster-infrastructure": "what Pacemaker's cluster found out",
    "have-watchdog": "what Pacemaker's cluster found out",
    "last-lrm-refresh": "a mark of the last cleanup",
    "cluster-name": "the HACluster's name",
    "crmd-integration-timeout": "there is no such phase", "crmd-finalization-timeout": "there is no such phase",
    "crmd-transition-delay": "there is no such delay", "dc-deadtime": "see spec.heartbeat",
    "election-timeout": "see spec.heartbeat", "join-integration-timeout": "there is no such phase",
    "join-finalization-timeout": "there is no such phase", "transition-delay": "there is no such delay",
    "shutdown-escalation": "an agent that ends leaves its node's resources to the others",
    "pe-error-series-max": "see spec.history", "pe-warn-series-max": "see spec.history",
    "pe-input-series-max": "see spec.history", "load-threshold": "there is no throttle by load",
    "cluster-delay": "each hop has its own bound", "remove-after-stop": "Backstay always does",
    "cluster-ipc-limit": "there is no such queue", "node-pending-timeout": "the Lease decides",
    "default-resource-stickiness": "use rsc_defaults", "default-action-timeout": "use op_defaults",
    "no-quorum-panic": "no option of Pacemaker's", "transition-idle-timeout": "an option of Heartbeat's time",
    "enable-acl": "Kubernetes RBAC decides who may do what",
    "is-managed-default": "use rsc_defaults",
    "default-resource-failure-stickiness": "an option of Heartbeat's time",
    "notification-agent": "alerts come from Prometheus", "notification-recipient": "alerts come from Prometheus",
}  # fmt: skip
_DEFAULTS = {("collocated", "true"), ("target-role", "#default")}
_META_OF_NO_CONSEQUENCE = frozenset({"description", "provides"})
_OP_ATTRIBUTES = frozenset({"id", "id-ref", "name", "description", "interval", "timeout"})
_SECRETS = ("passwd", "password", "secret", "passphrase")


def find_losses(root: Element, index: Index, report: Report) -> None:
    """Everything that the manifests will not hold."""
    _options(root, report)
    _sections(root, report)
    _resources(root, report)
    for holder in _find(root, "configuration/resources//meta_attributes", "configuration/rsc_defaults/*"):
        for pair in index.children(holder, "nvpair"):
            _meta(pair, report)
    for element in root.iterfind("configuration/resources//op"):
        _operation(index.resolve(element), report)
    for element in root.iterfind("configuration/constraints/*"):
        if element.get("lifetime") or element.find("lifetime") is not None:
            report.lost(element, "lifetime: write the rule into the constraint itself")


def _find(root: Element, *paths: str) -> Iterator[Element]:
    for path in paths:
        yield from root.iterfind(path)


def _options(root: Element, report: Report) -> None:
    defaults = properties_of({})
    for element in root.iterfind("configuration/crm_config/cluster_property_set"):
        if element.find("rule") is not None:
            report.lost(
                element, "options under a rule: an HACluster has one set; what holds now was imported"
            )
        for pair in element.iterfind("nvpair"):
            name, value = pair.get("name", ""), pair.get("value", "")
            if name in BY_OPTION:
                continue
            if name in _OF_NO_CONSEQUENCE:
                report.note(pair, _OF_NO_CONSEQUENCE[name])
                continue
            typed = properties_of({name: value})
            if typed == defaults:
                continue
            changed = [field for field in CARRIED if getattr(typed, field) != getattr(defaults, field)]
            if not changed:
                report.lost(pair, f"an HACluster has no such option ({name}={value})")


def _sections(root: Element, report: Report) -> None:
    for tag, why in (
        ("configuration/acls/*", "Kubernetes RBAC decides who may do what: see the chart's roles"),
        ("configuration/alerts/*", "alerts are Prometheus rules, and Events on the objects"),
    ):
        for element in root.iterfind(tag):
            report.lost(element, why)
    for element in root.iterfind("configuration/resources/template"):
        report.changed(element, "written out in each resource that uses it")
    for element in root.iterfind("configuration/tags/tag"):
        report.changed(element, "written out in each constraint that names it")
    for element in root.iterfind("configuration/nodes/node"):
        if element.get("type") in ("remote", "ping"):
            report.lost(element, "remote nodes: run Backstay's node agent there, as on every Node")
    status = root.find("status")
    if status is not None and len(status):
        report.note(status, "what runs where is found out by probes, not imported")


def _resources(root: Element, report: Report) -> None:
    for element in root.iterfind("configuration/resources//bundle"):
        report.lost(
            element,
            "a bundle: write its containers as a Deployment, or a StatefulSet where each has its own data",
        )
    for element in root.iterfind("configuration/resources//primitive"):
        kind = (element.get("class"), element.get("provider"), element.get("type"))
        if kind == ("ocf", "pacemaker", "remote"):
            report.lost(element, "remote nodes: run Backstay's node agent there, as on every Node")
        fence_agent = element.get("type", "")
        if element.get("class") == "stonith" and not is_fence_agent(fence_agent):
            report.note(
                element,
                f"Backstay runs fence agents named fence_* only: put another in the place of {fence_agent} "
                "before you apply the FenceDevice",
                attribute="type",
            )
        if element.get("description"):
            report.note(element, "not imported", attribute="description")
    for pair in root.iterfind("configuration/resources//instance_attributes/nvpair"):
        if any(word in pair.get("name", "").lower() for word in _SECRETS):
            report.note(pair, "looks like a password: move it into a Secret (paramsFrom)")
    for holder in root.iterfind("configuration/resources//group/instance_attributes"):
        report.changed(holder, "written out in each member")
    for holder in root.iterfind("configuration/resources//clone/instance_attributes"):
        report.changed(holder, "written out in what it clones")
    for path in ("group", "clone"):
        for holder in root.iterfind(f"configuration/resources//{path}/instance_attributes/rule"):
            report.lost(holder, f"parameters of a {path} under a rule: set them in its members")
    for holder in root.iterfind("configuration/resources//op/instance_attributes/rule"):
        report.lost(holder, "parameters of an operation under a rule")
    for holder in root.iterfind("configuration/resources//utilization/rule"):
        report.lost(holder, "utilization under a rule")
    for holder in root.iterfind("configuration/nodes//rule"):
        report.lost(holder, "node attributes under a rule: what holds now was imported")


def _meta(pair: Element, report: Report) -> None:
    name, value = pair.get("name", ""), pair.get("value", "")
    if name in ("remote-node", "remote-addr", "remote-port", "remote-connect-timeout"):
        report.lost(pair, "guest nodes: run Backstay's node agent in the virtual machine, as on every Node")
    elif (name, value.lower()) in _DEFAULTS:
        report.note(pair, "the default")
    elif name == "container":
        report.lost(pair, "resources inside of others: use a group")
    elif name not in _META_OF_NO_CONSEQUENCE and value and meta_of({name: value}).extra:
        report.lost(
            pair, f"no meta attribute that Backstay knows, or no value that it understands ({value!r})"
        )


def _operation(element: Element, report: Report) -> None:
    found = operation_of(dict(element.attrib), name=element.get("name") or "")
    for name in found.extra:
        if name not in _OP_ATTRIBUTES:
            report.lost(element, "no option of operations", attribute=name)
    for pair in element.iterfind("meta_attributes/nvpair"):
        name, value = pair.get("name", ""), pair.get("value", "")
        if operation_of({name: value}, name="").extra:
            report.lost(pair, "no option of operations")
