"""The status section: node states, operation histories, fail counts, tickets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backstay.cib.absences import Run
from backstay.cib.membership import standing_of
from backstay.cib.records import agent_of, date_or_number, record_of
from backstay.cib.rules import read_sets
from backstay.cib.tree import Element, Index, label, parsed, read, required
from backstay.cib.values import CibError, boolean, date, integer, score
from backstay.numerals import whole
from backstay.state.choices import NodeKind
from backstay.state.cluster import ClusterProperties
from backstay.state.history import FailCount, ResourceHistory, Ticket
from backstay.state.node import Node
from backstay.state.rule_match import Facts, matches
from backstay.state.score import INFINITY


@dataclass(frozen=True, slots=True)
class Status:
    nodes: tuple[Node, ...]
    histories: tuple[ResourceHistory, ...]
    fail_counts: tuple[FailCount, ...]
    tickets: tuple[Ticket, ...]


def read_status(
    root: Element, index: Index, properties: ClusterProperties, *, now: float, absences: Mapping[Element, Run]
) -> Status:
    """Nodes in the order in which their states stand, then those without; and everything recorded about them. Raises CibError."""
    states = _states(root)
    nodes: list[Node] = []
    histories: list[ResourceHistory] = []
    fail_counts: list[FailCount] = []
    names: dict[int, str] = {}  # of the nodes whose state an element is
    for element in root.iterfind("configuration/nodes/node"):
        state = states.get(required(element, "id"))
        if state is None:
            state = next((one for one in states.values() if one.get("uname") == element.get("uname")), None)
        node = _node(element, state, index=index, properties=properties, now=now)
        nodes.append(node)
        if state is None:
            continue
        names[id(state)] = node.name
        fail_counts += _fail_counts(node)
    reported: dict[str, int] = {}
    for state in root.iterfind("status/node_state"):
        if id(state) in names:
            reported.setdefault(names[id(state)], len(reported))
            histories += _histories(state, names[id(state)], absences)
    # Of several copies the first reported counts as the one that is meant, so nodes are in that order.
    nodes.sort(key=lambda node: reported.get(node.name, len(reported)))
    tickets = tuple(_ticket(one) for one in root.iterfind("status/tickets/ticket_state"))
    return Status(tuple(nodes), tuple(histories), tuple(fail_counts), tickets)


def _states(root: Element) -> dict[str, Element]:
    found: dict[str, Element] = {}
    for state in root.iterfind("status/node_state"):
        identity = state.get("id") or state.get("uname")
        if identity:
            found.setdefault(identity, state)
    return found


def _pairs(element: Element | None, tag: str, index: Index, now: float) -> dict[str, str]:
    """Name/value pairs as they apply now."""
    values: dict[str, str] = {}
    for one in [] if element is None else read_sets(element, tag, index):
        if one.rule is None or matches(one.rule, Facts(now=now)):
            for name, value in one.values.items():
                values.setdefault(name, value)
    return values


def _node(
    element: Element, state: Element | None, *, index: Index, properties: ClusterProperties, now: float
) -> Node:
    attributes = _pairs(element, "instance_attributes", index, now)
    transient = (
        {} if state is None else _pairs(state.find("transient_attributes"), "instance_attributes", index, now)
    )
    both = {**attributes, **transient}
    shutdown = both.get("shutdown", "0") not in ("0", "false", "")
    kind = NodeKind.MEMBER
    if element.get("type") == "remote":
        kind = NodeKind.REMOTE
    elif element.get("type") == "ping":
        kind = NodeKind.PING
    terminate = both.get("terminate", "0") not in ("0", "false", "")
    standing = standing_of(
        state,
        fencing=properties.fencing_enabled,
        startup_fencing=properties.startup_fencing,
        shutdown=shutdown,
        terminate=terminate,
    )
    utilization: dict[str, int] = {}
    for name, value in _pairs(element, "utilization", index, now).items():
        utilization[name] = parsed(value, integer, element=label(element), attribute=name)
    return Node(
        name=element.get("uname") or required(element, "id"),
        id=required(element, "id"),
        kind=kind,
        online=standing.online,
        unclean=standing.unclean,
        unclean_reason=standing.reason,
        pending=standing.pending,
        left=properties.fencing_enabled and standing.seen and not (standing.online or standing.unclean),
        seen=standing.seen,
        standby=standing.seen and _flag(both, "standby"),
        maintenance=_flag(both, "maintenance"),
        discovery=both.get("resource-discovery-enabled", "true").lower() not in ("false", "no", "off", "0"),
        shutdown=shutdown,
        fence_requested=terminate,
        attributes=attributes,
        transient=transient,
        utilization=utilization,
    )


def _flag(pairs: dict[str, str], name: str) -> bool:
    try:
        return boolean(pairs.get(name, "false"))
    except CibError:
        return False


def _histories(state: Element, node: str, absences: Mapping[Element, Run]) -> Iterator[ResourceHistory]:
    for element in state.iterfind("lrm/lrm_resources/lrm_resource"):
        run = absences.get(element)
        if run is None:
            yield _history(element, node)
        else:
            for agent, probe in run:
                yield ResourceHistory(resource=probe.resource, node=node, agent=agent, operations=probe)


def _history(element: Element, node: str) -> ResourceHistory:
    return ResourceHistory(
        resource=required(element, "id"),
        node=node,
        agent=agent_of(element.attrib),
        operations=tuple(record_of(op) for op in element.findall("lrm_rsc_op")),
        container=element.get("container"),
        shutdown_lock_at=read(element, "shutdown-lock", date),
    )


_COUNT, _LAST = "fail-count-", "last-failure-"


def _fail_counts(node: Node) -> list[FailCount]:
    found = []
    for name, value in node.transient.items():
        if not name.startswith(_COUNT):
            continue
        rest = name.removeprefix(_COUNT)
        resource, mark, operation = rest.rpartition("#")
        interval_ms = 0
        if mark:
            operation, _, interval = operation.rpartition("_")
            interval_ms = whole(interval) or 0
        else:
            resource, operation = rest, ""
        last = node.transient.get(_LAST + rest, "")
        found.append(
            FailCount(
                resource=resource,
                node=node.name,
                operation=operation,
                interval_ms=interval_ms,
                count=_count(value),
                last_failure=float(whole(last) or 0) or None,
            )
        )
    return found


def _count(text: str) -> int:
    try:
        return score(text)
    except CibError:
        return INFINITY if text else 0


def _ticket(element: Element) -> Ticket:
    attributes = {name: value for name, value in element.attrib.items() if name != "id"}
    return Ticket(
        id=required(element, "id"),
        granted=_flag(attributes, "granted"),
        standby=_flag(attributes, "standby"),
        last_granted=read(element, "last-granted", date_or_number),
        attributes=attributes,
    )
