"""`resource ban` and `clear`."""

from __future__ import annotations

import argparse

from backstay_cli.build.ban import EXPIRES, ban_manifest, banned_node, is_ban, is_expired, lifetime_s
from backstay_cli.errors import UsageError
from backstay_cli.gather import Wanted, gather
from backstay_cli.render.paint import paint_for
from backstay_cli.session import Session
from backstay_cli.view import Target, TargetKind, find
from backstay_kube import kinds
from backstay_kube.errors import ApiConflict, ApiNotFound


async def ban(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted(constraints=True))
    target = find(view, arguments.id, namespace=session.namespace)
    node = arguments.node or _only_node(target)
    view.node(node)
    lifetime = lifetime_s(arguments.lifetime) if arguments.lifetime else None
    body = ban_manifest(
        resource=_reference(target),
        namespace=target.namespace,
        node=node,
        now=session.clock(),
        lifetime=lifetime,
    )
    name = body["metadata"]["name"]
    try:
        await session.api.create(kinds.HACONSTRAINT, body, target.namespace)
    except ApiConflict as error:
        if error.reason != "AlreadyExists":
            raise
        # A ban that is there already gets the new lifetime: the old one is replaced as a whole.
        await session.api.delete(kinds.HACONSTRAINT, name, target.namespace)
        await session.api.create(kinds.HACONSTRAINT, body, target.namespace)
    paint = paint_for(session.err, session.environ)
    until = f"until {paint.time(body['metadata']['annotations'][EXPIRES])}" if lifetime else "for good"
    session.say(f"{target.id} is banned from {node} {until} (haconstraint {target.namespace}/{name})")
    if lifetime is None:
        session.say(f"  take it back with: kubectl ha resource clear {target.id} {node}")
    others = [n.metadata.name for n in view.nodes if n.metadata.name != node and n.status.state == "Online"]
    if not others:
        session.say("  warning: no other node is online: it stops")
    return 0


async def clear(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted(constraints=True))
    target = find(view, arguments.id, namespace=session.namespace)
    names = {target.id, target.name if target.kind is not TargetKind.INLINE else target.id}
    bans = [
        c
        for c in view.constraints
        if is_ban(c)
        and c.metadata.namespace == target.namespace
        and c.spec.location is not None
        and c.spec.location.resource in names
        and arguments.node in (None, banned_node(c))
        and (not arguments.expired or is_expired(c, session.clock()))
    ]
    for constraint in bans:
        try:
            await session.api.delete(kinds.HACONSTRAINT, constraint.metadata.name, target.namespace)
        except ApiNotFound:
            continue
        session.say(f"{target.id} is no longer banned from {banned_node(constraint)}")
    if not bans:
        session.say(f"{target.id} has no ban of kubectl ha to clear")
    return 0


def _reference(target: Target) -> str:
    return target.id if target.kind is TargetKind.INLINE else target.name


def _only_node(target: Target) -> str:
    if len(target.nodes) != 1:
        raise UsageError(f"{target.id} is active on {len(target.nodes)} nodes: name the node to ban it from")
    return target.nodes[0]
