"""Waiting until resources run, or have stopped, with a line for each step on the way."""

from __future__ import annotations

from collections.abc import Sequence

from backstay_cli.edit import wait_until
from backstay_cli.errors import CliError
from backstay_cli.gather import Wanted, gather
from backstay_cli.places import Place, changes, places, settled
from backstay_cli.session import Session
from backstay_cli.view import Target, TargetKind, find


async def wait_for_roles(session: Session, ids: Sequence[str], *, running: bool, timeout_s: float) -> None:
    """Raises CliError, saying what each resource still is and why, when the time is over."""
    known: dict[str, Place] | None = None
    last: dict[str, Target] = {}

    async def reached() -> bool | None:
        nonlocal known
        view = await gather(session, Wanted())
        now = places(view)
        for line in changes(known or {}, now):
            session.say(line)
        known = now
        last.update({word: find(view, word, namespace=session.namespace) for word in ids})
        return True if all(settled(target, running=running) for target in last.values()) else None

    if await wait_until(session, reached, timeout_s=timeout_s) is None:
        slow = [state_text(t) for t in last.values() if not settled(t, running=running)]
        raise CliError(
            f"not {'running' if running else 'stopped'} after {timeout_s:g} s: {'; '.join(slow)}",
            hint="the cluster goes on with it; look with kubectl ha status",
        )
    for target in last.values():
        session.say(state_text(target))


def state_text(target: Target) -> str:
    """ClusterIP is Started on n2; ClusterIP is Stopped: no node may run it."""
    where = f" on {' '.join(target.nodes)}" if target.nodes else ""
    why = ""
    if not where:
        if target.resource is not None:
            why = target.resource.status.why
        elif target.kind is TargetKind.GROUP and target.group is not None:
            why = target.group.status.why
    return f"{target.id} is {target.role or 'not yet seen by a DC'}{where}" + (f": {why}" if why else "")
