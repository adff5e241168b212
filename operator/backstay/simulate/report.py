"""A simulation as text, in the sections and words of crm_simulate."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from backstay.scheduler.situation import Situation
from backstay.scheduler.transition import Change, Transition, Verb
from backstay.simulate.executor import Execution
from backstay.simulate.status import disabled_line, status_lines
from backstay.state.choices import Role
from backstay.state.score import text as score_text
from backstay.transition.graph import Action, ActionKind


@dataclass(frozen=True, slots=True)
class Report:
    """The sections, each a tuple of lines; `text()` puts them together."""

    preamble: tuple[str, ...]
    current: tuple[str, ...]
    summary: tuple[str, ...]
    executed: tuple[str, ...]
    revised: tuple[str, ...]
    scores: tuple[str, ...] = ()
    date_line: str = ""
    changes: tuple[str, ...] = ()

    def text(self) -> str:
        """The whole report."""
        date = [self.date_line] if self.date_line else []
        lines = [*date, *self.preamble, "Current cluster status:", *self.current, ""]
        if self.changes:
            lines += ["Performing Requested Modifications:", *(f"  * {one}" for one in self.changes), ""]
        if self.scores:
            lines += ["Assignment Scores:", *self.scores, ""]
        lines += ["Transition Summary:", *self.summary, ""]
        lines += ["Executing Cluster Transition:", *self.executed, *date, ""]
        lines += ["Revised Cluster Status:", *self.revised]
        return "\n".join(lines) + "\n"


def report(
    *,
    before: Situation,
    transition: Transition,
    execution: Execution,
    after: Situation,
    show_scores: bool,
    original_date: bool,
    changes: tuple[str, ...] = (),
) -> Report:
    """Put a simulation into words."""
    disabled = disabled_line(before)
    scores = [
        f"pcmk__{line.stage}_assign: {line.resource} allocation score on {line.node}: {score_text(line.score)}"
        for line in transition.scores
    ]
    for one in transition.promotion_scores:
        where = f" on {one.node}" if one.node else " (inactive)"
        scores.append(f"{one.resource} promotion score{where}: {score_text(one.score)}")
    return Report(
        preamble=(*_mode_lines(before), *(() if disabled is None else (disabled, ""))),
        current=tuple(status_lines(before)),
        summary=tuple(change_lines(transition.changes)),
        executed=tuple(f"  * {action_text(action)}" for action in execution.actions),
        revised=tuple(status_lines(after)),
        scores=tuple(sorted(scores)) if show_scores else (),
        date_line=_date_line(before.state.now) if original_date else "",
        changes=changes,
    )


def _mode_lines(situation: Situation) -> tuple[str, ...]:
    if not situation.properties.maintenance_mode:
        return ()
    return (
        "",
        "              *** Resource management is DISABLED ***",
        "  The cluster will not attempt to start, stop or recover services",
        "",
    )


def _date_line(now: float) -> str:
    date = datetime.datetime.fromtimestamp(now, tz=datetime.UTC)
    return f"Using the original execution date of: {date:%Y-%m-%d %H:%M:%S}Z"


# -- summary


def change_lines(changes: tuple[Change, ...]) -> Iterator[str]:
    """One line per change, columns aligned."""
    width = max((len(one.resource) for one in changes), default=0)
    for one in changes:
        if one.verb is Verb.FENCE:
            yield f"  * Fence ({one.fencing_action}) {one.to_node} '{one.reason}'"
            continue
        reason = f"  due to {one.reason}" if one.reason else ""
        blocked = " (blocked)" if one.blocked else ""
        if blocked and not reason:
            blocked = " blocked"
        yield f"  * {one.verb.value:<10} {one.resource:<{width}}     ( {_places(one)} ){reason}{blocked}"


def _places(change: Change) -> str:
    roles = {Role.PROMOTED, Role.UNPROMOTED}
    from_role, to_role = change.from_role, change.to_role
    with_roles = from_role in roles or to_role in roles
    here, there = change.from_node, change.to_node
    match change.verb:
        case Verb.START:
            return str(there)
        case Verb.STOP:
            return f"{from_role.value} {here}" if with_roles and from_role is not None else str(here)
        case _ if with_roles and from_role is not None and to_role is not None:
            if here is None or here == there:
                return _same_node(change, from_role, to_role)
            if from_role is to_role:
                return f"{here} -> {there} {to_role.value}"
            return f"{from_role.value} {here} -> {to_role.value} {there}"
        case _:
            return str(there) if here == there else f"{here} -> {there}"


def _same_node(change: Change, from_role: Role, to_role: Role) -> str:
    if from_role is to_role:
        return f"{from_role.value} {change.to_node}"
    return f"{from_role.value} -> {to_role.value} {change.to_node}"


# -- executed actions


def action_text(action: Action) -> str:
    """One executed action."""
    match action.kind:
        case ActionKind.PSEUDO:
            return f"Pseudo action:   {action.key}"
        case ActionKind.FENCING:
            return f"Fencing {action.node} ({action.fencing_action})"
        case ActionKind.CLUSTER:
            what = f" for {action.xml_id or action.resource}" if action.resource else ""
            return f"Cluster action:  {action.operation}{what} on {action.node}"
        case ActionKind.RESOURCE:
            every = f"={action.interval_ms}" if action.interval_ms else ""
            name = action.xml_id or action.resource
            return f"Resource action: {name:<15} {action.operation}{every} on {action.node}"
