"""`history`: the newest transitions, or one of them in detail."""

from __future__ import annotations

import argparse
import json

from backstay.api import HATransition
from backstay_cli.errors import CliError, UsageError
from backstay_cli.gather import Wanted, gather
from backstay_cli.render.history import detail_lines, history_lines, newest
from backstay_cli.render.paint import paint_for
from backstay_cli.session import Session
from backstay_cli.view import View


async def history(session: Session, arguments: argparse.Namespace) -> int:
    if arguments.last < 1:
        raise UsageError("-n: a number of transitions, at least 1")
    view = await gather(session, Wanted(transitions=True))
    one = None if arguments.number is None else numbered(view, arguments.number)
    chosen = newest(view.transitions, arguments.last) if one is None else [one]
    if arguments.output == "json":
        session.show(json.dumps([_document(t) for t in chosen], indent=2))
        return 0
    paint = paint_for(session.out, session.environ)
    lines = list(history_lines(chosen, paint)) if one is None else list(detail_lines(one, paint))
    session.show("\n".join(lines) or f"no transition of {view.name} is kept yet")
    return 0


def numbered(view: View, number: int) -> HATransition:
    """Raises CliError when it is not kept (any more)."""
    found = [t for t in view.transitions if t.spec.number == number]
    if found:
        return max(found, key=lambda t: t.spec.epoch)
    kept = sorted(t.spec.number for t in view.transitions)
    raise CliError(
        f"transition {number} is not kept",
        hint=f"there are {kept[0]} to {kept[-1]}" if kept else "there are none yet",
    )


def _document(transition: HATransition) -> dict[str, object]:
    spec = transition.spec.wire()
    spec.pop("input", None)
    return {"name": transition.metadata.name, "spec": spec, "status": transition.status.wire()}
