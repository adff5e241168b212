"""`resource delete`: stop it, take it out of its group, delete the object.

What is deleted while it runs is stopped without its order, because the order was deleted with it: a file system might be unmounted
under its web server, fail, and get its node fenced. So it is disabled first, and deleted once it has stopped, as pcs does.
"""

from __future__ import annotations

import argparse

from backstay_cli.build.resource import without_member
from backstay_cli.commands.steer import set_meta
from backstay_cli.edit import edit
from backstay_cli.errors import CliError
from backstay_cli.gather import Wanted, gather
from backstay_cli.places import is_managed, settled
from backstay_cli.session import Session
from backstay_cli.view import Target, TargetKind, View, find
from backstay_cli.wait import wait_for_roles
from backstay_kube import kinds


async def delete(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted(constraints=True))
    found = [find(view, word, namespace=session.namespace) for word in dict.fromkeys(arguments.ids)]
    if not arguments.force:
        await _stop(session, found, timeout_s=arguments.wait)
    for target in found:
        if target.kind is TargetKind.GROUP:
            await _delete_group(session, view, target)
        else:
            # Each as it is now: the one before may have been of the same group.
            await _leave_group(session, _fresh(await gather(session, Wanted()), target))
            if target.kind is TargetKind.RESOURCE:
                await session.api.delete(kinds.HARESOURCE, target.name, target.namespace)
        session.say(f"{target.id} deleted")
        for name in _references(view, target):
            session.say(f"  the constraint {name} still names it: kubectl delete haconstraint {name}")
    return 0


async def _stop(session: Session, found: list[Target], *, timeout_s: float) -> None:
    """Disable what runs and wait. Raises CliError when something does not stop: it stays disabled, and is not deleted."""
    running = [t for t in found if is_managed(t) and t.role and not settled(t, running=False)]
    if not running:
        return
    for target in running:
        await set_meta(session, target, {"targetRole": "Stopped"})
    session.say(f"stopping {', '.join(target.id for target in running)}...")
    try:
        await wait_for_roles(session, [t.id for t in running], running=False, timeout_s=timeout_s)
    except CliError as error:
        raise CliError(
            f"{error}: nothing was deleted",
            hint="it stays disabled; find out why it does not stop, or delete it as it is with --force",
        ) from None


async def _delete_group(session: Session, view: View, target: Target) -> None:
    """As pcs: the group and its members."""
    assert target.group is not None
    await session.api.delete(kinds.RESOURCEGROUP, target.name, target.namespace)
    there = {r.metadata.name: r for r in view.resources if r.metadata.namespace == target.namespace}
    for member in target.group.spec.members:
        if member.resource in there:
            await session.api.delete(kinds.HARESOURCE, member.resource, target.namespace)
            session.say(f"{there[member.resource].resource_id} deleted")


def _fresh(view: View, target: Target) -> Target:
    return find(view, target.id, namespace=target.namespace)


async def _leave_group(session: Session, target: Target) -> None:
    """The last member takes its group with it: a group without members is not allowed."""
    group = target.group
    if group is None:
        return
    member = target.name if target.kind is TargetKind.RESOURCE else target.id
    if len(group.spec.members) == 1:
        await session.api.delete(kinds.RESOURCEGROUP, group.metadata.name, target.namespace)
        session.say(f"{group.resource_id} deleted: {target.id} was its last member")
        return
    await edit(
        session,
        kinds.RESOURCEGROUP,
        group.metadata.name,
        namespace=target.namespace,
        change=lambda obj: {"spec": {"members": without_member(obj, member)}},
    )


def _references(view: View, target: Target) -> list[str]:
    """Constraints that name it, by id or by name."""
    names = {target.id, target.name} if target.kind is not TargetKind.INLINE else {target.id}
    found = []
    for constraint in view.constraints:
        spec = constraint.spec
        said: list[str | None] = []
        if spec.location is not None:
            said += [spec.location.resource]
        if spec.colocation is not None:
            said += [spec.colocation.resource, spec.colocation.with_resource]
        if spec.order is not None:
            said += [spec.order.first, spec.order.then]
        if spec.ticket is not None:
            said += [spec.ticket.resource]
        if names & set(said):
            found.append(constraint.metadata.name)
    return found
