"""The text of `status`: pcs's sections in pcs's order, columns aligned, marks in parentheses.

Pure: a StatusDocument and a Paint in, lines out. Where it differs from pcs: the DC is an operator replica, a resource that does not run
says why in the line below, and failed actions take two lines instead of one of 200 columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backstay.api.quantities import score_text
from backstay.ocf.exitcode import exit_code_text
from backstay_cli.render.paint import Paint, age_text, bracketed
from backstay_cli.render.status_model import (
    FailedAction,
    NodeStatus,
    Place,
    ResourceStatus,
    StatusDocument,
)

_QUIET_STATES = {"Online": "Online", "Offline": "OFFLINE", "Stopped": "Stopped"}
"""Node states that are listed together; every other state gets a line for each node."""


def status_text(document: StatusDocument, paint: Paint) -> str:
    """The whole screen, without a final newline."""
    sections = [
        [f"Cluster name: {paint.heading(document.cluster)}", *_summary(document, paint)],
        [paint.heading("Node List:"), *_node_lines(document.nodes, paint)],
        [
            paint.heading("Full List of Resources:"),
            *resource_lines(document.resources, document.nodes, paint),
        ],
        _titled(paint, "Failed Resource Actions:", [*_failed_lines(document.failed_actions, paint)]),
        _titled(paint, "Fencing History:", [*_fencing_lines(document, paint)]),
        _titled(paint, "Problems:", [*_problem_lines(document, paint)]),
        [paint.heading("Daemon Status:"), *_daemon_lines(document, paint)],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def _titled(paint: Paint, title: str, lines: list[str]) -> list[str]:
    return [paint.heading(title), *lines] if lines else []


def _summary(document: StatusDocument, paint: Paint) -> Iterator[str]:
    yield paint.heading("Cluster Summary:")
    yield f"  * Current DC: {_dc_text(document, paint)}"
    yield f"  * Last updated: {paint.time(document.last_updated)}"
    last = document.last_transition
    if last is not None:
        trigger = f": {last.trigger}" if last.trigger else ""
        yield f"  * Last change:  {paint.time(last.time)} (transition {last.number}, {last.phase.lower()}{trigger})"
    counts = document.counts
    notes = [f"{counts.disabled} DISABLED"] * bool(counts.disabled)
    notes += [f"{counts.blocked} BLOCKED from further action due to failure"] * bool(counts.blocked)
    yield f"  * {counts.nodes} node{_s(counts.nodes)} configured"
    tail = f" ({', '.join(notes)})" if notes else ""
    yield f"  * {counts.resource_instances} resource instance{_s(counts.resource_instances)} configured{tail}"
    if document.maintenance_mode:
        yield ""
        yield "  " + paint.warn(
            "*** Maintenance mode: the cluster will not start, stop or monitor resources ***"
        )
    if not document.fencing_enabled:
        yield ""
        yield "  " + paint.warn("Fencing is disabled (stonithEnabled: false): a lost node is not fenced")


def _dc_text(document: StatusDocument, paint: Paint) -> str:
    dc = document.dc
    if not dc.name:
        return paint.bad("NONE") + " (no operator has taken this cluster yet)"
    if dc.alive is False:
        silent = f" {age_text(dc.silent_seconds)} ago" if dc.silent_seconds is not None else ""
        return paint.bad("NONE") + f" ({dc.name} was last heard{silent}: what follows is what it knew then)"
    match document.quorum:
        case True:
            partition = "with quorum"
        case False:
            partition = paint.bad("WITHOUT quorum")
        case None:
            partition = "quorum unknown"
    return f"{dc.name} (epoch {dc.epoch}) - partition {partition}"


def _node_lines(nodes: Sequence[NodeStatus], paint: Paint) -> Iterator[str]:
    if not nodes:
        yield "  * No nodes: no Node matches the HACluster's nodeSelector, or no operator runs"
    for node in nodes:
        if node.state not in _QUIET_STATES:
            yield f"  * Node {node.name}: {_node_state(node, paint)}"
    for state, title in _QUIET_STATES.items():
        names = [node.name for node in nodes if node.state == state]
        if names:
            painted = (
                paint.bad(title) if state == "Offline" else paint.good(title) if state == "Online" else title
            )
            yield f"  * {painted}: {bracketed(names)}"


def _node_state(node: NodeStatus, paint: Paint) -> str:
    """The state, and for one that nobody asked for its reason."""
    because = f" - {node.reason}" if node.reason else ""
    active = node.resources
    match node.state:
        case "Unclean":
            return paint.bad("UNCLEAN") + because
        case "Standby":
            return paint.warn(
                "standby" + (f" ({active} resource{_s(active)} still active)" if active else "")
            )
        case "Maintenance":
            return paint.warn("maintenance")
        case "Leaving":
            return paint.warn("leaving") + because
        case "Pending":
            return paint.warn("pending") + because
        case _:
            return node.state + because


def resource_lines(
    resources: Sequence[ResourceStatus], nodes: Sequence[NodeStatus], paint: Paint
) -> Iterator[str]:
    """The full list, groups and clones with what they hold."""
    if not resources:
        yield "  * No resources"
    single = [row for row in resources if row.kind == "resource"]
    online = [node.name for node in nodes if node.state in ("Online", "Standby", "Maintenance", "Leaving")]
    for row in resources:
        match row.kind:
            case "group":
                yield f"  * Resource Group: {row.id}{_marks(row, paint)}:"
                yield from _members(row, paint, indent=4)
            case "clone":
                yield from _clone_lines(row, online, paint)
            case _:
                yield from _primitive(row, single, paint=paint, indent=2)


def _members(row: ResourceStatus, paint: Paint, *, indent: int) -> Iterator[str]:
    for member in row.members:
        yield from _primitive(member, row.members, paint=paint, indent=indent)
    explained = any(m.role in ("Stopped", "Unseen") and m.why for m in row.members)
    if row.why and row.role != "Started" and not explained and not row.disabled:
        yield " " * (indent + 2) + paint.faint(row.why)


def _primitive(
    row: ResourceStatus, peers: Sequence[ResourceStatus], *, paint: Paint, indent: int
) -> Iterator[str]:
    """One line, its columns as wide as its peers need; and one more that says why, when it is not running."""
    id_width = max(len(peer.id) for peer in peers)
    agent_width = max(len(peer.agent) for peer in peers) + 3
    agent = f"({row.agent}):".ljust(agent_width)
    yield f"{' ' * indent}* {row.id.ljust(id_width)}  {agent}  {_state(row, paint)}{_marks(row, paint)}"
    if (
        row.why
        and (row.role not in ("Started", "Promoted", "Unpromoted") or row.blocked)
        and not row.disabled
    ):
        yield " " * (indent + 2) + paint.faint(row.why)


def _state(row: ResourceStatus, paint: Paint) -> str:
    nodes = " ".join(place.node for place in row.active)
    where = f" {nodes}" if nodes and len(row.active) == 1 else f" {bracketed(nodes.split())}" if nodes else ""
    match row.role:
        case "Started" | "Promoted" | "Unpromoted":
            painted = paint.good(row.role)
        case "Failed":
            painted = paint.bad("FAILED")
        case "Blocked":
            painted = paint.bad("Blocked")
        case "Stopped":
            painted = row.role if row.disabled else paint.warn(row.role)
        case "Unseen":
            painted = paint.warn("not yet seen by a DC")
        case _:
            painted = paint.warn(row.role)
    return painted + where


def _marks(row: ResourceStatus, paint: Paint) -> str:
    marks = []
    if row.disabled:
        marks.append(paint.warn("disabled"))
    if row.maintenance:
        marks.append(paint.warn("maintenance"))
    elif not row.managed:
        marks.append(paint.warn("unmanaged"))
    if row.blocked and row.role != "Blocked":
        marks.append(paint.bad("blocked"))
    if row.failures and row.kind == "resource":
        elsewhere = set(row.failed_on) - {place.node for place in row.active}
        where = f" on {' '.join(row.failed_on)}" if elsewhere else ""
        marks.append(paint.warn(f"failures: {score_text(row.failures)}{where}"))
    return f" ({', '.join(marks)})" if marks else ""


def _clone_lines(row: ResourceStatus, online: Sequence[str], paint: Paint) -> Iterator[str]:
    promotable = " (promotable)" if row.promotable else ""
    agent = f" ({row.agent})" if row.agent else ""
    yield f"  * Clone Set: {row.id}-clone [{row.id}]{agent}{promotable}{_marks(row, paint)}:"
    if row.role == "Unseen":
        yield f"    * {paint.warn('not yet seen by a DC')}"
        return
    listed: set[str] = set()
    for role in ("Promoted", "Unpromoted", "Started"):
        names = [place.node for place in row.active if _clone_role(place) == role]
        if names:
            yield f"    * {paint.good(role)}: {bracketed(names)}"
            listed.update(names)
    rest = sorted({_clone_role(place) for place in row.active} - {"Promoted", "Unpromoted", "Started"})
    for role in rest:
        names = [place.node for place in row.active if _clone_role(place) == role]
        yield f"    * {paint.warn(role)}: {bracketed(names)}"
        listed.update(names)
    idle = [name for name in online if name not in listed]
    if idle:
        yield f"    * Stopped: {bracketed(idle)}"
    if row.members:
        yield from _members(row, paint, indent=4)


def _clone_role(place: Place) -> str:
    return place.role or "Started"


def _failed_lines(failed: Sequence[FailedAction], paint: Paint) -> Iterator[str]:
    for action in failed:
        times = f", {score_text(action.count)} times" if action.count > 1 else ""
        key = f"{action.resource}_{action.operation}_{action.interval_ms}"
        word = paint.bad(exit_code_text(action.rc))
        yield f"  * {key} on {action.node}: {word} ({action.rc}){times}, last at {paint.time(action.last_failure)}"
        reason = f", reason='{action.reason}'" if action.reason else ""
        yield f"      call={action.call}, status={action.status}, exec={action.exec_ms}ms{reason}"


def _fencing_lines(document: StatusDocument, paint: Paint) -> Iterator[str]:
    for event in document.fencing:
        action = event.action or "fencing"
        if event.failure:
            word = paint.bad("failed")
            yield f"  * {action} of {event.node} {word}: {event.failure}, at {paint.time(event.time)}"
            continue
        yield f"  * {action} of {event.node} successful: by {event.by or 'unknown'}, at {paint.time(event.time)}"


def _problem_lines(document: StatusDocument, paint: Paint) -> Iterator[str]:
    for problem in document.problems:
        of = f"{problem.of}: " if problem.of else ""
        yield f"  * {of}{paint.warn(problem.message)}"


def _daemon_lines(document: StatusDocument, paint: Paint) -> Iterator[str]:
    names = document.operators or ((document.dc.name,) if document.dc.name else ())
    replicas = [
        f"{name} (DC)" if name == document.dc.name and document.dc.alive is not False else name
        for name in names
    ]
    yield f"  * Operator: {', '.join(replicas) if replicas else paint.bad('none seen')}"
    groups: dict[tuple[str, str], list[str]] = {}
    for node in document.nodes:
        groups.setdefault((node.agent_version, _agent_state(node)), []).append(node.name)
    for (version, state), members in groups.items():
        painted = paint.good(state) if state == "active" else paint.bad(state)
        yield f"  * Node agent{f' {version}' if version else ''}: {painted} {bracketed(members)}"


def _agent_state(node: NodeStatus) -> str:
    if node.heartbeat_age_seconds is None:
        return "never heard"
    if not node.heartbeat_fresh:
        return f"no heartbeat for {age_text(node.heartbeat_age_seconds)}"
    return "active" if node.agent_alive else "absent (its keeper still renews the lease)"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
