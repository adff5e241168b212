"""Transitions as a story: number, time, trigger, what was done, how long it took. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backstay.api import HATransition
from backstay.api.quantities import timestamp_seconds
from backstay.api.transition import HATransitionStatus, TransitionAction
from backstay_cli.render.paint import Paint, ms_text, table


def newest(transitions: Sequence[HATransition], count: int) -> list[HATransition]:
    """The newest `count`, oldest of them first, so that the last line is what happened last."""
    ordered = sorted(transitions, key=lambda t: (t.spec.epoch, t.spec.number))
    return ordered[-count:] if count > 0 else []


def history_lines(transitions: Sequence[HATransition], paint: Paint) -> Iterator[str]:
    """One paragraph for each."""
    for transition in transitions:
        yield _title(transition, paint)
        summary = transition.status.summary
        for line in summary:
            yield f"    * {line}"
        if not summary:
            yield "    " + paint.faint("nothing to do")


def detail_lines(transition: HATransition, paint: Paint) -> Iterator[str]:
    """One transition with every action and its outcome."""
    spec, status = transition.spec, transition.status
    yield _title(transition, paint)
    yield f"  DC: {spec.dc or '?'} (epoch {spec.epoch})"
    yield f"  Decided in {ms_text(status.decide_ms)}, carried out in {ms_text(status.duration_ms)}"
    if status.abort_reason:
        yield f"  Ended early: {status.abort_reason}"
    if status.summary:
        yield ""
        yield paint.heading("Summary:")
        yield from (f"  * {line}" for line in status.summary)
    if status.actions or status.moments:
        yield ""
        yield paint.heading("Story:")
        yield from (f"  {line}" for line in _story(status, paint))
    if status.actions_dropped:
        yield f"  ... and {status.actions_dropped} more, left out to keep the object small"
    yield ""
    if spec.input:
        yield f"Replay it: kubectl ha simulate --transition {spec.number}"
    else:
        yield f"It cannot be replayed: {spec.input_dropped or 'its input was not kept'}"


def _title(transition: HATransition, paint: Paint) -> str:
    spec, status = transition.spec, transition.status
    phase = {"Complete": paint.good, "Failed": paint.bad, "Aborted": paint.warn}.get(status.phase, paint.warn)
    duration = f" in {ms_text(status.duration_ms)}" if status.duration_ms is not None else ""
    failed = sum(action.state in ("Failed", "TimedOut") for action in status.actions)
    failures = f", {failed} action{'' if failed == 1 else 's'} failed" if failed else ""
    trigger = f": {spec.trigger}" if spec.trigger else ""
    number = paint.heading(f"Transition {spec.number}")
    return f"{number}  {paint.time(status.started)}  {phase(status.phase)}{duration}{failures}{trigger}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of the story; `at` sorts, and is empty for what never began."""

    at: str
    node: str
    what: str
    took: str = ""
    outcome: str = ""
    bad: bool = False


def _story(status: HATransitionStatus, paint: Paint) -> Iterator[str]:
    """Who noticed what when, then each action as it began; AFTER counts from the first line."""
    rows = sorted(
        (*_moments(status), *_actions(status.actions), *_end(status)), key=lambda row: row.at or "~"
    )
    first = next((timestamp_seconds(row.at) for row in rows if row.at), 0.0)
    cells = [
        (paint.clock(row.at), _after(row.at, first), row.node, row.what, row.took, row.outcome)
        for row in rows
    ]
    lines = table(("TIME", "AFTER", "NODE", "WHAT", "TOOK", "OUTCOME"), cells)
    yield lines[0]
    for row, line in zip(rows, lines[1:], strict=True):
        yield paint.bad(line) if row.bad else line


def _after(at: str, first: float) -> str:
    return f"{timestamp_seconds(at) - first:.3f} s" if at else ""


def _moments(status: HATransitionStatus) -> Iterator[_Row]:
    for moment in status.moments:
        yield _Row(at=moment.time, node=moment.node, what=moment.what)


def _actions(actions: Sequence[TransitionAction]) -> Iterator[_Row]:
    for action in actions:
        outcome = action.state + (f" (rc {action.rc})" if action.rc else "")
        yield _Row(
            at=action.started or action.ordered or "",
            node=action.node,
            what=action.action,
            took=ms_text(action.duration_ms),
            outcome=f"{outcome}: {action.reason}" if action.reason else outcome,
            bad=action.state in ("Failed", "TimedOut"),
        )


def _end(status: HATransitionStatus) -> Iterator[_Row]:
    if status.finished:
        yield _Row(at=status.finished, node="", what=f"the transition is {status.phase.lower()}")
