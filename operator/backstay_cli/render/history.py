"""Transitions as a story: number, time, trigger, what was done, how long it took. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backstay.api import HATransition
from backstay.api.transition import TransitionAction
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
    if status.actions:
        yield ""
        yield paint.heading("Actions:")
        yield from (f"  {line}" for line in _actions(status.actions, paint))
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


def _actions(actions: Sequence[TransitionAction], paint: Paint) -> Iterator[str]:
    rows = [
        (
            paint.clock(action.started),
            action.action,
            action.node,
            action.state + (f" (rc {action.rc})" if action.rc else ""),
            ms_text(action.duration_ms),
            action.reason,
        )
        for action in sorted(actions, key=lambda a: (a.started or "~", a.number))
    ]
    for row, line in zip(
        [None, *rows], table(("TIME", "ACTION", "NODE", "OUTCOME", "TOOK", "REASON"), rows), strict=True
    ):
        yield paint.bad(line) if row is not None and row[3].startswith(("Failed", "TimedOut")) else line
