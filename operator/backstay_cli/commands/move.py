"""`resource move`: a request that the DC carries out and forgets. No constraint stays behind, unlike crm_resource's move."""

from __future__ import annotations

import argparse

from backstay_cli.build.placement import lasting, pull
from backstay_cli.edit import holder, request
from backstay_cli.errors import CliError
from backstay_cli.gather import Wanted, gather, node_labels
from backstay_cli.session import Session
from backstay_cli.view import Target, TargetKind, View, find
from backstay_cli.wait import state_text


async def move(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted())
    target = _whole(session, view, find(view, arguments.id, namespace=session.namespace))
    if target.role in ("Stopped", "") and not target.nodes:
        raise CliError(f"{target.id} is not running, so there is nothing to move", hint=state_text(target))
    if arguments.node is not None:
        problem = _refusal(view, arguments.node)
        if problem:
            raise CliError(f"{target.id} cannot move to {arguments.node}: {problem}")
        if target.nodes == (arguments.node,):
            session.say(f"{target.id} is on {arguments.node} already")
            return 0
    body = {"type": "move"} | ({"node": arguments.node} if arguments.node else {})
    ack = await request(session, holder(target), body, wait_s=arguments.wait)
    if ack is None:
        session.say(f"{target.id}: move asked for")
        return 0
    after = await gather(session, Wanted(plans=True, constraints=True, fencing=True))
    moved = find(after, target.id, namespace=session.namespace)
    session.say(state_text(moved))
    if len(moved.nodes) == 1:
        change = pull(after, moved, node_labels=await node_labels(session))
        session.say(f"  {lasting(after, moved, moved.nodes[0], change=change)}")
    return 0


def _whole(session: Session, view: View, target: Target) -> Target:
    """A member moves with its group."""
    if target.group is None or target.kind is TargetKind.GROUP:
        return target
    group = find(view, target.group.resource_id, namespace=target.namespace)
    session.say(f"{target.id} is a member of {group.id}: the whole group moves")
    return group


def _refusal(view: View, name: str) -> str:
    node = view.node(name)
    state = node.status.state
    if state == "Online":
        return ""
    return f"{name} is {state}" + (f" ({node.status.reason})" if node.status.reason else "")
