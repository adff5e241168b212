"""`resource enable`, `disable`, `restart`: the target role, set where the resource is written."""

from __future__ import annotations

import argparse
from typing import Any

from backstay_cli.build.requests import inline_meta_patch, meta_patch
from backstay_cli.edit import edit, holder
from backstay_cli.errors import CliError
from backstay_cli.gather import Wanted, gather
from backstay_cli.session import Session
from backstay_cli.view import Target, TargetKind, find
from backstay_cli.wait import wait_for_roles


async def enable(session: Session, arguments: argparse.Namespace) -> int:
    return await _target_role(session, arguments, None)


async def disable(session: Session, arguments: argparse.Namespace) -> int:
    return await _target_role(session, arguments, "Stopped")


async def restart(session: Session, arguments: argparse.Namespace) -> int:
    """Stop, wait, and give back the target role it had: also when the wait ends badly or is interrupted."""
    view = await gather(session, Wanted())
    target = find(view, arguments.id, namespace=session.namespace)
    before = own_target_role(target)
    if before == "Stopped" or _group_role(target) == "Stopped":
        raise CliError(
            f"{target.id} is disabled, so there is nothing to restart",
            hint=f"kubectl ha resource enable {target.id}",
        )
    timeout_s = 60.0 if arguments.wait is None else float(arguments.wait)
    await set_meta(session, target, {"targetRole": "Stopped"})
    try:
        await wait_for_roles(session, [target.id], running=False, timeout_s=timeout_s)
    finally:
        await set_meta(session, target, {"targetRole": before})
    if arguments.wait is not None:
        await wait_for_roles(session, [target.id], running=True, timeout_s=timeout_s)
    return 0


async def set_meta(session: Session, target: Target, changes: dict[str, Any]) -> None:
    """Meta attributes of a resource, a group, or an inline member."""
    kind, name, namespace = holder(target)

    def change(obj: dict[str, Any]) -> dict[str, Any]:
        if target.kind is TargetKind.INLINE:
            return inline_meta_patch(obj, target.id, changes)
        return meta_patch(changes)

    await edit(session, kind, name, namespace=namespace, change=change)


def own_target_role(target: Target) -> str | None:
    """The target role that is written on it, None where there is none."""
    if target.template is not None:
        return target.template.meta.target_role
    return target.group.spec.meta.target_role if target.group is not None else None


def _group_role(target: Target) -> str | None:
    return target.group.spec.meta.target_role if target.group is not None else None


async def _target_role(session: Session, arguments: argparse.Namespace, role: str | None) -> int:
    view = await gather(session, Wanted())
    found = [find(view, word, namespace=session.namespace) for word in dict.fromkeys(arguments.ids)]
    for target in found:
        await set_meta(session, target, {"targetRole": role})
        session.say(f"{target.id} {'enabled' if role is None else 'disabled'}")
        if role is None and target.kind is not TargetKind.GROUP and _group_role(target) == "Stopped":
            assert target.group is not None
            session.say(f"  but its group is disabled: kubectl ha resource enable {target.group.resource_id}")
    if arguments.wait is not None:
        ids = [target.id for target in found]
        await wait_for_roles(session, ids, running=role is None, timeout_s=arguments.wait)
    return 0
