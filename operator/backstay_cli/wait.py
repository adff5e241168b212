"""Waiting until resources run, or have stopped, with a line for each step on the way."""

from __future__ import annotations

from collections.abc import Sequence

from backstay_cli.edit import wait_until
from backstay_cli.errors import CliError
from backstay_cli.gather import Wanted, gather
from backstay_cli.places import Place, changes, places, settled
from backstay_cli.session import Session
from backstay_cli.view import Target, TargetKind, View, find

QUIET_POLLS = 4
"""So many looks in a row (a quarter of a second apart) without a transition mean that nothing more will be tried."""


async def wait_for_roles(session: Session, ids: Sequence[str], *, running: bool, timeout_s: float) -> None:
    """Raises CliError, saying what each resource still is and why: when the time is over, and before that when an operation has
    failed and the DC tries nothing more."""
    known: dict[str, Place] | None = None
    last: dict[str, Target] = {}
    quiet = 0

    async def reached() -> bool | None:
        nonlocal known, quiet
        view = await gather(session, Wanted())
        now = places(view)
        for line in changes(known or {}, now):
            session.say(line)
        known = now
        last.update({word: find(view, word, namespace=session.namespace) for word in ids})
        waiting = [target for target in last.values() if not settled(target, running=running)]
        quiet = quiet + 1 if is_quiet(view) and any(failures_of(one) for one in waiting) else 0
        if quiet >= QUIET_POLLS:
            raise _failed(waiting, running=running)
        return None if waiting else True

    if await wait_until(session, reached, timeout_s=timeout_s) is None:
        slow = [state_text(t) for t in last.values() if not settled(t, running=running)]
        raise CliError(
            f"not {'running' if running else 'stopped'} after {timeout_s:g} s: {'; '.join(slow)}",
            hint="the cluster goes on with it; look with kubectl ha status",
        )
    for target in last.values():
        session.say(state_text(target))


def is_quiet(view: View) -> bool:
    """Whether no transition is under way, as the DC has published it."""
    last = view.cluster.status.last_transition
    return last is None or last.phase != "Running"


def _failed(waiting: Sequence[Target], *, running: bool) -> CliError:
    failed = [f"{one.id}: {'; '.join(failures_of(one))}" for one in waiting if failures_of(one)]
    return CliError(
        f"not {'running' if running else 'stopped'}: {', '.join(failed)}",
        hint=f"mend the cause, then: kubectl ha resource cleanup {waiting[0].id}",
    )


def failures_of(target: Target) -> list[str]:
    """`start failed on n2: not installed`, for each operation of a resource or group that has failed."""
    status = target.resource.status if target.resource is not None else None
    if status is None and target.group is not None:
        counts = target.group.status.fail_counts
    else:
        counts = status.fail_counts if status is not None else []
    return [
        f"{one.operation} failed on {one.node}" + (f": {one.reason}" if one.reason else "") for one in counts
    ]


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
