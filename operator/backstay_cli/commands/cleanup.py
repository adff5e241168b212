"""`resource cleanup` and `refresh`: requests that make the cluster forget, and look again."""

from __future__ import annotations

import argparse
import asyncio

from backstay_cli.edit import holder, request, wait_until
from backstay_cli.errors import CliError
from backstay_cli.gather import Wanted, gather
from backstay_cli.session import Session
from backstay_cli.view import Target, TargetKind, View, find, targets
from backstay_cli.wait import QUIET_POLLS, failures_of, is_quiet

RETRY_WAIT_S = 20.0
"""How long `cleanup` waits to see what becomes of what it made possible again."""


async def cleanup(session: Session, arguments: argparse.Namespace) -> int:
    """Without an id: every resource that has failures."""
    return await _ask(session, arguments, {"type": "cleanup"}, everything=False)


async def refresh(session: Session, arguments: argparse.Namespace) -> int:
    """Without an id: every resource."""
    return await _ask(session, arguments, {"type": "refresh"}, everything=True)


async def _ask(
    session: Session, arguments: argparse.Namespace, body: dict[str, str], *, everything: bool
) -> int:
    view = await gather(session, Wanted(plans=True))
    if arguments.node is not None:
        view.node(arguments.node)
        body = {**body, "node": arguments.node}
    if getattr(arguments, "operation", None):
        body = {**body, "operation": arguments.operation}
    if arguments.id is not None:
        chosen = [find(view, arguments.id, namespace=session.namespace)]
    else:
        chosen = [t for t in targets(view) if everything or _has_failures(view, t)]
        chosen = _whole_groups(chosen)
    if not chosen:
        session.say("no resource has failures: there is nothing to clean up")
        return 0
    return await _requests(session, chosen, body, wait_s=arguments.wait)


async def _requests(
    session: Session, chosen: list[Target], body: dict[str, str], *, wait_s: float | None
) -> int:
    """All at once; one that fails does not hide what became of the others."""
    places = [holder(t) for t in chosen]
    answers = await asyncio.gather(
        *(request(session, place, body, wait_s=wait_s) for place in places), return_exceptions=True
    )
    failed = 0
    for target, answer in zip(chosen, answers, strict=True):
        match answer:
            case CliError():
                failed += 1
                session.say(f"{answer}" + (f"\n  {answer.hint}" if answer.hint else ""))
            case BaseException():
                raise answer
            case None:
                session.say(f"{target.id}: {body['type']} asked for")
            case _:
                message = answer.get("message", "")
                session.say(f"{target.id}: {body['type']} done" + (f" ({message})" if message else ""))
    if not failed and wait_s is not None:
        failed = await _tell_what_failed_again(session, chosen)
    return 1 if failed else 0


async def _tell_what_failed_again(session: Session, chosen: list[Target]) -> int:
    """What was cleaned up is tried again. Wait for that, within a bound; returns how many targets have failures once more."""
    quiet = 0

    async def settled() -> bool | None:
        nonlocal quiet
        quiet = quiet + 1 if is_quiet(await gather(session, Wanted())) else 0
        return True if quiet >= QUIET_POLLS else None

    await wait_until(session, settled, timeout_s=RETRY_WAIT_S)
    view = await gather(session, Wanted())
    again = [(one.id, failures_of(find(view, one.id, namespace=one.namespace))) for one in chosen]
    for id_, failures in again:
        if failures:
            session.say(f"{id_}: it was tried again, and {'; '.join(failures)}")
    return sum(1 for _, failures in again if failures)


def _has_failures(view: View, target: Target) -> bool:
    if target.kind is TargetKind.GROUP:
        return False
    return any(f.resource == target.id for plan in view.plans for f in plan.status.failures)


def _whole_groups(chosen: list[Target]) -> list[Target]:
    """Inline members have no requests of their own: their group has. Each object once."""
    kept: dict[tuple[str, str, str], Target] = {}
    for target in chosen:
        kind, name, namespace = holder(target)
        kept.setdefault((kind.name, namespace, name), target)
    return list(kept.values())
