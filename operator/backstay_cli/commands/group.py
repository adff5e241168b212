"""`group list`, `add`, `remove`."""

from __future__ import annotations

import argparse
import json

from backstay_cli.build.names import kubernetes_name
from backstay_cli.build.resource import Placement, group_manifest, with_member, without_member
from backstay_cli.edit import edit
from backstay_cli.errors import CliError, UsageError
from backstay_cli.gather import Wanted, gather
from backstay_cli.session import Session
from backstay_cli.view import Target, TargetKind, View, find, targets
from backstay_kube import kinds


async def list_groups(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted())
    members = {
        group.id: [t.id for t in targets(view) if t.group is group.group and t.kind is not TargetKind.GROUP]
        for group in targets(view)
        if group.kind is TargetKind.GROUP
    }
    if arguments.output == "json":
        session.show(json.dumps(members, indent=2))
    else:
        session.show("\n".join(f"{id_}: {' '.join(names)}" for id_, names in members.items()) or "no groups")
    return 0


async def add(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted())
    members = [_free(view, session, word) for word in dict.fromkeys(arguments.ids)]
    namespaces = {member.namespace for member in members}
    if len(namespaces) != 1:
        raise UsageError(
            f"a group has its members in one namespace; these are in {', '.join(sorted(namespaces))}"
        )
    group = _group(view, arguments.group)
    if group is not None and group.namespace not in namespaces:
        raise CliError(f"the group {group.id} is in namespace {group.namespace}, its new members are not")
    first = members
    namespace = members[0].namespace
    if group is None:
        if arguments.before or arguments.after:
            raise CliError(f"the group {arguments.group} is new: it has no members to be placed by")
        name = kubernetes_name(arguments.group)
        body = group_manifest(arguments.group, members[0].name, namespace=namespace)
        await session.api.create(kinds.RESOURCEGROUP, body, namespace)
        first = members[1:]
    else:
        name = group.name
    placement = Placement(
        before=_object_name(view, arguments.before), after=_object_name(view, arguments.after)
    )
    # Each goes before the same neighbour, or after it in reverse, so that they stand in the order they were named.
    for member in reversed(first) if placement.after else first:
        await edit(
            session,
            kinds.RESOURCEGROUP,
            name,
            namespace=namespace,
            change=lambda obj, member=member: {"spec": {"members": with_member(obj, member.name, placement)}},  # type: ignore[misc]
        )
    session.say(f"{' '.join(member.id for member in members)} added to {arguments.group}")
    return 0


async def remove(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted())
    group = _group(view, arguments.group)
    if group is None or group.group is None:
        raise CliError(f"there is no group {arguments.group!r}", hint="list them: kubectl ha group list")
    leaving = [find(view, word, namespace=session.namespace) for word in dict.fromkeys(arguments.ids)]
    for member in leaving:
        if member.group is not group.group or member.kind is TargetKind.GROUP:
            raise CliError(f"{member.id} is not in the group {group.id}")
        if member.kind is TargetKind.INLINE:
            raise CliError(
                f"{member.id} is written inside the group: it cannot stay without it",
                hint=f"kubectl ha resource delete {member.id}",
            )
    if len(leaving) == len(group.group.spec.members):
        await session.api.delete(kinds.RESOURCEGROUP, group.name, group.namespace)
        session.say(f"{group.id} deleted: it has no members left, which stay as resources of their own")
        return 0
    for member in leaving:
        await edit(
            session,
            kinds.RESOURCEGROUP,
            group.name,
            namespace=group.namespace,
            change=lambda obj, member=member: {"spec": {"members": without_member(obj, member.name)}},  # type: ignore[misc]
        )
        session.say(f"{member.id} removed from {group.id}")
    return 0


def _free(view: View, session: Session, word: str) -> Target:
    """A resource that is in no group yet."""
    target = find(view, word, namespace=session.namespace)
    if target.kind is not TargetKind.RESOURCE or target.resource is None:
        raise CliError(f"{word!r} is a {target.kind.value}: only resources can be members")
    if target.group is not None:
        raise CliError(
            f"{target.id} is in the group {target.group.resource_id} already",
            hint=f"kubectl ha group remove {target.group.resource_id} {target.id}",
        )
    if target.resource.spec.clone is not None:
        raise CliError(f"{target.id} is cloned: a clone cannot be a member; clone the group instead")
    return target


def _group(view: View, word: str) -> Target | None:
    groups = [t for t in targets(view) if t.kind is TargetKind.GROUP]
    return next((g for g in groups if word == g.id), None) or next(
        (g for g in groups if word == g.name), None
    )


def _object_name(view: View, word: str) -> str:
    """Neighbours may be named by id; the group's list holds object names, and ids of inline members."""
    if not word:
        return ""
    target = find(view, word, namespace=None)
    return target.id if target.kind is TargetKind.INLINE else target.name
